"""Thinking: found from a family's template, switched by its own arguments, and taken off what is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput
from ftkit.models import thinking, tokens

TEMPLATES = sorted((Path(__import__("trl").__file__).parent / "chat_templates").glob("*.jinja"))
PUBLISHED = [path for path in TEMPLATES if "_training" not in path.name]
MARKS = r"<[|｜][^|｜<>\s]+[|｜]>|</?(?:end_of|start_of)_\w+>|<turn\|>|<\|turn>|<channel\|>|<\|channel>|</?think>"
USER = [{"role": "user", "content": "Where is my parcel?"}]
ALWAYS = {"deepseek_r1_distill", "deepseekv3", "gptoss", "muse_glimmer"}  # no switch turns it off
MAY = {"lfm2_2_5", "lfm2_2_5_v2", "lfm2_2_5_vl"}  # the template knows thoughts and has no switch
SWITCHED = {
    *("diffusion_gemma", "gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4", "gemma4_v5"),
    *("glm4moe", "qwen3", "qwen3_5_think", "qwen3_5_nothink", "qwen3_6", "qwen3_8"),
    *(f"nemotron_3_{size}" for size in ("nano", "super", "ultra", "5_lightning")),
}


def tokenizer_of(template: str):
    """Return a tokenizer that holds a template and its marks as tokens."""
    from tokenizers import AddedToken, Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0, "<s>": 1, "</s>": 2}, unk_token="<unk>"))
    made = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    made.chat_template = template
    marks = [AddedToken(mark, special=True) for mark in sorted(set(re.findall(MARKS, template)))]
    made.add_tokens(marks)  # pyright: ignore[reportArgumentType]
    return made


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_every_published_template_is_switched_off_where_its_family_can(path: Path) -> None:
    tokenizer, name = tokenizer_of(path.read_text(encoding="utf-8")), path.stem
    how = tokens.form(tokenizer, "off")
    prompt = tokens.template(tokenizer, USER, add_generation_prompt=True)
    assert "Where is my parcel?" in prompt  # vision-language templates too
    assert how.switchable == (name in SWITCHED)
    assert how.thinks == (name in ALWAYS | MAY)
    assert how.opened == name.startswith("deepseek") == thinking.opens(prompt)
    assert len(how.ends) == 1  # what its turn ends with
    if name not in SWITCHED | ALWAYS | MAY:
        with pytest.raises(BadInput, match="thinking is asked of a model that cannot"):
            tokens.form(tokenizer, "on")
    else:
        assert tokens.form(tokenizer, "on").thinks


def test_a_message_between_channels_does_not_end_an_answer() -> None:
    path = next(path for path in PUBLISHED if path.stem == "gptoss")
    tokenizer = tokenizer_of(path.read_text(encoding="utf-8"))
    ends = tokenizer.convert_ids_to_tokens(sorted(tokens.turn_ends(tokenizer)))
    assert ends == ["<|return|>"]  # <|end|> closes the analysis, and the answer follows


def test_a_template_without_generation_prompt_is_refused_with_what_is_missing() -> None:
    bare = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    with pytest.raises(BadInput, match=r"no generation prompt: '<\|assistant\|>'"):
        tokens.template(tokenizer_of(bare), USER, add_generation_prompt=True)


def test_a_template_that_needs_no_header_before_an_answer_is_used() -> None:
    plain = "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    assert tokens.template(tokenizer_of(plain), USER, add_generation_prompt=True).endswith(
        "[/INST]"
    )


def test_a_template_that_raises_for_a_tool_turn_is_told_with_the_roles() -> None:
    strict = (
        "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
        "{{ m.content }}{% endfor %}"
    )
    turns = [*USER, {"role": "tool", "content": "3 days"}]
    with pytest.raises(BadInput, match=r"refuses the turns \(user, tool\): no tools"):
        tokens.template(tokenizer_of(strict), turns)


@pytest.mark.parametrize(
    ("text", "opened", "answer", "thought", "closed"),
    [
        ("refund", False, "refund", "", True),
        ("<think>about a refund</think>\n\ndelivery", False, "delivery", "about a refund", True),
        ("<think></think>refund", False, "refund", "", True),
        ("<think>... about a refund", False, "", "... about a refund", False),
        ("about a refund", True, "", "about a refund", False),
        ("about a refund\n</think>\n\ndelivery", True, "delivery", "about a refund", True),
        ("about a refund</think>delivery", False, "delivery", "about a refund", True),
        ("[THINK]so[/THINK]delivery", False, "delivery", "so", True),
        ("<|channel>thought\nso\n<channel|>delivery", False, "delivery", "so", True),
        (
            "<|START_THINKING|>so<|END_THINKING|><|START_RESPONSE|>delivery<|END_RESPONSE|>",
            False,
            "delivery",
            "so",
            True,
        ),
        ("<|START_RESPONSE|>delivery<|END_RESPONSE|>", False, "delivery", "", True),
        (
            "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final<|message|>delivery<|return|>",
            False,
            "delivery",
            "so",
            True,
        ),
        ("<|channel|>analysis<|message|>about a refund", False, "", "about a refund", False),
        ("<|channel|>final<|message|>delivery", False, "delivery", "", True),
        (
            " to=self<|message|>so<|eom|><|start|>assistant to=user<|message|>delivery<|eot|>",
            False,
            "delivery",
            "so",
            True,
        ),
        ("Write <think> before you answer.", False, "Write <think> before you answer.", "", True),
        ("The mark <think>x</think> is cut.", False, "The mark <think>x</think> is cut.", "", True),
        ("<think>a</think><think>b</think>delivery", False, "delivery", "a\nb", True),
    ],
)
def test_a_thought_is_taken_off_and_what_speaks_of_one_is_not(
    text: str, opened: bool, answer: str, thought: str, closed: bool
) -> None:
    found = thinking.split(text, opened=opened)
    assert (found.answer, found.thought, found.closed) == (answer, thought, closed)


def test_a_channel_that_no_family_has_is_named() -> None:
    found = thinking.split("<|channel|>weather<|message|>rain<|end|>")
    assert (found.answer, found.unknown) == ("", "weather")


def test_a_text_that_repeats_itself_is_seen_and_a_list_is_not() -> None:
    assert thinking.repeats("Let me think. " + "I must think about it. " * 12)
    assert not thinking.repeats("1. parcel\n2. refund\n3. invoice\n4. account\n5. product")
