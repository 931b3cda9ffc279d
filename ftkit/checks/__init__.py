"""Executable checks of a task card: what an answer says, whether its format is right, which failure modes it shows."""

from ftkit.checks.formats import failures, format_of
from ftkit.checks.heads import head_of, with_head
from ftkit.checks.parse import Parsed, compact, label_key, parse, parse_record, record_within, text_of
from ftkit.checks.patterns import check_pattern, safe_search
from ftkit.checks.text import normalise, supported, tokens

__all__ = [
    "Parsed", "check_pattern", "compact", "failures", "format_of", "head_of", "label_key", "normalise", "parse", "parse_record",
    "record_within", "safe_search", "supported", "text_of", "tokens", "with_head",
]  # fmt: skip
