"""00_start: pick a file or a project, see what was guessed, correct it, go; and the runs that are there.

The page is a face of the parameter file: what is set here stands in ``params/NAME.yaml``, and what stands there is shown.
"""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

import yaml

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters import shared
from ftkit.core.parameters.files import load, nearest
from ftkit.core.parameters.models import MODELS
from ftkit.notebook import stage as stages
from ftkit.notebook.form import Form
from ftkit.notebook.run_panel import RunPanel
from ftkit.report import theme
from ftkit.workflow import project
from ftkit.workflow.comparison_page import write_comparison
from ftkit.workflow.kernel import prepare_all
from ftkit.workflow.run import run_preview
from ftkit.workflow.run_list import listing
from ftkit.workflow.run_state import RunState

NEW = "a new project from my file"
FIRST = {
    shared.SECTION: ["base_model", "endpoint_url", "endpoint_model", "data_may_leave"],
    "task": [
        "instruction",
        "kind",
        "labels",
        "fields",
        "key_fields",
        "problem",
        "answers_per_month",
        "difference_points",
    ],
    "data": [
        "data",
        "input_column",
        "output_column",
        "context_columns",
        "group_column",
        "test_data",
        "split_column",
        "time_column",
        "personal_data",
    ],
    "prompting": ["own_prompt", "validation_items"],
    "retrieval": ["handbook", "citation_field", "top_k", "filters"],
    "training": ["method", "num_train_epochs", "learning_rate", "max_length"],
    "preference": ["method"],
    "evaluation": ["judge_url", "judge_model"],
    "decision": ["min_accuracy", "answers_per_month", "requirements_change", "facts_change"],
    "deployment": ["strategy", "served_name", "form"],
    "monitoring": ["log", "labels", "handbook"],
}
"""Fields shown at once; the others of a step are folded."""
DATA = ("csv", "tsv", "jsonl", "json", "parquet", "arrow", "xlsx")


class Start:
    """The page's state and its parts. All paths are relative to the project's root, which is the working directory.

    Args:
        opened: Name of the project to open at once; empty: the page asks.

    Raises:
        BadInput: There is no such project, or its parameter file has faults.
    """

    def __init__(self, opened: str = "") -> None:
        import ipywidgets as widgets

        wide, style = widgets.Layout(width="min(100%, 640px)"), {"description_width": "180px"}
        self.what = widgets.Dropdown(
            description="Open", options=[NEW, *project.known()], style=style, layout=wide
        )
        self.name = widgets.Text(
            description="Project name",
            placeholder="letters, digits, - and _",
            style=style,
            layout=wide,
        )
        self.file = widgets.Combobox(
            description="File of examples",
            placeholder="path of a CSV, JSONL, XLSX, Parquet ... file",
            options=data_files(),
            ensure_option=False,
            style=style,
            layout=wide,
        )
        self.test = widgets.Text(
            description="File of test examples",
            placeholder="none: split off",
            style=style,
            layout=wide,
        )
        self.handbook = widgets.Text(
            description="Folder of articles",
            placeholder="none: no retrieval",
            style=style,
            layout=wide,
        )
        self.asked = widgets.VBox([self.name, self.file, self.test, self.handbook])
        self.copy = widgets.Text(
            description="Save as",
            placeholder="empty: change this project; a new name: copy it",
            style=style,
            layout=widgets.Layout(
                width="min(100%, 640px)", display="none"
            ),  # its own: it is hidden and shown by itself
        )
        self.look = _button(
            "Look at it", "Guess the project from the file, or read the parameter file", self.looked
        )
        self.said, self.state = widgets.HTML(), widgets.HTML()
        self.forms: dict[str, Form] = {}
        self.steps = widgets.VBox()
        self.save = _button("Save the settings", "Write params/NAME.yaml", self.saved)
        self.check = _button(
            "Check my data",
            "Run the first two notebooks only: is the task clear, are the data good enough?",
            self.checked,
        )
        self.go = _button(
            "Run the walk",
            "Run all notebooks headless; done stages are not run again",
            self.started,
        )
        self.stop = _button(
            "Stop", "Stop after saving; the same button goes on from there", self.stopped
        )
        self.by_hand = _button(
            "Step through by hand", "Write notebooks with these settings filled in", self.prepared
        )
        self.panel = RunPanel(self._ended)
        self.actions = widgets.HBox(
            [self.save, self.check, self.go, self.stop, self.by_hand],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        self.listed = widgets.HTML(runs_html())
        beside, near = widgets.Layout(width="min(100%, 300px)"), {"description_width": "70px"}
        self.first = widgets.Dropdown(description="Compare", options=[], style=near, layout=beside)
        self.second = widgets.Dropdown(description="with", options=[], style=near, layout=beside)
        self.against = _button(
            "Compare",
            "Write a page: what was set differently, and what came out, question by question",
            self.compared,
        )
        self.comparison = widgets.HBox(
            [self.first, self.second, self.against], layout=widgets.Layout(flex_flow="row wrap")
        )
        self.difference = widgets.HTML()
        self.sentences: list[str] = []
        self.switching = False
        self.what.observe(self._chosen, names="value")
        self.box = widgets.VBox(
            [
                self.what,
                self.asked,
                widgets.HBox([self.look]),
                self.said,
                self.steps,
                self.copy,
                self.actions,
                self.state,
                self.panel.box,
                self.listed,
                self.comparison,
                self.difference,
            ]
        )
        self._enable()
        self._list()
        if opened:
            if opened not in project.known():
                raise BadInput(
                    f"there is no project '{opened}'{nearest(opened, project.known())}",
                    where="project",
                    todo="use a name of params/, or leave it empty",
                )
            self.what.value = opened
            self.looked()

    def _chosen(self, _: Any) -> None:
        if self.switching:
            return
        self.asked.layout.display = "" if self.what.value == NEW else "none"
        self.copy.value = ""
        self._clear()

    def _clear(self) -> None:
        self.forms, self.sentences, self.steps.children, self.said.value, self.state.value = (
            {},
            [],
            (),
            "",
            "",
        )
        self.copy.layout.display = "none"
        self._enable()

    def project_name(self) -> str:
        """Return the name of the project that is shown."""
        return self.name.value.strip() if self.what.value == NEW else str(self.what.value)

    def looked(self) -> None:
        """Show what the file or the parameter file tells."""
        self._clear()
        name = self.project_name()
        if self.what.value == NEW:
            project.check_name(name)
            project.check_new(name)
            if not self.file.value.strip():
                raise BadInput(
                    "no file is named", where="File of examples", todo="type or choose its path"
                )
            data = Path(self.file.value.strip())
            found = project.guess(
                name, data, test_data=self.test.value.strip(), handbook=self.handbook.value.strip()
            )
            sections, self.sentences = found.sections, found.sentences
            title = "What was guessed. Check it, correct what is wrong:"
        else:
            path = project.path_of(name)
            load(path)
            sections = shared.sections_of(yaml.safe_load(path.read_text(encoding="utf-8")))
            title = f"The settings of {path}:"
            self.panel.attach(Path(load(path)["task"].run))
        self._show(sections)
        self.said.value = theme.box_html(title, self.sentences)

    def _show(self, sections: dict[str, Any]) -> None:
        import ipywidgets as widgets

        self.forms = {
            stage: Form(stage, sections.get(stage) or {}, FIRST[stage], self._enable)
            for stage in (shared.SECTION, *MODELS)
        }
        tabs = widgets.Accordion(
            children=[form.box for form in self.forms.values()], selected_index=0
        )
        for place, stage in enumerate(self.forms):
            doc = (self.forms[stage].model.__doc__ or "").strip().splitlines()[0]
            tabs.set_title(place, doc.replace(":", " ·", 1))
        self.steps.children = (tabs,)
        self.copy.layout.display = "none" if self.what.value == NEW else ""
        self._enable()

    def saved(self) -> Path:
        """Write the parameter file and return its path."""
        faults = [
            f"{stage}.{name}: {said}"
            for stage, form in self.forms.items()
            for name, said in form.faults().items()
        ]
        if faults:
            raise BadInput("; ".join(faults), where="settings", todo="mend what is marked red")
        opened, name = self.what.value, self.copy.value.strip() or self.project_name()
        if opened == NEW and not self.sentences:
            raise BadInput(
                "nothing was looked at yet", where="settings", todo="press 'Look at it' first"
            )
        copied = name != opened and opened != NEW
        if copied:
            project.check_new(name)
        path = project.write(
            name,
            {stage: form.values() for stage, form in self.forms.items()},
            self.sentences,
            *([f"Copied from {project.path_of(str(opened)).name}."] if copied else []),
        )
        self.sentences, self.copy.value = [], ""
        if name != opened:
            self.switching = True
            self.what.options = [NEW, *project.known()]
            self.what.value, self.switching = name, False
            self.asked.layout.display, self.copy.layout.display = "none", ""
        self.state.value = theme.box_html(f"Saved {path}.", [run_preview(path)], theme.GOOD)
        return path

    def prepared(self) -> None:
        """Write the notebooks with the settings filled in, and show links to them."""
        folder = prepare_all(self.saved())
        links = "".join(
            f"<li><a href='{html.escape(_link(path), quote=True)}' target='_blank'>{html.escape(path.stem)}</a></li>"
            for path in sorted(folder.glob("*.ipynb"))
        )
        self.state.value = f"<div style='font-family:{theme.FONT}'><b>Step through these in order:</b><ol style='list-style:none'>{links}</ol></div>"

    def started(self) -> None:
        """Run the notebooks in a process of their own; this page shows its lines."""
        self.panel.start(self.saved())
        self._enable()

    def checked(self) -> None:
        """Run only what says whether the data are good enough."""
        self.panel.start(self.saved(), ("--until", "data"))
        self._enable()

    def _ended(self, state: RunState | None) -> None:
        """Say how the run ended."""
        how = state.state if state else "failed"
        runs = listing(Path("outputs"))[:1] if how == "done" else []
        title, points = {
            "done": ("The run is done.", [run.finding for run in runs]),
            "stopped": ("Stopped. Run goes on from there.", []),
        }.get(
            how,
            (
                "The run ended with an error.",
                (state.error if state else "\n".join(self.panel.lines()[-2:])).split("\n"),
            ),
        )
        color = theme.GOOD if how == "done" else theme.BAD
        links = "".join(report_link(run.report, "Read the report") for run in runs)
        self.state.value = theme.box_html(title, points, color) + links
        self._list()
        self._enable()

    def _list(self) -> None:
        """Show the runs that are there; two of them can be compared."""
        self.listed.value, names = runs_html(), [run.name for run in listing(Path("outputs"))]
        self.comparison.layout.display = "" if len(names) > 1 else "none"
        for box, place in ((self.first, 1), (self.second, 0)):  # the latest with the one before
            kept = box.value
            box.options = names
            box.value = kept if kept in names else names[place] if len(names) > 1 else None

    def compared(self) -> None:
        """Write the comparison of two runs and show a link to it."""
        first, second = (Path("outputs") / str(box.value) for box in (self.first, self.second))
        if first == second:
            raise BadInput("these are one and the same run", where="Compare", todo="choose two")
        page = write_comparison(first, second)
        self.difference.value = (
            f"<p>{report_link(str(page), f'{first.name} and {second.name} beside one another')}</p>"
        )

    def stopped(self) -> None:
        """Stop the run as Ctrl-C does: it can go on from there."""
        self.panel.stop()

    def _enable(self) -> None:
        ready = bool(self.forms) and not any(form.faults() for form in self.forms.values())
        running = self.panel.running
        self.save.disabled = self.by_hand.disabled = not ready or running
        self.go.disabled = self.check.disabled = not ready or running
        self.stop.disabled = not running
        self.look.disabled = running


def _button(text: str, tip: str, call: Any) -> Any:
    """Return a button; an error of its callback is shown on the page, for a callback has nobody else to tell."""
    import ipywidgets as widgets

    button = widgets.Button(description=text, tooltip=tip, layout=widgets.Layout(width="auto"))

    def clicked(_: Any) -> None:
        page = call.__self__
        try:
            call()
        except (FtkitError, OSError) as error:
            page.state.value = (
                f"<div role='alert'>{theme.box_html(str(error), [], theme.BAD)}</div>"
            )

    button.on_click(clicked)
    return button


def data_files(most: int = 30) -> list[str]:
    """Return files of examples near the project's root, for the list of proposals."""
    found = [
        path
        for end in DATA
        for pattern in (f"*.{end}", f"data/*.{end}", f"*/*.{end}")
        for path in Path().glob(pattern)
    ]
    near = {
        str(path)
        for path in found
        if path.parts[0] not in ("outputs", "tests", "benchmarks", "ftkit", "params")
        and path.is_file()
    }
    return sorted(near)[:most]


def _link(path: Path) -> str:
    """Return a link from notebooks/ to a file below the project's root."""
    return os.path.relpath(path, "notebooks") if not path.is_absolute() else str(path)


def runs_html() -> str:
    """Return the runs as a table with links to their reports."""
    found = listing(Path("outputs"))
    if not found:
        return theme.box_html(
            "No runs yet.",
            ["The demo takes about ten minutes: open demo, look at it, run the walk."],
        )
    head = "".join(
        f"<th style='text-align:left;padding:.2em .8em .2em 0'>{name}</th>"
        for name in ("run", "state", "last step done", "stages", "finding", "report")
    )
    body = "".join(
        f"<tr><td>{html.escape(run.name)}</td><td>{run.state}</td><td>{run.finished}</td><td>{len(run.stages)} of {len(run_folder.STAGES)}</td>"
        f"<td style='max-width:44em'>{html.escape(run.finding)}</td><td>{report_link(run.report)}</td></tr>"
        for run in found
    ).replace("<td", "<td valign='top'")
    return (
        f"<style>{theme.DARK_CSS}</style><div style='font-family:{theme.FONT};overflow-x:auto'><p><b>{len(found)} run{'s' * (len(found) > 1)}</b>, the latest first</p>"
        f"<table style='font-size:13px;border-spacing:.8em .2em'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def report_link(path: str, text: str = "report") -> str:
    return (
        f"<a href='{html.escape(_link(Path(path)), quote=True)}' target='_blank' style='color:{theme.LINK_TEXT};text-decoration:underline'>{html.escape(text)}</a>"
        if path
        else ""
    )


def show(opened: str = "") -> None:
    """Show the page.

    Args:
        opened: Name of the project to open at once; empty: the page asks.
    """

    stages.to_project_root()
    theme.note(
        "Open this notebook in JupyterLab or VS Code and run its cells: the page below needs a running kernel."
    )
    theme.live(Start(opened).box)
