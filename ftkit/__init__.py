"""ftkit: a measured, costed decision between prompting, RAG, fine-tuning and a hybrid."""

import os

# Threads that wait must not spin: beside one other busy process that costs a training four fifths of its speed. Read by
# OpenMP when torch is loaded, and inherited by kernels, workers and torchrun, so it is set before anything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
