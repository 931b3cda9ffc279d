"""Verifiable instructions (IFEval): whether an answer does what its prompt asks, checked by rules and by nothing else.

Source: Zhou et al. (2023), Instruction-Following Evaluation for Large Language Models; the 25 kinds of instruction and their
strict and loose reading. Sentences are counted without nltk's model and languages told by langdetect where it is installed, so
that a few items may differ from the original scorer; ``tests/unit/test_instructions.py`` holds how many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ftkit.core.errors import BadInput

Rule = Callable[..., bool]
YES_NO = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
ABBREVIATIONS = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|vs|etc|e\.g|i\.e|No|Inc|Ltd|U\.S|p\.m|a\.m)\.$", re.IGNORECASE
)


@dataclass(frozen=True)
class Instructions:
    """What an answer must do.

    Attributes:
        kinds: Names of the instructions, e.g. ``punctuation:no_comma``.
        values: Their settings, in the same order.
    """

    kinds: tuple[str, ...]
    values: tuple[dict[str, Any], ...]

    @staticmethod
    def of(kinds: Sequence[str], values: Sequence[dict[str, Any] | None]) -> Instructions:
        """Return instructions as IFEval's file writes them.

        Raises:
            BadInput: An unknown kind, or not as many settings as kinds.
        """
        unknown = [kind for kind in kinds if kind not in RULES]
        if unknown or len(kinds) != len(values) or not kinds:
            found = (
                f"'{unknown[0]}' is no instruction that can be checked"
                if unknown
                else f"{len(values)} kwargs for {len(kinds)} instructions"
            )
            raise BadInput(
                found,
                where="instruction_id_list",
                todo="use IFEval's names, with one object of kwargs each",
            )
        return Instructions(
            tuple(kinds),
            tuple({k: v for k, v in (value or {}).items() if v is not None} for value in values),
        )

    def followed(self, answer: str, loose: bool = False) -> list[bool]:
        """Return of each instruction whether an answer follows it; an empty answer follows none.

        Args:
            answer: The answer.
            loose: Whether it is enough that it does without its first or last line, or without asterisks.
        """
        texts = [text for text in (_variants(answer) if loose else [answer]) if text.strip()]
        return [
            any(RULES[kind](text, **value) for text in texts)
            for kind, value in zip(self.kinds, self.values, strict=True)
        ]


def _variants(answer: str) -> list[str]:
    lines = answer.split("\n")
    cuts = [
        "\n".join(lines[first : len(lines) - last]).strip()
        for first, last in product((0, 1), (0, 1))
    ]
    cuts[0] = answer
    return [*cuts, *(cut.replace("*", "") for cut in cuts)]


def _holds(count: int, relation: str, wanted: int) -> bool:
    return count < wanted if relation == "less than" else count >= wanted


def _keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(re.search(word, text, re.IGNORECASE) for word in keywords)


def _frequency(text: str, keyword: str, frequency: int, relation: str) -> bool:
    return _holds(len(re.findall(keyword, text, re.IGNORECASE)), relation, frequency)


def _forbidden(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in forbidden_words)


def _letters(text: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _holds(text.lower().count(letter.lower()), let_relation, let_frequency)


def language_of(text: str) -> str | None:
    """Return the language of a text as a code; None where it cannot be told, or langdetect is not installed."""
    try:
        import langdetect
    except ImportError:
        return None
    langdetect.DetectorFactory.seed = 0
    try:
        return str(langdetect.detect(text))
    except langdetect.LangDetectException:
        return None


def check_languages(found: Instructions) -> None:
    """Refuse instructions about a language where it cannot be told.

    Raises:
        BadInput: langdetect is not installed.
    """
    import importlib.util

    asked = [kind for kind in found.kinds if kind.startswith(("language:", "change_case:english"))]
    if asked and importlib.util.find_spec("langdetect") is None:
        raise BadInput(
            f"{asked[0]} needs langdetect, which is not installed",
            where="general_questions",
            todo="pip install 'ftkit[ifeval]'",
        )


def _language(text: str, language: str) -> bool:
    return language_of(text) in (language, None)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text: up to a full stop, question or exclamation mark before a blank, not after an abbreviation."""
    found: list[str] = []
    for piece in re.split(r"(?<=[.!?])[\"')\]*]*\s+", text.strip()):
        if found and (
            ABBREVIATIONS.search(found[-1])
            or re.fullmatch(r"(?:.*\n)?\s*\d+\.", found[-1])
            or piece[:1].islower()
        ):
            found[-1] += f" {piece}"
        elif piece.strip():
            found.append(piece)
    return found


def _sentences(text: str, num_sentences: int, relation: str) -> bool:
    return _holds(len(sentences(text)), relation, num_sentences)


def _words(text: str, num_words: int, relation: str) -> bool:
    return _holds(len(re.findall(r"\w+", text)), relation, num_words)


def _filled(parts: Sequence[str]) -> int | None:
    """Return how many parts hold text; None where one that is neither the first nor the last is empty."""
    inside = parts[1:-1]
    return (
        sum(bool(part.strip()) for part in parts) if all(part.strip() for part in inside) else None
    )


def _paragraphs(text: str, num_paragraphs: int) -> bool:
    return _filled(re.split(r"\s?\*\*\*\s?", text)) == num_paragraphs


def _first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = re.split(r"\n\n", text)
    count = sum(bool(part.strip()) for part in parts)
    if nth_paragraph > count or not (words := parts[nth_paragraph - 1].split()):
        return False
    word = re.split(r"[.,?!'\"]", words[0].lstrip("'\""))[0].lower()
    return count == num_paragraphs and word == first_word.lower()


def _placeholders(text: str, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def _postscript(text: str, postscript_marker: str) -> bool:
    known = {"P.P.S": r"\s*p\.\s?p\.\s?s.*$", "P.S.": r"\s*p\.\s?s\..*$"}
    return bool(
        re.search(
            known.get(postscript_marker, rf"\s*{postscript_marker.lower()}.*$"),
            text.lower(),
            re.MULTILINE,
        )
    )


def _bullets(text: str, num_bullets: int) -> bool:
    stars, dashes = (
        re.findall(pattern, text, re.MULTILINE) for pattern in (r"^\s*\*[^\*].*$", r"^\s*-.*$")
    )
    return len(stars) + len(dashes) == num_bullets


def _choice(text: str) -> bool:
    return any(option in text for option in YES_NO)


def _highlights(text: str, num_highlights: int) -> bool:
    single, double = re.findall(r"\*[^\n\*]*\*", text), re.findall(r"\*\*[^\n\*]*\*\*", text)
    filled = [x for x in single if x.strip("*").strip()] + [x for x in double if x[2:-2].strip()]
    return len(filled) >= num_highlights


def _sections(text: str, section_spliter: str, num_sections: int) -> bool:
    return len(re.split(rf"\s?{section_spliter}\s?\d+\s?", text)) - 1 >= num_sections


def _json(text: str) -> bool:
    inner = re.sub(r"^```(?:json)?|```$", "", text.strip(), flags=re.IGNORECASE).strip()
    try:
        json.loads(inner)
    except (ValueError, RecursionError):
        return False
    return True


def _title(text: str) -> bool:
    return any(title.strip("<>").strip() for title in re.findall(r"<<[^\n]+>>", text))


def _two(text: str) -> bool:
    parts = text.split("******")
    return _filled(parts) == 2 and len({part.strip() for part in parts if part.strip()}) == 2


def _repeat(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _end(text: str, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _capital_words(text: str, capital_frequency: int, capital_relation: str) -> bool:
    return _holds(
        sum(word.isupper() for word in re.findall(r"\w[\w.'’-]*", text)),
        capital_relation,
        capital_frequency,
    )


def _quoted(text: str) -> bool:
    inner = text.strip()
    return len(inner) > 1 and inner[0] == inner[-1] == '"'


RULES: dict[str, Rule] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _frequency,
    "keywords:forbidden_words": _forbidden,
    "keywords:letter_frequency": _letters,
    "language:response_language": _language,
    "length_constraints:number_sentences": _sentences,
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:number_words": _words,
    "length_constraints:nth_paragraph_first_word": _first_word,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": _choice,
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _json,
    "detectable_format:title": _title,
    "combination:two_responses": _two,
    "combination:repeat_prompt": _repeat,
    "startend:end_checker": _end,
    "startend:quotation": _quoted,
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": lambda text: text.isupper() and _language(text, "en"),
    "change_case:english_lowercase": lambda text: text.islower() and _language(text, "en"),
    "punctuation:no_comma": lambda text: "," not in text,
}
