"""The few kinds of error that a user sees: what was found, where, and what to do next."""

from __future__ import annotations


class FtkitError(Exception):
    """Base of every error that is told to a user without a traceback.

    Args:
        found: What was found, in one sentence.
        where: File, row, column or field.
        todo: What to do next.
    """

    exit_code = 1

    def __init__(self, found: str, *, where: str = "", todo: str = "") -> None:
        self.found, self.where, self.todo = found, where, todo
        super().__init__(self.__str__())

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        return f"{text}\n  What to do: {self.todo}" if self.todo else text


class BadInput(FtkitError):
    """A file, row, column, parameter or model that cannot be used (exit code 2)."""

    exit_code = 2


class NotReady(FtkitError):
    """A stage was opened before one that it reads from (exit code 2)."""

    exit_code = 2


class Busy(FtkitError):
    """Another process works on the same run (exit code 2)."""

    exit_code = 2


class RunFailed(FtkitError):
    """A stage failed while it ran (exit code 1)."""


class OutOfMemory(FtkitError):
    """A step did not fit into memory."""
