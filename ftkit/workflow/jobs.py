"""Several runs: one after the other, at once as processes of this machine, or as Ray tasks on a cluster (extra ``ray``).

At once, each is the command ``ftkit run`` in a process of its own, with its share of the cores, and a GPU of its own where there are some. On a cluster
the run folders must lie on a file system that all machines share, and ftkit must be installed on them.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core import machine
from ftkit.core.errors import BadInput, RunFailed
from ftkit.workflow.kernel import QUIET
from ftkit.workflow.run import Selection, run

LAST_LINES, ANSWER_S = 3, 10.0


@dataclass
class Job:
    """One run.

    Attributes:
        name: What it is called on screen.
        file: The parameter file.
        folder: Its run folder.
        selection: Which stages.
        overrides: ``section.name=value``.
    """

    name: str
    file: Path
    folder: Path
    selection: Selection
    overrides: Sequence[str]

    def values(self) -> list[str]:
        """Return the overrides with the run folder."""
        return [*self.overrides, f"run={self.folder}"]

    def command(self) -> list[str]:
        """Return the command that does it."""
        given = [part for value in self.values() for part in ("--set", value)] + [
            "--force"
        ] * self.selection.force
        return [
            sys.executable,
            "-m",
            "ftkit.cli",
            "run",
            str(self.file.resolve()),
            "--only",
            *self.selection.stages(),
            *given,
        ]


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    say: Callable[[str], None],
    ray: str | None = None,
    *,
    live: bool = False,
) -> None:
    """Run all jobs: one after the other in this process, or several at once in their own, of which one that fails does not stop the others.

    Args:
        jobs: What to run.
        at_once: How many at once on this machine.
        say: Prints a line; at once, a job's lines begin with its name.
        live: One after the other, draw a table that fills, for a terminal.
        ray: Address of a Ray cluster; ``local``: one on this machine, ``auto``: the one that is running; None: no Ray.

    Raises:
        BadInput: Fewer than one at once, or Ray is not installed or not there.
        RunFailed: Jobs that failed, with their last words.
        FtkitError: One after the other, as :func:`ftkit.workflow.run.run`.
        KeyboardInterrupt: The user stopped it; all processes are ended, and the same call goes on from there.
    """
    if at_once < 1:
        raise BadInput(f"{at_once} runs at once", where="--jobs", todo="give at least 1")
    if at_once == 1 and ray is None:
        for number, job in enumerate(jobs, 1):
            say(f"[{number}/{len(jobs)}] {job.name} → {job.folder}")
            run(job.file, selection=job.selection, overrides=job.values(), say=say, live=live)
        return
    failed = _on_ray(jobs, at_once, say, ray) if ray is not None else _here(jobs, at_once, say)
    if failed:
        told = "; ".join(f"{name}: {words}" for name, words in failed.items())
        raise RunFailed(
            f"{len(failed)} of {len(jobs)} runs failed: {told}",
            where="--sweep or --folds",
            todo="mend what they say; the same command goes on with what is missing",
        )


def _here(jobs: Sequence[Job], at_once: int, say: Callable[[str], None]) -> dict[str, str]:
    """Run the jobs as processes of this machine and return the last words of those that failed."""
    import torch

    at_once, gpus, lock = min(at_once, len(jobs)), torch.cuda.device_count(), threading.Lock()
    share, free, running, failed = (
        max(1, machine.cores() // at_once),
        list(range(at_once)),
        list[Any](),
        dict[str, str](),
    )

    def work(job: Job) -> None:
        with lock:
            place = free.pop()
        own = {"CUDA_VISIBLE_DEVICES": str(place % gpus)} if gpus else {}
        child = subprocess.Popen(
            job.command(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | QUIET | own | {"OMP_NUM_THREADS": str(share), "PYTHONUNBUFFERED": "1"},
        )
        running.append(child)
        last: list[str] = []
        assert child.stdout is not None
        for line in child.stdout:
            last = [*last, line.strip()][-LAST_LINES:]
            say(f"{job.name}: {line.rstrip()}")
        with lock:
            free.append(place)
            if child.wait():
                failed[job.name] = " ".join(last)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            for done in [pool.submit(work, job) for job in jobs]:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in running:
                child.terminate()
            raise
    return failed


def _on_ray(
    jobs: Sequence[Job], at_once: int, say: Callable[[str], None], address: str
) -> dict[str, str]:
    """Run the jobs as Ray tasks and return the last words of those that failed."""
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BadInput(
            "is not installed", where="--ray", todo="pip install 'ftkit[ray]', or use --jobs"
        ) from error
    try:
        _check_reached(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        local: dict[str, Any] = (
            {"num_cpus": machine.cores(), "include_dashboard": False} if address == "local" else {}
        )
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
    except (OSError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        raise BadInput(
            f"there is no Ray cluster at '{address}': {said}",
            where="--ray",
            todo="start one, or use --ray local",
        ) from error
    try:
        gpus = ray.cluster_resources().get("GPU", 0)
        share = max(1, int(ray.cluster_resources().get("CPU", 1)) // max(1, at_once))
        task: Any = ray.remote(num_cpus=share, num_gpus=1 if gpus else 0, max_retries=1)(_task)
        waiting = {task.remote(job.command(), os.getcwd()): job.name for job in jobs}
        failed: dict[str, str] = {}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            name = waiting.pop(done)
            code, lines = ray.get(done)
            for line in lines:
                say(f"{name}: {line}")
            if code:
                failed[name] = " ".join(lines[-LAST_LINES:])
        return failed
    finally:
        ray.shutdown()


def _check_reached(address: str) -> None:
    """Refuse an address where nobody answers, for which Ray would wait for many minutes.

    Raises:
        OSError: Nobody answers.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), ANSWER_S).close()


def _task(command: list[str], folder: str) -> tuple[int, list[str]]:
    """Run one command on whatever machine Ray gave it; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | QUIET,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()
