"""What every lesson is drawn from: made-up names, codes, values, groups of words near in meaning, and messages.

Nothing here is a fact: each lesson draws its names, numbers and groups anew, so that only the skill can be learnt.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from recipes.nano.lexicon import DESK, Lexicon

SYLLABLES = (
    "ba be bel bi bo bra cor da del den di do dra el en fa fe fin flo ga gal go gra ha hel ho il in ka kel ki ko kra la len li lo lu ma mer "
    "mi mo na nel ni no nor o or pa pel pi po qua ra ren ri ro ru sa sel si so sta ta tel ti to tra u va vel vi vo wa wen wi xa xi ya yo za zel zi zo"
).split()
ENDS = ["", "", "", "n", "r", "s", "x", "th", "ia", "on", "is", "ex", "um"]
PEOPLE = "Anna Ben Carla David Eva Frank Grace Henry Ida Jonas Karin Leo Maria Nina Oscar Paula Rita Sam Tom Vera".split()
UNITS = "days weeks months years hours minutes euros dollars percent kg grams metres litres degrees km points pages seats people".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
OPENERS = [
    "hello, ",
    "hi, ",
    "hi there, ",
    "good morning, ",
    "dear team, ",
    "please help: ",
    "question: ",
    "hey, ",
    "Hello! ",
    "Good day. ",
]
ENDINGS = [
    "",
    "",
    "",
    " thanks",
    " thank you.",
    " please",
    " please help.",
    " Regards, {p}",
    " many thanks, {p}",
    " what now?",
    " can you help?",
]
FRAMES = [
    "my {a} is {b}",
    "the {a} did not {b}",
    "a question about the {a} and the {b}",
    "something with {a} or {b}",
    "what about my {a}",
    "the {a} is wrong",
    "I need {a} and {b}",
    "we want to {a} the {b}",
    "there is a problem with the {a}, it concerns {b}",
    "how do I {a} this",
    "I was told {a} but got {b}",
    "{a} {b}",
    "{a}?",
    "why is there {a} on my {b}",
    "can you look at the {a}",
    "is it possible to {a} with {b}",
    "we talked about {a} and {b} on the phone",
    "it says {a}",
    "still waiting for my {a}",
    "nobody told me about {a} or {b}",
    "where is the {a}",
    "{a} again, and {b} too",
    "tell me more about {a}",
    "please send me the {a}",
    "my friend says {b} is better than {a}",
    "this {a} makes no sense",
    "I can not find {a}",
    "when will {a} be {b}",
    "do you have {a} for {b}",
    "it happened after the {a}",
    "I think {a}",
]
ASIDES = [
    "I am {p}.",
    "My number is {c}.",
    "Order {c}.",
    "I wrote {n} days ago.",
    "It is the {t}.",
    "We are {n} people.",
    "Reference {c}",
    "I live in {t}.",
    "My order is {c}.",
    "This is about {t}.",
    "I asked {n} times already.",
    "{p} told me to write here.",
    "I saw {f} and {g} there.",
    "No {f} here.",
]


@dataclass
class Group:
    """One topic of a lesson.

    Attributes:
        word: The topic's word.
        label: How the lesson names it: ``delivery``, ``card_arrival``, ``lost or stolen``.
        clues: Words near it in meaning and not near the lesson's other topics, the nearest first.
    """

    word: str
    label: str
    clues: list[str]


class Draw:
    """A seeded source of lesson material.

    Args:
        rng: The random source; the same state gives the same material.
        lexicon: Words and their neighbours.
        level: Difficulty, 0 (start of training) to 1 (full).
        held_out: Draw topics from the held-out words only (for measuring), else from all others.
    """

    def __init__(
        self, rng: random.Random, lexicon: Lexicon, level: float = 1.0, held_out: bool = False
    ) -> None:
        self.rng, self.lexicon, self.level = rng, lexicon, level
        self.topics = _topics(lexicon, held_out)
        self.all_words = list(lexicon.near)

    def chance(self, share: float) -> bool:
        """Return True with a probability."""
        return self.rng.random() < share

    def pick(self, *options: str) -> str:
        """Return one of the options."""
        return self.rng.choice(options)

    def word(self) -> str:
        """Return any topical word."""
        return self.rng.choice(self.all_words)

    def name(self) -> str:
        """Return a made-up name such as 'Velora', 'Norfield' or 'Silver Pine'."""
        kind, rng = self.rng.random(), self.rng
        if kind < 0.6:
            return (
                "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))) + rng.choice(ENDS)
            ).capitalize()
        if kind < 0.75:
            return (rng.choice(SYLLABLES) + self.word()).capitalize()
        if kind < 0.9:
            return self.word().capitalize()
        return f"{self.word().capitalize()} {self.word().capitalize()}"

    def thing(self) -> str:
        """Return a thing such as 'Velora lamp'."""
        return self.name() if self.chance(0.15) else f"{self.name()} {self.word()}"

    def digits(self, low: int, high: int) -> str:
        """Return a string of digits of a length between low and high."""
        return "".join(self.rng.choice("0123456789") for _ in range(self.rng.randint(low, high)))

    def letters(self, low: int, high: int) -> str:
        """Return capital letters of a length between low and high."""
        return "".join(
            self.rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
            for _ in range(self.rng.randint(low, high))
        )

    def article_id(self) -> str:
        """Return a passage id such as 'H-012'."""
        kind = self.rng.random()
        if kind < 0.6:
            return f"{self.letters(1, 2)}-{self.digits(2, 4)}"
        return (
            self.digits(1, 4)
            if kind < 0.7
            else f"{self.letters(1, 1)}{self.digits(1, 3)}"
            if kind < 0.85
            else f"{self.word()}-{self.digits(1, 3)}"
        )

    def code(self) -> str:
        """Return an order number or other identifier."""
        kind = self.rng.random()
        if kind < 0.35:
            return f"{self.letters(1, 3)}-{self.digits(3, 6)}"
        if kind < 0.6:
            return self.digits(4, 8)
        if kind < 0.75:
            return f"#{self.digits(3, 6)}"
        return (
            f"{self.letters(1, 2)}{self.digits(2, 4)}{self.letters(0, 2)}"
            if kind < 0.9
            else f"20{self.digits(2, 2)}-{self.digits(3, 4)}"
        )

    def value(self) -> str:
        """Return a value such as '34 days', '8 am', '12.50 euros', '3 May'."""
        kind, rng = self.rng.random(), self.rng
        if kind < 0.72:
            return (
                f"{rng.randint(2, 99) if kind < 0.6 else rng.randint(100, 999)} {rng.choice(UNITS)}"
            )
        if kind < 0.8:
            return f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}"
        if kind < 0.86:
            return f"{rng.randint(1, 99)}.{self.digits(2, 2)} euros"
        if kind < 0.92:
            return f"{rng.randint(1, 28)} {rng.choice(MONTHS)}"
        return self.word() if kind < 0.96 else self.name()

    def groups(self, count: int) -> list[Group]:
        """Return topics that can be told apart, each with clues of its own."""
        chosen: list[str] = []
        near = self.lexicon.near
        banned: set[str] = set()
        while len(chosen) < count:
            word = self.rng.choice(self.topics)
            if word in banned or any(v in chosen for v, _ in near[word]):
                continue
            chosen.append(word)
            banned |= {word, *(v for v, _ in near[word])}
        return [Group(w, self._label(w), self._clues(w, chosen)) for w in chosen]

    def _clues(self, word: str, chosen: list[str]) -> list[str]:
        others = {}
        for other in chosen:
            if other != word:
                for v, c in self.lexicon.near[other]:
                    others[v] = max(others.get(v, 0), c)
        reach = 6 + round(10 * self.level)
        own = [
            v for v, c in self.lexicon.near[word][:reach] if c >= 45 and others.get(v, 0) < c - 8
        ]
        return own or [word]

    def _label(self, word: str) -> str:
        kind = self.rng.random()
        if kind < max(0.6, 0.9 - self.level):
            return word
        second = self.rng.choice(self.lexicon.near[word][:6])[0]
        if kind < 0.65:
            return word.capitalize()
        joint = self.pick("_", "_", " ", " or ", " and ", "-")
        return f"{word}{joint}{second}" if kind < 0.85 else f"{second}{joint}{word}"

    def message(self, clues: list[str], extra: str = "") -> str:
        """Return a message that holds some of the clues among other words.

        Args:
            clues: Words of which one to three are used.
            extra: A sentence that must be in it.
        """
        rng, noisy = self.rng, self.rng.random() < 0.15 + self.level
        most = 1 + (rng.random() < 0.75) + (rng.random() < 0.3)
        used = rng.sample(clues, min(most, len(clues)))
        parts: list[str] = []
        while used:
            a, b = used.pop(), used.pop() if used else ""
            frames = [f for f in FRAMES if ("{b}" in f) == bool(b) and (noisy or len(f) < 18)]
            parts.append(rng.choice(frames).format(a=a, b=b))
        for _ in range(rng.choices([0, 1, 2], [0.55, 0.3, 0.15])[0] if noisy else 0):
            parts.insert(rng.randint(0, len(parts)), self.aside())
        if extra:
            parts.insert(rng.randint(0, len(parts)), extra)
        parts = [
            p
            if p[-1] in ".?!" or i + 1 == len(parts)
            else p + rng.choice([".", ",", ".", " and", "?", "!"])
            for i, p in enumerate(parts)
        ]
        text = " ".join(parts)
        if not noisy:
            return text
        text += rng.choice(ENDINGS).format(p=rng.choice(PEOPLE))
        if self.chance(0.35):
            return rng.choice(OPENERS) + text
        return text[0].upper() + text[1:] if self.chance(0.5) else text

    def aside(self) -> str:
        """Return a sentence that has nothing to do with the topic."""
        rng = self.rng
        return rng.choice(ASIDES).format(
            p=rng.choice(PEOPLE),
            c=self.code(),
            n=rng.randint(2, 40),
            t=self.name(),
            f=rng.choice(FILL),
            g=rng.choice(FILL),
        )


FILL = "thing one other place part way side kind point case bit lot number line end start week day person idea reason word".split()
_TOPICS: dict[tuple[int, bool], list[str]] = {}


def _topics(lexicon: Lexicon, held_out: bool) -> list[str]:
    """Return the words that can be topics: at least eight neighbours of cosine 0.45; desk words three times."""
    key = (id(lexicon), held_out)
    if key not in _TOPICS:
        kept = set(lexicon.held_out)
        able = [w for w, pairs in lexicon.near.items() if sum(c >= 45 for _, c in pairs) >= 8]
        drawn = [w for w in able if (w in kept) == held_out]
        _TOPICS[key] = drawn + [w for w in drawn if w in DESK] * 2
    return _TOPICS[key]
