"""Answers of an endpoint, written as they come, so that a stopped run asks and pays for none twice."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ftkit.models.chat import Reply

NAMES = {field.name for field in fields(Reply)}


class Cache:
    """A file of JSON lines, one per reply; answers are given again, other replies only count in the bill.

    Args:
        path: The file; None: nothing is written.
        asked: Address and model, whose replies count in the bill.
    """

    def __init__(self, path: Path | None, asked: str) -> None:
        self.path, self.asked = path, asked
        self.answers: dict[str, Reply] = {}
        self.billed: list[Reply] = []
        self.damaged: list[int] = []
        if path is not None and path.exists():
            self._read(path)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:  # a kill left half a line
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(whole)
            os.replace(temporary, path)
        for number, line in enumerate(whole.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                key, asked = row.pop("key"), row.pop("asked")
                reply = _reply(row)
            except (ValueError, TypeError, KeyError, AttributeError):
                self.damaged.append(number)
                continue
            if asked == self.asked:
                self.billed.append(reply)
                if reply.is_answer:
                    self.answers[key] = reply

    def write(self, key: str, reply: Reply) -> None:
        """Add a reply; the caller holds a lock."""
        if reply.is_answer:
            self.answers[key] = reply
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        row = {"key": key, "asked": self.asked, **asdict(reply)}
        row["confidence"] = None if math.isnan(reply.confidence) else reply.confidence
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _reply(row: dict[str, Any]) -> Reply:
    values = {name: value for name, value in row.items() if name in NAMES}
    if values.get("confidence") is None:
        values["confidence"] = math.nan
    reply = Reply(**values)
    if not isinstance(reply.text, str) or not isinstance(reply.prompt_tokens, int):
        raise TypeError("no reply")
    return reply
