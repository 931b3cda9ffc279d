"""The next round: labelled production answers join the data, the test stays comparable and gets fresh questions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.parameters.base import Parameters
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.files import load
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.monitoring import MonitoringCard
from ftkit.core.records.task import TaskCard
from ftkit.data.read import open_source
from ftkit.evaluation.test_access_log import LOG
from ftkit.monitoring.labels import COLUMNS, RANDOM, labelled, safe
from ftkit.scoring.formats import format_of
from ftkit.scoring.parse import parse
from ftkit.workflow import project

FOLDER = Path("rounds")
SERVED = "served_answer"
ROUND = "round"
OUTDATED = "cites an article that has changed"
FRESH = 0.5  # share of the labelled answers drawn at random that become test questions


@dataclass
class Round:
    """What was written.

    Attributes:
        parameters: Parameter file of the new project.
        data: Its examples: input, output, group, split, round, and what production answered.
        outdated: Examples left out because an article that they cite has changed; None where there is none.
        sentences: What was done, for people.
    """

    parameters: Path
    data: Path
    outdated: Path | None = None
    sentences: list[str] = field(default_factory=list)


def retune(file: Path, labels: Sequence[Path] = (), name: str = "", force: bool = False) -> Round:
    """Write data and parameters of a project's next round.

    Every example keeps the split that it had, so that the old test questions compare the rounds. Of the answers labelled
    since, those drawn at random go half into the test, half into training; what was picked because it was unusual is learnt from
    only: it would bend the test. Examples that cite an article that has changed since (as 10 found) are kept aside.

    Args:
        file: Parameter file of the project that serves; 02 must be done.
        labels: Label files of 10 with right answers filled in; empty: those in the run's folder.
        name: Name of the new project; empty: NAME-2, then NAME-3.
        force: Write over a parameter file of that name.

    Raises:
        NotReady: 02 has not been run.
        BadInput: Nothing is trained in this project, no label is filled in, a label file cannot be used, or the name is taken.
    """
    before = load(file)
    training = before["training"]
    assert isinstance(training, TrainingParameters)
    if training.method == "none":
        raise BadInput(
            "nothing is trained in this project, so there is nothing to tune again",
            where=f"{file}: training.method",
            todo="set it to lora, qlora or full",
        )
    run = Path(before["task"].run)
    path = run / "data" / "examples.parquet"
    if not path.exists():
        raise NotReady(
            "has no examples yet", where=str(run), todo=f"run it first: ftkit run {file}"
        )
    name = name or next_name(file.stem)
    project.check_name(name)
    if not force:
        project.check_new(name)
    found = _labelled(run, labels)
    card = run_folder.read_record(run / "task" / "task.json", TaskCard)
    old = _old(before, run_folder.read_table(path))
    fresh = _fresh(found, int(old[ROUND].max()) + 1)
    changed = _changed(run)
    kept, outdated = _parted(old, card, before, changed)
    import pandas as pd

    rows = pd.concat([kept, fresh], ignore_index=True)
    made = Round(project.path_of(name), FOLDER / f"{name}.csv")
    run_folder.write_text(made.data, rows.to_csv(index=False))
    if len(outdated):
        made.outdated = made.data.with_suffix(".outdated.csv")
        run_folder.write_text(made.outdated, _to_correct(outdated).to_csv(index=False))
    made.sentences = _told(card, kept, fresh, outdated, made.outdated, changed)
    project.write(
        name,
        _sections(before, rows, made.data),
        made.sentences,
        f"Written by `ftkit retune` from {file.name}:",
    )
    _keep_looks(run, Path(load(made.parameters)["task"].run))
    return made


def next_name(name: str) -> str:
    """Return the name of the next round: desk, desk-2, desk-3."""
    numbered = re.fullmatch(r"(.+)-(\d+)", name)
    return f"{numbered[1]}-{int(numbered[2]) + 1}" if numbered else f"{name}-2"


def _labelled(run: Path, labels: Sequence[Path]) -> Any:
    import pandas as pd

    paths = list(labels) or sorted((run / "monitoring").glob("label_sample*.csv"))
    tables = [labelled(path) for path in paths]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if not paths:
        todo = "set monitoring.log to what production wrote, run 10_monitoring, and fill in right_answer"
        raise BadInput(
            "there is no sample of production answers to label yet",
            where=str(run / "monitoring"),
            todo=todo,
        )
    if not len(found):
        where = ", ".join(map(str, paths))
        raise BadInput(
            "no right answer is filled in",
            where=where,
            todo="fill in right_answer in label_sample.csv, which 10_monitoring writes",
        )
    return found.drop_duplicates("id", keep="last")


def _old(before: dict[str, Parameters], examples: Any) -> Any:
    """Return the examples of the round before in the columns of the new file."""
    table: Any = examples[["input", "output", "group", "split", "source_row"]].copy()
    extra = rounds_of(before["data"])
    table[ROUND] = [extra.get(row, (1, ""))[0] for row in table["source_row"]]
    return table.drop(columns="source_row").assign(**{SERVED: ""})


def rounds_of(p: Parameters) -> dict[int, tuple[int, str]]:
    """Return of every row of a file that :func:`retune` wrote its round and what production answered; else nothing."""
    path = Path(p.data) if isinstance(p, DataParameters) else Path()
    if path.suffix != ".csv" or not path.is_file():
        return {}
    raw = open_source(path)
    if not {ROUND, SERVED} <= set(raw.columns):
        return {}
    return {number: (int(row[ROUND]), str(row[SERVED] or "")) for number, row in raw.rows}


def _fresh(found: Any, number: int) -> Any:
    """Return the labelled answers as rows of the new file; half of the random ones are test questions, by a draw of their ids."""
    drawn = sorted(
        found.loc[found["why"] == RANDOM, "id"],
        key=lambda i: hashlib.sha256(i.encode()).hexdigest(),
    )
    tested = set(drawn[: round(FRESH * len(drawn))])
    table = found.assign(
        group="",
        split=["test" if i in tested else "train" for i in found["id"]],
        served=found["output"].where(found["why"] != OUTDATED, ""),
        **{ROUND: number},
    )
    table["output"] = table["right_answer"]
    return table.rename(columns={"served": SERVED})[
        ["input", "output", "group", "split", ROUND, SERVED]
    ]


def _changed(run: Path) -> set[str]:
    path = run / "monitoring" / "monitoring.json"
    return (
        set(run_folder.read_record(path, MonitoringCard).changed_articles)
        if path.exists()
        else set()
    )


def _parted(
    old: Any, card: TaskCard, before: dict[str, Parameters], changed: set[str]
) -> tuple[Any, Any]:
    """Return the examples that still hold, and those that cite an article that has changed."""
    p = before["retrieval"]
    cited = p.citation_field if isinstance(p, RetrievalParameters) else ""
    stale = old["output"].map(
        lambda text: bool(cited) and parse(card, text).fields.get(cited, "") in changed
    )
    return old[~stale], old[stale]


def _to_correct(outdated: Any) -> Any:
    """Return examples as a label file: corrected, it comes back with --labels, to be learnt from."""
    ids = [f"old-{run_folder.sha256_bytes(text.encode())[:12]}" for text in outdated["input"]]
    return safe(outdated.assign(id=ids, time="", why=OUTDATED, right_answer=""))[COLUMNS]


def _sections(before: dict[str, Parameters], rows: Any, data: Path) -> dict[str, dict[str, Any]]:
    """Return the parameters of the new project: those of the old one, on the new data and today's handbook."""
    sections = {stage: p.model_dump(mode="json", exclude={"run"}) for stage, p in before.items()}
    sections["data"] |= {
        "data": str(data),
        "test_data": "",
        "input_column": "input",
        "output_column": "output",
        "split_column": "split",
        "time_column": "",
        "group_column": "group" if rows["group"].astype(bool).any() else "",
        "annotator_columns": [],
        "review": "",
        "context_columns": [],
    }
    sections["task"]["examples_at_hand"] = len(rows)
    sections["evaluation"] |= {"later_handbook": "", "later_data": ""}
    sections["monitoring"] |= {"labels": "", "new_examples": 0, "requirements_changed": False}
    watched = before["monitoring"]
    today = watched.handbook if isinstance(watched, MonitoringParameters) else ""
    if today and sections["retrieval"]["handbook"]:
        sections["retrieval"] |= {
            "handbook": today,
            **({"demo_edition": 2} if today == "demo" else {}),
        }
    return sections


def _told(
    card: TaskCard, kept: Any, fresh: Any, outdated: Any, path: Path | None, changed: set[str]
) -> list[str]:
    tests, learnt = (fresh[fresh["split"] == split] for split in ("test", "train"))
    said = [
        f"{len(fresh):,} labelled answers of production join {len(kept):,} examples of earlier rounds, which keep their splits.",
        f"{len(tests):,} of them, drawn at random, are fresh test questions beside {int((kept['split'] == 'test').sum()):,} old ones; "
        f"{len(learnt):,} are learnt from.",
    ]
    if len(outdated):
        said.append(
            f"{len(outdated):,} examples cite one of {len(changed)} articles that have changed and are left out; fill in right_answer in {path} and give it as --labels, too, to have them back."
        )
    faults = [
        text for text in fresh["output"] if format_of(card, text, parse(card, text)) == "failed"
    ]
    if faults:
        said.append(
            f"{len(faults)} right answers do not pass the task's own checks, 02 will leave them out; the first: {faults[0][:80]!r}."
        )
    if len(tests) < 30:
        said.append(
            f"{len(tests)} fresh test questions tell little by themselves: raise monitoring.label_items for the next sample."
        )
    return said


def _keep_looks(old: Path, new: Path) -> None:
    """Let the new run know that the old test questions were looked at before."""
    log, target = old / "evaluation" / LOG, new / "evaluation" / LOG
    if log.exists() and not target.exists():
        run_folder.write_text(target, log.read_text(encoding="utf-8"))
