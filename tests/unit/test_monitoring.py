"""Drift is found where it is planted and not where it is not; the log loses no line in silence; the advice follows the rule."""

import json

import numpy as np
import pandas as pd
import pytest

from ftkit.cli import main
from ftkit.core.errors import BadInput
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.monitoring import MonitoringCard, WatchedSignal
from ftkit.monitoring.advice import advise
from ftkit.monitoring.drift import Discrepancy, Signal, p_limit, weekly
from ftkit.monitoring.drift_examples import new_words
from ftkit.monitoring.labels import label_sample, read_labels, sample_path
from ftkit.monitoring.logs import open_log, write_rejected
from ftkit.monitoring.signals import _feedback, signals_of


def unit(rng, n, shift=0.0, d=16):
    x = rng.normal(size=(n, d))
    x[:, 0] += shift
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype("float32")


def read(tmp_path, rows, name="log.jsonl"):
    path = tmp_path / name
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return open_log(MonitoringParameters(log=str(path)), tmp_path)


def row(day=1, text="where is it", **more):
    return {"time": f"2026-06-{day:02d}T10:00:00Z", "input": text, **more}


def test_lines_that_cannot_be_used_are_kept_aside_with_their_number_and_reason(tmp_path):
    rows = [
        row(),
        "{broken",
        {"time": "2026-06-01"},
        {"input": "x"},
        {"time": "soon", "input": "x"},
        {"time": "2999-01-01", "input": "x"},
        "[]",
    ]
    log = read(tmp_path, rows)
    assert len(log.table) == 1
    assert [n for n, _ in log.rejected] == [2, 3, 4, 5, 6, 7]
    told = " ".join(reason for _, reason in log.rejected)
    assert (
        "no JSON object" in told
        and "no input" in told
        and "no time" in told
        and "in the future" in told
    )
    write_rejected(tmp_path / "rejected.csv", log)
    assert len(pd.read_csv(tmp_path / "rejected.csv")) == 6


def test_rows_out_of_order_or_twice_are_put_right_and_weeks_begin_on_monday(tmp_path):
    log = read(tmp_path, [row(9, "b"), row(2, "a"), row(9, "b")])
    assert log.table["input"].tolist() == ["a", "b"] and log.table["week"].tolist() == [0, 1]
    assert log.weeks == ["2026-06-01", "2026-06-08"] and "stand twice" in log.rejected[-1][1]


def test_names_of_other_servers_and_feedback_are_understood(tmp_path):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "where is it"}]
    rows = [
        {
            "timestamp": "2026-06-01T00:00:00Z",
            "gen_ai.input.messages": json.dumps(messages),
            "gen_ai.completion": "here",
            "feedback": "down",
        }
    ]
    table = read(tmp_path, rows).table
    assert (table["input"][0], table["output"][0], table["feedback"][0]) == (
        "where is it",
        "here",
        0.0,
    )


def test_csv_and_parquet_give_the_same_rows(tmp_path):
    frame = pd.DataFrame([row(1, "a", output="x"), row(9, "b", output="y")])
    frame.to_csv(tmp_path / "l.csv", index=False)
    frame.to_parquet(tmp_path / "l.parquet")
    first, second = (
        open_log(MonitoringParameters(log=str(tmp_path / n)), tmp_path)
        for n in ("l.csv", "l.parquet")
    )
    assert first.table.equals(second.table)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("l.txt", "x", "no kind of log"),
        ("l.jsonl", "{}\n", "line 1: no input"),
        ("gone.jsonl", None, "no such file"),
    ],
)
def test_a_log_that_cannot_be_read_is_one_clear_error(tmp_path, name, text, told):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=told):
        open_log(MonitoringParameters(log=str(tmp_path / name)), tmp_path)


def test_the_permutation_test_is_exact_under_no_drift():
    rng = np.random.default_rng(1)
    p = [Discrepancy(unit(rng, 80), rng).p_value(unit(rng, 40), 1.0) for _ in range(200)]
    assert 0.01 <= np.mean(np.asarray(p) <= 0.05) <= 0.10 and 0.4 < np.mean(p) < 0.6


def test_the_discrepancy_equals_its_definition():
    rng = np.random.default_rng(2)
    a, b = unit(rng, 12), unit(rng, 7, 1.0)
    test = Discrepancy(a, rng)
    kernel = np.exp(-np.maximum(0, 2 - 2 * np.r_[a, b] @ np.r_[a, b].T) / test.width)
    marks = np.r_[np.zeros(12), np.ones(7)].astype("float32")[:, None]
    right = kernel[12:, 12:].mean() + kernel[:12, :12].mean() - 2 * kernel[:12, 12:].mean()
    assert test._statistic(kernel.astype("float32"), kernel.sum(1), marks)[0] == pytest.approx(
        right, rel=1e-4
    )


def quiet_and_shifted(shift_week=6, weeks=10):
    rng = np.random.default_rng(3)
    vectors = [unit(rng, 60, 1.5 if w >= shift_week else 0.0) for w in range(weeks)]
    values = [rng.normal(10, 2, 60) for _ in range(weeks)]
    rates = [rng.random(60) < 0.05 for _ in range(weeks)]
    return [
        Signal("moved", "u", "vectors", unit(rng, 300), vectors),
        Signal("still", "u", "values", rng.normal(10, 2, 300), values),
        Signal("rate", "u", "yes", rng.random(300) < 0.05, rates),
    ]


def test_a_shift_is_dated_to_its_week_and_what_did_not_move_raises_no_alarm():
    moved, still, rate = weekly(quiet_and_shifted(), 1)
    assert moved.since == 6 and still.since is None and rate.since is None
    assert np.mean(moved.values[:6]) == pytest.approx(1, abs=0.25) and min(moved.values[6:]) > 2


def test_the_same_seed_gives_the_same_look():
    assert weekly(quiet_and_shifted(), 1) == weekly(quiet_and_shifted(), 1)


def test_a_week_with_too_few_rows_is_not_judged_alone():
    rng = np.random.default_rng(4)
    found = weekly(
        [
            Signal(
                "x", "u", "values", rng.normal(size=100), [rng.normal(size=20), rng.normal(size=3)]
            )
        ]
    )
    assert np.isnan(found[0].values[1]) and found[0].p_values[1] > 0


def test_the_limit_shares_five_percent_among_looks_and_tests():
    assert p_limit(4) == pytest.approx(0.05 / 52 / 8)


def test_complaints_are_held_against_the_first_weeks_that_hold_feedback():
    said, weeks = np.full(200, np.nan), [np.arange(20 * w, 20 * w + 20) for w in range(10)]
    assert _feedback(said, weeks) == []
    said[60:160], said[160:] = 1.0, 0.0  # none for three weeks, then all well, then all complain
    (signal,) = _feedback(said, weeks)
    assert len(signal.reference) == 80 and [len(w) for w in signal.weeks] == [0] * 7 + [20] * 3
    (found,) = weekly([signal])
    assert found.usual == 0 and found.since == 8


def test_new_words_are_those_that_became_frequent():
    before = [f"where is my parcel number {i}" for i in range(100)]
    after = before[:60] + ["how do i return the rundo cargo bike"] * 40
    found = new_words(before, after)
    assert {"rundo", "cargo", "bike"} <= {w for w, _, _ in found} and "parcel" not in {
        w for w, _, _ in found
    }
    assert found[0][1] == 0 and found[0][2] == pytest.approx(0.4)


def card(**more):
    signal = WatchedSignal(
        name="unknown words",
        unit="share",
        usual=0.01,
        values=[0.07],
        p_values=[1e-9],
        since=more.pop("since", ""),
    )
    return MonitoringCard(
        log="l",
        rows=100,
        weeks=["2026-06-01"],
        signals=[signal],
        label_rows=60,
        tested=Estimate(value=0.8, low=0.75, high=0.85, n=200, method="x"),
        **more,
    )


BAD = Estimate(value=0.5, low=0.4, high=0.6, n=100, method="x")
FINE = Estimate(value=0.78, low=0.7, high=0.85, n=100, method="x")


@pytest.mark.parametrize(
    ("given", "who", "verdict", "told"),
    [
        ({}, {}, "keep", "Nothing that is watched"),
        ({"since": "2026-06-01"}, {}, "label first", "unknown words went from 1% to 7%"),
        ({"since": "2026-06-01", "quality": FINE}, {}, "keep", "no fall beyond chance"),
        ({"quality": BAD}, {}, "re-tune", "fallen beyond chance"),
        (
            {"handbook_changed": 3, "handbook_articles": 80},
            {},
            "refresh handbook",
            "nothing is trained",
        ),
        (
            {"handbook_changed": 3, "handbook_articles": 80},
            {"retriever": False},
            "re-tune",
            "answers from the past",
        ),
        ({}, {"requirements_changed": True}, "re-tune", "requirements have changed"),
        (
            {},
            {"requirements_changed": True, "tuned": False},
            "new prompt",
            "requirements have changed",
        ),
        ({"days_since_training": 120}, {}, "keep", "a quarter is over"),
        ({}, {"new_examples": 600}, "re-tune", "re-tuning may gain"),
    ],
)
def test_the_advice_follows_the_rule(given, who, verdict, told):
    facts = {
        "tuned": True,
        "retriever": True,
        "requirements_changed": False,
        "new_examples": 0,
        "trained_on": 1000,
    } | who
    found = advise(card(**given), **facts)
    assert found.verdict == verdict and any(told in r for r in found.reasons) and found.next_steps


def sample():
    rows = pd.DataFrame(
        {
            "time": pd.date_range("2026-06-01", periods=40, tz="UTC"),
            "input": [f"=question {i}" for i in range(40)],
            "output": ["a"] * 40,
        }
    )
    return label_sample(rows, np.arange(40) / 40, 20, 1)


def test_the_sample_is_half_random_half_unlike_and_safe_in_a_spreadsheet():
    found = sample()
    assert (
        found["why"].value_counts().to_dict() == {"random": 10, "unlike the usual": 10}
        and found["id"].is_unique
    )
    assert all(text.startswith("'=") for text in found["input"])


def test_where_the_log_tells_confidence_the_least_sure_answers_are_labelled_too():
    rows = pd.DataFrame(
        {
            "time": pd.date_range("2026-06-01", periods=40, tz="UTC"),
            "input": [f"q{i}" for i in range(40)],
            "output": "a",
        }
    )
    rows["confidence"] = [0.01 * i if i % 2 else float("nan") for i in range(40)]
    found = label_sample(rows, np.arange(40) / 40, 20, 1)
    assert found["why"].value_counts().to_dict() == {
        "random": 10,
        "least sure": 5,
        "unlike the usual": 5,
    }
    drawn = set(found.loc[found["why"] == "random", "input"])
    unsure = [f"q{i}" for i in range(1, 40, 2) if f"q{i}" not in drawn][:5]
    assert found.loc[found["why"] == "least sure", "input"].tolist() == unsure


def test_labels_are_read_back_and_only_the_random_ones_count(tmp_path):
    found = sample()
    found["right_answer"] = "a"
    found.to_csv(tmp_path / "l.csv", index=False)
    items, answers = read_labels(tmp_path / "l.csv")
    assert len(items) == len(answers) == 10 and set(answers["text"]) == {"a"}
    assert all(text.startswith("=question") for text in items["input"]), (
        "what made it safe in a spreadsheet is taken off again"
    )


@pytest.mark.parametrize("text", ["'tis late", "'=1+1", "''quoted''", "-5 degrees", "plain"])
def test_a_text_comes_back_from_the_label_file_as_it_was(tmp_path, text):
    rows = pd.DataFrame(
        {
            "time": pd.date_range("2026-06-01", periods=4, tz="UTC"),
            "input": [text] * 4,
            "output": [text] * 4,
        }
    )
    found = label_sample(rows, np.zeros(4), 4, 1)
    found["right_answer"] = "a"
    found.to_csv(tmp_path / "l.csv", index=False)
    items, _ = read_labels(tmp_path / "l.csv")
    assert set(items["input"]) == {text}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,input\n1,x\n", "no column output"),
        ("id,input,output,right_answer\n1,x,y,\n", "no labelled answer"),
    ],
)
def test_labels_that_cannot_be_used_are_one_clear_error(tmp_path, text, told):
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(BadInput, match=told):
        read_labels(tmp_path / "l.csv")


def test_monitor_is_a_command(tmp_path, capsys):
    assert main(["monitor", str(tmp_path / "gone.yaml")]) == 2
    assert "gone.yaml" in capsys.readouterr().err


def test_the_demos_planted_drift_is_found_and_dated_and_its_quiet_weeks_are_quiet(tmp_path):
    from ftkit.core.parameters.task import TaskParameters
    from ftkit.models.embeddings import embed, load_embedder
    from ftkit.scoring.task_card import build_card
    from recipes.demo import write_examples
    from recipes.demo.traffic import TOPIC_WEEK, WORDING_WEEK, write_traffic

    write_examples(tmp_path / "e.csv", 400)
    usual = (
        pd.read_csv(tmp_path / "e.csv", dtype=str)["message"]
        .dropna()
        .drop_duplicates()
        .tolist()[:300]
    )
    write_traffic(tmp_path / "t.jsonl", n=13 * 70)
    log = open_log(MonitoringParameters(log=str(tmp_path / "t.jsonl")), tmp_path)
    model = load_embedder("minilm")
    vectors, usual_vectors = embed(model, log.table["input"].tolist()), embed(model, usual)
    signals = signals_of(
        log.table, vectors, usual, usual_vectors, len(log.weeks), build_card(TaskParameters())
    )
    since = {d.signal: d.since for d in weekly(signals, 7)}
    first = min(week for week in since.values() if week is not None)
    assert TOPIC_WEEK <= first <= TOPIC_WEEK + 2
    assert WORDING_WEEK <= since["unknown words"] <= WORDING_WEEK + 1
    late = log.table["week"].to_numpy() >= first
    words = {w for w, _, _ in new_words(usual, log.table["input"][late].tolist())}
    assert {"rundo", "cargo"} <= words


def test_a_sample_in_which_somebody_has_filled_in_a_label_is_not_written_over(tmp_path):
    found = sample()
    first = sample_path(tmp_path)
    found.to_csv(first, index=False)
    assert sample_path(tmp_path) == first, "nobody has filled in anything"
    found.loc[3, "right_answer"] = "a"
    found.to_csv(first, index=False)
    second = sample_path(tmp_path)
    assert (first.name, second.name) == ("label_sample.csv", "label_sample-2.csv")
    second.write_text("not a label file")
    assert sample_path(tmp_path).name == "label_sample-3.csv"


def test_of_a_log_of_several_strategies_one_is_read(tmp_path):
    rows = [
        {
            "time": f"2026-06-{1 + k % 20:02d}T10:00:00Z",
            "input": f"q{k}",
            "model": "desk" if k % 2 else "claims",
        }
        for k in range(40)
    ]
    (tmp_path / "log.jsonl").write_text(
        "\n".join(
            json.dumps(row) for row in [*rows, {"time": "2026-06-01T10:00:00Z", "input": "old"}]
        )
    )
    p = MonitoringParameters(log=str(tmp_path / "log.jsonl"))
    assert len(open_log(p, tmp_path).table) == 41
    one = open_log(p.model_copy(update={"served_name": "desk"}), tmp_path)
    assert len(one.table) == 21 and not one.rejected, "rows that name no strategy count for any"
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(BadInput, match="another name than other"):
        open_log(p.model_copy(update={"served_name": "other"}), tmp_path)
