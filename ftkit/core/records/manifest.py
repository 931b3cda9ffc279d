"""Written last by every stage: what it was made from."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ftkit.core.records.base import Record
from ftkit.core.records.endpoint import EndpointBill


class FileSeal(Record):
    """What a file of a stage was when the stage was done."""

    sha256: str = Field(description="SHA-256 of its content, as hex")
    bytes: int = Field(description="size in bytes")
    changed_ns: int = Field(description="time of its last change, in ns since 1970")


class Manifest(Record):
    """Written last by every stage; a stage is done when it exists."""

    stage: str
    parameters: dict[str, Any]
    inputs: dict[str, str] = Field(
        description="SHA-256 of each input file, by path relative to the run folder or absolute"
    )
    outputs: dict[str, str] = Field(
        description="SHA-256 of each output file, by path relative to the run folder"
    )
    files: dict[str, FileSeal] = Field(
        default={},
        description="seal of each file of the outputs that people do not fill in, by path relative to the stage's folder",
    )
    code: dict[str, str] = Field(
        description="SHA-256 of the notebook and of every file of code that it can come to execute, by path"
    )
    seed: int
    versions: dict[str, str]
    git_commit: str
    device: str
    started: str
    duration_s: float
    peak_memory_gib: float
    bills: list[EndpointBill] = Field(
        default=[], description="what this stage paid to endpoints so far, by role and model"
    )
    unanswered: int = Field(
        default=0, description="answers that an endpoint owes; the next run asks for them"
    )
