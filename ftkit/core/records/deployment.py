"""09: what ships, and the proof that it answers the same."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record
from ftkit.core.records.endpoint import Tariff
from ftkit.core.records.prompting import Prompt
from ftkit.core.records.strategy import StrategySpec, Thinking


class LargeModel(Record):
    """The large model of a shipped cascade: what is passed on to it, how it is asked, and what that may cost."""

    spec: StrategySpec = Field(description="its strategy, as it was tested")
    prompt: Prompt
    least: float = Field(description="confidence of the small model below which it is asked")
    passed: Estimate = Field(description="share of the test questions passed on")
    url: str = Field(description="base URL of its server")
    model: str = Field(description="its name there")
    connection: dict[str, object] = Field(
        default_factory=dict,
        description="how it is asked beside; keys by the names of environment variables only",
    )
    tariff: Tariff = Field(description="what its tokens cost, USD per million")
    timeout_s: float = Field(description="longest wait for it; then the small model's answer goes")
    usd_per_day: float = Field(
        default=0.0, description="most that it may cost in one day (UTC), USD; 0: no limit"
    )


class Bundle(Record):
    """A whole strategy as one folder: what it answers with, and the hash of each of its files (``strategy.json``)."""

    name: str = Field(description="name by which clients ask for it")
    project: str
    spec: StrategySpec
    prompt: Prompt
    base_model: str = Field(
        description="a named base, a folder, a Hugging Face model name, or the endpoint's model"
    )
    base_sha256: str = Field(
        default="", description="fingerprint of the base's weights; empty for an endpoint"
    )
    weights: str = Field(
        default="", description="folder of the weights in this export; empty: the base as it is"
    )
    form: Literal["adapter", "merged", "base", "endpoint"]
    endpoint_url: str = ""
    endpoint_connection: dict[str, object] = Field(
        default_factory=dict, description="how it is asked beside, without secrets"
    )
    max_new_tokens: int
    thinking: Thinking = Field(
        default="off", description="whether the model thinks before it answers"
    )
    thinking_tokens: int = Field(
        default=1024, description="longest thought in tokens, beside the answer"
    )
    batch_size: int
    search_mode: str = Field(
        default="", description="vector, bm25, hybrid or reranked; empty without a retriever"
    )
    top_k: int = 0
    instruction: str = Field(description="the task, as told to people")
    verdict: str = Field(description="the decision's sentence")
    accuracy: Estimate | None = Field(default=None, description="share right on the test")
    alone_from: float | None = Field(
        default=None,
        description="confidence from which an answer needs no person's look, by 07's test; None: always look",
    )
    allowed_wrong: float | None = Field(
        default=None, description="share of wrong answers that this allows; None: not measured"
    )
    large: LargeModel | None = Field(
        default=None, description="asked where this one is not sure; None: it answers all"
    )
    run: str
    created: str
    files: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 per file, by path in the folder"
    )


class Parity(Record):
    """Answers of an exported strategy against those of 07, on the same items."""

    path: str = Field(
        description="how they were asked: the files, the server, or with a planted fault"
    )
    items: int
    identical: Estimate = Field(description="share of answers that are the same text")
    cause: str = Field(
        description="likely cause of the differences: none, rounding, or what is wrong"
    )
    explanation: str = Field(description="what points to it")
    first_differences: list[str] = Field(
        default_factory=list, description="where the first answers part, at most three"
    )
    logprob_gap: float | None = Field(
        default=None,
        description="mean change of the log-probability per token of the same answers, nats",
    )
    loss: Estimate | None = Field(
        default=None,
        description="share of right answers lost if all that differ are wrong, through an engine; None: not needed",
    )
    passed: bool = Field(
        description="identical, or different by rounding or kernels only and shown not to be worse"
    )


class ServingFile(Record):
    """One file for a serving platform."""

    name: str
    platform: str
    checked: str = Field(description="how it was checked; what was not run is said")


class GgufFile(Record):
    """The whole model as one file for llama.cpp."""

    file: str = Field(description="name in the stage's folder gguf; empty: none could be made")
    kind: str = Field(description="precision of its weights: f32, bf16, f16 or q8_0")
    size_mib: float
    sha256: str
    unchecked: str = Field(default="", description="why it was not asked; empty: it was")
    parity: Parity | None = Field(
        default=None, description="its answers against those of 07; None: it was not asked"
    )


class LoadPoint(Record):
    """The server under so many clients at once."""

    clients: int
    requests: int
    failed: int
    answers_per_s: float
    p50_s: float = Field(description="median seconds per answer")
    p95_s: float = Field(description="95% of the answers come within so many seconds")


class EngineCheck(Record):
    """What an engine that others make answers, held against 07."""

    engine: str = Field(description="vllm, llama.cpp, or other")
    version: str = Field(default="", description="as it tells; empty where it tells none")
    form: str = Field(description="what it was given: adapter, merged, base or gguf")
    start_s: float | None = Field(
        default=None, description="seconds from its start to its first answer; None: it ran already"
    )
    answer_s: float | None = Field(
        default=None, description="seconds for all test questions, eight at once"
    )
    parity: Parity | None = None
    faults: list[Parity] = Field(
        default_factory=list, description="faults planted there: each must fail and be named"
    )
    unchecked: str = Field(default="", description="why it was not asked; empty: it was")


class Release(Record):
    """One version that a server can answer from; it never changes."""

    version: int
    run: str = Field(description="run folder that it comes from")
    strategy: str
    sha256: str = Field(
        description="hash of its strategy.json, which holds the hash of every other file"
    )
    created: str = Field(description="when it was exported, UTC")


class Move(Record):
    """One change of what serves."""

    when: str = Field(description="UTC")
    version: int = Field(description="what serves from then on")
    what: Literal["promoted", "rolled back"]
    note: str = ""


class Releases(Record):
    """What a release folder holds, and which version serves (``releases.json``)."""

    name: str = Field(description="name by which clients ask for it")
    current: int
    releases: list[Release] = Field(default_factory=list)
    moves: list[Move] = Field(default_factory=list, description="in order")


class DeploymentCard(Record):
    """What ships, and the proof that it still answers the same."""

    strategy: str
    family: str
    verdict: str = Field(description="the decision's verdict when it was exported")
    export: str = Field(description="folder of the export, relative to the run folder")
    form: str
    size_mib: float
    parity: list[Parity]
    faults: list[Parity] = Field(
        default_factory=list, description="planted faults: each must fail and be named"
    )
    serving: list[ServingFile]
    load: list[LoadPoint] = Field(default_factory=list)
    gguf: GgufFile | None = Field(
        default=None, description="the model for llama.cpp; None: not asked for"
    )
    engines: list[EngineCheck] = Field(
        default_factory=list, description="engines of others, asked the same questions"
    )
    skipped: str = Field(default="", description="why nothing was exported, if so")
