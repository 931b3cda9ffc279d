"""Which base a new project begins with, and how long its run is said to take."""

import re

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


def test_more_rows_longer_prompts_and_fewer_cores_take_longer():
    usual = proposed_base.minutes(420, 90, 120, 5, 2)
    assert usual < proposed_base.minutes(420, 90, 900, 5, 2) and usual < 60
    assert usual < proposed_base.minutes(900, 90, 120, 5, 2)
    assert proposed_base.minutes(420, 90, 120, 5, 4) < usual


def test_a_long_run_is_told_with_sizes_for_a_first_one_and_passages_count(monkeypatch):
    monkeypatch.setattr(proposed_base, "_gpu_gib", lambda: 0.0)
    texts, answers = ["where is my parcel today"] * 9000, ["delivery"] * 9000
    said = proposed_base.propose(texts, answers, [])[1]
    assert "data.max_examples: " in said and "data.max_test: 300" in said
    alone, shown = (
        int(
            re.search(
                r"takes about (\d+) minutes", proposed_base.propose(texts, answers, [], h)[1]
            )[1]
        )
        for h in (False, True)
    )
    assert shown > 2 * alone
    assert "max_examples" not in proposed_base.propose(texts[:300], answers[:300], [])[1]
