"""What ships of the nano base's lessons: general ones for the training mix, and questions on held-out words.

``python -m recipes.nano.shipped`` writes both beside the checkpoint.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any

from ftkit.models.nano import LESSONS, QUESTIONS
from recipes.nano.curriculum import general_lessons, probe_items

SEED, LESSON_COUNT, QUESTION_COUNT = 7, 2400, 960


def main() -> None:
    """Write the files."""
    lessons = general_lessons(LESSON_COUNT, SEED)
    _write(LESSONS, ({"messages": m, "response": answer} for m, answer in lessons))
    questions = probe_items(QUESTION_COUNT, SEED)
    _write(
        QUESTIONS,
        ({"messages": m, "response": answer, "skill": skill} for m, answer, skill in questions),
    )


def _write(path: Any, rows: Iterable[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


if __name__ == "__main__":
    main()
