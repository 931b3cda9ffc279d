"""Every figure of the cost model that is not measured: what it is, what it costs, and who says so."""

from __future__ import annotations

import difflib
import math

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import ENDPOINT_PRICES
from ftkit.core.records.decision import Price

DATE = "2026-11"
GUIDE = "INI8 Labs guide, 2026-05-22"
OWN = f"assumed by ftkit, {DATE}"

ASSUMED: dict[str, tuple[float, str, str]] = {
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
        500.0,
        "USD per month and machine",
        f"{GUIDE}: 500 to 5,000 a month",
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
SHARES = ("machine_use", "relabel_share")
OWN_FACTOR = 2.0  # an assumed figure may as well be half or twice as large
RANGES: dict[str, tuple[float, float]] = {
    "gpu_machine_usd_per_month": (500.0, 5000.0),  # the guide's
    "gpu_usd_per_hour": (1.25, 20.0),  # 5 to 20 USD for 1 to 4 hours, the guide's
    "labour_usd_per_hour": (40.0, 120.0),
    "labelling_minutes_per_example": (1.0, 10.0),
    "machine_use": (0.2, 0.8),
}


def prices(given: dict[str, float] | None = None) -> list[Price]:
    """Return the prices of the cost model, the user's own in place of the assumed ones.

    Args:
        given: Own figures by name.

    Raises:
        BadInput: An unknown name (the nearest is told), or a figure that is negative, not finite or no share (all told).
    """
    given = given or {}
    faults = [fault for name, value in given.items() if (fault := _fault(name, value))]
    if faults:
        raise BadInput(
            "; ".join(faults), where="decision.prices", todo=f"choose from {', '.join(ASSUMED)}"
        )
    return [
        Price(
            name=name,
            value=float(given[name]),
            unit=unit,
            origin="given",
            source="parameter decision.prices",
        )
        if name in given
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


def range_of(name: str) -> tuple[float, float]:
    """Return between which values an assumed figure may lie: the guide's range where it gives one, else half to twice."""
    value = ASSUMED[name][0]
    low, high = RANGES.get(name, (value / OWN_FACTOR, value * OWN_FACTOR))
    return low, min(1.0, high) if name in SHARES else high


def _fault(name: str, value: float) -> str:
    if name not in ASSUMED:
        near = difflib.get_close_matches(name, list(ASSUMED), n=1, cutoff=0.4)
        return f"'{name}' is no price" + (f"; did you mean '{near[0]}'?" if near else "")
    if not math.isfinite(value) or value < 0:
        return f"{name} = {value}: a price is a finite number and not negative"
    if name in SHARES and not (0 if name == "relabel_share" else 1e-9) <= value <= 1:
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
