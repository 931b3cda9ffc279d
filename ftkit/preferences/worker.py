"""One of the processes of a preference training that torchrun started; see ``learn``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ftkit.errors import FtkitError
from ftkit.training.distributed import POINT, end_with_parent, keep_fault


def main(job: Path) -> None:
    """Learn from one share of the lessons; the first process tells how it goes and writes what came of it."""
    end_with_parent()
    import torch

    from ftkit.models.local import LocalModel
    from ftkit.params import PreferenceParameters
    from ftkit.preferences.learn import Lessons, keep, learn

    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    told = json.loads(job.read_text(encoding="utf-8"))
    p, folder = PreferenceParameters(**told["p"]), Path(told["folder"])
    settings: dict[str, Any] = {
        "max_new_tokens": p.max_new_tokens,
        "batch_size": p.batch_size,
        "threads": torch.get_num_threads(),
    }

    def bar(step: int, steps: int, note: str) -> None:
        print(POINT + json.dumps([step, steps, note]), flush=True)

    try:
        local = LocalModel(p.base_model, adapter=Path(told["adapter"]), **settings)
        learnt = learn(local, Lessons.read(told["lessons"]), p, folder, Path(told["base"]), bar if rank == 0 else None)
        if rank == 0:
            keep(learnt, folder)
    except FtkitError as error:
        keep_fault(folder, rank, error)
        sys.exit(1)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
