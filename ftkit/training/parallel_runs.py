"""Several trainings at once, each in a process of its own: other seeds, other parts of the data.

One per GPU or, without one, for every two cores: two threads of one training are as fast as two trainings of one thread
(`benchmarks/at_once.py`), more threads help a small model little. Each process keeps its own checkpoints, so that what was
stopped goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ftkit.core import machine
from ftkit.models.weights import fingerprint
from ftkit.training.distributed import FAULT, JOB, LOG, PARENT, POINT, fault_of, point_of, write_job
from ftkit.training.encode import Encoded
from ftkit.training.sft import TrainingPlan, finished_before

LOOK_S, CORES_EACH = 0.2, 2


@dataclass
class Training:
    """One of the trainings.

    Attributes:
        plan: Its plan, with a folder of its own.
        train_set: Encoded examples, general ones included.
        validation_set: Encoded examples that choose its checkpoint.
        general_examples: How many of ``train_set`` are general ones.
    """

    plan: TrainingPlan
    train_set: Sequence[Encoded]
    validation_set: Sequence[Encoded]
    general_examples: int = 0


@dataclass
class _Child:
    place: int
    training: Training
    process: subprocess.Popen[bytes]
    log: Any
    reader: Any
    rest: str = ""
    done: float = 0.0

    def look(self) -> None:
        """Read what the process has said since, and how far it is by that."""
        *lines, self.rest = (self.rest + self.reader.read()).split("\n")
        for line in lines:
            if line.startswith(POINT):
                point, steps = point_of(line)
                self.done = point.step / max(1, steps)

    def close(self) -> None:
        """End the process, if it still runs, and close its files."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        self.log.close()
        self.reader.close()


def at_once(wanted: int, trainings: int, processes: int = 1, peak_gib: float = 0.0) -> int:
    """Return how many trainings run at once.

    Args:
        wanted: What the parameters name; 0: one per GPU or, without one, one for every two free cores, as memory allows.
        trainings: How many there are.
        processes: Processes of each; more than one take the machine for themselves.
        peak_gib: What one has been seen to need, in GiB; 0: not known.
    """
    import torch

    if processes > 1:
        return 1
    gpus = torch.cuda.device_count()
    most = gpus or machine.cores()
    if not wanted:
        wanted = gpus or machine.free_cores() // CORES_EACH
        if peak_gib and not gpus:
            wanted = min(wanted, int(machine.usable_memory_gib() / peak_gib))
    return max(1, min(wanted, most, trainings))


def train_apart(
    todo: Sequence[Training],
    count: int,
    *,
    base: str,
    base_folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[int]:
    """Train all, ``count`` at once, the largest first; yield the place of each in ``todo`` when it is trained.

    Args:
        todo: What to train. What had finished before is not trained again.
        count: Processes at once.
        base: Name of the base model, for the records.
        base_folder: Folder of its weights.
        progress: Called with examples passed and in all, of all trainings together.

    Raises:
        FtkitError: What one of them found wrong, or that it ended; the others are stopped and go on from their checkpoints.
    """
    sha, sizes = fingerprint(base_folder), [len(t.train_set) for t in todo]
    waiting, passed, children = (
        sorted(range(len(todo)), key=lambda i: -sizes[i]),
        0,
        dict[int, _Child](),
    )
    try:
        while waiting or children:
            while waiting and len(children) < count:
                place, slot = waiting.pop(0), min(set(range(count)) - set(children))
                t = todo[place]
                if finished_before(t.plan, t.train_set, t.validation_set, sha) is not None:
                    passed += sizes[place]
                    yield place
                else:
                    children[slot] = _start(place, t, slot, count, base, base_folder)
            time.sleep(LOOK_S)
            for slot, child in list(children.items()):
                code = child.process.poll()
                child.look()
                if code is None:
                    continue
                if code:
                    raise fault_of(child.training.plan.folder, code)
                child.close()
                del children[slot]
                passed += sizes[child.place]
                (child.training.plan.folder / JOB).unlink()
                yield child.place
            if progress:
                progress(
                    passed + round(sum(sizes[c.place] * c.done for c in children.values())),
                    sum(sizes),
                )
    finally:
        for child in children.values():
            child.close()


def _start(
    place: int, training: Training, slot: int, count: int, base: str, base_folder: Path
) -> _Child:
    """Start a training in a process of its own; without torchrun it is the first and only one."""
    folder, plan = training.plan.folder, replace(training.plan, memory_share=1 / count)
    names = {
        "base": base,
        "base_folder": base_folder,
        "general_examples": training.general_examples,
    }
    write_job(folder / JOB, asdict(plan), [training.train_set, training.validation_set], names)
    for left in folder.glob(f"*.{FAULT}"):
        left.unlink()
    own = {
        PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": str(max(1, machine.cores() // count)),
        "PYTHONUNBUFFERED": "1",
    }
    if cards := _cards():
        own["CUDA_VISIBLE_DEVICES"] = cards[slot % len(cards)]
    log = (folder / LOG).open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "ftkit.training.worker", str(folder / JOB)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | own,
    )
    return _Child(
        place, training, process, log, (folder / LOG).open(encoding="utf-8", errors="replace")
    )


def _cards() -> list[str]:
    """Return the names of the GPUs that this process may use."""
    import torch

    told = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (
        (told or [str(i) for i in range(torch.cuda.device_count())])
        if torch.cuda.device_count()
        else []
    )
