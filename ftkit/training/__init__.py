"""05_training: supervised fine-tuning with TRL and PEFT, and a plain verdict on whether it learnt."""

from ftkit.training.encode import Encoded, encode_conversation, loss_sample
from ftkit.training.sft import TrainingPlan, train
from ftkit.training.verdict import judge

__all__ = ["Encoded", "TrainingPlan", "encode_conversation", "judge", "loss_sample", "train"]
