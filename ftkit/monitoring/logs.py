"""Production logs: JSON lines, CSV or Parquet; a line that cannot be used is kept aside with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import in_child
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.demo import write_traffic

NAMES: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "created_at", "start_time", "Timestamp"),
    "input": ("input", "message", "prompt", "question", "gen_ai.input.messages", "gen_ai.prompt"),
    "output": (
        "output",
        "answer",
        "response",
        "completion",
        "gen_ai.output.messages",
        "gen_ai.completion",
    ),
    "feedback": ("feedback", "thumb", "rating"),
    "confidence": ("confidence",),
    "passed_on": ("passed_on",),
}
GOOD, BAD = (
    {"1", "up", "good", "yes", "true", "positive"},
    {"0", "-1", "down", "bad", "no", "false", "negative"},
)


@dataclass
class Log:
    """What was read.

    Attributes:
        table: Columns ``time`` (UTC), ``week`` (counted from 0), ``input``, ``output`` (may be empty), ``feedback``
            (1.0, 0.0 or NaN), ``confidence`` (0..1 or NaN), ``passed_on`` (1.0: a cascade wanted its large model; 0.0 or
            NaN), in the order of time.
        rejected: Line number and reason of the others.
        weeks: First day of each week, ISO.
        source: Name of the file.
    """

    table: Any
    rejected: list[tuple[int, str]] = field(default_factory=list)
    weeks: list[str] = field(default_factory=list)
    source: str = ""


def open_log(p: MonitoringParameters, folder: Path) -> Log | None:
    """Return the log that the parameters name; None where there is none yet. ``demo`` is written to ``folder`` first.

    Raises:
        BadInput: The file is missing, of an unknown kind, lacks a column, or holds no usable row.
    """
    if not p.log:
        return None
    path = write_traffic(folder / "traffic.jsonl") if p.log == "demo" else Path(p.log)
    if not path.is_file():
        raise BadInput(
            "there is no such file",
            where=str(path),
            todo="check monitoring.log; empty: nothing is watched yet",
        )
    good, rejected = [], []
    for number, row in _rows(path):
        if (
            p.served_name
            and isinstance(row, dict)
            and str(row.get("model", p.served_name)) != p.served_name
        ):
            continue
        kept, reason = _usable(row)
        if kept is None:
            rejected.append((number, reason))
        else:
            good.append(kept)
    if not good:
        told = f"; line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        told += (
            f"; rows of another name than {p.served_name} were passed over" if p.served_name else ""
        )
        raise BadInput(
            f"holds no row with a time and an input{told}",
            where=str(path),
            todo="name its columns time and input",
        )
    return _in_weeks(good, rejected, path.name)


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson", ".log"):
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _json(line)
        return
    if kind not in (".parquet", ".csv"):
        raise BadInput(
            f"'{kind}' is no kind of log",
            where=str(path),
            todo="use JSON lines (.jsonl), .csv or .parquet",
        )
    rows = in_child(_table, path, kind=kind[1:].upper())
    yield from enumerate(rows, 2 if kind == ".csv" else 1)


def _table(path: Path) -> list[dict[Any, Any]]:
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        return pd.read_parquet(path).to_dict("records")
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _usable(row: Any) -> tuple[dict[str, Any] | None, str]:
    """Return a row in the log's own names, or None and why not."""
    import pandas as pd

    if not isinstance(row, dict):
        return None, "no JSON object"
    found = {
        name: next((row[key] for key in keys if key in row), None) for name, keys in NAMES.items()
    }
    text = _text(found["input"]).strip()
    if not text:
        return None, "no input"
    told: Any = found["time"]
    time: Any = pd.to_datetime(
        told,
        utc=True,
        errors="coerce",
        format="ISO8601" if isinstance(found["time"], str) else None,
    )
    if found["time"] is None or pd.isna(time):
        return None, f"no time that can be read: {str(found['time'])[:40]!r}"
    if time > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=1):
        return None, f"a time in the future: {time.date()}"
    told = {
        "feedback": _feedback(found["feedback"]),
        "confidence": _share(found["confidence"]),
        "passed_on": _feedback(found["passed_on"]),
    }
    return {"time": time, "input": text, "output": _text(found["output"]).strip(), **told}, ""


def _text(value: Any) -> str:
    """Return the text of a message, or of the last one of a list of messages (OpenTelemetry's form)."""
    if isinstance(value, str) and value[:2] in ("[{", '{"'):
        inner = _json(value)
        return _text(inner) if isinstance(inner, list) else value
    if isinstance(value, list):
        return _text(value[-1]) if value else ""
    if isinstance(value, dict):
        parts = value.get("content", value.get("parts", ""))
        return _text(parts)
    return "" if value is None or value != value else str(value)


def _feedback(value: Any) -> float:
    told = str(value).strip().lower().removesuffix(".0")
    return 1.0 if told in GOOD else 0.0 if told in BAD else float("nan")


def _share(value: Any) -> float:
    """Return a number in 0..1, else NaN."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return float("nan")
    return found if 0 <= found <= 1 else float("nan")


def _in_weeks(rows: list[dict[str, Any]], rejected: list[tuple[int, str]], source: str) -> Log:
    import pandas as pd

    table: Any = pd.DataFrame(rows).sort_values("time", kind="stable").reset_index(drop=True)
    twice = table.duplicated(["time", "input", "output"])
    rejected += [(0, f"{int(twice.sum())} rows stand twice")] if twice.any() else []
    table = table[~twice].reset_index(drop=True)
    first = table["time"].iloc[0].normalize()
    first -= pd.Timedelta(days=first.weekday())
    table["week"] = ((table["time"] - first).dt.days // 7).astype(int)
    weeks = [
        (first + pd.Timedelta(weeks=w)).date().isoformat()
        for w in range(int(table["week"].max()) + 1)
    ]
    return Log(table, rejected, weeks, source)


def write_rejected(path: Path, log: Log) -> None:
    """Write the rejected lines as CSV: line, reason."""
    lines = "".join(
        f"{number},{json.dumps(reason, ensure_ascii=False)}\n" for number, reason in log.rejected
    )
    run_folder.write_text(path, "line,reason\n" + lines)
