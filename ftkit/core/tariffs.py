"""What an endpoint's tokens cost: by the user's own numbers, else by a price file, else assumed.

The shipped file is ``endpoint_prices.yaml`` beside this module; a copy of it with the user's own entries takes its place.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import ValidationError

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import ENDPOINT_PRICES, PRICE_DATE
from ftkit.core.records.endpoint import Tariff

SHIPPED = Path(__file__).with_name("endpoint_prices.yaml")
AGED_DAYS = 365
EDITION = r"([-@:]?\d{4}-?\d\d-?\d\d|-latest)?"
"""What may follow a model's name without making another model of it."""


def read(file: str = "") -> list[Tariff]:
    """Return the entries of a price file.

    Args:
        file: Its path; empty: the shipped one.

    Raises:
        BadInput: It is not there, is in another currency than USD, or an entry cannot be: all faults are told.
    """
    path = Path(file) if file else SHIPPED
    where, todo = str(path), "write it like ftkit/core/endpoint_prices.yaml"
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"the price file cannot be read: {error}", where=where, todo=todo) from error
    rows = content.get("models") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise BadInput("holds no list 'models'", where=where, todo=todo)
    if content.get("currency", "USD") != "USD":
        raise BadInput(
            f"is in {content['currency']}, and all amounts are in USD: two currencies cannot be added",
            where=where,
            todo="convert the prices and write currency: USD",
        )
    found, faults = [], list[str]()
    for number, row in enumerate(rows, 1):
        name = row.get("model", "") if isinstance(row, dict) else ""
        try:
            found.append(Tariff.model_validate(row))
        except ValidationError as error:
            faults += [
                f"entry {number} {name}, {'.'.join(map(str, e['loc'])) or 'as a whole'}: {e['msg']}"
                for e in error.errors()
            ]
    if faults:
        raise BadInput("; ".join(faults), where=where, todo=todo)
    return found


def tariff(url: str, model: str, own: Sequence[float] = (), file: str = "") -> Tariff:
    """Return what a model at an address costs.

    Args:
        url: Its base URL.
        model: Its name; a provider in front of it (``openai/gpt-5-mini``) is left away.
        own: The user's numbers: USD per million prompt and answer tokens, and cached prompt tokens; empty: none.
        file: A price file in place of the shipped one.

    Raises:
        BadInput: The price file cannot be used.
    """
    if own:
        cached = min(own[2], own[0]) if len(own) > 2 else None
        return Tariff(
            model=model, input=own[0], output=own[1], cached=cached, source="your own numbers"
        )
    name, host = model.rpartition("/")[2].lower(), (urlsplit(url).hostname or "").lower()
    fitting = [
        x
        for x in read(file)
        if re.fullmatch(re.escape(x.model.lower()) + EDITION, name)
        and x.host in (host if "/" not in model else model)
    ]
    if fitting:
        return max(fitting, key=lambda x: len(x.host)).model_copy(update={"listed": True})
    first, second = ENDPOINT_PRICES
    source = f"assumed by ftkit, {PRICE_DATE}: no price file names '{model}'"
    return Tariff(model=model, input=first, output=second, source=source, verified=False)


def aged(x: Tariff, today: dt.date | None = None) -> bool:
    """Return whether an entry was read more than a year ago."""
    return x.date is not None and ((today or dt.date.today()) - x.date).days > AGED_DAYS


def retired(x: Tariff, today: dt.date | None = None) -> bool:
    """Return whether the provider no longer serves the model."""
    return x.retires is not None and x.retires <= (today or dt.date.today())


def source(x: Tariff, today: dt.date | None = None) -> str:
    """Return where a price comes from, in words: its source, its date, and what makes it doubtful."""
    said = [x.source + (f", read {x.date}" if x.date else "")]
    said += ["older than a year: look it up"] if aged(x, today) else []
    said += ["not the provider's own page"] if x.listed and not x.verified else []
    said += [f"no longer served from {x.retires} on"] if x.retires else []
    return "; ".join(said)
