"""Training parameters that fit model, method and data, where the user has set none (0 in the parameters).

Sources:
    Learning rate: Schulman et al. 2025, "LoRA Without Regret" (Thinking Machines), as fitted in tinker-cookbook's
    ``hyperparam_utils``: 5e-5 × (2000 / width)^P, P = 0.781 for Llama and 0.0775 for Qwen, ten times that with LoRA, whose
    best rate does not depend on the rank at a fixed alpha of 32; fifteen times in runs below about 100 steps.
    Rank: the same: LoRA learns like full tuning while it has at least as many weights as answer tokens are learnt from.
    Batch: the same: LoRA bears large batches badly; 16 in Unsloth's guide.
    Passes: 1 to 3 in Unsloth's guide; more where they would be few steps, held back by validation (early stopping).
    Models below 50 million weights: measured here on the embedded base (``docs/training.md``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import ChosenSetting, SettingReason
from ftkit.models.chat import Messages
from ftkit.training.encode import Encoded, encode_conversation
from ftkit.training.memory import lora_parameters, shape_of
from ftkit.training.methods import Adapter

BASE_RATE, BASE_WIDTH = 5e-5, 2000
POWERS = {"llama": 0.781, "qwen": 0.0775}
LORA_FACTOR, SHORT_FACTOR, SHORT_STEPS = 10, 15, 100
SMALL_MODEL = (
    50_000_000  # weights; below, a model has learnt little before and needs more of everything
)
SMALL_FULL_FACTOR = 5  # of such a model all weights learn at half of LoRA's rate, not at a tenth
ALPHA = 32
RANKS = (4, 8, 16, 32, 64, 128, 256)
LONGEST, STEP = 4096, 64  # tokens
FEW_STEPS = 100  # of a whole training; below, more passes are made
NAMES = (
    "learning_rate",
    "num_train_epochs",
    "per_device_train_batch_size",
    "max_length",
    "lora_r",
    "lora_alpha",
)


def choose(
    p: TrainingParameters,
    config: Any,
    examples: Sequence[Encoded],
    measured: Sequence[Encoded] = (),
) -> tuple[TrainingParameters, list[ChosenSetting]]:
    """Return the parameters with a value for each that is 0, and all of these values with their reasons.

    Args:
        p: The stage's parameters.
        config: The model's configuration (Hugging Face); no weights are needed.
        examples: What is learnt from, encoded at full length.
        measured: Validation examples; they must fit, too.
    """
    shape, width = shape_of(config), int(config.hidden_size)
    parameters = sum(w.numel() for w in shape.parameters())
    tokens = sum(label >= 0 for e in examples for label in e.labels)
    found: dict[str, tuple[float, SettingReason]] = {}
    found["max_length"] = _length(
        [*examples, *measured], int(getattr(config, "max_position_embeddings", 0) or 0)
    )
    batch = p.per_device_train_batch_size or _batch(len(examples), p)
    found["per_device_train_batch_size"] = (batch, "examples")
    steps = math.ceil(len(examples) / (batch * p.processes * p.gradient_accumulation_steps))
    found["num_train_epochs"] = _passes(len(examples), steps, parameters)
    passes = p.num_train_epochs or found["num_train_epochs"][0]
    found["lora_r"] = _rank(shape, p, tokens, width, parameters)
    rank = p.lora_r or found["lora_r"][0]
    found["lora_alpha"] = (
        max(1, round(ALPHA / math.sqrt(rank))) if p.use_rslora else ALPHA,
        "rank",
    )
    found["learning_rate"] = _rate(p.method, config, parameters, steps * passes)
    values = {name: found[name][0] for name in NAMES if not getattr(p, name)}
    chosen = TrainingParameters.model_validate(p.model_dump() | values)
    settings = [
        ChosenSetting(
            name=name,
            value=float(getattr(chosen, name)),
            reason=found[name][1] if name in values else "set",
        )
        for name in NAMES
        if p.method != "full" or not name.startswith("lora_")
    ]
    return chosen, settings


def choose_for(
    p: TrainingParameters,
    base: Any,
    learnt: Sequence[tuple[Messages, str, str]],
    measured: Sequence[tuple[Messages, str, str]],
) -> tuple[TrainingParameters, list[ChosenSetting]]:
    """As ``choose``, for a loaded ``LocalModel`` and conversations of (messages, answer, example id)."""
    most = base.context or 1 << 20
    encoded = [
        [encode_conversation(base.tokenizer, m, a, most, "", p.thoughts) for m, a, _ in part]
        for part in (learnt, measured)
    ]
    return choose(p, base.model.config, *encoded)


def with_rate(
    p: TrainingParameters, settings: Sequence[ChosenSetting], rate: float
) -> tuple[TrainingParameters, list[ChosenSetting]]:
    """Return parameters and settings with the learning rate that the rehearsal has proven; 0: it tried none."""
    if rate in (0.0, p.learning_rate):
        return p, list(settings)
    lowered = ChosenSetting(name="learning_rate", value=rate, reason="rehearsal")
    return p.model_copy(update={"learning_rate": rate}), [
        lowered if s.name == "learning_rate" else s for s in settings
    ]


def _length(examples: Sequence[Encoded], context: int) -> tuple[int, SettingReason]:
    """Return the longest example, rounded up, within the context and a limit above which prompts are cut."""
    longest = max((len(e.input_ids) for e in examples), default=STEP)
    wanted = STEP * math.ceil(longest / STEP)
    if context and wanted >= context:
        return min(context, LONGEST), "context" if context <= LONGEST else "limit"
    return (wanted, "longest") if wanted <= LONGEST else (LONGEST, "limit")


def _batch(examples: int, p: TrainingParameters) -> int:
    step = 8 if examples < 500 else 16 if examples < 20_000 else 32
    return max(1, step // (p.processes * p.gradient_accumulation_steps))


def _passes(examples: int, steps: int, parameters: int) -> tuple[float, SettingReason]:
    if parameters < SMALL_MODEL:
        return float(max(8, min(12, math.ceil(4 * FEW_STEPS / max(1, steps))))), "small_model"
    usual = 3 if examples < 10_000 else 2 if examples < 50_000 else 1
    return float(max(usual, min(5, math.ceil(FEW_STEPS / max(1, steps))))), "steps"


def _rank(
    shape: Any, p: Adapter, tokens: int, width: int, parameters: int
) -> tuple[int, SettingReason]:
    least = 32 if parameters < 1e9 else 16
    one = TrainingParameters(
        lora_r=1, target_modules=list(p.target_modules), use_dora=False, use_rslora=False
    )
    wanted = max(least, tokens / max(1, lora_parameters(shape, one)))
    most = max(RANKS[0], width // 4)
    rank = next((r for r in RANKS if r >= wanted), RANKS[-1])
    if rank > most:
        return max(r for r in RANKS if r <= most), "width"
    return rank, "answer_tokens"


def _rate(method: str, config: Any, parameters: int, steps: float) -> tuple[float, SettingReason]:
    family = str(getattr(config, "model_type", ""))
    known = next((power for name, power in POWERS.items() if name in family), None)
    scale = BASE_WIDTH / int(config.hidden_size)
    # of a family without a fit the lower rate: the width counts fully where it lowers it, hardly where it raises it
    grown = scale**known if known is not None else min(scale**power for power in POWERS.values())
    short = steps < SHORT_STEPS
    factor = SHORT_FACTOR if short else LORA_FACTOR
    if method == "full":
        factor = SMALL_FULL_FACTOR if parameters < SMALL_MODEL else 1
    rate = float(f"{BASE_RATE * factor * grown:.2g}")
    return rate, "short_run" if short and method != "full" else "model_width"
