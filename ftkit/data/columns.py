"""What a column of a file looks like: a label, a record of fields, a text, or an id."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from ftkit.scoring.parse import label_key, parse_record

MOST_LABELS, LABEL_WORDS = 200, 8


@dataclass
class Column:
    """The sampled, non-empty cells of one column as text."""

    name: str
    values: list[str]

    @cached_property
    def distinct(self) -> int:
        return len({label_key(v) for v in self.values})

    @cached_property
    def words(self) -> float:
        return median(len(v.split()) for v in self.values) if self.values else 0.0

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return [
            r for r in (parse_record(v) for v in self.values if v.startswith("{")) if r is not None
        ]

    @cached_property
    def record_fields(self) -> list[str]:
        """Keys that most values share as JSON objects, in order; empty if they are none."""
        if not self.records or len(self.records) < 0.8 * len(self.values):
            return []
        counts = Counter(key for record in self.records for key in record)
        return [key for key, count in counts.items() if count >= 0.8 * len(self.records)]

    @cached_property
    def kind(self) -> str:
        """Kind of task if this is the output."""
        if self.record_fields:
            return "fields"
        repeated = self.distinct <= max(2, len(self.values) / 5)
        return (
            "label"
            if repeated and 1 < self.distinct <= MOST_LABELS and self.words <= LABEL_WORDS
            else "text"
        )

    @cached_property
    def is_id(self) -> bool:
        """Whether it numbers or dates the rows: short values, nearly all different, without a blank."""
        plain = sum(
            bool(re.fullmatch(r"[\w.:/-]+", v)) and bool(re.search(r"\d", v)) for v in self.values
        )
        return self.distinct > 0.9 * len(self.values) and plain > 0.95 * len(self.values)
