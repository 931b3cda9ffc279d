"""Tuning at the provider as a further way to pay: not measured, but reckoned beside the strategies that were."""

from __future__ import annotations

import datetime as dt

from ftkit.core import tariffs
from ftkit.core.records.decision import ProviderTuning
from ftkit.core.records.evaluation import Evaluation
from ftkit.decision.cost_model import Setting

EPOCHS = 3
"""Passes over the examples that are reckoned: providers choose them by themselves, mostly three for some hundreds of rows."""


def provider_tuning(
    evaluation: Evaluation, s: Setting, price_file: str = "", today: dt.date | None = None
) -> ProviderTuning | None:
    """Return what the endpoint's model, tuned at its provider, would cost; None where its price file tells no such price.

    Training reads every example with its prompt ``EPOCHS`` times. Hours of work are those of a tuned model; a model that retires
    within the year is tuned once more.

    Args:
        evaluation: What was measured; its first endpoint arm without passages tells the lengths.
        s: What costs depend on.
        price_file: A price file in place of the shipped one.
        today: The day from which the first year counts; None: the clock's.
    """
    bill = next((b for b in evaluation.bills if b.role == "endpoint"), None)
    asked = next((r for r in evaluation.results if r.spec.family == "endpoint"), None)
    if bill is None or asked is None:
        return None
    t = tariffs.tariff(bill.url, bill.model, file=price_file)
    if t.tuning is None:
        return None
    price, n, today = s.price, float(s.answers_per_month), today or dt.date.today()
    length = asked.prompt_tokens_mean + asked.completion_tokens_mean
    training = EPOCHS * s.examples * length * t.tuning / 1e6
    read = t.input if t.tuned_input is None else t.tuned_input
    written = t.output if t.tuned_output is None else t.tuned_output
    monthly = t.hosting_usd_per_month + n / 1e6 * (
        asked.prompt_tokens_mean * read + asked.completion_tokens_mean * written
    )
    setup = (price["prompt_setup_hours"] + price["tuning_setup_hours"]) * price[
        "labour_usd_per_hour"
    ]
    again = price["tuning_update_hours"] * price["labour_usd_per_hour"] + training
    forced = int(t.retires is not None and t.retires < today + dt.timedelta(days=365))
    times = float(s.requirement_changes) + forced
    return ProviderTuning(
        model=bill.model,
        training_usd=training,
        monthly_usd=monthly,
        first_year_usd=setup + training + 12 * monthly + times * again,
        retunings=times,
        forced_retunings=forced,
        retires=t.retires,
        source=tariffs.source(t, today),
    )
