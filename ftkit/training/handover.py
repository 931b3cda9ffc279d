"""The same training as configuration for other tools: Axolotl, LLaMA-Factory, Unsloth, and a provider's fine-tuning file.

The tools are not run here; where one is installed, a test reads its file with its own code (Axolotl 0.19, LLaMA-Factory 0.9.5,
Unsloth 2026.10).
Sources: docs.axolotl.ai (chat_template datasets), LLaMA-Factory's data README and examples/train_lora, OpenAI's
fine-tuning guide (messages).
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.run_folder import write_text
from ftkit.models.chat import Messages

Lesson = tuple[Messages, str, str]
ROLES = {"system", "user", "assistant"}
FEWEST = 10  # examples that OpenAI's service takes at least


def hand_over(
    folder: Path, p: TrainingParameters, train: Sequence[Lesson], validation: Sequence[Lesson]
) -> list[str]:
    """Write the mix that was learnt from, and the training as configuration for other tools.

    Args:
        folder: Where to write; what was there before is replaced.
        p: The stage's parameters.
        train: Messages, answer and id of every training example, general ones included.
        validation: The same of the validation examples.

    Returns:
        The names of the files.

    Raises:
        FtkitError: Another tool shall train (``training.elsewhere``), and its weights are not here yet.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = {
        "train.jsonl": _lines(train),
        "validation.jsonl": _lines(validation),
        "axolotl.yaml": _yaml(axolotl(p), "axolotl train axolotl.yaml"),
        "llamafactory.yaml": _yaml(
            llamafactory(p, len(train)), "llamafactory-cli train llamafactory.yaml"
        ),
        "unsloth.yaml": _yaml(unsloth(p, len(train)), "unsloth train --config unsloth.yaml"),
        "dataset_info.json": json.dumps(
            {name: _entry(name) for name in ("train", "validation")}, indent=2
        )
        + "\n",
    }
    for name, text in files.items():
        write_text(folder / name, text)
    if p.elsewhere and not p.adapter:
        raise FtkitError(
            "the files for another tool are written, and nothing is trained here (training.elsewhere)",
            where=str(folder),
            todo="train with one of its configurations, put the folder of the weights into training.adapter, and run this again",
        )
    return sorted(files)


def _lines(lessons: Sequence[Lesson]) -> str:
    rows = (
        {"messages": [*messages, {"role": "assistant", "content": answer}]}
        for messages, answer, _ in lessons
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _yaml(values: dict[str, Any], command: str) -> str:
    return f"# {command}   (in this folder; not run by ftkit)\n" + yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True
    )


def axolotl(p: TrainingParameters) -> dict[str, Any]:
    """Return the training as Axolotl's configuration: the loss on the answer and its end token, as here."""
    files = {
        "type": "chat_template",
        "ds_type": "json",
        "field_messages": "messages",
        "roles_to_train": ["assistant"],
        "train_on_eos": "turn",
    }
    adapter: dict[str, Any] = {}
    if p.method != "full":
        adapter = {
            "adapter": p.method,
            "lora_r": p.lora_r,
            "lora_alpha": p.lora_alpha,
            "lora_dropout": 0.0,
            **(
                {"lora_target_modules": p.target_modules}
                if p.target_modules
                else {"lora_target_linear": True}
            ),
            "peft_use_dora": p.use_dora,
            "peft_use_rslora": p.use_rslora,
            "load_in_4bit": p.method == "qlora" and p.quantization_bits == 4,
            "load_in_8bit": p.method == "qlora" and p.quantization_bits == 8,
        }
    return {
        "base_model": p.base_model,
        "chat_template": "tokenizer_default",
        "datasets": [{"path": "train.jsonl", **files}],
        "test_datasets": [{"path": "validation.jsonl", "split": "train", **files}],
        **adapter,
        "sequence_len": p.max_length,
        "sample_packing": False,
        "micro_batch_size": p.per_device_train_batch_size,
        "gradient_accumulation_steps": p.gradient_accumulation_steps,
        "num_epochs": p.num_train_epochs,
        "learning_rate": p.learning_rate,
        "lr_scheduler": p.lr_scheduler_type,
        "warmup_ratio": p.warmup_ratio,
        "optimizer": "adamw_torch",
        "weight_decay": p.weight_decay,
        "bf16": "auto",
        **({"neftune_noise_alpha": p.neftune_noise_alpha} if p.neftune_noise_alpha else {}),
        "seed": p.seed,
        "evals_per_epoch": 1,
        "saves_per_epoch": 1,
        "output_dir": "axolotl_out",
    }


def _warmup_steps(p: TrainingParameters, examples: int) -> int:
    """Return the steps in which the rate rises, for tools that take no share."""
    steps = math.ceil(
        math.ceil(examples / (p.per_device_train_batch_size * p.gradient_accumulation_steps))
        * p.num_train_epochs
    )
    return math.ceil(steps * p.warmup_ratio)


def unsloth(p: TrainingParameters, examples: int) -> dict[str, Any]:
    """Return the training as the configuration of Unsloth's command line; it sets the schedule itself and takes whole passes.

    Args:
        p: The stage's parameters.
        examples: How many there are to learn from.
    """
    lora: dict[str, Any] = {
        "lora_r": p.lora_r,
        "lora_alpha": p.lora_alpha,
        "lora_dropout": 0.0,
        "use_rslora": p.use_rslora,
        "use_dora": p.use_dora,
    }
    if p.target_modules:
        lora["target_modules"] = ",".join(p.target_modules)
    return {
        "model": p.base_model,
        "data": {"local_dataset": ["train.jsonl"], "format_type": "chatml"},
        "training": {
            "training_type": "full" if p.method == "full" else "lora",
            "max_seq_length": p.max_length,
            "load_in_4bit": p.method == "qlora",
            "output_dir": "unsloth_out",
            "num_epochs": math.ceil(p.num_train_epochs),
            "learning_rate": p.learning_rate,
            "batch_size": p.per_device_train_batch_size,
            "gradient_accumulation_steps": p.gradient_accumulation_steps,
            "warmup_steps": _warmup_steps(p, examples),
            "weight_decay": p.weight_decay,
            "random_seed": p.seed,
            "packing": False,
            "train_on_completions": True,
        },
        **({} if p.method == "full" else {"lora": lora}),
    }


def llamafactory(p: TrainingParameters, examples: int) -> dict[str, Any]:
    """Return the training as LLaMA-Factory's configuration; its template must be the base's own.

    Args:
        p: The stage's parameters.
        examples: How many there are to learn from.
    """
    adapter: dict[str, Any] = {}
    if p.method != "full":
        adapter = {
            "lora_rank": p.lora_r,
            "lora_alpha": p.lora_alpha,
            "lora_dropout": 0.0,
            "lora_target": ",".join(p.target_modules) or "all",
            "use_dora": p.use_dora,
            "use_rslora": p.use_rslora,
        }
    if p.method == "qlora":
        adapter |= {"quantization_bit": p.quantization_bits, "quantization_method": "bnb"}
    return {
        "model_name_or_path": p.base_model,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full" if p.method == "full" else "lora",
        **adapter,
        "dataset_dir": ".",
        "dataset": "train",
        "eval_dataset": "validation",
        "template": "default",
        "cutoff_len": p.max_length,
        "per_device_train_batch_size": p.per_device_train_batch_size,
        "gradient_accumulation_steps": p.gradient_accumulation_steps,
        "num_train_epochs": p.num_train_epochs,
        "learning_rate": p.learning_rate,
        "lr_scheduler_type": p.lr_scheduler_type,
        "warmup_steps": _warmup_steps(p, examples),
        "weight_decay": p.weight_decay,
        "bf16": True,
        **({"neftune_noise_alpha": p.neftune_noise_alpha} if p.neftune_noise_alpha else {}),
        "seed": p.seed,
        "eval_strategy": "epoch",
        "save_strategy": "epoch",
        "output_dir": "llamafactory_out",
    }


def _entry(name: str) -> dict[str, Any]:
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    return {
        "file_name": f"{name}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": tags,
    }


def provider_faults(path: Path, context: int = 0) -> list[str]:
    """Return what a provider's fine-tuning service would refuse in a file of chat messages, line by line; empty: nothing.

    Args:
        path: The file (JSON lines).
        context: Longest example in characters; 0: not checked.
    """
    found, lines = (
        [],
        [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()],
    )
    if len(lines) < FEWEST:
        found.append(f"{len(lines)} examples, at least {FEWEST} are needed")
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            found.append(f"line {number}: is no JSON")
            continue
        turns = row.get("messages") if isinstance(row, dict) else None
        if not isinstance(turns, list) or not turns:
            found.append(f"line {number}: has no messages")
            continue
        bad = [
            t
            for t in turns
            if not isinstance(t, dict)
            or t.get("role") not in ROLES
            or not isinstance(t.get("content"), str)
            or not t["content"].strip()
        ]
        if bad:
            found.append(f"line {number}: a turn has an unknown role or no text")
        elif turns[-1]["role"] != "assistant":
            found.append(f"line {number}: the last turn is not the assistant's")
        elif context and sum(len(t["content"]) for t in turns) > context:
            found.append(f"line {number}: is longer than {context:,} characters")
    return found
