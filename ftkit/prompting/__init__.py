"""03_prompting: prompt candidates from the task card, how they are put before a model, and the choice on validation."""

from ftkit.prompting.candidates import candidates, with_hash
from ftkit.prompting.choose import choose, trial
from ftkit.prompting.render import check_template, markers, neutral, render

__all__ = ["candidates", "check_template", "choose", "markers", "neutral", "render", "trial", "with_hash"]
