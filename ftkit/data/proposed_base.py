"""Which base a new project begins with: by this machine and by the task, with the minutes that a run will take."""

from __future__ import annotations

from collections.abc import Sequence

from ftkit.core import machine

SMALL = "smollm2-135m"
ON_A_GPU = ((40.0, "Qwen/Qwen3-8B"), (16.0, "Qwen/Qwen3-4B"), (8.0, "Qwen/Qwen3-1.7B"))
"""The largest base to be tuned by LoRA, by memory of the GPU in GiB (weights in 16 bits and as much again for the rest)."""
TRAIN, READ, WRITE = 65.0, 200.0, 35.0
"""Tokens a second and core that SmolLM2-135M learns, reads and writes; measured on two idle cores."""
PASSES, PROMPTS, STRATEGIES = 3.0, 400, 4
CHARACTERS = 4.0  # of a token, about
INSTRUCTION = 60  # tokens
PASSAGES, SHOWN = 340, 0.5
"""Tokens of the passages that a prompt shows (two of 120 words), and the share of examples learnt with them."""
WITHIN, FEWEST, TESTED = 60, 300, 300
"""Minutes within which a first run should end; fewest training examples proposed for it, and its test questions."""
MOST_TESTED = 1000


def minutes(
    learnt: float, tested: float, prompt_tokens: float, answer_tokens: float, cores: int
) -> float:
    """Return about how long a run on the CPU takes with the small base.

    Args:
        learnt: Training examples.
        tested: Test questions.
        prompt_tokens: Tokens of a prompt.
        answer_tokens: Tokens of an answer.
        cores: CPU cores.
    """
    trained = learnt * PASSES * (prompt_tokens + answer_tokens) / TRAIN
    each = prompt_tokens / READ + answer_tokens / WRITE
    return (trained + (PROMPTS + STRATEGIES * tested) * each) / cores / 60


def propose(
    inputs: Sequence[str], outputs: Sequence[str], labels: Sequence[str], handbook: bool = False
) -> tuple[str, str]:
    """Return a base's name, and a sentence that says why.

    Args:
        inputs: Inputs of the examples.
        outputs: Right answers, in the same order.
        labels: Labels that a prompt lists; empty: none.
        handbook: Whether prompts show passages of one as well.
    """
    gpu = _gpu_gib()
    name = next((base for least, base in ON_A_GPU if gpu >= least), "")
    if name:
        return name, (
            f"Base model: {name}, the largest that this GPU ({gpu:.0f} GiB) tunes by LoRA; it comes from the Hugging Face hub. "
            f"For a quick first run, or without the hub: base_model: {SMALL}."
        )
    cores = machine.cores()
    prompt = INSTRUCTION + (_mean(inputs) + sum(len(x) + 2 for x in labels)) / CHARACTERS
    prompt += SHOWN * PASSAGES if handbook else 0
    answer = _mean(outputs) / CHARACTERS + 1
    learnt, tested = 0.7 * len(inputs), min(MOST_TESTED, 0.15 * len(inputs))
    took = minutes(learnt, tested, prompt, answer, cores)
    said = (
        f"Base model: {SMALL}, a real base that {cores} cores without a GPU can train; with {len(inputs):,} rows and prompts of about "
        f"{prompt:.0f} tokens a run takes about {max(1, round(took))} minutes on the idle machine."
    )
    if took > WITHIN:
        said += _shorter(learnt, min(tested, TESTED), prompt, answer, cores)
    return SMALL, said


def _shorter(learnt: float, tested: float, prompt: float, answer: float, cores: int) -> str:
    """Return the sizes with which a first run ends within the hour, or nearly."""
    base, one = (minutes(n, tested, prompt, answer, cores) for n in (0, 1))
    rows = min(learnt, max(FEWEST, (WITHIN - base) / (one - base))) // 50 * 50
    took = minutes(rows, tested, prompt, answer, cores)
    return (
        f" For a first run of about {round(took)} minutes: data.max_examples: {rows:.0f} and data.max_test: {tested:.0f};"
        " a GPU takes all rows."
    )


def _mean(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / max(1, len(texts))


def _gpu_gib() -> float:
    """Return the memory of the first GPU in GiB, by its driver's own tool; 0 where there is none."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0.0
    command = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        return float(done.stdout.split()[0]) / 1024
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return 0.0
