"""Full sharding (FSDP2), for a model above one card: each process holds a share of the base, of what learns and of its optimizer.

transformers loads the shards (each process reads its own from the files) and trains them; it does not go on from a checkpoint,
so that is added here: what learns and the optimizer are written by all processes at once with torch's distributed checkpoint.
Of an adapter every process holds the whole, as it is small.

Source: Y. Zhao et al., "PyTorch FSDP: experiences on scaling fully sharded data parallel" (2023).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.models.load import device, quiet
from ftkit.models.weights import first_line

WEIGHTS, OPTIMIZER = "weight_shards", "optimizer_shards"


def load_sharded(folder: str, method: str, processes: int) -> Any:
    """Load this process's share of a causal model; all processes of the training call this at once.

    Args:
        folder: Folder of a checkpoint.
        method: ``lora`` or ``full``; what learns is held in 32 bits.
        processes: How many share it.

    Raises:
        BadInput: It cannot be loaded so.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.distributed.configuration_utils import DistributedConfig

    kind = torch.bfloat16 if device() == "cuda" and method != "full" else torch.float32
    try:
        with quiet():
            return AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=kind,
                use_safetensors=True,
                trust_remote_code=False,
                distributed_config=DistributedConfig(fsdp_size=processes),
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"the base could not be shared between processes: {first_line(error)}",
            where=folder,
            todo="use training.fsdp false",
        ) from error


def is_sharded(model: Any) -> bool:
    """Return whether a model, or the base of its adapter, is shared between processes."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def resumable(trainer: Any) -> Any:
    """Return a trainer's class whose checkpoints of a sharded model can be gone on from.

    An adapter's checkpoints are the trainer's own. Those of a fully trained model hold a share of each process.
    """
    import torch
    from torch.distributed.checkpoint import state_dict as states
    from torch.distributed.checkpoint.state_dict_loader import load
    from torch.distributed.checkpoint.state_dict_saver import save
    from transformers.trainer import SCHEDULER_NAME

    class Resumable(trainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs[
                "args"
            ].save_only_model = (
                True  # transformers 5.24 refuses to write what it could not read back
            )
            super().__init__(*args, **kwargs)
            self.args.save_only_model = False

        def _adapter(self) -> bool:
            return hasattr(self.model, "peft_config")

        def _read_weights(self, checkpoint: str) -> None:
            weights = states.get_model_state_dict(self.model)
            load(weights, checkpoint_id=Path(checkpoint) / WEIGHTS)
            states.set_model_state_dict(self.model, weights)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            if self._adapter():
                return super()._save(output_dir, _plain(self.model))
            assert output_dir is not None
            save(states.get_model_state_dict(self.model), checkpoint_id=Path(output_dir) / WEIGHTS)

        def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
            if self._adapter():
                return super()._save_optimizer_and_scheduler(output_dir)
            moments = states.get_optimizer_state_dict(self.model, self.optimizer.optimizer)
            save(moments, checkpoint_id=Path(output_dir) / OPTIMIZER)
            if self.args.should_save:
                torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            if self._adapter():
                return super()._load_from_checkpoint(resume_from_checkpoint, model)
            self._read_weights(resume_from_checkpoint)

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if self._adapter() or checkpoint is None:
                return super()._load_optimizer_and_scheduler(checkpoint)
            moments = states.get_optimizer_state_dict(self.model, self.optimizer.optimizer)
            load(moments, checkpoint_id=Path(checkpoint) / OPTIMIZER)
            states.set_optimizer_state_dict(self.model, self.optimizer.optimizer, moments)
            self.lr_scheduler.load_state_dict(
                torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True)
            )

        def _load_best_model(self) -> None:
            if self._adapter():
                return super()._load_best_model()
            self._read_weights(self.state.best_model_checkpoint)

    return Resumable


def whole(model: Any) -> dict[str, Any]:
    """Return what ``save_pretrained`` is given of a trained sharded model; all processes call this at once.

    Of an adapter its own weights, which are whole in each process; else all weights, in the type that they are loaded in, in
    the first process (none in the others).
    """
    import torch
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    if hasattr(model, "peft_config"):
        return {"state_dict": _plain(model)}
    found: dict[str, Any] = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    kind = torch.bfloat16 if device() == "cuda" else torch.float32
    model.config.distributed_config = None  # what is written is no share any more
    model.config.dtype = kind
    return {"state_dict": {name: weight.to(kind) for name, weight in found.items()}}


def _plain(model: Any) -> dict[str, Any]:
    """Return the weights that every process holds as a whole; PEFT would gather the base's as well, to drop them."""
    return {
        name: weight
        for name, weight in model.state_dict().items()
        if not hasattr(weight, "full_tensor")
    }
