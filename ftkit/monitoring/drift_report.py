"""One look at production: the log held against what is usual, put together from monitoring, retrieval and evaluation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.monitoring import MonitoringCard, WatchedSignal
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import TrainingCard
from ftkit.models.embeddings import embed, load_embedder
from ftkit.monitoring import advice
from ftkit.monitoring.drift import WINDOW, Drift, Signal, p_limit
from ftkit.monitoring.drift_examples import new_words, newest
from ftkit.monitoring.labels import label_sample, read_labels
from ftkit.monitoring.logs import Log, write_rejected
from ftkit.monitoring.signals import LARGEST_REFERENCE, passed_on, signals_of, thinned
from ftkit.retrieval.handbook import open_handbook
from ftkit.retrieval.index import Index
from ftkit.scoring.score import shares

Progress = Callable[[str], Any]


class Look:
    """One look at the log: what is usual, what is new, and what they are compared by.

    Args:
        p: The stage's parameters.
        stage: The monitoring stage.
        card: The task.
        log: The log.
        examples: Training and validation examples, which stand for the usual.
        progress: Makes a progress callable from a label.

    Raises:
        BadInput: The first weeks stand for the usual and hold too few rows, or there are no others.
    """

    def __init__(
        self,
        p: MonitoringParameters,
        stage: run_folder.Stage,
        card: TaskCard,
        log: Log,
        examples: Any,
        progress: Progress,
    ) -> None:
        self.p, self.stage, self.card, self.log, self.progress = p, stage, card, log, progress
        rows = thinned(log, p.seed)
        early = rows["week"] < p.reference_weeks
        if p.reference_weeks:
            if early.sum() < 50 or early.all():
                raise BadInput(
                    f"the first {p.reference_weeks} weeks hold {int(early.sum())} of {len(rows)} rows",
                    where="monitoring.reference_weeks",
                    todo="at least 50 rows must stand for the usual, and some weeks must follow",
                )
            usual, self.rows, self.usual_outputs = (
                rows[early],
                rows[~early].reset_index(drop=True),
                rows[early]["output"].tolist(),
            )
        else:
            usual, self.rows, self.usual_outputs = examples, rows, tested_answers(stage)
        usual = usual.sample(min(len(usual), LARGEST_REFERENCE), random_state=p.seed)
        self.usual: list[str] = usual["input"].tolist()
        self.tested = run_folder.read_record(stage.of("evaluation", "evaluation.json"), Evaluation)
        retrieval = run_folder.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
        self.model = load_embedder(retrieval.embedding_model or "minilm")
        self.usual_vectors = embed(self.model, self.usual, progress("the usual"))
        self.vectors = embed(self.model, self.rows["input"].tolist(), progress("the log"))
        self.index = Index(stage.of("retrieval", "index")) if retrieval.enabled else None

    def signals(self) -> list[Signal]:
        """Return what can be watched."""
        covered = None
        if self.index is not None:
            passages = self.index.vectors
            covered = ((self.usual_vectors @ passages.T).max(1), (self.vectors @ passages.T).max(1))
        found = signals_of(
            self.rows,
            self.vectors,
            self.usual,
            self.usual_vectors,
            len(self.log.weeks),
            self.card,
            usual_outputs=self.usual_outputs,
            covered=covered,
        )
        tested = self.tested.cascade
        if tested is None or tested.passed is None:
            return found
        weeks = self.rows["week"].to_numpy()
        by_week = [np.flatnonzero(weeks == w) for w in range(len(self.log.weeks))]
        return found + passed_on(
            self.rows["passed_on"].to_numpy(dtype=float), tested.passed, by_week
        )

    def since(self, drifts: list[Drift]) -> int | None:
        """Return the week of the first alarm."""
        return min((d.since for d in drifts if d.since is not None), default=None)

    def record(self, drifts: list[Drift]) -> MonitoringCard:
        """Return the card: signals, and in words and examples what has changed."""
        first, weeks = self.since(drifts), self.log.weeks
        late = self.rows["week"].to_numpy() >= (first if first is not None else len(weeks))
        texts, places = self.rows["input"].tolist(), np.flatnonzero(late)
        new = (
            newest([texts[i] for i in places], self.vectors[places], self.usual_vectors)
            if len(places)
            else []
        )
        starts = [weeks[int(w)] for w in self.rows["week"]]
        table = self.log.table
        limit = p_limit(len(drifts))
        return MonitoringCard(
            log=self.log.source,
            rows=len(table),
            rejected=len(self.log.rejected),
            weeks=weeks,
            rows_per_week=[int((table["week"] == w).sum()) for w in range(len(weeks))],
            reference=f"the first {self.p.reference_weeks} weeks"
            if self.p.reference_weeks
            else "the examples of 02",
            signals=[_watched(d, weeks) for d in drifts],
            p_limit=limit,
            examples=[(starts[places[i]], texts[places[i]]) for i, _ in new],
            words=new_words(self.usual, [texts[i] for i in places]) if len(places) else [],
            days_since_training=days_since(self.stage, table["time"].iloc[-1]),
        )

    def to_label(self) -> Any:
        """Return the sample of the last four weeks that somebody should label."""
        last = self.rows["week"].to_numpy() > len(self.log.weeks) - 1 - WINDOW
        nearest = (self.vectors[last] @ self.usual_vectors.T).max(1)
        return label_sample(
            self.rows[last].reset_index(drop=True), 1 - nearest, self.p.label_items, self.p.seed
        )

    def keep_rejected(self) -> Path | None:
        """Write the lines that could not be used; None where all could."""
        if not self.log.rejected:
            return None
        write_rejected(self.stage.path("rejected.csv"), self.log)
        return self.stage.path("rejected.csv")


def _watched(drift: Drift, weeks: list[str]) -> WatchedSignal:
    values = [None if v != v else round(v, 5) for v in drift.values]
    since = "" if drift.since is None else weeks[drift.since]
    return WatchedSignal(
        name=drift.signal,
        unit=drift.unit,
        usual=round(drift.usual, 5),
        values=values,
        p_values=drift.p_values,
        since=since,
    )


def shipped_strategy(stage: run_folder.Stage) -> str:
    """Return the name of the strategy that 09 exported."""
    return run_folder.read_record(
        stage.of("deployment", "deployment.json"), DeploymentCard
    ).strategy


def tested_answers(stage: run_folder.Stage) -> list[str]:
    """Return the answers of the exported strategy in the test; none where nothing was exported."""
    shipped = shipped_strategy(stage)
    answers = run_folder.read_table(stage.of("evaluation", "answers.parquet"))
    return answers.loc[answers["strategy"] == shipped, "text"].tolist()


def days_since(stage: run_folder.Stage, last: Any) -> int:
    """Return the days from the training to the last message; 0 where the messages are older."""
    manifest = run_folder.read_record(stage.of("training", "manifest.json"), Manifest)
    trained = dt.datetime.strptime(manifest.started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    return max(0, (last.to_pydatetime() - trained).days)


def handbook_changes(p: MonitoringParameters, stage: run_folder.Stage) -> tuple[list[str], int]:
    """Return the ids of the articles that differ from the indexed ones, and how many there are now; 0: not compared.

    Args:
        p: Names the handbook of today; empty: nothing is compared.
        stage: The monitoring stage.
    """
    retrieval = run_folder.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
    if not p.handbook or not retrieval.enabled:
        return [], 0
    from ftkit.retrieval.chunks import chunks

    manifest = run_folder.read_record(stage.of("retrieval", "manifest.json"), Manifest)
    settings = RetrievalParameters.model_validate(
        {**manifest.parameters, "run": str(stage.run), "handbook": p.handbook}
    )
    if p.handbook == "demo":
        settings = settings.model_copy(update={"demo_edition": 2})
    articles = open_handbook(settings, stage.path("handbook")).articles
    now = {
        c.id: (c.title, c.text, c.source)
        for c in chunks(articles, retrieval.chunk_words or settings.chunk_words)
    }
    used = {
        c.id: (c.title, c.text, c.source) for c in Index(stage.of("retrieval", "index")).passages
    }
    changed = sorted(
        {(now.get(i) or used[i])[2] for i in {*now, *used} if now.get(i) != used.get(i)}
    )
    return changed, len(articles)


def quality(p: MonitoringParameters, card: TaskCard) -> Any:
    """Return the share right of the labelled production answers; None where there are none."""
    if not p.labels:
        return None
    items, answers = read_labels(Path(p.labels))
    return shares(card, items, {"production": answers})["production"]


def advise(
    card: MonitoringCard,
    p: MonitoringParameters,
    stage: run_folder.Stage,
    task: TaskCard,
    changed: list[str],
    articles: int,
) -> MonitoringCard:
    """Return the card with quality, handbook, verdict and reasons; the last two are what ``handbook_changes`` found."""
    shipped = shipped_strategy(stage)
    results = run_folder.read_record(stage.of("evaluation", "evaluation.json"), Evaluation).results
    result = next(r for r in results if r.spec.name == shipped)
    found = {
        "quality": quality(p, task),
        "tested": result.accuracy,
        "handbook_changed": len(changed),
        "handbook_articles": articles,
        "changed_articles": changed,
    }
    training = run_folder.read_record(stage.of("training", "training.json"), TrainingCard)
    return advice.advise(
        card.model_copy(update=found),
        tuned=result.spec.model == "tuned",
        retriever=result.spec.retriever,
        requirements_changed=p.requirements_changed,
        new_examples=p.new_examples,
        trained_on=training.examples - training.general_examples,
    )
