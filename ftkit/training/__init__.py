"""05_training: a plan before, supervised fine-tuning with TRL and PEFT, and a plain verdict on whether it learnt."""

from ftkit.training.apart import Training, at_once, train_apart
from ftkit.training.encode import Encoded, encode_all, encode_conversation, loss_sample
from ftkit.training.handover import hand_over, provider_faults
from ftkit.training.methods import model_to_train, variant, wrap_lora
from ftkit.training.mix import chosen_prompt, general_mix, read_general
from ftkit.training.plan import (
    Machine,
    Need,
    Offer,
    lora_parameters,
    machines,
    memory_gib,
    needs,
    offers,
    parameters_of,
    proposed,
    rows,
)
from ftkit.training.rehearsal import Rehearsal, rehearse
from ftkit.training.sft import TrainingPlan, plan_of, train
from ftkit.training.tell import answer_rows, before_after, expected, learned, mix_rows, told
from ftkit.training.verdict import judge
from ftkit.training.watched import Watched

__all__ = [
    "Encoded", "Machine", "Need", "Offer", "Rehearsal", "Training", "TrainingPlan", "Watched", "answer_rows", "at_once", "before_after", "chosen_prompt", "encode_all",
    "encode_conversation", "expected", "general_mix", "hand_over", "judge", "learned", "lora_parameters", "loss_sample", "machines", "memory_gib", "mix_rows",
    "model_to_train", "needs", "offers", "parameters_of", "plan_of", "proposed", "provider_faults", "read_general", "rehearse", "rows", "told", "train", "train_apart", "variant",
    "wrap_lora",
]  # fmt: skip
