"""Ask the strategies of a finished run anything: the start page, the terminal's server for agents, and whoever else wants to try."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import NotReady
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.files import load
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.prompting import PromptBook


class AskRun:
    """All strategies that a run measured, ready to answer a message; called with one, it returns a row per strategy.

    Args:
        run: The run folder; its evaluation must be done.

    Raises:
        NotReady: The evaluation has not been run.
    """

    def __init__(self, run: Path) -> None:
        if not (run / "evaluation" / "manifest.json").exists():
            raise NotReady(
                "its strategies have not been measured yet",
                where=str(run),
                todo="run it up to the evaluation first",
            )
        from ftkit.strategies import grid

        measured = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
        self.specs = [result.spec for result in measured.results]
        book = run_folder.read_record(run / "prompting" / "prompts.json", PromptBook)
        table = run_folder.read_table(run / "data" / "examples.parquet")
        p = load(run / "params.yaml")["evaluation"]
        assert isinstance(p, EvaluationParameters)
        by_model = {spec.model: spec for spec in reversed(self.specs)}
        self._load = lru_cache(maxsize=1)(
            lambda model: grid.load_model(by_model[model], p, run)
        )  # one model in memory at a time
        self._parts: dict[str, Any] = {
            "book": book,
            "examples": table[table["split"] == "train"].reset_index(drop=True),
            "searcher": grid.searcher_of(run),
        }

    def __call__(self, message: str) -> list[dict[str, str]]:
        """Return strategy, answer, confidence, passages and seconds of each strategy; see ``grid.side_by_side``."""
        from ftkit.strategies import grid

        return grid.side_by_side(message, self.specs, self._load, **self._parts)
