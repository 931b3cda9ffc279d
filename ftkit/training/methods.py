"""What each method does to a model before it trains: adapters in their variants, and a base whose weights are quantised."""

from __future__ import annotations

from typing import Any, Protocol

from ftkit.core.errors import BadInput
from ftkit.core.parameters.training import TrainingParameters
from ftkit.models.load import device, quiet
from ftkit.models.local import LocalModel
from ftkit.models.weights import first_line

NF4_BITS = (
    4 + 8 / 64 + 32 / (64 * 256)
)  # 4 bits, an 8-bit scale for each 64 weights, a float32 for each 256 scales


class Adapter(Protocol):
    """What names an adapter: the stage's parameters, or a training plan."""

    lora_r: int
    lora_alpha: int
    target_modules: Any
    use_rslora: bool
    use_dora: bool


def wrap_lora(model: Any, p: Adapter) -> Any:
    """Put LoRA matrices on linear layers: those that are named, else every one but the output head.

    Args:
        model: A causal model, quantised or not.
        p: Rank; scale (their product is scaled by alpha/rank, alpha/sqrt(rank) with ``use_rslora``: rank-stabilised, Kalajdzievski
            2023, high ranks learn as fast as low ones); layers by the last part of their name; ``use_dora``: magnitude and
            direction apart, Liu et al. 2024, nearer to full tuning at low ranks, slower.

    Raises:
        BadInput: The rank is larger than the model's width, where LoRA saves nothing, or there is no such layer.
    """
    from peft import LoraConfig, get_peft_model

    width = int(model.config.hidden_size)
    if p.lora_r > width:
        todo = f"use at most {width}"
        raise BadInput(
            f"rank {p.lora_r} is above the model's width {width}",
            where="training.lora_r",
            todo=todo,
        )
    there = sorted({name.rsplit(".", 1)[-1] for name, _ in linear(model)})
    if unknown := [name for name in p.target_modules if name not in there]:
        raise BadInput(
            f"the model has no linear layer {', '.join(unknown)}",
            where="training.target_modules",
            todo=f"choose from {', '.join(there)}",
        )
    config = LoraConfig(
        r=p.lora_r,
        lora_alpha=p.lora_alpha,
        lora_dropout=0.0,
        target_modules=list(p.target_modules) or "all-linear",
        task_type="CAUSAL_LM",
        use_rslora=p.use_rslora,
        use_dora=p.use_dora,
    )
    return get_peft_model(model, config)


def linear(model: Any) -> list[tuple[str, Any]]:
    """Return name and module of every linear layer but the output head."""
    import torch

    head = model.get_output_embeddings()
    return [
        (name, m)
        for name, m in model.named_modules()
        if isinstance(m, torch.nn.Linear) and m is not head
    ]


def load_quantised(folder: str, bits: int) -> Any:
    """Load a causal model whose linear layers hold their weights in few bits, ready for an adapter (QLoRA).

    Args:
        folder: Folder of a checkpoint.
        bits: 4 (NF4 with double quantisation) or 8 (LLM.int8).

    Raises:
        BadInput: It cannot be loaded so.

    Source: Dettmers et al. 2023, QLoRA: Efficient Finetuning of Quantized LLMs.
    """
    import torch
    from peft import prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    on_gpu = device() == "cuda"
    kind = torch.bfloat16 if on_gpu else torch.float32
    nf4: dict[str, Any] = {
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": kind,
    }
    config = (
        BitsAndBytesConfig(load_in_4bit=True, **nf4)
        if bits == 4
        else BitsAndBytesConfig(load_in_8bit=True)
    )
    place: dict[str, Any] = {"device_map": {"": torch.cuda.current_device()}} if on_gpu else {}
    try:
        with quiet():
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=kind,
                quantization_config=config,
                use_safetensors=True,
                trust_remote_code=False,
                **place,
            )
            for module in model.modules():
                # bitsandbytes would repack the weights at the first evaluation on a CPU with AVX512-BF16, for good and in
                # bfloat16: the training would go on from other weights than it began with.
                if hasattr(module, "support_avx512bf16_for_cpu"):
                    module.support_avx512bf16_for_cpu = False
            return prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise BadInput(
            f"the base could not be loaded in {bits} bits: {first_line(error)}",
            where=folder,
            todo="use training.method lora",
        ) from error


def model_to_train(base: LocalModel, p: TrainingParameters) -> Any:
    """Return the model that the method trains: the base as it is loaded (for full tuning in 32 bits), or, for QLoRA,
    quantised in its place.

    The full weights leave memory first, so that a base trains where they would not fit beside their copy. ``base`` must
    not be asked anything after. With ``fsdp`` there is none here: each process loads its share.
    """
    if p.adapter:
        return base.model
    if p.method != "qlora" and not p.fsdp:
        return to_learn(base.model, p.method)
    import gc

    import torch

    base.weights.model = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None if p.fsdp else load_quantised(str(base.folder), p.quantization_bits)


def release(model: Any) -> None:
    """Give a GPU's memory back before other processes load their own copies or shares; the model is empty after."""
    import torch

    if model is not None and device() == "cuda":
        for weight in model.parameters():
            weight.data = weight.data.new_empty(0)
        torch.cuda.empty_cache()


def to_learn(model: Any, method: str) -> Any:
    """Return a model whose learning weights are held in 32 bits; it computes in 16 bits on a GPU all the same.

    A step of 1e-5 is lost on most weights of 16 bits (bfloat16 has 8 bits of precision): of the nano base's, 3% changed
    in twenty steps instead of 63%. Adapters are made in 32 bits by PEFT.
    """
    return model.float() if method == "full" else model


def use_variable_lengths(model: Any) -> None:
    """Let a model read packed rows with FlashAttention where it is installed: its time grows with each example's length,
    not with the row's."""
    from transformers.utils.import_utils import is_flash_attn_2_available

    if device() == "cuda" and is_flash_attn_2_available():
        model.set_attn_implementation("flash_attention_2")


class Chosen(Protocol):
    """What names a method and its variants: the stage's parameters, or a training plan."""

    method: Any
    use_rslora: bool
    use_dora: bool
    quantization_bits: Any


def variant(p: Chosen) -> str:
    """Return the method in words, e.g. ``QLoRA (4 bits, DoRA)``."""
    if p.method == "full":
        return "full tuning"
    more = (
        [f"{p.quantization_bits} bits"] * (p.method == "qlora")
        + ["rsLoRA"] * p.use_rslora
        + ["DoRA"] * p.use_dora
    )
    name = "QLoRA" if p.method == "qlora" else "LoRA"
    return f"{name} ({', '.join(more)})" if more else name
