"""05_training: a plan before, supervised fine-tuning with TRL and PEFT, and a plain verdict on whether it learnt."""
