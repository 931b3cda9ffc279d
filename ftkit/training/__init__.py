"""05_training: supervised fine-tuning with TRL and PEFT, and a plain verdict on whether it learnt."""

from ftkit.training.encode import Encoded, encode_all, encode_conversation, loss_sample
from ftkit.training.estimate import Need, lora_parameters, memory_gib, needs
from ftkit.training.mix import chosen_prompt, general_mix, read_general
from ftkit.training.sft import TrainingPlan, plan_of, train
from ftkit.training.tell import answer_rows, before_after, learned, mix_rows
from ftkit.training.verdict import judge

__all__ = [
    "Encoded", "Need", "TrainingPlan", "answer_rows", "before_after", "chosen_prompt", "encode_all", "encode_conversation", "general_mix", "judge", "learned", "lora_parameters",
    "loss_sample", "memory_gib", "mix_rows", "needs", "plan_of", "read_general", "train",
]  # fmt: skip
