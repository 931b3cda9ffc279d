"""Data as teams have them: what a person sees in a cell is what the model is taught, or the row is put aside with a reason."""

import datetime as dt
import json
import os
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ftkit.core.errors import BadInput
from ftkit.core.parameters.task import TaskParameters
from ftkit.data.canonical import canonical, spellings
from ftkit.data.damage import DAMAGED, END_MARKERS, INVISIBLE
from ftkit.data.fixed_split import date_order, moment
from ftkit.data.guess import propose
from ftkit.data.number_formats import shown
from ftkit.data.read import cell_text, fault, open_raw, open_source, read
from ftkit.data.review import read as read_decisions
from ftkit.data.review import unmatched
from ftkit.scoring.formats import format_of
from ftkit.scoring.json_schema import proposed
from ftkit.scoring.metrics import metric
from ftkit.scoring.parse import parse, text_of
from ftkit.scoring.score import judge
from ftkit.scoring.task_card import build_card
from ftkit.scoring.values import last_number, merged, same_value, value_key, value_text
from ftkit.training.preference.pairs import read_graded, read_pairs

CASES = Path(__file__).parents[3] / "shared" / "cases"
WORDS = "tent lamp kettle parcel refund invoice saddle garden mirror ladder".split()


def text(i):
    return f"the {WORDS[i % 10]} and the {WORDS[i * 7 // 10 % 10]} number {i} do not arrive at home"


def case(name):
    if not CASES.is_dir():
        pytest.skip("the cases are not at hand")
    return CASES / name


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def chat(i, system="", **last):
    head = [{"role": "system", "content": system}] if system else []
    asked = {"role": "user", "content": text(i)}
    return {"messages": [*head, asked, {"role": "assistant", "content": f"answer {i}", **last}]}


def card(**given):
    values = {"enums": {}, "key_fields": [], "knowledge_field": "", "max_words": 0}
    return build_card(TaskParameters(**values | given))


# 1. one text for each typed value


@pytest.mark.parametrize(
    ("value", "shown_as"),
    [
        (True, "true"),
        (None, "null"),
        (1.0, "1"),
        (0.1, "0.1"),
        (float("nan"), "null"),
        (b"tent \xe2\x82\xac", "tent €"),
        (Decimal("1.10"), "1.10"),
        (dt.datetime(2026, 3, 31), "2026-03-31"),
        ({"a": [True, None, 2.0, b"x"]}, '{"a":[true,null,2,"x"]}'),
        (1e22, "1e+22"),
    ],
)
def test_a_typed_value_has_one_text(value, shown_as):
    assert value_text(value) == shown_as


def test_true_false_and_null_in_records_are_kept_from_file_to_score(tmp_path):
    records = [{"refund": i % 2 == 0, "agent": None if i % 3 else "night"} for i in range(60)]
    path = lines(
        tmp_path / "d.jsonl",
        [{"text": text(i), "answer": json.dumps(r)} for i, r in enumerate(records)],
    )
    guess = propose(path)
    task = card(
        **{k: v for k, v in guess.sections["task"].items() if k in TaskParameters.model_fields}
    )
    assert task.allowed("refund") == ["false", "true"] and "null" in task.allowed("agent")
    answer = json.dumps(records[0])
    assert canonical(task, answer, spellings(task, [answer])) == '{"refund":true,"agent":"night"}'
    loose = parse(task, f"Here: {answer}")
    assert format_of(task, f"Here: {answer}", loose) == "repairable"
    assert json.loads(text_of(loose))["refund"] is True
    assert judge(task, loose, parse(task, answer)) == (True, 1.0)
    schema = proposed(task.fields, {"refund": ["false", "true"]}, records)
    assert schema["properties"]["refund"] == {"enum": [False, True]}


def test_spellings_of_a_value_are_merged_before_they_are_proposed(tmp_path):
    urgency = ["low", "Low", "low ", "high"]
    rows = [
        {"text": text(i), "answer": json.dumps({"urgency": urgency[i % 4], "n": i % 3 + 0.0})}
        for i in range(60)
    ]
    task = propose(lines(tmp_path / "d.jsonl", rows)).sections["task"]
    assert task["enums"]["urgency"] == ["high", "low"] and task["enums"]["n"] == ["0", "1", "2"]


# 4. signs decide identity


def test_declared_labels_stay_apart_and_marks_of_a_label_count():
    labels = ["A", "A*", "B+", "B"]
    task = card(kind="label", labels=labels, fields=[])
    assert [parse(task, a).content for a in ("A*", "**A**", "The grade is A*.", "b+", '"B"')] == [
        "A*",
        "A",
        "A*",
        "B+",
        "B",
    ]
    assert judge(task, parse(task, "A"), parse(task, "A*"))[0] is False
    assert merged({"A": 50, "A*": 1})["A*"] == "A*"


def test_a_rare_mark_around_a_label_is_a_typing_error_and_a_frequent_one_is_not():
    assert merged({"delivery": 30, "Delivery.": 2, "delivery!": 1})["delivery!"] == "delivery"
    assert merged({"yes": 30, "yes!": 25})["yes!"] == "yes!"
    assert value_key("1.0") == value_key("1") and not same_value("1.5", "1")


def test_numbers_and_dates_are_read_by_their_writing():
    assert last_number("1.234,50 EUR") == 1234.5 and last_number("1,234.50") == 1234.5
    assert last_number("1.234", ",") == 1234 and last_number("0,5") == 0.5
    assert metric("number")("12,50", "12.5") == 1 and metric("number", 0, ",")("1.234", "1234") == 1
    assert date_order(["03/04/26", "31/03/26"]) == "day first"
    assert date_order(["03/04/26", "03/31/26"]) == "month first" and date_order(["03/04/26"]) == ""
    assert moment("03/04/2026", "day first").startswith("2026-04-03") and moment("03/04/26") == ""


# 2. what a layout says


def test_the_system_turn_of_some_rows_stays_in_front_of_their_input(tmp_path):
    path = lines(tmp_path / "c.jsonl", [chat(i, "In French." if i % 2 else "") for i in range(40)])
    raw = open_source(path)
    assert raw.rows[1][1]["input"].startswith("In French.") and raw.rows[0][1]["input"] == text(0)


def test_a_system_turn_of_all_rows_becomes_the_instruction(tmp_path):
    guess = propose(lines(tmp_path / "c.jsonl", [chat(i, "Answer briefly.") for i in range(40)]))
    assert guess.sections["task"]["instruction"] == "Answer briefly."


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([chat(i, weight=i % 2) for i in range(40)], "weight 0"),
        ([chat(i) | {"label": ["good", "bad"][i % 2]} for i in range(40)], "label bad"),
        (
            [{"prompt": text(i), "completion": f"a {i}", "label": i % 2 == 1} for i in range(40)],
            "label false",
        ),
        (
            [
                {"instruction": text(i), "input": "", "output": f"a {i}", "kto_tag": i % 2 == 1}
                for i in range(40)
            ],
            "kto_tag false",
        ),
        ([chat(i, tool_calls=[{"id": "x"}] if i % 2 else None) for i in range(40)], "calls one"),
    ],
)
def test_rows_marked_as_bad_or_calling_tools_are_put_aside_with_the_reason(tmp_path, rows, reason):
    raw = open_source(lines(tmp_path / "c.jsonl", rows))
    assert len(raw.rows) == len(raw.faults) == 20 and reason in raw.faults[0][1]


def test_message_lists_as_prompt_and_completion_are_input_and_output(tmp_path):
    rows = [
        {"prompt": chat(i)["messages"][:1], "completion": chat(i)["messages"][1:]}
        for i in range(30)
    ]
    assert open_source(lines(tmp_path / "p.jsonl", rows)).rows[3][1] == {
        "input": text(3),
        "output": "answer 3",
    }


def test_unknown_roles_and_unknown_keys_are_counted_and_named(tmp_path):
    rows = [chat(i, reasoning="thinking") for i in range(30)]
    raw = open_source(lines(tmp_path / "k.jsonl", rows))
    assert any("'reasoning' (30 turns)" in note for note in raw.notes)
    for row in rows:
        row["messages"][0]["role"], row["messages"][1]["role"] = "customer", "agent"
    with pytest.raises(
        BadInput, match=r"customer.*\n.*'customer' \(30 turns\), 'agent' \(30 turns\)"
    ):
        propose(lines(tmp_path / "r.jsonl", rows))


@pytest.mark.parametrize("write", [json.dumps, str])
def test_a_conversation_written_as_text_is_taken_apart(tmp_path, write):
    table = pd.DataFrame(
        {"id": range(30), "messages": [write(chat(i)["messages"]) for i in range(30)]}
    )
    table.to_csv(tmp_path / "c.csv", index=False)
    assert open_source(tmp_path / "c.csv").rows[2][1]["output"] == "answer 2"


def test_pairs_keep_system_and_earlier_turns_and_ratings_of_steps_are_refused(tmp_path):
    asked = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "How long?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": "the tent"},
    ]
    rows = [
        {
            "prompt": asked,
            "chosen": [{"role": "assistant", "content": "30 days"}],
            "rejected": [{"role": "assistant", "content": f"{i} days"}],
        }
        for i in range(9)
    ]
    prompt = read_pairs(lines(tmp_path / "p.jsonl", rows))[0].prompt
    assert prompt == "Be short.\n\nUser: How long?\nAssistant: Which one?\nUser: the tent"
    steps = [{"prompt": "q", "answer": f"a {i}", "rating": i % 5 + 1} for i in range(20)]
    with pytest.raises(BadInput, match="rating of several steps"):
        read_graded(lines(tmp_path / "r.jsonl", steps))


# 3. optional fields


def test_optional_fields_stay_and_records_without_them_stay_too(tmp_path):
    rows = [
        {
            "text": text(i),
            "answer": json.dumps({"team": "ab"[i % 2]} | ({"due": f"d{i}"} if i % 7 else {})),
        }
        for i in range(70)
    ]
    guess = propose(lines(tmp_path / "d.jsonl", rows))
    assert guess.fields == ["team", "due"] and guess.optional_fields == ["due"]
    task = card(fields=["team", "due"], optional_fields=["due"], key_fields=["team", "due"])
    short = parse(task, '{"team":"a"}')
    assert short.format == "strict" and format_of(task, '{"team":"a"}', short) == "strict"
    assert (
        judge(task, short, short)[0] and not judge(task, short, parse(task, rows[1]["answer"]))[0]
    )
    assert proposed(task.fields, {}, [{"team": "a"}], ["due"])["required"] == ["team"]


# 5. spreadsheets


def book(tmp_path, fill):
    made = openpyxl.Workbook()
    fill(made.active, made)
    made.save(tmp_path / "b.xlsx")
    return tmp_path / "b.xlsx"


def test_a_sheet_is_read_as_a_person_sees_it(tmp_path):
    def fill(sheet, made):
        sheet.title = "hidden list"
        sheet.sheet_state = "hidden"
        sheet.append(["colour", "code"])
        seen = made.create_sheet("tickets")
        seen["A1"] = "Report 2026"
        seen.append([])
        seen.append(["text", "label", "share", "price", "zip", "sum"])
        for i in range(30):
            seen.append([text(i), "ab"[i % 2], i / 100, 1234.5, 42, "=1+1" if i == 3 else i])
            row = seen.max_row
            for column, code in (("C", "0%"), ("D", '#,##0.00 "€"'), ("E", "00000")):
                seen[f"{column}{row}"].number_format = code
        seen["B4"], seen["B4"].data_type = "#N/A", "e"
        seen.row_dimensions[5].hidden = True
        seen.merge_cells("B10:B12")
        seen["A15"] = "line_x000D_end"

    raw = open_raw(book(tmp_path, fill))
    rows = dict(raw.rows)
    assert raw.columns == ["text", "label", "share", "price", "zip", "sum"]
    assert [rows[6][c] for c in ("share", "price", "zip")] == ["2%", "1,234.50 €", "00042"]
    assert fault(rows[4], ("label",)) == "column 'label' holds the error #N/A"
    assert "formula without a stored value" in fault(rows[7], ("sum",))
    assert raw.faults[0][0] == 5 and "hidden" in raw.faults[0][1]
    assert (
        rows[11]["label"] == rows[12]["label"] == rows[10]["label"]
        and rows[15]["text"] == "line\rend"
    )
    notes = " ".join(raw.notes)
    assert "'hidden list' (1 rows, hidden)" in notes and "Report 2026" in notes


@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        (0.125, "0.0%", "12.5%"),
        (-3, "0.00", "-3.00"),
        (-5, "0;(0)", "(5)"),
        (1e6, "#,##0", "1,000,000"),
        (12, "[$€-407] 0.00", "€ 12.00"),
        (7, "General", "7"),
        (0.5, "# ?/?", "0.5"),
    ],
)
def test_a_number_is_taught_as_its_cell_shows_it(value, code, seen):
    assert shown(value, code) == seen


# 6. several readings, and 9. what was lost


def test_which_of_several_arrays_was_read_is_told(tmp_path):
    rows = [{"text": text(i), "label": "ab"[i % 2]} for i in range(30)]
    path = tmp_path / "s.json"
    path.write_text(
        json.dumps({"test": rows[:10], "train": rows, "meta": {"features": [{"n": 1}]}})
    )
    raw = open_source(path)
    assert len(raw.rows) == 30 and "not read: 'test' (10)" in raw.notes[0]


def test_sep_lines_stray_quotes_and_error_texts_are_read_as_they_are_seen(tmp_path):
    body = "".join(f"{text(i)};{'ab'[i % 2]}\n" for i in range(30))
    (tmp_path / "s.csv").write_text("sep=;\ntext;label\n" + body)
    assert len(open_raw(tmp_path / "s.csv").rows) == 30
    stray = "".join(
        f'"{text(i)}\t{"ab"[i % 2]}\n' if i == 3 else f"{text(i)}\tb\n" for i in range(30)
    )
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + stray)
    raw = open_raw(tmp_path / "t.tsv")
    assert len(raw.rows) == 30 and raw.rows[3][1]["text"].startswith('"the')
    (tmp_path / "e.csv").write_text(
        "text,label\n"
        + "".join(f"{text(i)},{'a#N/A'[i % 2 :][:1] if i % 3 else '#N/A'}\n" for i in range(60))
    )
    guess = propose(tmp_path / "e.csv")
    assert any(
        "20 rows: column 'label' holds the error #N/A (first row 2)" in s for s in guess.sentences
    )
    assert guess.sections["data"]["most_removed"] > 0.33


def test_class_names_and_bytes_of_parquet_files_are_their_texts(tmp_path):
    table = pa.table(
        {"text": [text(i).encode() for i in range(30)], "label": [i % 2 for i in range(30)]}
    )
    told = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(told)}), tmp_path / "p.parquet"
    )
    raw = open_raw(tmp_path / "p.parquet")
    assert raw.rows[1][1] == {"text": text(1), "label": "yes"} and "class names" in raw.notes[0]


# 10. signs of damage


def test_signs_of_damage_and_only_these_are_seen():
    damaged = [s.encode().decode("cp1252", "replace") for s in ("über", "10 €", "naïve", "košile")]
    assert all(map(DAMAGED.search, damaged)) and DAMAGED.search("привет".encode().decode("latin-1"))
    fine = ["„Spaß“", "«CAFÉ»", "Àéîõü", "São", "10 € – 20 €", "Ä“"]
    assert not any(map(DAMAGED.search, fine))
    assert not any(map(INVISIBLE.search, ["می‌خواهم", "क्‍ष", "👩‍💻", "שלום‏"]))
    assert INVISIBLE.search("pay\u200bpal") and INVISIBLE.search("a\u200db")
    assert END_MARKERS.sub("", "fine.<|im_end|>\n</s>") == "fine."


# the cases


@pytest.mark.parametrize(
    ("name", "rows", "says"),
    [
        ("01-bool-null-fields/desk.jsonl", 60, "'refund' has the known values false, true"),
        ("02-system-in-some-rows/chat.jsonl", 60, "30 of 60 rows have a system turn"),
        ("04-weight-0/weight.jsonl", 30, "weight 0"),
        ("06-trl-formats/kto.jsonl", 30, "marked as a bad one"),
        ("06-trl-formats/prompt_completion.jsonl", 60, "kind text"),
        ("09-chat-as-text/chats.csv", 60, "taken apart"),
        ("11-hidden-first-sheet/tickets.xlsx", 60, "Read sheet 'tickets'"),
        ("12-error-cells/errors.xlsx", 48, "12 rows: column 'label' holds the error #N/A"),
        ("15-tsv-quotes/words.tsv", 60, "Quote signs are letters"),
        ("17-parquet-bytes/spark.parquet", 60, "kind label"),
        ("18-class-names/named.parquet", 60, "delivery, returns, billing"),
        ("18-class-names/saved", 60, "delivery, returns, billing"),
        ("20-several-arrays/splits.json", 60, "not read: 'validation'"),
        ("20-several-arrays/features_first.json", 90, "not read: 'features'"),
        ("34-fields-in-some-records/half.jsonl", 60, "'escalate_to' (in 30 of 60)"),
        ("34-fields-in-some-records/most.jsonl", 60, "'due' (in 51 of 60)"),
        ("35-spellings-in-a-field/urgency.jsonl", 60, "'urgency' has the known values high, low"),
        ("37-long-answers/long.jsonl", 40, "longer than max_new_tokens 512"),
    ],
)
def test_a_reported_case_is_read_right(name, rows, says):
    path = case(name)
    guess = propose(path)
    assert any(says in sentence for sentence in guess.sentences)
    table = read(path, guess.input_column, guess.output_column)
    assert len(table.rows) == rows and table.rows_read == rows + len(table.rejected)
    assert not any(row["output"].startswith(("b'", "[{")) for row in table.rows)


def test_reported_pairs_are_read_right():
    folder = case("31-pairs-lose-turns")
    prompt = read_pairs(folder / "turns.jsonl")[0].prompt
    assert "Be short." in prompt and "Which product?" in prompt and "the tent 0" in prompt
    assert "\n" in read_pairs(folder / "lines.csv")[0].chosen
    assert len(read_pairs(folder / "separator.jsonl")) >= 8


def test_a_number_as_new_answer_in_a_review_workbook_is_that_answer():
    folder = case("38-review-from-a-sheet")
    made = read_decisions(folder / "review.xlsx")["ab12"]
    assert (made.action, made.answer) == ("fix", "0")
    row = {"input": "a", "output": "b", "source_row": 2}
    decisions = read_decisions(folder / "review.csv")
    assert unmatched([row], decisions) == list(decisions.values()) != []


def test_roles_that_are_not_known_are_named_beside_those_that_are():
    with pytest.raises(BadInput, match=r"'customer'.*'agent'.*Known are user: user, human"):
        propose(case("07-other-role-names/helpdesk.jsonl"))


def test_the_longest_answer_stands_once_so_that_later_sections_inherit_it():
    sections = propose(case("43-inherited-values/replies.jsonl")).sections
    named = [n for n, values in sections.items() if "max_new_tokens" in values]
    assert named == ["model"]


# a generator of hostile tables

TABLES = int(os.environ.get("FTKIT_HOSTILE_TABLES", "150"))
SHOWN = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))
CELL = st.one_of(
    st.text(st.one_of(SHOWN, st.sampled_from("\",;\t|'\n*#=:()<>{}[]\u2028\ufeff")), max_size=20),
    st.sampled_from(["#N/A", "null", "NaN", "007", "1.0", "sep=;", '"', "=1+1", "_x000D_", "1,5"]),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.dates(dt.date(1990, 1, 1), dt.date(2100, 1, 1)),
    st.none(),
)
FORMATS = ("csv", "semicolon.csv", "tsv", "jsonl", "json", "orient.json", "parquet", "xlsx")


def plain(value):
    """What a person sees in the cell."""
    return "" if value is None else value_text(value).strip()


def written(rows, kind, folder):
    """Write rows of texts or typed cells the way pandas, pyarrow or openpyxl do; return the path."""
    path = folder / f"rows.{kind}"
    texts = pd.DataFrame([{k: plain(v) for k, v in row.items()} for row in rows])
    if kind.endswith("csv") or kind == "tsv":
        mark = {"csv": ",", "semicolon.csv": ";", "tsv": "\t"}[kind]
        texts.to_csv(path, index=False, sep=mark)
    elif kind == "jsonl":
        lines(
            path,
            [
                {k: v if not isinstance(v, dt.date) else plain(v) for k, v in r.items()}
                for r in rows
            ],
        )
    elif kind == "json":
        path.write_text(
            json.dumps(
                [
                    {k: v if not isinstance(v, dt.date) else plain(v) for k, v in r.items()}
                    for r in rows
                ]
            )
        )
    elif kind == "orient.json":
        texts.to_json(path, orient="split")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pandas(texts), path)
    else:
        made = openpyxl.Workbook()
        made.active.append(["text", "label", "note"])
        for row in rows:
            made.active.append(["'" if v is None else v for v in row.values()])
            for cell, value in zip(made.active[made.active.max_row], row.values(), strict=True):
                if isinstance(value, str):
                    cell.data_type = "s"
                if value is None:
                    cell.value = None
        made.save(path)
    return path


def ambiguous(rows, kind):
    """Whether a table can be read in two ways: tabs and line ends within cells of a tab-separated file."""
    cells = [plain(v) for row in rows for v in row.values()]
    marks = {"tsv": "\t\n", "csv": "\n", "semicolon.csv": "\n"}.get(kind, "")
    return any(c in cell for cell in cells for c in marks) and any(
        '"' in c or "\n" in c for c in cells
    )


@settings(
    max_examples=TABLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(
        st.fixed_dictionaries({"text": CELL, "label": CELL, "note": CELL}), min_size=4, max_size=8
    ),
    st.sampled_from(FORMATS),
)
def test_what_a_person_sees_is_what_is_taught_or_the_row_is_put_aside(tmp_path_factory, rows, kind):
    rows = [
        {"text": f"row {i} {plain(row['text'])}", "label": row["label"], "note": row["note"]}
        for i, row in enumerate(rows)
    ]
    if kind == "tsv" and ambiguous(rows, kind):
        return
    folder = tmp_path_factory.mktemp("hostile")
    try:
        table = read(written(rows, kind, folder), "text", "label", fewest=0)
    except (BadInput, openpyxl.utils.exceptions.IllegalCharacterError) as error:
        assert str(error)  # refused as a whole, and told
        return
    assert table.rows_read == len(table.rows) + len(table.rejected)
    assert len(table.rows) + len(table.rejected) >= len(rows)
    by_number = {int(row["input"].split()[1]): row for row in table.rows}
    for number, row in enumerate(rows):
        if number in by_number:
            taught = by_number[number]
            assert taught["output"] == seen_in(kind, row["label"])
            assert taught["input"] == seen_in(kind, row["text"])
    lost = len(rows) - len(by_number)
    assert lost == len(table.rejected) and all(r.reason for r in table.rejected)


def seen_in(kind, value):
    """What the program that wrote the file shows in the cell."""
    import re

    if kind == "xlsx" and isinstance(value, float):  # openpyxl writes 16 digits, whole ones bare
        written = f"{value:.16g}"
        value = int(written) if written.lstrip("-").isdigit() else float(written)
    seen = plain(value)
    if kind == "xlsx":  # the format's own escapes
        seen = re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m[1], 16)), seen).strip()
    return seen


def test_workbooks_and_tables_that_other_packages_ship_are_read_or_told():
    roots = [Path(module.__file__).parent for module in (openpyxl, pa, pd)]
    files = [
        f
        for root in roots
        for e in ("xlsx", "parquet", "csv", "json")
        for f in root.rglob(f"*.{e}")
    ]
    for path in files[:200]:
        try:
            raw = open_raw(path)
        except BadInput as error:
            assert str(path) in str(error)
        else:
            assert raw.rows or raw.faults or raw.columns
            [
                cell_text(v)
                for _, row in raw.rows[:50]
                for v in row.values()
                if not fault(row, (), list(row))
            ]
