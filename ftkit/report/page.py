"""The report: one HTML file, rendered from records, that makes no network request.

It holds no cell output: everything is read from the run folder's records, so a report can be written anew at any time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ftkit import __version__
from ftkit.core import run_folder
from ftkit.report import measured, origin, shipped, stages, theme
from ftkit.report.blocks import HIDDEN, DataText, Section, number
from ftkit.report.charts import Charts, for_script, library
from ftkit.report.page_one import First, first, head
from ftkit.report.run_contents import RunContents, load

__all__ = ["RunContents", "Section", "head", "load", "nonce", "page", "render", "sections", "write"]
HERE = Path(__file__).parent


def write(run: Path, reproduce: str = "") -> Path:
    """Write ``report.html`` of a run and return its path.

    Args:
        run: The run folder.
        reproduce: The parameter file that made the run, as it is shown; empty: the run folder's own copy.

    Raises:
        BadInput: There is no such run, or no stage of it is done.
    """
    target = run / "report.html"
    run_folder.write_text(target, render(load(run), reproduce))
    return target


def render(found: RunContents, reproduce: str = "") -> str:
    """Return the report of a run as HTML."""
    return page(head(found), first(found), sections(found, reproduce), nonce(found))


def page(head: dict[str, Any], first: First, sections: list[Section], nonce: str) -> str:
    """Return a page of the report's form as HTML.

    Args:
        head: name, date and instruction; see ``first.head``.
        first: What stands on top.
        sections: What follows.
        nonce: Mark of the page's own scripts.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    charts = Charts()
    environment.globals["chart"] = charts.add
    environment.tests["bar"] = lambda cell: hasattr(cell, "estimate")
    environment.tests["data"] = lambda cell: isinstance(cell, DataText)
    environment.tests["dot"] = lambda cell: type(cell).__name__ == "Dot"
    environment.filters["number"] = number
    drawn = environment.get_template("page.html").render(
        head=head,
        first=first,
        sections=sections,
        charts=charts,
        version=__version__,
        nonce=nonce,
        css=_file("report.css"),
        js=_file("report.js"),
        library=library(),
        night=for_script(theme.NIGHT),
    )
    return HIDDEN.sub(
        "\u2423", drawn
    )  # once over the whole page, so that no path from data to page is left out


def sections(found: RunContents, reproduce: str = "") -> list[Section]:
    """Return the sections after the first page, in order."""
    parts: list[Section | None] = [
        measured.strategies(found),
        measured.decision(found),
        shipped.deployment(found),
        shipped.monitoring(found),
        stages.training(found),
        stages.preference(found),
        stages.retrieval(found),
        stages.prompts(found),
        stages.data(found),
        stages.task(found),
        stages.base(found),
        origin.origin(found),
        measured.items(found),
        origin.reproduce(found, command(found, reproduce)),
    ]
    return [part for part in parts if part is not None]


def command(found: RunContents, reproduce: str) -> str:
    """Return the command that makes the run again, without the machine's own paths."""
    path = Path(reproduce) if reproduce.endswith((".yaml", ".yml")) else found.run / "params.yaml"
    here = Path.cwd()
    return f"ftkit run {path.relative_to(here) if path.is_relative_to(here) else path}"


def nonce(found: RunContents) -> str:
    """Return the mark of this page's own scripts; made from the manifests, so that the same run gives the same file."""
    content = "".join(m.model_dump_json() for m in found.manifests.values())
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _file(name: str) -> Any:
    from markupsafe import Markup

    return Markup((HERE / name).read_text(encoding="utf-8"))
