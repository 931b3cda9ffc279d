"""One of the processes of a preference training that torchrun started; see ``learn``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ftkit.training.distributed import POINT, one_process


def main(job: Path) -> None:
    """Learn from one share of the lessons; the first process tells how it goes and writes what came of it."""
    told = json.loads(job.read_text(encoding="utf-8"))
    folder = Path(told["folder"])
    with one_process(folder) as rank:
        from ftkit.core.parameters.preference import PreferenceParameters
        from ftkit.models.local import LocalModel
        from ftkit.training.preference.learn import Lessons, keep, learn

        p = PreferenceParameters(**told["p"])
        local = LocalModel(
            p.base_model,
            adapter=Path(told["adapter"]),
            **{**p.answering(), "threads": torch_threads()},
        )
        learnt = learn(
            local,
            Lessons.read(told["lessons"]),
            p,
            folder,
            Path(told["base"]),
            bar if rank == 0 else None,
        )
        if rank == 0:
            keep(learnt, folder)


def bar(step: int, steps: int, note: str) -> None:
    """Print how far it is, for the parent."""
    print(POINT + json.dumps([step, steps, note]), flush=True)


def torch_threads() -> int:
    """Return the threads that the parent left to this process."""
    import torch

    return torch.get_num_threads()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
