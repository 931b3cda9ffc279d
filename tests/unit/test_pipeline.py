"""The walk: everything checked first, only what changed is run, errors told as they are, no kernel left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from ftkit.cli import main
from ftkit.core import run_folder
from ftkit.core.errors import BadInput, Busy, NotReady, RunFailed
from ftkit.core.parameters.files import load, notebook_cell
from ftkit.workflow import kernel
from ftkit.workflow import run as run_module
from ftkit.workflow.run import Selection, run_preview
from ftkit.workflow.run import run as run_run
from ftkit.workflow.sweep import arms, first_stage, sweep
from ftkit.workflow.sweep import rows as sweep_rows

WORK = (
    "import os\nfrom ftkit.core import run_folder as runs\nfrom ftkit.notebook import stage as stages\np, stage = stages.begin('task', globals())\n"
    "runs.write_text(stage.path('out.txt'), f'{p.name} {os.environ.get(\"HF_HUB_OFFLINE\")} {__import__(\"sys\").executable}')\n"
)
DONE = "stage.done(['out.txt'], seed=p.seed)"


def write_notebook(folder: Path, *cells: str) -> None:
    head = nbformat.v4.new_code_cell(notebook_cell("task"), metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[head, *(nbformat.v4.new_code_cell(c) for c in cells)])
    nbformat.write(book, folder / "01_task.ipynb")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose only notebook is a tiny one; returns the parameter file."""
    monkeypatch.setattr(kernel, "notebooks_folder", lambda: tmp_path)
    write_notebook(tmp_path, WORK, DONE)
    file = tmp_path / "small.yaml"
    file.write_text(f"run: {tmp_path / 'run'}\ntask: {{name: Fellmoor}}\n")
    return file


TASK = Selection(["task"])


def test_a_stage_runs_in_this_python_offline_with_its_parameters_and_a_rerun_starts_no_kernel(
    project, monkeypatch
):
    said = []
    done = run_run(project, selection=TASK, say=said.append)
    run = project.parent / "run"
    assert (run / "task" / "out.txt").read_text() == f"Fellmoor 1 {sys.executable}"
    assert done.executed == ["task"] and done.report and done.report.exists()
    executed = nbformat.read(run / "notebooks" / "01_task.ipynb", as_version=4)
    assert any("injected-parameters" in c.metadata.get("tags", []) for c in executed.cells)
    assert load(run / "params.yaml")["task"] == load(project)["task"], (
        "the run's own copy makes the same run"
    )

    monkeypatch.setattr(
        run_module, "execute_notebook", lambda *_: pytest.fail("a kernel was started")
    )
    again = run_run(project, selection=TASK, say=said.append)
    assert again.skipped == ["task"] and not again.executed
    assert any("unchanged" in line for line in said)


def test_an_error_of_ours_is_told_as_it_is_and_any_other_with_cell_and_place(project):
    write_notebook(
        project.parent,
        "from ftkit.core.errors import BadInput\nraise BadInput('row 7 is empty', where='a.csv', todo='fill it')",
    )
    with pytest.raises(BadInput) as caught:
        run_run(project, selection=TASK, say=lambda _: None)
    assert str(caught.value) == "01_task: a.csv: row 7 is empty\n  What to do: fill it"
    write_notebook(project.parent, WORK, "1 / 0")
    with pytest.raises(RunFailed, match="cell 4 failed: ZeroDivisionError") as failed:
        run_run(project, selection=TASK, say=lambda _: None)
    assert "notebooks/01_task.ipynb" in str(failed.value) and "\x1b" not in str(failed.value)
    assert not (project.parent / "run" / "task" / "manifest.json").exists()


def test_a_notebook_that_ends_without_its_manifest_is_a_failure(project):
    write_notebook(project.parent, WORK)
    with pytest.raises(RunFailed, match="without finishing its stage"):
        run_run(project, selection=TASK, say=lambda _: None)


def test_faults_before_a_kernel_are_told_together(tmp_path):
    file = tmp_path / "p.yaml"
    (tmp_path / "empty").mkdir()
    file.write_text(
        f"run: {tmp_path / 'run'}\ndata: {{data: {tmp_path}/none.csv}}\nretrieval: {{handbook: {tmp_path}/empty}}\n"
        f"training: {{base_model: {tmp_path}/empty, processes: 9999}}\n"
    )
    with pytest.raises(BadInput) as caught:
        run_run(file, say=lambda _: None)
    told = str(caught.value)
    assert all(
        part in told
        for part in (
            "none.csv",
            "holds no articles",
            "config.json",
            "training.processes: 9999 processes on",
        )
    )
    assert not (tmp_path / "run").exists(), "nothing is written before the checks"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"message,answer\na,b\n", "20"),
        (("message,answer\n" + "a,caf\xe9\n" * 30).encode("latin-1"), "UTF-8"),
        (b"", "empty"),
        (b"text,answer\n" + b"a,b\n" * 30, "message"),
        (b"message,answer\n" + b"".join(b"m%d,same\n" % k for k in range(30)), "same"),
    ],
)
def test_a_bad_data_file_is_told_before_a_kernel_starts(tmp_path, content, message):
    (tmp_path / "d.csv").write_bytes(content)
    file = tmp_path / "p.yaml"
    file.write_text(f"run: {tmp_path / 'run'}\ndata: {{data: {tmp_path}/d.csv}}\n")
    with pytest.raises(BadInput, match=message):
        run_run(file, say=lambda _: None)
    assert not (tmp_path / "run").exists()


def test_the_demos_parts_must_belong_together(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(f"run: {tmp_path / 'run'}\ndata: {{demo_scenario: rag}}\n")
    with pytest.raises(
        BadInput, match=r"data\.demo_scenario is rag, retrieval\.demo_scenario is main"
    ):
        run_run(file, say=lambda _: None)


def test_a_training_that_may_forget_more_than_the_decision_lets_pass_is_told(tmp_path):
    from ftkit.workflow.preflight import preflight

    file = tmp_path / "forgets.yaml"
    file.write_text(
        "data: {data: demo}\nretrieval: {handbook: demo}\ndecision: {regression_margin_points: 4}\n"
    )
    with pytest.raises(
        BadInput, match=r"lets 4 points of general skills go.*allows 4 with its whole interval"
    ):
        preflight(load(file), {"training"})
    preflight(load(file), {"decision"})
    preflight(load(file, ["training.general_loss_points=1"]), {"training"})
    preflight(load(file, ["training.general_items=0"]), {"training"})


def test_a_full_disk_is_told_before_and_while_a_notebook_runs(project, monkeypatch):
    write_notebook(project.parent, "raise OSError(28, 'No space left on device')")
    with pytest.raises(Exception, match="the disk is full"):
        run_run(project, selection=TASK, say=lambda _: None)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 1 << 20})())
    with pytest.raises(Exception, match="disk is full: 1 MiB"):
        run_run(project, selection=TASK, say=lambda _: None)


def test_a_selection_before_its_inputs_says_which_stages_to_run(project):
    with pytest.raises(NotReady, match="evaluation reads what task, data"):
        run_run(project, selection=Selection(["evaluation"]), say=lambda _: None)
    with pytest.raises(BadInput, match="did you mean 'evaluation'"):
        run_run(project, selection=Selection(["evalution"]), say=lambda _: None)
    with pytest.raises(BadInput, match="no stage is selected"):
        Selection(first="decision", last="task").stages()


def test_a_dry_run_says_what_would_run_and_writes_nothing(project):
    said = []
    done = run_run(project, dry=True, say=said.append)
    assert done.executed == run_folder.STAGES and "not run yet" in said[0]
    assert not (project.parent / "run").exists()


def test_two_runs_of_one_project_at_once_are_refused(project):
    with run_folder.locked(project.parent / "run"), pytest.raises(Busy, match="another ftkit run"):
        run_run(project, selection=TASK, say=lambda _: None)


DRIVER = (
    "import sys; from pathlib import Path; from ftkit.workflow import kernel; "
    "kernel.notebooks_folder = lambda: Path(sys.argv[1]); from ftkit.cli import main; sys.exit(main(sys.argv[2:]))"
)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_run_leaves_no_kernel_and_the_same_command_goes_on(project, sent, code):
    started = project.parent / "started"
    wait = f"import pathlib, time\nif not pathlib.Path({str(started)!r}).exists():\n    pathlib.Path({str(started)!r}).touch(); time.sleep(90)"
    write_notebook(project.parent, WORK, wait, DONE)
    command = [
        sys.executable,
        "-c",
        DRIVER,
        str(project.parent),
        "run",
        str(project),
        "--only",
        "task",
    ]
    # A job started in the background of a shell ignores Ctrl-C, and so would its children: take the default again.
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **heed)
    until(started.exists, 60)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    process.communicate(timeout=20)
    assert process.returncode == code
    until(
        lambda: all(not k.is_running() or k.status() == psutil.STATUS_ZOMBIE for k in kernels), 10
    )
    assert kernels and not (project.parent / "run" / "task" / "manifest.json").exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert (project.parent / "run" / "task" / "manifest.json").exists()


def until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)


def test_another_kernel_by_the_name_of_python3_is_not_taken(project, monkeypatch, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    assert run_run(project, selection=TASK, say=lambda _: None).executed == ["task"]


def test_progress_is_shown_as_lines_where_there_is_no_terminal(tmp_path, monkeypatch):
    from ftkit.workflow import progress_file

    monkeypatch.setattr(progress_file, "PLAIN_EVERY_S", 0.0)
    said = []
    with progress_file.following(tmp_path, said.append):
        (tmp_path / ".progress.json").write_text(json.dumps({"line": "steps: 3/9, 4 s left"}))
        until(lambda: bool(said), 5)
    assert said == ["    steps: 3/9, 4 s left"]
    assert os.listdir(tmp_path) == [".progress.json"]


def test_a_terminal_shows_a_table_that_fills_and_a_failure_in_it(tmp_path):
    from rich.console import Console

    from ftkit.workflow.screen import Table

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with (
        pytest.raises(RuntimeError),
        Table(["task", "data", "prompting"], "demo.yaml", console) as screen,
    ):
        screen.unchanged("task", "expected: hybrid")
        screen.started("data", "not run yet")
        with screen.watching(tmp_path):
            assert "not run yet" in text(screen)
            (tmp_path / ".progress.json").write_text(json.dumps({"line": "rows: 3/9 [bold]"}))
            assert "▶ running" in text(screen) and "rows: 3/9 [bold]" in text(screen), (
                "data are no markup"
            )
        screen.finished("data", 75.4, "900 of 1,000 rows used")
        assert "1:15" in text(screen) and "· waiting" in text(screen)
        screen.started("prompting", "after data")
        raise RuntimeError
    last = text(screen)
    assert (
        "= unchanged" in last and "✔ done" in last and "✘ failed" in last and "03_prompting" in last
    )
    assert "✘ failed" in out.getvalue(), "the table stays on the screen"


def text(screen):
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=100).print(screen.draw())
    return out.getvalue()


def test_a_walk_in_a_terminal_draws_the_table(tmp_path):
    import pty

    shown = bytearray()

    def read(fd):
        data = os.read(fd, 1024)
        shown.extend(data)
        return data

    demo, run = Path(__file__).parents[2] / "params" / "demo.yaml", tmp_path / "run"
    status = pty.spawn(
        [
            sys.executable,
            "-m",
            "ftkit.cli",
            "run",
            str(demo),
            "--only",
            "task",
            "--set",
            f"run={run}",
        ],
        read,
    )
    assert os.waitstatus_to_exitcode(status) == 0
    told = shown.decode(errors="replace")
    assert "✔ done" in told and "01_task" in told and "stages run" in told


def second_notebook(folder: Path) -> None:
    work = "from ftkit.core import run_folder as runs\nfrom ftkit.notebook import stage as stages\np, stage = stages.begin('data', globals())\nread = stage.of('task', 'out.txt').read_text()\n"
    work += "runs.write_text(stage.path('out.txt'), f'{read} {p.max_test}')\nstage.done(['out.txt'], seed=p.seed)"
    head = nbformat.v4.new_code_cell(notebook_cell("data"), metadata={"tags": ["parameters"]})
    nbformat.write(
        nbformat.v4.new_notebook(cells=[head, nbformat.v4.new_code_cell(work)]),
        folder / "02_data.ipynb",
    )


def test_a_sweep_shares_the_stages_before_and_goes_on_where_it_was(project):
    second_notebook(project.parent)
    both, said = Selection(["task", "data"]), []
    found = sweep(project, ["data.max_test=5,6"], selection=both, say=said.append)
    assert [arm.folder.name for arm in found] == ["run-max_test_5", "run-max_test_6"]
    assert [(arm.folder / "data" / "out.txt").read_text()[-1] for arm in found] == ["5", "6"]
    assert (
        sum("✔ 01_task" in line for line in said) == 1
        and sum("✔ 02_data" in line for line in said) == 2
    )
    assert (project.parent / "run" / "task" / "manifest.json").exists() and not (
        project.parent / "run" / "data"
    ).exists()
    again: list[str] = []
    sweep(project, ["data.max_test=5,6,7"], selection=both, say=again.append)
    assert sum("✔ 02_data" in line for line in again) == 1 and len(sweep_rows(found)) == 2


def test_combinations_are_all_there_and_checked_before_anything_runs(project):
    sweeps = ["training.lora_r=8,16", "training.method=lora,qlora"]
    found = arms(project, sweeps)
    assert [arm.values for arm in found][:2] == [
        ["training.lora_r=8", "training.method=lora"],
        ["training.lora_r=8", "training.method=qlora"],
    ]
    assert len({arm.folder for arm in found}) == 4
    assert load(project, found[3].values)["training"].method == "qlora"
    shares = arms(project, ["training.curve_shares=[0.25],[0.25, 0.5]"])
    assert load(project, shares[1].values)["training"].curve_shares == [0.25, 0.5]


def test_models_are_compared_from_the_first_stage_that_asks_one(project):
    found = arms(project, ["base_model=nano,smollm2-135m"])
    assert [load(project, arm.values)["training"].base_model for arm in found] == [
        "nano",
        "smollm2-135m",
    ]
    assert first_stage("base_model") == run_folder.STAGES.index("prompting")
    assert first_stage("data.max_test") == run_folder.STAGES.index("data")


@pytest.mark.parametrize(
    ("sweeps", "told"),
    [
        (["training.lora_r"], "is not section.name"),
        (["trainin.lora_r=1,2"], "is not section.name"),
        (["training.lora_r=8"], "fewer than two"),
        (["training.lora_r=8,x"], "lora_r"),
        (["training.lora_r=8,8"], "share a run folder"),
        (["training.lora_r=[8,"], "no list"),
        ([f"training.lora_r={','.join(map(str, range(1, 70)))}"], "69 combinations"),
    ],
)
def test_a_sweep_that_cannot_be_made_is_told(project, sweeps, told):
    with pytest.raises(BadInput, match=told):
        arms(project, sweeps)


def test_a_sweep_over_seeds_tells_their_spread(tmp_path):
    from ftkit.workflow.sweep import Arm

    found = [
        Arm([f"training.seed={k}"], tmp_path / str(k), "", loss)
        for k, loss in enumerate((0.30, 0.32, 0.31))
    ]
    assert "standard deviation 0.01" in sweep_rows(found)[-1] and "0.31" in sweep_rows(found)[-1]
    found[0].values = ["training.lora_r=8"]
    assert "Seeds" not in "".join(sweep_rows(found))


@pytest.fixture
def tiny(tmp_path):
    """A project of 40 rows with the real notebooks; their own processes know nothing of a test's."""
    rows = [
        f"please send parcel number {n} to the {place},{place}"
        for n, place in enumerate(["harbour", "castle"] * 20)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["message,answer", *rows]))
    file = tmp_path / "tiny.yaml"
    task = "{name: t, instruction: 'Where to?', kind: label, fields: [], key_fields: [], knowledge_field: '', enums: {}}"
    data = f"{{data: {tmp_path / 'rows.csv'}, meaning_rows: 0, near_duplicate_threshold: 1.0}}"
    file.write_text(f"run: {tmp_path / 'run'}\ntask: {task}\ndata: {data}\n")
    return file


@pytest.mark.parametrize("way", ["jobs", "ray"])
def test_runs_at_once_are_those_of_one_after_the_other(tiny, way):
    if way == "ray":
        pytest.importorskip("ray", reason="Ray is not installed")
    said, until = [], Selection(["task", "data"])
    at_once = {"jobs": 2, "ray": "local" if way == "ray" else None}
    found = sweep(tiny, ["data.max_test=5,6"], selection=until, say=said.append, **at_once)
    assert [arm.finding.rpartition(", ")[2] for arm in found] == ["5 test", "6 test"], found
    assert any(line.startswith("data.max_test=5: ✔ 02_data") for line in said), said
    again = []
    sweep(tiny, ["data.max_test=5,6"], selection=until, say=again.append)
    assert not any("✔" in line for line in again), "what was made at once is not made again"


def test_a_run_that_fails_does_not_stop_the_others_and_is_told(tiny):
    until = Selection(["task", "data"])
    with pytest.raises(RunFailed, match=r"1 of 2 runs failed: data\.input_column=gone: .*gone"):
        sweep(
            tiny, ["data.input_column=gone,message"], selection=until, say=lambda line: None, jobs=2
        )
    assert (tiny.parent / "run-input_column_message" / "data" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--jobs", "2"], "there is one run only"),
        (["--sweep", "data.max_test=5,6", "--only", "data", "--jobs", "0"], "0 runs at once"),
        (["--sweep", "data.max_test=5,6", "--only", "data", "--ray", "127.0.0.1:1"], "--ray"),
    ],
)
def test_impossible_runs_at_once_are_told(project, given, told, capsys):
    assert main(["run", str(project), *given]) == 2 and told in capsys.readouterr().err


def test_the_outlook_tells_what_a_run_would_do_and_how_long_by_the_last_time(tmp_path):
    from made_run import make_run

    file = tmp_path / "desk.yaml"
    file.write_text(f"run: {tmp_path / 'desk'}\n")
    assert (
        run_preview(file)
        == "A run would do all notebooks; each says at its head how long it takes."
    )
    make_run(tmp_path / "desk", n=60, until="decision")
    assert (
        run_preview(file)
        == "A run would do 09_deployment, 10_monitoring; each says at its head how long it takes."
    )
    path = tmp_path / "desk" / "decision" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"duration_s": 120.0}))
    file.write_text(f"run: {tmp_path / 'desk'}\ndecision: {{min_accuracy: 0.5}}\n")
    told = run_preview(file)
    assert told == (
        "A run would do 08_decision, 09_deployment, 10_monitoring: about 2 minutes by the last time, without 09_deployment, 10_monitoring."
    )
