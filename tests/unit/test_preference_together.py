"""06 in several processes: they learn what one does, go on after kill -9, and any method runs so."""

import os

import psutil
import pytest
from lessons import is_worker
from safetensors.torch import load_file

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.task import TaskCard
from ftkit.models.local import LocalModel
from ftkit.training.checkpoints import last_checkpoint
from ftkit.training.methods import wrap_lora
from ftkit.training.preference import dpo, kto
from ftkit.training.preference.learn import Lessons, learn, learn_together

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores"),
]
SLOW = pytest.mark.skipif(
    not os.environ.get("FTKIT_SLOW"), reason="starts more processes, 20 s: FTKIT_SLOW=1 runs it"
)
WEIGHTS = "adapter/adapter_model.safetensors"


@pytest.fixture
def tuned(tiny_checkpoint, tmp_path):
    base = tiny_checkpoint("llama")
    local = LocalModel(str(base), max_new_tokens=4)
    wrap_lora(local.model, TrainingParameters(lora_r=4, lora_alpha=8)).save_pretrained(
        str(tmp_path / "start")
    )
    return base, tmp_path / "start"


def ask(text):
    return [{"role": "user", "content": text}]


def parameters(base, **options):
    chosen = {
        "base_model": str(base),
        "learning_rate": 5e-3,
        "per_device_train_batch_size": 2,
        "processes": 2,
        "max_new_tokens": 4,
        "samples": 2,
    }
    return PreferenceParameters(**{**chosen, **options})


def together(tuned, lessons, p, folder, bar=None):
    base, start = tuned
    folder.mkdir(exist_ok=True)
    return learn_together(
        LocalModel(str(base), adapter=start, max_new_tokens=4), lessons, p, folder, base, start, bar
    )


def pairs_of(tuned, n):
    local = LocalModel(str(tuned[0]), adapter=tuned[1], max_new_tokens=4)
    return [dpo.encode(local, ask(f"q{i}"), "yes", "no") for i in range(n)]


def test_two_processes_learn_the_pairs_that_one_does(tuned, tmp_path):
    """Two with 2 pairs each take the steps of one with 4: weights equal but for the order of sums."""
    base, start = tuned
    rows = pairs_of(tuned, 28)
    lessons, p = (
        Lessons(pairs=rows[:24], held=rows[24:]),
        parameters(base, method="dpo", num_train_epochs=2),
    )
    local = LocalModel(str(base), adapter=start, max_new_tokens=4)
    (tmp_path / "one").mkdir()
    one = learn(
        local,
        lessons,
        p.model_copy(update={"processes": 1, "per_device_train_batch_size": 4}),
        tmp_path / "one",
        base,
        None,
    )
    seen = []
    two = together(
        tuned, lessons, p, tmp_path / "two", lambda step, steps, note: seen.append((step, steps))
    )
    assert seen[0] == (1, 12) and seen[-1][0] == 12
    assert [x.step for x in two.log] == [x.step for x in one.log]
    assert two.log[-1].held_loss == pytest.approx(one.log[-1].held_loss, rel=1e-3)
    first, second = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    before = load_file(start / "adapter_model.safetensors")
    for name, weight in first.items():
        assert (weight - second[name]).abs().max() < 1e-4
    assert (
        max(float((weight - before[name]).abs().max()) for name, weight in first.items()) > 5e-3
    ), "it learnt"


@SLOW
def test_after_kill_9_they_go_on_to_the_same_weights(tuned, tmp_path):
    rows = pairs_of(tuned, 28)
    lessons, p = (
        Lessons(pairs=rows[:24], held=rows[24:]),
        parameters(tuned[0], method="dpo", num_train_epochs=2),
    )

    def kill(step, steps, note):
        if step >= 7:
            next(
                c
                for c in psutil.Process().children(recursive=True)
                if is_worker(c, "ftkit.training.preference.worker")
            ).kill()

    with pytest.raises(FtkitError, match=r"one of the training processes ended \(signal 9\)"):
        together(tuned, lessons, p, tmp_path / "cut", kill)
    assert last_checkpoint(tmp_path / "cut") and not (tmp_path / "cut" / "adapter").exists()
    together(tuned, lessons, p, tmp_path / "cut")
    together(tuned, lessons, p, tmp_path / "whole")
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("cut", "whole"))
    assert all((one[name] == two[name]).all() for name in one)


@SLOW
def test_single_answers_are_learnt_together(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=4)
    rows = [
        kto.encode(local, ask(f"q{i}"), "yes" if i % 2 else "no", bool(i % 2)) for i in range(32)
    ]
    found = together(
        tuned,
        Lessons(graded=rows[:24], graded_held=rows[24:]),
        parameters(base, method="kto"),
        tmp_path / "kto",
    )
    assert (
        found.log[-1].held_loss is not None
        and (tmp_path / "kto" / WEIGHTS).exists()
        and found.told() == {}
    )


@SLOW
@pytest.mark.parametrize(("method", "reward"), [("grpo", "task"), ("rloo", "model")])
def test_answers_are_drawn_and_rewarded_together(tuned, tmp_path, method, reward):
    base, _ = tuned
    rows = pairs_of(tuned, 60) if reward == "model" else []
    items = [
        {"id": f"e{i}", "input": f"q{i}", "output": "yes", "group": f"g{i}"} for i in range(16)
    ]
    card = TaskCard(name="t", instruction="say yes", kind="label", labels=["yes", "no"])
    lessons = Lessons(
        pairs=rows[:40],
        held=rows[40:],
        prompts={x["id"]: ask(x["input"]) for x in items},
        items=items,
        card=card.model_dump(mode="json"),
    )
    found = together(
        tuned, lessons, parameters(base, method=method, reward=reward), tmp_path / "rl"
    )
    assert found.reward == reward and len(found.log) == 4, "16 questions, 2 a process and step"
    assert all(x.reward is not None and x.kl is not None for x in found.log)
    assert (found.reward_accuracy is not None) == (reward == "model") and (
        tmp_path / "rl" / WEIGHTS
    ).exists()


@SLOW
def test_what_a_process_finds_wrong_is_told(tuned, tmp_path):
    with pytest.raises(BadInput, match="2 pairs to learn from and 0 to measure"):
        together(
            tuned,
            Lessons(pairs=pairs_of(tuned, 2)),
            parameters(tuned[0], method="dpo"),
            tmp_path / "few",
        )


def test_more_processes_than_cores_are_refused(tuned, tmp_path):
    with pytest.raises(BadInput, match="processes on"):
        together(
            tuned,
            Lessons(pairs=pairs_of(tuned, 2)),
            parameters(tuned[0], method="dpo", processes=10_000),
            tmp_path / "many",
        )
