"""One round of preference tuning: pairs, training, and the comparison with the model of 05."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import REVIEWS, PreferenceParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import Prompt, PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import RL, PreferenceCard, TrainingCard
from ftkit.evaluation import preference_judge
from ftkit.evaluation.judge import open_judge
from ftkit.models.chat import Messages
from ftkit.models.endpoint.model import EndpointModel
from ftkit.models.local import LocalModel
from ftkit.models.weights import resolve
from ftkit.scoring.score import score_texts
from ftkit.strategies import grid
from ftkit.strategies.prompt_rendering import neutral, render
from ftkit.training.preference import dpo, kto, pairs, win_rate
from ftkit.training.preference.learn import Lessons, graded, learn_together
from ftkit.training.preference.learn import learn as learn_here

Progress = Callable[[str], Any]
HELD_SHARE = 0.15
NONE = "preference.method is none: the answers of 05 are compared as they are. Set it to dpo where people prefer one right answer to another, to kto where they call single answers good or bad, to grpo where right answers can be checked or a reward model learnt"

UNTRAINED = "05 trained nothing (training.method is none), so there are no tuned answers to compare"


class Round:
    """Preference tuning on top of the adapter of 05.

    Args:
        p: The stage's parameters.
        stage: The preference stage.
        card: The task.
        train: Training examples.
        validation: Validation examples.
        progress: Makes a progress callable from a label.
    """

    def __init__(
        self,
        p: PreferenceParameters,
        stage: run_folder.Stage,
        card: TaskCard,
        train: Any,
        validation: Any,
        progress: Progress,
    ) -> None:
        self.p, self.stage, self.card, self.train, self.validation, self.progress = (
            p,
            stage,
            card,
            train,
            validation,
            progress,
        )
        self.training = run_folder.read_record(stage.of("training", "training.json"), TrainingCard)
        if not self.training.trained:
            raise BadInput(
                "05 trained nothing, so there are no tuned weights to go on from",
                where="preference.method",
                todo="set it to none, or training.method to lora, qlora or full",
            )
        self.book = run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
        self.prompt = self.book.get(self.training.prompt or self.book.zero_shot)
        self.searcher = grid.open_searcher(stage)
        self.local = LocalModel(
            p.base_model, adapter=stage.run / self.training.adapter, **self._sizes()
        )
        self.messages: dict[str, Messages] = {}
        self.before: list[str] = []

    def pairs(self) -> tuple[list[pairs.Pair], list[pairs.Pair]]:
        """Return the pairs to learn from, and those that are only measured; none where the task's checks are the reward.

        Raises:
            BadInput: A file cannot be used, too few answers were corrected, or there is no strategy of a name.
        """
        if self.p.method in RL and self.p.reward == "task":
            return [], []
        if self.p.pairs == REVIEWS:
            return self._corrected()
        if self.p.pairs:
            read = pairs.read_graded if self.p.method == "kto" else pairs.read_pairs
            found = read(Path(self.p.pairs))
            random.Random(self.p.seed).shuffle(found)
            self.messages |= {pair.id: render(self.prompt, pair.prompt) for pair in found}
            held = max(2, round(HELD_SHARE * len(found)))
            return found[held:], found[:held]
        return self._made(self.train, self.p.pair_items, "drawn answers"), self._made(
            self.validation, self._held_items(), "drawn answers, validation"
        )

    def _corrected(self) -> tuple[list[pairs.Pair], list[pairs.Pair]]:
        """Return the pairs that people made in 02's review: their answer against the one that they corrected."""
        found = pairs.read_corrections(self.stage.of("data", "corrections.jsonl"))
        for examples in (self.train, self.validation):
            rows = examples[
                examples["id"].isin([pair.id for part in found.values() for pair in part])
            ]
            self.messages |= {row: messages for messages, _, row in self._asked(rows)}
        learn, held = found["train"], found["validation"]
        if len(held) >= 2:
            return learn, held
        held = max(2, round(HELD_SHARE * len(learn)))
        return learn[held:], learn[:held]

    def _made(self, examples: Any, size: int, label: str) -> list[pairs.Pair]:
        specs = self._strategies()
        shown = {row for spec in specs for row in self.book.get(spec.prompt).shots}
        chosen = self._drawn(examples[~examples["id"].isin(shown)], size)
        asked = self._asked(chosen)
        if specs:
            drawn = [
                [*chain(*said)]
                for said in zip(*(self._said(s, chosen, label) for s in specs), strict=True)
            ]
        else:
            drawn = self._sampled(
                self.local, self.prompt, [messages for messages, _, _ in asked], label
            )
        scored = [[(text, 0.0) for text in texts] for texts in drawn]
        for k in range(len(drawn[0])):
            for place, reward in enumerate(
                graded(score_texts(self.card, chosen, [texts[k] for texts in drawn]))
            ):
                scored[place][k] = (drawn[place][k], reward)
        self.messages |= {row: messages for messages, _, row in asked}
        prompts = [
            (row, text, right) for (_, right, row), text in zip(asked, chosen["input"], strict=True)
        ]
        return pairs.made_pairs(prompts, scored)

    def _strategies(self) -> list[StrategySpec]:
        """Return the strategies whose answers are drawn; none: the tuned model's own, asked as it was trained."""
        retrieval = run_folder.read_record(
            self.stage.of("retrieval", "retrieval.json"), RetrievalCard
        )
        known = {spec.name: spec for spec in grid.grid(self.book, retrieval, self.training)}
        if unknown := [name for name in self.p.pair_strategies if name not in known]:
            raise BadInput(
                f"this run has no strategy '{unknown[0]}'",
                where="preference.pair_strategies",
                todo=f"use some of {', '.join(known)}",
            )
        return [known[name] for name in dict.fromkeys(self.p.pair_strategies)]

    def _said(self, spec: StrategySpec, items: Any, label: str) -> list[list[str]]:
        """Return a strategy's drawn answers to examples, none of which it is shown with its answer."""
        others = self.train[~self.train["id"].isin(items["id"])]
        texts = items["input"].tolist()
        asked = grid.asked(spec, texts, book=self.book, examples=others, searcher=self.searcher)
        model = (
            self.local
            if spec.model == "tuned"
            else LocalModel(self.p.base_model, beside=self.local, **self._sizes())
        )
        return self._sampled(model, self.book.get(spec.prompt), asked, f"{label}, {spec.name}")

    def _sampled(
        self, model: LocalModel, prompt: Prompt, asked: list[Messages], label: str
    ) -> list[list[str]]:
        p = self.p
        return model.sample(
            asked, p.samples, p.temperature, p.seed, self.progress(label), prompt.response_format
        )

    def _sizes(self) -> dict[str, Any]:
        return self.p.answering()

    def _source(self) -> str:
        """Return in words where the pairs come from."""
        if self.p.pairs == REVIEWS:
            return "answers corrected in review"
        if self.p.pairs:
            return Path(self.p.pairs).name
        return (
            f"drawn answers of {', '.join(self.p.pair_strategies)}"
            if self.p.pair_strategies
            else "the tuned model's own answers"
        )

    def _drawn(self, examples: Any, size: int) -> Any:
        return examples.sample(min(size, len(examples)), random_state=self.p.seed).reset_index(
            drop=True
        )

    def _asked(self, examples: Any) -> list[tuple[Messages, str, str]]:
        share = float(
            run_folder.read_record(
                self.stage.of("training", "manifest.json"), Manifest
            ).parameters.get("with_passages_share", 0.5)
        )
        return grid.training_conversations(examples, self.prompt, self.searcher, share, self.p.seed)

    def _checks(self) -> tuple[Any, list[Messages]]:
        items = self.validation.head(self.p.check_items).reset_index(drop=True)
        return items, [messages for messages, _, _ in self._asked(items)]

    def run(self, learn: Sequence[pairs.Pair], held: Sequence[pairs.Pair]) -> PreferenceCard:
        """Train, and compare with the model of 05 on validation; the card says whether 07 uses it."""
        items, asked = self._checks()
        formats = [self.prompt.response_format] * len(asked)
        judge = self._judge(held)
        before = [r.text for r in self.local.answer(asked, self.progress("answers of 05"), formats)]
        base, label = Path(resolve(self.p.base_model)), self.progress("preference tuning")
        lessons = self._lessons(learn, held)
        if self.p.processes > 1:
            adapter = self.stage.run / self.training.adapter
            learnt = learn_together(
                self.local, lessons, self.p, self.stage.folder, base, adapter, label
            )
        else:
            learnt = learn_here(self.local, lessons, self.p, self.stage.folder, base, label)
        new = LocalModel(self.p.base_model, adapter=self.stage.path("adapter"), **self._sizes())
        after = [r.text for r in new.answer(asked, self.progress("answers after"), formats)]
        self.before, self.after, self.items = before, after, items
        card = PreferenceCard(
            method=self.p.method,
            adapter="preference/adapter",
            source=self._source(),
            **learnt.told(),
            pairs=len(learn),
            gold_pairs=sum(pair.gold for pair in learn),
            held_pairs=len(held),
            log=learnt.log,
            duration_s=round(learnt.seconds, 1),
        )
        scores = (score_texts(self.card, items, before), score_texts(self.card, items, after))
        card = win_rate.conclude(card, *scores, (before, after), self.p.seed)
        if not judge:
            return card
        try:
            return win_rate.decided(card.model_copy(update=self._preferred(*judge)))
        except FtkitError as error:  # what was learnt is not thrown away for a judge that is gone
            return card.model_copy(
                update={"reason": f"{card.reason}; the judge was not heard: {error.found}"}
            )

    def _judge(self, held: Sequence[pairs.Pair]) -> tuple[EndpointModel, Estimate] | None:
        """Return the judge that the parameters name, and how it does on pairs that are not learnt from; None without one.

        Raises:
            FtkitError: It does no better than chance, or there are too few pairs to tell.
        """
        p = self.p
        if not p.judge_model:
            return None
        kept = self.stage.path("judge.jsonl")
        judge = open_judge(p, "preference", kept)
        known = held or self._made(self.validation, self._held_items(), "drawn answers, validation")
        told = [(x.prompt, x.rejected, x.chosen) for x in known if x.chosen and x.rejected]
        return judge, preference_judge.agreement(
            judge, told, self.card.instruction, self.progress("the judge, on known pairs")
        )

    def _preferred(self, judge: EndpointModel, agreement: Estimate) -> dict[str, Any]:
        """Return what the judge says of the answers before and after, for the card."""
        rows = list(zip(self.items["input"], self.before, self.after, strict=True))
        found = preference_judge.prefer(
            judge, rows, self.card.instruction, self.progress("the judge, on both answers")
        )
        return {
            "judge": judge.name,
            "judge_agreement": agreement,
            "judge_swapped": found.swapped,
            "judge_bill": judge.bill.sentence(),
            "wins": found.wins,
            "losses": found.losses,
            "win_rate": found.rate(),
        }

    def _held_items(self) -> int:
        return max(8, round(HELD_SHARE * self.p.pair_items))

    def _lessons(self, learn: Sequence[pairs.Pair], held: Sequence[pairs.Pair]) -> Lessons:
        """Return what the method learns from, encoded."""
        if self.p.method == "kto":
            return Lessons(graded=self._graded(learn), graded_held=self._graded(held))
        found = Lessons(
            pairs=[self._encoded(x) for x in learn], held=[self._encoded(x) for x in held]
        )
        if self.p.method in RL:
            drawn = self._drawn(self.train, self.p.pair_items)
            self.messages |= {row: messages for messages, _, row in self._asked(drawn)}
            found.prompts, found.items = self.messages, json.loads(drawn.to_json(orient="records"))
            found.card = self.card.model_dump(mode="json")
        return found

    def _encoded(self, pair: pairs.Pair) -> dpo.Preferred:
        return dpo.encode(
            self.local, self.messages[pair.id], neutral(pair.chosen), neutral(pair.rejected)
        )

    def _graded(self, found: Sequence[pairs.Pair]) -> list[kto.Graded]:
        """Return each side of the pairs by itself, good and bad ones taking turns."""
        sides = [
            (pair, text, good)
            for pair in found
            for text, good in ((pair.chosen, True), (pair.rejected, False))
            if text
        ]
        return [
            kto.encode(self.local, self.messages[pair.id], neutral(text), good)
            for pair, text, good in sides
        ]

    def changed(self, limit: int = 6) -> list[dict[str, str]]:
        """Return validation answers that became others."""
        rows = zip(self.items["input"], self.items["output"], self.before, self.after, strict=True)
        return [
            {"asked": a, "right answer": b, "before": c, "after": d}
            for a, b, c, d in rows
            if c != d
        ][:limit]
