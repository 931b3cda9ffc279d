"""Round two on the demo: four weeks of its traffic are answered, some answers labelled, and the next round is made.

``python -m benchmarks.round_two params/demo.yaml`` after ``ftkit run params/demo.yaml``. The labels are the planted truth, half of them of answers
drawn at random. It ends where ``ftkit run params/demo-2.yaml`` and ``ftkit promote`` go on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ftkit.core.parameters.files import load
from ftkit.core.run_folder import write_text
from ftkit.deployment.served_strategy import Served
from ftkit.monitoring.labels import labelled, safe, sample_path
from ftkit.workflow.retune import retune
from ftkit.workflow.run import Selection
from ftkit.workflow.run import run as run_run
from recipes.demo.traffic import arrivals

WEEK, MESSAGES, LABELS = 9, 1800, 300


def main() -> None:
    """Write log, labels and the next round."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("file", type=Path, help="parameter file of the demo, which was run")
    file: Path = asked.parse_args().file
    run = Path(load(file)["task"].run)
    served, arrived = Served(run / "deployment" / "export", 1), arrivals(MESSAGES)
    late = [a for a in arrived if a.week >= WEEK]
    _, replies = served.answer([a.message.text for a in late])
    said = {
        id(a): {"output": r.text, "confidence": r.confidence}
        for a, r in zip(late, replies, strict=True)
    }
    rows = [
        {
            "time": a.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "message": a.message.text,
            **said.get(id(a), {}),
        }
        for a in arrived
    ]
    log = run / "round_two.jsonl"
    write_text(log, "\n".join(json.dumps(row) for row in rows) + "\n")
    sheet = sample_path(run / "monitoring")
    settings = [f"monitoring.log={log}", f"monitoring.label_items={LABELS}"]
    run_run(file, selection=Selection(["monitoring"], force=True), overrides=settings)
    fill(sheet, {a.message.text: a.message.answer(a.edition) for a in arrived})
    made = retune(file, [sheet], force=True)
    print(
        "\n".join(
            [
                *made.sentences,
                f"Go on: ftkit run {made.parameters} && ftkit promote {made.parameters}",
            ]
        )
    )


def fill(sheet: Path, truth: dict[str, str]) -> None:
    """Fill in the right answers of a label file."""
    import pandas as pd

    table = pd.read_csv(sheet, dtype=str, keep_default_na=False)
    table["right_answer"] = "?"
    write_text(sheet, table.to_csv(index=False))
    plain = labelled(sheet)
    table = safe(plain.assign(right_answer=[truth[text] for text in plain["input"]]))
    write_text(sheet, table.to_csv(index=False))


if __name__ == "__main__":
    main()
