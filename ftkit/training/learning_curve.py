"""Would more examples help? The same training on parts of the data, a power law through them, and no look further than twice.

Errors of many learners fall with the number of examples as a power of it (Hestness et al. 2017, "Deep Learning Scaling is
Predictable, Empirically"). Two figures are fitted; the interval comes from drawing validation questions (whole clusters) and
seeds anew, so it knows both kinds of chance.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core import run_folder
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.prices import ASSUMED
from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import Prompt
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import CurvePoint, LearningCurve, TrainPoint
from ftkit.core.statistics import mean_interval
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint, resolve
from ftkit.scoring.score import score
from ftkit.strategies import grid
from ftkit.training import sft
from ftkit.training.encode import encode_all
from ftkit.training.methods import model_to_train
from ftkit.training.mix import general_mix
from ftkit.training.parallel_runs import Training, at_once, train_apart
from ftkit.training.sft import key_of, plan_of

Lesson = tuple[Messages, str, str]
Bar = Callable[[int, int], None]
FURTHEST = 2.0  # a power law is trusted to twice the examples, no further
LEAST = 20  # examples below which a part teaches nothing


@dataclass
class CurveInputs:
    """What every training of the curve has in common.

    Attributes:
        p: The stage's parameters.
        folder: The training stage's folder; the curve's files lie in ``curve`` below it.
        card: The task.
        prompt: The prompt that is taught and asked with.
        train: Training examples.
        validation: Validation examples, which every point is measured on.
        lessons: Messages, answer and id of every training example.
        checks: The same of the validation examples.
        searcher: The retriever, or None; with one, answers are given with passages.
        progress: Makes a progress callable from a label.
        peak_gib: What 05's own training has needed, in GiB; 0: not known. It bounds how many run at once.
    """

    p: TrainingParameters
    folder: Path
    card: TaskCard
    prompt: Prompt
    train: Any
    validation: Any
    lessons: Sequence[Lesson]
    checks: Sequence[Lesson]
    searcher: Any
    progress: Callable[[str], Bar]
    peak_gib: float = 0.0


def sizes(p: TrainingParameters, examples: int) -> list[tuple[int, int]]:
    """Return number of examples and seed of every training, the smallest first.

    Args:
        p: Names shares and seeds; without shares there is nothing to train.
        examples: Training examples at hand.
    """
    shares = sorted({*p.curve_shares, 1.0}) if p.curve_shares else []
    counts = sorted({max(LEAST, round(share * examples)) for share in shares})
    return [(n, p.seed + k) for n in counts if n <= examples for k in range(p.curve_seeds)]


def minutes(p: TrainingParameters, examples: int, seconds: float) -> float:
    """Return about how long the curve takes, from the seconds that the training on all examples took."""
    todo = [n for n, seed in sizes(p, examples) if not (n == examples and seed == p.seed)]
    return sum(todo) / examples * seconds / 60


def part(ids: Sequence[str], size: int, seed: int) -> list[int]:
    """Return the places of ``size`` examples drawn by a seed; a smaller part of the same seed lies inside a larger one.

    The draw has nothing in common with the one that decides which examples are shown with passages.
    """
    draws = sorted(
        range(len(ids)), key=lambda i: hashlib.sha256(f"part:{seed}:{ids[i]}".encode()).hexdigest()
    )
    return sorted(draws[:size])


@dataclass
class _Point:
    """A training of the curve, with the file that keeps which validation examples it answers right."""

    size: int
    seed: int
    whole: bool
    training: Training
    key: str

    @property
    def name(self) -> str:
        return f"{self.size} examples, seed {self.seed}"

    @property
    def kept(self) -> Path:
        return self.training.plan.folder / "answers.json"

    def known(self) -> list[bool] | None:
        """Return the answers of a training that was the same."""
        if not self.kept.exists():
            return None
        old = json.loads(self.kept.read_text())
        return old["correct"] if old["key"] == self.key else None


def measure(m: CurveInputs) -> LearningCurve | None:
    """Train on parts of the examples and return the curve; None where the parameters name no parts.

    Every finished training's answers are kept, so that a stopped run goes on with the next one.
    """
    if not m.p.curve_shares:
        return None
    points = _points(m)
    _free()
    todo = [point for point in points if point.known() is None and not point.whole]
    count = at_once(m.p.curve_at_once, len(todo), m.p.processes, m.peak_gib)
    for point in _together(m, todo, count) if count > 1 else _in_turn(m, todo):
        _ask(m, point)
    for point in points:
        if point.whole and point.known() is None:
            _ask(m, point)
    correct = [point.known() or [] for point in points]
    groups = m.validation["group"].tolist()
    return fit(
        [point.size for point in points],
        [point.seed for point in points],
        correct,
        groups,
        m.p.seed,
    )


def _points(m: CurveInputs) -> list[_Point]:
    """Return all trainings, the smallest first; the examples are encoded once."""
    base, ids = _load(m), m.train["id"].tolist()
    lessons, checks = (
        encode_all(base.tokenizer, rows, m.p.max_length, base.context, m.p.thoughts)
        for rows in (m.lessons, m.checks)
    )
    sha, found = fingerprint(Path(resolve(m.p.base_model))), list[_Point]()
    for size, seed in sizes(m.p, len(m.train)):
        general, _ = general_mix(m.p, size, m.validation["input"].tolist())
        mixed = encode_all(base.tokenizer, general, m.p.max_length, base.context)
        learn = [*(lessons[i] for i in part(ids, size, seed)), *mixed]
        folder, chosen = (
            m.folder / "curve" / f"{size}-{seed}",
            m.p.model_copy(update={"seed": seed}),
        )
        plan = plan_of(chosen, folder, m.prompt.name)
        key = key_of(plan, learn, checks, sha) + m.prompt.sha256
        one = Training(plan, learn, checks, len(mixed))
        found.append(_Point(size, seed, size == len(m.train) and seed == m.p.seed, one, key))
    return found


def _load(m: CurveInputs, adapter: Path | None = None) -> LocalModel:
    return LocalModel(m.p.base_model, adapter=adapter, **m.p.answering())


def _in_turn(m: CurveInputs, todo: Sequence[_Point]) -> Iterator[_Point]:
    """Train one after the other, here."""
    for point in todo:
        bar, t, base = m.progress(f"learning curve, {point.name}"), point.training, _load(m)

        def show(at: TrainPoint, steps: int, bar: Bar = bar) -> None:
            bar(at.step, steps)

        names: dict[str, Any] = {
            "base": m.p.base_model,
            "base_folder": base.folder,
            "general_examples": t.general_examples,
        }
        model, tokenizer = model_to_train(base, m.p), base.tokenizer
        sft.train(model, tokenizer, t.train_set, t.validation_set, t.plan, progress=show, **names)
        del model, base
        _free()
        yield point


def _together(m: CurveInputs, todo: Sequence[_Point], count: int) -> Iterator[_Point]:
    """Train several at once, each in a process of its own."""
    bar, folder = (
        m.progress(f"learning curve, {len(todo)} trainings, {count} at once"),
        Path(resolve(m.p.base_model)),
    )
    trainings = [point.training for point in todo]
    for place in train_apart(
        trainings, count, base=m.p.base_model, base_folder=folder, progress=bar
    ):
        yield todo[place]


def _free() -> None:
    """Give memory back that the next training needs, on a GPU also what torch holds in store."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _ask(m: CurveInputs, point: _Point) -> None:
    """Keep which validation examples a trained model answers right, and remove its weights."""
    folder = point.training.plan.folder
    tuned = _load(m, m.folder / "adapter" if point.whole else folder / "adapter")
    asked = f"answers, {point.name}"
    answers = grid.answer_with(
        asked, m.prompt, tuned, m.validation, m.train, m.searcher, m.progress(asked)
    )
    correct = [bool(x) for x in score(m.card, m.validation, answers)["correct"]]
    run_folder.write_text(point.kept, json.dumps({"key": point.key, "correct": correct}))
    if not point.whole:
        shutil.rmtree(folder / "adapter", ignore_errors=True)
    del tuned
    _free()


def fit(
    counts: Sequence[int],
    seeds: Sequence[int],
    correct: Sequence[Sequence[bool]],
    groups: Sequence[Any],
    seed: int = 0,
    n_resamples: int = 4000,
) -> LearningCurve:
    """Return the learning curve: a power law through the errors, and what twice the examples would bring.

    Args:
        counts: Training examples of each training.
        seeds: Its seed.
        correct: Which validation examples it answers right, shape (trainings, items).
        groups: Cluster of each item.
        seed: Seed of the resamples.
        n_resamples: Bootstrap resamples, of clusters and of seeds.
    """
    sizes = sorted(set(counts))
    rows = [
        [np.asarray(c, dtype=float) for n, c in zip(counts, correct, strict=True) if n == size]
        for size in sizes
    ]
    names, place = np.unique(np.asarray([str(g) for g in groups]), return_inverse=True)
    members = np.bincount(place, minlength=len(names)).astype(float)
    wrong = [
        [np.bincount(place, weights=1 - c, minlength=len(names)) for c in same] for same in rows
    ]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=n_resamples
    ).astype(float)
    items, errors = draws @ members, np.empty((n_resamples, len(sizes)))
    for k, same in enumerate(wrong):
        share = np.stack([(draws @ w + 0.5) / (items + 1) for w in same], axis=1)
        chosen = rng.integers(0, len(same), size=(n_resamples, len(same)))
        errors[:, k] = np.take_along_axis(share, chosen, axis=1).mean(axis=1)
    total = float(members.sum())
    point = np.array([[np.mean([(w.sum() + 0.5) / (total + 1) for w in same]) for same in wrong]])
    now, twice = sizes[-1], FURTHEST * sizes[-1]
    (scale, exponent), drawn = (x[0] for x in _power_law(sizes, point)), _power_law(sizes, errors)
    at = {n: 1 - np.minimum(1, drawn[0] * n ** -drawn[1]) for n in (now, twice)}
    value = {n: 1 - min(1.0, float(scale * n**-exponent)) for n in (now, twice)}
    points = [
        CurvePoint(
            examples=n, seed=s, accuracy=mean_interval([float(x) for x in c], list(groups), 1000)
        )
        for n, s, c in zip(counts, seeds, correct, strict=True)
    ]
    estimates = [
        _percentiles(v, d, len(groups))
        for v, d in (
            (value[now], at[now]),
            (value[twice], at[twice]),
            (value[twice] - value[now], at[twice] - at[now]),
        )
    ]
    return LearningCurve(
        points=points,
        scale=float(scale),
        exponent=float(exponent),
        fitted=estimates[0],
        doubled=estimates[1],
        gain=estimates[2],
        seed_sd=seed_sd(np.stack(rows[-1])) if len(rows[-1]) > 1 else None,
    )


def seed_sd(correct: np.ndarray) -> float:
    """Return how far apart trainings lie that differ in their seed alone: a standard deviation of the share right.

    Single answers flip from seed to seed as well; that is in every interval over questions already. So only what is left beyond it
    counts: the variance component of the seed in a table of seeds by items (analysis of variance), 0 where it would be negative.

    Args:
        correct: Right (1) or wrong (0), shape (seeds, items), two seeds or more.
    """
    seeds, items = correct.shape
    by_seed, by_item, mean = correct.mean(axis=1), correct.mean(axis=0), correct.mean()
    between = items * float(((by_seed - mean) ** 2).sum()) / (seeds - 1)
    left = float(((correct - by_seed[:, None] - by_item[None] + mean) ** 2).sum()) / (
        (seeds - 1) * max(1, items - 1)
    )
    return math.sqrt(max(0.0, (between - left) / items))


def _power_law(sizes: Sequence[int], errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and exponent of ``error = scale × n^-exponent`` per row of ``errors``; the exponent is at least 0."""
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(errors)
    if len(sizes) == 1:
        return np.exp(y[:, 0]), np.zeros(len(y))
    centred = x - x.mean()
    exponent = np.maximum(0.0, -(y @ centred) / (centred @ centred))
    return np.exp(y.mean(axis=1) + exponent * x.mean()), exponent


def _percentiles(value: float, drawn: np.ndarray, n: int) -> Estimate:
    low, high = (float(q) for q in np.quantile(drawn, [0.025, 0.975]))
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=n,
        method="power law, bootstrap of clusters and seeds",
    )


def learned(
    curve: LearningCurve | None, p: TrainingParameters, examples: int, seconds: float
) -> str:
    """Return what the curve says, with what the examples would cost; or how to get one."""
    if curve is None:
        wanted = p.model_copy(update={"curve_shares": [0.25, 0.5]})
        return (
            "Whether more examples would help was not measured: training.curve_shares [0.25, 0.5] trains on parts of them as well, "
            f"up to {minutes(wanted, examples, seconds):.0f} minutes here."
        )
    if len({point.examples for point in curve.points}) == 1:
        shares = [point.accuracy.value for point in curve.points]
        return f"{len(shares)} trainings on all examples, each with its own seed, get {min(shares):.0%} to {max(shares):.0%} of the validation examples right."
    gain, spent = curve.gain, labelling_usd(examples)
    said = f"Twice the examples would bring about {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    if gain.value < 0.005:
        return f"{said}: more of the same would hardly help."
    price = (
        ""
        if not math.isfinite(spent)
        else f"; labelling {examples:,} more costs about {spent:,.0f} USD, {spent / (100 * gain.value):,.0f} USD a point (assumed prices)"
    )
    return f"{said}{price}."


def labelling_usd(examples: int) -> float:
    """Return what labelling so many examples costs at the assumed prices."""
    return (
        examples
        * ASSUMED["labelling_minutes_per_example"][0]
        / 60
        * ASSUMED["labour_usd_per_hour"][0]
    )
