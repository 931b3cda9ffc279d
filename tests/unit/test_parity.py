"""Each usual fault of a served model leaves a trace, and is named by it."""

import pandas as pd
import pytest

from ftkit.deployment import parity
from ftkit.deployment.parity import COLUMNS, compare

N = 20


def answers(**changes):
    rows = {
        "item_id": [f"q{i}" for i in range(N)],
        "text": [f"right answer {i}" for i in range(N)],
        "prompt_tokens": [50 + i for i in range(N)],
        "completion_tokens": [4] * N,
        "passages": [["H-1#0"]] * N,
        "prompt_sha256": [f"p{i}" for i in range(N)],
        "logprob": [-0.1] * N,
    }
    return pd.DataFrame(rows | changes, columns=COLUMNS)


BASE = [f"base says {i}" for i in range(N)]
OTHER = [f"odd {i}" for i in range(N)]
FAULTS = {
    parity.TEMPLATE: {"prompt_sha256": ["x"] * N, "text": OTHER},
    parity.INDEX: {"passages": [["H-9#0"]] * N, "prompt_sha256": ["x"] * N, "text": OTHER},
    parity.END: {
        "text": [f"right answer {i} and on" for i in range(N)],
        "completion_tokens": [64] * N,
    },
    parity.ADAPTER: {"text": BASE, "logprob": [-0.9] * N},
    parity.WEIGHTS: {"text": OTHER, "logprob": [-2.0] * N},
    parity.PRECISION: {"logprob": [-0.101] * N},
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_fails_and_is_named(cause):
    found = compare("served", answers(), answers(**FAULTS[cause]), BASE)
    assert found.cause == cause and not found.passed
    assert found.identical.value == (1.0 if cause == parity.PRECISION else 0.0)


def test_the_same_answers_pass():
    found = compare("served", answers(), answers(), BASE)
    assert (
        found.passed
        and found.cause == "none"
        and found.identical.value == 1.0
        and found.logprob_gap == 0
    )


def test_a_single_tie_that_falls_the_other_way_is_rounding_and_passes():
    texts = answers()["text"].tolist()
    texts[3] = "right reply 3"
    found = compare("served", answers(), answers(text=texts), BASE)
    assert found.passed and found.cause == parity.ROUNDING
    assert found.first_differences == ["q3, word 2: 'answer 3' became 'reply 3'"]


def test_many_differences_that_nothing_explains_do_not_pass_as_rounding():
    found = compare("served", answers(), answers(text=OTHER, logprob=[float("nan")] * N))
    assert found.cause == parity.UNKNOWN and not found.passed and "too many" in found.explanation


def test_without_hashes_of_prompts_their_lengths_tell_another_template():
    found = compare(
        "served",
        answers(),
        answers(prompt_sha256=[""] * N, prompt_tokens=[1] * N, logprob=[float("nan")] * N),
        BASE,
    )
    assert found.cause == parity.TEMPLATE and found.logprob_gap is None


def test_answers_to_other_items_are_not_compared():
    with pytest.raises(ValueError, match="other items"):
        compare("served", answers(), answers(item_id=[f"z{i}" for i in range(N)]))
