"""The pydantic records that travel between notebooks as files.

Every record forbids unknown fields and carries a schema version. Shares are in 0..1, times in seconds (``_s``),
memory in GiB (``_gib``), money in US dollars (``_usd``).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TaskKind = Literal["label", "fields", "text"]
Origin = Literal["measured", "given", "assumed"]
Split = Literal["train", "validation", "test"]

EXAMPLE_COLUMNS = ["id", "input", "output", "group", "cluster", "split", "source_row"]
ANSWER_COLUMNS = [
    "item_id", "strategy", "text", "prompt_tokens", "completion_tokens", "latency_s", "passage_ids", "passages", "cut",
]  # fmt: skip
SCORE_COLUMNS = ["item_id", "strategy", "group", "correct", "partial", "format", "unsupported", "missing"]


class Record(BaseModel):
    """Base of all records: unknown fields are an error, not a silent loss."""

    model_config = ConfigDict(extra="forbid")
    schema_version: int = Field(default=1, description="version of this record's layout")


class Estimate(Record):
    """A measured share or difference with its 95% interval."""

    value: float = Field(description="point estimate")
    low: float = Field(description="lower end of the 95% interval")
    high: float = Field(description="upper end of the 95% interval")
    n: int = Field(description="number of items behind it")
    method: str = Field(description="how the interval was made, e.g. Wilson, paired cluster bootstrap")


class Check(Record):
    """One executable format check of the task card."""

    name: str = Field(description="short name shown to people")
    kind: Literal["json", "keys", "enum", "max_words", "min_words", "regex", "not_regex", "non_empty"] = Field(
        description="what is checked"
    )
    field: str = Field(default="", description="field of a structured output; empty for the whole answer")
    value: Any = Field(default=None, description="keys, allowed values, limit or pattern")


class TaskCard(Record):
    """What the model must do (G3)."""

    name: str = Field(description="project name")
    instruction: str = Field(description="the task in one or two sentences, as told to the model")
    kind: TaskKind = Field(description="type of output: a label, a JSON record of fields, or free text")
    labels: list[str] = Field(default_factory=list, description="allowed labels, for kind=label")
    fields: list[str] = Field(default_factory=list, description="fields of the record in order, for kind=fields")
    key_fields: list[str] = Field(default_factory=list, description="fields that must be right for an answer to be right")
    tone: str = Field(default="", description="tone wanted, for people and for the prompt")
    checks: list[Check] = Field(default_factory=list, description="executable format, length and failure-mode checks")
    knowledge_field: str = Field(default="", description="field whose value must be supported by a passage")
    metric: str = Field(default="exact", description="how a text (or every field) is held against the right one")
    field_metrics: dict[str, str] = Field(default_factory=dict, description="another metric for single fields")
    metric_threshold: float = Field(default=1.0, description="share of the metric from which an answer counts as right")
    metric_tolerance: float = Field(default=0.0, description="relative tolerance of the metric number")

    def completed(self, labels: list[str]) -> TaskCard:
        """Return the card with the labels found in the data, where none were given."""
        if self.kind != "label" or self.labels:
            return self
        checks = [*self.checks, Check(name="a known label", kind="enum", value=labels)]
        return self.model_copy(update={"labels": labels, "checks": checks})


class Passage(Record):
    """One chunk of a handbook article, as it is indexed, put before the model and cited."""

    id: str = Field(description="chunk id, e.g. H-012#0")
    source: str = Field(description="id of the article, as it is cited, e.g. H-012")
    title: str = Field(default="", description="title or section path")
    text: str
    score: float = Field(default=0.0, description="search score, higher is better; 0 outside of a search")


class Reason(Record):
    """One question of the suitability interview with what it speaks for."""

    question: str
    answer: str
    speaks_for: Literal["fine-tuning", "retrieval", "prompting", "nothing"]
    why: str
    origin: Origin = "given"


class Suitability(Record):
    """Is fine-tuning even a candidate (G1)? Expectation only: the decision is measured later."""

    expected: Literal["fine-tuning", "retrieval", "prompting", "hybrid"]
    sentence: str
    reasons: list[Reason]
    difference_points: float = Field(description="difference in accuracy that matters, in percentage points")
    test_examples_needed: int = Field(description="test examples to settle that difference at 80% power, 5% level")
    discordant_share: float = Field(description="assumed share of items on which two strategies differ")


class Defect(Record):
    """One kind of defect found in the data."""

    kind: str
    count: int
    action: str = Field(description="what was done with the rows")
    removed: int = Field(default=0, description="rows that were taken out because of it; the others were kept")
    examples: list[str] = Field(default_factory=list, description="up to 5 short, masked samples with row numbers")


class Agreement(Record):
    """How far annotators agree."""

    annotators: list[str]
    rows: int = Field(description="rows with two labels or more")
    disputed: int = Field(description="rows on which they differ")
    alpha: Estimate = Field(description="Krippendorff's alpha, nominal")
    kappas: dict[str, Estimate] = Field(description="Cohen's kappa per pair of annotators")
    ceiling: Estimate = Field(description="how often one annotator says what most others say: the best a test can show")


class LabelCheck(Record):
    """Whether the values of a field can be checked by a classifier, and what it doubts."""

    field: str
    accuracy: float = Field(description="share of rows whose value it names in cross-validation")
    majority: float = Field(description="share of rows with the most frequent value")
    reliable: bool = Field(description="whether its doubts were used")
    suspects: int = Field(default=0, description="rows that it takes for wrong")
    test_ceiling: Estimate | None = Field(
        default=None, description="share of test rows not suspected: about the best accuracy that the test can show"
    )


class DataCard(Record):
    """What the data are, what was wrong and what was done (G4)."""

    file: str
    file_sha256: str
    encoding: str
    separator: str = ""
    rows_read: int
    rows_rejected: int = Field(description="rows taken out as defects; each stands in rejected.jsonl with its reason")
    rows_used: int
    rows_left_out: int = Field(default=0, description="good rows not used because data.max_... keeps fewer")
    defects: list[Defect]
    splits: dict[str, int] = Field(description="examples per split")
    labels: dict[str, int] = Field(default_factory=dict, description="rows per label, most frequent first")
    classes: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="rows per allowed value, most frequent first, per field (label: the one field 'label')"
    )
    input_words_p50: float
    input_words_p95: float
    output_words_p50: float
    output_words_p95: float
    leakage_before: dict[str, int] = Field(description="pairs crossing the splits that a random split would have leaked")
    leakage_after: dict[str, int] = Field(description="pairs crossing the frozen splits")
    volume_verdict: str = Field(description="the guide's volume criterion applied to this data")
    detectable_points: float = Field(description="smallest difference, in points, this test set can tell at 80% power")
    label_checks: list[LabelCheck] = Field(
        default_factory=list, description="which answers could be checked, and what is doubtful"
    )
    meaning_source: str = Field(default="", description="what the comparison by meaning rests on; empty: it was not made")
    paraphrase_threshold: float | None = Field(default=None, description="cosine from which inputs count as paraphrases")
    agreement: Agreement | None = Field(default=None, description="agreement of several annotators, where given")


class Prompt(Record):
    """One prompt candidate; ``{input}`` and ``{passages}`` are filled literally, never by str.format."""

    name: str
    system: str
    shots: list[str] = Field(default_factory=list, description="ids of few-shot examples, from train only")
    similar: int = Field(default=0, description="few-shot examples looked up per question: the most similar ones of train")
    sha256: str = ""

    @property
    def few_shot(self) -> bool:
        """Whether examples are shown, fixed or looked up."""
        return bool(self.shots or self.similar)


class PromptTrial(Record):
    """One prompt candidate measured on validation."""

    prompt: Prompt
    accuracy: Estimate
    partial: float = Field(default=0.0, description="mean share of fields right; equals accuracy for labels")
    format_ok: float = Field(description="share of answers in the right format, repairs included")
    prompt_tokens_mean: float
    seconds_per_answer: float
    cut_share: float = Field(default=0.0, description="share of prompts that had to be cut to the context")


class PromptBook(Record):
    """All prompts tried on validation; ``zero_shot`` and ``few_shot`` name the chosen ones."""

    trials: list[PromptTrial]
    zero_shot: str
    few_shot: str
    validation_items: int

    def get(self, name: str) -> Prompt:
        """Return the prompt of that name. Raises KeyError if there is none."""
        for trial in self.trials:
            if trial.prompt.name == name:
                return trial.prompt
        raise KeyError(name)


class RetrievalCard(Record):
    """Can we find the right passage?"""

    enabled: bool
    reason: str = Field(default="", description="why retrieval is off, if it is")
    documents: int = 0
    chunks: int = 0
    embedding_model: str = ""
    top_k: int = 0
    hit_rate: dict[str, Estimate] = Field(default_factory=dict, description="share of questions with the answer in top k")
    chosen: str = Field(default="", description="search mode chosen on validation: vector, bm25 or hybrid")
    questions: int = Field(default=0, description="questions, none from the test, that the choice rests on")
    prompt: str = Field(default="", description="name of the prompt that did best with passages on validation")
    shot_passages: bool = Field(default=False, description="whether the few-shot examples are shown with their own passages")
    prompt_trials: list[PromptTrial] = Field(default_factory=list, description="prompts with passages, on validation")
    gold_trial: PromptTrial | None = Field(
        default=None, description="the chosen prompt with the right article put before the model, on the same examples"
    )
    causes: dict[str, int] = Field(
        default_factory=dict, description="validation answers by cause: right, knowledge, search, behaviour, harm"
    )
    labelled_by: str = Field(default="", description="how relevance was decided")
    chunks_sha256: str = ""


class TrainPoint(Record):
    """One line of the training log."""

    step: int
    epoch: float
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_s: float | None = None


class StrengthTrial(Record):
    """Part of the learnt change applied, and what it does."""

    strength: float = Field(description="share of the change applied, 0 (base) to 1 (all)")
    general: Estimate = Field(description="change in general skills against the base, a share; negative: lost")
    accuracy: dict[str, Estimate] = Field(description="share of validation examples right, by arm")


class TrainingCard(Record):
    """What was trained, did it learn, and what it took."""

    method: Literal["lora", "full"]
    base: str
    base_sha256: str
    adapter: str = Field(description="folder of the adapter, relative to the run folder")
    prompt: str = Field(default="", description="name of the prompt that the examples were shown with")
    parameters: int
    trainable_parameters: int
    examples: int
    general_examples: int
    epochs: float
    steps: int
    tokens: int
    duration_s: float
    peak_memory_gib: float
    log: list[TrainPoint]
    best_validation_loss: float
    stopped_early: bool
    verdict: Literal["learnt", "underfit", "overfit", "diverged"]
    advice: str
    loss_sample: list[tuple[str, bool]] = Field(description="tokens of one example, and whether each is in the loss")
    strength: float = Field(default=1.0, description="share of the learnt change that the adapter applies")
    strength_trials: list[StrengthTrial] = Field(default_factory=list, description="strengths tried; empty: not measured")
    general_allowed: float = Field(default=0.0, description="general skills that might be lost on them, a share")


class PreferencePoint(Record):
    """One line of the preference log; a margin is the reward of the better answer minus that of the worse one."""

    step: int
    loss: float | None = None
    margin: float | None = None
    held_loss: float | None = Field(default=None, description="on pairs from validation")
    held_margin: float | None = None
    held_accuracy: float | None = Field(default=None, description="share of validation pairs with the better answer ahead")


class PreferenceCard(Record):
    """Are the answers preferred after preference tuning?"""

    method: Literal["none", "dpo"]
    reason: str = Field(default="", description="why it was not done, or is used or not")
    adapter: str = Field(default="", description="folder of the adapter, relative to the run folder")
    source: str = Field(default="", description="where the pairs come from")
    pairs: int = 0
    gold_pairs: int = Field(default=0, description="pairs whose better answer is the data's, as no sampled one was right")
    held_pairs: int = 0
    log: list[PreferencePoint] = Field(default_factory=list)
    duration_s: float = 0.0
    items: int = Field(default=0, description="validation answers compared")
    wins: int = Field(default=0, description="answers that score higher than those of 05")
    losses: int = 0
    win_rate: Estimate | None = Field(default=None, description="wins among the answers that score differently")
    accuracy_before: Estimate | None = None
    accuracy_after: Estimate | None = None
    difference: Estimate | None = Field(default=None, description="share right after minus before")
    words_before: float = 0.0
    words_after: float = 0.0
    repeated_before: float = Field(default=0.0, description="share of answers with a threefold repetition")
    repeated_after: float = 0.0
    hacked: str = Field(default="", description="sign of reward hacking; empty: none")
    used: bool = Field(default=False, description="whether 07 uses it: a gain beyond chance and no hacking")


class StrategySpec(Record):
    """A point of the grid model × prompt × retriever."""

    name: str
    family: Literal["prompting", "few-shot", "RAG", "fine-tuned", "hybrid", "endpoint", "endpoint RAG"]
    model: Literal["base", "tuned", "endpoint"]
    prompt: str = Field(description="name of the prompt in the prompt book")
    retriever: bool
    adapter: str = Field(default="", description="adapter folder relative to the run folder, for model=tuned")
    shot_passages: bool = Field(default=False, description="whether few-shot examples are shown with their own passages")


class Confusion(Record):
    """How often one label was answered where another is right."""

    truth: str
    answered: str
    count: int


class StrategyResult(Record):
    """One strategy on the test set."""

    spec: StrategySpec
    accuracy: Estimate
    partial: Estimate = Field(description="mean share of fields right; equals accuracy for labels")
    format_ok: Estimate
    unsupported: Estimate | None = Field(default=None, description="hallucination rate, where a source is given")
    general: Estimate | None = Field(default=None, description="accuracy on the general probe")
    missing: int = Field(description="items without an answer, counted as wrong")
    prompt_tokens_mean: float
    completion_tokens_mean: float
    seconds_per_answer: float
    cut_share: float = Field(default=0.0, description="share of prompts that had to be cut to the context")
    format_strict: Estimate | None = Field(default=None, description="share of answers in the right format without any repair")
    fields: dict[str, Estimate] = Field(default_factory=dict, description="share right, per field of the record")
    macro_f1: Estimate | None = Field(default=None, description="mean F1 over the labels, for kind=label")
    confusions: list[Confusion] = Field(default_factory=list, description="most frequent wrong labels, for kind=label")
    seconds_p95: float = Field(default=0.0, description="95th percentile of seconds per answer")


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
    p_value: float = Field(description="exact, two-sided: McNemar, or its sign-flip form where items come in clusters")
    p_adjusted: float = Field(description="Holm over all comparisons of the family")
    wins: int
    losses: int


class Slice(Record):
    """A part of the test set in which a strategy's accuracy differs from the rest."""

    name: str = Field(description="what the items have in common")
    strategy: str
    items: int = Field(description="items in the slice")
    inside: float = Field(description="share right in the slice")
    outside: float = Field(description="share right in the rest")
    difference: Estimate = Field(description="inside minus outside, a share")
    q_value: float = Field(description="p-value corrected for false discovery over all slices and strategies")


class EditionArm(Record):
    """What a strategy says where a fact has changed; nothing was trained in between."""

    strategy: str
    family: str
    before: Estimate = Field(description="share that stated the fact right under the first edition")
    after: Estimate = Field(description="share that states the later fact after the change")
    from_the_past: Estimate = Field(description="share that still states the old fact after the change")


class Edition(Record):
    """What a later edition of the handbook does to every strategy."""

    questions: int = Field(description="test questions whose right answer changed")
    arms: list[EditionArm]


class Evaluation(Record):
    """All strategies on the same test items."""

    results: list[StrategyResult]
    comparisons: list[Comparison]
    regression: list[Comparison] = Field(default_factory=list, description="tuned against base on the general probe")
    test_items: int
    openings: list[str] = Field(description="UTC time of each opening of the test set in this run folder")
    duration_s: float
    clusters: int = Field(default=0, description="independent clusters of test items (customer, near copies)")
    effects: list[Effect] = Field(default_factory=list, description="effects of tuning, retrieval and their interaction")
    probe_items: int = Field(default=0, description="items of the general probe; 0: not measured")
    probe_note: str = Field(default="", description="why the general probe was not measured, if it was not")
    notes: list[str] = Field(default_factory=list, description="what a reader must know, e.g. missing answers")
    slices: list[Slice] = Field(default_factory=list, description="where strategies are weaker or stronger than elsewhere")
    edition: Edition | None = Field(default=None, description="what a later edition of the handbook does; None: not measured")


class Price(Record):
    """One figure of the cost model with where it comes from."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str = ""
    low: float | None = Field(default=None, description="least value that an assumed figure may have; None: taken as it is")
    high: float | None = Field(default=None, description="largest value that an assumed figure may have")


class StrategyCost(Record):
    """What a strategy costs."""

    strategy: str
    one_off_usd: float
    monthly_usd: float
    per_1000_answers_usd: float
    first_year_usd: float
    first_year_low_usd: float | None = Field(default=None, description="5% of the drawn first-year costs lie below, USD")
    first_year_high_usd: float | None = Field(default=None, description="5% of the drawn first-year costs lie above, USD")
    break_even_answers_per_month: float | None = Field(
        default=None, description="monthly volume above which it is cheaper over a year than the strategy it replaces"
    )
    replaces: str = Field(default="", description="the strategy that the break-even volume is counted against")
    per_1000_right_usd: float | None = Field(default=None, description="running cost of 1,000 right answers; None: none right")
    updates_per_year: float = Field(default=0.0, description="re-tunings or rewrites a year that the cost holds")
    upkeep_first_year_usd: float = Field(default=0.0, description="part of the first year that keeps up with changes")
    by_volume: list[tuple[float, float]] = Field(
        default_factory=list, description="first-year cost in USD at other volumes: (answers a month, USD)"
    )


class Gate(Record):
    """One gate that a strategy must pass before accuracy and cost count."""

    strategy: str
    gate: str
    passed: bool | None = Field(description="None: not measured, or the interval lies on both sides of the limit")
    detail: str
    state: Literal["passed", "failed", "can't tell", "not measured"] = Field(
        default="not measured", description="passed or failed only where the whole interval says so"
    )
    limit: float | None = Field(default=None, description="the limit that a share was held against")


class Claim(Record):
    """A claim of the guide held against what this run measured."""

    claim: str
    point: str = Field(description="the guide's point, e.g. G9")
    measured: str = Field(description="what this run measured, with its interval")
    verdict: Literal["holds here", "does not hold here", "can't tell", "not testable here"]


class Swing(Record):
    """What one assumed figure does to the cost of a strategy against another, the rest as it is."""

    price: str
    low: float = Field(description="its least value")
    high: float = Field(description="its largest value")
    at_low_usd: float = Field(description="extra cost of the first year at the least value, USD")
    at_high_usd: float = Field(description="extra cost of the first year at the largest value, USD")


class Decision(Record):
    """The verdict and what it rests on."""

    verdict: str = Field(description="prompting, few-shot, RAG, fine-tuned, hybrid, endpoint, none or can't tell yet")
    strategy: str | None
    sentence: str = Field(description="the verdict in one sentence a manager can repeat")
    reasons: list[str]
    gates: list[Gate]
    costs: list[StrategyCost]
    prices: list[Price]
    margin_points: float
    more_test_examples: int | None = None
    more_test_usd: float | None = Field(default=None, description="what labelling these test examples would cost")
    leading: str = Field(default="", description="strategy ahead so far, where the verdict is can't tell yet")
    flips: list[str] = Field(description="what would change the verdict, and how close it is")
    flip_factors: list[float] = Field(
        default_factory=list, description="per flip: the factor by which its figure must move, 2 for a choice"
    )
    expected: str = Field(description="what 01 expected before measuring")
    next_steps: list[str] = Field(default_factory=list, description="what to do on Monday, in order")
    claims: list[Claim] = Field(default_factory=list, description="the guide's claims held against this run")
    price_draws: int = Field(default=0, description="draws of all assumed figures within their ranges")
    holds_share: float | None = Field(default=None, description="share of the draws in which the verdict stays the same, 0..1")
    swings: list[Swing] = Field(default_factory=list, description="extra cost per assumed figure, widest first")
    swings_of: tuple[str, str] | None = Field(default=None, description="strategy, and the one its extra cost is counted against")
    extra_usd: float | None = Field(default=None, description="extra cost of the first year with all figures as they are, USD")


class Bundle(Record):
    """A whole strategy as one folder: what it answers with, and the hash of each of its files (``strategy.json``)."""

    name: str = Field(description="name by which clients ask for it")
    project: str
    spec: StrategySpec
    prompt: Prompt
    base_model: str = Field(description="embedded, a folder, a Hugging Face model name, or the endpoint's model")
    base_sha256: str = Field(default="", description="fingerprint of the base's weights; empty for an endpoint")
    weights: str = Field(default="", description="folder of the weights in this export; empty: the base as it is")
    form: Literal["adapter", "merged", "base", "endpoint"]
    endpoint_url: str = ""
    max_new_tokens: int
    batch_size: int
    search_mode: str = Field(default="", description="vector, bm25 or hybrid; empty without a retriever")
    top_k: int = 0
    instruction: str = Field(description="the task, as told to people")
    verdict: str = Field(description="the decision's sentence")
    accuracy: Estimate | None = Field(default=None, description="share right on the test")
    run: str
    created: str
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 per file, by path in the folder")


class Parity(Record):
    """Answers of an exported strategy against those of 07, on the same items."""

    path: str = Field(description="how they were asked: the files, the server, or with a planted fault")
    items: int
    identical: Estimate = Field(description="share of answers that are the same text")
    cause: str = Field(description="likely cause of the differences: none, rounding, or what is wrong")
    explanation: str = Field(description="what points to it")
    first_differences: list[str] = Field(default_factory=list, description="where the first answers part, at most three")
    logprob_gap: float | None = Field(
        default=None, description="mean change of the log-probability per token of the same answers, nats"
    )
    passed: bool = Field(description="identical, or different by rounding only")


class ServingFile(Record):
    """One file for a serving platform."""

    name: str
    platform: str
    checked: str = Field(description="how it was checked; what was not run is said")


class LoadPoint(Record):
    """The server under so many clients at once."""

    clients: int
    requests: int
    failed: int
    answers_per_s: float
    p50_s: float = Field(description="median seconds per answer")
    p95_s: float = Field(description="95% of the answers come within so many seconds")


class DeploymentCard(Record):
    """What ships, and the proof that it still answers the same."""

    strategy: str
    family: str
    verdict: str = Field(description="the decision's verdict when it was exported")
    export: str = Field(description="folder of the export, relative to the run folder")
    form: str
    size_mib: float
    parity: list[Parity]
    faults: list[Parity] = Field(default_factory=list, description="planted faults: each must fail and be named")
    serving: list[ServingFile]
    load: list[LoadPoint] = Field(default_factory=list)
    skipped: str = Field(default="", description="why nothing was exported, if so")


Verdict10 = Literal["keep", "refresh handbook", "new prompt", "re-tune", "label first", "nothing to watch"]


class WatchedSignal(Record):
    """One thing that is watched week by week."""

    name: str
    unit: str
    usual: float = Field(description="value of the reference")
    values: list[float | None] = Field(description="value per week; None: too few rows")
    p_values: list[float] = Field(description="smallest p-value of the week's tests; 1 where not tested")
    since: str = Field(default="", description="first day of the week of the first alarm; empty: none")


class MonitoringCard(Record):
    """Has production drifted since the test, and is it time to re-tune?"""

    log: str = Field(default="", description="the log's file; empty: nothing to watch yet")
    rows: int = 0
    rejected: int = Field(default=0, description="lines that could not be used")
    weeks: list[str] = Field(default_factory=list, description="first day of each week")
    rows_per_week: list[int] = Field(default_factory=list)
    reference: str = Field(default="", description="what stands for the usual")
    signals: list[WatchedSignal] = Field(default_factory=list)
    p_limit: float = Field(default=0.0, description="p-value of an alarm, so that 5% of quiet years have a false one")
    examples: list[tuple[str, str]] = Field(default_factory=list, description="week and text of what is most unlike the usual")
    words: list[tuple[str, float, float]] = Field(default_factory=list, description="word, share of texts before and since")
    handbook_changed: int = Field(default=0, description="articles of the current handbook that differ from those in use")
    handbook_articles: int = 0
    quality: Estimate | None = Field(default=None, description="share right of labelled production answers")
    tested: Estimate | None = Field(default=None, description="share right in the test")
    days_since_training: int = 0
    label_rows: int = Field(default=0, description="rows of the sample to label")
    verdict: Verdict10 = "nothing to watch"
    reasons: list[str] = Field(default_factory=list)
    next_steps: list[str] = Field(default_factory=list)


class Manifest(Record):
    """Written last by every stage; a stage is done when it exists."""

    stage: str
    parameters: dict[str, Any]
    inputs: dict[str, str] = Field(description="SHA-256 of each input file, by path relative to the run folder or absolute")
    outputs: dict[str, str] = Field(description="SHA-256 of each output file, by path relative to the run folder")
    code_sha256: str
    seed: int
    versions: dict[str, str]
    git_commit: str
    device: str
    started: str
    duration_s: float
    peak_memory_gib: float
