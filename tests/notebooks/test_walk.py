"""The whole walk on the demo in a small size: headless, again, killed in the middle, alone with papermill, by hand."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import judges
import nbformat
import pytest

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.evaluation import preference_judge
from ftkit.notebook import stage as stages
from ftkit.training.preference import win_rate
from ftkit.training.preference.round import Round
from ftkit.workflow.ask_run import AskRun

ROOT = Path(__file__).parents[2]
# One thread, so that a busy machine does not change how sums are rounded.
SMALL = """run: {run}
task: {{name: Fellmoor, instruction: Answer the customer message in the house format.}}
data: {{demo_examples: 160}}
prompting: {{validation_items: 6, shots: [2], threads: 1}}
training: {{num_train_epochs: 2.0, lora_r: 8, lora_alpha: 16, sample_items: 6, general_items: 20, threads: 1}}
evaluation: {{n_resamples: 300, probe_items: 8, threads: 1}}
deployment: {{parity_items: 6, fault_items: 4, load_clients: [1, 4], load_requests: 8, threads: 1}}
"""


# Runs in each kernel after every cell: which modules of ftkit the stage has executed so far.
NOTE_MODULES = """
import json, pathlib, sys
def _note(*_):
    names = sorted(n for n in sys.modules if n.split(".")[0] == "ftkit")
    run = get_ipython().user_ns.get("stage")
    if run is not None:
        pathlib.Path({folder!r}, run.stage + ".json").write_text(json.dumps(names))
get_ipython().events.register("post_run_cell", _note)
"""


def ftkit(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "ftkit.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
    )


def papermill(stage, target, run, *more):
    book = ROOT / "notebooks" / f"{run_folder.stage_name(stage)}.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(book),
        str(target),
        "-p",
        "run",
        str(run),
        *more,
        "--no-progress-bar",
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """One finished walk: its parameter file, run folder and what the terminal showed."""
    folder = tmp_path_factory.mktemp("walk")
    file = folder / "small.yaml"
    file.write_text(SMALL.format(run=folder / "run"))
    started = folder / "ipython" / "profile_default" / "startup"
    started.mkdir(parents=True)
    (folder / "modules").mkdir()
    (started / "note.py").write_text(NOTE_MODULES.format(folder=str(folder / "modules")))
    done = ftkit("run", file, IPYTHONDIR=str(folder / "ipython"))
    assert done.returncode == 0, done.stdout + done.stderr
    return file, folder / "run", done.stdout


def outcome(run):
    """Return what must be equal between two walks: verdict, shares, and every answer."""
    decision = run_folder.read_record(run / "decision" / "decision.json", Decision)
    evaluation = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
    answers = run_folder.read_table(run / "evaluation" / "answers.parquet")[
        ["item_id", "strategy", "text"]
    ]
    shares = {r.spec.name: r.accuracy.value for r in evaluation.results}
    return (
        decision.verdict,
        decision.strategy,
        shares,
        answers.sort_values(["strategy", "item_id"]).to_dict("records"),
    )


def test_the_walk_ends_with_a_report_and_every_stage_has_its_manifest(walk):
    _, run, told = walk
    assert told.strip().splitlines()[-1] == f"Report: {run.resolve() / 'report.html'}"
    manifests = {
        s: run_folder.read_record(run / s / "manifest.json", Manifest) for s in run_folder.STAGES
    }
    for stage, manifest in manifests.items():
        assert all((run / stage / name).exists() for name in manifest.outputs), stage
        assert manifest.versions["torch"] and manifest.code
    evaluation = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
    assert {r.spec.name for r in evaluation.results} >= {"prompting", "RAG", "fine-tuned", "hybrid"}
    assert len(evaluation.test_accesses) == 1 and evaluation.test_items >= 20
    text = (run / "report.html").read_text()
    assert "has not been run" not in text and len(text) < 3_000_000


@pytest.mark.parametrize("stage", [s for s in run_folder.STAGES if s != "preference"])
def test_every_module_that_a_stage_executes_is_in_its_closure(walk, stage):
    file, run, _ = walk
    executed = json.loads((file.parent / "modules" / f"{stage}.json").read_text())
    assert len(executed) > 20
    code = run_folder.read_record(run / stage / "manifest.json", Manifest).code
    known = {n.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for n in code}
    assert set(executed) <= known


def test_the_executed_notebooks_hold_outputs_and_no_error(walk):
    for stage in run_folder.STAGES:
        book = nbformat.read(
            walk[1] / "notebooks" / f"{run_folder.stage_name(stage)}.ipynb", as_version=4
        )
        outputs = [o for c in book.cells if c.cell_type == "code" for o in c.outputs]
        assert outputs and not any(o.output_type == "error" for o in outputs)
        assert not any("Traceback" in o.get("text", "") for o in outputs)


def test_a_finished_run_can_be_asked_and_its_stages_still_hold(walk):
    """What the start page and agents do: every strategy answers, and nothing of the run becomes stale."""
    _, run, _ = walk
    asked = AskRun(run)("Where is my parcel B-10442?")
    evaluation = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
    assert [row["strategy"] for row in asked] == [r.spec.name for r in evaluation.results]
    passages = {row["strategy"]: row["passages that it was given"] for row in asked}
    assert passages["RAG"].startswith("[H-") and passages["prompting"] == "–"
    assert set(run_folder.states(run).values()) == {"done"}


def test_an_unchanged_rerun_starts_no_kernel_and_is_quick(walk):
    file, run, _ = walk
    before = {s: (run / s / "manifest.json").stat().st_mtime_ns for s in run_folder.STAGES}
    began = time.monotonic()
    done = ftkit("run", file)
    assert (
        done.returncode == 0 and f"0 stages run, {len(run_folder.STAGES)} unchanged" in done.stdout
    )
    assert time.monotonic() - began < 30, "10 s on a free machine"
    assert before == {s: (run / s / "manifest.json").stat().st_mtime_ns for s in run_folder.STAGES}


def test_a_changed_limit_redoes_the_decision_and_what_follows_only(walk, tmp_path):
    file, run, _ = walk
    copy = shutil.copytree(run, tmp_path / "run")
    done = ftkit("run", file, "--set", f"run={copy}", "--set", "decision.max_seconds_per_answer=9")
    assert done.returncode == 0 and "3 stages run, 7 unchanged" in done.stdout, (
        done.stdout + done.stderr
    )
    assert "parameters changed: max_seconds_per_answer" in done.stdout


def test_killed_in_training_the_same_command_ends_with_the_same_decision(walk, tmp_path):
    file, run, _ = walk
    copy = shutil.copytree(run, tmp_path / "run")
    for stage in ("training", "evaluation", "decision", "deployment", "monitoring"):
        shutil.rmtree(copy / stage)
    command = [sys.executable, "-u", "-m", "ftkit.cli", "run", str(file), "--set", f"run={copy}"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    until(lambda: training_step(copy) >= 2, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (copy / "training" / "manifest.json").exists()
    done = ftkit("run", file, "--set", f"run={copy}", "--until", "decision")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome(copy) == outcome(run)


def training_step(run):
    """Return the step that the progress file of a running training tells, 0 before."""
    try:
        state = json.loads((run / ".progress.json").read_text())
    except (OSError, ValueError):
        return 0
    return int(state["done"]) if re.search("train|step", state["label"]) else 0


def until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


@pytest.mark.parametrize("stage", ["task", "data", "decision"])
def test_a_notebook_alone_with_papermill_writes_the_same_records(walk, tmp_path, stage):
    run = walk[1]
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / stage / "manifest.json").unlink()
    more = {
        "task": ["-p", "name", "Fellmoor"],
        "data": ["-p", "demo_examples", "160"],
        "decision": [],
    }[stage]
    done = papermill(stage, tmp_path / "out.ipynb", copy, *more)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (
        run_folder.read_record(r / stage / "manifest.json", Manifest) for r in (run, copy)
    )
    assert first.parameters == second.parameters
    records = {"task": "task.json", "data": "examples.parquet", "decision": "decision.json"}
    assert first.outputs[records[stage]] == second.outputs[records[stage]]


def test_pairs_come_from_two_strategies_or_from_what_people_corrected(walk, tmp_path, monkeypatch):
    copy = shutil.copytree(walk[1], tmp_path / "run")
    train, validation = (
        (t := run_folder.read_table(copy / "data" / "examples.parquet"))[t["split"] == s]
        for s in ("train", "validation")
    )
    rows = [(row, "train") for row in train.head(12).itertuples()] + [
        (row, "validation") for row in validation.head(9).itertuples()
    ]
    told = [
        {"id": r.id, "split": s, "prompt": r.input, "chosen": r.output, "rejected": "{}"}
        for r, s in rows
    ]
    (copy / "data" / "corrections.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in told)
    )
    run_folder.seal_again(copy / "data")

    def gone():
        raise FtkitError("gone")

    def turn(**chosen):
        p = PreferenceParameters(
            run=str(copy),
            method="dpo",
            threads=1,
            pair_items=10,
            samples=2,
            check_items=10,
            **chosen,
        )
        stage = run_folder.Stage(copy, "preference", p.model_dump(mode="json"))
        parts = [stages.examples(stage, name) for name in ("train", "validation")]
        return Round(p, stage, stages.task_card(stage), *parts, lambda label: lambda *told: None)

    drawn = turn(pair_strategies=["few-shot", "hybrid"])
    learn, held = drawn.pairs()
    shots = drawn.book.get(drawn.book.few_shot).shots
    assert learn and held and shots and not {pair.id for pair in learn} & set(shots)
    assert all(
        pair.id in drawn.messages and pair.chosen != pair.rejected for pair in [*learn, *held]
    )
    alone, _ = turn().pairs()
    assert {(p.id, p.rejected) for p in alone} != {(p.id, p.rejected) for p in learn}
    with pytest.raises(BadInput, match="this run has no strategy 'RAG'"):
        without = turn(pair_strategies=["RAG"])
        card = copy / "retrieval" / "retrieval.json"
        card.write_text(json.dumps(json.loads(card.read_text()) | {"enabled": False}))
        without.pairs()
    card.write_text(json.dumps(json.loads(card.read_text()) | {"enabled": True}))
    run_folder.seal_again(copy / "retrieval")
    with judges.served(judges.longer) as (url, seen):
        corrected = turn(pairs="reviews", judge_url=url, judge_model="m")
        learn, held = corrected.pairs()
        found = corrected.run(learn, held)
        once = preference_judge.prefer
        monkeypatch.setattr(
            preference_judge,
            "prefer",
            lambda j, rows, *more: once(j, rows, *more) if len(rows) == 9 else gone(),
        )
        again = turn(pairs="reviews", judge_url=url, judge_model="m")
        unheard = again.run(*again.pairs())
    assert not unheard.judge and "the judge was not heard: gone" in unheard.reason and unheard.log
    assert [len(learn), len(held)] == [12, 9] and {p.rejected for p in learn} == {"{}"}
    assert (
        len(seen) >= 18
        and found.judge == "m"
        and found.judge_agreement.value == 1
        and "prompt and" in win_rate.learned(found)[1][2]
    )
    assert found.source == "answers corrected in review" and found.pairs == 12 and found.log


def test_a_notebook_before_its_inputs_says_which_one_to_run(tmp_path):
    done = papermill("decision", tmp_path / "out.ipynb", tmp_path / "run")
    assert done.returncode != 0 and "01_task" in done.stderr and "NotReady" in done.stderr


def test_bad_input_on_the_command_line_is_exit_code_2_and_leaves_nothing(tmp_path):
    (tmp_path / "d.csv").write_text("message,answer\n" + "".join(f"m{k},same\n" for k in range(30)))
    file = tmp_path / "p.yaml"
    file.write_text(
        f"run: {tmp_path / 'run'}\ntask: {{kind: label}}\ndata: {{data: {tmp_path}/d.csv}}\nretrieval: {{handbook: ''}}\n"
    )
    done = ftkit("run", file)
    assert (
        done.returncode == 2
        and "d.csv" in done.stderr
        and "same" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "run").exists()
