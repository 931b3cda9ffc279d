"""The layouts of fine-tuning files become input and output; what cannot be an example is put aside with its reason."""

import json

import pandas as pd
import pyarrow as pa
import pytest

from ftkit.core.errors import BadInput
from ftkit.data.guess import propose
from ftkit.data.read import open_source, read


def save(path, rows):
    path.write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    return path


def chat(i, system="", more=()):
    turns = [{"role": "system", "content": system}] if system else []
    turns += [
        *more,
        {"role": "user", "content": f"question {i} about parcels"},
        {"role": "assistant", "content": f"answer {i % 7}"},
    ]
    return {"messages": turns}


def test_chat_messages_become_question_and_answer(tmp_path):
    path = save(tmp_path / "chat.jsonl", [chat(i, "Be short.") for i in range(30)])
    table = read(path, "input", "output")
    assert [(r["input"], r["output"], r["source_row"]) for r in table.rows[:2]] == [
        ("question 0 about parcels", "answer 0", 1),
        ("question 1 about parcels", "answer 1", 2),
    ]
    assert table.encoding == "utf-8, OpenAI chat messages"
    assert any("Be short." in s and "task.instruction" in s for s in propose(path).sentences)


def test_of_several_turns_the_last_answer_is_learnt_and_the_rest_is_its_input(tmp_path):
    earlier = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    raw = open_source(
        save(tmp_path / "chat.jsonl", [chat(i, more=earlier if i else ()) for i in range(30)])
    )
    assert raw.rows[0][1]["input"] == "question 0 about parcels"
    assert raw.rows[1][1] == {
        "input": "User: hello\nAssistant: hi\nUser: question 1 about parcels",
        "output": "answer 1",
    }
    assert raw.notes[0].startswith("29 of 30 conversations have several turns")


def test_system_turns_that_differ_stand_in_front_of_their_inputs(tmp_path):
    raw = open_source(
        save(tmp_path / "chat.jsonl", [chat(i, f"You are agent {i % 2}.") for i in range(30)])
    )
    assert raw.rows[1][1]["input"] == "You are agent 1.\n\nquestion 1 about parcels"


def test_sharegpt_alpaca_and_text_parts(tmp_path):
    share = [
        {
            "conversations": [
                {"from": "human", "value": f"q{i}"},
                {"from": "gpt", "value": f"a{i}"},
            ],
            "customer": i,
        }
        for i in range(30)
    ]
    raw = open_source(save(tmp_path / "share.jsonl", share))
    assert (
        raw.rows[3][1] == {"input": "q3", "output": "a3", "customer": 3}
        and "ShareGPT" in raw.encoding
    )
    alpaca = [
        {"instruction": f"Sort {i}", "input": "b a" if i % 2 else "", "output": f"{i}"}
        for i in range(30)
    ]
    alpaca[4]["history"] = [["first", "one"]]
    raw = open_source(save(tmp_path / "alpaca.jsonl", alpaca))
    assert [row["input"] for _, row in raw.rows[:2]] == ["Sort 0", "Sort 1\n\nb a"]
    assert raw.rows[4][1]["input"] == "User: first\nAssistant: one\nUser: Sort 4"
    parts = [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": f"q{i}"}]},
                {"role": "assistant", "content": f"a{i}"},
            ]
        }
        for i in range(30)
    ]
    assert open_source(save(tmp_path / "parts.jsonl", parts)).rows[2][1]["input"] == "q2"


def test_one_instruction_for_all_rows_is_the_tasks_and_not_the_inputs(tmp_path):
    rows = [
        {"instruction": "Name the topic.", "input": f"text {i}", "output": f"t{i % 3}"}
        for i in range(30)
    ]
    raw = open_source(save(tmp_path / "alpaca.jsonl", rows))
    assert raw.rows[5][1]["input"] == "text 5" and "Name the topic." in raw.notes[0]


def test_marked_answers_keep_the_good_ones_and_pairs_the_chosen_one(tmp_path):
    marked = [{**chat(i), "label": i % 3 > 0} for i in range(30)]
    table = read(save(tmp_path / "kto.jsonl", marked), "input", "output", fewest=10)
    assert (
        len(table.rows) == 20
        and len(table.rejected) == 10
        and "marked as a bad one" in table.rejected[0].reason
    )
    pairs = [
        {
            "conversations": [{"from": "human", "value": f"q{i}"}],
            "chosen": {"from": "gpt", "value": f"good {i}"},
            "rejected": {"from": "gpt", "value": "bad"},
        }
        for i in range(30)
    ]
    raw = open_source(save(tmp_path / "dpo.jsonl", pairs))
    assert (
        raw.rows[2][1] == {"input": "q2", "output": "good 2"} and "preference.pairs" in raw.notes[0]
    )
    plain = [{"prompt": f"q{i}", "chosen": f"good {i}", "rejected": "bad"} for i in range(30)]
    assert open_source(save(tmp_path / "plain.jsonl", plain)).rows[2][1]["output"] == "good 2"


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "holds (no turns|a text)"),
        ("text", "holds (no turns|a text)"),
        ([{"role": "user", "content": "q"}], "the last turn is the user's"),
        (
            [
                {"role": "user", "content": "q"},
                {"role": "tool", "content": "r"},
                {"role": "assistant", "content": "a"},
            ],
            r"turn 2 is a tool's or calls one \(tool\)",
        ),
        (
            [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": None, "tool_calls": [{}]},
            ],
            "turn 2 is a tool's",
        ),
        (
            [
                {"role": "user", "content": [{"type": "image_url"}]},
                {"role": "assistant", "content": "a"},
            ],
            "something else than text",
        ),
        (
            [{"role": "user", "content": "q"}, {"role": "assistant", "content": ""}],
            "'output' is empty",
        ),
        ([{"role": "user", "content": "q"}, 7], "turn 2 is no object"),
    ],
)
def test_a_row_that_cannot_be_an_example_is_put_aside(tmp_path, turns, reason):
    table = read(
        save(tmp_path / "chat.jsonl", [*(chat(i) for i in range(30)), {"messages": turns}]),
        "input",
        "output",
    )
    assert len(table.rows) == 30 and table.rows_read == 31 and table.rejected[0].row == 31
    import re

    assert re.search(reason, table.rejected[0].reason)


def test_labels_beside_conversations_without_answers_stay_the_output(tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": f"text {i}"}], "topic": f"t{i % 3}"}
        for i in range(30)
    ]
    path = save(tmp_path / "chat.jsonl", rows)
    assert read(path, "input", "topic").rows[4]["output"] == "t1"
    guess = propose(path)
    assert (guess.input_column, guess.output_column, guess.kind) == ("input", "topic", "label")


def test_a_wrong_column_name_lists_those_that_the_layout_gives(tmp_path):
    path = save(tmp_path / "chat.jsonl", [chat(i) for i in range(30)])
    with pytest.raises(BadInput, match="no column 'messages'") as told:
        read(path, "messages", "output")
    assert "input, output" in told.value.todo


TABLE = pd.DataFrame(
    {"text": [f"text {i}" for i in range(30)], "label": [f"l{i % 3}" for i in range(30)]}
)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_arrow_files_are_read(tmp_path, kind):
    path, table = tmp_path / "rows.arrow", pa.Table.from_pandas(TABLE)
    new = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with path.open("wb") as sink, new(sink, table.schema) as writer:
        writer.write_table(table)
    assert read(path, "text", "label").rows[3]["input"] == "text 3"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInput, match="cannot be read as Arrow"):
        read(path, "text", "label")


def test_saved_datasets_are_read_with_their_indices_and_splits(tmp_path):
    from datasets import Dataset, DatasetDict

    data = Dataset.from_pandas(TABLE).select(range(29, -1, -1))
    data.save_to_disk(str(tmp_path / "one"))
    assert read(tmp_path / "one", "text", "label").rows[0]["input"] == "text 29"
    DatasetDict({"train": data, "test": data.select(range(5))}).save_to_disk(str(tmp_path / "both"))
    raw = open_source(tmp_path / "both")
    assert len(raw.rows) == 30 and "also test" in raw.notes[0]
    DatasetDict({"a": data}).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="none called train"):
        open_source(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "kind", "rows", "aside"),
    [
        ("identity", "Alpaca", 91, 0),
        ("dpo_en_demo", "preference pairs", 60, 0),
        ("kto_en_demo", "with marked answers", 38, 22),
        ("glaive_toolcall_en_demo", "conversations with tools", 149, 16),
    ],
)
def test_files_of_another_fine_tuning_tool_are_read_and_nothing_disappears(
    shared_data, name, kind, rows, aside
):
    raw = open_source(shared_data / "llamafactory_formats" / f"{name}.json")
    assert kind in raw.encoding and (len(raw.rows), len(raw.faults)) == (rows, aside)
    assert all(row["input"].strip() and row["output"].strip() for _, row in raw.rows)
