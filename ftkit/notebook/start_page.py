"""00_start: pick a file or a project, see what was guessed, correct it, go; and the runs that are there.

The page is a face of the parameter file: what is set here stands in ``params/NAME.yaml``, and what stands there is shown.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters import shared
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.files import build, load, nearest
from ftkit.core.parameters.models import MODELS
from ftkit.data.read import read
from ftkit.data.tables import preview
from ftkit.notebook import stage as stages
from ftkit.notebook.form import Form
from ftkit.notebook.run_panel import RunPanel
from ftkit.notebook.runs_panel import RunsPanel, button, link, link_to
from ftkit.report import theme
from ftkit.workflow import project
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
NARROW_CSS = (
    "@media(max-width:700px){.ftkit-form .widget-inline-hbox{flex-wrap:wrap;height:auto}"
    ".ftkit-form .widget-inline-hbox>.widget-label{width:100%!important;text-align:left}"
    ".ftkit-form .widget-upload,.ftkit-form .widget-html{margin-left:2px!important}}"
)
"""On a phone a label stands above its field."""
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

        self.said, self.state = widgets.HTML(), widgets.HTML()
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
        self.upload = widgets.FileUpload(
            description="Upload a file",
            accept=",".join(f".{end}" for end in DATA),
            tooltip="It is saved in data/ of this project, on the machine that runs this page",
            layout=widgets.Layout(
                width="auto", margin="2px 2px 2px 186px", align_self="flex-start"
            ),
        )
        self.upload.observe(self._uploaded, names="value")
        self.asked = widgets.VBox([self.name, self.file, self.upload, self.test, self.handbook])
        self.copy = widgets.Text(
            description="Save as",
            placeholder="empty: change this project; a new name: copy it",
            style=style,
            layout=widgets.Layout(
                width="min(100%, 640px)", display="none"
            ),  # its own: it is hidden and shown by itself
        )
        self.look = button(
            "Look at it",
            "Guess the project from the file, or read the parameter file",
            self.looked,
            self.state,
        )
        self.forms: dict[str, Form] = {}
        self.steps = widgets.VBox()
        self.save = button("Save the settings", "Write params/NAME.yaml", self.saved, self.state)
        self.check = button(
            "Check my data",
            "Run the first two notebooks only: is the task clear, are the data good enough?",
            self.checked,
            self.state,
        )
        self.go = button(
            "Run all notebooks",
            "Run all notebooks headless; done stages are not run again",
            self.started,
            self.state,
        )
        self.stop = button(
            "Stop",
            "Stop after saving; the same button goes on from there",
            self.stopped,
            self.state,
        )
        self.by_hand = button(
            "Step through by hand",
            "Write notebooks with these settings filled in",
            self.prepared,
            self.state,
        )
        self.panel = RunPanel(self._ended)
        self.actions = widgets.HBox(
            [self.save, self.check, self.go, self.stop, self.by_hand],
            layout=widgets.Layout(flex_flow="row wrap"),
        )
        self.runs = RunsPanel()
        self.sentences: list[str] = []
        self.switching = False
        self.what.observe(self._chosen, names="value")
        self.box = widgets.VBox(
            [
                widgets.HTML(f"<style>{NARROW_CSS}</style>"),
                self.what,
                self.asked,
                widgets.HBox([self.look]),
                self.said,
                self.steps,
                self.copy,
                self.actions,
                self.state,
                self.panel.box,
                self.runs.box,
            ]
        )
        self._enable()
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

    def _uploaded(self, _: Any) -> None:
        """Save what was uploaded in data/, and name it as the file of examples; a file that is there is not written over."""
        for sent in self.upload.value:
            target = Path("data") / Path(str(sent["name"])).name
            if target.exists() and target.read_bytes() != bytes(sent["content"]):
                said = f"{target} is there already with other content: rename your file, then upload it again"
                self.state.value = f"<div role='alert'>{theme.box_html(said, [], theme.BAD)}</div>"
                return
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(bytes(sent["content"]))
            self.file.value = str(target)
            self.state.value = theme.box_html(f"Saved {target}.", ["Now look at it."], theme.GOOD)

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
            title, shown = "What was guessed. Check it, correct what is wrong:", _rows(sections)
        else:
            path = project.path_of(name)
            load(path)
            sections = shared.sections_of(yaml.safe_load(path.read_text(encoding="utf-8")))
            title, shown = f"The settings of {path}:", ""
            self.panel.attach(Path(load(path)["task"].run))
        self._show(sections)
        self.said.value = theme.box_html(title, self.sentences) + shown

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
            f"<li><a href='{html.escape(link_to(path), quote=True)}' target='_blank'>{html.escape(path.stem)}</a></li>"
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
        links = "".join(link(run.report, "Read the report") for run in runs)
        self.state.value = theme.box_html(title, points, color) + links
        self.runs.refresh()
        self._enable()

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


def _rows(sections: dict[str, Any]) -> str:
    """Return the first rows as ftkit will read them, personal data masked, as HTML."""
    p = build("data", sections["data"])
    assert isinstance(p, DataParameters)
    columns = (p.input_column, p.output_column, p.group_column, p.encoding)
    table = read(Path(p.data), *columns, context=p.context_columns)
    return theme.table_html(preview(table, 3), caption="The first rows, personal data masked")


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


def show(opened: str = "") -> None:
    """Show the page.

    Args:
        opened: Name of the project to open at once; empty: the page asks.
    """

    stages.to_project_root()
    page = Start(opened).box
    page.add_class("ftkit-form")
    theme.live(page)
