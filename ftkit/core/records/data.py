"""02: what the data are and what was wrong with them (G4)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record

EXAMPLE_COLUMNS = ["id", "input", "output", "group", "cluster", "split", "source_row", "like_train"]


class Defect(Record):
    """One kind of defect found in the data."""

    kind: str
    count: int
    action: str = Field(description="what was done with the rows")
    removed: int = Field(
        default=0, description="rows that were taken out because of it; the others were kept"
    )
    examples: list[str] = Field(
        default_factory=list, description="up to 5 short, masked samples with row numbers"
    )


class Agreement(Record):
    """How far annotators agree."""

    annotators: list[str]
    rows: int = Field(description="rows with two labels or more")
    disputed: int = Field(description="rows on which they differ")
    alpha: Estimate = Field(description="Krippendorff's alpha, nominal")
    kappas: dict[str, Estimate] = Field(description="Cohen's kappa per pair of annotators")
    ceiling: Estimate = Field(
        description="how often one annotator says what most others say: the best a test can show"
    )


class LabelCheck(Record):
    """Whether the values of a field can be checked by a classifier, and what it doubts."""

    field: str
    accuracy: float = Field(description="share of rows whose value it names in cross-validation")
    majority: float = Field(description="share of rows with the most frequent value")
    reliable: bool = Field(description="whether its doubts were used")
    suspects: int = Field(default=0, description="rows that it takes for wrong")
    test_ceiling: Estimate | None = Field(
        default=None,
        description="share of test rows not suspected: about the best accuracy that the test can show",
    )


class Coverage(Record):
    """One case that examples should cover."""

    case: str
    kind: str = Field(description="label, value of a field, or edge case")
    train: int = Field(description="training examples of it")
    held_out: int = Field(description="validation and test examples of it")
    verdict: Literal["covered", "thin", "only held out", "not covered"]


class DataCard(Record):
    """What the data are, what was wrong and what was done (G4)."""

    file: str
    file_sha256: str
    encoding: str
    separator: str = ""
    rows_read: int
    rows_rejected: int = Field(
        description="rows taken out as defects; each stands in rejected.jsonl with its reason"
    )
    rows_used: int
    read_notes: list[str] = Field(
        default_factory=list, description="what reading did beyond taking all rows, in sentences"
    )
    rows_left_out: int = Field(
        default=0, description="good rows not used because data.max_... keeps fewer"
    )
    defects: list[Defect]
    personal: dict[str, int] = Field(
        default_factory=dict, description="rows as read with each kind of personal data"
    )
    splits: dict[str, int] = Field(description="examples per split")
    labels: dict[str, int] = Field(
        default_factory=dict, description="rows per label, most frequent first"
    )
    tools: list[dict[str, Any]] = Field(
        default_factory=list,
        description="functions that the conversations declare (name, description, parameters as JSON Schema)",
    )
    classes: dict[str, dict[str, int]] = Field(
        default_factory=dict,
        description="rows per allowed value, most frequent first, per field (label: the one field 'label')",
    )
    coverage: list[Coverage] = Field(
        default_factory=list, description="cases, and how many examples each has"
    )
    domain_terms: dict[str, int] = Field(
        default_factory=dict,
        description="words that general English does not hold, and the training examples with them",
    )
    input_words_p50: float
    input_words_p95: float
    output_words_p50: float
    output_words_p95: float
    split_by: str = Field(default="", description="how the rows were split, in a sentence")
    leakage_before: dict[str, int] = Field(
        description="pairs crossing the splits that a random split would have leaked"
    )
    leakage_after: dict[str, int] = Field(description="pairs crossing the frozen splits")
    volume_verdict: str = Field(description="the guide's volume criterion applied to this data")
    detectable_points: float = Field(
        description="smallest difference, in points, this test set can tell at 80% power"
    )
    label_checks: list[LabelCheck] = Field(
        default_factory=list, description="which answers could be checked, and what is doubtful"
    )
    meaning_source: str = Field(
        default="", description="what the comparison by meaning rests on; empty: it was not made"
    )
    paraphrase_threshold: float | None = Field(
        default=None, description="cosine from which inputs count as paraphrases"
    )
    agreement: Agreement | None = Field(
        default=None, description="agreement of several annotators, where given"
    )
