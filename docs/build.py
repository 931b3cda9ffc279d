"""Builds the documentation: ``python docs/build.py OUT [RUN]``.

The pages are docs/*.md, and pages made from the code: parameters, records, commands; the benchmarks' own pages; and, where a
run's folder is given and there, its notebooks with what they put out. Sphinx with MyST and Furo; a warning fails the build.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONF = """
project = "ftkit"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "ftkit"
html_show_sourcelink = False
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]
"""
WALKED = """
```{toctree}
:hidden:
:caption: The demo, notebook by notebook

%s
```
"""
PLOTLY = "plotly.min.js"
TREE = """
```{toctree}
:hidden:

tutorial
howto
```

```{toctree}
:hidden:
:caption: What each step does and finds

data
prompting
training
evaluation
decision
cascade
serving
endpoints
agents
monitoring
security
```

```{toctree}
:hidden:
:caption: Reference

parameters
records
glossary
house
commands
troubleshooting
benchmarks
```
"""


def build(out: Path, run: Path | None = None) -> int:
    """Build the site into a folder and return Sphinx's exit code: 0 where there was no warning.

    Args:
        out: The folder.
        run: A run whose notebooks are shown with their outputs; None or not there: the site is built without.
    """
    from sphinx.cmd.build import main

    made = {
        "parameters.md": parameters(),
        "records.md": records(),
        "commands.md": commands(),
        "conf.py": CONF,
        "decision.md": _outside(ROOT / "benchmarks" / "decision" / "README.md"),
        "benchmarks.md": _outside(ROOT / "benchmarks" / "README.md"),
    }
    with tempfile.TemporaryDirectory() as folder:
        pictures = [
            *(ROOT / "docs").glob("*.png"),
            *(ROOT / "docs").glob("*.svg"),
            *(ROOT / "benchmarks" / "decision").glob("*.svg"),
        ]
        for path in [*(ROOT / "docs").glob("*.md"), *pictures]:
            shutil.copy2(path, folder)
        for name, content in made.items():
            (Path(folder) / name).write_text(content, encoding="utf-8")
        index, walked = Path(folder) / "index.md", _walked(run, Path(folder)) if run else ""
        index.write_text(index.read_text(encoding="utf-8") + TREE + walked, encoding="utf-8")
        return main(["-W", "--keep-going", "-q", "-b", "html", folder, str(out)])


def _walked(run: Path, folder: Path) -> str:
    """Write the notebooks of a run as pages, and return their table of contents; empty where there are none."""
    from plotly.offline import get_plotlyjs

    pages = [
        (path.stem, page(json.loads(path.read_text(encoding="utf-8"))))
        for path in sorted(run.glob("notebooks/*.ipynb"))
    ]
    if not pages:
        return ""
    for name, content in pages:
        (folder / f"walk_{name}.md").write_text(content, encoding="utf-8")
    (folder / "_static").mkdir(exist_ok=True)
    (folder / "_static" / PLOTLY).write_text(get_plotlyjs(), encoding="utf-8")
    with (folder / "conf.py").open("a", encoding="utf-8") as file:
        file.write('html_static_path = ["_static"]\n')
    return WALKED % "\n".join(f"walk_{name}" for name, _ in pages)


def page(notebook: dict[str, Any]) -> str:
    """Return an executed notebook as a page: its words, its code, and its tables and charts."""
    parts = [_html(f"<script src='_static/{PLOTLY}'></script>")]
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_heading_first(source) if len(parts) == 1 else source)
        elif source.strip() and "injected-parameters" not in cell["metadata"].get("tags", []):
            parts.append(f"````python\n{source}\n````")
        parts += [
            drawn
            for output in cell.get("outputs", [])
            if (drawn := _output(output.get("data", {})))
        ]
    parts[0], parts[1] = parts[1], parts[0]  # the title first
    return "\n\n".join(parts) + "\n"


def _heading_first(source: str) -> str:
    return source if source.startswith("# ") else f"# {source}"


def _output(data: dict[str, Any]) -> str:
    """Return one output as the page shows it; empty for lines of progress."""
    import plotly.io

    if chart := data.get("application/vnd.plotly.v1+json"):
        drawn: Any = plotly.io.from_json(json.dumps(chart))
        return _html(
            plotly.io.to_html(
                drawn,
                full_html=False,
                include_plotlyjs=False,
                config={"displayModeBar": False, "responsive": True},
            )
        )
    if "application/vnd.jupyter.widget-view+json" in data:
        return "*(Here the notebook shows controls, which need a running kernel.)*"
    return _html("".join(data.get("text/html", "")))


def _html(text: str) -> str:
    return (
        "````````{raw} html\n" + text.replace("````````", "` ```````") + "\n````````"
        if text.strip()
        else ""
    )


def _outside(path: Path) -> str:
    """Return a page from outside of docs/ with its links turned to the site's own pages."""
    text = (
        path.read_text(encoding="utf-8")
        .replace("](../docs/", "](")
        .replace("](decision/README.md)", "](decision.md)")
    )
    return re.sub(r"\[([^\]]+)\]\((?!https?:)(?!\w+\.(?:md|svg)\b)[^)]+\)", r"\1", text)


def parameters() -> str:
    """Return the reference of all parameters, from their models."""
    from ftkit.core.parameters.models import MODELS

    lines = [
        "# Parameters",
        "",
        "One section per notebook of a parameter file; `ftkit explain STAGE.NAME` says the same in the terminal.",
        "",
    ]
    for stage, model in MODELS.items():
        lines += [
            f"## {stage}",
            "",
            (model.__doc__ or "").strip().splitlines()[0],
            "",
            "| name | default | what it is |",
            "|---|---|---|",
        ]
        lines += [
            f"| `{name}` | {_default(field.default)} | {_cell(field.description)} |"
            for name, field in model.model_fields.items()
            if name != "run"
        ]
        lines.append("")
    return "\n".join(lines)


def records() -> str:
    """Return the reference of all records, from their models."""
    import pkgutil

    from ftkit.core import records as package
    from ftkit.core.records.base import Record

    modules = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
    kinds = {
        model.__name__: model
        for module in map(importlib.import_module, modules)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, Record) and model.__module__ in modules
    }

    lines = [
        "# Records",
        "",
        "What travels between the notebooks as files under `outputs/<run>/`. Shares lie in 0..1, unless a name says otherwise.",
        "",
    ]
    for name, model in sorted(kinds.items()):
        if not model.model_fields:
            continue
        lines += [
            f"## {name}",
            "",
            (model.__doc__ or "").strip().splitlines()[0],
            "",
            "| field | what it is |",
            "|---|---|",
        ]
        lines += [
            f"| `{field}` | {_cell(info.description or '')} |"
            for field, info in model.model_fields.items()
        ]
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Return the reference of all commands, from the command line's own help."""
    from ftkit.cli import EPILOG, parser

    lines = ["# Commands", "", EPILOG, ""]
    actions = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    for name, command in actions[0].choices.items():
        said = next((c.help for c in actions[0]._choices_actions if c.dest == name), "")
        lines += [
            f"## ftkit {name}",
            "",
            f"{said or ''}",
            "",
            "```text",
            command.format_help().strip(),
            "```",
            "",
        ]
    return "\n".join(lines)


def _default(value: Any) -> str:
    return "empty" if value in ("", [], {}) else f"`{_cell(value)}`"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;") or " "


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/site").resolve()
    code = build(where, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    print(
        where / "index.html"
        if code == 0
        else "the documentation was not built: see the warnings above"
    )
    sys.exit(code)
