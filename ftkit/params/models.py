"""One pydantic model per notebook; field names are the papermill parameter names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

PRICE_DATE = "2026-11"
TRACKERS = ("trackio", "mlflow", "tensorboard", "wandb")
ENDPOINT_PRICES = (2.5, 10.0)  # USD per million prompt and answer tokens, assumed by ftkit


def _are_prices(value: list[float]) -> list[float]:
    if any(not 0 <= price < 1e6 for price in value):
        raise ValueError("prices are numbers from 0 on")
    return value


Prices = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_are_prices)]
"""USD per million tokens of the prompt and of the answer."""


class Parameters(BaseModel):
    """Base of all parameter models. ``run`` and ``seed`` are common to every notebook."""

    model_config = ConfigDict(extra="forbid")
    run: str = Field(default="outputs/demo", description="run folder: all notebooks of one project share it")
    seed: int = Field(default=7, ge=0, description="seed of every random choice of this stage")

    def external(self) -> list[Path]:
        """Return the files and folders outside of the run folder that the stage reads."""
        return []


class TaskParameters(Parameters):
    """01_task: what the model must do, and is fine-tuning even a candidate?"""

    name: str = Field(default="demo", min_length=1, description="project name, shown in the report")
    instruction: str = Field(
        default="Answer the customer message in the house format.", min_length=5,
        description="the task in one or two sentences, as a person would be told",
    )  # fmt: skip
    kind: Literal["label", "fields", "text"] = Field(
        default="fields", description="type of output: label, fields (a JSON record) or text"
    )
    labels: list[str] = Field(default=[], description="allowed labels, for kind label; empty: taken from the data")
    fields: list[str] = Field(
        default=["category", "urgency", "reply", "source"], description="fields of the record in order, for kind fields"
    )
    key_fields: list[str] = Field(
        default=["category", "urgency", "reply"], description="fields that must be right for an answer to count as right"
    )
    knowledge_field: str = Field(default="reply", description="field whose value must be supported by a passage; empty: none")
    enums: dict[str, list[str]] = Field(
        default={"category": ["delivery", "returns", "billing", "product", "account"], "urgency": ["low", "normal", "high"]},
        description="allowed values of a field",
    )  # fmt: skip
    output_schema: str = Field(
        default="", description="file with a JSON Schema (2020-12) that every record must keep to, for kind fields; empty: none"
    )
    tone: str = Field(default="short, factual", description="tone wanted")
    max_words: int = Field(default=60, ge=0, description="longest answer in words; 0: no limit")
    forbidden_regex: str = Field(
        default="", description="pattern that an answer must never contain (a failure mode); empty: none"
    )
    metric: str = Field(
        default="exact",
        description="when a text or field is right: exact, token_f1, contains, number, list, squad_exact, squad_f1, or your own as file.py:function",
    )
    field_metrics: dict[str, str] = Field(default={}, description="another metric for single fields, e.g. {amount: number}")
    metric_threshold: float = Field(
        default=1.0, gt=0, le=1, description="value of the metric from which an answer counts as right"
    )
    metric_tolerance: float = Field(default=0.0, ge=0, lt=1, description="tolerance of the metric number, a share")
    problem: Literal["behaviour", "knowledge", "both"] = Field(
        default="both", description="what is missing today: behaviour (format, tone, decisions), knowledge (facts) or both"
    )
    requirements_change: Literal["rarely", "monthly", "weekly"] = Field(
        default="rarely", description="how often the wanted behaviour changes"
    )
    facts_change: Literal["never", "yearly", "monthly", "daily"] = Field(
        default="monthly", description="how often the facts behind the answers change"
    )
    prompting_tried: Literal["no", "some", "a week"] = Field(
        default="some", description="how much work has gone into prompting before"
    )
    answers_per_month: int = Field(default=50_000, ge=0, description="volume, in answers a month")
    examples_at_hand: int = Field(default=600, ge=0, description="good input-output pairs at hand, in rows")
    domain_language: bool = Field(default=False, description="terms or reasoning of a special domain (legal, medical, ...)")
    difference_points: float = Field(
        default=10.0, gt=0, le=100, description="difference in accuracy that would change your mind, in percentage points"
    )

    def external(self) -> list[Path]:
        return [Path(self.output_schema)] if self.output_schema else []


class DataParameters(Parameters):
    """02_data: is our data good enough?"""

    data: str = Field(default="demo", min_length=1, description="file of examples, or demo for the built-in domain")
    test_data: str = Field(default="", description="file that holds the test examples; empty: split off from data")
    input_column: str = Field(default="message", min_length=1, description="column with what the model is given")
    output_column: str = Field(default="answer", min_length=1, description="column with the right answer")
    context_columns: list[str] = Field(
        default=[], description="columns put in front of the input, a line 'name: value' each, e.g. [region, product]"
    )
    group_column: str = Field(default="", description="column whose rows stay together in one split, e.g. customer; empty: none")
    split_column: str = Field(
        default="", description="column that says train, validation or test; what it does not name is drawn; empty: none"
    )
    time_column: str = Field(
        default="", description="column with a date: the newest rows become the test; empty: drawn at random"
    )
    encoding: str = Field(default="", description="encoding of the file; empty: UTF-8")
    validation_share: float = Field(
        default=0.1, gt=0, lt=0.5, description="share of examples for choosing prompts and checkpoints"
    )
    test_share: float = Field(default=0.2, gt=0, lt=0.5, description="share of examples held out for the test (guide: 10-20%)")
    folds: int = Field(
        default=0,
        ge=0,
        le=20,
        description="folds of a cross-validation, for few examples; ftkit run --folds sets it; 0: one split",
    )
    fold: int = Field(default=1, ge=1, le=20, description="which fold is the test")
    most_rows: int = Field(
        default=20_000, ge=100, description="rows kept of a file above 256 MiB, drawn with the seed while it is read"
    )
    max_examples: int = Field(default=0, ge=0, description="keep at most this many training examples; 0: all")
    max_validation: int = Field(default=0, ge=0, description="keep at most this many validation examples; 0: all")
    max_test: int = Field(default=0, ge=0, description="keep at most this many test examples; 0: all")
    near_duplicate_threshold: float = Field(
        default=0.8, gt=0, le=1, description="Jaccard similarity from which rows are near copies"
    )
    meaning_rows: int = Field(
        default=5000, ge=0,
        description="up to so many rows are compared by meaning (170 a second), more by their words; 0: neither",
    )  # fmt: skip
    annotator_columns: list[str] = Field(
        default=[], description="columns with the labels of several annotators, for their agreement"
    )
    personal_data: Literal["show", "redact", "drop"] = Field(
        default="show", description="rows with personal data: show (into the review queue), redact (pseudonyms) or drop"
    )
    repair: bool = Field(
        default=False,
        description="mend answers that are nearly JSON (trailing comma, quotes, ...); each is written to repaired.jsonl",
    )
    names_model: str = Field(
        default="", description="token-classification model that finds names as well; empty: lists of names and context"
    )
    review: str = Field(
        default="", description="file of review decisions (JSON lines, CSV, XLSX); empty: data/review.jsonl of the run, if there"
    )
    synthesis_model: str = Field(
        default="", description="model that proposes examples for cases with too few, for review; empty: none"
    )
    synthesis_url: str = Field(default="", description="OpenAI-compatible server that it answers at; empty: a local model")
    synthesis_most_usd: float = Field(
        default=0.0, ge=0, description="most that its proposals may cost, in USD, by synthesis_prices; 0: no limit"
    )
    synthesis_prices: Prices = Field(default=[*ENDPOINT_PRICES], description="its USD per million tokens: prompt, answer")
    synthesis_items: int = Field(default=5, ge=1, le=100, description="proposals per case, at most")
    demo_examples: int = Field(default=1200, ge=20, description="rows to generate when data is demo")
    demo_scenario: str = Field(default="main", description="main, prompting, rag or too_little, when data is demo")

    @model_validator(mode="after")
    def _folded(self) -> DataParameters:
        if self.folds == 1 or (self.folds and self.fold > self.folds):
            raise ValueError(f"fold {self.fold} of {self.folds} folds: use 2 folds or more, and one of them")
        if self.folds and (self.test_data or self.split_column or self.time_column):
            raise ValueError("folds draw the test themselves: leave test_data, split_column and time_column empty")
        return self

    def external(self) -> list[Path]:
        files = [Path(p) for p in (self.data, self.test_data, self.review) if p and p != "demo"]
        return files + ([self.decisions()] if not self.review and self.decisions().exists() else [])

    def decisions(self) -> Path:
        """Return the file of review decisions, whether it is there or not."""
        return Path(self.review) if self.review else Path(self.run) / "data" / "review.jsonl"


class ModelParameters(Parameters):
    """Parameters of every notebook that asks a model."""

    base_model: str = Field(default="embedded", min_length=1, description="embedded, a folder, or a Hugging Face model name")
    max_new_tokens: int = Field(default=64, ge=1, le=4096, description="longest answer, in tokens")
    batch_size: int = Field(default=16, ge=1, description="answers generated at once")
    threads: int = Field(default=0, ge=0, description="CPU threads; 0: what is free")

    def external(self) -> list[Path]:
        folder = Path(self.base_model)
        return [folder] if self.base_model != "embedded" and folder.is_dir() else []


class EndpointParameters(ModelParameters):
    """What a stage needs that asks an endpoint as well."""

    endpoint_url: str = Field(default="", description="OpenAI-compatible server; empty: none")
    endpoint_model: str = Field(default="", description="model name at the endpoint")
    endpoint_most_usd: float = Field(
        default=0.0, ge=0, description="most that its answers in this stage may cost, in USD, by endpoint_prices; 0: no limit"
    )
    endpoint_prices: Prices = Field(default=[*ENDPOINT_PRICES], description="its USD per million tokens: prompt, answer")


class PromptingParameters(EndpointParameters):
    """03_prompting: how far does the base model get with better prompts?"""

    validation_items: int = Field(default=60, ge=5, description="validation examples that each prompt answers")
    search_answers: int = Field(
        default=400, ge=0,
        description="answers that the search for a prompt may take in all; worse prompts are dropped early; 0: all answer all",
    )  # fmt: skip
    search_minutes: float = Field(
        default=0.0,
        ge=0,
        description="minutes that it should take at most: from there on only the best prompts go on; 0: no limit",
    )
    shots: list[int] = Field(default=[2, 4], description="numbers of few-shot examples to try")
    own_prompt: str = Field(
        default="", description="your own system prompt as a further candidate, or a file that holds it (.md, .txt); empty: none"
    )
    proposal_model: str = Field(default="", description="model that proposes instructions as further candidates; empty: none")
    proposal_url: str = Field(default="", description="OpenAI-compatible server that it answers at; empty: a local model")
    proposal_most_usd: float = Field(
        default=0.0, ge=0, description="most that its proposals may cost, in USD, by proposal_prices; 0: no limit"
    )
    proposal_prices: Prices = Field(default=[*ENDPOINT_PRICES], description="its USD per million tokens: prompt, answer")
    proposals: int = Field(default=4, ge=1, le=20, description="instructions that it proposes")
    endpoint_url: str = Field(
        default="", description="OpenAI-compatible server whose own best prompt is searched as well; empty: it gets the base's"
    )
    endpoint_answers: int = Field(
        default=400, ge=0, description="answers that this may take in all; 0: every prompt answers every example"
    )
    constrained: bool = Field(
        default=True,
        description="also try the best prompts with constrained decoding, where answers were not all in the right format",
    )

    def external(self) -> list[Path]:
        named = self.own_prompt.strip()
        return super().external() + ([Path(named)] if "\n" not in named and named.lower().endswith((".md", ".txt")) else [])


class RetrievalParameters(EndpointParameters):
    """04_retrieval: can we find the right passage?"""

    handbook: str = Field(default="demo", description="folder of articles, demo for the built-in one, empty: no retrieval")
    demo_scenario: str = Field(default="main", description="main, prompting, rag or too_little, when handbook is demo")
    demo_edition: int = Field(default=1, ge=1, le=2, description="edition of the built-in handbook: 1 or 2")
    embedding_model: str = Field(default="minilm", min_length=1, description="minilm (packaged) or a sentence-transformers model")
    store: str = Field(
        default="",
        description="object storage for the index, e.g. s3://bucket/indexes (also gs:// and az://); empty: the run folder",
    )
    reranker: str = Field(
        default="",
        description="cross-encoder of sentence-transformers that may reorder what was found, used where it finds more; empty: none",
    )
    chunk_words: int = Field(default=120, ge=20, description="longest chunk, in words")
    chunk_sizes: list[int] = Field(default=[], description="other sizes to compare it with, e.g. [60, 240]; the best one is used")
    top_k: int = Field(default=2, ge=1, le=20, description="passages put before the model")
    filters: list[str] = Field(
        default=[],
        description="names that restrict the search, e.g. [region]: a question that says 'region: EU' gets articles of the EU, or of none",
    )
    citation_field: str = Field(default="source", description="field of the answer that names the article; empty: none")
    questions: int = Field(default=150, ge=5, description="validation questions that the search mode is chosen on, at most")
    endpoint_url: str = Field(default="", description="the endpoint of 03, to find its best prompt with passages; empty: none")
    question_model: str = Field(
        default="", description="model that writes a question to each of some passages, to measure the search by; empty: none"
    )
    question_url: str = Field(default="", description="OpenAI-compatible server that it answers at; empty: a local model")
    question_passages: int = Field(default=100, ge=5, le=5000, description="questions that it writes, at most one a passage")
    question_most_usd: float = Field(
        default=0.0, ge=0, description="most that they may cost, in USD, by question_prices; 0: no limit"
    )
    question_prices: Prices = Field(default=[*ENDPOINT_PRICES], description="its USD per million tokens: prompt, answer")
    prompt_items: int = Field(default=50, ge=0, description="validation examples that each prompt answers with passages; 0: none")

    @field_validator("store")
    @classmethod
    def _store(cls, value: str) -> str:
        if value and not value.startswith(("s3://", "gs://", "az://")):
            raise ValueError("give an address that begins with s3://, gs:// or az://, or leave it empty")
        return value

    @field_validator("chunk_sizes")
    @classmethod
    def _sizes(cls, value: list[int]) -> list[int]:
        if any(size < 20 for size in value):
            raise ValueError("chunks hold at least 20 words")
        return value

    def external(self) -> list[Path]:
        return super().external() + ([Path(self.handbook)] if self.handbook not in ("", "demo") else [])


class TrainingParameters(ModelParameters):
    """05_training: does it learn?"""

    prompt: str = Field(
        default="",
        description="name of the prompt of 03 that the tuned model is taught and asked with; empty: the best zero-shot one",
    )
    method: Literal["lora", "qlora", "full"] = Field(
        default="lora", description="lora (adapter), qlora (adapter, learnt on a quantised base) or full (all weights)"
    )
    elsewhere: bool = Field(default=False, description="write the files for another tool and stop there: it trains")
    adapter: str = Field(
        default="",
        description="folder of weights that another tool trained on 05's handed-over files: an adapter, or a whole model; empty: train here",
    )
    adapter_hours: float = Field(default=0.0, ge=0, description="hours that this took there, for the costs")
    num_train_epochs: float = Field(default=8.0, gt=0, description="passes over the training examples, at most")
    learning_rate: float = Field(default=2.0e-3, gt=0, lt=1, description="peak learning rate")
    per_device_train_batch_size: int = Field(default=16, ge=1, description="examples per step (and process)")
    max_length: int = Field(default=512, ge=16, description="longest training example, in tokens")
    lora_r: int = Field(default=32, ge=1, description="rank of the adapter")
    lora_alpha: int = Field(default=64, ge=1, description="scale of the adapter")
    use_rslora: bool = Field(default=False, description="scale by the root of the rank (rsLoRA), for high ranks")
    use_dora: bool = Field(default=False, description="learn size and direction apart (DoRA): nearer to full tuning, slower")
    quantization_bits: Literal[4, 8] = Field(
        default=4, description="bits of the base's weights while qlora learns: 4 (NF4, double quantisation) or 8"
    )
    packing: bool = Field(
        default=False,
        description="put the examples of a step into one row without padding (they do not see each other); pays with FlashAttention",
    )
    processes: int = Field(
        default=1, ge=1, description="processes that train together (DDP), one per GPU; a step takes examples from each"
    )
    machines: str = Field(
        default="", description=f"YAML file of machines to rent, with prices; empty: the built-in list of {PRICE_DATE}"
    )
    with_passages_share: float = Field(
        default=0.5, ge=0, le=1, description="share of training examples shown with their retrieved passages (for the hybrid)"
    )
    general_share: float = Field(
        default=0.12, ge=0, lt=0.5, description="share of general instruction data in the mix (guide: 10-15%)"
    )
    general_data: str = Field(
        default="", description="file of general prompts and responses (JSON lines) to mix in; empty: the embedded base's own"
    )
    report_to: list[str] = Field(
        default=[],
        description="experiment trackers that get the curve too, installed by you: trackio, mlflow, tensorboard, wandb",
    )
    early_stopping_patience: int = Field(default=2, ge=1, description="evaluations without improvement before it stops")
    sample_items: int = Field(default=40, ge=3, description="validation examples answered before and after tuning")
    curve_shares: list[float] = Field(
        default=[],
        description="shares of the examples to train on as well, for the learning curve, e.g. [0.25, 0.5]; [1.0]: for other seeds alone; empty: none",
    )
    curve_seeds: int = Field(default=3, ge=1, le=10, description="trainings per share, each with its own draw of examples")
    curve_at_once: int = Field(
        default=0,
        ge=0,
        description="of these at once, each in a process of its own; 0: one per GPU, else one for every two cores, as memory allows",
    )
    general_items: int = Field(
        default=200, ge=0, description="general questions that decide how much of the change is applied; 0: all of it"
    )
    general_questions: str = Field(
        default="",
        description="file of them (JSON lines: prompt, response), e.g. GSM8K's or IFEval's; empty: the embedded base's own",
    )
    general_loss_points: float = Field(
        default=4.0,
        ge=0,
        le=100,
        description="general skills that tuning may cost on them, in points; else it is applied in part",
    )

    @field_validator("report_to")
    @classmethod
    def _trackers(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in TRACKERS]:
            raise ValueError(f"{', '.join(unknown)}: choose from {', '.join(TRACKERS)}")
        return value

    @field_validator("curve_shares")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if any(not 0 < share <= 1 for share in value):
            raise ValueError("shares lie between 0 and 1")
        return value

    @model_validator(mode="after")
    def _curve_here(self) -> TrainingParameters:
        if self.adapter and self.curve_shares:
            raise ValueError(
                "the curve's trainings run here: leave curve_shares empty where adapter names weights from elsewhere"
            )
        return self

    def external(self) -> list[Path]:
        return super().external() + [
            Path(p) for p in (self.general_data, self.machines, self.general_questions, self.adapter) if p
        ]


class PreferenceParameters(ModelParameters):
    """06_preference: do people prefer the tuned answers?"""

    method: Literal["none", "dpo", "kto", "grpo", "rloo"] = Field(
        default="none",
        description="none, dpo (pairs), kto (single answers called good or bad) or grpo, rloo (reinforcement learning), on top of 05's adapter",
    )
    reward: Literal["task", "model"] = Field(
        default="task",
        description="what grpo and rloo reward: task (the task's own checks) or model (a reward model learnt from the pairs)",
    )
    pairs: str = Field(
        default="",
        description="file of pairs (prompt, chosen, rejected), for kto also of graded answers (prompt, answer, good); empty: made from the tuned model's own answers to training examples",
    )
    pair_items: int = Field(
        default=200, ge=8, description="training examples that answers are drawn for (grpo, rloo: that are asked)"
    )
    samples: int = Field(default=4, ge=2, le=32, description="answers drawn per example")
    temperature: float = Field(default=1.0, gt=0, le=2, description="temperature of these answers")
    beta: float = Field(default=0.1, gt=0, le=5, description="how strongly it is held near the model of 05 (KL); larger: nearer")
    learning_rate: float = Field(default=1.0e-4, gt=0, lt=1, description="peak learning rate")
    num_train_epochs: float = Field(default=1.0, gt=0, description="passes over the pairs")
    per_device_train_batch_size: int = Field(default=8, ge=1, description="pairs per step (grpo, rloo: questions)")
    check_items: int = Field(default=100, ge=10, description="validation examples that both models answer")

    def external(self) -> list[Path]:
        return super().external() + ([Path(self.pairs)] if self.pairs else [])


class EvaluationParameters(EndpointParameters):
    """07_evaluation: how does every strategy do on the test set, opened once?"""

    endpoint_url: str = Field(default="", description="OpenAI-compatible server for the frontier arms; empty: none")
    endpoint_constrained: bool = Field(
        default=True, description="ask the endpoint to hold its answers within the response format, where the prompt has one"
    )
    judge_url: str = Field(default="", description="OpenAI-compatible server of a model that judges free text; empty: none")
    judge_model: str = Field(default="", description="the judge's model name; empty: the task's metric says what is right")
    judge_labels: str = Field(
        default="",
        description="file of answers that people graded (input, output, answer, right), which the judge is held against",
    )
    judge_most_usd: float = Field(
        default=0.0, ge=0, description="most that its verdicts may cost, in USD, by judge_prices; 0: no limit"
    )
    judge_prices: Prices = Field(default=[*ENDPOINT_PRICES], description="the judge's USD per million tokens: prompt, answer")
    n_resamples: int = Field(default=10_000, ge=100, description="bootstrap resamples")
    probe_items: int = Field(default=100, ge=0, description="general questions that base and tuned model are asked; 0: none")
    general_tasks: list[str] = Field(
        default=[],
        description="tasks of lm-evaluation-harness that base and tuned model answer as well (extra lm-eval); empty: none",
    )
    general_tasks_folder: str = Field(
        default="", description="folder of own task files (YAML) for them; empty: its own tasks only"
    )
    general_questions: str = Field(
        default="",
        description="file of them (JSON lines: prompt, response), e.g. GSM8K's or IFEval's; empty: the embedded base's own",
    )
    later_handbook: str = Field(
        default="", description="a later edition of the handbook, to measure what changed facts do; demo or a folder; empty: none"
    )
    later_data: str = Field(
        default="", description="the test questions with their answers under that edition; demo or a file; empty: none"
    )
    attack_items: int = Field(
        default=50, ge=0, le=1000,
        description="instructions planted into passages, to see which strategies obey them; 0: none",
    )  # fmt: skip
    vote_strategies: list[str] = Field(
        default=[],
        description="local strategies that also answer by a vote over several draws, e.g. [few-shot, RAG]; empty: none",
    )
    votes: int = Field(default=5, ge=2, le=50, description="answers drawn per question for these; each costs its tokens")
    allowed_wrong: float = Field(
        default=0.1, gt=0, lt=1, description="wrong answers allowed among those given without a person's look, a share"
    )
    message: str = Field(default="", description="a message that all strategies answer side by side; empty: a test question")

    @field_validator("vote_strategies")
    @classmethod
    def _local(cls, value: list[str]) -> list[str]:
        known = ("prompting", "few-shot", "RAG", "fine-tuned", "hybrid")
        if any(name not in known for name in value):
            raise ValueError(f"local strategies are {', '.join(known)}")
        return value

    def external(self) -> list[Path]:
        files = (self.later_handbook, self.later_data, self.judge_labels, self.general_questions, self.general_tasks_folder)
        return super().external() + [Path(p) for p in files if p not in ("", "demo")]


class DecisionParameters(Parameters):
    """08_decision: fine-tune, RAG, prompt, hybrid, or can't tell yet?"""

    margin_points: float = Field(
        default=5.0, gt=0, le=50, description="accuracy one would give up for a cheaper strategy, in points"
    )
    min_accuracy: float = Field(default=0.3, ge=0, le=1, description="below this, no strategy is worth deploying")
    min_format_ok: float = Field(default=0.8, ge=0, le=1, description="gate: share of answers in the right format")
    max_unsupported: float = Field(default=0.5, ge=0, le=1, description="gate: share of answers with an unsupported value")
    regression_margin_points: float = Field(default=10.0, gt=0, description="gate: loss allowed on the general probe, in points")
    max_seconds_per_answer: float = Field(default=10.0, gt=0, description="gate: seconds per answer")
    data_may_leave: bool = Field(default=False, description="may inputs be sent to an endpoint outside?")
    answers_per_month: int = Field(default=50_000, ge=0, description="volume, in answers a month")
    requirements_change: Literal["rarely", "monthly", "weekly"] = Field(
        default="rarely", description="how often the wanted behaviour changes"
    )
    facts_change: Literal["never", "yearly", "monthly", "daily"] = Field(
        default="monthly", description="how often the facts behind the answers change"
    )
    prices: dict[str, float] = Field(
        default={}, description="prices by name that replace the assumed ones; see the report's list"
    )


class DeploymentParameters(ModelParameters):
    """09_deployment: does the exported artifact still answer the same?"""

    strategy: str = Field(default="", description="strategy to ship; empty: the one that 08 chose, or that is ahead")
    served_name: str = Field(default="assistant", min_length=1, description="name by which clients ask for it")
    form: Literal["adapter", "merged"] = Field(
        default="adapter", description="how tuned weights ship: adapter (small, needs its base) or merged (one model)"
    )
    llama_cpp: str = Field(
        default="", description="folder of llama.cpp's source, whose converter writes the model as one GGUF file too; empty: none"
    )
    gguf_type: Literal["f32", "bf16", "f16", "q8_0"] = Field(default="f16", description="precision of the GGUF file's weights")
    parity_items: int = Field(default=40, ge=1, description="test questions asked again through the files and the server")
    fault_items: int = Field(default=16, ge=0, description="questions for the five planted faults; 0: not planted")
    load_clients: list[int] = Field(default=[1, 4, 16], description="clients at once in the load test; empty: none")
    load_requests: int = Field(default=48, ge=1, description="requests per step of the load test")


class MonitoringParameters(Parameters):
    """10_monitoring: has production drifted; is it time to re-tune?"""

    log: str = Field(
        default="", description="production log (JSON lines, CSV, Parquet: time, input, output, feedback); demo; empty: none"
    )
    served_name: str = Field(
        default="",
        description="only the rows that the log's model column gives this name, where several strategies share it; empty: all",
    )
    labels: str = Field(
        default="", description="label_sample.csv of an earlier look with the right answers filled in; empty: none"
    )
    handbook: str = Field(
        default="", description="the handbook as it is today, to compare with the one in use; demo; empty: not compared"
    )
    reference_weeks: int = Field(default=0, ge=0, description="first weeks of the log that are the usual; 0: the examples of 02")
    label_items: int = Field(default=60, ge=2, description="rows of this week's sample to label")
    requirements_changed: bool = Field(default=False, description="has the wanted behaviour changed since the training?")
    new_examples: int = Field(default=0, ge=0, description="new reviewed examples since the training")

    def external(self) -> list[Path]:
        return [Path(p) for p in (self.log, self.labels, self.handbook) if p not in ("", "demo")]


MODELS: dict[str, type[Parameters]] = {
    "task": TaskParameters,
    "data": DataParameters,
    "prompting": PromptingParameters,
    "retrieval": RetrievalParameters,
    "training": TrainingParameters,
    "preference": PreferenceParameters,
    "evaluation": EvaluationParameters,
    "decision": DecisionParameters,
    "deployment": DeploymentParameters,
    "monitoring": MonitoringParameters,
}
