"""What the endpoints of a run will cost, before anything is sent: token counts of its own prompts and data.

Tokens are counted as characters through four, answers as long as the right ones; what a model thinks comes on top.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import FtkitError
from ftkit.core.parameters.base import Parameters
from ftkit.core.records.endpoint import Tariff
from ftkit.core.records.prompting import Prompt, PromptBook
from ftkit.core.tariffs import source, tariff
from ftkit.models.endpoint.classify import CHARACTERS_PER_TOKEN
from ftkit.scoring.task_card import build_card

SHOWN = 20  # inputs that each prompt is rendered with, to count its length
CHARACTERS_PER_WORD = 6
ROLES = {
    "data": ("synthesis",),
    "prompting": ("proposal", "endpoint"),
    "retrieval": ("question", "endpoint"),
    "preference": ("judge",),
    "evaluation": ("endpoint", "judge"),
}


@dataclass(frozen=True)
class Forecast:
    """What one stage is expected to pay one endpoint.

    Attributes:
        stage: Name of the stage.
        role: What is asked: endpoint, judge, proposal, ...
        model: The model's name.
        tariff: Its prices.
        requests: Requests, those of earlier runs not taken off; 0: not known before the run.
        prompt_tokens: Prompt tokens of all of them.
        answer_tokens: Answer tokens of all of them, without thoughts.
        most_usd: Limit of money that the parameters set; 0: none.
    """

    stage: str
    role: str
    model: str
    tariff: Tariff
    requests: int
    prompt_tokens: float
    answer_tokens: float
    most_usd: float

    @property
    def usd(self) -> float:
        """What they cost, USD."""
        t = self.tariff
        return (self.prompt_tokens * t.input + self.answer_tokens * t.output) / 1e6

    def sentence(self) -> str:
        """Return it in words, with the limit that holds."""
        name = f"{run_folder.stage_name(self.stage)}, {self.role} {self.model}"
        cap = (
            f"the stage ends it at {self.most_usd:g} USD"
            if self.most_usd
            else f"no limit is set ({self.stage}.{self.role}_most_usd)"
        )
        if not self.requests:
            return f"{name}: how much it is asked shows in the run; {cap}."
        t = self.tariff
        return (
            f"{name}: about {self.requests:,} requests with {self.prompt_tokens:,.0f} prompt and "
            f"{self.answer_tokens:,.0f} answer tokens, about {self.usd:.2g} USD at {t.input:g} and {t.output:g} "
            f"per million ({source(t)}); thoughts come on top; {cap}."
        )


def forecasts(built: Mapping[str, Parameters], stages: Collection[str]) -> list[Forecast]:
    """Return what the stages that will run are expected to pay.

    Args:
        built: The parameters of every stage.
        stages: Stages that will run.

    Raises:
        BadInput: The price file or the data cannot be used.
    """
    asked = [
        (stage, role)
        for stage, roles in ROLES.items()
        if stage in stages
        for role in roles
        if getattr(built[stage], f"{role}_url") and getattr(built[stage], f"{role}_model")
    ]
    if not asked:
        return []
    material = _Material(built)
    return [_forecast(built[stage], stage, role, material) for stage, role in asked]


def sentences(built: Mapping[str, Parameters], stages: Collection[str]) -> Iterator[str]:
    """Yield what each endpoint is expected to cost, and all of them; nothing where none is asked."""
    found = forecasts(built, stages)
    yield from (one.sentence() for one in found)
    if len(found) > 1:
        yield f"All endpoints together: about {sum(one.usd for one in found):.2g} USD."


def _forecast(p: Any, stage: str, role: str, material: _Material) -> Forecast:
    url, model = getattr(p, f"{role}_url"), getattr(p, f"{role}_model")
    prices = tariff(url, model, getattr(p, f"{role}_prices"), p.price_file)
    counts = getattr(material, f"{stage}_{role}", lambda p: (0, 0.0, 0.0))
    requests, prompt, answer = counts(p)
    most = getattr(p, f"{role}_most_usd")
    return Forecast(
        stage, role, model, prices, requests, requests * prompt, requests * answer, most
    )


class _Material:
    """The run's own prompts and data: of 02 and 03 where they have run, else of the data's file."""

    def __init__(self, built: Mapping[str, Parameters]) -> None:
        self.built = built
        self.folder = Path(built["task"].run)
        self.card = build_card(built["task"])  # pyright: ignore[reportArgumentType]
        self.train, self.sizes = self._examples()
        if self.card.kind == "label":
            self.card = self.card.completed(sorted(set(self.train["output"])))
        self.inputs = self.train["input"].head(SHOWN).tolist()
        self.answer = self.train["output"].str.len().mean() / CHARACTERS_PER_TOKEN

    def _examples(self) -> tuple[Any, dict[str, int]]:
        import pandas as pd

        path = self.folder / "data" / "examples.parquet"
        if path.exists():
            table = run_folder.read_table(path)
            return table[table["split"] == "train"], table["split"].value_counts().to_dict()
        from ftkit.data.curate import load

        p: Any = self.built["data"]
        with tempfile.TemporaryDirectory() as folder:
            train, test = load(p, Path(folder))
        rows = pd.DataFrame(train.rows).assign(id=lambda t: [f"r{k}" for k in range(len(t))])
        held = round(len(rows) * p.validation_share)
        tested = len(test.rows) if test else round(len(rows) * p.test_share)
        limits = {"validation": p.max_validation or held, "test": p.max_test or tested}
        sizes = {"validation": min(held, limits["validation"])}
        return rows, sizes | {"test": min(tested, limits["test"])}

    def _prompts(self) -> list[Prompt]:
        from ftkit.strategies.prompt_candidates import candidates

        p: Any = self.built["prompting"]
        return candidates(self.card, self.train, p.shots, p.seed, own_prompt=p.own_prompt)

    def _tokens(self, prompts: Sequence[Prompt], passages: bool = False) -> float:
        """Return the mean length of prompts with the first inputs, in tokens."""
        from ftkit.strategies.grid import rendered

        lengths = [
            sum(len(m["content"]) for m in messages)
            for prompt in prompts
            for messages in rendered(prompt, self.inputs, self.train, None, False)[0]
        ]
        p: Any = self.built["retrieval"]
        more = p.top_k * p.chunk_words * CHARACTERS_PER_WORD if passages else 0
        return (sum(lengths) / len(lengths) + more) / CHARACTERS_PER_TOKEN

    def prompting_endpoint(self, p: Any) -> tuple[int, float, float]:
        """All prompts on validation, within ``endpoint_answers``, and the best two held within the format."""
        prompts, items = self._prompts(), min(p.validation_items, self.sizes["validation"])
        free = min(p.endpoint_answers or len(prompts) * items, len(prompts) * items)
        held = 2 * items if p.constrained else 0
        return free + held, self._tokens(prompts), self.answer

    def retrieval_endpoint(self, p: Any) -> tuple[int, float, float]:
        """The best prompt with and without examples, on validation, with passages."""
        if not p.handbook:
            return 0, 0.0, 0.0
        items = min(p.validation_items, self.sizes["validation"])
        return 2 * items, self._tokens(self._prompts(), passages=True), self.answer

    def evaluation_endpoint(self, p: Any) -> tuple[int, float, float]:
        """Every test question without and with passages, and the planted instructions; later editions ask the half again."""
        chosen = self._chosen()
        tests, with_passages = self.sizes["test"], bool(self._of("retrieval", "handbook"))
        plain, longer = self._tokens(chosen), self._tokens(chosen, passages=True)
        arms = [(tests, plain)]
        if with_passages:
            arms += [(tests, longer), (2 * p.injection_items, longer)]
        if p.later_data:
            arms += [(n, tokens) for n, tokens in arms[:2]]
        requests = sum(n for n, _ in arms)
        return requests, sum(n * tokens for n, tokens in arms) / max(1, requests), self.answer

    def evaluation_judge(self, p: Any) -> tuple[int, float, float]:
        """The labelled answers and those of all strategies, in both orders; equal answers are asked once."""
        from ftkit.evaluation.judge_scores import read_labels

        labels = len(read_labels(Path(p.judge_labels))[0])
        arms = (4 if self._of("retrieval", "handbook") else 2) + (2 if p.endpoint_url else 0)
        return 2 * (labels + arms * self.sizes["test"]), self._judged(), 1.0

    def preference_judge(self, p: Any) -> tuple[int, float, float]:
        """Known pairs and the answers before and after, in both orders."""
        if p.method == "none":
            return 0, 0.0, 0.0
        return 4 * min(p.check_items, self.sizes["validation"]), self._judged(), 1.0

    def _judged(self) -> float:
        from ftkit.evaluation.judge import ask

        rows = zip(self.inputs, self.train["output"].head(SHOWN), strict=True)
        asked = [ask((i, o, o), self.card.instruction, False) for i, o in rows]
        lengths = [sum(len(m["content"]) for m in messages) for messages in asked]
        return sum(lengths) / len(lengths) / CHARACTERS_PER_TOKEN

    def _of(self, stage: str, name: str) -> Any:
        return getattr(self.built[stage], name)

    def _chosen(self) -> list[Prompt]:
        """Return the endpoint's prompt where 03 chose one, else all that it would try."""
        try:
            path = self.folder / "prompting" / "prompts.json"
            book = run_folder.read_record(path, PromptBook)
        except FtkitError:
            return self._prompts()
        return [book.get(book.endpoint)] if book.endpoint else self._prompts()
