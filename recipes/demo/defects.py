"""Defects planted in the examples, as real exports have them; where each one is stands in the truth file."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from recipes.demo.company import CATEGORIES, URGENCIES
from recipes.demo.messages import LONGEST, Message, Sender, ask_absent, ask_fact, compact, request

SHARES = {
    "exact_duplicate": 0.02,
    "near_duplicate": 0.02,
    "paraphrase_duplicate": 0.01,
    "wrong_label": 0.02,
    "personal_data": 0.01,
    "broken_format": 0.01,
    "empty": 0.0025,
}
COPIES = ("exact_duplicate", "near_duplicate", "paraphrase_duplicate")
LONG = 16
"""Words from which one word more keeps the Jaccard similarity of three-word shingles above 0.8."""
LAST_WORDS = (
    "Thanks!",
    "Cheers.",
    "Please.",
    "Best, Jo",
    "Bye.",
    "Yours, Kim",
    "Ciao!",
    "Regards, Ed",
)
FIRST_NAMES = ("anna", "peter", "lena", "marco", "ines", "david", "julia", "oskar")
LAST_NAMES = ("berg", "moor", "stone", "fischer", "hart", "novak", "lind", "weber")


@dataclass
class Row:
    """One row of the file, with what was planted in it.

    Attributes:
        message: The message as it was meant, with its right answer.
        text: The cell ``message``.
        answer: The cell ``answer``.
        customer: The cell ``customer``.
        right: The right answer under edition 1 and edition 2.
        planted: Kind of planted defect, or empty.
        of: For copies: the row that is repeated.
    """

    message: Message
    text: str
    answer: str
    customer: str
    right: tuple[str, str]
    planted: str = ""
    of: Row | None = None


def clean_row(message: Message, right: tuple[str, str], edition: int) -> Row:
    """Return a row as a careful person would have written it."""
    return Row(message, message.text, right[edition - 1], message.customer, right)


def house_row(message: Message, edition: int) -> Row:
    """Return a clean row with the answer in the house format."""
    return clean_row(message, (message.answer(1), message.answer(2)), edition)


def counts(n: int) -> dict[str, int]:
    """Return how many rows of each kind are planted in a file of ``n`` rows."""
    return {kind: round(share * n) for kind, share in SHARES.items()}


def plant(rng: random.Random, messages: list[Message], n: int, edition: int) -> list[Row]:
    """Return ``n`` rows: the messages, with defects planted in some and copies of others added, in random order.

    Args:
        rng: Source of every choice.
        messages: ``n`` clean messages; the last ones make room for the copies.
        n: Number of rows.
        edition: KnowledgeUpdate of the handbook that the answers follow.
    """
    planned = counts(n)
    clean = [house_row(m, edition) for m in messages[: n - sum(planned[kind] for kind in COPIES)]]
    order = rng.sample(range(len(clean)), len(clean))
    order.sort(key=lambda i: not LONG <= len(clean[i].text.split()) < LONGEST)
    near, rest = order[: planned["near_duplicate"]], order[planned["near_duplicate"] :]
    rng.shuffle(rest)
    copies = [
        _copy(rng, clean[i], "near_duplicate", edition, rng.choice(clean).customer) for i in near
    ]
    for kind in ("exact_duplicate", "paraphrase_duplicate"):
        copies += [
            _copy(rng, clean[rest.pop()], kind, edition, rng.choice(clean).customer)
            for _ in range(planned[kind])
        ]
    for kind in ("wrong_label", "personal_data", "broken_format", "empty"):
        for number in range(planned[kind]):
            row = clean[rest.pop()]
            row.planted = kind
            _spoil(rng, row, kind, number, edition)
    made = clean + copies
    rng.shuffle(made)
    return made


def _copy(rng: random.Random, row: Row, kind: str, edition: int, other: str) -> Row:
    """Half of the literal copies come under another customer: a split by customer alone would leak them."""
    customer = other if kind != "paraphrase_duplicate" and rng.random() < 0.5 else row.customer
    if kind == "exact_duplicate":
        return replace(row, customer=customer, planted=kind, of=row)
    if kind == "near_duplicate":
        return replace(
            row,
            text=f"{row.text} {rng.choice(LAST_WORDS)}",
            customer=customer,
            planted=kind,
            of=row,
        )
    return replace(house_row(reworded(rng, row.message), edition), planted=kind, of=row)


def reworded(rng: random.Random, message: Message) -> Message:
    """Return the same customer's same question in other words, with the same answer."""
    sender = Sender(message.customer, message.business)
    while True:
        if message.article:
            again = ask_fact(rng, sender, message.article)
        elif message.cause == "behaviour":
            again = request(rng, sender, message.entity, message.intent)
        else:
            again = ask_absent(rng, sender, message.entity)
        if (
            again.text != message.text
            and again.fields(1) == message.fields(1)
            and again.intent == message.intent
        ):
            return again


def _spoil(rng: random.Random, row: Row, kind: str, number: int, edition: int) -> None:
    if kind == "wrong_label":
        row.answer = compact(_wrong(rng, row.message, number, edition))
    elif kind == "personal_data":
        row.text = f"{row.text} {_personal(rng, number)}"
    elif kind == "broken_format":
        row.answer = _broken(row.message.fields(edition), number)
    elif number % 2:
        row.answer = ""
    else:
        row.text = ""


def _wrong(rng: random.Random, message: Message, number: int, edition: int) -> dict[str, str]:
    """Return the answer with another category or another urgency, in turn."""
    fields = message.fields(edition)
    name, values = (("category", CATEGORIES), ("urgency", URGENCIES))[number % 2]
    return fields | {name: rng.choice([v for v in values if v != fields[name]])}


def _personal(rng: random.Random, number: int) -> str:
    """Return a made-up mail address (example.com), phone number (the range kept for fiction) or IBAN (no such bank)."""
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    if number % 3 == 0:
        return f"My mail is {first}.{last}@example.com."
    if number % 3 == 1:
        return f"Call me: +44 7700 900{rng.randint(0, 999):03d}."
    return f"My bank account is {iban('GB', f'FELL{rng.randint(0, 10**14 - 1):014d}')}."


def iban(country: str, account: str) -> str:
    """Return an IBAN with right check digits (ISO 13616), in groups of four."""
    digits = "".join(str(int(c, 36)) for c in f"{account}{country}00")
    text = f"{country}{98 - int(digits) % 97:02d}{account}"
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def _broken(fields: dict[str, str], number: int) -> str:
    """Return the answer in a form that the house format does not allow, one of four in turn."""
    text = compact(fields)
    return (
        text[:-12],
        " / ".join(v for v in fields.values() if v),
        text.replace('"', "'"),
        compact(
            {"type": fields["category"], **{k: v for k, v in fields.items() if k != "category"}}
        ),
    )[number % 4]
