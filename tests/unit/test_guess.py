"""`ftkit new` guesses columns, kind and values, says why, and what it is not sure of."""

import json

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import load, to_yaml
from ftkit.data.guess import propose


def frame(tmp_path, columns, n=200, name="rows.csv"):
    """Columns by name: a function of the row number."""
    data = pd.DataFrame({key: [make(i) for i in range(n)] for key, make in columns.items()})
    data.to_csv(tmp_path / name, index=False)
    return tmp_path / name


def text(i):
    return f"customer {i} writes about matter {i * 7919 % 1009} and wants an answer soon"


def record(i):
    fields = {
        "category": ["delivery", "returns"][i % 2],
        "reply": f"{i} days",
        "source": f"H-{i:03d}",
    }
    return json.dumps(fields if i else {"category": "delivrey", "reply": "1 day", "source": ""})


@pytest.mark.parametrize(
    ("columns", "given", "output", "kind"),
    [
        (
            {"id": lambda i: i, "message": text, "intent": lambda i: f"intent {i % 7}"},
            "message",
            "intent",
            "label",
        ),
        ({"x1": text, "x2": lambda i: ["yes", "no"][i % 2]}, "x1", "x2", "label"),
        ({"x2": lambda i: ["yes", "no"][i % 2], "x1": text}, "x1", "x2", "label"),
        ({"question": text, "answer": record}, "question", "answer", "fields"),
        ({"a": text, "b": record}, "a", "b", "fields"),
        (
            {"prompt": text, "response": lambda i: f"dear customer {i}, " + text(i + 1)},
            "prompt",
            "response",
            "text",
        ),
        (
            {"label": lambda i: f"id-{i}", "Message": text, "kind": lambda i: f"k{i % 3}"},
            "Message",
            "kind",
            "label",
        ),
    ],
)
def test_columns_and_kind_are_guessed_from_names_and_contents(
    tmp_path, columns, given, output, kind
):
    guess = propose(frame(tmp_path, columns))
    assert (guess.input_column, guess.output_column, guess.kind) == (given, output, kind)
    assert any(f"'{output}'" in s and "because" in s for s in guess.sentences)


def test_the_proposed_values_are_valid_and_survive_the_parameter_file(tmp_path):
    guess = propose(
        frame(tmp_path, {"question": text, "answer": record, "customer": lambda i: f"c{i % 40}"}),
        "desk",
        handbook="handbook",
    )
    path = tmp_path / "desk.yaml"
    path.write_text(to_yaml(guess.sections))
    built = load(path)
    task, data = built["task"], built["data"]
    assert (task.kind, task.fields) == ("fields", ["category", "reply", "source"])
    assert task.enums == {"category": ["delivery", "returns"]}, (
        "a value that stands once is a typing error"
    )
    assert task.key_fields == ["category", "reply"] and task.knowledge_field == "reply"
    assert data.group_column == guess.group_column == "customer"
    assert (
        built["retrieval"].handbook == "handbook" and built["retrieval"].citation_field == "source"
    )


def test_without_a_handbook_there_is_no_retrieval_and_no_knowledge_field(tmp_path):
    sections = propose(frame(tmp_path, {"question": text, "answer": record})).sections
    assert sections["retrieval"] == {"handbook": "", "citation_field": ""}
    assert sections["task"]["knowledge_field"] == "" and sections["task"]["problem"] == "behaviour"


def test_short_labels_get_few_tokens_and_long_texts_many(tmp_path):
    short = propose(
        frame(tmp_path, {"text": text, "label": lambda i: ["yes", "no"][i % 2]})
    ).sections
    long = propose(frame(tmp_path, {"text": text, "summary": lambda i: text(i) * 10})).sections
    assert short["model"]["max_new_tokens"] == 16 and long["model"]["max_new_tokens"] > 250


def test_more_rows_get_capped_held_out_sets(tmp_path):
    columns = {"text": text, "label": lambda i: ["yes", "no"][i % 2]}
    few, many = (propose(frame(tmp_path, columns, n)).sections for n in (100, 6000))
    assert many["data"]["max_test"] == 1000 and "max_test" not in few["data"]


def test_many_labels_are_taught_with_the_prompt_that_03_offers_for_them(tmp_path):
    from ftkit.core.records.task import TaskCard
    from ftkit.strategies.prompt_candidates import candidates

    guess = propose(frame(tmp_path, {"text": text, "label": lambda i: f"l{i % 25}"}))
    card = TaskCard(name="t", instruction="Choose.", kind="label", labels=guess.labels)
    assert guess.sections["training"]["prompt"] in [p.name for p in candidates(card, None, [], 7)]
    assert (
        "prompt"
        not in propose(frame(tmp_path, {"text": text, "label": lambda i: f"l{i % 5}"})).sections[
            "training"
        ]
    )


def test_other_possible_columns_are_named(tmp_path):
    columns = {
        "dialogue": text,
        "section": lambda i: f"s{i % 5}",
        "note": lambda i: "note: " + text(i + 3),
    }
    doubts = [s for s in propose(frame(tmp_path, columns)).sentences if s.startswith("Not sure")]
    assert any("output" in s and "'note' (text)" in s for s in doubts) and any(
        "input" in s and "'note'" in s for s in doubts
    )


def test_a_clear_file_leaves_no_doubt(tmp_path):
    guess = propose(
        frame(tmp_path, {"id": lambda i: 1000 + i, "text": text, "label": lambda i: f"l{i % 4}"})
    )
    assert not [s for s in guess.sentences if "Not sure" in s] and guess.labels == [
        "l0",
        "l1",
        "l2",
        "l3",
    ]


def test_preference_pairs_and_conversations_are_told(tmp_path):
    columns = {"prompt": text, "chosen": lambda i: text(i + 1), "rejected": lambda i: text(i + 2)}
    assert any("preference pairs" in s for s in propose(frame(tmp_path, columns)).sentences)
    path = tmp_path / "chat.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"messages": [text(i), "and more"], "label": "yes"}) for i in range(30)
        )
    )
    with pytest.raises(BadInput, match="'messages' holds lists"):
        propose(path)


def test_a_test_file_beside_the_training_file_is_pointed_at(tmp_path):
    columns = {"text": text, "label": lambda i: f"l{i % 4}"}
    frame(tmp_path, columns, name="test.csv")
    assert any(
        "test.csv" in s for s in propose(frame(tmp_path, columns, name="train.csv")).sentences
    )


def test_banking77_is_a_label_task(shared_data):
    guess = propose(shared_data / "banking77" / "train.csv", "banking77")
    assert (guess.input_column, guess.output_column, guess.kind, len(guess.labels)) == (
        "text",
        "category",
        "label",
        77,
    )


def test_the_speaker_notes_are_guessed_with_their_second_reading(shared_data):
    guess = propose(shared_data / "mts_dialog" / "MTS-Dialog-TrainingSet.csv")
    assert guess.input_column == "dialogue" and any("'section_text'" in s for s in guess.sentences)


def test_short_answers_to_questions_are_told_from_other_texts(tmp_path):
    ask = {
        "question": lambda i: f"How many parts has machine {i * 7919 % 1009}?",
        "answer": lambda i: f"{i} small parts",
    }
    (tmp_path / "book").mkdir()
    task = propose(frame(tmp_path, ask), handbook=str(tmp_path / "book")).sections["task"]
    assert (task["instruction"], task["metric"], task["problem"]) == (
        "Answer the question.",
        "squad_exact",
        "knowledge",
    )
    other = propose(frame(tmp_path, {**ask, "question": text})).sections["task"]
    assert other["instruction"] == "Write the answer for the text." and "metric" not in other


def test_no_row_of_the_file_breaks_the_limit_of_words_that_is_guessed(tmp_path):
    rows = {
        "message": text,
        "reply": lambda i: " ".join(f"word{k}{i}" for k in range(90 if i == 7 else 12)),
    }
    assert propose(frame(tmp_path, rows)).sections["task"]["max_words"] >= 90


def test_the_field_that_names_articles_is_the_citation_whatever_it_is_called(tmp_path):
    def answer(i):
        return json.dumps(
            {"topic": "pay", "see": f"H-{i % 9:03d}.md" if i % 7 else "", "n": str(i)}
        )

    file = frame(tmp_path, {"question": lambda i: f"How do I pay {i}?", "out": answer})
    found = propose(file, handbook="handbook", articles=[f"H-{i:03d}" for i in range(9)])
    assert found.sections["retrieval"]["citation_field"] == "see"
    assert "see" not in found.sections["task"]["key_fields"]
    assert any("'see' cites the handbook: 100%" in s for s in found.sentences)


def test_a_column_of_articles_beside_the_answer_is_told(tmp_path):
    columns = {
        "question": lambda i: f"Which desk, number {i}?",
        "label": lambda i: "pay" if i % 2 else "post",
        "article": lambda i: f"H-{i % 5}",
    }
    file = frame(tmp_path, columns)
    found = propose(file, handbook="h", articles=[f"h-{i}" for i in range(5)])
    assert found.sections["retrieval"]["citation_field"] == ""
    assert any("Column 'article' names articles of the handbook" in s for s in found.sentences)
