"""04: passages, and whether the right ones are found."""

from __future__ import annotations

from pydantic import Field

from ftkit.core.records.base import Estimate, Record
from ftkit.core.records.prompting import PromptTrial


class Passage(Record):
    """One chunk of a handbook article, as it is indexed, put before the model and cited."""

    id: str = Field(description="chunk id, e.g. H-012#0")
    source: str = Field(description="id of the article, as it is cited, e.g. H-012")
    title: str = Field(default="", description="title or section path")
    text: str
    metadata: dict[str, list[str]] = Field(
        default_factory=dict,
        description="what the article tells of retrieval.filters, e.g. region: EU; what it does not tell holds for all",
    )
    score: float = Field(
        default=0.0, description="search score, higher is better; 0 outside of a search"
    )


class ErrorAttribution(Record):
    """What the wrong answers of the plain prompt lacked: facts, behaviour, or both."""

    prompt: str = Field(description="name of the plain prompt whose answers are looked at")
    shown: str = Field(description="name of the prompt that shows the format; empty: there is none")
    items: int
    wrong: int = Field(description="items that it got wrong")
    causes: dict[str, Estimate] = Field(
        description="share of the wrong items by cause, see ftkit.evaluation.error_attribution.CAUSES"
    )
    parts: dict[str, dict[str, int]] = Field(description="wrong answers per field and cause")
    harmed: Estimate | None = Field(
        description="share of right fields that turned wrong with the right article in front; as many may turn right by chance"
    )


class RetrievalCard(Record):
    """Can we find the right passage?"""

    enabled: bool
    reason: str = Field(default="", description="why retrieval is off, if it is")
    documents: int = 0
    chunks: int = 0
    embedding_model: str = ""
    top_k: int = 0
    hit_rate: dict[str, Estimate] = Field(
        default_factory=dict, description="share of questions with the answer in top k"
    )
    ranking: dict[str, Estimate] = Field(
        default_factory=dict, description="recall, precision, MRR, MAP, nDCG of the chosen search"
    )
    written: dict[str, Estimate] = Field(
        default_factory=dict,
        description="hit rate on questions that a model wrote to passages, by mode@k; empty: none were written",
    )
    written_by: str = Field(default="", description="the model that wrote them")
    filters: list[str] = Field(
        default_factory=list, description="what restricts the search, e.g. region"
    )
    restricted: int = Field(
        default=0, description="of these questions, how many tell a filter's value"
    )
    excluded: int = Field(
        default=0,
        description="questions whose right article the filters exclude: one of both is labelled wrongly",
    )
    unfiltered: Estimate | None = Field(
        default=None, description="hit rate of the chosen search with top k, without its filters"
    )
    chosen: str = Field(
        default="", description="search mode chosen on validation: vector, bm25, hybrid or reranked"
    )
    questions: int = Field(
        default=0, description="questions, none from the test, that the choice rests on"
    )
    prompt: str = Field(
        default="", description="name of the prompt that did best with passages on validation"
    )
    shot_passages: bool = Field(
        default=False, description="whether the few-shot examples are shown with their own passages"
    )
    prompt_trials: list[PromptTrial] = Field(
        default_factory=list, description="prompts with passages, on validation"
    )
    error_attribution: ErrorAttribution | None = Field(
        default=None, description="what the plain prompt's wrong answers lacked, on validation"
    )
    endpoint_prompt: str = Field(
        default="", description="prompt that the endpoint does best with, passages in front"
    )
    endpoint_trials: list[PromptTrial] = Field(
        default_factory=list, description="the endpoint's prompts with passages, on validation"
    )
    search_s: float = Field(
        default=0.0, description="seconds that one search takes, embedding and reranking included"
    )
    chunk_words: int = Field(default=0, description="longest chunk in use, in words")
    reranker: str = Field(default="", description="cross-encoder in use; empty: none")
    labelled_by: str = Field(default="", description="how relevance was decided")
    chunks_sha256: str = ""
