"""All test questions with every strategy's answer: searched, filtered, page by page, and commented."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.evaluation.item_comments import comment, comments
from ftkit.report import theme
from ftkit.report.figures.browser import FAULTS

PER_PAGE = 10


class Items:
    """The widget's state and its parts.

    Args:
        table: All items, from ``evaluation.item_table.browse``.
        strategies: Strategy names in order.
        run: The run folder, which the comments are saved in.
    """

    def __init__(self, table: Any, strategies: list[str], run: Path) -> None:
        import ipywidgets as widgets

        self.table, self.strategies, self.run, self.page = table, strategies, run, 0
        near, layout = {"description_width": "80px"}, widgets.Layout(width="min(100%, 330px)")
        look: dict[str, Any] = {"style": near, "layout": layout}
        self.search = widgets.Text(
            description="Search", placeholder="words of question or answer", **look
        )
        self.kind = widgets.Dropdown(
            description="Questions", options=["all", "differ", "all wrong", "all right"], **look
        )
        self.wrong = widgets.Dropdown(
            description="Wrong in", options=["any", *strategies], value="any", **look
        )
        self.fault = widgets.Dropdown(description="Failed by", options=["any", *FAULTS], **look)
        self.shown, self.said = widgets.HTML(), widgets.HTML()
        self.back = widgets.Button(description="Back", layout=widgets.Layout(width="auto"))
        self.more = widgets.Button(description="Next page", layout=widgets.Layout(width="auto"))
        self.which = widgets.Dropdown(description="Question", options=[], **look)
        self.text = widgets.Textarea(
            description="Comment", style=near, layout=widgets.Layout(width="min(100%, 700px)")
        )
        self.save = widgets.Button(
            description="Save the comment",
            layout=widgets.Layout(width="auto", align_self="flex-start"),
        )
        for part in (self.search, self.kind, self.wrong, self.fault):
            part.observe(lambda _: self.turn(-self.page), names="value")
        self.back.on_click(lambda _: self.turn(-1))
        self.more.on_click(lambda _: self.turn(1))
        self.save.on_click(lambda _: self.saved())
        row = widgets.Layout(flex_flow="row wrap")
        filters = widgets.HBox([self.search, self.kind, self.wrong, self.fault], layout=row)
        pages = widgets.HBox([self.back, self.more], layout=row)
        writing = [self.which, self.text, self.save, self.said]
        self.box = widgets.VBox([filters, self.shown, pages, *writing])
        self.turn(0)

    def matching(self) -> list[dict[str, Any]]:
        """Return the items that the filters leave."""
        words = str(self.search.value).lower().split()
        rows = self.table.to_dict("records")
        if self.kind.value != "all":
            rows = [r for r in rows if r["kind"] == self.kind.value]
        if self.wrong.value != "any":
            rows = [r for r in rows if r[f"{self.wrong.value} mark"] != "right"]
        if self.fault.value != "any":
            rows = [
                r for r in rows if self.fault.value in (r[f"{s} mark"] for s in self.strategies)
            ]
        fields = ("item_id", "input", "truth", *self.strategies)
        return [
            r for r in rows if all(any(w in str(r[name]).lower() for name in fields) for w in words)
        ]

    def turn(self, by: int) -> None:
        """Show another page."""
        rows = self.matching()
        last = max(0, (len(rows) - 1) // PER_PAGE)
        self.page = min(max(0, self.page + by), last)
        shown = rows[self.page * PER_PAGE : (self.page + 1) * PER_PAGE]
        self.back.disabled, self.more.disabled = self.page == 0, self.page == last
        self.which.options = [str(r["item_id"]) for r in shown]
        said: dict[str, list[str]] = {}
        for one in comments(self.run):
            said.setdefault(one["item_id"], []).append(f"{one['who']}: {one['comment']}")
        told = f"{len(rows)} of {len(self.table)} questions, page {self.page + 1} of {last + 1}"
        cells = [
            {"question": r["item_id"], "text": r["input"], "right answer": r["truth"]}
            | {name: f"{r[f'{name} mark']}: {r[name]}" for name in self.strategies}
            | ({"comments": "\n".join(said.get(str(r["item_id"]), []))} if said else {})
            for r in shown
        ]
        self.shown.value = theme.table_html(cells, caption=told) if cells else theme.note_html(told)

    def saved(self) -> None:
        """Save the comment beside the run."""
        try:
            comment(self.run, str(self.which.value), str(self.text.value))
        except (FtkitError, OSError) as error:  # a widget's callback has nobody else to tell
            self.said.value = f"<span role='alert' style='color:{theme.BAD_TEXT}'>{html.escape(str(error))}</span>"
            return
        self.text.value, self.said.value = "", f"Saved in {self.run / 'comments.jsonl'}."
        self.turn(0)


def show(table: Any, strategies: list[str], run: Path) -> None:
    """Show the browser of all items in a notebook."""
    theme.live(Items(table, strategies, run).box)
