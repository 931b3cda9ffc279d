"""The part of the start page about the runs that are there: a table to sort, two to compare, and one to ask."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.notebook import ask
from ftkit.report import theme
from ftkit.workflow.ask_run import AskRun
from ftkit.workflow.comparison_page import write_comparison
from ftkit.workflow.run_list import Listed, listing

OUTPUTS = Path("outputs")
ORDERS = {
    "newest first": lambda run: run.finished,
    "name": lambda run: run.name,
    "state": lambda run: run.state,
    "finding": lambda run: run.finding,
}


class RunsPanel:
    """All runs under ``outputs/``: sorted, compared, asked."""

    def __init__(self) -> None:
        import ipywidgets as widgets

        layout, near = widgets.Layout(width="min(100%, 300px)"), {"description_width": "70px"}
        box = {"options": [], "style": near, "layout": layout}
        self.order = widgets.Dropdown(
            description="Sort by",
            options=list(ORDERS),
            style=near,
            layout=widgets.Layout(width="min(100%, 300px)"),
        )
        self.table, self.said = widgets.HTML(), widgets.HTML()
        self.first = widgets.Dropdown(description="Compare", **box)
        self.second = widgets.Dropdown(description="with", **box)
        self.against = button(
            "Compare",
            "Write a page: what was set differently, and what came out, question by question",
            self.compared,
            self.said,
        )
        self.who = widgets.Dropdown(description="Ask", **box)
        self.open = button(
            "Ask its strategies",
            "Open a box: every strategy of this run answers what you type, side by side",
            self.asked,
            self.said,
        )
        compared, asked = (widgets.Layout(flex_flow="row wrap") for _ in range(2))
        self.comparison = widgets.HBox([self.first, self.second, self.against], layout=compared)
        self.asking = widgets.HBox([self.who, self.open], layout=asked)
        self.answers = widgets.VBox()
        self.order.observe(lambda _: self.refresh(), names="value")
        parts = [self.order, self.table, self.comparison, self.asking, self.said, self.answers]
        self.box = widgets.VBox(parts)
        self.refresh()

    def refresh(self) -> None:
        """Show the runs that are there now."""
        runs = listing(OUTPUTS)
        self.table.value = runs_html(runs, str(self.order.value))
        names = [run.name for run in runs]
        ready = [run.name for run in runs if "evaluation" in run.stages]
        self.order.layout.display = self.comparison.layout.display = (
            "" if len(names) > 1 else "none"
        )
        self.asking.layout.display = "" if ready else "none"
        # the latest with the one before
        for box, known, place in ((self.first, names, 1), (self.second, names, 0)):
            _offer(box, known, known[place] if len(known) > 1 else None)
        _offer(self.who, ready, ready[0] if ready else None)

    def compared(self) -> None:
        """Write the comparison of two runs and show a link to it."""
        first, second = (OUTPUTS / str(box.value) for box in (self.first, self.second))
        if first == second:
            raise BadInput("these are one and the same run", where="Compare", todo="choose two")
        page = str(write_comparison(first, second))
        self.said.value = f"<p>{link(page, f'{first.name} and {second.name} side by side')}</p>"

    def asked(self) -> None:
        """Open the box in which all strategies of a run answer."""
        run = OUTPUTS / str(self.who.value)
        self.said.value = theme.box_html(f"Messages to the strategies of {run.name}:", [])
        self.answers.children = (ask.widget(AskRun(run)),)


def _offer(box: Any, names: list[str], otherwise: str | None) -> None:
    """Put names into a list; what was chosen stays chosen where it still is there."""
    chosen = box.value
    box.options = names
    box.value = chosen if chosen in names else otherwise


def button(text: str, tip: str, call: Any, said: Any) -> Any:
    """Return a button; an error of its callback is shown on the page, for a callback has nobody else to tell."""
    import ipywidgets as widgets

    made = widgets.Button(description=text, tooltip=tip, layout=widgets.Layout(width="auto"))

    def clicked(_: Any) -> None:
        try:
            call()
        except (FtkitError, OSError) as error:
            said.value = f"<div role='alert'>{theme.box_html(str(error), [], theme.BAD)}</div>"

    made.on_click(clicked)
    return made


def runs_html(runs: list[Listed], order: str = "newest first") -> str:
    """Return the runs as a table with links to their reports.

    Args:
        runs: The runs, the latest first.
        order: One of ``ORDERS``.
    """
    if not runs:
        return theme.box_html(
            "No runs yet.",
            [
                "The demo takes 4 to 8 minutes on two idle cores: open demo, look at it, run all notebooks."
            ],
        )
    if order != "newest first":
        runs = sorted(runs, key=ORDERS[order])
    cell = theme.CELL_CSS.format(align="left") + ";min-width:{width};overflow-wrap:normal"
    names = {"run": "7em", "state": "4.5em", "last done": "8.5em", "stages": "4em"}
    names |= {"finding": "16em", "report": "4em"}
    head = "".join(
        f"<th scope='col' style='{cell.format(width=width)}'>{name}</th>"
        for name, width in names.items()
    )
    rows = (
        (
            html.escape(run.name),
            run.state,
            run.finished,
            f"{len(run.stages)} of {len(run_folder.STAGES)}",
            html.escape(run.finding),
            link(run.report),
        )
        for run in runs
    )
    body = "".join(
        "<tr>" + "".join(f"<td style='{cell.format(width=0)}'>{v}</td>" for v in row) + "</tr>"
        for row in rows
    )
    return (
        f"<style>{theme.DARK_CSS}</style><div style='font-family:{theme.FONT};overflow-x:auto' tabindex='0' role='region' aria-label='runs'>"
        f"<p><b>{len(runs)} run{'s' * (len(runs) > 1)}</b></p>"
        f"<table style='font-size:13px;border-collapse:collapse;line-height:1.4'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def link_to(path: Path) -> str:
    """Return a link from notebooks/ to a file below the project's root."""
    return os.path.relpath(path, "notebooks") if not path.is_absolute() else str(path)


def link(path: str, text: str = "report") -> str:
    """Return a link to a page that a run wrote, or nothing where there is none."""
    return (
        f"<a href='{html.escape(link_to(Path(path)), quote=True)}' target='_blank' style='color:{theme.LINK_TEXT};text-decoration:underline'>{html.escape(text)}</a>"
        if path
        else ""
    )
