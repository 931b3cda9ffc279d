"""One of the processes of a training that torchrun started, or a training of its own; see ``distributed`` and ``apart``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ftkit.training.distributed import one_process, read_job, tell


def main(job: Path, rehearsal: bool = False) -> None:
    """Train on one share of the examples, or rehearse it; the first process tells how it goes."""
    values, names, (train_set, validation_set) = read_job(job)
    with one_process(values["folder"]) as rank:
        from ftkit.models.load import load_model, load_tokenizer
        from ftkit.training.methods import load_quantised, to_learn
        from ftkit.training.rehearsal import RESULT, two_batches
        from ftkit.training.sft import TrainingPlan, fit
        from ftkit.training.sharded import load_sharded

        plan, folder = TrainingPlan(**values), str(names["base_folder"])
        if plan.fsdp:
            model = load_sharded(folder, plan.method, plan.processes)
        elif plan.method == "qlora":
            model = load_quantised(folder, plan.quantization_bits)
        else:
            model = to_learn(load_model(folder), plan.method)
        if not rehearsal:
            fit(
                model,
                load_tokenizer(folder),
                train_set,
                validation_set,
                plan,
                progress=tell if rank == 0 else None,
                **names,
            )
            return
        found = two_batches(model, load_tokenizer(folder), train_set, validation_set, plan)
        if rank == 0:
            (plan.folder / RESULT).write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), "rehearse" in sys.argv[2:])
