"""One of the processes of a training that torchrun started, or a training of its own; see ``distributed`` and ``apart``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from ftkit.errors import FtkitError
from ftkit.training.distributed import end_with_parent, keep_fault, read_job, tell


def main(job: Path, rehearsal: bool = False) -> None:
    """Train on one share of the examples, or rehearse it; the first process tells how it goes."""
    end_with_parent()
    import torch

    from ftkit.models.local import load_model, load_tokenizer
    from ftkit.training.methods import load_quantised, to_learn
    from ftkit.training.rehearsal import RESULT, two_batches
    from ftkit.training.sft import TrainingPlan, fit
    from ftkit.training.sharded import load_sharded

    rank, together = int(os.environ.get("RANK", "0")), "RANK" in os.environ
    if torch.cuda.is_available() and together:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    values, names, (train_set, validation_set) = read_job(job)
    plan, folder = TrainingPlan(**values), str(names["base_folder"])
    try:
        if plan.fsdp:
            model = load_sharded(folder, plan.method, plan.processes)
        elif plan.method == "qlora":
            model = load_quantised(folder, plan.quantization_bits)
        else:
            model = to_learn(load_model(folder), plan.method)
        if rehearsal:
            found = two_batches(model, load_tokenizer(folder), train_set, validation_set, plan)
            if rank == 0:
                (plan.folder / RESULT).write_text(json.dumps(found))
        else:
            fit(model, load_tokenizer(folder), train_set, validation_set, plan, progress=tell if rank == 0 else None, **names)
    except FtkitError as error:
        keep_fault(plan.folder, rank, error)
        sys.exit(1)
    if together:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "rehearse" in sys.argv[2:])
