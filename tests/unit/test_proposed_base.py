"""Which base a new project begins with, and how long its run is said to take."""

import pytest

from ftkit.data import proposed_base


@pytest.mark.parametrize(
    ("gib", "base"), [(0.0, "smollm2-135m"), (12.0, "Qwen/Qwen3-1.7B"), (80.0, "Qwen/Qwen3-8B")]
)
def test_the_base_fits_the_machine_and_says_why(monkeypatch, gib, base):
    monkeypatch.setattr(proposed_base, "_gpu_gib", lambda: gib)
    name, why = proposed_base.propose(
        ["Where is my parcel?"] * 600, ["delivery"] * 600, ["delivery"]
    )
    assert name == base and base in why and ("GiB" in why if gib else "minutes" in why)


def test_more_rows_and_longer_prompts_take_longer_and_a_long_run_is_said_to_be_long(monkeypatch):
    monkeypatch.setattr(proposed_base, "_gpu_gib", lambda: 0.0)
    assert proposed_base.minutes(600, 120, 5, 2) < proposed_base.minutes(600, 900, 5, 2)
    assert proposed_base.minutes(600, 120, 5, 4) < proposed_base.minutes(600, 120, 5, 2) < 60
    assert "That is long" in proposed_base.propose(["a word " * 500] * 9000, ["b"] * 9000, [])[1]
