"""Regular expressions that a person wrote in a parameter: a bad one is told, a catastrophic one cannot hang."""

from __future__ import annotations

from ftkit.errors import BadInput

SECONDS = 0.5


def safe_search(pattern: str, text: str) -> bool:
    """Return whether the pattern is found in the text.

    Raises:
        BadInput: The pattern is not valid, or takes longer than half a second on one text (catastrophic backtracking).
    """
    import regex

    try:
        return regex.compile(pattern).search(text, timeout=SECONDS) is not None
    except regex.error as error:
        raise BadInput(f"is not a valid pattern: {error}", where=f"regex {pattern!r}", todo="mend the pattern") from error
    except TimeoutError as error:
        raise BadInput(
            "takes too long on one text (nested repetition)",
            where=f"regex {pattern!r}",
            todo="write it without (a+)+ or the like",
        ) from error
