"""How much of what was learnt is applied: weights = base + strength × change.

Tuning that helps the task can cost general skills. Between the base and the tuned weights both move smoothly, and the
general skills come back sooner than the task is lost (M. Wortsman et al., "Robust fine-tuning of zero-shot models",
2022). The strength is chosen on general questions and validation examples of its own; the test never sees it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.core.records.base import Estimate
from ftkit.core.records.training import ScaleTrial, TrainingCard
from ftkit.evaluation.general_skills import regression
from ftkit.models.local import LocalModel

STRENGTHS = (1.0, 0.85, 0.7, 0.55, 0.4)
KEPT = 0.5
"""Share of the right answers on validation that a part of the change must keep: a model that lost the task is no answer."""
SEED_APART = 104_729  # keeps these general questions apart from those that 07 asks


class ScaledAdapter:
    """Turns how much of a tuned model's change is applied, in memory and in the files that ship.

    Args:
        tuned: A tuned model: with a LoRA adapter, or with all weights changed.
        base_folder: Folder of the base's weights, read only where all weights were changed.
    """

    def __init__(self, tuned: LocalModel, base_folder: Path) -> None:
        from peft import PeftModel

        model = tuned.model
        self.tuned, self.model, self.lora = tuned, model, isinstance(model, PeftModel)
        self._full: dict[str, Any] = {}
        if self.lora:
            self._layers = [
                m for m in model.modules() if hasattr(m, "set_scale") and hasattr(m, "lora_B")
            ]
            self._sizes = [pair for layer in self._layers for pair in _magnitudes(layer)]
        else:
            self._full = {name: w.detach().clone() for name, w in model.named_parameters()}
            self._base = _weights(base_folder)

    def set(self, strength: float) -> None:
        """Apply this share of the change, 0 (the base) to 1 (all of it)."""
        import torch

        with torch.no_grad():
            if self.lora:
                for layer in self._layers:
                    for name in layer.lora_B:
                        layer.set_scale(name, strength)
                for weight, base, learnt in self._sizes:
                    weight.copy_(torch.lerp(base, learnt, strength))
                return
            for name, weight in self.model.named_parameters():
                weight.copy_(torch.lerp(self._base[name].to(weight), self._full[name], strength))

    def save(self, strength: float, source: Path, target: Path) -> None:
        """Write the files of ``source`` with this share of the change to ``target``: any server loads them as they are.

        Raises:
            FtkitError: The weights could not be written.
        """
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            shutil.copytree(source, temporary)
            if self.lora:
                self.set(strength)
                self.model.save_pretrained(str(temporary))
                _scale_adapter(temporary / "adapter_model.safetensors", strength)
            else:
                self.set(strength)
                self.model.save_pretrained(str(temporary))
        except OSError as error:
            raise FtkitError(
                f"the weights could not be written: {error}",
                where=str(target),
                todo="free some space",
            ) from error
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)


def _magnitudes(layer: Any) -> list[tuple[Any, Any, Any]]:
    """Return DoRA's magnitudes of a layer, each with those of the base's own weights and the learnt ones."""
    import torch

    found = []
    for learnt in getattr(layer, "lora_magnitude_vector", {}).values():
        own = torch.linalg.norm(layer.get_base_layer().weight.detach().float(), dim=1).to(
            learnt.weight
        )
        found.append((learnt.weight, own, learnt.weight.detach().clone()))
    return found


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def _scale_adapter(path: Path, strength: float) -> None:
    """Multiply the second LoRA matrices: the change is their product with the first, so it scales as they do."""
    from safetensors.torch import load_file, save_file

    kept = {name: w * strength if ".lora_B." in name else w for name, w in load_file(path).items()}
    save_file(kept, path, metadata={"format": "pt"})


def search(
    dial: ScaledAdapter,
    general: Callable[[LocalModel], Any],
    task: Callable[[LocalModel], dict[str, Estimate]],
    before: Any,
    allowed: float,
    adapter_scales: Sequence[float] = STRENGTHS,
) -> list[ScaleTrial]:
    """Try adapter_scales from the whole change downwards until the general skills lost are within what is allowed, or the task is lost.

    Args:
        dial: The dial of the tuned model.
        general: Asks it the general questions (``evaluation.probe``, named ``tuned``).
        task: Asks it validation examples; returns the shares right by arm.
        before: The general questions answered by the base (named ``base``); without rows nothing is tried.
        allowed: General skills that may be lost, a share.
        adapter_scales: What to try, the largest first.
    """
    import pandas as pd

    trials: list[ScaleTrial] = []
    for strength in adapter_scales if len(before) else ():
        dial.set(strength)
        probes = pd.concat([general(dial.tuned), before], ignore_index=True)
        change = regression(probes, n_resamples=2000)[0].difference
        trials.append(ScaleTrial(strength=strength, general=change, accuracy=task(dial.tuned)))
        if -change.value <= allowed or not keeps_task(trials[-1], trials[0]):
            break
    dial.set(chosen(trials, allowed))
    return trials


def chosen(trials: Sequence[ScaleTrial], allowed: float) -> float:
    """Return the strength to ship: the largest within what is allowed that keeps the task; 1 where there is none."""
    within = [
        t.strength for t in trials if -t.general.value <= allowed and keeps_task(t, trials[0])
    ]
    return max(within, default=1.0)


def keeps_task(trial: ScaleTrial, whole: ScaleTrial) -> bool:
    """Return whether a part of the change keeps enough of the right answers, in every arm, that the whole one gives."""
    return all(
        trial.accuracy[arm].value >= KEPT * right.value
        for arm, right in whole.accuracy.items()
        if arm in trial.accuracy
    )


def keep(
    card: TrainingCard,
    trials: Sequence[ScaleTrial],
    allowed: float,
    dial: ScaledAdapter,
    folder: Path,
) -> TrainingCard:
    """Write the weights at the chosen strength and return the card that names them.

    Args:
        card: The training card; its adapter holds the whole change.
        trials: What was tried; empty: not measured, and the whole change ships.
        allowed: General skills that may be lost, a share.
        dial: The dial of the tuned model.
        folder: The stage's folder.
    """
    strength, source = chosen(trials, allowed), folder / "adapter"
    card = card.model_copy(
        update={"strength": strength, "scale_trials": list(trials), "general_allowed": allowed}
    )
    if strength == 1.0:
        return card.model_copy(update={"adapter": "training/adapter"})
    dial.save(strength, source, folder / "adapter_in_part")
    return card.model_copy(update={"adapter": "training/adapter_in_part"})


def learned(card: TrainingCard) -> str:
    """Return the sentence for the summary."""
    if not card.scale_trials:
        return "The whole change is applied; what it costs in general skills was not measured here."
    first, last = card.scale_trials[0], card.scale_trials[-1]
    if card.strength < 1:
        kept = next(t for t in card.scale_trials if t.strength == card.strength)
        return (
            f"Only {card.strength:.0%} of the change is applied: all of it costs {_points(first)} points of general skills, "
            f"this {_points(kept)}."
        )
    if -first.general.value <= card.general_allowed:
        return f"The whole change is applied: it costs {_points(first)} points of general skills, within what is allowed."
    if not keeps_task(last, first):
        arm = max(first.accuracy, key=lambda name: first.accuracy[name].value)
        return (
            f"The whole change is applied: it costs {_points(first)} points of general skills, more than the {100 * card.general_allowed:g} "
            f"allowed, but with {last.strength:.0%} of it the right answers fall from {first.accuracy[arm].value:.0%} to "
            f"{last.accuracy[arm].value:.0%}. More general examples (training.general_share) may keep both."
        )
    return (
        f"The whole change is applied: even {last.strength:.0%} of it costs {_points(last)} points of general skills, more than "
        f"the {100 * card.general_allowed:g} allowed."
    )


def _points(trial: ScaleTrial) -> str:
    return f"{max(0.0, -100 * trial.general.value):.1f}"
