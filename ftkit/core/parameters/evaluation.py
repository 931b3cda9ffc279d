"""What 07_evaluation is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ftkit.core.parameters.base import CONNECTION, EndpointParameters, LocalStrategies, Prices
from ftkit.core.parameters.connection import ConnectionValues


class EvaluationParameters(EndpointParameters):
    """07_evaluation: how does every strategy do on the test set, opened once?"""

    endpoint_url: str = Field(
        default="", description="OpenAI-compatible server for the frontier arms; empty: none"
    )
    endpoint_constrained: bool = Field(
        default=True,
        description="ask the endpoint to hold its answers within the response format, where the prompt has one",
    )
    judge_url: str = Field(
        default="",
        description="OpenAI-compatible server of a model that judges free text; empty: none",
    )
    judge_model: str = Field(
        default="",
        description="the judge's model name; empty: the task's metric says what is right",
    )
    judge_connection: ConnectionValues = Field(
        default={}, description=CONNECTION.format("the judge")
    )
    judge_labels: str = Field(
        default="",
        description="file of answers that people graded (input, output, answer, right, and best strategy too), which the judge is held against",
    )
    judge_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that its verdicts may cost, in USD, by judge_prices; 0: no limit",
    )
    judge_prices: Prices = Field(
        default=[],
        description="the judge's USD per million tokens: prompt, answer; empty: by the price file",
    )
    n_resamples: int = Field(
        default=10_000,
        ge=100,
        description="bootstrap resamples of macro-F1's interval, of which 2,000 are enough; other intervals draw none",
    )
    probe_items: int = Field(
        default=100,
        ge=0,
        description="general questions that base and tuned model are asked; 0: none",
    )
    general_tasks: list[str] = Field(
        default=[],
        description="tasks of lm-evaluation-harness that base and tuned model answer as well (extra lm-eval); empty: none",
    )
    general_tasks_folder: str = Field(
        default="",
        description="folder of own task files (YAML) for them; empty: its own tasks only",
    )
    general_questions: str = Field(
        default="",
        description="file of them (JSON lines: prompt, response), e.g. GSM8K's or IFEval's; empty: built-in",
    )
    later_handbook: str = Field(
        default="",
        description="a later edition of the handbook, to measure what changed facts do; demo or a folder; empty: none",
    )
    later_data: str = Field(
        default="",
        description="the test questions with their answers under that edition; demo or a file; empty: none",
    )
    injection_items: int = Field(
        default=50,
        ge=0,
        le=1000,
        description="instructions planted into passages, to see which strategies obey them; 0: none",
    )
    vote_strategies: LocalStrategies = Field(
        default=[],
        description="local strategies that also answer by a vote over several draws, e.g. [few-shot, RAG]; empty: none",
    )
    votes: int = Field(
        default=5,
        ge=2,
        le=50,
        description="answers drawn per question for these; each costs its tokens",
    )
    allowed_wrong: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="wrong answers allowed among those given without a person's look, a share",
    )
    cascade: list[str] = Field(
        default=[],
        description="small and large strategy that answer together, e.g. [fine-tuned, endpoint]; empty: these, where an endpoint takes part",
    )
    cascade_accuracy: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share right that the two together must reach; 0: as right as the large one, within 2 points",
    )
    cascade_most_passed: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="largest share of the questions that may be passed on to the large one, which sets its bill",
    )
    message: str = Field(
        default="",
        description="a message that all strategies answer side by side; empty: a test question",
    )

    def external(self) -> list[Path]:
        files = (
            self.later_handbook,
            self.later_data,
            self.judge_labels,
            self.general_questions,
            self.general_tasks_folder,
        )
        return super().external() + [Path(p) for p in files if p not in ("", "demo")]
