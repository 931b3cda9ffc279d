"""A box to type a message in, and every strategy's answer to it side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.report import theme

Rows = list[dict[str, Any]]


def box(answer: Callable[[str], Rows], first: str) -> None:
    """Show what all strategies say to a first message, and a box to ask them another one.

    The first answers are plain HTML, so that they stand in an exported notebook too, where nothing can be typed.

    Args:
        answer: Returns one row per strategy for a message.
        first: The message that is answered at once.
    """

    theme.table(answer(first), caption=f"“{first}”")
    theme.live(widget(answer))


def widget(answer: Callable[[str], Rows]) -> Any:
    """Return the box: a text area, a button, and the place where the answers come."""
    import ipywidgets as widgets

    text = widgets.Textarea(
        placeholder="Type a message and press the button",
        description="Message",
        layout=widgets.Layout(width="min(100%, 700px)"),
    )
    button = widgets.Button(
        description="Ask all strategies",
        button_style="primary",
        layout=widgets.Layout(width="auto", align_self="flex-start"),
    )
    shown = widgets.HTML(layout=widgets.Layout(max_width="100%"))

    def ask(_: Any) -> None:
        button.disabled, shown.value = True, "The models are answering…"
        try:
            shown.value = _answered(answer, text.value.strip())
        finally:
            button.disabled = False

    button.on_click(ask)
    return widgets.VBox([text, button, shown])


def _answered(answer: Callable[[str], Rows], message: str) -> str:
    """Return the answers as a table, or what to do, as HTML."""
    if not message:
        return theme.box_html("Type a message first.", [])
    try:
        return theme.table_html(answer(message), caption=f"“{message}”")
    except FtkitError as error:  # a widget's callback has nobody else to tell
        return theme.box_html("That could not be answered.", [str(error)], theme.BAD)
