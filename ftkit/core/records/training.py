"""05 and 06: what was trained, on which examples or pairs, and whether it learnt."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record


class TrainPoint(Record):
    """One line of the training log."""

    step: int
    epoch: float
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_s: float | None = None
    grad_norm: float | None = Field(
        default=None, description="norm of the gradient before it is clipped to 1"
    )
    memory_gib: float | None = Field(
        default=None, description="memory in use by this process, on a GPU that GPU's"
    )
    answers: list[str] = Field(
        default_factory=list, description="what it answers to the watched questions after a pass"
    )
    right: Estimate | None = Field(default=None, description="share of these that are right")


class ScaleTrial(Record):
    """Part of the learnt change applied, and what it does."""

    strength: float = Field(description="share of the change applied, 0 (base) to 1 (all)")
    general: Estimate = Field(
        description="change in general skills against the base, a share; negative: lost"
    )
    accuracy: dict[str, Estimate] = Field(description="share of validation examples right, by arm")


class CurvePoint(Record):
    """One training on a part of the examples, measured on validation."""

    examples: int
    seed: int
    accuracy: Estimate


class LearningCurve(Record):
    """How the share right grows with the examples: error = scale × examples^-exponent."""

    points: list[CurvePoint]
    scale: float
    exponent: float = Field(description="0: more examples bring nothing")
    fitted: Estimate = Field(description="share right on the curve at all examples")
    doubled: Estimate = Field(description="share right expected with twice as many")
    gain: Estimate = Field(description="the difference of both")
    seed_sd: float | None = Field(
        default=None,
        description="standard deviation of the share right from seed to seed, all examples; None: one seed",
    )


SettingReason = Literal[
    "set",
    "model_width",
    "short_run",
    "rehearsal",
    "steps",
    "small_model",
    "examples",
    "longest",
    "context",
    "limit",
    "answer_tokens",
    "width",
    "rank",
]


class ChosenSetting(Record):
    """A training parameter, with where its value comes from."""

    name: str = Field(description="name of the parameter")
    value: float = Field(description="its value, in the parameter's own unit")
    reason: SettingReason = Field(description="set: by the user; else what it was chosen from")


class TrainingCard(Record):
    """What was trained, did it learn, and what it took."""

    method: Literal["none", "lora", "qlora", "full"] = Field(
        description="none: nothing was trained, and every other field is empty"
    )
    variant: str = Field(default="", description="the method in words, with its variants")
    elsewhere: bool = Field(
        default=False,
        description="whether another tool trained it; time is then as the user gave it",
    )
    base: str = ""
    base_sha256: str = ""
    adapter: str = Field(
        default="", description="folder of the adapter, relative to the run folder"
    )
    prompt: str = Field(
        default="", description="name of the prompt that the examples were shown with"
    )
    parameters: int = 0
    trainable_parameters: int = 0
    examples: int = 0
    general_examples: int = 0
    epochs: float = 0.0
    steps: int = 0
    tokens: int = 0
    duration_s: float = 0.0
    peak_memory_gib: float = 0.0
    processes: int = Field(
        default=1,
        description="processes that trained together; the peak memory is that of the first",
    )
    micro_batch_tokens: int = Field(
        default=0,
        description="most tokens read at once, padding included; a step is cut into micro-batches",
    )
    settings: list[ChosenSetting] = Field(
        default_factory=list, description="rates and sizes, set or chosen; empty: not known"
    )
    log: list[TrainPoint] = Field(default_factory=list)
    best_validation_loss: float = 0.0
    stopped_early: bool = False
    verdict: Literal["none", "learnt", "underfit", "overfit", "diverged"] = "none"
    advice: str = ""
    loss_sample: list[tuple[str, bool]] = Field(
        default_factory=list, description="tokens of one example, and whether each is in the loss"
    )
    strength: float = Field(
        default=1.0, description="share of the learnt change that the adapter applies"
    )
    scale_trials: list[ScaleTrial] = Field(
        default_factory=list, description="adapter_scales tried; empty: not measured"
    )
    general_allowed: float = Field(
        default=0.0, description="general skills that might be lost on them, a share"
    )
    curve: LearningCurve | None = Field(
        default=None, description="the learning curve; none: not measured"
    )

    @property
    def trained(self) -> bool:
        """Whether there are tuned weights."""
        return self.method != "none"


class PreferencePoint(Record):
    """One line of the preference log; a margin is the reward of the better answer minus that of the worse one."""

    step: int
    loss: float | None = None
    reward: float | None = Field(
        default=None, description="mean reward of the answers drawn in this step, for RL"
    )
    kl: float | None = Field(
        default=None, description="divergence from the model of 05, nats per token"
    )
    tokens: float | None = Field(default=None, description="mean length of these answers")
    margin: float | None = None
    held_loss: float | None = Field(default=None, description="on pairs from validation")
    held_margin: float | None = None
    held_accuracy: float | None = Field(
        default=None, description="share of validation pairs with the better answer ahead"
    )


RL = ("grpo", "rloo")
"""Preference methods that draw answers and reward them."""


class PreferenceCard(Record):
    """Are the answers preferred after preference tuning?"""

    method: Literal["none", "dpo", "kto", "grpo", "rloo"]
    reward: str = Field(default="", description="what RL rewarded: task or model")
    reward_accuracy: Estimate | None = Field(
        default=None, description="held-out pairs that the reward model tells apart"
    )
    reason: str = Field(default="", description="why it was not done, or is used or not")
    adapter: str = Field(
        default="", description="folder of the adapter, relative to the run folder"
    )
    source: str = Field(default="", description="where the pairs come from")
    pairs: int = 0
    gold_pairs: int = Field(
        default=0,
        description="pairs whose better answer is the data's, as no sampled one was right",
    )
    held_pairs: int = 0
    log: list[PreferencePoint] = Field(default_factory=list)
    duration_s: float = 0.0
    items: int = Field(default=0, description="validation answers compared")
    wins: int = Field(default=0, description="answers that score higher than those of 05")
    losses: int = 0
    win_rate: Estimate | None = Field(
        default=None, description="wins among the answers that score differently"
    )
    judge: str = Field(
        default="", description="model that said which answers are better; empty: the task's checks"
    )
    judge_agreement: Estimate | None = Field(
        default=None, description="known pairs whose better side the judge took"
    )
    judge_swapped: float = Field(
        default=0.0, description="share of its verdicts that changed with the order of the answers"
    )
    judge_bill: str = Field(default="", description="what its verdicts took and cost")
    accuracy_before: Estimate | None = None
    accuracy_after: Estimate | None = None
    difference: Estimate | None = Field(default=None, description="share right after minus before")
    words_before: float = 0.0
    words_after: float = 0.0
    repeated_before: float = Field(
        default=0.0, description="share of answers with a threefold repetition"
    )
    repeated_after: float = 0.0
    hacked: str = Field(default="", description="sign of reward hacking; empty: none")
    used: bool = Field(
        default=False, description="whether 07 uses it: a gain beyond chance and no hacking"
    )
