"""The form of the right answers, found from the training rows, and the words that ask for it.

A model that knows the answer is still wrong where it writes a sentence and the data hold two words. So prompts say what
the rows show: how long answers are, whether they are copied from the source, a number, a date, yes or no, a list or a
sentence, and how they start and end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Shape = Literal["yes or no", "number", "date", "list", "sentence", "phrase", "text"]
USUAL = 0.9
"""Share of the rows that must show a property before a prompt asks for it."""
FEWEST = 20
"""With fewer rows nothing is said of the form."""
NUMBER = re.compile(r"[-+]?[$€£]?\d[\d,.]*\s?(%|[^\W\d_]{1,12})?[.]?")
DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?|\d{1,2}[./]\d{1,2}[./]\d{2,4}|(\d{1,2} )?[A-Z][a-z]{2,8} (\d{1,2}, )?\d{4}"
)


@dataclass(frozen=True)
class AnswerForm:
    """What the right answers look like.

    Attributes:
        rows: Rows that were looked at.
        shape: The usual shape of an answer.
        words: Words of a typical answer (median), and of a long one (95th percentile).
        copied: Share of answers that stand word for word in their source, 0..1.
        capital: Share that starts with a capital letter or a digit, 0..1.
        stop: Share that ends with a full stop, 0..1.
    """

    rows: int
    shape: Shape
    words: tuple[int, int]
    copied: float
    capital: float
    stop: float


def form_of(outputs: Sequence[str], sources: Iterable[str] = ()) -> AnswerForm | None:
    """Return the form of right answers; None with fewer than ``FEWEST``.

    Args:
        outputs: The right answers.
        sources: Texts that an answer may be copied from: its own input, or all passages; each is searched for each answer.
    """
    texts = [t for t in (o.strip() for o in outputs) if t]
    if len(texts) < FEWEST:
        return None
    lengths = sorted(len(t.split()) for t in texts)
    joined = "\n".join(sources)
    return AnswerForm(
        rows=len(texts),
        shape=_shape(texts, lengths),
        words=(lengths[len(lengths) // 2], lengths[int(0.95 * (len(lengths) - 1))]),
        copied=_share(t.rstrip(".") in joined for t in texts) if joined else 0.0,
        capital=_share(t[0].isupper() or t[0].isdigit() for t in texts),
        stop=_share(t.endswith(".") for t in texts),
    )


def _share(values: Iterable[bool]) -> float:
    known = list(values)
    return sum(known) / len(known)


def _shape(texts: Sequence[str], lengths: Sequence[int]) -> Shape:
    def usual(fits: Iterable[bool]) -> bool:
        return _share(fits) >= USUAL

    if usual(t.lower().rstrip(".") in ("yes", "no") for t in texts):
        return "yes or no"
    if usual(DATE.fullmatch(t) is not None for t in texts):
        return "date"
    if usual(NUMBER.fullmatch(t) is not None for t in texts):
        return "number"
    if usual(bool(re.search(r"\n\s*[-*•\d]|;|\w, \w+, ", t)) for t in texts):
        return "list"
    if usual(t[-1] in ".!?" and len(t.split()) >= 4 for t in texts):
        return "sentence" if lengths[len(lengths) // 2] <= 30 else "text"
    return "phrase" if lengths[int(0.95 * (len(lengths) - 1))] <= 12 else "text"


def lines(form: AnswerForm | None, *, passages: bool = False) -> list[str]:
    """Return the lines of a prompt that ask for a form; none where nothing is known of it.

    Args:
        form: The form.
        passages: Whether the source is passages rather than the text that is asked about.
    """
    if form is None:
        return []
    most = max(form.words[1], 1)
    length = "one word" if most == 1 else f"at most {most} words"
    source = "the passages" if passages else "the text"
    asks = {
        "yes or no": "Answer with yes or no.",
        "number": "Answer with the number and its unit, if it has one, and nothing else.",
        "date": "Answer with the date and nothing else.",
        "list": f"Answer with a list, {length} in all.",
        "sentence": f"Answer in one sentence of {length}.",
        "phrase": f"Answer with {length}: the bare answer, no sentence around it.",
        "text": f"Answer in {length}.",
    }
    said = [asks[form.shape]]
    if form.copied >= USUAL and form.shape in ("phrase", "number", "date"):
        said.append(f"Copy the answer word for word from {source}.")
    if form.shape in ("phrase", "list") and form.stop <= 1 - USUAL:
        said.append("Do not end with a full stop.")
    if form.shape == "phrase" and form.capital <= 1 - USUAL:
        said.append("Write it in lower case.")
    return said
