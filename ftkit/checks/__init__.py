"""Executable checks of a task card: what an answer says, whether its format is right, which failure modes it shows."""

from ftkit.checks.formats import failures, format_of
from ftkit.checks.parse import Parsed, parse, text_of
from ftkit.checks.patterns import safe_search
from ftkit.checks.text import normalise, supported, tokens

__all__ = ["Parsed", "failures", "format_of", "normalise", "parse", "safe_search", "supported", "text_of", "tokens"]
