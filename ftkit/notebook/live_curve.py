"""The loss while it trains: drawn in the notebook, told in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ftkit.core.records.training import TrainPoint
from ftkit.notebook.progress import Progress
from ftkit.report import theme
from ftkit.report.figures.training import draw_curve


class Live:
    """A callable ``(point, steps)`` that draws the loss while it trains: in the notebook and as a line in the terminal.

    Args:
        run: The run folder, for the terminal's line.
        told: Says what the answers after a pass are worth.
        every_s: Shortest time between two drawings, in seconds.
    """

    def __init__(
        self, run: str, told: Callable[[Sequence[str]], str] | None = None, every_s: float = 2.0
    ) -> None:
        self.told = told
        self.log: list[TrainPoint] = []
        self.line, self.every_s = Progress("training", run), every_s
        self._handle: Any = None
        self._drawn = 0.0

    def __call__(self, point: TrainPoint, steps: int) -> None:
        """Take one point of the log; ``steps`` is the number of steps in all."""
        self.log.append(point)
        known = [f"loss {point.loss:.3g}"] if point.loss is not None else []
        known += (
            [f"validation loss {point.validation_loss:.3g}"]
            if point.validation_loss is not None
            else []
        )
        known += [f"{point.tokens_per_s:,.0f} tokens/s"] if point.tokens_per_s else []
        known += [self.told(point.answers)] if self.told and point.answers else []
        self.line(point.step, steps, ", ".join(known))
        now = time.monotonic()
        if now - self._drawn >= self.every_s:
            self._drawn = now
            self._draw(point, steps)

    def _draw(self, point: TrainPoint, steps: int) -> None:
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            return
        figure = theme.style(
            draw_curve(self.log),
            f"Training: step {point.step} of {steps}",
            "it draws itself anew",
            height=300,
        )
        if self._handle is None:
            self._handle = display(theme.bundle(figure), raw=True, display_id=True)
        else:
            self._handle.update(theme.bundle(figure), raw=True)

    def close(self, text: str) -> None:
        """Replace the live picture by one sentence; the finished curve follows in the next cell."""
        from IPython.display import display

        data = {"text/html": theme.box_html(text, []), "text/plain": text}
        if self._handle is not None:
            self._handle.update(data, raw=True)
        else:
            display(data, raw=True)
