"""The grid: which strategies there are, that every one answers every item in order, and what tuning is shown."""

from types import SimpleNamespace

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import PromptBook, PromptTrial
from ftkit.core.records.retrieval import Passage, RetrievalCard
from ftkit.core.records.strategy import ANSWER_COLUMNS
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import TrainingCard
from ftkit.evaluation import error_attribution
from ftkit.models.chat import Reply
from ftkit.strategies import grid
from ftkit.strategies.prompt_candidates import with_hash

EXAMPLES = pd.DataFrame(
    {"id": ["e1", "e2"], "input": ["in one", "in two"], "output": ["out one", "out two"]}
)
ITEMS = pd.DataFrame(
    {
        "id": [f"t{i}" for i in range(5)],
        "input": [f"question {i}" for i in range(5)],
        "output": ["secret"] * 5,
    }
)


def book():
    e = Estimate(value=0.5, low=0.4, high=0.6, n=10, method="")
    prompts = [with_hash("zero", "Answer."), with_hash("few", "Answer.", ["e2", "e1"])]
    trials = [
        PromptTrial(prompt=p, accuracy=e, format_ok=1, prompt_tokens_mean=1, seconds_per_answer=1)
        for p in prompts
    ]
    return PromptBook(trials=trials, zero_shot="zero", few_shot="few", validation_items=10)


def training():
    return TrainingCard(
        method="lora",
        base="b",
        base_sha256="",
        adapter="training/adapter",
        prompt="zero",
        parameters=1,
        trainable_parameters=1,
        examples=1,
        general_examples=0,
        epochs=1,
        steps=1,
        tokens=1,
        duration_s=1,
        peak_memory_gib=1,
        log=[],
        best_validation_loss=1,
        stopped_early=False,
        verdict="learnt",
        advice="",
        loss_sample=[],
    )


class Echo:
    """A model that answers with the last turn it was given."""

    name = "echo"

    def __init__(self):
        self.asked = []

    def answer(self, conversations, progress=None, formats=()):
        self.asked += conversations
        return [Reply(c[-1]["content"], 10, 3, 0.1, 2) for c in conversations]


class Finder:
    """A retriever that finds one passage that names the text."""

    seconds = 0.0

    def search(self, texts, progress=None):
        return [[Passage(id="H#0", source="H", title="T", text=f"about {t}")] for t in texts]


ON = RetrievalCard(enabled=True, prompt="few", chosen="hybrid", top_k=1)
OFF = RetrievalCard(enabled=False, reason="none")


@pytest.mark.parametrize(
    ("retrieval", "tuned", "endpoint", "families"),
    [
        (ON, True, False, ["prompting", "few-shot", "RAG", "fine-tuned", "hybrid"]),
        (OFF, True, False, ["prompting", "few-shot", "fine-tuned"]),
        (ON, False, True, ["prompting", "few-shot", "RAG", "endpoint", "endpoint RAG"]),
    ],
)
def test_the_grid_holds_the_strategies_that_the_run_has_the_parts_for(
    retrieval, tuned, endpoint, families
):
    specs = grid.grid(book(), retrieval, training() if tuned else None, endpoint)
    assert [s.family for s in specs] == families
    assert all(s.retriever == (s.family in ("RAG", "hybrid", "endpoint RAG")) for s in specs)


def test_tuned_strategies_are_asked_with_the_prompt_they_were_trained_on():
    specs = {s.family: s for s in grid.grid(book(), ON, training())}
    assert specs["fine-tuned"].prompt == specs["hybrid"].prompt == "zero"
    assert specs["RAG"].prompt == "few"


def test_every_item_is_answered_once_and_in_order():
    spec = grid.grid(book(), ON, None)[0]
    answers = grid.answer(spec, Echo(), ITEMS, book=book(), examples=EXAMPLES)
    assert list(answers.columns) == ANSWER_COLUMNS
    assert answers["item_id"].tolist() == ITEMS["id"].tolist()
    assert answers["text"].tolist() == ITEMS["input"].tolist()
    assert set(answers["cut"]) == {2}


def test_a_right_answer_of_a_test_item_never_reaches_the_model():
    model = Echo()
    for spec in grid.grid(book(), ON, None):
        grid.answer(spec, model, ITEMS, book=book(), examples=EXAMPLES, searcher=Finder())
    assert model.asked and "secret" not in str(model.asked)


def test_few_shot_examples_stand_in_the_prompts_order():
    model = Echo()
    spec = grid.grid(book(), OFF, None)[1]
    grid.answer(spec, model, ITEMS.head(1), book=book(), examples=EXAMPLES)
    assert [m["content"] for m in model.asked[0]] == [
        "Answer.",
        "in two",
        "out two",
        "in one",
        "out one",
        "question 0",
    ]


def test_only_strategies_with_a_retriever_see_passages():
    for spec in grid.grid(book(), ON, None):
        model = Echo()
        answers = grid.answer(spec, model, ITEMS, book=book(), examples=EXAMPLES, searcher=Finder())
        assert ("Passages:" in str(model.asked)) == spec.retriever
        assert all((len(ids) == 1) == spec.retriever for ids in answers["passage_ids"])


def test_examples_are_shown_with_their_own_passages_where_04_found_that_better():
    card = RetrievalCard(enabled=True, prompt="few", shot_passages=True)
    spec, model = grid.rag(book(), card), Echo()
    grid.answer(spec, model, ITEMS.head(1), book=book(), examples=EXAMPLES, searcher=Finder())
    turns = [m["content"] for m in model.asked[0]]
    assert turns[1] == "Passages:\n[H] T. about in two\n\nMessage: in two"
    assert turns[-1] == "Passages:\n[H] T. about question 0\n\nMessage: question 0"


def test_rag_is_compared_over_the_best_zero_shot_prompts_and_both_ways_of_few_shot():
    tried = [(s.prompt, s.shot_passages) for s in grid.rag_candidates(book())]
    assert tried == [("zero", False), ("few", False), ("few", True)]


def test_similar_examples_come_from_the_examples_given_and_differ_by_question():
    model, rows = Echo(), EXAMPLES.assign(input=["blue lamp", "red tent"])
    items = ITEMS.head(2).assign(input=["my tent", "a lamp"])
    grid.answer_with("s", with_hash("s", "Answer.", similar=1), model, items, rows)
    assert [[m["content"] for m in c[1:]] for c in model.asked] == [
        ["red tent", "out two", "my tent"],
        ["blue lamp", "out one", "a lamp"],
    ]


def test_a_strategy_that_needs_a_retriever_says_so():
    with pytest.raises(BadInput, match="RAG: needs a retriever"):
        grid.answer(grid.rag(book(), ON), Echo(), ITEMS, book=book(), examples=EXAMPLES)


def test_a_control_token_in_a_right_answer_is_not_taught():
    rows = EXAMPLES.assign(output=["a <|end|> b", "c"])
    assert "<|end|>" not in str(grid.training_conversations(rows, with_hash("z", "s"), None, 0, 1))


class Clerk:
    """A model that copies from the first passage, knows one fact by heart, and decides rightly only after an example."""

    name = "clerk"

    def answer(self, conversations, progress=None, formats=()):
        return [Reply(self._say(c[-1]["content"], len(c) > 2), 1, 1, 0.1) for c in conversations]

    def _say(self, text, shown):
        fact = "H-9" if "by heart" in text else text.split("]")[0][-3:] if "[" in text else "?"
        fact = "no idea" if "riddle" in text else fact
        return f'{{"fact":"{fact}","tone":"{"kind" if shown or "plain" in text else "rude"}"}}'


def test_failures_fall_to_their_planted_causes():
    asked = [
        "by heart, plain",
        "one, plain",
        "two, plain",
        "riddle, plain",
        "by heart",
        "one",
        "by heart, plain, odd",
    ]
    facts = ["H-9", "H-1", "H-2", "H-3", "H-9", "H-1", "H-7"]
    items = pd.DataFrame(
        {"id": list("abcdefg"), "input": asked, "group": "", "cluster": list("abcdefg")}
    )
    items["output"] = [f'{{"fact":"{fact}","tone":"kind"}}' for fact in facts]
    passages = [Passage(id=f"H-{i}#0", source=f"H-{i}", text=f"H-{i}") for i in (1, 2, 3)]

    class Search:
        seconds = 0.0
        top_k, index = 1, SimpleNamespace(passages=passages, filters=[])

        def search(self, texts, progress=None):
            return [[passages[0] if "one" in t else passages[2]] for t in texts]

    task = TaskCard(
        name="t",
        instruction="Say it.",
        kind="fields",
        fields=["fact", "tone"],
        knowledge_field="fact",
    )
    answers = [
        grid.answer_with(p, book().get(p), Clerk(), items.iloc[::-1], EXAMPLES)
        for p in ("zero", "few")
    ]
    parts = {
        "book": book(),
        "examples": EXAMPLES,
        "searcher": Search(),
        "citation_field": "",
        "before": pd.concat(answers),
    }
    found = error_attribution.look_for_causes(
        Clerk(), task, items, **parts, doubtful={("g", "fact")}
    )
    assert found.by_item() == {
        "b": "knowledge",
        "c": "search",
        "d": "reading",
        "e": "behaviour",
        "f": "both",
        "g": "label",
    }
    assert {(part.item, part.name) for part in found.parts if part.item == "f"} == {
        ("f", "fact"),
        ("f", "tone"),
    }
    told = error_attribution.summarise(found, "zero", "few")
    assert (told.items, told.wrong, told.parts["tone"]["behaviour"]) == (7, 6, 2)
    assert told.harmed is not None and told.harmed.value == 0
    mends = error_attribution.mends(told)
    assert [round(6 * e.value) for e in mends.values()] == [2, 1, 5]
    assert "Of 6 wrong answers" in error_attribution.learned(told)


def test_a_field_that_chance_may_mend_is_knowledge_only_where_both_answers_with_the_article_have_it():
    task = TaskCard(name="t", instruction="Say it.", kind="fields", fields=["a"], key_fields=["a"])
    items = pd.DataFrame({"id": ["x"], "output": ['{"a":"1"}']})

    def cause(**right):
        answers = {
            how: ['{"a":"1"}' if right.get(how) else '{"a":"2"}'] for how in error_attribution.ASKED
        }
        return error_attribution.look(task, items, answers, knows={"x"}).parts[0].cause

    assert cause(given=True) == "behaviour" and cause(given=True, both=True) == "search"
    assert (
        cause(given=True, both=True, found=True) == "knowledge"
        and cause(given=True, both=True, shown=True) == "behaviour"
    )


def test_nothing_wrong_has_no_causes():
    task = TaskCard(name="t", instruction="Say it.", kind="label", labels=["a", "b"])
    items = pd.DataFrame({"id": ["x"], "output": ["a"]})
    found = error_attribution.look(
        task, items, {how: ["a"] for how in error_attribution.ASKED}, knows=()
    )
    told = error_attribution.summarise(found, "zero", "few")
    assert (
        told.wrong == 0
        and not told.causes
        and not error_attribution.mends(told)
        and error_attribution.learned(told) == ""
    )


def test_a_seeded_share_of_training_examples_is_shown_with_passages():
    many = pd.DataFrame(
        {"id": [f"i{k}" for k in range(400)], "input": ["q"] * 400, "output": ["a"] * 400}
    )
    prompt = with_hash("zero", "Answer.")
    shown = grid.training_conversations(many, prompt, Finder(), 0.5, 7)
    share = sum("Passages:" in m[-1]["content"] for m, _, _ in shown) / 400
    assert 0.42 < share < 0.58
    assert shown == grid.training_conversations(many, prompt, Finder(), 0.5, 7)
    assert not any(
        "Passages:" in m[-1]["content"]
        for m, _, _ in grid.training_conversations(many, prompt, None, 0.5, 7)
    )


def test_a_real_checkpoint_answers_through_the_grid(tiny_checkpoint, tmp_path):
    from ftkit.core.parameters.evaluation import EvaluationParameters

    p = EvaluationParameters(
        base_model=str(tiny_checkpoint("qwen3")), max_new_tokens=4, batch_size=2, threads=1
    )
    specs = grid.grid(book(), ON, None)
    model = grid.load_model(specs[0], p, tmp_path)
    rows = grid.side_by_side(
        "hello", specs, lambda _: model, book=book(), examples=EXAMPLES, searcher=Finder()
    )
    assert [r["strategy"] for r in rows] == ["prompting", "few-shot", "RAG"]
    assert rows[2]["passages that it was given"].startswith("[H] T. about hello")
