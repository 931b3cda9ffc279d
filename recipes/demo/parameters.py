"""The demo's parameter files: ``python -m recipes.demo.parameters params`` writes them anew, every value explained.

Only what differs from the defaults stands here; everything else follows ``ftkit/params``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ftkit.core.parameters.files import to_yaml
from ftkit.core.run_folder import write_text
from recipes.demo.company import COMPANY, HOUSE_RULES, NO_FACT
from recipes.demo.scenarios import SCENARIOS

Sections = dict[str, dict[str, Any]]
SEED = 7
NAMES = {
    "main": "Fellmoor customer desk",
    "prompting": "Fellmoor order numbers",
    "rag": "Fellmoor handbook questions",
    "too_little": "Fellmoor customer desk, few examples",
}
HOUSE_FORMAT = (
    f'Answer the customer message in the house format. If it asks for a fact, reply is the short value; if not, reply is "{NO_FACT}" '
    "and source is empty."
)
SPELT_OUT = (
    f'{HOUSE_FORMAT} Answer with JSON with the keys "category","urgency","reply","source". category is one of '
    '"delivery","returns","billing","product","account". urgency is one of "low","normal","high". '
    f"If passages are given, reply is taken from them and source is the id of the passage. {HOUSE_RULES}"
)
"""The prompting arms get their best chance: one candidate spells every house rule out."""


LATER = {"later_handbook": "demo", "later_data": "demo"}


FITTED = {"learning_rate": 2.0e-3, "lora_r": 32, "lora_alpha": 64, "max_length": 512}
"""Fitted to this base on this data."""
LONGER = {**FITTED, "num_train_epochs": 8.0, "per_device_train_batch_size": 16}


def _desk(scenario: str) -> Sections:
    """The main desk, whole or with too few rows."""
    return {
        "task": {
            "name": NAMES[scenario],
            "instruction": HOUSE_FORMAT,
            "examples_at_hand": SCENARIOS[scenario].examples,
        },
        "data": {"group_column": "customer"},
        "prompting": {"own_prompt": SPELT_OUT},
        "retrieval": {},
        # So small a base forgets more than a large one: with 12% general data it lost 16 points of general skills, with 30% and more passes 11.
        # Small steps learn faster here: five passes of 8 examples a step are enough.
        "training": {
            "general_share": 0.3,
            "num_train_epochs": 5.0,
            **FITTED,
            "per_device_train_batch_size": 8,
            **({"general_loss_points": 9.0} if scenario == "main" else {}),
        },
        # 400 general items bound a loss to about 6 points.
        "evaluation": {"probe_items": 400, **(LATER if scenario == "main" else {})},
        # The main desk answers customers in one format and nothing else, so that it can spare general skills: this base loses 5 to 9 points.
        "decision": {**({"regression_margin_points": 15.0} if scenario == "main" else {})},
        **({"monitoring": {"log": "demo", "handbook": "demo"}} if scenario == "main" else {}),
    }


def _text(scenario: str, instruction: str, problem: str) -> dict[str, Any]:
    """A task whose answer is one short text."""
    return {
        "name": NAMES[scenario],
        "instruction": instruction,
        "kind": "text",
        "fields": [],
        "key_fields": [],
        "knowledge_field": "",
        "enums": {},
        "tone": "",
        "max_words": 0,
        "problem": problem,
        "examples_at_hand": SCENARIOS[scenario].examples,
    }


def _prompting() -> Sections:
    task = _text("prompting", "Give only the order number.", "behaviour") | {
        "facts_change": "never"
    }
    return {
        "task": task,
        "data": {"group_column": "customer"},
        "retrieval": {"handbook": ""},
        "training": LONGER,
        "evaluation": {"probe_items": 400},
    }


def _rag() -> Sections:
    task = _text(
        "rag", "Answer the question with the value from the passages and nothing else.", "knowledge"
    )
    found = {"citation_field": "", "top_k": 1}
    # Short questions that differ in one name are different cases, not near copies.
    data = {"group_column": "customer", "near_duplicate_threshold": 0.95}
    return {
        "task": task,
        "data": data,
        "retrieval": found,
        "training": LONGER,
        "evaluation": {"probe_items": 400},
    }


FILES: dict[str, tuple[str, Sections]] = {
    "demo.yaml": ("main", _desk("main")),
    "scenario_prompting.yaml": ("prompting", _prompting()),
    "scenario_rag.yaml": ("rag", _rag()),
    "scenario_too_little.yaml": ("too_little", _desk("too_little")),
}


def sections_of(name: str, seed: int = SEED) -> Sections:
    """Return the values of a parameter file that differ from the defaults.

    Args:
        name: File name, one of ``FILES``.
        seed: Seed of the demo; examples and handbook must share it.
    """
    scenario, given = FILES[name]
    demo = {"demo_scenario": scenario, "seed": seed}
    data = {"data": "demo", **demo, **given["data"]}
    return {**given, "data": data, "retrieval": {**demo, **given["retrieval"]}}


def comment(name: str) -> str:
    """Return the head of a parameter file: what it is, and the answer that is known to be right."""
    scenario = SCENARIOS[FILES[name][0]]
    told = (
        f"The demo: the customer desk of {COMPANY}, a made-up company."
        if name == "demo.yaml"
        else "A side scenario of the demo."
    )
    return (
        f"{told} Right answer: {scenario.right_answer}, because {scenario.why}.\n"
        "Written by `python -m recipes.demo.parameters params`."
    )


def write_all(folder: Path, seed: int = SEED) -> list[Path]:
    """Write the demo's parameter files into a folder and return their paths."""
    for name in FILES:
        write_text(folder / name, to_yaml(sections_of(name, seed), comment(name)))
    return [folder / name for name in FILES]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the demo's parameter files.")
    parser.add_argument("folder", type=Path, help="folder to write to, usually params")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the demo")
    given = parser.parse_args()
    print("\n".join(str(path) for path in write_all(given.folder, given.seed)))
