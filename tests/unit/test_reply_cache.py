"""Within a run a model is never asked the same question twice, and nothing that decides a reply is passed over."""

import json

import pandas as pd
import pytest

from ftkit.core.parameters.base import ModelParameters
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import StrategySpec
from ftkit.models.local import LocalModel
from ftkit.models.reply_cache import CachedModel
from ftkit.strategies import grid
from ftkit.strategies.prompt_candidates import with_hash


def ask(*texts):
    return [[{"role": "user", "content": text}] for text in texts]


@pytest.fixture
def model(tiny_checkpoint):
    return LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=4, batch_size=2, threads=1)


def test_the_same_question_is_answered_once_in_a_call_and_in_later_ones(model, tmp_path):
    first = CachedModel(model, tmp_path)
    texts = ["a", "b", "a", "c"]
    replies = first.answer(ask(*texts))
    assert [r.text for r in replies] == [r.text for r in model.answer(ask(*texts))]
    assert first.asked == 3
    later = CachedModel(model, tmp_path)
    assert later.answer(ask("c", "d", "a"))[0] == replies[3]
    assert later.asked == 1, "only d is new"


def test_another_room_format_or_draw_is_another_question(model, tmp_path):
    cached = CachedModel(model, tmp_path)
    form = ResponseFormat(kind="choice", value=["yes", "no"])
    cached.answer(ask("a"))
    assert cached.answer(ask("a"), formats=[form])[0].text in ("yes", "no") and cached.asked == 2
    drawn = cached.sample(ask("a"), 2, 0.7, 1)
    assert cached.sample(ask("a"), 2, 0.7, 1) == drawn and cached.asked == 3
    cached.sample(ask("a"), 2, 0.7, 2)
    assert cached.asked == 4
    model.max_new_tokens = 3
    assert CachedModel(model, tmp_path).file != cached.file


def test_what_a_killed_run_left_of_a_line_is_asked_again(model, tmp_path):
    cached = CachedModel(model, tmp_path)
    cached.answer(ask("a", "b"))
    lines = cached.file.read_bytes().splitlines(True)
    cached.file.write_bytes(lines[0] + lines[1][:-9])
    again = CachedModel(model, tmp_path)
    again.answer(ask("a", "b"))
    assert again.asked == 1 and len(cached.file.read_text().splitlines()) == 2
    assert all(json.loads(line) for line in cached.file.read_text().splitlines())


def test_progress_counts_what_is_there_already(model, tmp_path):
    CachedModel(model, tmp_path).answer(ask("a", "b"))
    seen = []
    CachedModel(model, tmp_path).answer(ask("a", "b", "c"), lambda *at: seen.append(at))
    assert seen[-1] == (3, 3) and seen[0][0] == 3
    CachedModel(model, tmp_path).answer(ask("a"), lambda *at: seen.append(at))
    assert seen[-1] == (1, 1)


def test_two_stages_of_a_run_ask_a_question_once_between_them(tiny_checkpoint, tmp_path):
    """03 tries prompts, 07 measures the best of them: what 03 asked by that prompt is not asked again."""
    items = pd.DataFrame({"id": ["1", "2"], "input": ["one", "two"]})
    examples = pd.DataFrame({"id": ["e"], "input": ["in"], "output": ["out"]})
    p = ModelParameters(base_model=str(tiny_checkpoint("llama")), max_new_tokens=4, threads=1)
    first = grid.open_local(p, tmp_path)
    for prompt in (with_hash("zero", "Answer."), with_hash("few", "Answer.", ["e"])):
        grid.answer_with(prompt.name, prompt, first, items, examples)
    assert first.asked == 4
    spec = StrategySpec(
        name="prompting", family="prompting", model="base", prompt="zero", retriever=False
    )
    later = grid.load_model(spec, p, tmp_path)
    table = grid.answer_with("prompting", with_hash("zero", "Answer."), later, items, examples)
    assert len(table) == 2 and later.asked == 0
