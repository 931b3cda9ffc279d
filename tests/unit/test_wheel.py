"""What `pip install ftkit` brings: from the built wheel, in an empty folder, a project begins and runs."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A command ``ftkit`` of an environment that holds the wheel and sees the packages of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = ["wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    install = ["--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*pip, *install], check=True, capture_output=True)
    packages = next((folder / "env").glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def ftkit(*arguments, cwd):
        command = [str(folder / "env" / "bin" / "ftkit"), *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)

    return ftkit


def test_the_wheel_begins_and_runs_a_project_in_an_empty_folder(installed, tmp_path):
    with (ROOT / "ftkit" / "demo" / "prompting.csv").open(encoding="utf-8") as file:
        (tmp_path / "desk.csv").write_text("".join(file.readlines()[:120]), encoding="utf-8")
    made = installed("new", "desk", "--data", "desk.csv", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "Copied 11 notebooks" in made.stdout
    assert (tmp_path / "notebooks" / "07_evaluation.ipynb").exists()
    run = installed("run", "params/desk.yaml", "--until", "data", "--json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    events = [json.loads(line) for line in run.stdout.splitlines()]
    done = [event["stage"] for event in events if event["event"] == "stage_finished"]
    assert done == ["task", "data"] and events[-1]["event"] == "end"
    assert (tmp_path / "outputs" / "desk" / "data" / "examples.parquet").exists()
    manifest = json.loads((tmp_path / "outputs/desk/data/manifest.json").read_text())
    assert "notebooks/02_data.ipynb" in manifest["code"]
    again = installed("run", "params/desk.yaml", "--until", "data", "--json", cwd=tmp_path)
    told = [json.loads(line)["event"] for line in again.stdout.splitlines()]
    assert told == ["stage_unchanged", "stage_unchanged", "end"]
    looked = installed("doctor", "--json", cwd=tmp_path)
    found = {f["name"]: f for f in json.loads(looked.stdout)}
    assert found["Project"]["fine"] and "1 parameter file" in found["Project"]["text"]
    assert "built for" in found["torch"]["text"]


def test_the_demo_lies_in_the_wheel(installed, tmp_path):
    """Only the start is tested here: the whole demo runs in the walk's own tests."""
    code = "from ftkit.workflow.project_files import prepare_folder; from pathlib import Path; "
    code += "print(prepare_folder(Path.cwd(), 'demo.yaml'))"
    python = Path(installed.__closure__[1].cell_contents) / "env" / "bin" / "python"
    subprocess.run([str(python), "-c", code], cwd=tmp_path, check=True, capture_output=True)
    dry = installed("run", "params/demo.yaml", "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0 and "10_monitoring" in dry.stdout, dry.stderr
