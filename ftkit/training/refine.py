"""What DPO and RL have in common: the tuned adapter is the start and the reference, and is written only if all went well."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ftkit.errors import BadInput, FtkitError
from ftkit.models.local import LocalModel, quiet
from ftkit.params import PreferenceParameters
from ftkit.records import PreferencePoint
from ftkit.training.keep import save_weights


def check_adapter(local: LocalModel) -> None:
    """Refuse a model without an adapter: it is the reference and the start.

    Raises:
        BadInput: 05 tuned all weights.
    """
    from peft import PeftModel

    if not isinstance(local.model, PeftModel):
        raise BadInput(
            "is trained on top of a LoRA adapter, and 05 tuned all weights", where="preference.method",
            todo="use method none, or training.method lora",
        )  # fmt: skip


def refine(
    local: LocalModel, learn: Callable[[], list[PreferencePoint]], p: PreferenceParameters, folder: Path, base_folder: Path, smaller: str
) -> tuple[list[PreferencePoint], float]:  # fmt: skip
    """Train the adapter of a loaded model further and write it to ``folder / "adapter"``.

    Args:
        local: The tuned model with its adapter; changed in place.
        learn: Trains it and returns the log.
        p: The stage's parameters.
        folder: The stage's folder.
        base_folder: Folder of the base's weights.
        smaller: Parameters to lower where memory runs out.

    Returns:
        The log, and the seconds that it took.

    Raises:
        FtkitError: The loss is not a number any more, memory ran out, or the disk is full.
    """
    began = time.monotonic()
    for name, weight in local.model.named_parameters():
        weight.requires_grad_(".lora_" in name)
    with quiet():
        try:
            log = learn()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise FtkitError("out of memory", where="preference", todo=f"lower {smaller}") from error
            raise
        if any(not math.isfinite(x.loss) for x in log if x.loss is not None):
            todo = "lower preference.learning_rate to a third"
            raise FtkitError("the loss is not a number any more", where="preference", todo=todo)
        save_weights(local.model, local.tokenizer, folder, p.base_model, base_folder, selected_adapters=["default"])
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    local.model.eval()
    return log, time.monotonic() - began
