"""Training in several processes that torchrun starts: one per GPU, or, to try it, one per core.

Each process loads its own copy of the base (DDP) or holds its share of it (FSDP2, see ``sharded``), and learns from its
share of each step; the gradients are averaged. The
parent waits, shows the first process's progress and passes on what any of them found wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftkit.core import machine
from ftkit.core.errors import BadInput, FtkitError, OutOfMemory
from ftkit.core.records.training import TrainPoint
from ftkit.training.encode import Encoded
from ftkit.training.epoch_samples import EpochSamples

Progress = Callable[[TrainPoint, int], None]
JOB, LOG, FAULT, PARENT = (
    "together.jsonl",
    "together.log",
    "together.fault.json",
    "FTKIT_TRAINING_PARENT",
)
POINT = "ftkit-point "


def train_together(
    plan: dict[str, Any],
    parts: Sequence[Sequence[Encoded]],
    names: dict[str, Any],
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Run ``sft.fit`` in ``plan["processes"]`` processes and wait for them; see ``launch``.

    Args:
        plan: The fields of a ``TrainingPlan``.
        parts: Encoded training and validation examples.
        names: What else ``sft.fit`` is told: base, base_folder, general_examples.
        folder: The plan's folder.
        progress: Called with each log point and the total number of steps.
    """
    write_job(folder / JOB, plan, parts, names)
    launch(
        "ftkit.training.worker",
        [str(folder / JOB)],
        folder,
        int(plan["processes"]),
        "training.processes",
        lambda line: progress(*point_of(line)) if progress else None,
    )
    (folder / JOB).unlink()


def launch(
    module: str,
    arguments: Sequence[str],
    folder: Path,
    count: int,
    named: str,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Run a module in several processes that torchrun starts, and wait for them.

    Args:
        module: What each runs.
        arguments: What it is told.
        folder: Where its own words go (``together.log``), and what it finds wrong.
        count: How many processes.
        named: Parameter that says so.
        tell: Called with each line that begins with ``POINT``.

    Raises:
        BadInput: More processes than GPUs, or without a GPU, than cores.
        FtkitError: What a process found wrong, or that one ended.
    """
    check(count, named)
    for left in folder.glob(f"*.{FAULT}"):
        left.unlink()
    threads = max(1, machine.cores() // count)
    command = [
        *(
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nnodes",
            "1",
            "--nproc-per-node",
            str(count),
        ),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"),
        *("--module", module, *arguments),
    ]
    environment = os.environ | {
        PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
    }
    with (folder / LOG).open("w", encoding="utf-8") as log:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if not line.startswith(POINT):
                    log.write(line)
                elif tell:
                    tell(line)
            code = child.wait()
        finally:  # stopped by the user: torchrun passes the signal on to its processes
            if child.poll() is None:
                child.terminate()
                child.wait()
    if code:
        raise fault_of(folder, code)


def check(count: int, named: str = "training.processes") -> None:
    """Refuse more processes than there are GPUs or, without one, cores.

    Args:
        count: How many there would be.
        named: Parameter that says so.

    Raises:
        BadInput: There are more.
    """
    import torch

    gpus = torch.cuda.device_count()
    have, what = (gpus, "GPUs") if gpus else (machine.cores(), "cores")
    if count > have:
        raise BadInput(
            f"{count} processes on {have} {what}", where=named, todo=f"use at most {have}"
        )


def write_job(
    path: Path, plan: dict[str, Any], parts: Sequence[Sequence[Encoded]], names: dict[str, Any]
) -> None:
    """Write what a process is to do: the fields of a plan, what else ``sft.fit`` is told, and the examples."""
    with path.open("w", encoding="utf-8") as file:
        file.write(
            json.dumps(
                {
                    "plan": plan | {"folder": str(plan["folder"])},
                    "names": names | {"base_folder": str(names["base_folder"])},
                }
            )
            + "\n"
        )
        for place, part in enumerate(parts):
            for example in part:
                file.write(json.dumps([place, asdict(example)]) + "\n")


def read_job(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[list[Encoded]]]:
    """Return plan, names and the examples of both parts, as ``train_together`` wrote them."""
    parts: list[list[Encoded]] = [[], []]
    with path.open(encoding="utf-8") as file:
        head = json.loads(next(file))
        for line in file:
            place, values = json.loads(line)
            parts[place].append(Encoded(**values))
    plan, names = head["plan"], head["names"]
    return (
        plan
        | {"folder": Path(plan["folder"])}
        | {n: tuple(plan[n]) for n in ("report_to", "target_modules")},
        names
        | {
            "base_folder": Path(names["base_folder"]),
            "watched": EpochSamples(**names["watched"]) if names.get("watched") else None,
        },
        parts,
    )


def point_of(line: str) -> tuple[TrainPoint, int]:
    """Return the log point of a line that ``tell`` printed, and the total number of steps."""
    steps, point = line.removeprefix(POINT).split(" ", 1)
    return TrainPoint.model_validate_json(point), int(steps)


def tell(point: TrainPoint, steps: int) -> None:
    """Print a log point for the parent."""
    print(f"{POINT}{steps} {point.model_dump_json()}", flush=True)


@contextlib.contextmanager
def one_process(folder: Path) -> Iterator[int]:
    """Be one of the processes that ``launch`` started, or a training of its own: yield its rank, use its own GPU, end with the
    parent, and keep for it what is found wrong.

    Args:
        folder: Where that is kept.
    """
    end_with_parent()
    import torch

    rank, together = int(os.environ.get("RANK", "0")), "RANK" in os.environ
    if torch.cuda.is_available() and together:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    try:
        yield rank
    except FtkitError as error:
        keep_fault(folder, rank, error)
        sys.exit(1)
    if together:
        torch.distributed.destroy_process_group()


def keep_fault(folder: Path, rank: int, error: FtkitError) -> None:
    """Write what a process found wrong, for the parent."""
    told = {
        "found": error.found,
        "where": error.where,
        "todo": error.todo,
        "kind": type(error).__name__,
    }
    (folder / f"{rank}.{FAULT}").write_text(json.dumps(told))


def fault_of(folder: Path, code: int) -> FtkitError:
    """Return what a process of this folder found wrong, or how it ended."""
    for path in sorted(folder.glob(f"*.{FAULT}")):
        told = json.loads(path.read_text())
        kind = {"BadInput": BadInput, "OutOfMemory": OutOfMemory}.get(told.pop("kind"), FtkitError)
        return kind(told.pop("found"), **told)
    return FtkitError(
        f"one of the training processes ended ({_cause((folder / LOG).read_text(encoding='utf-8', errors='replace'), code)})",
        where=str(folder / LOG),
        todo="look into that file; the same command goes on from the last checkpoint",
    )


def _cause(log: str, code: int) -> str:
    """Return what the processes' own words say of their end: the first one's signal, or an exception.

    When one is gone, the others complain of that: only the first observed failure counts.
    """
    if code < 0:
        return f"signal {-code}"
    first = (
        re.search(r"exitcode\s*:\s*-(\d+)", log.split("Root Cause")[-1])
        if "Root Cause" in log
        else None
    )
    if first:
        return f"signal {first[1]}"
    raised = [
        line
        for line in log.splitlines()
        if re.match(r"(\[rank\d+\]: )?[\w.]*(Error|Exception)\b", line)
        and "ChildFailed" not in line
    ]
    return (
        re.sub(r"^\[rank\d+\]: ", "", raised[-1]).strip()[:200] if raised else f"exit code {code}"
    )


def forget_evaluation(trainer: Any) -> None:
    """Let a trainer prepare its model anew after it was only evaluated.

    Accelerate marks the model as prepared then, and ``train`` would leave it alone: each process would learn by itself
    (transformers 5.24, accelerate 1.15).
    """
    if hasattr(trainer.model, "_is_accelerate_prepared"):
        del trainer.model._is_accelerate_prepared
    trainer.accelerator._models.clear()
    trainer.model_wrapped = trainer.model


def check_equal(trainer: Any) -> None:
    """Make sure that all processes hold the same trained weights.

    Raises:
        FtkitError: They do not.
    """
    import torch

    if trainer.accelerator.num_processes == 1:
        return
    device = trainer.accelerator.device
    learnt = [
        p.detach()
        for p in trainer.model.parameters()
        if p.requires_grad and not hasattr(p.data, "full_tensor")
    ]
    sums = torch.tensor(
        [[p.double().sum() for p in learnt]], device=device
    )  # of shares there is one each
    found = trainer.accelerator.gather(sums)
    if not bool((found == found[0]).all()):
        raise FtkitError(
            "the training processes hold different weights",
            where="training.processes",
            todo="train with processes 1, and report this with the versions of torch, transformers and accelerate",
        )


def end_with_parent() -> None:
    """End this process when the one that started the training is gone, however it ended."""
    import psutil

    parent = int(os.environ.get(PARENT, "0"))

    def watch() -> None:
        while psutil.pid_exists(parent):
            time.sleep(0.5)
        os._exit(1)

    if parent:
        threading.Thread(target=watch, daemon=True).start()
