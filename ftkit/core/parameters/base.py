"""What the parameter models have in common: the run, the base model, an endpoint and its prices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from ftkit.core.parameters.connection import ConnectionValues
from ftkit.core.records.strategy import Thinking

PRICE_DATE = "2026-11"
LOCAL = ("prompting", "few-shot", "RAG", "fine-tuned", "hybrid")
TRACKERS = ("trackio", "mlflow", "tensorboard", "wandb")
ENDPOINT_PRICES = (2.5, 10.0)  # USD per million prompt and answer tokens, assumed by ftkit


def _are_prices(value: list[float]) -> list[float]:
    if len(value) not in (0, 2, 3):
        raise ValueError("give two prices (prompt, answer), three (cached prompt) or none")
    if len(value) == 3 and value[2] > value[0]:
        raise ValueError("a cached prompt costs no more than another: prompt, answer, cached")
    if any(not 0 <= price < 1e6 for price in value):
        raise ValueError("prices are numbers from 0 on")
    return value


Prices = Annotated[list[float], AfterValidator(_are_prices)]
"""USD per million tokens of the prompt and of the answer, and of the prompt's tokens that a server had cached; empty: by the price file."""
PRICE_FILE = "YAML file of what models cost, in place of the built-in one; see docs/endpoints.md"


def _are_local(value: list[str]) -> list[str]:
    if any(name not in LOCAL for name in value):
        raise ValueError(f"local strategies are {', '.join(LOCAL)}")
    return value


LocalStrategies = Annotated[list[str], AfterValidator(_are_local)]
"""Names of strategies that ask a model on this machine."""


NAMED_BASES = ("nano", "smollm2-135m")
"""Bases that ftkit knows by name; ``models.bases`` says where each comes from."""


def _is_base(value: str) -> str:
    if value == "embedded":
        raise ValueError("this base is called nano now: write base_model: nano")
    return value


class Parameters(BaseModel):
    """Base of all parameter models. ``run`` and ``seed`` are common to every notebook."""

    model_config = ConfigDict(extra="forbid")
    run: str = Field(
        default="outputs/demo", description="run folder: all notebooks of one project share it"
    )
    seed: int = Field(default=7, ge=0, description="seed of every random choice of this stage")

    def external(self) -> list[Path]:
        """Return the files and folders outside of the run folder that the stage reads."""
        return []


class ModelParameters(Parameters):
    """Parameters of every notebook that asks a model."""

    base_model: Annotated[str, AfterValidator(_is_base)] = Field(
        default=NAMED_BASES[0],
        min_length=1,
        description=f"{', '.join(NAMED_BASES)}, a folder, or a Hugging Face model name",
    )
    max_new_tokens: int = Field(default=64, ge=1, le=4096, description="longest answer, in tokens")
    thinking: Thinking = Field(
        default="off",
        description="whether models think before they answer: off (where their family can), on, or auto (as each does by itself)",
    )
    thinking_tokens: int = Field(
        default=1024,
        ge=16,
        le=65536,
        description="longest thought in tokens, beside the answer; only where a model thinks",
    )
    batch_size: int = Field(default=16, ge=1, description="answers generated at once")
    threads: int = Field(default=0, ge=0, description="CPU threads; 0: what is free")

    @field_validator("thinking", mode="before")
    @classmethod
    def _as_word(cls, value: Any) -> Any:
        """Return YAML's bare ``on`` and ``off``, which are read as true and false, as the words that were written."""
        return {True: "on", False: "off"}[value] if isinstance(value, bool) else value

    def answering(self) -> dict[str, Any]:
        """Return what decides how a local model answers, as ``models.local.LocalModel`` takes it."""
        names = ("max_new_tokens", "thinking", "thinking_tokens", "batch_size", "threads")
        return {name: getattr(self, name) for name in names}

    def external(self) -> list[Path]:
        folder = Path(self.base_model)
        return [folder] if self.base_model not in NAMED_BASES and folder.is_dir() else []


DATA_MAY_LEAVE = "may texts be sent to a machine outside (an endpoint, a judge)? false: nothing is"
CONNECTION = "what {} needs beside: key_env, headers, api_version, ca, proxy, options, answer_tokens, thought_tokens, mask, ...; see docs/endpoints.md"


class EndpointParameters(ModelParameters):
    """What a stage needs that asks an endpoint as well."""

    data_may_leave: bool = Field(default=False, description=DATA_MAY_LEAVE)

    endpoint_url: str = Field(default="", description="OpenAI-compatible server; empty: none")
    endpoint_model: str = Field(default="", description="model name at the endpoint")
    endpoint_connection: ConnectionValues = Field(default={}, description=CONNECTION.format("it"))
    endpoint_failures_allowed: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="share of replies that may be no answers (cut off, filtered, lost); above it the endpoint counts as not measured",
    )
    endpoint_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that its answers in this stage may cost, in USD, by endpoint_prices; 0: no limit",
    )
    endpoint_prices: Prices = Field(
        default=[],
        description="its USD per million tokens: prompt, answer, and cached prompt if that costs less; empty: by the price file",
    )
    price_file: str = Field(default="", description=PRICE_FILE)
