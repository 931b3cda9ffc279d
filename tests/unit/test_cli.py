"""The command line: quick, clear, and with exit codes that mean something."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from made_run import make_run

from ftkit import cli
from ftkit.core.parameters import shared
from ftkit.core.parameters.files import load
from ftkit.core.parameters.models import MODELS
from ftkit.workflow.kernel import prepare_all


def ftkit(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "ftkit.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def told(capsys, *arguments):
    code = cli.main([str(a) for a in arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_help_is_quick_names_the_exit_codes_and_imports_nothing_heavy():
    began = time.perf_counter()
    done = ftkit("--help")
    assert done.returncode == 0 and "130 stopped by" in done.stdout
    assert time.perf_counter() - began < 3, "0.1 s alone; room for a busy machine"
    code = "import sys; sys.argv=['ftkit','run','none.yaml']; from ftkit import cli; cli.main(); heavy={'torch','transformers','pandas','papermill','plotly'}&set(sys.modules); assert not heavy, heavy"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        ).returncode
        == 0
    )


def test_new_guesses_explains_the_values_that_it_writes_and_never_overwrites(
    project_folder, capsys
):
    code, out, _ = told(capsys, "new", "desk", "--data", "desk.csv")
    assert code == 0 and "params/desk.yaml" in out and "label" in out
    assert "served_name: desk" in Path("params/desk.yaml").read_text()
    written = Path("params/desk.yaml").read_text()
    built = load(Path("params/desk.yaml"))
    assert (built["data"].input_column, built["data"].output_column, built["task"].kind) == (
        "message",
        "label",
        "label",
    )
    assert "  # column with the right answer" in written and "lora_alpha" not in written
    code, _, err = told(capsys, "new", "desk", "--data", "desk.csv")
    assert code == 2 and "--force" in err and Path("params/desk.yaml").read_text() == written
    assert told(capsys, "new", "desk", "--data", "desk.csv", "--force")[0] == 0


def test_every_path_counts_from_the_folder_where_it_was_typed(project_folder, capsys, monkeypatch):
    for place in (project_folder / "files", project_folder / "files" / "handbook"):
        place.mkdir()
    (project_folder / "files" / "handbook" / "H-1.md").write_text("# Parcels\n\nOn Monday.\n")
    for name in ("train.csv", "test.csv"):
        (project_folder / "files" / name).write_text((project_folder / "desk.csv").read_text())
    monkeypatch.chdir(project_folder / "files")
    code, _, err = told(
        capsys,
        "new",
        "desk",
        "--data",
        "train.csv",
        "--test-data",
        "test.csv",
        "--handbook",
        "handbook",
    )
    assert code == 0, err
    built = load(project_folder / "params" / "desk.yaml")
    assert (built["data"].data, built["data"].test_data) == ("files/train.csv", "files/test.csv")
    assert built["retrieval"].handbook == "files/handbook"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("new", "a b", "--data", "desk.csv"), "'a b' cannot be a project's name"),
        (("new", "../x", "--data", "desk.csv"), "cannot be a project's name"),
        (("new", "x", "--data", "none.csv"), "none.csv"),
        (("new", "x", "--data", "desk.csv", "--handbook", "nowhere"), "nowhere"),
        (("new", "x", "--data", "empty.csv"), "empty.csv"),
        (("new", "x", "--data", "latin.csv"), "UTF-8"),
        (("run", "none.yaml"), "none.yaml"),
        (("run", "broken.yaml"), "broken.yaml line 3"),
        (("run", "typo.yaml"), "did you mean 'input_column'"),
        (("run", "typo.yaml", "--set", "training.lora_r"), "section.name=value"),
        (("run", "ok.yaml", "--only", "trainng"), "did you mean 'training'"),
        (("run", "ok.yaml", "--set", "training.lora_r=many"), "training.lora_r"),
        (("report", "outputs/none"), "outputs/none"),
        (("explain", "training.lora"), "did you mean 'training.lora_"),
        (("explain", "trainin"), "did you mean 'training'"),
        (("lab", "none.yaml"), "none.yaml"),
    ],
)
def test_bad_input_is_one_clear_message_exit_code_2_and_nothing_written(
    project_folder, capsys, arguments, named
):
    Path("empty.csv").touch()
    Path("latin.csv").write_bytes("message,label\ncaf\xe9,x\n".encode("latin-1") * 30)
    Path("broken.yaml").write_text("data:\n  input_column: [\n")
    Path("typo.yaml").write_text("data:\n  input_colum: message\n")
    Path("ok.yaml").write_text("task:\n  name: Fellmoor\n")
    before = sorted(project_folder.rglob("*"))
    code, _, err = told(capsys, *arguments)
    assert code == 2 and named in err and err.startswith("ftkit: ") and "Traceback" not in err
    assert sorted(project_folder.rglob("*")) == before


def test_a_wrong_command_line_is_exit_code_2():
    done = ftkit("rnu", "x")
    assert done.returncode == 2 and "rnu" in done.stderr


def test_report_is_written_anew_from_a_run_folder_or_its_parameter_file(project_folder, capsys):
    make_run(project_folder / "outputs" / "desk", n=60)
    code, out, _ = told(capsys, "report", "outputs/desk")
    path = Path(out.strip())
    assert (
        code == 0
        and path == project_folder / "outputs" / "desk" / "report.html"
        and path.stat().st_size > 1_000_000
    )
    path.unlink()
    Path("params/desk.yaml").write_text("task:\n  name: Fellmoor\n")
    assert told(capsys, "report", "params/desk.yaml")[0] == 0 and path.exists()


def test_runs_are_listed_with_verdict_or_what_comes_next(project_folder, capsys):
    assert "no runs yet" in told(capsys, "runs")[1]
    make_run(project_folder / "outputs" / "done", n=60)
    make_run(project_folder / "outputs" / "begun", until="data")
    lines = told(capsys, "runs")[1].splitlines()
    assert lines[0].startswith("begun") and "next: 03_prompting" in lines[0]
    assert lines[1].startswith("done") and "10 of 10" in lines[1]


def test_explain_says_what_a_parameter_does(capsys):
    out = told(capsys, "explain", "training.lora_r")[1]
    assert "lora_r = 0" in out and "rank of the adapter" in out and "lora_alpha" not in out


def test_lab_copies_hold_the_files_values_where_papermill_puts_them(project_folder, monkeypatch):
    from ftkit.workflow import kernel

    monkeypatch.setattr(kernel, "notebooks_folder", lambda: project_folder / "notebooks")
    for book in (Path(cli.__file__).parents[1] / "notebooks").glob("*.ipynb"):
        shutil.copy(book, project_folder / "notebooks")
    Path("params/desk.yaml").write_text("task:\n  name: Fellmoor\n")
    folder = prepare_all(Path("params/desk.yaml"))
    import nbformat

    book = nbformat.read(folder / "01_task.ipynb", as_version=4)
    injected = [c for c in book.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert (
        len(injected) == 1
        and "Fellmoor" in injected[0].source
        and folder == Path("outputs/desk/lab")
    )


def test_doctor_tells_what_is_there_and_what_is_missing_for_what(capsys):
    code, out, _ = told(capsys, "doctor")
    assert code in (0, 1)
    assert all(
        word in out
        for word in ("Python", "cores", "Memory", "GPU", "Disk", "base", "Chromium", "transformers")
    )


def test_the_parameter_file_that_new_writes_is_plain_yaml(project_folder, capsys):
    told(capsys, "new", "desk", "--data", "desk.csv")
    assert set(yaml.safe_load(Path("params/desk.yaml").read_text())) <= {*MODELS, *shared.names()}


def test_the_shell_can_complete_commands_and_options(capsys):
    for shell in ("bash", "zsh"):
        code, out, _ = told(capsys, "completion", shell)
        assert code == 0 and "--sweep" in out and "monitor" in out
    code, out, _ = told(capsys, "completion", "bash")
    asked = "COMP_WORDS=(ftkit rep); COMP_CWORD=1; _shtab_ftkit; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "-c", f"{out}\n{asked}"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["report"]


def test_report_prints_where_the_other_forms_are(project_folder, capsys):
    make_run(project_folder / "outputs" / "desk", n=60)
    code, out, _ = told(capsys, "report", "outputs/desk", "--export")
    names = [Path(line).name for line in out.splitlines()]
    assert code == 0 and names == [
        "report.html",
        "summary.md",
        "strategies.csv",
        "answers.csv",
        "report.json",
    ]
    assert all(Path(line).exists() for line in out.splitlines())


@pytest.mark.parametrize(("command", "limit"), [("--help", 0.3), ("doctor", 2.0)])
def test_help_and_doctor_take_no_longer_than_a_person_waits(command, limit):
    """In processor time, which does not depend on what else the machine does; the best of three."""
    import resource
    import subprocess
    import sys

    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "ftkit.cli", command], capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= limit
