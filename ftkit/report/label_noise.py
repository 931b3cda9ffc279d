"""How far wrong right-answers in the test set may move what was measured, in a sentence."""

from __future__ import annotations

from ftkit.core.records.data import DataCard


def label_noise(card: DataCard) -> str:
    """Return what suspected wrong answers and annotators' disagreement mean for accuracy; empty: nothing is known.

    A share of wrong right-answers moves measured accuracy by at most that share, up or down. Of several fields the
    most doubted one counts.

    Args:
        card: What 02 found.
    """
    said = []
    doubted = [1 - c.test_ceiling.value for c in card.label_checks if c.test_ceiling]
    if doubted and max(doubted) > 0:
        said.append(
            (max(doubted), "of the right answers in the test set are suspected to be wrong")
        )
    if card.agreement and card.agreement.ceiling.value < 1:
        differs = 1 - card.agreement.ceiling.value
        said.append((differs, "of the labels differ from what most other annotators say"))
    if not said:
        return ""
    share, what = max(said)
    return (
        f"{share:.1%} {what}: true accuracy may lie up to {100 * share:.1f} points from the measured one,"
        " beside the interval."
    )
