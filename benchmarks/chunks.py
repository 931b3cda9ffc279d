"""How long should a chunk be? Sizes compared on XQuAD's paragraphs. ``python -m benchmarks.chunks FOLDER``, the folder of ``xquad.en.json``."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

import pandas as pd

from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.task import TaskCard
from ftkit.retrieval.handbook import read_handbook
from ftkit.retrieval.search_quality import compare_sizes

SIZES, QUESTIONS = [40, 60, 240], 300


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    data = json.loads((asked.parse_args().folder / "xquad.en.json").read_text(encoding="utf-8"))[
        "data"
    ]
    pairs = [
        (q["question"], q["answers"][0]["text"])
        for a in data
        for p in a["paragraphs"]
        for q in p["qas"]
    ]
    examples = pd.DataFrame(random.Random(1).sample(pairs, QUESTIONS), columns=["input", "output"])
    with tempfile.TemporaryDirectory() as place:
        book = Path(place) / "book"
        book.mkdir()
        for article in data:
            name, parts = article["title"].replace("_", " "), article["paragraphs"]
            text = "\n\n".join(f"## {name} {k}\n\n{p['context']}" for k, p in enumerate(parts, 1))
            (book / f"{article['title']}.md").write_text(f"# {name}\n\n{text}\n", encoding="utf-8")
        p = RetrievalParameters(top_k=2, chunk_sizes=SIZES, questions=QUESTIONS, citation_field="")
        card = TaskCard(name="xquad", instruction="Answer the question.", kind="text")
        for row in compare_sizes(
            read_handbook(book), card, examples, p, Path(place) / "sizes"
        ).rows:
            print(row)


if __name__ == "__main__":
    main()
