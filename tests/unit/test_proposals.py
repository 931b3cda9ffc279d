"""Proposed instructions are candidates with their format and without personal data; what is unusable is told; none is asked for twice."""

import pandas as pd
import pytest

from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.records.task import Check, TaskCard
from ftkit.data.personal_data import mask
from ftkit.models.chat import Reply
from ftkit.models.local import LocalModel
from ftkit.strategies import prompt_proposals
from ftkit.strategies.prompt_candidates import candidates
from ftkit.strategies.prompt_proposals import WAYS, rows

LABELS = TaskCard(
    name="t", instruction="Choose the desk.", kind="label", labels=["delivery", "returns"]
)
FIELDS = TaskCard(
    name="t",
    instruction="Fill in.",
    kind="fields",
    fields=["category", "reply"],
    checks=[Check(name="known category", kind="enum", field="category", value=["a", "b"])],
)
TRAIN = pd.DataFrame(
    {
        "id": [f"i{k}" for k in range(12)],
        "input": [f"Write to jo.{k}@example.org about order {k}" for k in range(12)],
        "output": ["delivery", "returns"] * 6,
    }
)


class Writer:
    name = "writer"

    def __init__(self, texts):
        self.texts, self.asked = texts, []

    def answer(self, conversations, progress=None, formats=()):
        self.asked += conversations
        return [Reply(self.texts[k % len(self.texts)]) for k in range(len(conversations))]


def propose(writer, folder, card=LABELS, **more):
    p = PromptingParameters(proposal_model="writer", **{"proposals": 5, **more})
    return prompt_proposals.propose(card, TRAIN, p, folder, mask, model=writer)


def test_usable_ones_are_candidates_and_the_others_say_why_not(tmp_path):
    texts = [
        "Say delivery or returns.",
        "",
        "word " * 400,
        "Fill {customer} in.",
        "Say delivery or returns.",
    ]
    found = propose(Writer(texts), tmp_path)
    assert [bool(x.refused) for x in found] == [False, True, True, True, True]
    assert (
        "empty" in found[1].refused
        and "400 words" in found[2].refused
        and "{customer}" in found[3].refused
    )
    assert found[4].refused == "it was proposed before"
    made = candidates(LABELS, TRAIN, [2], 7, proposed=[x.text for x in found if not x.refused])
    assert [c.system for c in made if c.name == "proposed 1"] == ["Say delivery or returns."]
    assert rows(found)[0]["candidate"] == "yes"


@pytest.mark.parametrize(
    ("card", "text", "added"),
    [
        (LABELS, "Say delivery, else something else.", "Answer with one of these labels:"),
        (FIELDS, "Give the category.", 'Answer with JSON with the keys "category","reply".'),
        (FIELDS, "Give category and reply as JSON.", ""),
    ],
)
def test_one_that_leaves_out_a_label_or_a_field_gets_the_format(tmp_path, card, text, added):
    found = propose(Writer([text]), tmp_path, card, proposals=1)[0]
    assert found.text.startswith(text) and (added in found.text if added else found.text == text)


def test_the_request_holds_the_task_and_masked_examples_and_asks_each_time_in_another_way(tmp_path):
    writer = Writer(["a", "b", "c", "d", "e"])
    propose(writer, tmp_path, FIELDS)
    texts = [m[-1]["content"] for m in writer.asked]
    assert all(
        "Task: Fill in." in t
        and "known category" in t
        and "@example.org" not in t
        and "Right answer:" in t
        for t in texts
    )
    assert [t.splitlines()[-1] for t in texts] == list(WAYS) and len(set(texts)) == 5


def test_proposals_are_kept_and_asked_for_anew_only_when_something_changed(tmp_path):
    first = Writer(["one", "two", "three", "four", "five"])
    found = propose(first, tmp_path)
    again = Writer(["other"])
    assert propose(again, tmp_path) == found and again.asked == []
    propose(again, tmp_path, proposals=2)
    assert len(again.asked) == 2
    assert prompt_proposals.propose(LABELS, TRAIN, PromptingParameters(), tmp_path, mask) == []


def test_a_real_local_model_proposes(tmp_path, tiny_checkpoint):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=12, threads=1)
    found = propose(model, tmp_path, proposals=2)
    assert len(found) == 2 and all(x.text or x.refused for x in found)
