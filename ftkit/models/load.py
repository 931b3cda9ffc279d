"""From a folder to a model in memory: tokenizer, weights and adapter, what does not fit told, and what ends an answer."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ftkit.core import machine
from ftkit.core.errors import BadInput, FtkitError
from ftkit.models import tokens
from ftkit.models.weights import check_base, check_weights, first_line, has_tokenizer

LOOK_S = 5.0  # seconds between two looks at the load of the machine
_looked = [0.0]
ROOM = 0.8  # share of a GPU's free memory that weights may take; the rest is for what is read and written
SIMPLE_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def set_threads(threads: int) -> int:
    """Set torch's CPU threads: as given, or the cores that are not busy (a busy machine makes two threads slower than one)."""
    import torch

    torch.set_num_threads(min(threads or machine.free_cores(), machine.cores()))
    return torch.get_num_threads()


def follow_load(threads: int = 0) -> None:
    """Set the threads anew if the last look is some seconds ago: long work calls it between its batches.

    On a GPU, which does the work there, and within that time, nothing happens.

    Args:
        threads: Most threads; 0: the cores that others leave free.
    """
    now = time.monotonic()
    if device() == "cuda" or now - _looked[0] < LOOK_S:
        return
    _looked[0] = now
    set_threads(min(threads, machine.free_cores()) if threads else 0)


def device() -> str:
    """Return ``cuda`` where a GPU is at hand, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


# bitsandbytes says at import that a kernel cannot be fetched from the model hub, which nothing here asks for.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' own warnings and bars out of the notebook; errors still come through."""
    from transformers.utils import logging as libraries

    level, bars = libraries.get_verbosity(), libraries.is_progress_bar_enabled()
    libraries.set_verbosity_error()
    libraries.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        libraries.set_verbosity(level)
        if bars:
            libraries.enable_progress_bar()


def load_tokenizer(folder: str) -> Any:
    """Load a tokenizer; a missing pad token or chat template is repaired.

    Raises:
        BadInput: There is none, it is not readable, or it has no end token.
    """
    from transformers import AutoTokenizer

    where, todo = (
        folder,
        "copy the tokenizer's files (tokenizer.json, tokenizer_config.json) into the folder",
    )
    if not has_tokenizer(Path(folder)):
        raise BadInput("holds no tokenizer", where=where, todo=todo)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the tokenizer could not be loaded: {first_line(error)}", where=where, todo=todo
        ) from error
    if tokenizer.eos_token is None:
        raise BadInput(
            "the tokenizer names no end token (eos_token)",
            where=where,
            todo="name it in tokenizer_config.json",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        tokenizer.chat_template = SIMPLE_TEMPLATE
    return tokenizer


def load_model(folder: str, adapter: Path | None = None) -> Any:
    """Load a causal model (float32 on CPU, bfloat16 on GPU), with an adapter if one is given; what one GPU cannot hold is
    spread over all of them, layer by layer.

    Raises:
        BadInput: The files do not make a causal model, or the adapter does not fit it.
        FtkitError: It does not fit into memory.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    kind = torch.bfloat16 if device() == "cuda" else torch.float32
    todo = "check the folder, or give another model"
    try:
        with quiet():
            place: dict[str, Any] = (
                {"device_map": "auto"} if too_large(Path(folder), _free_bytes()) else {}
            )
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=kind, use_safetensors=True, trust_remote_code=False, **place
            )
            if adapter is not None:
                check_base(adapter, Path(folder))
                model = with_adapter(model, adapter)
        return (model if place else model.to(device())).eval()
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadInput(
            f"the model could not be loaded: {first_line(error)}", where=folder, todo=todo
        ) from error
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            raise FtkitError(
                "the model does not fit into memory", where=folder, todo="take a smaller model"
            ) from error
        raise BadInput(
            f"the model could not be loaded: {first_line(error)}", where=folder, todo=todo
        ) from error


def too_large(folder: Path, free: Sequence[int]) -> bool:
    """Return whether a checkpoint's weights must be spread over several GPUs.

    Args:
        folder: Folder of the checkpoint.
        free: Free memory of each GPU, bytes.
    """
    return (
        len(free) > 1
        and sum(path.stat().st_size for path in folder.glob("*.safetensors")) > ROOM * free[0]
    )


def _free_bytes() -> list[int]:
    import torch

    return [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]


def with_adapter(model: Any, adapter: Path, name: str = "default") -> Any:
    """Return a model with an adapter loaded and active, beside those that it holds already.

    Raises:
        BadInput: The adapter's weights are no safetensors, or do not fit the model.
    """
    from peft import PeftModel

    check_weights(adapter)
    todo = "give the base that it was trained on, or train it again (05_training)"
    try:
        if hasattr(model, "peft_config"):
            wrapped = model
            wrapped.load_adapter(str(adapter), name)
            wrapped.base_model.enable_adapter_layers()
            wrapped.set_adapter(name)
        else:
            wrapped = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
        strangers = _strangers(wrapped, adapter, name)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise BadInput(
            f"the adapter does not fit this base: {first_line(error)}",
            where=str(adapter),
            todo=todo,
        ) from error
    if strangers:
        found = f"the adapter does not fit this base: {len(strangers)} weights have no counterpart, e.g. {strangers[0]}"
        raise BadInput(found, where=str(adapter), todo=todo)
    return wrapped


def _strangers(wrapped: Any, adapter: Path, name: str) -> list[str]:
    """Return adapter weights that the file or the model has and the other has not; PEFT passes over them in silence."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    found: set[str] = set()
    for path in adapter.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            found |= set(file.keys())
    return sorted(found ^ set(get_peft_model_state_dict(wrapped, adapter_name=name)))


def check_fit(model: Any, tokenizer: Any, folder: str) -> None:
    """Refuse a tokenizer with more tokens than the model has embeddings.

    Raises:
        BadInput: They do not belong together.
    """
    rows, highest = (
        model.get_input_embeddings().weight.shape[0],
        max(tokenizer.get_vocab().values(), default=-1),
    )
    if highest >= rows:
        raise BadInput(
            f"the tokenizer has {highest + 1} tokens, the weights have rows for {rows}: they do not belong together",
            where=folder,
            todo="take tokenizer and weights from one checkpoint",
        )


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Return every token that ends an answer: of tokenizer, chat template, configuration and generation settings."""
    found = {int(tokenizer.eos_token_id), *tokens.turn_ends(tokenizer)}
    for source in (model.config, model.generation_config):
        told = getattr(source, "eos_token_id", None)
        found |= set(told if isinstance(told, list) else [] if told is None else [told])
    return sorted(found)
