"""08_decision: gates, accuracy, cost, and the verdict with what would flip it."""

from ftkit.decision.choose import Choice, Table, choose
from ftkit.decision.costs import break_even, first_year_usd
from ftkit.decision.decide import Case, decide, flips
from ftkit.decision.gates import gates
from ftkit.decision.outcome import foresight
from ftkit.decision.prices import prices

__all__ = ["Case", "Choice", "Table", "break_even", "choose", "decide", "first_year_usd", "flips", "foresight", "gates", "prices"]
