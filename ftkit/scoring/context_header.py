"""The head of a message: lines such as "region: EU" in front of the text, which tell what the text alone does not.

Data columns are put there (``data.context_columns``), the model reads them there, and a search may be restricted by them
(``retrieval.filters``). Whoever asks the served model writes them in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LINE = re.compile(r"([^\n:]{1,60}):[ \t]*([^\n]*\S)[ \t]*")


def with_head(values: Mapping[str, str], text: str) -> str:
    """Return a text with a line for each value in front, and a blank line between; empty values are left out.

    Args:
        values: Values by name, in order.
        text: The text.
    """
    lines = [
        f"{name}: {' '.join(value.split())}" for name, value in values.items() if value.strip()
    ]
    return "\n".join(lines) + "\n\n" + text if lines else text


def head_of(text: str) -> dict[str, str]:
    """Return the values at the head of a text by their names in lower case; none where no blank line closes the head."""
    head, blank, _ = text.lstrip().replace("\r\n", "\n").partition("\n\n")
    lines = [LINE.fullmatch(line) for line in head.split("\n")] if blank else []
    return {found[1].strip().casefold(): found[2] for found in lines if found} if all(lines) else {}
