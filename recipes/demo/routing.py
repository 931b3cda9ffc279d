"""The demo on a real base: messages of the made-up desk, each with the team that answers it. ``python -m recipes.demo.routing``.

Writes ``ftkit/demo/routing.csv`` and ``params/demo-real.yaml``. Sized for two cores: short answers,
150 test questions, about 230 training rows.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ftkit.core.run_folder import atomic, write_text
from ftkit.workflow.short_file import short_yaml
from recipes.demo.scenarios import example_rows

ROOT = Path(__file__).parents[2]
DATA = Path("ftkit/demo/routing.csv")
ROWS, SEED = 420, 7
SECTIONS = {
    "model": {"base_model": "smollm2-135m", "max_new_tokens": 8},
    "task": {
        "name": "Fellmoor message routing",
        "instruction": "Choose the team that answers the customer's message.",
        "kind": "label",
        "labels": [],
        "fields": [],
        "key_fields": [],
        "knowledge_field": "",
        "enums": {},
        "tone": "",
        "max_words": 0,
        "problem": "behaviour",
        "facts_change": "never",
        "examples_at_hand": ROWS,
    },
    "data": {
        "data": str(DATA),
        "input_column": "message",
        "output_column": "team",
        "group_column": "customer",
        "max_test": 150,
        "max_validation": 40,
        "test_share": 0.36,
        "validation_share": 0.1,
    },
    "prompting": {"validation_items": 30, "search_answers": 0, "shots": [4]},
    "retrieval": {"handbook": ""},
    "training": {
        "num_train_epochs": 3.0,
        "lora_r": 16,
        "lora_alpha": 32,
        "per_device_train_batch_size": 8,
        "max_length": 384,
        "sample_items": 20,
        "epoch_sample_items": 0,
        "general_share": 0.1,
        "general_items": 40,
    },
    "evaluation": {"probe_items": 60, "injection_items": 0},
    "decision": {"facts_change": "never"},
    "deployment": {
        "parity_items": 10,
        "fault_items": 4,
        "load_clients": [1, 4],
        "load_requests": 12,
    },
}
HEAD = (
    "The demo on a real base: which team answers a customer's message? 420 messages of a made-up desk, five teams.\n"
    "Written by `python -m recipes.demo.routing`; `make demo-real` runs it. Sized for two cores."
)


def rows() -> list[tuple[str, str, str]]:
    """Return message, team and customer of as many rows of each team, one message a customer.

    So every test question counts in full: rows of one customer count as less than as many of different ones.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    seen = set()
    for row in example_rows(3000, SEED, "main", 1):
        try:
            team = str(json.loads(row.answer)["category"])
        except (ValueError, KeyError):
            continue
        if not seen & {row.text, row.customer}:
            seen |= {row.text, row.customer}
            found.setdefault(team, []).append((row.text, team, row.customer))
    each = ROWS // len(found)
    return [row for k in range(each) for row in (found[team][k] for team in sorted(found))]


def main() -> None:
    """Write the data and the parameter file."""
    with atomic(ROOT / DATA) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["message", "team", "customer"])
        writer.writerows(rows())
    write_text(ROOT / "params" / "demo-real.yaml", short_yaml(SECTIONS, HEAD))


if __name__ == "__main__":
    main()
