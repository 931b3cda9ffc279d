"""Local models: any Hugging Face causal checkpoint, with or without an adapter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.errors import BadInput
from ftkit.models.chat import Messages, Reply

SIMPLE_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def resolve(base_model: str) -> str:
    """Turn ``embedded`` into the shipped checkpoint's folder, and check a local folder's weights.

    Raises:
        BadInput: The folder has no weights, or only pickle weights, or no such folder or model is at hand.
    """
    if base_model == "embedded":
        from ftkit.models.embedded import checkpoint_folder, verify  # pyright: ignore[reportMissingImports]

        folder = checkpoint_folder()
        verify(folder)
        return str(folder)
    path = Path(base_model)
    if path.is_dir():
        check_weights(path)
        return str(path)
    if base_model.startswith((".", "/", "~")) or base_model.count("/") != 1:
        raise BadInput("is no model folder", where=base_model, todo="give a folder with config.json, or a name like org/model")
    return base_model


def check_weights(folder: Path) -> None:
    """Refuse a model folder without config, without weights, or with pickle weights only."""
    if not (folder / "config.json").exists() and not (folder / "adapter_config.json").exists():
        raise BadInput("holds no config.json, so it is no model", where=str(folder), todo="give the folder of a checkpoint")
    if any(folder.glob("*.safetensors")):
        return
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        raise BadInput(
            "holds only pickle weights, which can run code when they are loaded", where=str(folder),
            todo="convert them to safetensors (`save_pretrained(..., safe_serialization=True)`) on a machine you trust",
        )  # fmt: skip
    raise BadInput("holds no weights (*.safetensors)", where=str(folder), todo="finish the download, or give another folder")


def set_threads(threads: int) -> int:
    """Set torch's CPU threads: as given, or the cores that are not busy (a busy machine makes two threads slower than one)."""
    import torch

    cores = os.cpu_count() or 1
    free = max(1, round(cores - os.getloadavg()[0])) if threads == 0 else threads
    torch.set_num_threads(min(free, cores))
    return torch.get_num_threads()


def device() -> str:
    """Return ``cuda`` where a GPU is at hand, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tokenizer(folder: str) -> Any:
    """Load a tokenizer; a missing pad token or chat template is repaired."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise BadInput(f"no tokenizer could be loaded: {_first_line(error)}", where=folder, todo=_hub_hint(folder)) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = SIMPLE_TEMPLATE
    return tokenizer


def load_model(folder: str, adapter: Path | None = None) -> Any:
    """Load a causal model (float32 on CPU, bfloat16 on GPU), with an adapter if one is given."""
    import torch
    from transformers import AutoModelForCausalLM

    kind = torch.bfloat16 if device() == "cuda" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"the model could not be loaded: {_first_line(error)}", where=folder, todo=_hub_hint(folder)) from error
    if adapter is not None and (adapter / "adapter_config.json").exists():
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    placed: Any = model
    return placed.to(device()).eval()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


def _hub_hint(folder: str) -> str:
    return "check the folder" if Path(folder).is_dir() else "check the name and the connection to the hub, or give a local folder"


class LocalModel:
    """A local checkpoint that answers in length-sorted static batches, greedily.

    Args:
        base_model: ``embedded``, a folder or a Hugging Face name.
        adapter: Folder of a LoRA adapter, or of a fully tuned model, or None.
        max_new_tokens: Longest answer in tokens.
        batch_size: Answers generated at once.
        threads: CPU threads, 0 for what is free.
    """

    def __init__(
        self, base_model: str, *, adapter: Path | None = None, max_new_tokens: int = 64, batch_size: int = 16, threads: int = 0
    ) -> None:
        set_threads(threads)
        if adapter is not None and not (adapter / "adapter_config.json").exists():
            check_weights(adapter)
            base_model, adapter = str(adapter), None
        folder = resolve(base_model)
        self.name = Path(folder).name
        self.tokenizer = load_tokenizer(folder)
        self.model = load_model(folder, adapter)
        self.max_new_tokens, self.batch_size = max_new_tokens, batch_size
        self.context = int(getattr(self.model.config, "max_position_embeddings", 0) or 4096)

    def prompt_ids(self, messages: Messages) -> tuple[list[int], int]:
        """Return the prompt's token ids and how many were cut from the front to leave room for the answer."""
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        room = max(1, self.context - self.max_new_tokens)
        return ids[-room:], max(0, len(ids) - room)

    def answer(self, conversations: list[Messages], progress: Callable[[int, int], None] | None = None) -> list[Reply]:
        """Return one reply per conversation, in the same order; long prompts are answered first."""
        prompts = [self.prompt_ids(messages) for messages in conversations]
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i][0]))
        replies: dict[int, Reply] = {}
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            for index, reply in zip(batch, self._batch([prompts[i] for i in batch]), strict=True):
                replies[index] = reply
            if progress:
                progress(len(replies), len(order))
        return [replies[i] for i in range(len(conversations))]

    def _batch(self, prompts: list[tuple[list[int], int]]) -> list[Reply]:
        import torch

        began = time.perf_counter()
        pad, width = self.tokenizer.pad_token_id, max(len(ids) for ids, _ in prompts)
        ids = torch.tensor([[pad] * (width - len(p)) + p for p, _ in prompts], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p, _ in prompts], device=self.model.device)
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=self.max_new_tokens, do_sample=False,
                pad_token_id=pad, eos_token_id=self.tokenizer.eos_token_id,
            )[:, width:]  # fmt: skip
        seconds = (time.perf_counter() - began) / len(prompts)
        return [self._reply(tokens, prompt, seconds) for tokens, prompt in zip(out.tolist(), prompts, strict=True)]

    def _reply(self, tokens: list[int], prompt: tuple[list[int], int], seconds: float) -> Reply:
        end = {self.tokenizer.eos_token_id, self.tokenizer.pad_token_id}
        length = next((i for i, t in enumerate(tokens) if t in end), len(tokens))
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True).strip()
        return Reply(text, len(prompt[0]), min(length + 1, len(tokens)), seconds, prompt[1])
