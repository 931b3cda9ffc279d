"""What a column of a file looks like: a label, a record of fields, a text, or an id."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from ftkit.scoring.parse import parse_record
from ftkit.scoring.values import merged

MOST_LABELS, LABEL_WORDS = 200, 8
RARE_KEY, MOST_COMPLETE = 0.02, 0.97
"""Share of the records below which a key is no field of the task; share from which records without it are taken for broken."""


@dataclass
class Column:
    """The sampled, non-empty cells of one column as text."""

    name: str
    values: list[str]

    @cached_property
    def distinct(self) -> int:
        return len(set(self.spelling.values()))

    @cached_property
    def spelling(self) -> dict[str, str]:
        """The one spelling of each value, by its text."""
        return merged(Counter(self.values))

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
        """Keys of the JSON objects, in order, but for rare ones; empty if most values are no objects."""
        if not self.records or len(self.records) < 0.8 * len(self.values):
            return []
        least = max(2, RARE_KEY * len(self.records))
        found = [key for key, count in self.keys.items() if count >= least]
        return found if any(self.keys[key] >= 0.5 * len(self.records) for key in found) else []

    @cached_property
    def keys(self) -> Counter[str]:
        """How many of the JSON objects have each key, in the order of their first place."""
        return Counter(key for record in self.records for key in record)

    @cached_property
    def optional_fields(self) -> list[str]:
        """Fields that some records lack, too many for an oversight."""
        most = MOST_COMPLETE * len(self.records)
        return [name for name in self.record_fields if self.keys[name] < most]

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
