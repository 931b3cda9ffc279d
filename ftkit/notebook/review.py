"""The review queue as a widget: one doubtful row at a time, decided by a key or a button."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.report import theme

KEYS = {"k": "keep", "f": "fix", "d": "drop", "r": "redact"}
HELP = "Keys: k keep · f fix with the answer above · d drop · r redact personal data · b back"


class Review:
    """The widget's state and its parts.

    Args:
        doubts: The queue, worst first (``data.review.Doubt``).
        decide: Writes a decision: key, action, new answer.
    """

    def __init__(self, doubts: Sequence[Any], decide: Callable[[str, str, str], Any]) -> None:
        import ipywidgets as widgets

        self.doubts, self.decide, self.at, self.made = list(doubts), decide, 0, {}
        self.shown = widgets.HTML()
        self.answer = widgets.Textarea(
            description="New answer", layout=widgets.Layout(width="min(100%, 700px)", height="70px")
        )
        # One letter decides: the box keeps the focus, so that nothing but the keyboard is needed.
        self.key = widgets.Text(
            description="Key", placeholder="k, f, d, r or b", layout=widgets.Layout(width="220px")
        )
        self.key.observe(self._typed, names="value")
        self.buttons = [
            widgets.Button(description=f"{name.capitalize()} ({k})", tooltip=name)
            for k, name in KEYS.items()
        ]
        for button, name in zip(self.buttons, KEYS.values(), strict=True):
            button.on_click(lambda _, name=name: self.act(name))
        back = widgets.Button(description="Back (b)", tooltip="the row before")
        back.on_click(lambda _: self.back())
        help_text = widgets.HTML(
            f"<span style='color:{theme.MUTED};font-family:{theme.FONT}'>{HELP}</span>"
        )
        self.box = widgets.VBox(
            [
                self.shown,
                self.answer,
                widgets.HBox(
                    [self.key, *self.buttons, back], layout=widgets.Layout(flex_flow="row wrap")
                ),
                help_text,
            ]
        )
        self._show()

    def _typed(self, change: dict[str, Any]) -> None:
        letter = str(change["new"]).strip().lower()[-1:]
        if not letter:
            return
        self.key.value = ""
        if letter == "b":
            self.back()
        elif letter in KEYS:
            self.act(KEYS[letter])

    def act(self, action: str) -> None:
        """Write a decision about the row that is shown, and go on to the next."""
        if self.at >= len(self.doubts):
            return
        doubt = self.doubts[self.at]
        try:
            self.decide(doubt.key, action, self.answer.value if action == "fix" else "")
        except FtkitError as error:  # a widget's callback has nobody else to tell
            self._show(str(error))
            return
        self.made[doubt.key] = action
        self.at += 1
        self._show()

    def back(self) -> None:
        """Show the row before; a new decision about it counts."""
        self.at = max(0, self.at - 1)
        self._show()

    def _show(self, fault: str = "") -> None:
        if self.at >= len(self.doubts):
            told = ", ".join(
                f"{sum(a == name for a in self.made.values())} {name}" for name in KEYS.values()
            )
            self.shown.value = theme.box_html(
                "All rows are decided about.",
                [told, "Run this notebook again to apply it."],
                theme.GOOD,
            )
            return
        doubt = self.doubts[self.at]
        self.answer.value = doubt.proposed or doubt.answer
        rows = {"row": doubt.row, "why": doubt.why, "input": doubt.input, "answer": doubt.answer}
        if doubt.key in self.made:
            rows["decided"] = self.made[doubt.key]
        body = "".join(
            f"<tr><th style='{CELL}'>{name}</th><td style='{CELL}'>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        head = f"{self.at + 1} of {len(self.doubts)}"
        note = (
            f"<p style='color:{theme.BAD_TEXT}' role='alert'>{html.escape(fault)}</p>"
            if fault
            else ""
        )
        self.shown.value = f"<div style='font-family:{theme.FONT}' aria-live='polite'><b>{head}</b><table>{body}</table>{note}</div>"


CELL = "text-align:left;vertical-align:top;padding:.2em .8em .2em 0;max-width:56em;overflow-wrap:anywhere;white-space:pre-wrap"


def show(doubts: Sequence[Any], decide: Callable[[str, str, str], Any]) -> None:
    """Show the queue: a table of the first rows, which stays in an exported notebook, and the widget."""
    if not doubts:
        return theme.note("Nothing is left to review.", theme.GOOD)
    from ftkit.data.personal_data import mask

    rows = [
        {
            "row": d.row,
            "why": mask(d.why),
            "input": mask(d.input)[:160],
            "answer": mask(d.answer)[:120],
        }
        for d in doubts[:5]
    ]
    theme.table(
        rows, caption=f"{len(doubts)} rows to review, the first of them, personal data masked"
    )
    theme.live(Review(doubts, decide).box)
