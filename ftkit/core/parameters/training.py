"""What 05_training is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from ftkit.core.parameters.base import PRICE_DATE, TRACKERS, ModelParameters


class TrainingParameters(ModelParameters):
    """05_training: does it learn?"""

    prompt: str = Field(
        default="",
        description="name of the prompt of 03 that the tuned model is taught and asked with; empty: the best zero-shot one",
    )
    method: Literal["none", "lora", "qlora", "full"] = Field(
        default="lora",
        description="lora (adapter), qlora (adapter, learnt on a quantised base), full (all weights) or none: train nothing, compare prompts and passages only",
    )
    elsewhere: bool = Field(
        default=False, description="write the files for another tool and stop there: it trains"
    )
    adapter: str = Field(
        default="",
        description="folder of weights that another tool trained on 05's handed-over files: an adapter, or a whole model; empty: train here",
    )
    adapter_hours: float = Field(
        default=0.0, ge=0, description="hours that this took there, for the costs"
    )
    num_train_epochs: float = Field(
        default=0.0,
        ge=0,
        description="passes over the training examples, at most; 0: chosen by the data's and the model's size",
    )
    learning_rate: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="peak learning rate; 0: chosen by method and the model's width, and tried before",
    )
    per_device_train_batch_size: int = Field(
        default=0,
        ge=0,
        description="examples per step (and process); 0: chosen by the number of examples",
    )
    gradient_accumulation_steps: int = Field(
        default=1, ge=1, description="batches whose gradients make one step"
    )
    lr_scheduler_type: Literal["cosine", "linear", "constant_with_warmup"] = Field(
        default="cosine",
        description="how the learning rate falls after its rise: cosine, linear, or constant_with_warmup (not)",
    )
    warmup_ratio: float = Field(
        default=0.05, ge=0, lt=1, description="share of the steps in which the learning rate rises"
    )
    weight_decay: float = Field(
        default=0.0, ge=0, lt=1, description="pull of the learning weights to zero (AdamW)"
    )
    neftune_noise_alpha: float = Field(
        default=0.0,
        ge=0,
        description="noise on the embeddings while it learns (NEFTune; 5 to 15 are usual); 0: none",
    )
    max_length: int = Field(
        default=0,
        ge=0,
        description="longest training example, in tokens; 0: that of the data, 4096 at most",
    )
    lora_r: int = Field(
        default=0, ge=0, description="rank of the adapter; 0: chosen by the tokens to learn"
    )
    lora_alpha: int = Field(default=0, ge=0, description="scale of the adapter; 0: 32")
    target_modules: list[str] = Field(
        default=[],
        description="linear layers that get an adapter, e.g. [q_proj, v_proj]; empty: all but the output head",
    )
    use_rslora: bool = Field(
        default=False, description="scale by the root of the rank (rsLoRA), for high ranks"
    )
    use_dora: bool = Field(
        default=False,
        description="learn size and direction apart (DoRA): nearer to full tuning, slower",
    )
    quantization_bits: Literal[4, 8] = Field(
        default=4,
        description="bits of the base's weights while qlora learns: 4 (NF4, double quantisation) or 8",
    )
    packing: bool = Field(
        default=False,
        description="put the examples of a step into one row without padding (they do not see each other); pays with FlashAttention",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="processes that train together (DDP), one per GPU; a step takes examples from each",
    )
    fsdp: bool = Field(
        default=False,
        description="share the base between the processes (FSDP2) instead of a copy in each: for a model above one card, by lora or full",
    )
    machines: str = Field(
        default="",
        description=f"YAML file of machines to rent, with prices; empty: the built-in list of {PRICE_DATE}",
    )
    thoughts: Literal["drop", "learn", "refuse"] = Field(
        default="drop",
        description="thoughts before the answers of the training data (<think>): drop, learn (the model then thinks) or refuse",
    )
    with_passages_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of training examples shown with their retrieved passages (for the hybrid)",
    )
    general_share: float = Field(
        default=0.12,
        ge=0,
        lt=0.5,
        description="share of general instruction data in the mix (guide: 10-15%)",
    )
    general_data: str = Field(
        default="",
        description="file of general prompts and responses (JSON lines) to mix in; empty: built-in",
    )
    report_to: list[str] = Field(
        default=[],
        description="experiment trackers that get the curve too, installed by you: trackio, mlflow, tensorboard, wandb",
    )
    early_stopping_patience: int = Field(
        default=2, ge=1, description="evaluations without improvement before it stops"
    )
    sample_items: int = Field(
        default=40, ge=3, description="validation examples answered before and after tuning"
    )
    epoch_sample_items: int = Field(
        default=12,
        ge=0,
        description="of these answered after each pass as well, to see the answers change; 0: none",
    )
    curve_shares: list[float] = Field(
        default=[],
        description="shares of the examples to train on as well, for the learning curve, e.g. [0.25, 0.5]; [1.0]: for other seeds alone; empty: none",
    )
    curve_seeds: int = Field(
        default=3,
        ge=1,
        le=10,
        description="trainings per share, each with its own draw of examples",
    )
    curve_at_once: int = Field(
        default=0,
        ge=0,
        description="of these at once, each in a process of its own; 0: one per GPU, else one for every two cores, as memory allows",
    )
    general_items: int = Field(
        default=200,
        ge=0,
        description="general questions that decide how much of the change is applied; 0: all of it",
    )
    general_questions: str = Field(
        default="",
        description="file of them (JSON lines: prompt, response), e.g. GSM8K's or IFEval's; empty: built-in",
    )
    general_loss_points: float = Field(
        default=4.0,
        ge=0,
        le=100,
        description="general skills that tuning may cost on them, in points; else it is applied in part",
    )

    @field_validator("report_to")
    @classmethod
    def _trackers(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in TRACKERS]:
            raise ValueError(f"{', '.join(unknown)}: choose from {', '.join(TRACKERS)}")
        return value

    @field_validator("curve_shares")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if any(not 0 < share <= 1 for share in value):
            raise ValueError("shares lie between 0 and 1")
        return value

    @model_validator(mode="after")
    def _untrained(self) -> TrainingParameters:
        asked = [name for name in ("elsewhere", "adapter", "curve_shares") if getattr(self, name)]
        if self.method == "none" and asked:
            raise ValueError(
                f"method none trains nothing, but {asked[0]} is set: leave {asked[0]} out, or choose another method"
            )
        return self

    @model_validator(mode="after")
    def _shared(self) -> TrainingParameters:
        if self.fsdp and self.processes < 2:
            raise ValueError("fsdp shares the base between processes: set processes to 2 or more")
        if self.fsdp and (self.method == "qlora" or self.use_dora):
            raise ValueError(
                "fsdp cannot share a quantised base or learn DoRA's sizes from a shared one: use method lora or full, without use_dora"
            )
        return self

    @model_validator(mode="after")
    def _curve_here(self) -> TrainingParameters:
        if self.adapter and self.curve_shares:
            raise ValueError(
                "the curve's trainings run here: leave curve_shares empty where adapter names weights from elsewhere"
            )
        return self

    def external(self) -> list[Path]:
        return super().external() + [
            Path(p)
            for p in (self.general_data, self.machines, self.general_questions, self.adapter)
            if p
        ]
