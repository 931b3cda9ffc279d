"""A search finds a planted optimum on validation, goes on where it was stopped, and does not take luck for gain."""

import hashlib
import math

import pytest

from ftkit.cli import main
from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.files import load, to_yaml
from ftkit.core.parameters.training import TrainingParameters
from ftkit.workflow import search as searching
from ftkit.workflow.search import search

optuna = pytest.importorskip("optuna")


class Trainer:
    """Stands for the walk: a validation loss with its optimum at a rate of 1e-3 and rank 32, and a luck of the seed."""

    def __init__(self, gain=1.0, luck=0.01, stop_after=0, fail_above=1.0):
        self.gain, self.luck, self.stop_after, self.fail_above, self.trained = (
            gain,
            luck,
            stop_after,
            fail_above,
            [],
        )

    def __call__(self, file, *, selection, overrides, say):
        if selection.only != ["training"]:
            return
        p = load(file, overrides)["training"]
        self.trained.append(p)
        if self.stop_after and len(self.trained) == self.stop_after:
            raise KeyboardInterrupt
        if p.learning_rate > self.fail_above:
            raise FtkitError(
                "the loss is not a number", where="training", todo="lower training.learning_rate"
            )
        noise = (
            int(hashlib.sha256(f"{p.seed}{p.learning_rate}".encode()).hexdigest()[:8], 16) / 16**8
            - 0.5
        )
        loss = (
            0.5
            + self.gain
            * (0.1 * abs(math.log10(p.learning_rate / 1e-3)) + 0.02 * abs(math.log2(p.lora_r / 32)))
            + self.luck * noise
        )
        folder = run_folder.Path(p.run) / "training"
        folder.mkdir(parents=True, exist_ok=True)
        from made_run import training_card

        run_folder.write_record(
            folder / "training.json",
            training_card().model_copy(update={"best_validation_loss": loss}),
        )


SIZES = {"num_train_epochs": 8.0, "per_device_train_batch_size": 16}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "desk.yaml"
    path.write_text(
        to_yaml({"training": {"learning_rate": 5e-3, "lora_r": 8, "lora_alpha": 8} | SIZES})
    )
    return path


def searched(file, trainer, monkeypatch, trials=16, **more):
    monkeypatch.setattr(searching, "run", trainer)
    return search(file, trials, say=lambda line: None, **more)


def test_the_planted_optimum_is_found_and_held_against_other_seeds(file, monkeypatch):
    trainer = Trainer()
    found = searched(file, trainer, monkeypatch, seeds=5)
    first, best = found.trials[0], min(found.trials, key=lambda trial: trial[1])
    assert first[0]["learning_rate"] == 5e-3 and first[0]["lora_r"] == 8, (
        "what is in use comes first"
    )
    assert best[1] < first[1] - 0.05 and len(found.trials) == 16
    assert "use what was found" in found.sentences[0] and len(found.before) == len(found.best) == 5
    assert {p.seed for p in trainer.trained[16:]} == {8, 9, 10, 11}
    assert all(p.lora_alpha == p.lora_r for p in trainer.trained), (
        "the proportion of scale and rank stays"
    )
    assert any(value.startswith("training.learning_rate=") for value in found.values)
    load(file, found.values)


def test_luck_is_not_taken_for_gain(file, monkeypatch):
    found = searched(file, Trainer(gain=0.0, luck=0.2), monkeypatch, seeds=4)
    assert "not told apart from luck" in found.sentences[0] or "keep them" in found.sentences[0]


def test_a_stopped_search_goes_on_with_what_it_had_begun(file, monkeypatch):
    whole = searched(file, Trainer(), monkeypatch, trials=7, overrides=["run=outputs/whole"])
    stopped = Trainer(stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        searched(file, stopped, monkeypatch, trials=7, overrides=["run=outputs/cut"])
    again = Trainer()
    found = searched(file, again, monkeypatch, trials=7, overrides=["run=outputs/cut"])
    assert again.trained[0].learning_rate == stopped.trained[3].learning_rate
    assert len(found.trials) == 7 and found.trials[:3] == whole.trials[:3]
    done = Trainer()
    assert (
        searched(file, done, monkeypatch, trials=7, overrides=["run=outputs/cut"]).trials
        == found.trials
    )
    assert {p.seed for p in done.trained} == {8, 9}, (
        "no trial is trained again; other seeds are asked for and found there"
    )


def test_a_rate_at_which_it_diverges_is_a_finding_and_a_full_disk_is_none(file, monkeypatch):
    found = searched(file, Trainer(fail_above=6e-3), monkeypatch, trials=10)
    assert 2 <= len(found.trials) <= 10 and all(
        values["learning_rate"] <= 6e-3 for values, _ in found.trials
    )

    def full(file, *, selection, overrides, say):
        raise FtkitError("the disk is full", where="/disk", todo="free some space")

    with pytest.raises(FtkitError, match="disk is full"):
        searched(file, full, monkeypatch, overrides=["run=outputs/full"])


def test_a_budget_of_minutes_starts_no_trial_that_would_end_later(file, monkeypatch):
    clock = iter(range(0, 100_000, 40))
    monkeypatch.setattr(searching.time, "monotonic", lambda: next(clock))
    assert len(searched(file, Trainer(), monkeypatch, trials=50, minutes=10).trials) < 10


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_ranges_hold_what_is_in_use(method):
    p = TrainingParameters(
        method=method,
        learning_rate=3e-4,
        num_train_epochs=1.0,
        per_device_train_batch_size=1,
        lora_r=5,
    )
    found = searching.space(p)
    assert found["learning_rate"][0] < 3e-4 < found["learning_rate"][1]
    assert 1.0 in found["num_train_epochs"] and 1 in found["per_device_train_batch_size"]
    assert ("lora_r" in found) == (method == "lora") and 5 in found.get("lora_r", [5])


def test_what_cannot_be_searched_is_told(file, capsys):
    assert (
        main(["search", str(file), "--trials", "1"]) == 2
        and "at least 2" in capsys.readouterr().err
    )
    with pytest.raises(BadInput, match="nothing is trained here"):
        search(file, 4, overrides=["training.elsewhere=true"])
