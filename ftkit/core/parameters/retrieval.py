"""What 04_retrieval is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from ftkit.core.parameters.base import CONNECTION, EndpointParameters, Prices
from ftkit.core.parameters.connection import ConnectionValues


class RetrievalParameters(EndpointParameters):
    """04_retrieval: can we find the right passage?"""

    handbook: str = Field(
        default="demo",
        description="folder of articles, demo for the built-in one, empty: no retrieval",
    )
    demo_scenario: str = Field(
        default="main", description="main, prompting, rag or too_little, when handbook is demo"
    )
    demo_edition: int = Field(
        default=1, ge=1, le=2, description="edition of the built-in handbook: 1 or 2"
    )
    embedding_model: str = Field(
        default="minilm",
        min_length=1,
        description="minilm (packaged) or a sentence-transformers model",
    )
    store: str = Field(
        default="",
        description="object storage for the index, e.g. s3://bucket/indexes (also gs:// and az://); empty: the run folder",
    )
    reranker: str = Field(
        default="",
        description="cross-encoder of sentence-transformers that may reorder what was found, used where it finds more; empty: none",
    )
    chunk_words: int = Field(default=120, ge=20, description="longest chunk, in words")
    chunk_sizes: list[int] = Field(
        default=[],
        description="other sizes to compare it with, e.g. [60, 240]; the best one is used",
    )
    top_k: int = Field(default=2, ge=1, le=20, description="passages put before the model")
    filters: list[str] = Field(
        default=[],
        description="names that restrict the search, e.g. [region]: a question that says 'region: EU' gets articles of the EU, or of none",
    )
    citation_field: str = Field(
        default="source", description="field of the answer that names the article; empty: none"
    )
    questions: int = Field(
        default=150,
        ge=5,
        description="validation questions that the search mode is chosen on, at most",
    )
    endpoint_url: str = Field(
        default="",
        description="the endpoint of 03, to find its best prompt with passages; empty: none",
    )
    question_model: str = Field(
        default="",
        description="model that writes a question to each of some passages, to measure the search by; empty: none",
    )
    question_url: str = Field(
        default="", description="OpenAI-compatible server that it answers at; empty: a local model"
    )
    question_passages: int = Field(
        default=100, ge=5, le=5000, description="questions that it writes, at most one a passage"
    )
    question_connection: ConnectionValues = Field(
        default={}, description=CONNECTION.format("that server")
    )
    question_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that they may cost, in USD, by question_prices; 0: no limit",
    )
    question_prices: Prices = Field(
        default=[],
        description="its USD per million tokens: prompt, answer; empty: by the price file",
    )
    prompt_items: int = Field(
        default=50,
        ge=0,
        description="validation examples that each prompt answers with passages; 0: none",
    )

    @field_validator("store")
    @classmethod
    def _store(cls, value: str) -> str:
        if value and not value.startswith(("s3://", "gs://", "az://")):
            raise ValueError(
                "give an address that begins with s3://, gs:// or az://, or leave it empty"
            )
        return value

    @field_validator("chunk_sizes")
    @classmethod
    def _sizes(cls, value: list[int]) -> list[int]:
        if any(size < 20 for size in value):
            raise ValueError("chunks hold at least 20 words")
        return value

    def external(self) -> list[Path]:
        return super().external() + (
            [Path(self.handbook)] if self.handbook not in ("", "demo") else []
        )
