"""Which method, on which machine: memory, time and price of each before anything is trained, and why one is proposed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import PRICE_DATE
from ftkit.core.parameters.training import TrainingParameters
from ftkit.training.encode import Encoded
from ftkit.training.memory import Need, needs, parameters_of

PASSES = {
    "full": 3.0,
    "lora": 2.0,
    "qlora": 2.6,
}  # forward passes that a step costs: no weight gradients of a frozen base; unpacking
USE = 0.3  # share of a GPU's peak that training reaches, assumed; a rehearsal on the machine itself replaces it
MOST_CARDS = 8
GUIDE = {  # the guide's figures for a 7B model; 8-bit and variants stand nowhere in it
    "lora": "one GPU",
    "qlora": "one card of 24 GB; 1-4 h and 5-20 USD for 2,000 examples",
    "full": "28 GB for weights alone, 2-3 times more to train",
}


@dataclass(frozen=True)
class Machine:
    """A machine that can be rented.

    Attributes:
        name: What it is called.
        memory_gib: Memory of one card, GiB.
        tflops: Dense 16-bit peak of one card, TFLOPS.
        usd_per_hour: Price of one card.
        source: Who says so.
    """

    name: str
    memory_gib: float
    tflops: float
    usd_per_hour: float
    source: str


OWN = f"price assumed by ftkit, {PRICE_DATE}; peak from NVIDIA's data sheet"
MACHINES = (
    Machine("T4", 15, 65, 0.6, OWN),
    Machine("L4", 22, 121, 0.9, OWN),
    Machine("A10G", 22, 70, 1.2, OWN),
    Machine("A100 40 GB", 39, 312, 3.5, OWN),
    Machine("A100 80 GB", 79, 312, 5.0, OWN),
    Machine("H100 80 GB", 79, 989, 8.0, OWN),
)


def machines(path: str = "") -> list[Machine]:
    """Return the machines to choose from: the built-in list, or that of a YAML file.

    Args:
        path: File with a list of mappings with the fields of :class:`Machine`; empty: the built-in list.

    Raises:
        BadInput: The file is no such list (entry and field are named).
    """
    if not path:
        return list(MACHINES)
    example = yaml.safe_dump([asdict(MACHINES[0])], sort_keys=False).strip().replace("\n", " | ")
    todo = f"write a list of entries like: {example}"
    try:
        rows = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(
            f"cannot be read: {' '.join(str(error).split())[:160]}", where=path, todo=todo
        ) from error
    if not isinstance(rows, list) or not rows:
        raise BadInput("holds no list of machines", where=path, todo=todo)
    return [
        _machine(row, f"{path}, entry {number}", todo) for number, row in enumerate(rows, start=1)
    ]


def _machine(row: Any, where: str, todo: str) -> Machine:
    wanted = set(Machine.__dataclass_fields__)
    if not isinstance(row, dict) or set(row) != wanted:
        given = set(row) if isinstance(row, dict) else set()
        raise BadInput(
            f"must have exactly the fields {', '.join(sorted(wanted))}; differs in {', '.join(map(str, sorted(given ^ wanted)))}",
            where=where,
            todo=todo,
        )
    for name in ("memory_gib", "tflops", "usd_per_hour"):
        value = row[name]
        fine = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and value >= 0
        )
        if not fine or (name != "usd_per_hour" and value == 0):
            raise BadInput(f"{name} = {value!r} is no positive number", where=where, todo=todo)
    return Machine(
        str(row["name"]),
        float(row["memory_gib"]),
        float(row["tflops"]),
        float(row["usd_per_hour"]),
        str(row["source"]),
    )


@dataclass(frozen=True)
class Offer:
    """One method on the machine where it costs least.

    Attributes:
        need: What it takes.
        gib: What it takes here, in each process where the model is shared between them.
        here: Whether it fits the memory that is free on this machine.
        minutes_here: Time on this machine, from the rehearsal; None where it does not fit.
        machine: The cheapest machine that it fits; None: none of the list, with up to eight cards.
        cards: How many of them.
        hours: Time there, by estimate.
        usd: Price there.
    """

    need: Need
    gib: float
    here: bool
    minutes_here: float | None
    machine: Machine | None
    cards: int
    hours: float
    usd: float


def offers(
    config: Any,
    examples: Sequence[Encoded],
    p: TrainingParameters,
    *,
    free_gib: float,
    on_gpu: bool,
    tokens_per_s: float,
    rented: Sequence[Machine],
) -> list[Offer]:
    """Return for each method whether it fits here, how long it takes, and where it would cost least.

    Args:
        config: The model's configuration.
        examples: What is learnt from.
        p: Method, passes, rank and batch size.
        free_gib: Memory that is free here.
        on_gpu: Whether this machine has a GPU.
        tokens_per_s: Speed of the chosen method here, measured by the rehearsal.
        rented: Machines to choose from.

    Returns:
        The offers; none where the weights were trained elsewhere.
    """
    if p.adapter:
        return []
    tokens = p.num_train_epochs * sum(len(e.input_ids) for e in examples)
    elsewhere = {n.method: n for n in needs(config, examples, p, True, free_gib=0.0)}
    parameters, found = parameters_of(config), []
    for need in needs(config, examples, p, on_gpu, free_gib):
        shared = p.fsdp and need.shareable
        gib = need.shared_gib(p.processes) if shared else need.total_gib
        here = gib * (p.processes if shared and not on_gpu else 1) <= free_gib
        seconds = tokens / tokens_per_s * PASSES[need.method] / PASSES[p.method]
        best = min(
            (_rent(m, elsewhere[need.method], tokens, parameters) for m in rented),
            key=lambda o: (o[3], o[2]),
            default=(None, 0, 0.0, math.inf),
        )
        machine, cards, hours, usd = best if math.isfinite(best[3]) else (None, 0, 0.0, 0.0)
        found.append(
            Offer(need, gib, here, seconds / 60 if here else None, machine, cards, hours, usd)
        )
    return found


def _rent(
    machine: Machine, need: Need, tokens: float, parameters: int
) -> tuple[Machine, int, float, float]:
    """Return machine, cards, hours and price of a method there; an infinite price where it does not fit, even shared."""
    room = 0.92 * machine.memory_gib
    if not need.shareable:
        cards = math.ceil(need.total_gib / room)
    else:
        cards = next(
            (
                n
                for n in range(1, MOST_CARDS + 1)
                if (need.total_gib if n == 1 else need.shared_gib(n)) <= room
            ),
            MOST_CARDS + 1,
        )
    flops = (
        2 * parameters * tokens * (PASSES[need.method] + 1)
    )  # one more forward pass: activations are computed again
    hours = flops / (machine.tflops * 1e12 * USE * cards) / 3600
    return (
        machine,
        cards,
        hours,
        hours * cards * machine.usd_per_hour if cards <= MOST_CARDS else math.inf,
    )


def proposed(found: Sequence[Offer]) -> tuple[str, str]:
    """Return the method that the figures speak for, and why.

    The guide's order: an adapter before full tuning, which is for a drastically different domain; QLoRA where LoRA
    does not fit. What fits here comes before what must be rented.
    """
    by_name = {o.need.method: o for o in found}
    for method, why in (
        ("lora", "it fits here, needs no quantised base, and forgets less than full tuning"),
        ("qlora", "LoRA does not fit here, a quantised base does"),
    ):
        if by_name[method].here:
            return method, why
    rent = by_name["qlora"]
    if rent.machine is None:
        return "qlora", "nothing fits here or on a machine of the list: take a smaller base"
    return "qlora", f"nothing fits here; it takes the least memory and fits {_where(rent)}"


def rows(found: Sequence[Offer], chosen: str) -> list[dict[str, str]]:
    """Return the offers as rows of a table; ``chosen`` is the method that the parameters name."""
    return (
        [{"method": "trained elsewhere"}]
        if not found
        else [
            {
                "method": o.need.method + (" (chosen)" if o.need.method == chosen else ""),
                "weights that change": f"{o.need.trainable:,} ({o.need.share:.1%})",
                "memory here, GiB": f"{o.gib:.1f}"
                + (" in each process" if o.gib != o.need.total_gib else ""),
                "here": "does not fit"
                if o.minutes_here is None
                else f"about {_minutes(o.minutes_here)}",
                "rented, cheapest": _where(o),
                "time there": _minutes(60 * o.hours) if o.machine else "–",
                "USD there": ("under 0.01" if o.usd < 0.01 else f"{o.usd:,.2f}")
                if o.machine
                else "–",
                "the guide, for a 7B": GUIDE[o.need.method],
            }
            for o in found
        ]
    )


def _where(offer: Offer) -> str:
    """Return where a method is rented, and how what one card cannot hold is split over several: QLoRA's base by another tool."""
    if offer.machine is None:
        return "none of the list"
    how = (
        f"(training.fsdp, processes {offer.cards})"
        if offer.need.shareable
        else "by another tool (training.elsewhere)"
    )
    split = f", split over them {how}" if offer.cards > 1 else ""
    return f"{offer.cards} × {offer.machine.name}{split}"


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s" if minutes >= 1 / 60 else "under 1 s"
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"
