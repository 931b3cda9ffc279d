"""Releases: numbered, never changed, followed by the server without a lost answer, and refused where they are worse."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pandas as pd
import pytest
from test_serving import bundle

from ftkit.cli import main
from ftkit.core import run_folder as runs
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Decision, StrategyCost
from ftkit.core.records.deployment import DeploymentCard, Parity
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import Prompt
from ftkit.deployment import releases
from ftkit.deployment.export import verify, write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server import slot
from ftkit.deployment.server.start import folder_of, running
from ftkit.workflow.promote import promote


def export(folder, base, system, name="desk"):
    prompt = Prompt(name="short", system=system)
    write(folder, bundle(base, name=name, prompt=prompt), texts={"README.md": "x"})
    return folder


@pytest.fixture
def base(tiny_checkpoint):
    return tiny_checkpoint("llama")


@pytest.fixture
def store(tmp_path, base):
    """A release folder with two versions, the second current."""
    for number in (1, 2):
        releases.promote(
            tmp_path / "store",
            export(tmp_path / f"e{number}", base, f"Prompt {number}."),
            f"outputs/r{number}",
        )
    return tmp_path / "store"


def test_versions_are_numbered_copies_and_the_last_is_current(store, tmp_path):
    known = releases.read(store)
    assert [r.version for r in known.releases] == [1, 2] and known.current == 2
    shutil.rmtree(tmp_path / "e2")
    assert verify(releases.current(store)).prompt.system == "Prompt 2."
    assert folder_of(store) == releases.folder(store, 2)


def test_rolling_back_goes_to_the_one_before_or_to_the_one_named(store, base, tmp_path):
    assert releases.roll_back(store, note="too  many\ncomplaints").version == 1
    last = releases.read(store).moves[-1]
    assert (last.version, last.what, last.note) == (1, "rolled back", "too many complaints")
    assert releases.roll_back(store).version == 2, "back from the rollback"
    releases.promote(store, export(tmp_path / "e3", base, "Prompt 3."), "r3")
    assert releases.roll_back(store, 1).version == 1
    with pytest.raises(BadInput, match="no version 9"):
        releases.roll_back(store, 9)
    with pytest.raises(BadInput, match="is current already"):
        releases.roll_back(store, 1)


def test_an_altered_version_is_not_rolled_back_to_and_another_name_is_refused(
    store, base, tmp_path
):
    (releases.folder(store, 1) / "README.md").write_text("y")
    with pytest.raises(BadInput, match="was altered"):
        releases.roll_back(store)
    assert releases.read(store).current == 2
    with pytest.raises(BadInput, match="answers to 'other'"):
        releases.promote(store, export(tmp_path / "e3", base, "x", name="other"), "r3")
    with pytest.raises(NotReady, match="holds no release"):
        releases.read(tmp_path / "nothing")


def test_a_promotion_that_is_killed_leaves_the_version_before_and_the_next_one_works(
    store, base, tmp_path
):
    fresh = export(tmp_path / "e3", base, "Prompt 3.")
    code = (
        "import os, shutil\nfrom pathlib import Path\nfrom ftkit.core import run_folder as runs\nfrom ftkit.deployment import releases\n"
        "runs.write_record = lambda *a: os.kill(os.getpid(), 9)\n"
        f"releases.promote(Path({str(store)!r}), Path({str(fresh)!r}), 'r3')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert releases.read(store).current == 2 and releases.folder(store, 3).exists()
    assert verify(folder_of(store)).prompt.system == "Prompt 2."
    assert releases.promote(store, fresh, "r3").version == 3
    assert verify(folder_of(store)).prompt.system == "Prompt 3."


def said(url, text="where is it"):
    body = {"model": "desk", "messages": [{"role": "user", "content": text}]}
    found = httpx.post(f"{url}/chat/completions", json=body, timeout=60)
    return found.status_code, found.json().get("ftkit", {})


def until(check, seconds=30):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_the_server_follows_without_losing_an_answer_and_back_again(
    store, base, tmp_path, monkeypatch
):
    monkeypatch.setattr(slot, "FOLLOW_S", 0.1)
    served = Served(folder_of(store), threads=1, version=2, store=store)
    log = tmp_path / "log.jsonl"
    with running(served, log=log) as url, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(said, url, f"question {k}") for k in range(40)]
        releases.roll_back(store)
        answers = [job.result() for job in asked]
        assert {status for status, _ in answers} == {200}
        until(lambda: said(url)[1]["version"] == 1)
        prompts = {
            more["version"]: more["prompt_sha256"] for _, more in [*(said(url) for _ in range(2))]
        }
        releases.promote(store, export(tmp_path / "e3", base, "Prompt 3."), "r3")
        until(lambda: said(url)[1]["version"] == 3)
        assert said(url)[1]["prompt_sha256"] != prompts[1], "another prompt answers"
        assert (
            "ftkit_release{" in (told := httpx.get(url.replace("/v1", "/metrics")).text)
            and "3.0" in told
        )
    assert {json.loads(line)["version"] for line in log.read_text().splitlines()} >= {1, 3}


def test_a_release_that_cannot_be_opened_is_told_and_the_old_one_serves_on(
    store, monkeypatch, capfd
):
    monkeypatch.setattr(slot, "FOLLOW_S", 0.1)
    served = Served(folder_of(store), threads=1, version=2, store=store)
    with running(served) as url:
        metrics = url.replace("/v1", "/metrics")
        (releases.folder(store, 1) / "README.md").write_text("y")
        runs.write_record(
            store / "releases.json", releases.read(store).model_copy(update={"current": 1})
        )
        until(lambda: 'release_failed_total{model="desk"} 0.0' not in httpx.get(metrics).text)
        assert said(url)[0] == 200 and said(url)[1]["version"] == 2
        (store / "releases.json").write_text("{")
        time.sleep(0.5)
        assert said(url)[0] == 200
    assert "version 2 serves on" in capfd.readouterr().err


def run_folder(folder, base, right, *, passed=True, items=200):
    """A run as far as promoting it reads it: export, deployment card, test answers."""
    export(folder / "deployment" / "export", base, f"Prompt of {folder.name}.")
    share = Estimate(value=1, low=0.9, high=1, n=items, method="Wilson")
    parity = Parity(
        path="files",
        items=items,
        identical=share,
        cause="none" if passed else "wrong chat template",
        explanation="",
        passed=passed,
    )
    card = DeploymentCard(
        strategy="prompting",
        family="prompting",
        verdict="",
        export="deployment/export",
        form="base",
        size_mib=1,
        parity=[parity],
        serving=[],
    )
    runs.write_record(folder / "deployment" / "deployment.json", card)
    ids = [f"i{k}" for k in range(items)]
    runs.write_table(
        folder / "data" / "examples.parquet", pd.DataFrame({"id": ids, "output": "yes"})
    )
    rows = [
        {"item_id": i, "strategy": "prompting", "group": i, "correct": k < right}
        for k, i in enumerate(ids)
    ]
    _done(folder)
    other = [{**row, "strategy": "RAG", "correct": True} for row in rows]
    runs.write_table(folder / "evaluation" / "scores.parquet", pd.DataFrame([*rows, *other]))
    return folder


def _done(run):
    """Mark every stage that 09 reads, and 09, as done."""
    rest = {
        "parameters": {},
        "code": {},
        "seed": 1,
        "versions": {},
        "git_commit": "",
        "device": "cpu",
        "started": "",
        "duration_s": 1,
        "peak_memory_gib": 1,
    }
    read = runs.READS["deployment"]
    for stage in read:
        runs.write_record(
            run / stage / "manifest.json",
            Manifest(stage=stage, inputs={}, outputs={"x.json": "1"}, **rest),
        )
    inputs = {f"{stage}/x.json": "1" for stage in read}
    runs.write_record(
        run / "deployment" / "manifest.json",
        Manifest(stage="deployment", inputs=inputs, outputs={}, **rest),
    )


def test_an_export_from_before_a_newer_stage_is_not_promoted_unless_forced(tmp_path, base):
    run = run_folder(tmp_path / "a", base, 150)
    path = run / "evaluation" / "manifest.json"
    known = runs.read_record(path, Manifest)
    runs.write_record(path, known.model_copy(update={"outputs": {"x.json": "2"}}))
    with pytest.raises(BadInput, match="evaluation ran again after 09 exported this"):
        promote(run, tmp_path / "store")
    assert not (tmp_path / "store").exists()
    assert promote(run, tmp_path / "store", force=True)[0].version == 1


def test_what_is_worse_beyond_chance_is_not_promoted_unless_forced(tmp_path, base):
    store = tmp_path / "store"
    first, worse, better = (
        run_folder(tmp_path / n, base, right) for n, right in (("a", 150), ("b", 120), ("c", 180))
    )
    assert promote(first, store)[0].version == 1
    shutil.rmtree(first)  # what is compared with is kept with the release
    with pytest.raises(
        BadInput, match=r"on 200 shared test questions it is worse than version 1: -15.0 points"
    ):
        promote(worse, store)
    assert releases.read(store).current == 1
    made, told = promote(better, store)
    assert made.version == 2 and "+15.0 points" in " ".join(told) and "better" in " ".join(told)
    made, told = promote(worse, store, force=True)
    assert made.version == 3 and "In spite of this" in told[-1]


def test_what_does_not_answer_as_tested_is_not_promoted(tmp_path, base):
    run = run_folder(tmp_path / "a", base, 150, passed=False)
    with pytest.raises(BadInput, match="files does not answer as tested: wrong chat template"):
        promote(run, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_the_commands_promote_list_and_roll_back(tmp_path, base, capsys):
    for name in ("a", "b"):
        run_folder(tmp_path / name, base, 150)
        assert (
            main(
                [
                    "promote",
                    str(tmp_path / name),
                    "--store",
                    str(tmp_path / "store"),
                    "--note",
                    f"round {name}",
                ]
            )
            == 0
        )
    out = capsys.readouterr().out
    assert "Version 2 serves from now on." in out and "not told apart" in out and "(round b)" in out
    assert main(["rollback", str(tmp_path / "store")]) == 0
    assert "desk: version 1 is current" in capsys.readouterr().out
    assert main(["releases", str(tmp_path / "store"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["current"] == 1
    assert main(["promote", str(tmp_path / "none"), "--store", str(tmp_path / "store")]) == 2


COST = {
    "strategy": "prompting",
    "one_off_usd": 1,
    "monthly_usd": 1,
    "per_1000_answers_usd": 1,
    "first_year_usd": 13,
}


@pytest.mark.parametrize(("verdict", "refused"), [("none", True), ("can't tell yet", False)])
def test_what_08_does_not_recommend_is_refused_or_told(tmp_path, base, verdict, refused):
    run = run_folder(tmp_path / "a", base, 150)
    path = run / "decision" / "decision.json"
    path.parent.mkdir(exist_ok=True)
    runs.write_record(
        path,
        Decision(
            verdict=verdict,
            kind="none" if refused else "can't tell",
            basis="gates" if refused else "rivals",
            strategy=None,
            leading="prompting",
            best_measured="prompting",
            barred={"prompting": ["accuracy"]} if refused else {},
            gates=[],
            costs=[StrategyCost.model_validate(COST)],
            prices=[],
        ),
    )
    if refused:
        with pytest.raises(BadInput, match="08 found none good enough: Use none of them alone yet"):
            promote(run, tmp_path / "store")
    else:
        told = promote(run, tmp_path / "store")[1]
        assert any("08 does not recommend prompting yet: Can't tell yet" in t for t in told)
