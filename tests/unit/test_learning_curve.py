"""The learning curve: a known power law is found again, its interval holds, and a stopped curve goes on."""

import contextlib
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import LearningCurve
from ftkit.data.split import at_most
from ftkit.models.local import LocalModel
from ftkit.report.figures.training import learning
from ftkit.strategies.grid import _draw
from ftkit.strategies.prompt_candidates import with_hash
from ftkit.training import learning_curve, sft
from ftkit.training.encode import encode_all
from ftkit.training.parallel_runs import Training, at_once, train_apart
from ftkit.training.sft import plan_of

SIZES, SEEDS = [100, 200, 400], 3


def world(rng, scale, exponent, items=200, spread=0.15):
    """Right and wrong answers of trainings whose error follows a power law, items of unequal difficulty, seeds that differ."""
    counts, seeds, correct = [], [], []
    hard = rng.normal(size=items)
    for n in SIZES:
        for seed in range(SEEDS):
            error = scale * n**-exponent * np.exp(rng.normal(0, spread * 0.3))
            order = hard + 0.7 * rng.normal(size=items)
            counts.append(n)
            seeds.append(seed)
            correct.append((order < np.quantile(order, 1 - min(error, 1))).tolist())
    return counts, seeds, correct


def test_a_power_law_without_noise_is_found_again():
    items = 1000
    error = {100: 0.4, 200: 0.2, 400: 0.1}
    correct = [[i >= error[n] * items for i in range(items)] for n in SIZES for _ in range(SEEDS)]
    curve = learning_curve.fit(
        [n for n in SIZES for _ in range(SEEDS)], [0, 1, 2] * 3, correct, list(range(items))
    )
    assert curve.exponent == pytest.approx(1, abs=0.02)
    assert curve.doubled.value == pytest.approx(
        0.95, abs=0.004
    ) and curve.gain.value == pytest.approx(0.05, abs=0.004)
    assert curve.gain.low <= 0.05 <= curve.gain.high


def test_the_interval_of_twice_the_examples_holds_the_truth_as_often_as_it_says():
    rng, held, twice = np.random.default_rng(1), 0, 0
    for k in range(100):
        scale, exponent = float(rng.uniform(2, 4)), float(rng.uniform(0.2, 0.5))
        counts, seeds, correct = world(rng, scale, exponent)
        curve = learning_curve.fit(
            counts, seeds, correct, list(range(200)), seed=k, n_resamples=500
        )
        truth = 1 - scale * 800**-exponent
        held += curve.doubled.low <= truth <= curve.doubled.high
        twice += curve.gain.low <= truth - (1 - scale * 400**-exponent) <= curve.gain.high
    assert held >= 88 and twice >= 88


def test_more_examples_never_make_the_curve_fall_and_all_right_is_no_error():
    flat = learning_curve.fit(
        [100, 200], [0, 0], [[True] * 50, [True] * 40 + [False] * 10], list(range(50))
    )
    assert flat.exponent == 0 and flat.gain.value == 0
    perfect = learning_curve.fit([100, 200], [0, 0], [[True] * 50, [True] * 50], list(range(50)))
    assert perfect.doubled.value > 0.98


def test_the_interval_is_wider_where_questions_come_in_clusters():
    rng = np.random.default_rng(2)
    alone = [[bool(rng.random() < p) for _ in range(120)] for p in (0.5, 0.6, 0.7)]
    together = [[row[i // 12 * 12] for i in range(120)] for row in alone]
    single = learning_curve.fit(SIZES, [0] * 3, alone, list(range(120)))
    clustered = learning_curve.fit(SIZES, [0] * 3, together, [i // 12 for i in range(120)])
    assert clustered.doubled.high - clustered.doubled.low > 1.5 * (
        single.doubled.high - single.doubled.low
    )


def test_parts_of_one_seed_lie_inside_one_another_and_seeds_differ():
    ids = [f"i{k}" for k in range(100)]
    small, large, other = (
        learning_curve.part(ids, n, seed) for n, seed in ((25, 1), (50, 1), (25, 2))
    )
    assert len(small) == 25 and set(small) < set(large) and set(small) != set(other)
    assert learning_curve.part(ids, 100, 3) == list(range(100))


def test_which_trainings_are_made_and_how_long_they_take():
    p = TrainingParameters(curve_shares=[0.5, 0.25], curve_seeds=2, seed=7)
    assert learning_curve.sizes(p, 400) == [
        (100, 7),
        (100, 8),
        (200, 7),
        (200, 8),
        (400, 7),
        (400, 8),
    ]
    assert learning_curve.minutes(p, 400, 600) == pytest.approx(10 * (0.25 * 2 + 0.5 * 2 + 1))
    assert learning_curve.sizes(TrainingParameters(), 400) == []
    with pytest.raises(ValidationError, match="between 0 and 1"):
        TrainingParameters(curve_shares=[0.5, 1.5])
    with pytest.raises(ValidationError, match="weights from elsewhere"):
        TrainingParameters(curve_shares=[0.5], adapter="theirs")


def test_how_many_trainings_run_at_once(monkeypatch):
    from ftkit.core import machine

    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "free_cores", lambda: 6)
    monkeypatch.setattr(machine, "usable_memory_gib", lambda held=0.0: 10.0)
    assert at_once(0, 9) == 3 and at_once(0, 2) == 2 and at_once(20, 9) == 8
    assert at_once(0, 9, peak_gib=4.0) == 2 and at_once(0, 9, peak_gib=30.0) == 1
    assert at_once(3, 9, processes=2) == 1 and at_once(0, 0) == 1


WORDS = {"parcel": "delivery", "refund": "returns", "invoice": "billing"}


def examples(start, count):
    words = [list(WORDS)[i % 3] for i in range(start, start + count)]
    rows = {
        "id": [f"e{i}" for i in range(start, start + count)],
        "input": [f"my {w}" for w in words],
        "output": [WORDS[w] for w in words],
    }
    return pd.DataFrame(rows | {"group": [f"g{i}" for i in range(start, start + count)]})


@pytest.fixture
def materials(tiny_checkpoint, tmp_path):
    import torch

    torch.set_num_threads(1)
    p = TrainingParameters(
        base_model=str(tiny_checkpoint("llama")),
        max_new_tokens=8,
        threads=1,
        method="full",
        num_train_epochs=2,
        learning_rate=5e-3,
        per_device_train_batch_size=8,
        general_share=0,
        curve_shares=[0.5],
        curve_seeds=2,
        seed=3,
        max_length=128,
        curve_at_once=1,
    )
    prompt, train, validation = (
        with_hash("plain", "Name the topic."),
        examples(0, 48),
        examples(48, 12),
    )
    card = TaskCard(
        name="t", instruction="Name the topic.", kind="label", labels=list(WORDS.values())
    )
    from ftkit.strategies.grid import training_conversations

    lessons, checks = (training_conversations(t, prompt, None, 0, 3) for t in (train, validation))
    told = []
    return SimpleNamespace(
        told=told,
        value=learning_curve.CurveInputs(
            p=p,
            folder=tmp_path,
            card=card,
            prompt=prompt,
            train=train,
            validation=validation,
            lessons=lessons,
            checks=checks,
            searcher=None,
            progress=lambda label: lambda done, of: told.append(label),
        ),
    )


def test_a_curve_is_trained_measured_and_not_trained_again(materials, monkeypatch):
    m, folder = materials.value, materials.value.folder
    base = LocalModel(m.p.base_model, max_new_tokens=8, threads=1)
    encoded = [encode_all(base.tokenizer, rows, 128) for rows in (m.lessons, m.checks)]
    sft.train(
        base.model,
        base.tokenizer,
        *encoded,
        plan_of(m.p, folder, "plain"),
        base="tiny",
        base_folder=base.folder,
    )
    curve = learning_curve.measure(m)
    assert curve is not None and [(p.examples, p.seed) for p in curve.points] == [
        (24, 3),
        (24, 4),
        (48, 3),
        (48, 4),
    ]
    trained = {label for label in materials.told if "learning curve" in label}
    assert trained == {
        f"learning curve, {n} examples, seed {s}" for n, s in ((24, 3), (24, 4), (48, 4))
    }  # 48 with seed 3 is 05's own
    assert not list(folder.glob("curve/*/adapter"))

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(learning_curve.sft, "train", never)
    assert learning_curve.measure(m) == curve
    (folder / "curve" / "24-4" / "answers.json").unlink()
    with pytest.raises(AssertionError, match="trained again"):
        learning_curve.measure(m)


@pytest.mark.skipif(
    not os.environ.get("FTKIT_SLOW"), reason="starts many processes, a minute: FTKIT_SLOW=1 runs it"
)
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_trainings_at_once_teach_the_same_as_one_after_the_other_and_go_on_after_kill_9(
    materials, tmp_path
):
    """The weights are the same, so the answers are; a killed training goes on from its checkpoint."""
    import psutil
    from safetensors.torch import load_file

    m, base = materials.value, LocalModel(materials.value.p.base_model, max_new_tokens=8, threads=1)
    learn, held = (encode_all(base.tokenizer, rows, 128) for rows in (m.lessons, m.checks))

    def trainings(folder):
        long = {
            "num_train_epochs": 20.0,
            "early_stopping_patience": 99,
        }  # long enough to be killed within it
        plans = [
            plan_of(m.p.model_copy(update={"seed": s, **long}), tmp_path / folder / str(s))
            for s in (1, 2)
        ]
        return [Training(plan, learn, held) for plan in plans]

    def workers():
        """The processes that train here; those of other tests may still be listed, ended."""
        found = []
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if (
                    str(tmp_path) in " ".join(child.cmdline())
                    and child.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(child)
        return found

    names = {"base": "tiny", "base_folder": base.folder}
    for t in trainings("turn"):
        alone = LocalModel(m.p.base_model, max_new_tokens=8, threads=1)
        sft.train(alone.model, alone.tokenizer, learn, held, t.plan, **names)
    seen, killed = [], trainings("apart")

    def kill(done, of):
        seen.append((done, of))
        if done:
            workers()[0].kill()

    with pytest.raises(FtkitError, match=r"one of the training processes ended \(signal 9\)"):
        list(train_apart(killed, 2, progress=kill, **names))
    assert not workers(), "the other one is stopped with it"
    done = list(train_apart(killed, 2, progress=lambda done, of: seen.append((done, of)), **names))
    assert sorted(done) == [0, 1] and seen[-1] == (96, 96)
    for seed in "12":
        turn, apart = (
            load_file(tmp_path / kind / seed / "adapter" / "model.safetensors")
            for kind in ("turn", "apart")
        )
        assert all(torch_equal(turn[name], apart[name]) for name in turn)


def torch_equal(a, b):
    return bool((a == b).all())


def test_a_curve_whose_trainings_run_at_once_is_the_same(materials):
    m = materials.value
    m.p.curve_at_once = 2
    base = LocalModel(m.p.base_model, max_new_tokens=8, threads=1)
    learn, held = (encode_all(base.tokenizer, rows, 128) for rows in (m.lessons, m.checks))
    sft.train(
        base.model,
        base.tokenizer,
        learn,
        held,
        plan_of(m.p, m.folder, "plain"),
        base="tiny",
        base_folder=base.folder,
    )
    together = learning_curve.measure(m)
    assert any("3 trainings, 2 at once" in label for label in materials.told)
    for path in m.folder.glob("curve/*/answers.json"):
        path.unlink()
    m.p.curve_at_once = 1
    assert learning_curve.measure(m) == together


def test_what_is_said_and_drawn_carries_the_figures():
    counts, seeds, correct = world(np.random.default_rng(5), 3.0, 0.4)
    curve = learning_curve.fit(counts, seeds, correct, list(range(200)))
    p = TrainingParameters(curve_shares=[0.25, 0.5])
    said = learning_curve.learned(curve, p, 400, 60)
    assert f"{100 * curve.gain.value:+.1f} points" in said and "1,200 USD" in said
    assert "was not measured" in learning_curve.learned(None, p, 400, 60)
    figure = learning(curve)
    assert f"{100 * curve.gain.value:+.1f} points" in figure.layout.title.text.replace("<br>", " ")
    assert figure.data[-1].x == (800,) and learning(None) is None
    assert LearningCurve.model_validate_json(curve.model_dump_json()) == curve


def test_a_part_is_shown_with_passages_as_often_as_the_whole():
    ids = [f"row-{k}" for k in range(2000)]
    shown = [_draw(7, row_id) < 0.5 for row_id in ids]
    for size in (100, 400):
        share = sum(shown[i] for i in learning_curve.part(ids, size, 7)) / size
        assert abs(share - 0.5) < 4 * 0.5 / size**0.5, (
            "drawn alike, every example of a part would have passages"
        )
    rows = [{"id": row_id, "input": "x", "output": "x", "split": "train"} for row_id in ids]
    kept = [
        row["id"]
        for row in at_most(rows, TaskCard(name="t", instruction="x", kind="text"), "train", 400, 7)
    ]
    assert (
        len(kept) == 400 and abs(sum(_draw(7, row_id) < 0.5 for row_id in kept) / 400 - 0.5) < 0.1
    )
