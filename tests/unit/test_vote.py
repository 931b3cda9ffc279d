"""A vote gives the answer that agrees most, alike whatever else is asked, at the price of all draws."""

import httpx
import pandas as pd
import pytest
from test_serving import bundle
from test_strategies import ON, book, training

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import build
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import StrategySpec
from ftkit.deployment.asking import ask_files
from ftkit.deployment.export import write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server.start import running
from ftkit.models.local import LocalModel
from ftkit.models.vote import Voting, agreed, voting
from ftkit.strategies import grid


@pytest.mark.parametrize(
    ("texts", "best", "share"),
    [
        (["a", "b", "B.", "c"], 1, 1 / 3),
        (["x", "y"], 0, 0.0),
        (["only"], 0, 0.0),
        (['{"a":1,"b":2}', '{"a":1,"b":3}', '{"b":3,"a":4}'], 1, 0.5),
        (["", "", "delivery"], 0, 0.5),
        (
            [
                "the parcel comes on monday",
                "your parcel comes on monday morning",
                "no idea what you mean here",
            ],
            0,
            None,
        ),
    ],
)
def test_the_answer_that_agrees_most_with_the_others_is_given(texts, best, share):
    found = agreed(texts)
    assert found[0] == best and (share is None or found[1] == pytest.approx(share))


ASKED = [
    [{"role": "user", "content": text}]
    for text in ("Where is it?", "hello", "a longer question about the order", "12")
]
pytestmark = pytest.mark.usefixtures("one_thread")


def test_draws_depend_on_the_question_alone_and_their_tokens_are_counted(tiny_checkpoint):
    model = Voting(LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=6), 5)
    together, backwards = model.answer(ASKED), model.answer(ASKED[::-1])[::-1]
    assert (
        [r.text for r in together]
        == [r.text for r in backwards]
        == [model.answer([a])[0].text for a in ASKED]
    )
    single = model.model.answer(ASKED)
    assert all(
        v.completion_tokens > s.completion_tokens for v, s in zip(together, single, strict=True)
    )
    assert (
        all(0 <= r.confidence <= 1 for r in together)
        and not hasattr(model, "stream")
        and model.tokenizer is model.model.tokenizer
    )
    assert [r.text for r in Voting(model.model, 5, seed=8).answer(ASKED)] != [
        r.text for r in together
    ]
    held = ResponseFormat(kind="choice", value=["yes", "no"])
    assert {r.text for r in model.answer(ASKED, None, [held] * 4)} <= {"yes", "no"}
    assert voting(model.model, 0) is model.model


def test_votes_are_further_strategies_after_the_others():
    specs = grid.with_votes(grid.grid(book(), ON, training()), ["RAG", "few-shot"], 5)
    assert [s.name for s in specs[-2:]] == ["RAG, 5 votes", "few-shot, 5 votes"] and [
        s.votes for s in specs[-2:]
    ] == [5, 5]
    assert len({s.name for s in specs}) == len(specs) == 7
    with pytest.raises(BadInput, match="no local strategy 'hybrid'"):
        grid.with_votes(grid.grid(book(), ON, None), ["hybrid"], 5)
    with pytest.raises(BadInput, match="local strategies are"):
        build("evaluation", {"vote_strategies": ["endpoint"]})


def test_a_vote_ships_and_the_server_answers_as_it_was_tested(tiny_checkpoint, tmp_path):
    base = tiny_checkpoint("llama")
    spec = StrategySpec(
        name="prompting, 3 votes",
        family="prompting",
        model="base",
        prompt="short",
        retriever=False,
        votes=3,
    )
    b = bundle(base).model_copy(update={"spec": spec})
    write(tmp_path / "export", b, texts={"README.md": "x"})
    served = Served(tmp_path / "export", threads=1)
    texts = ["Where is it?", "hello", "a longer question"]
    expected = [r.text for r in served.answer(texts)[1]]
    items = pd.DataFrame({"id": ["a", "b", "c"], "input": texts})
    told = pd.DataFrame({"text": expected})
    assert ask_files(served, items, told)["text"].tolist() == expected
    with running(served) as url:
        for text, wanted in zip(texts, expected, strict=True):
            body = {"model": "desk", "messages": [{"role": "user", "content": text}]}
            said = httpx.post(f"{url}/chat/completions", json=body, timeout=60).json()
            assert (
                said["choices"][0]["message"]["content"] == wanted
                and 0 <= said["ftkit"]["confidence"] <= 1
            )
            own = len(served.local.tokenizer(wanted, add_special_tokens=False)["input_ids"]) + 1
            assert said["choices"][0]["finish_reason"] == ("length" if own >= 8 else "stop"), (
                "of the answer, not of all draws"
            )
            with httpx.stream(
                "POST", f"{url}/chat/completions", json={**body, "stream": True}, timeout=60
            ) as stream:
                assert "[DONE]" in "".join(stream.iter_text())
