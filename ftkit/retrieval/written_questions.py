"""Questions that a model writes to passages: where no example's right article is known, they measure the search, marked as what they are.

They are easier than questions of people, who have not seen the passage: where both are there, both are told.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.core.run_folder import write_text
from ftkit.data.personal_data import mask
from ftkit.models.chat import ChatModel, Messages
from ftkit.models.endpoint.model import Endpoint, endpoint_or_local
from ftkit.scoring.context_header import with_head
from ftkit.scoring.text import normalise, tokens

Progress = Callable[[int, int], None]
FILE, LONGEST, MOST_WORDS, LEAST_WORDS, COPIED, FEWEST_WORDS, SHOWN = (
    "questions.jsonl",
    128,
    80,
    3,
    7,
    8,
    3,
)
RULES = (
    "You write what users ask. Below is a passage of a handbook. Write one message that a user could send who has never seen the "
    "passage, and that can be answered only with it. Use the user's own words, not those of the passage, and do not mention the passage. "
    "Reply with the message only."
)


@dataclass
class Written:
    """A question that a model wrote to a passage.

    Attributes:
        text: The question, with the head that the passage's filters give it.
        passage: Id of the passage.
        source: Id of its article, which counts as the right one.
        refused: Why it is not used; empty: it is.
    """

    text: str
    passage: str
    source: str
    refused: str = ""


def drawn(passages: Sequence[Passage], count: int, seed: int) -> list[Passage]:
    """Return passages to ask about, drawn with a seed: one of each article, then second ones, and so on; none of a few words."""
    long = [p for p in passages if len(p.text.split()) >= FEWEST_WORDS]
    order = sorted(long, key=lambda p: hashlib.sha256(f"{seed}:{p.id}".encode()).hexdigest())
    rounds: dict[str, int] = defaultdict(int)
    numbered = []
    for place, passage in enumerate(order):
        numbered.append((rounds[passage.source], place, passage))
        rounds[passage.source] += 1
    return [passage for *_, passage in sorted(numbered, key=lambda n: n[:2])[:count]]


def ask(passage: Passage, shown: Sequence[str]) -> Messages:
    """Return what the model is asked for one question.

    Args:
        passage: The passage.
        shown: Messages of real users, for their tone.
    """
    told = [f"A message of a user on something else, for the tone: {text[:300]}" for text in shown]
    user = "\n".join([*told, f"Passage: {passage.title}. {passage.text}"])
    return [{"role": "system", "content": RULES}, {"role": "user", "content": user}]


def write(
    passages: Sequence[Passage],
    messages: Sequence[str],
    p: RetrievalParameters,
    folder: Path,
    hide: Callable[[str], str],
    *,
    model: ChatModel | None = None,
    progress: Progress | None = None,
) -> list[Written]:
    """Let a model write a question to each of some passages; those of an earlier run with the same model are not asked for again.

    Args:
        passages: All passages.
        messages: Training messages, of which a few are shown with personal data masked.
        p: Names the model and how many questions it writes; an empty name: none.
        folder: The stage's folder, which keeps them in ``questions.jsonl``.
        hide: Masks personal data in a text.
        model: The model, if it is loaded already.
        progress: Called with replies done and in all.
    """
    if not p.question_model:
        return []
    about = drawn(passages, p.question_passages, p.seed)
    order = sorted(
        messages, key=lambda text: hashlib.sha256(f"{p.seed}:{text}".encode()).hexdigest()
    )
    asked = [ask(passage, [hide(text) for text in order[:SHOWN]]) for passage in about]
    key = hashlib.sha256(json.dumps([asked, p.question_model, p.question_url]).encode()).hexdigest()
    path = folder / FILE
    if path.exists():
        known = [
            json.loads(line)
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
        if known and all(row.pop("key", "") == key for row in known):
            return [Written(**row) for row in known]
    replies = (model or model_of(p, folder)).answer(asked, progress)
    found: list[Written] = []
    for passage, reply in zip(about, replies, strict=True):
        text = reply.text.strip().strip("\"'`").strip()
        refused = (
            f"no answer ({reply.outcome}): {reply.detail}"
            if not reply.is_answer
            else _refused(text, passage, [x.text for x in found])
        )
        head = {name: values[0] for name, values in passage.metadata.items()}
        found.append(Written(with_head(head, text), passage.id, passage.source, refused))
    write_text(
        path,
        "".join(json.dumps({"key": key, **asdict(x)}, ensure_ascii=False) + "\n" for x in found),
    )
    return found


def model_of(p: RetrievalParameters, folder: Path) -> ChatModel:
    """Return the model that writes questions."""
    endpoint = Endpoint(
        url=p.question_url,
        model=p.question_model,
        named="retrieval.question",
        answer_tokens=LONGEST,
        prices=p.question_prices,
        price_file=p.price_file,
        most_usd=p.question_most_usd,
        connection=p.question_connection,
        may_leave=p.data_may_leave,
    )
    return endpoint_or_local(endpoint, folder / "question_replies.jsonl", mask)


def _refused(text: str, passage: Passage, known: Sequence[str]) -> str:
    """Return why a text is no question to a passage, or an empty text."""
    words = tokens(text)
    if len(words) < LEAST_WORDS:
        return f"it has {len(words)} words, fewer than {LEAST_WORDS}"
    if len(words) > MOST_WORDS:
        return f"it has {len(words)} words, more than {MOST_WORDS}"
    if _run(words, tokens(passage.text)) >= COPIED:
        return f"it repeats {COPIED} words or more of the passage"
    if any(normalise(text) == normalise(other) for other in known):
        return "it was written before"
    return ""


def _run(mine: Sequence[str], theirs: Sequence[str]) -> int:
    """Return the longest run of words that both have."""
    best, row = 0, [0] * (len(theirs) + 1)
    for word in mine:
        row = [0] + [row[k] + 1 if word == other else 0 for k, other in enumerate(theirs)]
        best = max(best, *row)
    return best


def as_questions(found: Sequence[Written]) -> tuple[list[str], list[set[str]]]:
    """Return the texts of those that are used, and the right article of each."""
    used = [x for x in found if not x.refused]
    return [x.text for x in used], [{x.source} for x in used]


def rows(found: Sequence[Written]) -> list[dict[str, Any]]:
    """Return the questions for a table, refused ones first."""
    told = [
        {
            "article": x.source,
            "question": x.text or "(nothing)",
            "used": "yes" if not x.refused else f"no: {x.refused}",
        }
        for x in found
    ]
    return sorted(told, key=lambda row: row["used"])
