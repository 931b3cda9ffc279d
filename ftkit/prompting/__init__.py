"""03_prompting: prompt candidates from the task card, how they are put before a model, and the choice on validation."""

from ftkit.prompting.candidates import TASK_ONLY, candidates, with_hash
from ftkit.prompting.choose import answer_rows, choose, learned, ranked, trial, trial_rows
from ftkit.prompting.files import own_text, write_prompts
from ftkit.prompting.proposals import propose
from ftkit.prompting.proposals import rows as proposal_rows
from ftkit.prompting.render import check_template, markers, neutral, render
from ftkit.prompting.similar import similar
from ftkit.prompting.structured import (
    CONSTRAINED,
    RANKED,
    constrained,
    format_rows,
    free_name,
    gain,
    held_sentence,
    response_format,
)

__all__ = [
    "CONSTRAINED", "RANKED", "TASK_ONLY", "answer_rows", "candidates", "check_template", "choose", "constrained", "format_rows", "free_name", "gain", "held_sentence", "learned", "markers", "neutral", "own_text", "proposal_rows", "propose",
    "ranked", "render", "response_format", "similar", "trial", "trial_rows", "with_hash", "write_prompts",
]  # fmt: skip
