"""Answers of a real base against `generate` as it comes: ``python -m benchmarks.answering params/demo-real.yaml``.

Both answer the same test prompts of a run, greedily, in float32, in batches of 16 in one process, one after the other. As it
comes: `transformers` with the prompts in the order of the questions, padded on the left. Told: seconds, how many times
quicker, and how many texts are equal.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from ftkit.core import run_folder
from ftkit.core.parameters.files import load
from ftkit.core.records.prompting import PromptBook
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.strategies.grid import conversations


def as_it_comes(model: LocalModel, asked: list[Messages], batch: int) -> list[str]:
    """Return the answers of ``generate``, in batches in the given order."""
    import torch

    tokenizer, texts = model.tokenizer, list[str]()
    tokenizer.padding_side = "left"
    for start in range(0, len(asked), batch):
        part = tokenizer.apply_chat_template(
            asked[start : start + batch],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.inference_mode():
            out = model.model.generate(**part, max_new_tokens=model.max_new_tokens)
        texts += tokenizer.batch_decode(
            out[:, part["input_ids"].shape[1] :], skip_special_tokens=True
        )
    return [text.strip() for text in texts]


def main() -> None:
    """Print a row for each prompt of the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parameters", type=Path, help="parameter file of a run that 03 is done of")
    parser.add_argument("--questions", type=int, default=64)
    p = parser.parse_args()
    built = load(p.parameters)
    run = Path(built["task"].run)
    book = run_folder.read_record(run / "prompting" / "prompts.json", PromptBook)
    table = run_folder.read_table(run / "data" / "examples.parquet")
    test = table[table["split"] == "test"].head(p.questions)
    model = LocalModel(
        built["prompting"].base_model, max_new_tokens=built["prompting"].max_new_tokens
    )
    print(f"load before: {os.getloadavg()[0]:.1f}, cores {os.cpu_count()}")
    print(
        "| prompt | tokens | as it comes, s | ftkit, s | times | equal texts |\n|---|---|---|---|---|---|"
    )
    train = table[table["split"] == "train"]
    for prompt in (trial.prompt for trial in book.trials):
        asked = conversations(prompt, test["input"].tolist(), train)
        began = time.perf_counter()
        theirs = as_it_comes(model, asked, 16)
        middle = time.perf_counter()
        ours = model.answer(asked)
        ended = time.perf_counter()
        same = sum(a == b.text.strip() for a, b in zip(theirs, ours, strict=True))
        tokens = sum(r.prompt_tokens for r in ours) / len(ours)
        first, second = middle - began, ended - middle
        print(
            f"| {prompt.name} | {tokens:.0f} | {first:.1f} | {second:.1f} | {first / second:.1f} | {same} of {len(ours)} |"
        )
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
