"""What is learnt around an answer is what the family's template writes there, in training and in answering alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_thinking import PUBLISHED, USER, tokenizer_of
from transformers.utils.chat_template_utils import render_jinja_template

from ftkit.core.errors import BadInput
from ftkit.models import thinking, tokens
from ftkit.training.encode import answer_ids, encode_all, encode_conversation

ANSWER, THOUGHT = "refund 12", "asks for money"
OPENED = {"deepseek_r1_distill", "deepseekv3"}  # an answer without a thought must close it first
TRAINED = [p for p in PUBLISHED if p.with_name(f"{p.stem}_training.jinja").exists()]


class Letters:
    """A tokenizer of single letters, marks whole: nothing is lost, so tokens can be compared with texts."""

    def __init__(self, path: Path) -> None:
        self.made = tokenizer_of(path.read_text(encoding="utf-8"))
        self.marks = sorted(self.made.get_added_vocab(), key=len, reverse=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        found, at, known = list[int](), 0, self.made.get_added_vocab()
        while at < len(text):
            mark = next((m for m in self.marks if m and text.startswith(m, at)), "")
            found.append(known[mark] if mark else 10_000 + ord(text[at]))
            at += len(mark) or 1
        return {"input_ids": found}

    def text(self, ids: list[int]) -> str:
        return "".join(
            chr(i - 10_000) if i >= 10_000 else str(self.made.convert_ids_to_tokens(i)) for i in ids
        )


def reference(path: Path, tokenizer: Letters) -> tuple[str, str]:
    """Return a conversation as TRL's training variant writes it, and its part that is in the loss."""
    how = tokens.form(tokenizer.made)
    turns: list[Any] = [*USER, {"role": "assistant", "content": ANSWER}]
    if how.parts:
        turns = [turn | {"content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
    written, places = render_jinja_template(
        conversations=[turns],
        chat_template=path.with_name(f"{path.stem}_training.jinja").read_text(encoding="utf-8"),
        return_assistant_tokens_mask=True,
        bos_token="<s>",
        eos_token="</s>",
        **how.arguments,
    )
    return written[0], "".join(written[0][a:b] for a, b in places[0])


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.stem)
def test_prompt_and_answer_are_token_by_token_those_of_the_training_variant(path: Path) -> None:
    tokenizer = Letters(path)
    example = encode_conversation(tokenizer, USER, ANSWER, 4096)
    learnt = tokenizer.text([label for label in example.labels if label >= 0])
    whole, in_loss = reference(path, tokenizer)
    assert tokenizer.text(example.input_ids).endswith(learnt)
    if path.stem in OPENED:
        assert learnt == in_loss.replace("<｜Assistant｜>", "</think>\n\n")
        return
    expected = tokenizer(whole)["input_ids"]
    assert example.input_ids == expected[: len(example.input_ids)]
    # what comes after the end of the turn is blank, or an end of the text that is never reached
    rest = tokenizer.text(expected[len(example.input_ids) :])
    assert rest.strip() in ("", tokenizer.eos_token)
    assert learnt in in_loss + rest, "the training variant has it in the loss as well"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_loss_is_on_the_answer_with_its_end_and_on_nothing_of_the_prompt(path: Path) -> None:
    tokenizer = Letters(path)
    example = encode_conversation(tokenizer, USER, ANSWER, 4096)
    prompt = [i for i, label in zip(example.input_ids, example.labels, strict=True) if label < 0]
    assert prompt == tokens.encode(tokenizer, USER), "the tokens that the model is asked with"
    learnt = [label for label in example.labels if label >= 0]
    ends = {tokenizer.eos_token_id, *tokens.turn_ends(tokenizer.made)}
    assert ends & set(learnt), "answering stops at a token that was learnt"
    first = next(i for i, token in enumerate(learnt) if token in ends)
    read = thinking.split(tokenizer.text(learnt[:first]), opened=tokens.form(tokenizer).opened)
    assert read.answer == ANSWER and not read.thought and read.closed


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_thoughts_in_the_data_are_dropped_learnt_or_refused(path: Path) -> None:
    tokenizer = Letters(path)
    thoughtful = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
    assert answer_ids(tokenizer, USER, thoughtful) == answer_ids(tokenizer, USER, ANSWER)
    with pytest.raises(BadInput, match="1 answers have a thought before them: e1"):
        encode_all(
            tokenizer, [(USER, ANSWER, "e0"), (USER, thoughtful, "e1")], 4096, thoughts="refuse"
        )
    try:
        how = tokens.form(tokenizer, "on")
    except BadInput:
        return  # the family does not think
    prompt = tokens.encode(tokenizer, USER, "on")
    example = encode_conversation(tokenizer, USER, thoughtful, 4096, thoughts="learn")
    assert example.input_ids[: len(prompt)] == prompt
    written = tokenizer.text([label for label in example.labels if label >= 0])
    read = thinking.split(written, opened=how.opened)
    assert read.thought == THOUGHT and read.answer.startswith(ANSWER) and read.closed
