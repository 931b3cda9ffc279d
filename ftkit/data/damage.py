"""Signs of damage in texts: letters lost to a wrong encoding, characters that nobody sees, markers of a chat template."""

from __future__ import annotations

import re

_CONTINUED = "".join(
    sorted({bytes([b]).decode("cp1252", "ignore") or chr(b) for b in range(0x80, 0xC0)})
    + [chr(b) for b in range(0x80, 0xA0)]
)
_C = f"[{re.escape(_CONTINUED)}]"
DAMAGED = re.compile(
    "\ufffd"
    f"|[\u00c2\u00c3]{_C}"  # Â£, Ã¼: nothing else looks like that
    f"|[\u00c4\u00c5]{_C}(?=[a-z])"  # koÅ¡ile; not a closing quote behind a capital Ä
    f"|(?:[\u00c4-\u00df]{_C}){{2}}"  # Greek, Cyrillic, Hebrew and Arabic letters come in pairs at least
    f"|[\u00e0-\u00ef]{_C}{_C}"  # â€™, à¤•
    f"|\u00f0[\u0178\u009f\u0090\u0098]{_C}{_C}"  # ðŸ˜€
)
"""What is left where UTF-8 was once read as cp1252 or latin-1: two to four letters for one, or the replacement character."""

INVISIBLE = re.compile(
    "[\u00ad\u180e\u200b\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
    # joiners and direction marks are at home in scripts that join letters or run from the right, and in emoji
    "|(?<![\u0590-\u0dff\u0e00-\u109f\u1780-\u17ff\u1800-\u18af\u2190-\u2bff\ufe0f\U0001f000-\U0001faff])"
    "[\u061c\u200c-\u200f]"
    "(?![\u0590-\u0dff\u0e00-\u109f\u1780-\u17ff\u1800-\u18af\u2190-\u2bff\U0001f000-\U0001faff])"
)
"""Characters that nobody sees and no script at that place needs."""

END_MARKERS = re.compile(
    r"(?:\s*(?:<\|(?:im_end|endoftext|eot_id|end_of_text|end|eom_id|end_of_turn|assistant_end)\|>"
    r"|</s>|<s>|<end_of_turn>|<eos>|<\|?eot\|?>|\[/?INST\]|<｜end▁of▁sentence｜>|<\|end▁of▁sentence\|>))+\s*$"
)
"""Markers of chat templates at the end of an answer: the template adds its own, and a model would learn to write both."""


def half_character(text: str) -> bool:
    """Say whether a text holds a lone surrogate, which no encoding can write."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def whole(text: str) -> str:
    """Return a text that can be written: halves of characters become U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text) if half_character(text) else text
