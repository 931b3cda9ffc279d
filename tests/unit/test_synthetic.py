"""Proposed examples: only for cases with too few, checked against every split, learnt from only after review, never measured on."""

import json

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.task import Check, TaskCard
from ftkit.data import review, synthetic
from ftkit.data.curate import curate, doubts, load
from ftkit.data.data_card import data_card
from ftkit.models.chat import Reply
from ftkit.models.endpoint.model import EndpointModel

CARD = TaskCard(
    name="t",
    instruction="Choose the desk.",
    kind="label",
    labels=["billing", "returns", "repair"],
    checks=[Check(name="a known label", kind="enum", value=["billing", "returns", "repair"])],
)
NOUNS = "tent boot stove lamp rope map flask knife jacket glove scarf whistle compass hammock paddle kayak sledge mast oar anchor".split()


class Writer:
    """A model that writes what it is told to, one text after another, and keeps what it was asked."""

    name = "writer"

    def __init__(self, *texts):
        self.texts, self.asked = list(texts), []

    def answer(self, conversations, progress=None, formats=()):
        self.asked += conversations
        return [Reply(self.texts[k % len(self.texts)]) for k in range(len(conversations))]


def file_of(folder):
    path = folder / "desk.csv"
    lines = [
        f"{verb} my {noun} {k},{label}"
        for k, noun in enumerate(NOUNS)
        for verb, label in (("you overcharged", "billing"), ("i send back", "returns"))
    ]
    lines += [f"the {noun} is torn jo{k}@example.org,repair" for k, noun in enumerate(NOUNS[:5])]
    path.write_text("message,answer\n" + "\n".join(lines) + "\n")
    return path


def parameters(folder, **more):
    values = {
        "run": str(folder / "run"),
        "data": str(file_of(folder)),
        "meaning_rows": 0,
        "synthesis_model": "writer",
        "synthesis_items": 2,
        "near_duplicate_threshold": 0.7,
    }
    return DataParameters.model_validate({**values, **more})


def curated(p):
    (folder := p.decisions().parent).mkdir(parents=True, exist_ok=True)
    return curate(*load(p, folder), CARD, p), folder


def proposal(text, label="repair"):
    return f"Sure: {json.dumps({'input': text, 'output': label})}"


def test_proposals_are_asked_for_thin_cases_only_and_reach_training_only_after_review(tmp_path):
    p = parameters(tmp_path)
    done, folder = curated(p)
    writer = Writer(
        proposal("zip of the rucksack broke off"), proposal("sole came loose on day two")
    )
    queue = synthetic.propose(done.rows, CARD, p, folder, model=writer)
    cases = {row["case"] for row in synthetic.read(folder)}
    assert "repair" in cases and not {"billing", "returns"} & cases
    asked = writer.asked[0][-1]["content"]
    assert "Allowed answers: billing, returns, repair" in asked and "example.org" not in asked
    mine = [d for d in queue if d.answer == "repair"]
    assert len(mine) == 2 and all("synthetic: writer proposes it" in d.why for d in mine)

    again = Writer(proposal("never asked"))
    assert (
        len(synthetic.propose(done.rows, CARD, p, folder, model=again)) == len(queue)
        and not again.asked
    ), "asked once"
    review.decide(p.decisions(), mine[0].key, "keep", who="Ann")
    review.decide(p.decisions(), mine[1].key, "drop", who="Ann")
    before = {(row["input"], row["split"]) for row in done.rows}
    done, _ = curated(p)
    added = [row for row in done.rows if row.get("file") == "synthetic"]
    assert [(row["input"], row["split"]) for row in added] == [(mine[0].input, "train")]
    assert {(row["input"], row["split"]) for row in done.rows if row not in added} == before, (
        "the other rows stay where they were"
    )
    assert any(d.kind == "synthetic examples" and d.count == 1 for d in done.cleaned.defects)
    assert (
        data_card(done, p, folder, CARD).splits["train"]
        == sum(split == "train" for _, split in before) + 1
    )
    assert not [d for d in doubts(done, CARD, p, folder) if d.key in (mine[0].key, mine[1].key)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no idea", "no JSON"),
        ('{"input": 3, "output": "repair"}', "no JSON"),
        (proposal("some words", "parking"), "fails the task card"),
        (proposal("a new bill for one thing", "billing"), "does not show the case"),
        (proposal("the tent is torn jo0@example.org"), "is there already"),
        (proposal("the tent is torn jo0@example.orgs"), "nearly the same"),
    ],
)
def test_a_proposal_that_is_no_use_is_refused_with_a_reason(tmp_path, text, told):
    p = parameters(tmp_path, synthesis_items=1)
    done, folder = curated(p)
    queue = synthetic.propose(done.rows, CARD, p, folder, model=Writer(text))
    reasons = [row["refused"] for row in synthetic.read(folder) if row["case"] == "repair"]
    assert told in reasons[0] and not [d for d in queue if "'repair'" in d.why]


def test_a_kept_proposal_near_to_a_held_out_row_is_not_learnt_from(tmp_path):
    p = parameters(tmp_path)
    done, folder = curated(p)
    held = next(row for row in done.rows if row["split"] == "test")
    found = {
        "case": "repair",
        "input": held["input"] + ".",
        "output": "repair",
        "key": "k",
        "model": "m",
        "refused": "",
    }
    (folder / synthetic.FILE).write_text(json.dumps(found) + "\n")
    review.decide(p.decisions(), "k", "keep", who="Ann")
    assert synthetic.kept(done.rows, CARD, p, folder) == []


def test_the_model_is_an_endpoint_where_an_address_is_given(tmp_path):
    p = parameters(tmp_path, synthesis_url="http://127.0.0.1:1/v1")
    assert isinstance(synthetic.model_of(p, tmp_path), EndpointModel)


def test_a_broken_file_of_proposals_is_told(tmp_path):
    (tmp_path / synthetic.FILE).write_text('{"case": "a"}\n')
    with pytest.raises(BadInput, match="line 1: is no proposal"):
        synthetic.read(tmp_path)
