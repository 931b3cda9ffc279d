"""The command line: ``ftkit new | run | search | lab | report | serve | retune | promote | rollback | releases | monitor | runs | compare | clean | doctor | explain | mcp | completion``."""

from __future__ import annotations

import argparse
import io
import os
import sys

from ftkit import __version__
from ftkit.commands import mcp_server, projects, results, runs, serving
from ftkit.commands.shared import EPILOG
from ftkit.core.errors import FtkitError


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run a command; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign must not stop a run
    given = parser().parse_args(arguments)
    from ftkit.workflow.run_state import stopped_by_sigterm

    try:
        with stopped_by_sigterm():
            return int(given.call(given) or 0)
    except FtkitError as error:
        print(f"ftkit: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"ftkit: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nftkit: stopped; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="ftkit",
        description="From 'we should fine-tune a model' to a measured, costed decision.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    top.set_defaults(parser=top)  # for `completion`
    for group in (projects, runs, results, serving, mcp_server):
        group.add(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
