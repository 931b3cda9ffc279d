"""The run folder: nothing half-written, nothing redone, nothing stale taken for done."""

import shutil
import subprocess
import sys
import time

import pytest
from made_run import make_run

from ftkit.core import run_folder
from ftkit.core.errors import Busy, NotReady
from ftkit.core.records.manifest import Manifest


def finish(run, stage, parameters, text):
    work = run_folder.Stage(run, stage, parameters)
    run_folder.write_text(work.path("out.txt"), text)
    return work.done(["out.txt"])


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a.txt"
    run_folder.write_text(target, "old")
    with pytest.raises(ValueError), run_folder.atomic(target) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_stage_is_stale_when_parameters_inputs_or_outputs_change(tmp_path):
    finish(tmp_path, "task", {"a": 1}, "x")
    finish(tmp_path, "data", {"b": 1}, "y")
    assert run_folder.stale_reason(tmp_path, "data", {"b": 1}, []) == ""
    assert "parameters changed: b" in run_folder.stale_reason(tmp_path, "data", {"b": 2}, [])
    finish(tmp_path, "task", {"a": 1}, "other")
    assert run_folder.stale_reason(tmp_path, "data", {"b": 1}, []) == "its inputs changed"
    finish(tmp_path, "task", {"a": 1}, "x")
    assert run_folder.stale_reason(tmp_path, "data", {"b": 1}, []) == "", (
        "the same inputs again: nothing to do"
    )
    (tmp_path / "data" / "out.txt").unlink()
    assert "outputs are missing" in run_folder.stale_reason(tmp_path, "data", {"b": 1}, [])


def test_a_stage_before_its_inputs_names_the_notebook_to_run(tmp_path):
    with pytest.raises(NotReady, match="01_task"):
        run_folder.Stage(tmp_path, "data", {})


def test_starting_a_stage_unmarks_it(tmp_path):
    finish(tmp_path, "task", {}, "x")
    run_folder.Stage(tmp_path, "task", {})
    assert run_folder.stale_reason(tmp_path, "task", {}, []) == "not run yet"


def test_two_processes_on_one_run_are_refused_and_the_lock_dies_with_its_holder(tmp_path):
    code = f"import time,pathlib; from ftkit.core import run_folder as runs\nwith runs.locked(pathlib.Path({str(tmp_path)!r})): print('in', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout and holder.stdout.readline().strip() == "in"
    with pytest.raises(Busy), run_folder.locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    time.sleep(0.1)
    with run_folder.locked(tmp_path):
        pass


def test_of_every_stage_it_is_told_whether_it_is_done_stale_or_missing(tmp_path):
    run = make_run(tmp_path / "desk", n=40, until="evaluation")
    found = run_folder.states(run)
    assert (
        set(found.values()) == {"done", "missing"}
        and found["evaluation"] == "done"
        and found["decision"] == "missing"
    )
    manifest = run_folder.read_record(run / "retrieval" / "manifest.json", Manifest)
    changed = manifest.model_copy(update={"outputs": dict.fromkeys(manifest.outputs, "0" * 64)})
    run_folder.write_record(run / "retrieval" / "manifest.json", changed)
    found = run_folder.states(run)
    assert (
        found["retrieval"] == "done" and found["evaluation"] == "stale" and found["data"] == "done"
    )
    assert run_folder.older(run, "evaluation") == ["retrieval"]
    (run / "data" / "manifest.json").write_text("{")
    assert run_folder.states(run)["data"] == "stale"
    shutil.rmtree(run / "task")
    assert run_folder.states(run)["data"] == "stale" and run_folder.states(
        tmp_path / "none"
    ) == dict.fromkeys(run_folder.STAGES, "missing")


def test_the_strip_links_every_notebook_and_says_its_state_in_words():
    from ftkit.report import theme

    states = {"task": "done", "data": "stale", "prompting": "missing"}
    page = theme.strip_html(
        "prompting", states, {s: f"{run_folder.stage_name(s)}.ipynb" for s in states}
    )
    assert (
        page.count("<a href=") == 3
        and "href='02_data.ipynb'" in page
        and "aria-current=page" in page
    )
    assert (
        "02_data: rests on what has changed since: run it again" in page
        and "03_prompting: this notebook" in page
    )
