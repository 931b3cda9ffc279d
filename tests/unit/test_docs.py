"""The documentation: it builds without a warning, its commands and settings are real, and it asks the network for nothing."""

import importlib.util
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from made_run import make_run

from ftkit.cli import main, parser
from ftkit.core.parameters import shared
from ftkit.core.parameters.files import build
from ftkit.core.parameters.models import MODELS
from ftkit.report import exports, theme

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, *kinds):
    return [
        body
        for kind, body in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.M | re.S)
        if kind in kinds
    ]


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


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    """A project as the documentation speaks of it: a file of tickets, articles, and runs of it and of the demo."""
    folder = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "params", folder / "params")
    for name in ("tickets", "tickets-16", "tickets-lora_r_8", "demo", "demo-lora_r_8"):
        make_run(folder / "outputs" / name, n=60)
    asked = (
        ("Where is my parcel?", "delivery"),
        ("I want my money back", "returns"),
        ("You charged me twice", "billing"),
    )
    rows = [f"{text} Number {k}.,{label}" for k in range(20) for text, label in asked]
    (folder / "tickets.csv").write_text("\n".join(["message,label", *rows, ""]))
    (folder / "handbook").mkdir()
    (folder / "handbook" / "parcels.md").write_text("# Parcels\n\nA parcel takes three days.\n")
    (folder / "params" / "tickets.yaml").write_text(
        "data: {data: tickets.csv, input_column: message, output_column: label}\nretrieval: {handbook: ''}\n"
    )
    return folder


DONE = {"new", "report", "compare", "runs", "clean", "completion", "explain", "doctor"}
"""What is done here; ``run`` says what it would do. Serving, monitoring, retuning, promoting, searching, folds and the lab have tests of their own."""


@pytest.mark.parametrize(
    "command",
    [
        c
        for c in commands()
        if re.match(f"ftkit ({'|'.join([*DONE, 'run'])}) ?", c.values[0])
        and "--folds" not in c.values[0]
    ],
)
def test_every_command_does_what_it_says(command, tickets, tmp_path, monkeypatch, capsys):
    words = shlex.split(command.partition(" > ")[0], comments=True)[1:]
    if "--pdf" in words and not any(map(shutil.which, exports.BROWSERS)):
        pytest.skip("no Chromium here")
    if any(
        not (tickets / word).exists() and not (ROOT / word).exists()
        for word in words
        if word.startswith("params/")
    ):
        pytest.skip("speaks of a project that an earlier command writes")
    folder = shutil.copytree(tickets, tmp_path / "project")
    monkeypatch.chdir(folder)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    if words[0] == "new":
        (folder / "params" / "tickets.yaml").unlink()
    assert main([*words, *(["--dry-run"] if words[0] == "run" else [])]) == 0
    assert capsys.readouterr().out.strip()
    assert bool(opened) == ("--open" in words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_is_a_parameter_with_a_value_that_fits(page):
    for block in blocks(page, "yaml"):
        content = yaml.safe_load(block)
        if not isinstance(content, dict):
            continue  # a list: machines to rent
        above = {name: content.pop(name) for name in shared.names() if name in content}
        for stage, values in {shared.SECTION: above, **content}.items():
            build(stage, values)


def test_every_error_of_the_troubleshooting_is_one_that_the_code_gives():
    source = "".join(path.read_text() for path in (ROOT / "ftkit").rglob("*.py"))
    said = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "troubleshooting.md").read_text(), re.M)
    assert len(said) > 12 and [text for text in said if text not in source] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out, run = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("walked")
    (run / "notebooks").mkdir()
    (run / "notebooks" / "07_evaluation.ipynb").write_text(json.dumps(walked()))
    assert module.build(out, run) == 0, "a warning fails the build"
    return out


def walked():
    """An executed notebook with each kind of output, made by the code that notebooks call."""
    import plotly.graph_objects as go

    chart = theme.bundle(
        go.Figure(go.Bar(x=[1], y=["hybrid"])).update_layout(title="hybrid is ahead")
    )
    table = {"text/html": theme.table_html([{"message": "<script>alert(1)</script> ```````` $x$"}])}
    outputs = [
        chart,
        table,
        {"text/plain": "answers: 3/3"},
        {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "Box()"},
    ]
    return {
        "cells": [
            {"cell_type": "markdown", "source": ["# How does it do?"], "metadata": {}},
            {
                "cell_type": "code",
                "source": ["theme.show(chart)"],
                "metadata": {},
                "outputs": [{"output_type": "display_data", "data": d} for d in outputs],
            },
        ]
    }


def test_a_walk_is_shown_with_its_outputs_and_runs_nothing_of_the_data(site):
    shown = (site / "walk_07_evaluation.html").read_text()
    assert (
        "How does it do?" in shown
        and "theme" in shown
        and "Plotly.newPlot" in shown
        and "hybrid is ahead" in shown
    )
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        and "<script>alert" not in shown
        and "answers: 3/3" not in shown
    )
    assert "need a running kernel" in shown and (site / "_static" / "plotly.min.js").exists()
    assert "walk_07_evaluation" in (site / "index.html").read_text()


def test_the_reference_holds_every_parameter_and_command(site):
    told = (site / "parameters.html").read_text()
    assert all(
        f">{name}<" in told
        for model in MODELS.values()
        for name in model.model_fields
        if name != "run"
    )
    assert all(
        f"ftkit {name}" in (site / "commands.html").read_text()
        for name in ("run", "new", "clean", "monitor", "compare")
    )


def test_no_page_asks_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r"<(?:link|script|img|iframe)[^>]+(?:href|src)=\"(https?://[^\"]+)\"", page.read_text()
        )
        assert loaded == [], page


def test_the_page_on_the_house_names_the_rooms_of_the_contract_and_files_that_are_there():
    text = (ROOT / "docs" / "house.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    names = [layer.removeprefix("ftkit.") for layer in reversed(layers)]
    assert f"`{' ← '.join(names)}`" in text
    inside = {p.stem for p in (ROOT / "ftkit").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert inside - {"__init__", "__pycache__", "__main__"} == set(names)
    for room, row in re.findall(r"^\| `(\w+)` \|(.*)$", text, re.M):
        for file in re.findall(r"`([\w/]+(?:\.py|/))`", row):
            known = (ROOT / "ftkit" / room / file, ROOT / file)
            assert any(path.exists() for path in known), f"{room}: {file}"


def anchors(page):
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_between_pages_leads_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        made = path == "decision.md"  # the build writes it
        if "://" in link or made:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


SHAPES = {
    "0.6B": (1024, 28, 16, 3072, True),
    "1.7B": (2048, 28, 16, 6144, True),
    "4B": (2560, 36, 32, 9728, True),
    "8B": (4096, 36, 32, 12288, False),
    "14B": (5120, 40, 40, 17408, False),
    "32B": (5120, 64, 64, 25600, False),
}
"""Width, layers, heads, inner width and tied embeddings of the Qwen3 family."""


@pytest.mark.parametrize("size", SHAPES)
def test_what_the_readme_says_a_card_must_hold_is_what_the_plan_computes(size):
    from transformers import Qwen3Config

    from ftkit.core.parameters.training import TrainingParameters
    from ftkit.training.encode import Encoded
    from ftkit.training.memory import needs

    width, layers, heads, inner, tied = SHAPES[size]
    config = Qwen3Config(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=inner,
        vocab_size=151936,
        tie_word_embeddings=tied,
    )
    example = Encoded(input_ids=[1] * 512, labels=[1] * 512, cut=0)
    found = {
        n.method: n.total_gib
        for n in needs(config, [example], TrainingParameters(lora_r=16), True, 0.0)
    }
    (row,) = re.findall(rf"^\| {re.escape(size)} \|(.*)$", PAGES[0].read_text(), re.M)
    told = [float(x) for x in re.findall(r"([\d.]+) GiB", row)]
    assert told == [round(found[m], 1) for m in ("lora", "qlora", "full")]
    assert int(re.findall(r"(\d+) GB", row)[0]) > found["lora"] * 1.0737, "GB of a card are not GiB"


def test_the_demo_takes_as_long_wherever_it_is_said():
    """README, tutorial and both start pages; not ten minutes in one and four in another."""
    texts = [
        PAGES[0].read_text(),
        (ROOT / "notebooks" / "00_start.ipynb").read_text(),
        (ROOT / "ftkit" / "notebook" / "runs_panel.py").read_text(),
        (ROOT / "docs" / "tutorial.md").read_text().replace("Four to eight", "4 to 8"),
    ]
    assert [re.findall(r"\d+ to \d+(?= minutes)", text) for text in texts] == [["4 to 8"]] * 4


def test_the_agents_page_names_every_tool():
    from ftkit.commands import mcp_server

    told = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "agents.md").read_text(), re.M)
    assert told == [
        name
        for name in (
            "inspect_file",
            "propose_project",
            "run",
            "status",
            "stop",
            "report",
            "compare",
            "ask",
            "explain",
        )
        if callable(getattr(mcp_server, name))
    ]
