"""Every figure of the decision that is not measured: what it is, its value and range, and who says so.

All amounts are in USD. The point value of an assumed figure lies inside its range, near its geometric middle (the
median of the draws), so that a cost at the point values lies among the drawn costs.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import ENDPOINT_PRICES
from ftkit.core.records.decision import Price

DATE = "2026-11"
GUIDE = "INI8 Labs guide, 2026-05-22"
OWN = f"assumed by ftkit, {DATE}"
DEFAULT = (
    "the parameter's default, which nobody confirmed; name it in decision.prices to confirm it"
)

VALUES: dict[str, tuple[float, str, str]] = {
    "right_answer_usd": (
        3.0,
        "USD of worth per right answer",
        f"{OWN}: three minutes of a person at 60 USD an hour that it saves",
    ),
    "wrong_answer_usd": (
        6.0,
        "USD of cost per wrong answer",
        f"{OWN}: a person mends it, and as much again for the customer's trouble",
    ),
    "person_answer_usd": (
        3.0,
        "USD of cost per answer that is passed to a person",
        f"{OWN}: three minutes of a person at 60 USD an hour",
    ),
}
"""What an answer is worth and costs, as 01 asks it (``task.answer_values``)."""
ASSUMED: dict[str, tuple[float, str, str]] = {
    **VALUES,
    "seed_sd_points": (
        2.0,
        "points of accuracy that two trainings differ by (SD), where no seeds were trained; 0: the tested model itself ships",
        f"{OWN}: Dodge et al. (2020, arXiv 2002.06305) saw 1 to 4 on small data",
    ),
    "retunings_per_year_most": (12.0, "re-tunings a year at most, however often facts change", OWN),
    "labour_usd_per_hour": (60.0, "USD per hour", OWN),
    "labelling_minutes_per_example": (
        3.0,
        "minutes per example; 0 where examples are already labelled",
        OWN,
    ),
    "prompt_setup_hours": (40.0, "hours, once", f"{GUIDE}: a week on prompts first"),
    "few_shot_setup_hours": (4.0, "hours, once, on top of the prompt", OWN),
    "retrieval_setup_hours": (40.0, "hours, once", OWN),
    "tuning_setup_hours": (80.0, "hours, once", OWN),
    "prompt_update_hours": (2.0, "hours per change of requirements", OWN),
    "retrieval_update_hours": (0.1, "hours per change of facts", OWN),
    "tuning_update_hours": (8.0, "hours per re-tuning, its evaluation included", OWN),
    "relabel_share": (0.1, "share of the training examples labelled anew per re-tuning", OWN),
    "cpu_machine_usd_per_month": (60.0, "USD per month and machine", OWN),
    "gpu_machine_usd_per_month": (
        1600.0,
        "USD per month and machine",
        f"{GUIDE}: 500 to 5,000 a month; the geometric middle",
    ),
    "gpu_usd_per_hour": (
        5.0,
        "USD per hour of training",
        f"{GUIDE}: 5 to 20 USD for 1 to 4 hours on one A100",
    ),
    "machine_use": (0.5, "share of the time that a machine answers", OWN),
    "index_usd_per_month": (20.0, "USD per month for the search index", OWN),
    "endpoint_usd_per_million_input_tokens": (ENDPOINT_PRICES[0], "USD per million tokens", OWN),
    "endpoint_usd_per_million_output_tokens": (ENDPOINT_PRICES[1], "USD per million tokens", OWN),
}
ENDPOINT: dict[str, str] = {
    "endpoint_usd_per_million_cached_tokens": "USD per million prompt tokens that are cached",
    "endpoint_usd_per_million_thought_tokens": "USD per million tokens of thoughts",
    "endpoint_cache_least_tokens": "least tokens of a stable beginning that is cached; 0: none is",
    "endpoint_least_usd_per_month": "USD per month, paid whatever is asked",
    "endpoint_failed_share": "share of the bill for replies that were no answers",
}
"""Figures of an endpoint that are there only where its price file, its bill or the user gives them."""
SHARES = ("machine_use", "relabel_share", "endpoint_failed_share")
OWN_FACTOR = 2.0  # an assumed figure may as well be half or twice as large
RANGES: dict[str, tuple[float, float]] = {
    "gpu_machine_usd_per_month": (500.0, 5000.0),  # the guide's
    "gpu_usd_per_hour": (1.25, 20.0),  # 5 to 20 USD for 1 to 4 hours, the guide's
    "labour_usd_per_hour": (40.0, 90.0),
    "labelling_minutes_per_example": (1.0, 9.0),
    "machine_use": (0.3, 0.8),
    "seed_sd_points": (1.0, 4.0),
    "retunings_per_year_most": (4.0, 52.0),
}
USAGE: dict[str, tuple[str, float]] = {
    "answers_per_month": ("answers a month", 3.0),
    "fact_changes_per_year": ("changes of the facts a year", 4.0),
    "requirement_changes_per_year": ("changes of the wanted behaviour a year", 4.0),
}
"""Unit, and the factor within which a figure that nobody confirmed is drawn."""


def prices(given: dict[str, float] | None = None, known: Sequence[Price] = ()) -> list[Price]:
    """Return the figures of the cost model, the user's own in place of the known, and these of the assumed ones.

    Args:
        given: Own figures by name.
        known: Figures that a bill or a price file tells.

    Raises:
        BadInput: An unknown name (the nearest is told), another currency than USD, or a figure that is negative, not
            finite or no share (all told).
    """
    given = given or {}
    faults = [fault for name, value in given.items() if (fault := _fault(name, value))]
    if faults:
        raise BadInput(
            "; ".join(faults),
            where="decision.prices",
            todo=f"choose from {', '.join([*ASSUMED, *ENDPOINT, *USAGE])}",
        )
    told = {x.name: x for x in known}
    units = {name: unit for name, (_, unit, _) in ASSUMED.items()} | ENDPOINT
    told |= {
        name: Price(
            name=name,
            value=float(value),
            unit=units[name],
            origin="given",
            source="parameter decision.prices",
        )
        for name, value in given.items()
        if name in units
    }
    assumed = [
        told.pop(name)
        if name in told
        else Price(
            name=name,
            value=value,
            unit=unit,
            origin="assumed",
            source=source,
            low=range_of(name)[0],
            high=range_of(name)[1],
        )
        for name, (value, unit, source) in ASSUMED.items()
    ]
    return [*assumed, *told.values()]


def usage(
    values: dict[str, float], confirmed: set[str], given: dict[str, float] | None = None
) -> list[Price]:
    """Return volume and rates of change as figures: those that nobody confirmed are assumed, and drawn.

    Args:
        values: Value by name of ``USAGE``.
        confirmed: Names whose value the user chose, i.e. that differ from the parameter's default.
        given: Own figures by name (``decision.prices``), which confirm a figure too.
    """
    found = []
    for name, value in values.items():
        unit, factor = USAGE[name]
        own = (given or {}).get(name)
        value = float(value if own is None else own)
        if own is not None or name in confirmed or value == 0:
            source = "parameter decision.prices" if own is not None else "parameter of 08"
            found.append(Price(name=name, value=value, unit=unit, origin="given", source=source))
            continue
        found.append(
            Price(
                name=name,
                value=value,
                unit=unit,
                origin="assumed",
                source=DEFAULT,
                low=value / factor,
                high=value * factor,
            )
        )
    return found


def range_of(name: str) -> tuple[float, float]:
    """Return between which values an assumed figure may lie: the guide's range where it gives one, else half to twice."""
    value = ASSUMED[name][0]
    low, high = RANGES.get(name, (value / OWN_FACTOR, value * OWN_FACTOR))
    return low, min(1.0, high) if name in SHARES else high


CURRENCIES = ("eur", "gbp", "chf", "jpy", "cny", "inr", "cad", "aud", "sek", "nok", "dkk", "pln")


def _fault(name: str, value: float) -> str:
    known = [*ASSUMED, *ENDPOINT, *USAGE]
    other = [word for word in name.lower().split("_") if word in CURRENCIES]
    if other:
        return (
            f"'{name}' is in {other[0].upper()}, and all amounts are in USD: two currencies cannot be "
            "added; convert it and give the name with usd"
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        return f"'{name}' is no price" + (f"; did you mean '{near[0]}'?" if near else "")
    if not math.isfinite(value) or value < 0:
        return f"{name} = {value}: a price is a finite number and not negative"
    if name == "answers_per_month" and value > 1e10:
        return f"{name} = {value:g}: more than any desk answers"
    if name == "endpoint_failed_share" and value >= 1:
        return f"{name} = {value}: nothing would be answered"
    if name in SHARES and not (1e-9 if name == "machine_use" else 0) <= value <= 1:
        return f"{name} = {value}: a share lies between 0 and 1"
    return ""


def measured(
    seconds: float, parameters: int, examples: int, elsewhere: bool = False
) -> list[Price]:
    """Return the measured figures that enter the costs, marked as such."""
    source = "measured in this run"
    return [
        Price(
            name="training_seconds",
            value=seconds,
            unit="seconds",
            origin="given" if elsewhere else "measured",
            source="trained elsewhere: training.adapter_hours" if elsewhere else source,
        ),
        Price(
            name="model_parameters",
            value=float(parameters),
            unit="parameters",
            origin="measured",
            source=source,
        ),
        Price(
            name="examples_for_tuning",
            value=float(examples),
            unit="examples",
            origin="measured",
            source=source,
        ),
    ]
