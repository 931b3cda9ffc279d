"""What the tests of training share: lessons with one system turn, and which of the children trains."""

import psutil

SYSTEM = "Answer with one of these labels:\ndelivery\nreturns\nbilling"
WORDS = {"parcel": "delivery", "refund": "returns", "invoice": "billing"}


def lesson(i, answer=None):
    word = list(WORDS)[i % 3]
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"about my {word} {'x' * (i % 5)}"},
    ]
    return messages, answer or WORDS[word], f"e{i}"


def is_worker(process, module="ftkit.training.worker"):
    """Return whether this is one of the processes that torchrun started, and not torchrun; children that ended say nothing."""
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return module in words and "torch.distributed" not in words
