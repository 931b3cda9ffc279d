"""At the head of a notebook: what goes where, what it costs, and what the server understands, before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.parameters.connection import Connection
from ftkit.core.run_folder import Stage
from ftkit.core.tariffs import source, tariff
from ftkit.data.personal_data import mask
from ftkit.models.endpoint.model import Endpoint
from ftkit.models.endpoint.profile import profile
from ftkit.report import theme


def show(p: Any, stage: Stage, texts: Sequence[str], roles: Sequence[str]) -> None:
    """Show a table per endpoint that a stage names; nothing where it names none.

    Args:
        p: The stage's parameters.
        stage: The stage, whose folder keeps the replies for the bill.
        texts: What will be asked about, to count personal data.
        roles: Endpoints to look at, e.g. endpoint and judge.

    Raises:
        BadInput: Data may not leave, or address, key, model or price file cannot be used.
        FtkitError: A server gives no answer.
    """
    for role in roles:
        url, model = getattr(p, f"{role}_url"), getattr(p, f"{role}_model")
        if url:
            told = _terms(p, role, texts)
            endpoint = Endpoint(
                url,
                model,
                named=f"{stage.stage}.{role}",
                prices=getattr(p, f"{role}_prices"),
                price_file=p.price_file,
                connection=getattr(p, f"{role}_connection"),
                may_leave=p.data_may_leave,
                confidence=role == "endpoint",
            )
            traits = profile(endpoint, stage.path(f"{role}_profile.jsonl"))
            rows = [{"": trait.name, "found": trait.text} for trait in traits]
            theme.table([*told, *rows], caption=f"the {role}: {model} at {url}")


def _terms(p: Any, role: str, texts: Sequence[str]) -> list[dict[str, str]]:
    connection = Connection.model_validate(getattr(p, f"{role}_connection"))
    prices = tariff(
        getattr(p, f"{role}_url"),
        getattr(p, f"{role}_model"),
        getattr(p, f"{role}_prices"),
        p.price_file,
    )
    personal = sum(mask(text) != text for text in texts)
    done = "masked before they are sent" if connection.mask else "sent as they are"
    most = getattr(p, f"{role}_most_usd")
    words = {
        "Personal data": f"in {personal:,} of {len(texts):,} questions; they are {done}",
        "Price": f"USD per million tokens: {prices.input:g} in, {prices.cached_usd:g} cached, "
        f"{prices.output:g} out ({source(prices)})",
        "Limit": f"{most:g} USD in this stage" if most else "none is set",
    }
    return [{"": name, "found": text} for name, text in words.items()]
