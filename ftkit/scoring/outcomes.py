"""How replies ended: the shares of those that are no answer, and which room was too small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.core.records.strategy import REPETITION, Outcome

CUT_OFF_ALLOWED = 0.02  # share of replies cut off up to which figures stand as they are


def outcome_shares(answers: Any) -> dict[Outcome, float]:
    """Return the share of replies by how they ended, of all that were not simply answered.

    Args:
        answers: Replies (columns ``records.ANSWER_COLUMNS``).
    """
    if "outcome" not in answers or not len(answers):
        return {}
    shares = answers["outcome"].value_counts(normalize=True)
    return {name: float(share) for name, share in shares.items() if name != "answered"}


def too_small(answers: Any) -> dict[str, float]:
    """Return the share of replies that each parameter cut off, those apart that repeated themselves.

    Args:
        answers: Replies (columns ``records.ANSWER_COLUMNS``).
    """
    if "outcome" not in answers or not len(answers):
        return {}
    cut = answers[(answers["outcome"] == "cut_off") & (answers["detail"] != REPETITION)]
    return {str(name): count / len(answers) for name, count in cut["detail"].value_counts().items()}


def cut_off_words(outcomes: Mapping[Outcome, float], by: Mapping[str, float]) -> str:
    """Return in words which share of replies was cut off, and what to raise; an empty string if none was."""
    share = outcomes.get("cut_off", 0.0)
    if not share:
        return ""
    rooms = [f"raise {name}" for name in by]
    if share - sum(by.values()) > share / 2:
        rooms.append("most repeat themselves, so more room would not help")
    return f"{share:.1%} ({', '.join(rooms)})"
