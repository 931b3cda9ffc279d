"""What 06_preference is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ftkit.core.parameters.base import (
    CONNECTION,
    DATA_MAY_LEAVE,
    PRICE_FILE,
    LocalStrategies,
    ModelParameters,
    Prices,
)
from ftkit.core.parameters.connection import ConnectionValues

REVIEWS = "reviews"
"""In place of a file of pairs: the answers that people corrected in 02's review."""


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
        description="file of pairs (prompt, chosen, rejected), for kto also of graded answers (prompt, answer, good); reviews: answers that people corrected in 02's review; empty: made from answers drawn to training examples",
    )
    pair_strategies: LocalStrategies = Field(
        default=[],
        description="local strategies whose drawn answers make the pairs, e.g. [few-shot, hybrid]; empty: the tuned model alone",
    )
    pair_items: int = Field(
        default=200,
        ge=8,
        description="training examples that answers are drawn for (grpo, rloo: that are asked)",
    )
    samples: int = Field(
        default=4, ge=2, le=32, description="answers drawn per example and strategy"
    )
    temperature: float = Field(default=1.0, gt=0, le=2, description="temperature of these answers")
    beta: float = Field(
        default=0.1,
        gt=0,
        le=5,
        description="how strongly it is held near the model of 05 (KL); larger: nearer",
    )
    learning_rate: float = Field(default=1.0e-4, gt=0, lt=1, description="peak learning rate")
    num_train_epochs: float = Field(default=1.0, gt=0, description="passes over the pairs")
    per_device_train_batch_size: int = Field(
        default=8, ge=1, description="pairs per step and process (grpo, rloo: questions)"
    )
    processes: int = Field(
        default=1, ge=1, description="processes that learn together (DDP), one per GPU"
    )
    check_items: int = Field(
        default=100, ge=10, description="validation examples that both models answer"
    )
    judge_url: str = Field(
        default="",
        description="OpenAI-compatible server of a model that says which of two answers is better; empty: none",
    )
    judge_model: str = Field(
        default="",
        description="the judge's model name; empty: the task's checks say which is better",
    )
    judge_connection: ConnectionValues = Field(
        default={}, description=CONNECTION.format("the judge")
    )
    data_may_leave: bool = Field(default=False, description=DATA_MAY_LEAVE)
    judge_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that its verdicts may cost, in USD, by judge_prices; 0: no limit",
    )
    judge_prices: Prices = Field(
        default=[],
        description="the judge's USD per million tokens: prompt, answer; empty: by the price file",
    )
    price_file: str = Field(default="", description=PRICE_FILE)

    @model_validator(mode="after")
    def _one_source(self) -> PreferenceParameters:
        if self.pairs and self.pair_strategies:
            raise ValueError(
                "pairs are read or drawn, not both: leave pairs or pair_strategies empty"
            )
        return self

    def external(self) -> list[Path]:
        return super().external() + ([Path(self.pairs)] if self.pairs not in ("", REVIEWS) else [])
