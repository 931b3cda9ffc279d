"""What 02_data is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ftkit.core.parameters.base import CONNECTION, DATA_MAY_LEAVE, PRICE_FILE, Parameters, Prices
from ftkit.core.parameters.connection import ConnectionValues


class DataParameters(Parameters):
    """02_data: is our data good enough?"""

    data: str = Field(
        default="demo",
        min_length=1,
        description="file of examples, or demo for the built-in domain",
    )
    test_data: str = Field(
        default="", description="file that holds the test examples; empty: split off from data"
    )
    input_column: str = Field(
        default="message", min_length=1, description="column with what the model is given"
    )
    output_column: str = Field(
        default="answer", min_length=1, description="column with the right answer"
    )
    context_columns: list[str] = Field(
        default=[],
        description="columns put in front of the input, a line 'name: value' each, e.g. [region, product]",
    )
    group_column: str = Field(
        default="",
        description="column whose rows stay together in one split, e.g. customer; empty: none",
    )
    split_column: str = Field(
        default="",
        description="column that says train, validation or test; what it does not name is drawn; empty: none",
    )
    time_column: str = Field(
        default="",
        description="column with a date: the newest rows become the test; empty: drawn at random",
    )
    date_order: Literal["", "day first", "month first"] = Field(
        default="",
        description="how 03/04/26 in time_column is read; empty: as the column shows it, refused where it does not",
    )
    encoding: str = Field(default="", description="encoding of the file; empty: UTF-8")
    validation_share: float = Field(
        default=0.1,
        gt=0,
        lt=0.5,
        description="share of examples for choosing prompts and checkpoints",
    )
    test_share: float = Field(
        default=0.2,
        gt=0,
        lt=0.5,
        description="share of examples held out for the test (guide: 10-20%)",
    )
    folds: int = Field(
        default=0,
        ge=0,
        le=20,
        description="folds of a cross-validation, for few examples; ftkit run --folds sets it; 0: one split",
    )
    fold: int = Field(default=1, ge=1, le=20, description="which fold is the test")
    most_rows: int = Field(
        default=20_000,
        ge=100,
        description="rows kept of a file above 256 MiB, drawn with the seed while it is read",
    )
    max_examples: int = Field(
        default=0, ge=0, description="keep at most this many training examples; 0: all"
    )
    max_validation: int = Field(
        default=0, ge=0, description="keep at most this many validation examples; 0: all"
    )
    max_test: int = Field(
        default=0, ge=0, description="keep at most this many test examples; 0: all"
    )
    near_duplicate_threshold: float = Field(
        default=0.8, gt=0, le=1, description="Jaccard similarity from which rows are near copies"
    )
    most_removed: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="largest share of the rows that one step may take out; 02 stops above it and says what it would remove",
    )
    paraphrases: Literal["keep", "remove"] = Field(
        default="keep",
        description="training rows that say the same as a test row in other words: keep or remove",
    )
    meaning_rows: int = Field(
        default=5000,
        ge=0,
        description="up to so many rows are compared by meaning (170 a second), more by their words; 0: neither",
    )
    annotator_columns: list[str] = Field(
        default=[], description="columns with the labels of several annotators, for their agreement"
    )
    personal_data: Literal["show", "redact", "drop"] = Field(
        default="show",
        description="rows with personal data: show (into the review queue), redact (pseudonyms) or drop",
    )
    repair: bool = Field(
        default=False,
        description="mend answers that are nearly JSON (trailing comma, ...) or end with a chat marker; each is written to repaired.jsonl",
    )
    names_model: str = Field(
        default="",
        description="token-classification model that finds names as well; empty: lists of names and context",
    )
    review: str = Field(
        default="",
        description="file of review decisions (JSON lines, CSV, XLSX); empty: data/review.jsonl of the run, if there",
    )
    synthesis_model: str = Field(
        default="",
        description="model that proposes examples for cases with too few, for review; empty: none",
    )
    synthesis_url: str = Field(
        default="", description="OpenAI-compatible server that it answers at; empty: a local model"
    )
    synthesis_connection: ConnectionValues = Field(
        default={}, description=CONNECTION.format("that server")
    )
    data_may_leave: bool = Field(default=False, description=DATA_MAY_LEAVE)
    synthesis_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that its proposals may cost, in USD, by synthesis_prices; 0: no limit",
    )
    synthesis_prices: Prices = Field(
        default=[],
        description="its USD per million tokens: prompt, answer; empty: by the price file",
    )
    price_file: str = Field(default="", description=PRICE_FILE)
    synthesis_items: int = Field(default=5, ge=1, le=100, description="proposals per case, at most")
    demo_examples: int = Field(
        default=0, ge=0, description="first rows to use when data is demo; 0: all of them"
    )
    demo_scenario: str = Field(
        default="main", description="main, prompting, rag or too_little, when data is demo"
    )

    @model_validator(mode="after")
    def _folded(self) -> DataParameters:
        if self.folds == 1 or (self.folds and self.fold > self.folds):
            raise ValueError(
                f"fold {self.fold} of {self.folds} folds: use 2 folds or more, and one of them"
            )
        if self.folds and (self.test_data or self.split_column or self.time_column):
            raise ValueError(
                "folds draw the test themselves: leave test_data, split_column and time_column empty"
            )
        return self

    def external(self) -> list[Path]:
        files = [Path(p) for p in (self.data, self.test_data, self.review) if p and p != "demo"]
        return files + ([self.decisions()] if not self.review and self.decisions().exists() else [])

    def decisions(self) -> Path:
        """Return the file of review decisions, whether it is there or not."""
        return Path(self.review) if self.review else Path(self.run) / "data" / "review.jsonl"
