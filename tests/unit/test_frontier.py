"""The endpoint's own prompt: searched within its budget, kept apart from the base's, and told where it was not searched."""

import json

import httpx
import pytest
from test_race import EXAMPLES, TASK, Able, items, prompts
from test_serving import bundle

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import load
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.retrieval import Passage, RetrievalCard
from ftkit.deployment.export import write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server.start import running
from ftkit.models.endpoint.model import EndpointModel
from ftkit.strategies import endpoint_prompt, grid
from ftkit.strategies.prompt_candidates import with_hash
from ftkit.strategies.prompt_choice import choose
from ftkit.strategies.prompt_search import race
from ftkit.strategies.structured_output import CONSTRAINED, RANKED
from ftkit.workflow.preflight import preflight

FORM = ResponseFormat(kind="choice", value=["yes", "no"])
CANDIDATES = [*prompts(0.3, 0.1, 0.5), *prompts(0.3, 0.2, shots=["e1"])]


class Other(Able):
    """A model for which the prompts are worth the reverse."""

    def _say(self, system, text):
        return super()._say(str(0.6 - float(system)), text)


def book(n=80):
    return choose(race(CANDIDATES, Able(), TASK, items(n), EXAMPLES).trials, n)


class Losing(Other):
    """An endpoint that loses one answer of each third prompt; lost ones are empty."""

    endpoint = None

    def answer(self, conversations, progress=None, formats=()):
        replies = super().answer(conversations, progress, formats)
        for place, reply in enumerate(replies):
            if len(replies) > 10 and place == 3:
                reply.text, reply.outcome = "", "not_delivered"
        return replies


def test_a_lost_answer_is_wrong_for_no_prompt_in_the_search():
    whole = race(CANDIDATES, Other(), TASK, items(40), EXAMPLES)
    lost = race(CANDIDATES, Losing(), TASK, items(40), EXAMPLES)
    assert {t.accuracy.n for t in whole.trials} == {40} and {t.accuracy.n for t in lost.trials} == {
        39
    }
    gone = items(40).iloc[3]["id"]
    for name, scores in whole.scores.items():
        kept = scores[scores["item_id"] != gone]["correct"].mean()
        found = next(t for t in lost.trials if t.prompt.name == name)
        assert found.accuracy.value == pytest.approx(kept)
    assert all("not_delivered" in t.outcomes for t in lost.trials), "the loss is told"


def test_the_endpoint_gets_the_prompt_that_it_does_best_with_within_its_budget():
    base, model = book(), Other()
    found, told = endpoint_prompt.search(
        base, model, TASK, items(80), EXAMPLES, 300, None, CANDIDATES
    )
    assert (
        base.zero_shot == "p2 0.5"
        and found.endpoint == "p1 0.1"
        and found.zero_shot == base.zero_shot
    )
    assert model.asked <= 300 and "does best with 'p1 0.1'" in told
    specs = {
        s.name: s.prompt for s in grid.grid(found, RetrievalCard(enabled=True), None, endpoint=True)
    }
    assert specs["endpoint"] == specs["endpoint RAG"] == "p1 0.1" and specs["prompting"] == "p2 0.5"
    assert (
        endpoint_prompt.told(
            found, grid.grid(found, RetrievalCard(enabled=True), None, endpoint=True)
        )
        == []
    )
    with pytest.raises(BadInput, match=r"prompting\.endpoint_answers: 60 answers are too few"):
        endpoint_prompt.search(base, model, TASK, items(80), EXAMPLES, 60, None, CANDIDATES)


def test_without_a_search_it_gets_the_bases_prompt_and_that_is_said():
    base = book()
    same, told = endpoint_prompt.search(
        base, None, TASK, items(80), EXAMPLES, 200, None, CANDIDATES
    )
    assert same == base and "the base model's prompt" in told
    specs = grid.grid(base, RetrievalCard(enabled=False), None, endpoint=True)
    assert specs[-1].prompt == base.few_shot
    assert "asked with the prompt that suits the base model" in endpoint_prompt.told(base, specs)[0]
    assert endpoint_prompt.told(base, specs[:1]) == []


def test_a_held_prompt_is_tried_and_a_server_that_refuses_it_is_told():
    class Refusing(Other):
        def answer(self, conversations, progress=None, formats=()):
            if any(formats):
                raise BadInput(
                    "the endpoint does not take this response format", where="x", todo="y"
                )
            return [r.__class__("Maybe", 1, 1, 0.1) for r in super().answer(conversations)]

    found, told = endpoint_prompt.search(
        book(), Refusing(), TASK, items(40), EXAMPLES, 0, FORM, CANDIDATES
    )
    assert "Held within the format it was not asked" in told and len(found.endpoint_trials) == len(
        CANDIDATES
    )

    class Vague(Other):
        def answer(self, conversations, progress=None, formats=()):
            plain = super().answer(conversations)
            return (
                plain
                if any(formats)
                else [r.__class__(f"I say {r.text}, maybe", 1, 1, 0.1) for r in plain]
            )

    found, _ = endpoint_prompt.search(
        book(), Vague(), TASK, items(40), EXAMPLES, 0, FORM, CANDIDATES
    )
    names = [t.prompt.name for t in found.endpoint_trials]
    assert sum(name.endswith(CONSTRAINED) for name in names) == 2 and not any(
        n.endswith(RANKED) for n in names
    )
    assert found.get(found.endpoint).name == found.endpoint


def test_with_passages_the_best_without_and_with_examples_are_tried():
    class Finder:
        seconds = 0.0

        def search(self, texts, progress=None):
            return [[Passage(id="H#0", source="H", text="t")] for _ in texts]

    found, _ = endpoint_prompt.search(
        book(), Other(), TASK, items(40), EXAMPLES, 0, None, CANDIDATES
    )
    card = endpoint_prompt.with_passages(
        RetrievalCard(enabled=True), found, Other(), TASK, items(30), EXAMPLES, Finder()
    )
    assert [t.prompt.few_shot for t in card.endpoint_trials] == [
        False,
        True,
    ] and card.endpoint_prompt
    spec = grid.grid(found, card, None, endpoint=True)[-1]
    assert (spec.name, spec.prompt) == ("endpoint RAG", card.endpoint_prompt)
    assert (
        endpoint_prompt.with_passages(card, found, None, TASK, items(30), EXAMPLES, Finder())
        == card
    )


def test_a_real_server_is_asked_once_for_each_answer(tmp_path):
    from ftkit.models.nano import checkpoint_folder

    write(tmp_path / "export", bundle(checkpoint_folder()))  # random weights say nothing at times
    with running(Served(tmp_path / "export", threads=1)) as url:
        p = PromptingParameters(
            run=str(tmp_path / "run"), endpoint_url=url, endpoint_model="desk-raw", max_new_tokens=4
        )
        model = endpoint_prompt.open_endpoint(p, "prompting")
        assert isinstance(model, EndpointModel)
        candidates = [with_hash(name, f"Say {name}.") for name in ("a", "b")]
        first, _ = endpoint_prompt.search(
            book(), model, TASK, items(20), EXAMPLES, 0, None, candidates
        )
        kept = tmp_path / "run" / "prompting" / endpoint_prompt.CACHE
        lines = kept.read_text().splitlines()
        again, _ = endpoint_prompt.search(
            book(),
            endpoint_prompt.open_endpoint(p, "prompting"),
            TASK,
            items(20),
            EXAMPLES,
            0,
            None,
            candidates,
        )
        assert len(lines) == 40 and kept.read_text().splitlines() == lines
        assert [t.accuracy for t in again.endpoint_trials] == [
            t.accuracy for t in first.endpoint_trials
        ]
        spent = model.bill.usd
        capped = endpoint_prompt.open_endpoint(
            p.model_copy(update={"endpoint_most_usd": 1.1 * spent}), "prompting"
        )
        _, told = endpoint_prompt.search(
            book(), capped, TASK, items(20), EXAMPLES, 0, FORM, candidates
        )
        assert "budget is nearly spent" in told and kept.read_text().splitlines() == lines, (
            "no more is asked than may be paid"
        )
        answered = httpx.get(url.replace("/v1", "/metrics")).text
        assert (
            'ftkit_answer_seconds_count{model="desk"} 40.0' in answered
            and json.loads(lines[0])["prompt_tokens"] > 0
        )


def test_one_endpoint_for_all_three_or_it_is_told(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        f"run: {tmp_path / 'run'}\nprompting: {{endpoint_url: 'http://a/v1', endpoint_model: m}}\nevaluation: {{endpoint_url: 'http://b/v1', endpoint_model: m}}\n"
        "retrieval: {endpoint_url: 'http://a/v1'}\n"
    )
    with pytest.raises(BadInput) as told:
        preflight(load(file), set())
    assert "name different endpoints" in str(
        told.value
    ) and "retrieval.endpoint_model is empty" in str(told.value)
