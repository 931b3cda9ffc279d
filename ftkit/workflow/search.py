"""A search for training parameters on validation (Optuna's TPE), within a budget, held against the luck of the seed.

Each trial is one run of 05; what stands before it is run once and copied. The lowest of many validation losses flatters, so the best
trial and the parameters as they were are trained again with other seeds: only where they differ by more than seeds do is the
search worth its result. The test set is never opened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.files import load
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import TrainingCard
from ftkit.workflow.run import Selection, run
from ftkit.workflow.sweep import copy_stages

STAGE = "training"
RANKS = [8, 16, 32, 64]
FIRST_RANDOM = 5  # trials before the search leans on what it has seen


@dataclass
class Searched:
    """What a search found.

    Attributes:
        trials: Values and validation loss of every trial, in the order they ran.
        before: Losses of the parameters as they were, one per seed.
        best: Losses of the best trial, one per seed.
        values: Its values, as ``training.name=value``; empty: as they were.
        sentences: What may be concluded, for people.
    """

    trials: list[tuple[dict[str, Any], float]]
    before: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


def search(
    file: Path,
    trials: int,
    *,
    minutes: float = 0.0,
    seeds: int = 3,
    overrides: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Searched:
    """Search learning rate, passes, batch and rank for the lowest validation loss.

    Stopped and called again it goes on: finished trials are kept in ``outputs/NAME-search/trials.log``.

    Args:
        file: The parameter file.
        trials: Trainings in all, the parameters as they are among them.
        minutes: Start no further trial that would end later; 0: no limit.
        seeds: Trainings of the best and of the parameters as they were, each, to tell luck from gain.
        overrides: ``section.name=value`` that hold for all.
        say: Prints a line.

    Raises:
        BadInput: Fewer than two trials, Optuna is not installed, or nothing is trained here.
        FtkitError: As :func:`ftkit.workflow.run.run`.
    """
    optuna = _optuna()
    if trials < 2 or seeds < 2:
        raise BadInput(
            f"{trials} trials and {seeds} seeds",
            where="ftkit search",
            todo="give at least 2 of each",
        )
    built = load(file, overrides)
    p = built[STAGE]
    assert isinstance(p, TrainingParameters)
    if p.method == "none":
        raise BadInput(
            "nothing is trained here", where="training.method", todo="set it to lora, qlora or full"
        )
    if p.adapter or p.elsewhere:
        raise BadInput(
            "nothing is trained here",
            where="training.adapter or training.elsewhere",
            todo="leave both empty",
        )
    base = Path(built["task"].run)
    say("Shared by all trials: 01_task to 04_retrieval")
    run(file, selection=Selection(last="retrieval"), overrides=overrides, say=say)
    if not all(getattr(p, name) for name in space(p)):
        say("Values that 05_training chooses: one training")
        run(file, selection=Selection(last=STAGE), overrides=overrides, say=say)
        p = _with_chosen(p, base)
    folder = base.with_name(f"{base.name}-search")
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(folder / "trials.log"))
    )
    study = optuna.create_study(
        storage=storage,
        study_name=_name(p),
        direction="minimize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=p.seed, n_startup_trials=FIRST_RANDOM),
    )
    _again(study, optuna, p)
    began, took = time.monotonic(), []

    def train(values: dict[str, Any], seed: int) -> float:
        own = [f"training.{name}={value!r}" for name, value in values.items()]
        own += [f"training.seed={seed}"] if seed != p.seed else []
        place = folder / run_folder.sha256_bytes(repr(sorted(own)).encode())[:10]
        copy_stages(base, place, run_folder.STAGES[: run_folder.STAGES.index(STAGE)])
        run(
            file,
            selection=Selection([STAGE]),
            overrides=[*overrides, f"run={place}", *own],
            say=lambda line: None,
        )
        return run_folder.read_record(
            place / "training" / "training.json", TrainingCard
        ).best_validation_loss

    while (done := len(_finished(study, optuna))) < trials:
        if minutes and took and time.monotonic() - began + max(took) > 60 * minutes:
            say(f"{minutes:g} minutes are spent: {done} of {trials} trials")
            break
        started = time.monotonic()
        trial = study.ask()
        values = suggest(trial, p)
        try:
            loss = train(values, p.seed)
        except FtkitError as error:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if (
                error.where != "training"
            ):  # a rate at which it diverges is a finding, a full disk is none
                raise
            say(f"[{done + 1}/{trials}] {_told(values)}: {error.found}")
            trials -= 1
            continue
        study.tell(trial, loss)
        took.append(time.monotonic() - started)
        say(f"[{done + 1}/{trials}] {_told(values)}: validation loss {loss:.4g}, {took[-1]:.0f} s")
    found = Searched([(t.params, float(t.value)) for t in _finished(study, optuna)])
    return _judged(found, p, seeds, train, say)


def _with_chosen(p: TrainingParameters, base: Path) -> TrainingParameters:
    """Return the parameters with the values that 05 chose for those that are 0."""
    card = run_folder.read_record(base / "training" / "training.json", TrainingCard)
    chosen = {s.name: s.value for s in card.settings if not getattr(p, s.name)}
    return TrainingParameters.model_validate(p.model_dump() | chosen)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise BadInput(
            "is not installed", where="optuna", todo="pip install 'ftkit[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _name(p: TrainingParameters) -> str:
    """Return the study's name: trials with other fixed parameters are another study."""
    fixed = p.model_dump(mode="json", exclude={"run", *space(p)})
    return run_folder.sha256_bytes(repr(sorted(fixed.items())).encode())[:12]


def space(p: TrainingParameters) -> dict[str, Any]:
    """Return the values to search, by parameter: a list of choices, or the ends of a range on the logarithmic scale.

    Rates from a tenth to four times the one in use; half, all and one and a half times the passes; half to twice the batch; for
    adapters the usual ranks, with ``lora_alpha`` in the proportion in use.
    """
    size = p.per_device_train_batch_size
    found: dict[str, Any] = {
        "learning_rate": (p.learning_rate / 10, min(0.9, p.learning_rate * 4)),
        "num_train_epochs": sorted(
            {max(1.0, round(p.num_train_epochs * share)) * 1.0 for share in (0.5, 1.0, 1.5)}
            | {p.num_train_epochs}
        ),
        "per_device_train_batch_size": sorted({max(1, size // 2), size, size * 2}),
    }
    return (
        found
        if p.method == "full"
        else found | {"lora_r": sorted({*RANKS, p.lora_r}), "lora_alpha": []}
    )


def suggest(trial: Any, p: TrainingParameters) -> dict[str, Any]:
    """Return the values of a trial."""
    values: dict[str, Any] = {}
    for name, choices in space(p).items():
        if isinstance(choices, tuple):
            values[name] = trial.suggest_float(name, *choices, log=True)
        elif choices:
            values[name] = trial.suggest_categorical(name, choices)
    return _whole(values, p)


def _finished(study: Any, optuna: Any) -> list[Any]:
    return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])


def _again(study: Any, optuna: Any, p: TrainingParameters) -> None:
    """Queue the parameters as they are first, and what a stopped search had begun."""
    states = optuna.trial.TrialState
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(
            {name: getattr(p, name) for name, choices in space(p).items() if choices}
        )
    for trial in study.get_trials(states=[states.RUNNING]):
        study.tell(trial.number, state=states.FAIL)
        study.enqueue_trial(trial.params)


def _judged(
    found: Searched,
    p: TrainingParameters,
    seeds: int,
    train: Callable[[dict[str, Any], int], float],
    say: Callable[[str], None],
) -> Searched:
    """Train the best trial and the first one with other seeds, and say whether their difference is more than luck."""
    first, best = found.trials[0], min(found.trials, key=lambda trial: trial[1])
    if best[0] == first[0]:
        found.sentences = [
            "No trial has a lower validation loss than the parameters as they are: keep them."
        ]
        return found
    found.before, found.best = [first[1]], [best[1]]
    for seed in range(p.seed + 1, p.seed + seeds):
        for values, losses in ((first[0], found.before), (best[0], found.best)):
            losses.append(train(_whole(values, p), seed))
        say(
            f"seed {seed}: validation loss {found.before[-1]:.4g} as it was, {found.best[-1]:.4g} as found"
        )
    found.values = [f"training.{name}={value}" for name, value in _whole(best[0], p).items()]
    found.sentences = _verdict(found)
    return found


def _whole(values: dict[str, Any], p: TrainingParameters) -> dict[str, Any]:
    """Return a trial's values with the scale that goes with its rank, in the proportion in use."""
    rounded = {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in values.items()}
    return rounded | (
        {"lora_alpha": round(rounded["lora_r"] * p.lora_alpha / p.lora_r)}
        if "lora_r" in rounded
        else {}
    )


def _verdict(found: Searched) -> list[str]:
    """Say whether the best trial beats the parameters as they were, seed by seed; its first seed was picked for its luck and is left out."""
    from scipy.stats import t

    gains = [b - a for b, a in zip(found.before[1:], found.best[1:], strict=True)]
    mean, n = sum(gains) / len(gains), len(gains)
    spread = math.sqrt(sum((g - mean) ** 2 for g in gains) / (n - 1)) if n > 1 else math.inf
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n) if n > 1 else math.inf
    told = f"Validation loss {mean:.3g} lower (95%: {mean - half:.3g} to {mean + half:.3g}) over {n} seeds that the search did not see"
    if n < 2:
        return [
            f"Validation loss {mean:.3g} lower with one other seed: too few to tell from luck; give --seeds 4 or more."
        ]
    if mean - half > 0:
        return [f"{told}: use what was found."]
    return [
        f"{told}: not told apart from luck. Keep the parameters as they are, or give more --seeds."
    ]


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items() if name != "lora_alpha")
