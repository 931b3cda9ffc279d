"""A byte-level BPE tokenizer: any text survives the round trip; digits stand alone; common words are whole tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# Joints of JSON and of passages, so that a record costs one token between key and value.
PIECES = [
    '{"',
    '":"',
    '","',
    '"}',
    '":""',
    '":"",',
    '":""}',
    '.",',
    '."}',
    '"',
    "_",
    "-",
    "[",
    "]",
    ":",
    ",",
    ".",
    "?",
    "!",
    "'s",
    "\n",
    "\n\n",
    " ",
]


def build(texts: Iterable[str], words: list[str], vocabulary: int = 8192) -> Any:
    """Train a tokenizer and return it as a ``PreTrainedTokenizerFast`` with a chat template.

    Args:
        texts: Text to learn further merges from (capitals, syllables, frequent joints).
        words: Words that become whole tokens, alone and after a space, so that what is read can be written by copying.
        vocabulary: Number of tokens at most, special and byte tokens included.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    core.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_weighted(texts, words), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        chat_template=TEMPLATE,
        additional_special_tokens=SPECIAL[2:],
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def _weighted(texts: Iterable[str], words: list[str]) -> Iterable[str]:
    """Yield the words often enough that their merges come before those of rare text."""
    for word in words:
        yield from [f"{word}\n {word}\n"] * 60
    for piece in PIECES:
        yield from [f"a{piece}a"] * 60
    yield from texts
