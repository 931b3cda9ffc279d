"""Do the engines that people run answer as what was tested? They are started from the exported files, asked, and led astray."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core.errors import FtkitError
from ftkit.core.records.deployment import EngineCheck, Parity
from ftkit.deployment.engines import process
from ftkit.deployment.engines.client import EngineClient, Said
from ftkit.deployment.export import merged
from ftkit.deployment.parity import COLUMNS, Numerics, compare
from ftkit.deployment.planted_faults import planted
from ftkit.deployment.platforms import Limits, plain_template, vllm_script
from ftkit.deployment.served_strategy import Asked, Served
from ftkit.models import tokens
from ftkit.models.load import SIMPLE_TEMPLATE
from ftkit.models.weights import resolve

CLIENTS = 8
NOISE = 0.05
"""Planted in another base: noise of so much of each matrix's own spread."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Fault:
    """A usual fault, planted into an engine.

    Attributes:
        name: As it is told.
        more: Fields of each request.
        base: Whether the base is asked in place of the adapter.
        arguments: Of the engine's start; any of these need an engine of its own.
        other_base: Whether it is started on another base.
    """

    name: str
    more: dict[str, Any] = field(default_factory=dict)
    base: bool = False
    arguments: tuple[str, ...] = ()
    other_base: bool = False


END_TOKEN = Fault("end token", more={"ignore_eos": True})
FAULTS = (
    Fault("chat template", more={"chat_template": plain_template(SIMPLE_TEMPLATE)}),
    END_TOKEN,
    Fault("adapter not applied", base=True),
    Fault("low precision", arguments=("--dtype", "bfloat16")),
    Fault("another base", other_base=True),
)


@dataclass
class Questions:
    """The test questions, what was answered to them, and what tells faults apart.

    Attributes:
        items: Columns ``id`` and ``input``.
        told: The reference, columns ``parity.COLUMNS``.
        right: Whether each tested answer was right.
        base_texts: What the untuned base answers; None where nothing was tuned.
        base_logprob: Mean log-probability of each tested answer under the untuned base, nats; None likewise.
        asked: What the strategy asks its model, per item.
    """

    items: Any
    told: Any
    right: Sequence[bool]
    base_texts: Sequence[str] | None
    base_logprob: Sequence[float] | None
    asked: Sequence[Asked]

    def head(self, n: int) -> Questions:
        """Return the first ``n``."""
        return Questions(
            self.items.head(n),
            self.told.head(n),
            self.right[:n],
            self.base_texts and self.base_texts[:n],
            self.base_logprob and self.base_logprob[:n],
            self.asked[:n],
        )


def questions(
    served: Served, items: Any, told: Any, right: Sequence[bool], base_texts: Sequence[str] | None
) -> Questions:
    """Return the test questions as the exported strategy asks them.

    Args:
        served: The opened export.
        items: Columns ``id`` and ``input``.
        told: The reference of ``asking.reference``.
        right: Whether each tested answer was right.
        base_texts: What the untuned base answers to the same prompts; None where nothing was tuned.
    """
    asked, by_base = served.prepare(items["input"].tolist()), None
    if base_texts is not None and served.local is not None:
        from ftkit.deployment.asking import mean_logprob

        with planted(served, "adapter not applied") as possible:
            if possible:
                pairs = zip(asked, told["text"], strict=True)
                by_base = [mean_logprob(served.local, a.messages, text) for a, text in pairs]
    return Questions(items, told, right, base_texts, by_base, asked)


def ask_engine(
    client: EngineClient, served: Served, q: Questions, progress: Progress | None = None
) -> tuple[Any, bool | None]:
    """Ask an engine; return a table with ``parity.COLUMNS``, and whether what differs is the same when asked alone.

    Args:
        client: The engine.
        served: The opened export, whose tokenizer writes the tested answers as tokens.
        q: The questions.
        progress: Called with answers done and in all.
    """
    import pandas as pd

    said: list[Said] = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        for one in pool.map(lambda a: _said(client, served, a), q.asked):
            said.append(one)
            if progress:
                progress(len(said), len(q.asked))
    # One at a time: vLLM 0.32 for CPUs dies of prompt log-probabilities under an adapter beside other requests.
    logprobs = [
        _logprob(client, served, s, text) for s, text in zip(said, q.told["text"], strict=True)
    ]
    rows = [
        (
            q.items["id"].iloc[i],
            s.text,
            s.prompt_tokens,
            s.completion_tokens,
            [p.id for p in q.asked[i].passages],
            s.prompt_sha256,
            logprobs[i],
        )
        for i, s in enumerate(said)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    differ = np.flatnonzero(table["text"].to_numpy() != q.told["text"].to_numpy())
    if not len(differ):
        return table, None
    alone = [_said(client, served, q.asked[i]).text for i in differ.tolist()]
    return table, alone == q.told["text"].iloc[differ].tolist()


def _said(client: EngineClient, served: Served, asked: Asked) -> Said:
    return client.chat(asked.messages, asked.response_format, served.bundle.max_new_tokens)


def _logprob(client: EngineClient, served: Served, said: Said, text: str) -> float:
    local = served.local
    if said.prompt_ids is None or local is None:
        return float("nan")
    answer = [*local.tokenizer(text, add_special_tokens=False)["input_ids"], local.end]
    return client.mean_logprob(said.prompt_ids, answer)


def _compared(path: str, client: EngineClient, served: Served, q: Questions) -> Parity:
    table, alone = ask_engine(client, served, q)
    numerics = Numerics(
        precision(served), q.right, alone_same=alone, base_gap=_base_gap(client, served, q)
    )
    return compare(path, q.told, table, q.base_texts, numerics)


def _base_gap(client: EngineClient, served: Served, q: Questions, most: int = 4) -> float:
    """Return how far the engine's base, asked without the adapter, is from the tested base; NaN where that is not known."""
    if not client.base or q.base_logprob is None:
        return float("nan")
    plain, few = client.as_model(client.base), q.head(most)
    found = [
        _logprob(plain, served, _said(plain, served, a), text)
        for a, text in zip(few.asked, few.told["text"], strict=True)
    ]
    return float(np.nanmean(np.abs(np.array(found) - np.array(few.base_logprob))))


def precision(served: Served) -> str:
    """Return the precision in which the strategy's model is loaded here, as it was tested."""
    model: Any = served.local and served.local.model
    return str(next(model.parameters()).dtype).removeprefix("torch.") if model is not None else ""


def check_engines(
    engines: Sequence[str],
    served: Served,
    q: Questions,
    folder: Path,
    fault_items: int = 0,
    say: Callable[[str], None] = print,
) -> list[EngineCheck]:
    """Ask engines the test questions: what they are named by is started from the exported files, what has a URL runs already.

    Args:
        engines: Executables (vllm), or base URLs that end in /v1.
        served: The opened export.
        q: The questions.
        folder: The stage's folder; logs go into ``engines``.
        fault_items: Questions for each planted fault; 0: none is planted.
        say: Told what begins.

    Raises:
        BadInput: There is no such engine.

    One that does not start or that dies is told in ``unchecked``; its log stays.
    """
    if why := not_askable(served):
        return [
            EngineCheck(engine=_kind(e), form=served.bundle.form, unchecked=why) for e in engines
        ]
    found: list[EngineCheck] = []
    for engine in engines:
        if "://" in engine:
            client = EngineClient(engine, served.bundle.name, more=_template_values(served)).open()
            check = _check(client, served, q, served.bundle.form)
            few = q.head(fault_items)
            check.faults = [f for f in (_plant(x, client, served, few) for x in FAULTS) if f]
            found.append(check)
            continue
        command = process.executable(engine)
        if command.name.startswith("llama"):
            found.append(_guarded(command, served, q, folder, "gguf", fault_items))
            continue
        forms = ["adapter", "merged"] if served.bundle.form == "adapter" else [served.bundle.form]
        for form in forms:
            say(f"{command.name}, {form}: it is started from the exported files")
            found.append(_guarded(command, served, q, folder, form, fault_items))
    return found


def _guarded(
    command: Path, served: Served, q: Questions, folder: Path, form: str, fault_items: int
) -> EngineCheck:
    """Return what a started engine answers, or why it came to none: the rest of 09 goes on."""
    try:
        start = _llama if form == "gguf" else _started
        return start(command, served, q, folder, form, fault_items)
    except FtkitError as error:
        why = f"{error.found} ({error.where})"
        return EngineCheck(engine=command.name, form=form, unchecked=why)


def _llama(
    command: Path, served: Served, q: Questions, folder: Path, form: str, fault_items: int
) -> EngineCheck:
    """Ask llama.cpp's server, started from the file beside the GGUF that 09 wrote."""
    script, few = folder / "gguf" / "llama_server.sh", q.head(fault_items)
    if not script.exists():
        why = "there is no GGUF file: deployment.llama_cpp writes one"
        return EngineCheck(engine=command.name, form=form, unchecked=why)
    began = time.monotonic()
    with process.started(command, script, [], folder / "engines" / "llama-server.log") as url:
        start_s = round(time.monotonic() - began, 1)
        client = EngineClient(url, served.bundle.name, more=_template_values(served)).open()
        check = _check(client, served, q, form)
        check.start_s = start_s
        planted_there = _plant(END_TOKEN, client, served, few)
    check.faults = [planted_there] if planted_there else []
    if fault_items:
        with tempfile.TemporaryDirectory(prefix="ftkit-") as name:
            other = Path(name) / "other.jinja"
            other.write_text(plain_template(SIMPLE_TEMPLATE), encoding="utf-8")
            own = folder / "engines" / "llama-server-chat-template.log"
            with process.started(command, script, ["--chat-template-file", str(other)], own) as url:
                client = EngineClient(url, served.bundle.name).open()
                with contextlib.suppress(FtkitError):  # it refuses: not planted there
                    check.faults.append(_compared("fault: chat template", client, served, few))
    return check


def there(engines: Sequence[str]) -> Sequence[str]:
    """Return engines as they are named, after a look whether each is there, before long work begins.

    Raises:
        BadInput: One is not.
    """
    for engine in engines:
        if "://" not in engine:
            process.executable(engine)
    return engines


def not_askable(served: Served) -> str:
    """Return why an engine cannot be asked in this strategy's place; empty: it can."""
    if served.local is None:
        return "the strategy asks an endpoint, and has no weights of its own"
    return "the strategy votes over several draws" if served.bundle.spec.votes else ""


def _kind(engine: str) -> str:
    return "other" if "://" in engine else Path(engine).name


def _template_values(served: Served) -> dict[str, Any]:
    """Return the values of the chat template by which the tested model was told whether to think."""
    local: Any = served.local
    values = tokens.form(local.tokenizer, served.bundle.thinking).arguments
    return {"chat_template_kwargs": values} if values else {}


@contextlib.contextmanager
def _script(served: Served, form: str) -> Iterator[Path]:
    """Yield ``vllm.sh`` of the export, or for merged weights one in a folder of its own, as an export in that form holds it."""
    if form == served.bundle.form:
        yield served.folder / "serving" / "vllm.sh"
        return
    from ftkit.models.load import load_tokenizer

    local: Any = served.local
    base = resolve(served.bundle.base_model)
    with tempfile.TemporaryDirectory(prefix="ftkit-") as name:
        folder = Path(name)
        merged(base, served.folder / served.bundle.weights, load_tokenizer(base))(
            folder / "weights"
        )
        shutil.copytree(served.folder / "serving", folder / "serving")
        bundle = served.bundle.model_copy(update={"form": "merged"})
        text = vllm_script(bundle, Limits(local.context, [], 0, precision(served)), base)
        (folder / "serving" / "vllm.sh").write_text(text, encoding="utf-8")
        yield folder / "serving" / "vllm.sh"


def _started(
    command: Path, served: Served, q: Questions, folder: Path, form: str, fault_items: int
) -> EngineCheck:
    few, base = q.head(fault_items), resolve(served.bundle.base_model)
    lora, logs = form == "adapter", folder / "engines"
    log = logs / f"vllm-{form}.log"
    settings = {"MODEL": base} if form != "merged" else {}
    trust = ["--trust-request-chat-template"]  # for the planted template; none is sent else
    with _script(served, form) as script:
        began = time.monotonic()
        with process.started(command, script, trust, log, settings) as url:
            start_s = round(time.monotonic() - began, 1)
            client = EngineClient(url, served.bundle.name, more=_template_values(served)).open()
            check = _check(client, served, q, form)
            check.start_s = start_s
            now = [f for f in FAULTS if not f.arguments and not f.other_base]
            check.faults = [f for f in (_plant(x, client, served, few) for x in now) if f]
        for fault in FAULTS if fault_items and form == served.bundle.form else ():
            if (
                not (fault.arguments or (fault.other_base and lora))
                or precision(served) != "float32"
            ):
                continue
            with tempfile.TemporaryDirectory(prefix="ftkit-") as name:
                changed = settings | (
                    {"MODEL": str(noisy(Path(base), Path(name)))} if fault.other_base else {}
                )
                own = logs / f"vllm-{form}-{fault.name.replace(' ', '-')}.log"
                with process.started(command, script, fault.arguments, own, changed) as url:
                    client = EngineClient(url, served.bundle.name, more=_template_values(served))
                    check.faults += [_compared(f"fault: {fault.name}", client.open(), served, few)]
    return check


def _check(client: EngineClient, served: Served, q: Questions, form: str) -> EngineCheck:
    began = time.monotonic()
    found = _compared(f"through {client.kind}, {form}", client, served, q)
    return EngineCheck(
        engine=client.kind,
        version=client.version,
        form=form,
        answer_s=round(time.monotonic() - began, 1),
        parity=found,
    )


def _plant(fault: Fault, client: EngineClient, served: Served, few: Questions) -> Parity | None:
    """Return what comes of a fault that needs no new start; None where the engine refuses it."""
    if (
        not len(few.items)
        or fault.arguments
        or fault.other_base
        or (fault.base and not client.base)
    ):
        return None
    other = client.as_model(client.base if fault.base else client.name, **fault.more)
    try:
        return _compared(f"fault: {fault.name}", other, served, few)
    except FtkitError:
        if "chat_template" in fault.more:
            return (
                None  # an engine that takes no other template cannot have this fault by a request
            )
        raise


def noisy(base: Path, target: Path) -> Path:
    """Write a base whose weights are a little others, as another checkpoint of the same architecture; return its folder."""
    import torch
    from safetensors.torch import load_file, save_file

    for path in base.iterdir():
        if path.suffix != ".safetensors" and path.is_file():
            (target / path.name).symlink_to(path.resolve())
    draw = torch.Generator().manual_seed(0)
    for path in base.glob("*.safetensors"):
        changed = {
            name: w + NOISE * w.float().std() * torch.randn(w.shape, generator=draw).to(w.dtype)
            if w.dim() > 1
            else w
            for name, w in load_file(path).items()
        }
        save_file(changed, target / path.name, metadata={"format": "pt"})
    return target
