"""The next round: nothing old changes sides, fresh random questions join the test, and production is a rival of what it replaces."""

import json

import pandas as pd
import pytest
from made_run import TRUTH, make_run

from ftkit.cli import main
from ftkit.core import run_folder
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.parameters.files import load, to_yaml
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.monitoring import MonitoringCard
from ftkit.data.read import open_source
from ftkit.workflow.promote import _against_production, measured
from ftkit.workflow.retune import next_name, retune, rounds_of


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A project with a finished run, and 40 labelled answers: 20 random, 20 unusual."""
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "outputs" / "desk", n=60)
    sections = {
        "task": {"kind": "fields", "fields": list(TRUTH), "key_fields": ["reply"]},
        "retrieval": {"citation_field": "source"},
    }
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "desk.yaml").write_text(to_yaml(sections, "the desk"))
    label(run / "monitoring" / "label_sample.csv")
    return run


def label(path, n=40, right=None):
    rows = [
        {
            "id": f"p{k}",
            "time": "2026-06-01",
            "why": "random" if k % 2 else "unlike the usual",
            "input": f"where, line one\nis {k}?",
            "output": '{"reply":"no"}',
            "right_answer": json.dumps({**TRUTH, "reply": f"{k} days"}) if right is None else right,
        }
        for k in range(n)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, index=False)


def read(made):
    return pd.read_csv(made.data, dtype=str, keep_default_na=False)


def test_old_examples_keep_their_split_and_half_of_the_random_answers_are_fresh_test_questions(
    desk,
):
    old = run_folder.read_table(desk / "data" / "examples.parquet")
    made = retune(desk.parents[1] / "params" / "desk.yaml")
    rows = read(made)
    before, fresh = rows[rows["round"] == "1"], rows[rows["round"] == "2"]
    assert sorted(zip(before["input"], before["split"], strict=True)) == sorted(
        zip(old["input"], old["split"], strict=True)
    )
    assert fresh["split"].value_counts().to_dict() == {"train": 30, "test": 10}
    tested = fresh.loc[fresh["split"] == "test", "input"]
    assert all(int(text.split()[-1].rstrip("?")) % 2 for text in tested), (
        "only what was drawn at random is measured on"
    )
    assert set(fresh["served_answer"]) == {'{"reply":"no"}'} and set(before["served_answer"]) == {
        ""
    }
    again = retune(desk.parents[1] / "params" / "desk.yaml", force=True)
    assert read(again).equals(rows)


def test_the_new_parameters_are_the_old_ones_on_the_new_data_and_the_looks_are_not_forgotten(desk):
    (desk / "evaluation" / "test_access.jsonl").write_text(
        '{"time":"t","sha256":"a","same_as_before":false}\n'
    )
    made = retune(desk.parents[1] / "params" / "desk.yaml")
    p = load(made.parameters)
    assert made.parameters.name == "desk-2.yaml" and p["task"].run == "outputs/desk-2"
    assert (p["data"].data, p["data"].split_column, p["data"].input_column) == (
        "rounds/desk-2.csv",
        "split",
        "input",
    )
    assert p["task"].key_fields == ["reply"] and p["task"].examples_at_hand == len(read(made))
    assert "ftkit retune" in made.parameters.read_text().splitlines()[0]
    assert (desk.parent / "desk-2" / "evaluation" / "test_access.jsonl").exists()
    with pytest.raises(BadInput, match="is there already"):
        retune(desk.parents[1] / "params" / "desk.yaml")


def test_what_cites_a_changed_article_waits_for_somebody_and_comes_back_to_be_learnt_from(desk):
    card = MonitoringCard(handbook_changed=1, handbook_articles=9, changed_articles=["H-012"])
    run_folder.write_record(desk / "monitoring" / "monitoring.json", card)
    file = desk.parents[1] / "params" / "desk.yaml"
    made = retune(file)
    outdated = pd.read_csv(made.outdated, dtype=str, keep_default_na=False)
    left = read(made)
    assert (
        len(outdated) and not left.loc[left["round"] == "1", "output"].str.contains("H-012").any()
    )
    outdated["right_answer"] = json.dumps({**TRUTH, "reply": "36 days"})
    outdated.to_csv(desk.parents[1] / "corrected.csv", index=False)
    label(desk / "monitoring" / "label_sample.csv")
    both = retune(
        file,
        [desk / "monitoring" / "label_sample.csv", desk.parents[1] / "corrected.csv"],
        force=True,
    )
    back = read(both)
    back = back[back["output"].str.contains("36 days") & (back["served_answer"] == "")]
    assert set(back["input"]) == set(outdated["input"]) and set(back["split"]) == {"train"}


def test_a_third_round_knows_the_rounds_before(desk):
    file = desk.parents[1] / "params" / "desk.yaml"
    made = retune(file)
    p = load(made.parameters)["data"]
    rows = read(made)
    known = rounds_of(p)
    numbers = [number for number, _ in known.values()]
    assert [str(n) for n in numbers] == rows["round"].tolist() and min(known) == 2
    raw = [number for number, _ in open_source(made.data).rows]
    assert sorted(known) == raw, (
        "rows are counted as 02 counts them, though cells have several lines"
    )
    assert (next_name("desk"), next_name("desk-2"), next_name("a-b-19")) == (
        "desk-2",
        "desk-3",
        "a-b-20",
    )


def test_what_cannot_be_used_is_told(desk, capsys):
    file = desk.parents[1] / "params" / "desk.yaml"
    sample = desk / "monitoring" / "label_sample.csv"
    sample.rename(desk / "kept.csv")
    assert main(["retune", str(file)]) == 2
    assert "there is no sample of production answers to label yet" in capsys.readouterr().err
    (desk / "kept.csv").rename(sample)
    label(sample, right="")
    assert main(["retune", str(file)]) == 2
    assert "no right answer is filled in" in capsys.readouterr().err
    with pytest.raises(BadInput, match="there is no such file"):
        retune(file, [desk / "none.csv"])
    label(desk / "monitoring" / "label_sample.csv", right="nonsense")
    assert any("do not pass the task's own checks" in s for s in retune(file, force=True).sentences)
    assert main(["retune", str(file), "--name", "other"]) == 0
    assert "Next: ftkit run params/other.yaml" in capsys.readouterr().out
    (desk / "data" / "examples.parquet").unlink()
    with pytest.raises(NotReady, match="has no examples yet"):
        retune(file, force=True)


@pytest.mark.parametrize(("right", "worse"), [(0, True), (10, False)])
def test_a_release_is_held_against_what_production_answered_to_the_fresh_questions(
    desk, right, worse
):
    file = desk.parents[1] / "params" / "desk.yaml"
    label(desk / "monitoring" / "label_sample.csv", right=json.dumps(TRUTH))
    table = pd.read_csv(desk / "monitoring" / "label_sample.csv", dtype=str)
    table.assign(output=json.dumps(TRUTH)).to_csv(
        desk / "monitoring" / "label_sample.csv", index=False
    )
    made = retune(file)
    run, rows = desk.parent / "desk-2", read(made)
    rows = rows.assign(id=[f"i{k}" for k in range(len(rows))], cluster="")
    rows["source_row"] = [number for number, _ in open_source(made.data).rows]
    run_folder.write_table(
        run / "data" / "examples.parquet",
        rows[["id", "input", "output", "group", "cluster", "split", "source_row"]],
    )
    (run / "task").mkdir(parents=True)
    (run / "task" / "task.json").write_text((desk / "task" / "task.json").read_text())
    fresh = rows[(rows["split"] == "test") & (rows["round"] == "2")]
    scores = [
        {"item_id": i, "strategy": "hybrid", "group": i, "correct": k < right}
        for k, i in enumerate(fresh["id"])
    ]
    run_folder.write_table(run / "evaluation" / "scores.parquet", pd.DataFrame(scores))
    rest = {
        "inputs": {},
        "outputs": {},
        "code": {},
        "seed": 1,
        "versions": {},
        "git_commit": "",
        "device": "cpu",
        "started": "",
        "duration_s": 1,
        "peak_memory_gib": 1,
    }
    known = load(made.parameters)["data"].model_dump(mode="json")
    run_folder.write_record(
        run / "data" / "manifest.json", Manifest(stage="data", parameters=known, **rest)
    )
    said, against = [], []
    _against_production(run, measured(run, "hybrid"), said, against)
    assert bool(against) == worse and bool(said) != worse
    assert "10 fresh test questions (100% right)" in " ".join(said + against)
