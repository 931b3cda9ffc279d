"""The documentation: it builds without a warning, its commands and settings are real, and it asks the network for nothing."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml

from ftkit import params
from ftkit.cli import parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, *kinds):
    return [body for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S) if kind in kinds]


def commands():
    for page in PAGES:
        for block in blocks(page, "sh", "text", ""):
            for line in block.splitlines():
                found = re.search(r"(?:^|[/ ])(ftkit .*)", line.split("  #")[0].split("||")[0])
                if found and not line.startswith(("#", "curl")) and " | " not in line:
                    yield pytest.param(found[1].strip(), id=f"{page.stem}: {found[1].strip()[:60]}")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_is_one_that_the_command_line_takes(command):
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    if words and re.fullmatch(r"[a-z]+", words[0]):
        given = parser().parse_args(words)
        assert given.call


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_is_a_parameter_with_a_value_that_fits(page):
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        for stage, values in content.items() if isinstance(content, dict) else ():  # a list: machines to rent
            params.build(stage, values)


def test_every_error_of_the_troubleshooting_is_one_that_the_code_gives():
    source = "".join(path.read_text() for path in (ROOT / "ftkit").rglob("*.py"))
    said = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.M)
    assert len(said) > 12 and [text for text in said if text not in source] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out = tmp_path_factory.mktemp("site")
    assert module.build(out) == 0, "a warning fails the build"
    return out


def test_the_reference_holds_every_parameter_and_command(site):
    told = (site / "parameters.html").read_text()
    assert all(f">{name}<" in told for model in params.MODELS.values() for name in model.model_fields if name != "run")
    assert all(f"ftkit {name}" in (site / "commands.html").read_text() for name in ("run", "new", "clean", "monitor", "compare"))


def test_no_page_asks_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:link|script|img|iframe)[^>]+(?:href|src)=\"(https?://[^\"]+)\"", page.read_text())
        assert loaded == [], page
