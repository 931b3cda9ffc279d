"""The run folder: nothing half-written, nothing redone, nothing stale taken for done."""

import os
import random
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
from made_run import make_run

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, Busy, NotReady
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


def flip(path, at, *, hide=False):
    """Flip a byte; with ``hide`` size and time of change stay, as where a disk is at fault."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    if hide:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def artifacts(run):
    """Make a task and a data stage of 25 files of all kinds, some in a folder."""
    work, chance = run_folder.Stage(run, "task", {}), random.Random(0)
    for n in range(10):
        run_folder.write_text(work.path(f"{n}.json"), "x" * chance.randrange(1, 5_000))
    (work.path("adapter")).mkdir()
    for n in range(10):
        work.path(f"adapter/{n}.safetensors").write_bytes(chance.randbytes(20_000))
    for n in range(5):
        run_folder.write_table(work.path(f"{n}.parquet"), pd.DataFrame({"a": range(100)}))
    tops = sorted(p.name for p in work.folder.iterdir())
    return work, [work.folder / name for name in work.done(tops).files]


@pytest.mark.parametrize("hide", [False, True])
def test_a_flipped_byte_in_any_artifact_is_named_with_the_stage_that_makes_it_again(tmp_path, hide):
    _, files = artifacts(tmp_path)
    chance, named = random.Random(1), 0
    for path in files:
        sound = path.read_bytes()
        flip(path, chance.randrange(len(sound)), hide=hide)
        assert run_folder.damages(tmp_path, "task", certain=True) == [path]
        with pytest.raises(BadInput, match="after 01_task wrote it") as told:
            run_folder.require_sound(tmp_path, "task", certain=True)
        assert str(path) in str(told.value) and "--only task" in str(told.value)
        if not hide:
            relative = path.relative_to(tmp_path / "task").as_posix()
            assert relative in run_folder.stale_reason(tmp_path, "task", {}, [])
            with pytest.raises(BadInput):
                run_folder.Stage(tmp_path, "data", {})
        path.write_bytes(sound)
        named += 1
    assert named == 25
    assert run_folder.stale_reason(tmp_path, "task", {}, []) == "", (
        "mended: its hash is right again"
    )


def test_a_file_that_people_fill_in_is_not_damaged_by_it(tmp_path):
    work = run_folder.Stage(tmp_path, "task", {})
    run_folder.write_text(work.path("labels.csv"), "a,b\n")
    work.done(["labels.csv"])
    run_folder.write_text(work.path("labels.csv"), "a,b\n1,2\n")
    assert run_folder.stale_reason(tmp_path, "task", {}, []) == ""


def test_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
    artifacts(tmp_path)
    monkeypatch.setattr(
        "ftkit.core.hashes.sha256_path", lambda path: pytest.fail(f"{path} was read")
    )
    assert run_folder.damages(tmp_path, "task", certain=False) == []


@pytest.mark.parametrize("left", [0, 3, 100, -9])
def test_a_truncated_table_is_told_in_one_message(tmp_path, left):
    path = tmp_path / "answers.parquet"
    run_folder.write_table(path, pd.DataFrame({"a": ["x" * 50] * 100}))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(BadInput, match="is no readable table") as told:
        run_folder.read_table(path)
    assert str(path) in str(told.value) and "run its stage again" in str(told.value)
