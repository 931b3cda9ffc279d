"""07: every strategy on the same test items."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record
from ftkit.core.records.endpoint import EndpointBill, NotMeasured
from ftkit.core.records.strategy import Outcome, StrategySpec

SCORE_COLUMNS = [
    "item_id",
    "strategy",
    "group",
    "correct",
    "partial",
    "format",
    "unsupported",
    "missing",
]


class Confusion(Record):
    """How often one label was answered where another is right."""

    truth: str
    answered: str
    count: int


class SingleRequests(Record):
    """Seconds that one client waits for an answer, one request at a time."""

    requests: int = Field(description="requests that were timed, without the first, which warms up")
    p50_s: float = Field(description="median, in seconds")
    p95_s: float = Field(description="95th percentile, in seconds")
    p95_low_s: float | None = Field(
        default=None,
        description="lower end of the 95th percentile's 95% interval, in seconds; absent: unknown",
    )
    p95_high_s: float | None = Field(
        default=None, description="upper end of that interval, in seconds; absent: unknown"
    )


class StrategyResult(Record):
    """One strategy on the test set."""

    spec: StrategySpec
    accuracy: Estimate
    partial: Estimate = Field(description="mean share of fields right; equals accuracy for labels")
    format_ok: Estimate
    unsupported: Estimate | None = Field(
        default=None, description="hallucination rate, where a source is given"
    )
    general: Estimate | None = Field(default=None, description="accuracy on the general probe")
    missing: int = Field(description="items without an answer, counted as wrong")
    prompt_tokens_mean: float
    completion_tokens_mean: float
    seconds_per_answer: float = Field(
        description="throughput: seconds over answers, as answered in batches"
    )
    single_requests: SingleRequests | None = Field(
        default=None, description="what one client waits; none: not measured"
    )
    cut_share: float = Field(
        default=0.0, description="share of prompts that had to be cut to the context"
    )
    format_strict: Estimate | None = Field(
        default=None, description="share of answers in the right format without any repair"
    )
    fields: dict[str, Estimate] = Field(
        default_factory=dict, description="share right, per field of the record"
    )
    macro_f1: Estimate | None = Field(
        default=None, description="mean F1 over the labels, for kind=label"
    )
    confusions: list[Confusion] = Field(
        default_factory=list, description="most frequent wrong labels, for kind=label"
    )
    outcomes: dict[Outcome, float] = Field(
        default_factory=dict,
        description="share of replies by how they ended, of those that were not simply answered",
    )
    cut_off_by: dict[str, float] = Field(
        default_factory=dict,
        description="share of replies that a room cut off, by the parameter to raise; those that repeat themselves apart",
    )
    stable_tokens: float = Field(
        default=0.0,
        description="tokens at the beginning of its prompts that are the same for all questions, part of prompt_tokens_mean",
    )
    thought_tokens_mean: float = Field(
        default=0.0, description="tokens thought per answer, part of completion_tokens_mean"
    )
    seconds_p95: float = Field(default=0.0, description="95th percentile of seconds per answer")
    cascade: Cascade | None = Field(
        default=None, description="how its two models share the questions; None: one model answers"
    )


class CascadePoint(Record):
    """A cascade at one share of questions passed on to the large model."""

    least: float | None = Field(
        description="confidence from which the small model answers; None: one model answers all"
    )
    passed: float = Field(description="share of the questions passed on, 0..1")
    accuracy: Estimate
    seconds_p50: float = Field(description="median of seconds per answer")
    seconds_p95: float = Field(description="95th percentile of seconds per answer")
    dominated: bool = Field(
        default=False, description="whether a point that passes on fewer is as right"
    )


class Cascade(Record):
    """A small model that answers where it is sure, and a large one for the rest; chosen on validation."""

    small: str = Field(description="strategy that is asked first")
    large: str = Field(description="strategy that is asked where the first is not sure enough")
    state: Literal[
        "cascade",
        "small alone",
        "no confidence",
        "confidence tells nothing",
        "not shown",
        "too dear",
        "judged",
    ] = Field(description="whether there is a cascade, or why there is none")
    least: float | None = Field(
        default=None, description="confidence from which the small model answers; None: no cascade"
    )
    validation_items: int = Field(description="validation questions that both models answered")
    margin: float = Field(
        description="by how much it may be less right than the large one, a share"
    )
    wanted: float = Field(
        default=0.0, description="share right that was wanted; 0: as the large one, within margin"
    )
    passed: Estimate | None = Field(
        default=None, description="share of the test questions passed on"
    )
    seconds_p50: float = Field(default=0.0, description="median of seconds per answer, on the test")
    curve: list[CascadePoint] = Field(
        default_factory=list, description="on the test, from all small to all large"
    )
    parts: list[StrategyResult] = Field(
        default_factory=list,
        description="the small model, and the large one on what is passed on: what costs rest on",
    )


class Effect(Record):
    """What one factor of the grid does to accuracy, averaged over the other factor, on the same items."""

    name: str = Field(description="tuning, retrieval or their interaction")
    meaning: str = Field(description="the contrast in words")
    difference: Estimate = Field(description="change in accuracy, a share")
    p_value: float = Field(description="two-sided, from the same cluster variance as the interval")


class Comparison(Record):
    """Paired difference in accuracy of two strategies on the same items, a minus b."""

    a: str
    b: str
    difference: Estimate
    p_value: float = Field(
        description="exact, two-sided: McNemar, or its sign-flip form where items come in clusters"
    )
    p_adjusted: float = Field(description="Holm over all comparisons of the family")
    wins: int
    losses: int
    error: float = Field(
        default=0.0, description="standard error of the difference, a share; 0: from the interval"
    )
    df: float | None = Field(
        default=None, description="degrees of freedom of its Student's t; None: the normal law"
    )
    parts: dict[str, float] = Field(
        default_factory=dict,
        description="variance by source: items, clusters, seeds, judge; empty: items alone",
    )


class Slice(Record):
    """A part of the test set in which a strategy's accuracy differs from the rest."""

    name: str = Field(description="what the items have in common")
    strategy: str
    items: int = Field(description="items in the slice")
    inside: float = Field(description="share right in the slice")
    outside: float = Field(description="share right in the rest")
    difference: Estimate = Field(description="inside minus outside, a share")
    q_value: float = Field(
        description="p-value corrected for false discovery over all slices and strategies"
    )


class Neighbours(Record):
    """A strategy's accuracy on questions that a training example asks in other words, and on the rest."""

    strategy: str
    items: int = Field(description="questions with such a training example")
    inside: float = Field(description="share right among these")
    outside: float = Field(description="share right in the rest")
    difference: Estimate | None = Field(
        description="inside minus outside, a share; None with too few questions on either side"
    )


class KnowledgeUpdateArm(Record):
    """What a strategy says where a fact has changed; nothing was trained in between."""

    strategy: str
    family: str
    before: Estimate = Field(description="share that stated the fact right under the first edition")
    after: Estimate = Field(description="share that states the later fact after the change")
    from_the_past: Estimate = Field(
        description="share that still states the old fact after the change"
    )


class KnowledgeUpdate(Record):
    """What a later edition of the handbook does to every strategy."""

    questions: int = Field(description="test questions whose right answer changed")
    arms: list[KnowledgeUpdateArm]


class InjectionArm(Record):
    """How one strategy takes instructions that are planted in its passages."""

    strategy: str
    family: str
    injections: int = Field(
        description="planted instructions, each in the best passage of another question"
    )
    obeyed: Estimate = Field(description="share of answers that hold the code asked for")
    derailed: Estimate | None = Field(
        description="share of answers right without an attack that are not right with it; None: none was"
    )
    by_kind: dict[str, int] = Field(
        default_factory=dict, description="kinds of attack that were obeyed, most often first"
    )
    examples: list[str] = Field(
        default_factory=list, description="up to five that were obeyed, with the answer"
    )


class Grades(Record):
    """People's grades of one strategy's answers against the judge's verdicts, in counts."""

    strategy: str
    right_called_right: int
    right_called_wrong: int
    wrong_called_right: int
    wrong_called_wrong: int


class JudgeCheck(Record):
    """A model that judges answers, held against human labels."""

    judge: str = Field(description="name of the model")
    labels: int = Field(description="answers graded by people")
    sensitivity: Estimate = Field(description="share of right answers that it calls right")
    specificity: Estimate = Field(description="share of wrong answers that it calls wrong")
    kappa: float = Field(description="agreement with people beyond chance")
    disagreement: float = Field(
        description="share of labelled answers whose verdict depends on the order of answer and reference"
    )
    bill: str = Field(default="", description="what its verdicts cost; empty: not known")
    grades: list[Grades] = Field(
        default_factory=list, description="grades by strategy; empty: the file does not name them"
    )
    unequal_p: float | None = Field(
        default=None, description="p-value that it errs alike for all strategies; None: not tested"
    )


class CoveragePoint(Record):
    """The answers that a model is surest of, up to a share of all questions."""

    coverage: float = Field(description="share of the questions, the surest answers first")
    least: float = Field(description="lowest confidence among them, 0..1")
    wrong: Estimate = Field(description="share of them that is wrong")


class ReliabilityPoint(Record):
    """Answers that a model was about equally sure of."""

    answers: int
    confidence: float = Field(description="mean confidence, 0..1")
    right: Estimate = Field(
        description="share of them that is right; what a well calibrated model has as its confidence"
    )


class Selective(Record):
    """Whether a strategy knows when it is right: what it may answer alone, and what should go to a person."""

    strategy: str
    family: str
    told: int = Field(description="answers whose confidence is known")
    confidence: float = Field(description="mean confidence, 0..1")
    overconfidence: Estimate = Field(
        description="mean confidence minus share right; above 0: it thinks too well of itself"
    )
    auroc: Estimate | None = Field(
        description="chance that a right answer is surer than a wrong one; 0.5: its confidence tells nothing; None: all right or all wrong"
    )
    curve: list[CoveragePoint] = Field(description="from the surest answers to all")
    reliability: list[ReliabilityPoint] = Field(
        default_factory=list, description="from the least sure answers to the surest"
    )
    allowed_wrong: float = Field(
        description="share of wrong answers allowed among those that it gives alone"
    )
    alone: float = Field(
        description="largest share of the questions with no more wrong than that, with 95% certainty; 0: none"
    )
    least: float | None = Field(
        default=None, description="confidence from which it may answer alone; None: never"
    )
    caught: float | None = Field(
        default=None,
        description="least share of wrong answers that the judge calls wrong, which the promise allows for; None: no judge",
    )


class Evaluation(Record):
    """All strategies on the same test items."""

    results: list[StrategyResult]
    comparisons: list[Comparison]
    regression: list[Comparison] = Field(
        default_factory=list, description="tuned against base on the general probe"
    )
    test_items: int
    test_accesses: list[str] = Field(
        description="UTC time of each opening of the test set in this run folder"
    )
    looks: int = Field(
        default=1, description="looks at these test items, over all runs of the project"
    )
    seeds: int = Field(
        default=0, description="trainings whose spread from seed to seed was measured; 0: none"
    )
    base_parameters: int = Field(
        default=0, description="parameters of the local base model; 0: not known"
    )
    duration_s: float
    clusters: int = Field(
        default=0, description="independent clusters of test items (customer, near copies)"
    )
    effects: list[Effect] = Field(
        default_factory=list, description="effects of tuning, retrieval and their interaction"
    )
    probe_items: int = Field(default=0, description="items of the general probe; 0: not measured")
    probe_note: str = Field(
        default="", description="why the general probe was not measured, if it was not"
    )
    notes: list[str] = Field(
        default_factory=list, description="what a reader must know, e.g. missing answers"
    )
    slices: list[Slice] = Field(
        default_factory=list, description="where strategies are weaker or stronger than elsewhere"
    )
    neighbours: list[Neighbours] = Field(
        default_factory=list,
        description="accuracy with and without a training example of the same meaning; empty: no question has one",
    )
    judge: JudgeCheck | None = Field(
        default=None,
        description="the model that said which answers are right; None: the task's metric",
    )
    injections: list[InjectionArm] = Field(
        default_factory=list,
        description="instructions planted in passages; empty: not measured, or nothing is retrieved",
    )
    selective: list[Selective] = Field(
        default_factory=list,
        description="what each strategy may answer alone; empty: no model tells its confidence",
    )
    not_measured: list[NotMeasured] = Field(
        default_factory=list,
        description="arms with too many technical failures: they enter no comparison",
    )
    left_out: int = Field(
        default=0,
        description="test items that an endpoint did not answer, compared for no strategy",
    )
    bills: list[EndpointBill] = Field(
        default_factory=list, description="what the endpoints of this stage cost, the judge's too"
    )
    cascade: Cascade | None = Field(
        default=None, description="a small and a large model together; None: not tried"
    )
    edition: KnowledgeUpdate | None = Field(
        default=None, description="what a later edition of the handbook does; None: not measured"
    )
