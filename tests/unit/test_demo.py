"""The demo domain: seeded, its truth agrees with its files, and its rules and facts are what they are said to be."""

import csv
import json
import re
from collections import Counter

import pytest

from ftkit.core.errors import BadInput
from recipes.demo import write_examples, write_handbook
from recipes.demo.__main__ import main
from recipes.demo.scenarios import SCENARIOS
from recipes.demo.traffic import write_traffic
from recipes.demo.truth import write_truth

N = 1200
HIGH_WORDS = "urgent|today|right away|tomorrow|cannot wait|as soon as possible|hurry\\.|please hurry|at once|running out|immediately|on the way"
LOW_WORDS = "no rush|no hurry|have time|can wait|take your time|curious|for later|any time is fine|not important|early enough|nothing pressing|quiet"
HARM = "smells of gas|cut my hand|burned my glove|smoke came out|and he fell"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    write_examples(folder / "examples.csv", N)
    for edition in (1, 2):
        write_handbook(folder / f"handbook_{edition}", edition=edition)
    write_traffic(folder / "traffic.jsonl")
    write_truth(folder / "truth.json")
    return folder


@pytest.fixture(scope="module")
def rows(demo):
    with (demo / "examples.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def truth(demo):
    return json.loads((demo / "truth.json").read_text(encoding="utf-8"))


def article(demo, name, edition=1):
    return (demo / f"handbook_{edition}" / f"{name}.md").read_text(encoding="utf-8")


def shingles(text, size=3):
    words = text.lower().split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def jaccard(a, b):
    return len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


def house_urgency(text, category):
    """The house rules once more, from the text alone."""
    low, high = (
        re.search(LOW_WORDS, text.lower()),
        re.search(HIGH_WORDS, re.sub("no hurry", "", text.lower())),
    )
    level = 2 if high else 0 if low else 1
    level += bool(re.search(r"\bB-\d{5}\b", text))
    level = max(level, 1) if category == "billing" else level
    level = 2 if re.search(HARM, text, re.IGNORECASE) else min(level, 2)
    return ("low", "normal", "high")[level]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones(demo, tmp_path):
    again = write_examples(tmp_path / "a.csv", N).read_bytes()
    assert again == (demo / "examples.csv").read_bytes()
    assert write_examples(tmp_path / "b.csv", N, seed=8).read_bytes() != again
    assert write_truth(tmp_path / "t.json").read_bytes() == (demo / "truth.json").read_bytes()
    write_handbook(tmp_path / "h")
    assert {p.name: p.read_bytes() for p in (tmp_path / "h").iterdir()} == {
        p.name: p.read_bytes() for p in (demo / "handbook_1").iterdir()
    }


def test_rows_and_articles_are_as_many_and_as_short_as_told(demo, rows):
    assert len(rows) == N
    files = sorted((demo / "handbook_1").glob("*.md"))
    assert len(files) == 80
    for file in files:
        assert re.fullmatch(r"H-\d{3}", file.stem)
        title, body = file.read_text(encoding="utf-8").split("\n\n", 1)
        assert title.startswith("# ")
        assert 25 <= len(f"{title} {body}".split()) <= 60
    clean = [
        len(r["message"].split()) for r in rows if r["message"] and "My " not in r["message"][-60:]
    ]
    assert min(clean) >= 8


def test_a_fifth_of_the_facts_change_between_the_editions(demo, truth):
    changed = [name for name, about in truth["articles"].items() if about["changed"]]
    assert len(changed) == round(0.2 * len(truth["articles"]))
    for name, about in truth["articles"].items():
        first, second = article(demo, name, 1), article(demo, name, 2)
        assert about["values"][0] in first
        assert about["values"][1] in second
        assert (first != second) == (name in changed)
        assert first.replace(about["values"][0], about["values"][1]) == second


def test_no_two_articles_on_a_topic_share_a_value_so_that_guessing_fails(truth):
    for edition in (0, 1):
        pairs = Counter((a["topic"], a["values"][edition]) for a in truth["articles"].values())
        assert max(pairs.values()) == 1


def test_every_reply_stands_in_its_article(demo, rows, truth):
    checked = 0
    for row, meant in zip(rows, truth["rows"], strict=True):
        answer = json.loads(meant["answers"][0])
        if meant["cause"] == "fact":
            assert answer["source"] == meant["article"]
            assert answer["reply"] in article(demo, answer["source"])
            assert json.loads(meant["answers"][1])["reply"] in article(demo, answer["source"], 2)
            checked += 1
        else:
            assert (answer["reply"], answer["source"]) == ("we will check", "")
        if meant["planted"] not in ("wrong_label", "broken_format", "empty"):
            assert row["answer"] == meant["answers"][0]
    assert 0.55 < checked / N < 0.68


def test_urgency_follows_the_house_rules_in_every_row_that_was_not_spoiled(rows, truth):
    levels = Counter()
    for row, meant in zip(rows, truth["rows"], strict=True):
        if meant["planted"] not in ("wrong_label", "broken_format", "empty"):
            answer = json.loads(row["answer"])
            assert answer["urgency"] == house_urgency(row["message"], answer["category"]), row[
                "message"
            ]
            levels[answer["urgency"]] += 1
    assert min(levels.values()) > 0.1 * N


def test_house_conventions_on_categories_hold(truth):
    by_intent = {r["intent"]: r["category"] for r in truth["rows"]}
    assert by_intent["damaged_on_arrival"] == by_intent["warranty"] == "returns"
    assert by_intent["rental_price"] == by_intent["rental_problem"] == "billing"
    assert by_intent["repair_price"] == "product"
    assert by_intent["opening_hour"] == by_intent["shop_visit"] == "account"


def test_planted_defects_are_really_there_and_small(rows, truth):
    for kind, share in {
        "exact_duplicate": 0.02,
        "near_duplicate": 0.02,
        "paraphrase_duplicate": 0.01,
        "wrong_label": 0.02,
    }.items():
        assert len(truth["defects"][kind]) == round(share * N)
    planted = {
        number: truth["rows"][number] for kind in truth["defects"].values() for number in kind
    }
    for number, meant in planted.items():
        row, other = rows[number], rows[meant["of"]]
        kind = meant["planted"]
        if kind == "exact_duplicate":
            assert (row["message"], row["answer"]) == (other["message"], other["answer"])
        elif kind == "near_duplicate":
            assert row["message"] != other["message"]
            assert jaccard(row["message"], other["message"]) >= 0.8
        elif kind == "paraphrase_duplicate":
            assert jaccard(row["message"], other["message"]) < 0.8
            assert row["answer"] == other["answer"]
        elif kind == "wrong_label":
            said, right = json.loads(row["answer"]), json.loads(meant["answers"][0])
            assert sum(said[k] != right[k] for k in right) == 1
        elif kind == "personal_data":
            assert re.search(r"@example\.com|\+44 7700 900\d{3}|GB\d\d FELL", row["message"])
        elif kind == "empty":
            assert not (row["message"] and row["answer"])
        else:
            assert not well_formed(row["answer"])
    for number, row in enumerate(rows):
        assert number in planted or well_formed(row["answer"])
        assert number in planted or not re.search(r"@|\+44|GB\d\d", row["message"])


def well_formed(answer):
    try:
        return list(json.loads(answer)) == ["category", "urgency", "reply", "source"]
    except ValueError:
        return False


def test_leaks_are_copies_under_another_customer(rows, truth):
    assert len(truth["leaks"]) > 10
    for copy, of in truth["leaks"]:
        assert rows[copy]["customer"] != rows[of]["customer"]
        assert jaccard(rows[copy]["message"], rows[of]["message"]) >= 0.8


def test_copies_are_planted_and_do_not_happen_by_chance(rows, truth):
    planted = {n for kind in ("exact_duplicate", "near_duplicate") for n in truth["defects"][kind]}
    clean = [
        shingles(r["message"]) for n, r in enumerate(rows) if n not in planted and r["message"]
    ]
    close = sum(len(a & b) >= 0.8 * len(a | b) for i, a in enumerate(clean) for b in clean[:i])
    assert close == 0


def test_a_long_tail_of_facts_is_asked_by_few_customers(rows, truth):
    askers: dict[str, set] = {}
    for row, meant in zip(rows, truth["rows"], strict=True):
        if meant["cause"] == "fact" and not meant["planted"]:
            askers.setdefault(meant["article"], set()).add(row["customer"])
    assert sum(len(customers) <= 2 for customers in askers.values()) >= 40
    assert sum(len(customers) >= 10 for customers in askers.values()) >= 8


def test_bm25_finds_the_gold_article_often_but_not_always(demo, rows, truth):
    import bm25s

    names = sorted(truth["articles"])
    index = bm25s.BM25()
    index.index(
        bm25s.tokenize([article(demo, n)[2:] for n in names], stopwords="en", show_progress=False),
        show_progress=False,
    )
    asked = [
        (r["message"], m["article"])
        for r, m in zip(rows, truth["rows"], strict=True)
        if m["article"] and not m["planted"]
    ]
    queries = bm25s.tokenize([q for q, _ in asked], stopwords="en", show_progress=False)
    found, _ = index.retrieve(queries, corpus=names, k=3, show_progress=False)
    first = sum(f[0] == gold for f, (_, gold) in zip(found, asked, strict=True)) / len(asked)
    third = sum(gold in f for f, (_, gold) in zip(found, asked, strict=True)) / len(asked)
    assert 0.5 < first < 0.85
    assert 0.8 < third < 0.97


def test_the_second_edition_changes_answers_and_no_message(demo, rows, truth, tmp_path):
    write_examples(tmp_path / "later.csv", N, edition=2)
    with (tmp_path / "later.csv").open(newline="", encoding="utf-8") as handle:
        later = list(csv.DictReader(handle))
    assert [r["message"] for r in later] == [r["message"] for r in rows]
    for before, after, meant in zip(rows, later, truth["rows"], strict=True):
        changed = bool(meant["article"]) and truth["articles"][meant["article"]]["changed"]
        if meant["planted"] not in ("empty", "broken_format"):
            assert (before["answer"] != after["answer"]) == changed


def test_traffic_drifts_where_the_truth_says(demo, truth):
    lines = [
        json.loads(line)
        for line in (demo / "traffic.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    meant = truth["traffic"]["messages"]
    assert len(lines) == len(meant)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert set(lines[0]) == {"time", "customer", "message"}
    starts = {event["kind"]: event["week"] for event in truth["traffic"]["events"]}
    for kind in ("new topic", "wording"):
        weeks = [m["week"] for m in meant if m["drift"] == kind]
        assert min(weeks) == starts[kind]
    assert {m["edition"] for m in meant if m["week"] < starts["edition"]} == {1}
    assert {m["edition"] for m in meant if m["week"] >= starts["edition"]} == {2}
    asked = [
        line["message"].lower()
        for line, m in zip(lines, meant, strict=True)
        if m["drift"] == "new topic"
    ]
    assert sum("rundo" in text or "bike" in text for text in asked) > 0.97 * len(asked)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"n": 5}, "examples = 5"),
        ({"n": 200_001}, "examples = 200001"),
        ({"scenario": "promptin"}, "did you mean 'prompting'"),
        ({"edition": 3}, "edition = 3"),
    ],
)
def test_impossible_sizes_are_told_and_nothing_is_written(arguments, told, tmp_path):
    with pytest.raises(BadInput, match=re.escape(told)):
        write_examples(tmp_path / "x.csv", **arguments)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_everything_or_says_why_not(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "few"), "--scenario", "too_little"]) == 0
    assert {p.name for p in (tmp_path / "few").iterdir()} == {
        "examples.csv",
        "handbook_1",
        "handbook_2",
        "traffic.jsonl",
        "truth.json",
    }
    assert main(["--out", str(tmp_path / "none"), "--examples", "3"]) == 2
    assert "20 to 200,000" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_ships_is_what_the_recipe_makes(tmp_path):
    import ftkit.demo as shipped

    for scenario, recipe in SCENARIOS.items():
        made = write_examples(tmp_path / "made.csv", recipe.examples, 7, scenario=scenario)
        ships = shipped.write_examples(tmp_path / "ships.csv", scenario=scenario)
        assert ships.read_bytes() == made.read_bytes()
        for edition in (1, 2):
            made = write_handbook(
                tmp_path / f"m-{scenario}-{edition}", 7, edition=edition, scenario=scenario
            )
            ships = shipped.write_handbook(
                tmp_path / f"s-{scenario}-{edition}", edition=edition, scenario=scenario
            )
            texts = [{f.name: f.read_text() for f in folder.iterdir()} for folder in (made, ships)]
            assert texts[0] == texts[1] and len(texts[0]) == 80
    later = write_examples(tmp_path / "made.csv", 1200, 7, edition=2).read_bytes()
    assert shipped.write_examples(tmp_path / "ships.csv", edition=2).read_bytes() == later
    traffic = write_traffic(tmp_path / "made.jsonl", 7).read_bytes()
    assert shipped.write_traffic(tmp_path / "ships.jsonl").read_bytes() == traffic
    with pytest.raises(BadInput, match="holds 70 examples"):
        shipped.write_examples(tmp_path / "x.csv", 71, scenario="too_little")
