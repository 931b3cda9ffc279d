"""Hallucination: does an answer state what no source holds, or cite an article that does not exist?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import Parsed
from ftkit.scoring.text import normalise, supported


@dataclass
class Evidence:
    """What answers are held against.

    Attributes:
        card: The task.
        passages: Passages per item id; None: there is nothing to hold answers against.
        sources: Ids of all known articles; None: citations are not checked.
        citation_field: Field that names the article.
        abstentions: Normalised texts by which an answer says that it does not know.
    """

    card: TaskCard
    passages: dict[str, list[str]] | None
    sources: Collection[str] | None
    citation_field: str
    abstentions: tuple[str, ...]

    def verdict(self, answer: Parsed, truth: Parsed, item: str) -> bool | None:
        """Return whether the answer states something unsupported; None where that cannot be told."""
        if self.card.kind == "label" or not self._known(item):
            return None
        return self._invented_source(answer) or self._invented_value(answer, truth, item)

    def _known(self, item: str) -> bool:
        has_passages = (
            bool(self.card.knowledge_field) and self.passages is not None and item in self.passages
        )
        return has_passages or (
            self.sources is not None and self.citation_field in self.card.fields
        )

    def _invented_source(self, answer: Parsed) -> bool:
        cited = normalise(answer.fields.get(self.citation_field, ""))
        return (
            self.sources is not None
            and bool(cited)
            and cited not in {normalise(s) for s in self.sources}
        )

    def _invented_value(self, answer: Parsed, truth: Parsed, item: str) -> bool:
        passages = (self.passages or {}).get(item)
        if not self.card.knowledge_field or passages is None:
            return False
        value, right = (self._value(parsed) for parsed in (answer, truth))
        if not value or value in self.abstentions or value == right:
            return False
        return not supported(value, passages)

    def _value(self, parsed: Parsed) -> str:
        whole = parsed.content if self.card.kind == "text" else ""
        return normalise(parsed.fields.get(self.card.knowledge_field, whole))
