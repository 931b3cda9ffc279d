"""Regular expressions that a person wrote in a parameter: a bad one is told, a catastrophic one cannot hang."""

from __future__ import annotations

import re

from ftkit.core.errors import BadInput

SECONDS = 0.5
PROBE_LENGTH = 3000


def safe_search(pattern: str, text: str) -> bool:
    """Return whether the pattern is found in the text.

    Raises:
        BadInput: The pattern is not valid, or takes longer than half a second on one text (catastrophic backtracking).
    """
    import regex

    try:
        return regex.compile(pattern).search(text, timeout=SECONDS) is not None
    except (regex.error, OverflowError, RecursionError) as error:
        raise BadInput(
            f"is not a valid pattern: {error}", where=f"regex {pattern!r}", todo="mend the pattern"
        ) from error
    except TimeoutError as error:
        raise BadInput(
            "takes too long on one text (nested repetition)",
            where=f"regex {pattern!r}",
            todo="write it without (a+)+ or the like",
        ) from error


def check_pattern(pattern: str, where: str) -> None:
    """Try a pattern on texts that make nested repetition explode, so that it is told before any model has answered.

    Args:
        pattern: The pattern.
        where: The parameter it stands in.

    Raises:
        BadInput: The pattern is not valid, slow on such a text, or matches the empty text (no answer would pass).
    """
    units = ["a", "0", " ", "ab ", "a1", "-", *dict.fromkeys(re.findall(r"\w", pattern))]
    try:
        for unit in units[:20]:
            safe_search(pattern, unit * (PROBE_LENGTH // len(unit)) + "\x00")
    except BadInput as error:
        raise BadInput(f"{pattern!r} {error.found}", where=where, todo=error.todo) from error
    if safe_search(pattern, ""):
        raise BadInput(
            f"{pattern!r} matches any text, even an empty one",
            where=where,
            todo="name what must not be there",
        )
