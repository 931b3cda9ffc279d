"""Reinforcement learning on top of the tuned adapter: GRPO or RLOO with TRL, rewarded by the task's checks or by a reward model.

Sources: Z. Shao et al., "DeepSeekMath" (2024), for GRPO; A. Ahmadian et al., "Back to basics" (2024), for RLOO; L. Ouyang et al., "Training language models to follow
instructions" (2022), for a reward model learnt from pairs and the penalty that holds the model near its start.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.training import PreferencePoint
from ftkit.core.run_folder import write_text
from ftkit.core.statistics import wilson
from ftkit.models.chat import Messages
from ftkit.models.load import quiet
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint
from ftkit.training.checkpoints import last_checkpoint, seconds_before
from ftkit.training.distributed import check_equal
from ftkit.training.preference.dpo import Preferred
from ftkit.training.preference.preference_trainer import (
    Progress,
    check_adapter,
    options,
    refine,
    watch,
)

Reward = Callable[[Sequence[str], Sequence[str]], list[float]]
REWARD_EPOCHS, REWARD_RATE, HEAD_SEED = 3.0, 1e-3, 7
KEY = "learnt_from.txt"
CONSTANT = 1e-4  # a reward model whose scores spread less than this tells nothing apart


def train(
    local: LocalModel,
    prompts: dict[str, Messages],
    reward: Reward,
    p: PreferenceParameters,
    folder: Path,
    base_folder: Path,
    progress: Progress | None = None,
) -> tuple[list[PreferencePoint], float]:
    """Let the model answer prompts, several times each, make the better rewarded answers likelier, and write the adapter.

    The adapter as it was is the reference that ``p.beta`` holds the new one near to.

    Args:
        local: The tuned model with its adapter; changed in place.
        prompts: What is asked, by id.
        reward: Returns the reward of each answer, given the ids of what was asked and the answers.
        p: Rates and sizes; each step answers ``per_device_train_batch_size`` prompts ``samples`` times.
        folder: The stage's folder; the weights go to ``adapter`` below it.
        base_folder: Folder of the base's weights.
        progress: Called with step, steps and a note.

    Returns:
        The log, and the seconds that it took.

    Raises:
        BadInput: The model has no adapter, or there are too few prompts.
        FtkitError: The loss is not a number any more, or memory ran out.
    """
    check_adapter(local)
    if len(prompts) < p.per_device_train_batch_size * p.processes:
        raise BadInput(
            f"{len(prompts)} prompts are fewer than one step takes",
            where="preference.pair_items",
            todo=f"use at least {p.per_device_train_batch_size * p.processes}, or lower preference.per_device_train_batch_size",
        )

    def learn(resume: str | None) -> list[PreferencePoint]:
        trainer = _trainer(local, prompts, reward, p, folder, progress, resume)
        trainer.train(resume_from_checkpoint=resume)
        check_equal(trainer)
        return _points(trainer.state.log_history)

    return refine(
        local,
        learn,
        p,
        folder,
        base_folder,
        "preference.per_device_train_batch_size or preference.samples",
        prompts,
    )


def _trainer(
    local: LocalModel,
    prompts: dict[str, Messages],
    reward: Reward,
    p: PreferenceParameters,
    folder: Path,
    progress: Progress | None,
    resume: str | None,
) -> Any:
    from datasets import Dataset
    from transformers import PrinterCallback

    if p.method == "rloo":
        from trl.trainer.rloo_config import RLOOConfig
        from trl.trainer.rloo_trainer import RLOOTrainer

        made, configured = RLOOTrainer, RLOOConfig
    else:
        from trl.trainer.grpo_config import GRPOConfig
        from trl.trainer.grpo_trainer import GRPOTrainer

        made, configured = GRPOTrainer, GRPOConfig
    of_trl: Any = made

    encoded = {name: local.prompt_ids(messages)[0] for name, messages in prompts.items()}

    passed = (
        int(json.loads((Path(resume) / "trainer_state.json").read_text())["epoch"]) if resume else 0
    )

    class Encoded(of_trl):
        def _tokenize_prompts(self, prompts: list[Any]) -> Any:
            return (
                [encoded[name] for name in prompts],
                None,
                {},
            )  # the very tokens that the model is asked with

        def _get_train_sampler(self, dataset: Any = None) -> Any:
            sampler = super()._get_train_sampler(dataset)
            for _ in range(
                passed
            ):  # the order is drawn anew for each pass: draw those that a checkpoint has behind it
                deque(sampler, maxlen=0)
            return sampler

    def rewarded(prompts: Any, completions: Any, **_: Any) -> list[float | None]:
        return [*reward(prompts, [text.strip() for text in completions])]

    steps = math.ceil(len(prompts) / (p.per_device_train_batch_size * p.processes))
    settings: dict[str, Any] = options(p, folder) | {
        "per_device_train_batch_size": p.per_device_train_batch_size * p.samples,
        "save_steps": max(1, steps // 4),
    }
    config = configured(
        **settings,
        num_generations=p.samples,
        temperature=p.temperature,
        max_completion_length=p.max_new_tokens,
        generation_kwargs={"eos_token_id": local.ends},
    )
    trainer = Encoded(
        model=local.model,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": name} for name in encoded]),
        reward_funcs=rewarded,
        processing_class=local.tokenizer,
        callbacks=[watch(progress, "reward", seconds_before(folder), p.threads)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _points(history: Sequence[dict[str, Any]]) -> list[PreferencePoint]:
    return [
        PreferencePoint(
            step=int(row["step"]),
            loss=float(row["loss"]) if "loss" in row else None,
            reward=float(row["reward"]),
            kl=float(row["kl"]) if "kl" in row else None,
            tokens=float(row.get("completions/mean_length", 0.0)),
        )
        for row in history
        if "reward" in row
    ]


class RewardModel:
    """A model that scores answers, learnt from pairs of a better and a worse one (Bradley-Terry, TRL's RewardTrainer).

    Args:
        local: The model that answers: its base is the start, its tokenizer and prompts are used.
        base_folder: Folder of the base's weights.
    """

    def __init__(self, local: LocalModel, base_folder: Path) -> None:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForSequenceClassification

        self.local, self.base_folder = local, base_folder
        with quiet():
            torch.manual_seed(HEAD_SEED)  # of the new head and the adapter
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                str(base_folder),
                num_labels=1,
                dtype=local.model.dtype,
                use_safetensors=True,
                trust_remote_code=False,
            )
            model.config.pad_token_id = local.tokenizer.pad_token_id
            config = LoraConfig(
                r=16,
                lora_alpha=32,
                lora_dropout=0.0,
                target_modules="all-linear",
                task_type="SEQ_CLS",
            )
            self.model = get_peft_model(model, config).to(local.model.device)

    def train(
        self, pairs: Sequence[Preferred], held: Sequence[Preferred], seed: int, folder: Path
    ) -> Estimate:
        """Learn from pairs; return how often the better answer of a held-out pair is scored higher.

        Stopped at any point, the same call goes on from its last pass; finished, it is read back from ``folder / "reward"``.
        Other pairs, another seed or another base start anew.

        Raises:
            FtkitError: Its scores hardly differ, or it tells held-out pairs apart no better than chance.
        """
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        kept = folder / "reward"
        key, mark, weights = (
            self._key(pairs, seed),
            kept / KEY,
            kept / "adapter" / "adapter_model.safetensors",
        )
        if not mark.exists() or mark.read_text() != key:
            shutil.rmtree(kept, ignore_errors=True)
            write_text(mark, key)
        if weights.exists():
            set_peft_model_state_dict(self.model, load_file(weights))
        else:
            self._learn(pairs, seed, kept)
            half = kept / ".adapter.tmp"
            shutil.rmtree(half, ignore_errors=True)
            self.model.save_pretrained(str(half))
            half.rename(kept / "adapter")
            shutil.rmtree(kept / "checkpoints", ignore_errors=True)
        self.model.eval()
        return self._checked(held)

    def _key(self, pairs: Sequence[Preferred], seed: int) -> str:
        digest = hashlib.sha256(
            json.dumps([fingerprint(self.base_folder), seed, REWARD_EPOCHS, REWARD_RATE]).encode()
        )
        for pair in pairs:
            digest.update(
                json.dumps([pair.prompt_ids, pair.chosen_ids, pair.rejected_ids]).encode()
            )
        return digest.hexdigest()

    def _learn(self, pairs: Sequence[Preferred], seed: int, kept: Path) -> None:
        import torch
        from datasets import Dataset
        from transformers import PrinterCallback, set_seed
        from trl.trainer.reward_config import RewardConfig
        from trl.trainer.reward_trainer import RewardTrainer

        on_gpu = torch.cuda.is_available()
        config = RewardConfig(
            output_dir=str(kept / "checkpoints"),
            num_train_epochs=REWARD_EPOCHS,
            learning_rate=REWARD_RATE,
            seed=seed,
            data_seed=seed,
            per_device_train_batch_size=8,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
            save_strategy="epoch",
            save_total_limit=1,
            report_to=[],
            disable_tqdm=True,
            use_cpu=not on_gpu,
            bf16=on_gpu,
            gradient_checkpointing=False,
            max_length=None,
            dataloader_pin_memory=on_gpu,
            remove_unused_columns=False,
        )
        rows = [
            {
                "chosen_ids": x.prompt_ids + x.chosen_ids,
                "rejected_ids": x.prompt_ids + x.rejected_ids,
            }
            for x in pairs
        ]
        with quiet():
            trainer = RewardTrainer(
                model=self.model,
                args=config,
                train_dataset=Dataset.from_list(rows),
                processing_class=self.local.tokenizer,
            )
            trainer.remove_callback(PrinterCallback)
            set_seed(seed)  # the same order whatever was drawn before
            trainer.train(resume_from_checkpoint=last_checkpoint(kept))

    def _checked(self, held: Sequence[Preferred]) -> Estimate:
        better, worse = (
            self._scores([x.prompt_ids + getattr(x, side) for x in held])
            for side in ("chosen_ids", "rejected_ids")
        )
        every = [*better, *worse]
        spread = max(every) - min(every)
        won = wilson(sum(a > b for a, b in zip(better, worse, strict=True)), len(held))
        if spread < CONSTANT:
            raise FtkitError(
                "the reward model gives every answer the same score",
                where="preference.pairs",
                todo="give more pairs",
            )
        if won.low <= 0.5:
            raise FtkitError(
                f"the reward model tells {won.value:.0%} ({won.low:.0%} to {won.high:.0%}) of {len(held)} held-out pairs apart, no better "
                "than chance: learning from it would teach nothing",
                where="preference.pairs",
                todo="give more pairs, or use preference.reward task or preference.method dpo",
            )
        return won

    def _scores(self, rows: Sequence[list[int]]) -> list[float]:
        import torch

        found: list[float] = []
        pad = self.local.tokenizer.pad_token_id
        for start in range(0, len(rows), 16):
            part = rows[start : start + 16]
            width = max(map(len, part))
            ids = torch.tensor(
                [r + [pad] * (width - len(r)) for r in part], device=self.model.device
            )
            mask = torch.tensor(
                [[1] * len(r) + [0] * (width - len(r)) for r in part], device=self.model.device
            )
            with torch.inference_mode():
                found += (
                    self.model(input_ids=ids, attention_mask=mask).logits[:, 0].float().tolist()
                )
        return found

    def score(self, messages: Sequence[Messages], answers: Sequence[str]) -> list[float]:
        """Return the reward of each answer to its messages."""
        tokenizer, end = self.local.tokenizer, [int(self.local.tokenizer.eos_token_id)]
        rows = [
            self.local.prompt_ids(asked)[0]
            + tokenizer(text, add_special_tokens=False)["input_ids"]
            + end
            for asked, text in zip(messages, answers, strict=True)
        ]
        return self._scores(rows)
