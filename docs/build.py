"""Builds the documentation: ``python docs/build.py OUT``.

The pages are docs/*.md, and pages made from the code: parameters, records, commands; and the benchmarks' own pages. Sphinx
with MyST and Furo; a warning fails the build.
"""

from __future__ import annotations

import argparse
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
serving
monitoring
```

```{toctree}
:hidden:
:caption: Reference

parameters
records
commands
troubleshooting
benchmarks
```
"""


def build(out: Path) -> int:
    """Build the site into a folder and return Sphinx's exit code: 0 where there was no warning."""
    from sphinx.cmd.build import main

    made = {
        "parameters.md": parameters(), "records.md": records(), "commands.md": commands(), "conf.py": CONF,
        "decision.md": _outside(ROOT / "benchmarks" / "decision" / "README.md"), "benchmarks.md": _outside(ROOT / "benchmarks" / "README.md"),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for path in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.png")]:
            shutil.copy2(path, folder)
        for name, content in made.items():
            (Path(folder) / name).write_text(content, encoding="utf-8")
        index = Path(folder) / "index.md"
        index.write_text(index.read_text(encoding="utf-8") + TREE, encoding="utf-8")
        return main(["-W", "--keep-going", "-q", "-b", "html", folder, str(out)])


def _outside(path: Path) -> str:
    """Return a page from outside of docs/ with its links turned to the site's own pages."""
    text = path.read_text(encoding="utf-8").replace("](../docs/", "](").replace("](decision/README.md)", "](decision.md)")
    return re.sub(r"\[([^\]]+)\]\((?!https?:)(?!\w+\.md)[^)]+\)", r"\1", text)


def parameters() -> str:
    """Return the reference of all parameters, from their models."""
    from ftkit.params import MODELS

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
            for name, field in model.model_fields.items() if name != "run"
        ]  # fmt: skip
        lines.append("")
    return "\n".join(lines)


def records() -> str:
    """Return the reference of all records, from their models."""
    from ftkit import records as package

    lines = [
        "# Records",
        "",
        "What travels between the notebooks as files under `outputs/<run>/`. Shares lie in 0..1, unless a name says otherwise.",
        "",
    ]
    for name in package.__all__:
        model = getattr(package, name)
        if not hasattr(model, "model_fields") or not model.model_fields:
            continue
        lines += [f"## {name}", "", (model.__doc__ or "").strip().splitlines()[0], "", "| field | what it is |", "|---|---|"]
        lines += [f"| `{field}` | {_cell(info.description or '')} |" for field, info in model.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Return the reference of all commands, from the command line's own help."""
    from ftkit.cli import EPILOG, parser

    lines = ["# Commands", "", EPILOG, ""]
    actions = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    for name, command in actions[0].choices.items():
        said = next((c.help for c in actions[0]._choices_actions if c.dest == name), "")
        lines += [f"## ftkit {name}", "", f"{said or ''}", "", "```text", command.format_help().strip(), "```", ""]
    return "\n".join(lines)


def _default(value: Any) -> str:
    return "empty" if value in ("", [], {}) else f"`{_cell(value)}`"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;") or " "


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/site").resolve()
    code = build(where)
    print(where / "index.html" if code == 0 else "the documentation was not built: see the warnings above")
    sys.exit(code)
