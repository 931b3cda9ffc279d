"""JSON Schema: read with its faults named, held against answers, proposed from data; and nearly-JSON answers mended."""

import json
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.task import TaskParameters
from ftkit.data.clean import clean, mended
from ftkit.scoring.formats import failures, format_of
from ftkit.scoring.json_schema import faults, proposed, read_schema
from ftkit.scoring.parse import parse
from ftkit.scoring.task_card import build_card
from ftkit.strategies.structured_output import response_format

TICKET = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["desk", "amount", "tags"],
    "additionalProperties": False,
    "properties": {
        "desk": {"enum": ["billing", "returns"]},
        "amount": {"type": "number", "minimum": 0},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 3},
    },
    "$defs": {"tag": {"type": "string", "pattern": "^[a-z]+$"}},
}
RIGHT = '{"desk":"billing","amount":12.5,"tags":["late"]}'


def file_of(folder, content):
    path = folder / "ticket.schema.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def card(tmp_path):
    path = file_of(tmp_path, TICKET)
    return build_card(
        TaskParameters(
            output_schema=str(path),
            fields=[],
            key_fields=[],
            enums={},
            knowledge_field="",
            max_words=0,
        )
    )


def test_a_card_takes_fields_and_known_values_from_the_schema_and_holds_answers_to_it(card):
    assert card.fields == ["desk", "amount", "tags"] and card.key_fields == card.fields
    assert format_of(card, RIGHT, parse(card, RIGHT)) == "strict"
    for wrong, told in (
        ('{"desk":"billing","amount":-1,"tags":[]}', "$.amount -1 is less than the minimum"),
        ('{"desk":"billing","amount":1,"tags":["LATE"]}', "$.tags[0] 'LATE' does not match"),
        ('{"desk":"billing","amount":"1","tags":[]}', "$.amount '1' is not of type 'number'"),
    ):
        assert format_of(card, wrong, parse(card, wrong)) == "failed"
        assert any(told in fault for fault in failures(card, wrong))
    assert response_format(card, [RIGHT]).value == TICKET, "answers can be held within it"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ([1], "no schema of an object"),
        ({"type": "object"}, "no schema of an object"),
        ({**TICKET, "$schema": "http://json-schema.org/draft-07/schema#"}, "draft-07"),
        ({**TICKET, "required": "desk"}, r"\$\.required"),
        ({**TICKET, "properties": {"a": {"$ref": "http://x/y"}}}, "outside of itself"),
        ({**TICKET, "properties": {"a": {"pattern": "(a+)+$"}}}, "too long"),
        ({**TICKET, "properties": {"a": {"pattern": "("}}}, "is not a 'regex'"),
        (
            {**TICKET, "properties": {"a": {"patternProperties": {r"^\p{L}+$": {}}}}},
            "is not a 'regex'",
        ),
        ({**TICKET, "properties": {"a": {"patternProperties": {"(a+)+$": {}}}}}, "too long"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told(tmp_path, content, told):
    with pytest.raises(BadInput, match=told):
        read_schema(file_of(tmp_path, content))


def test_a_missing_file_and_a_strange_field_are_told(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        read_schema(tmp_path / "gone.json")
    path = file_of(tmp_path, TICKET)
    with pytest.raises(BadInput, match=r"'dsk' is no property.*did you mean 'desk'"):
        build_card(
            TaskParameters(
                output_schema=str(path), fields=["dsk"], key_fields=[], enums={}, knowledge_field=""
            )
        )


def test_a_proposed_schema_holds_for_what_it_was_made_from():
    records = [{"a": "x", "b": 1, "c": None}, {"a": "y", "b": 2.5, "c": [1]}]
    found = proposed(["a", "b", "c"], {"a": ["x", "y", "z"]}, records)
    assert not any(faults(found, record) for record in records)
    assert faults(found, {"a": "w", "b": 1, "c": None}) and faults(
        found, {"a": "x", "b": "1", "c": None}
    )


@pytest.mark.parametrize(
    ("output", "after"),
    [
        ('{"desk":"billing","amount":12.5,"tags":["late"],}', RIGHT),
        ("{'desk':'billing','amount':12.5,'tags':['late']}", RIGHT),
        ('{desk: "billing", amount: 12.5, tags: ["late"]', RIGHT),
        ('{"desk":"Billing","amount":12.5,"tags":["late"],}', RIGHT),
        (RIGHT, ""),
        ("billing, 12.5, late", ""),
        ('{"desk":"billing","amount":12.5', ""),
        ('{"desk":"parking","amount":1,"tags":[],}', ""),
    ],
)
def test_what_is_nearly_json_is_mended_and_nothing_is_made_up(card, output, after):
    assert mended(card, output) == after


def test_repairs_are_made_only_when_asked_for_and_each_is_told(card):
    def rows():
        good = [
            {"input": f"text number {k}", "output": RIGHT, "group": "", "source_row": k + 2}
            for k in range(3)
        ]
        return [
            *good,
            {
                "input": "one more, quite different",
                "output": RIGHT[:-1] + ",}",
                "group": "",
                "source_row": 9,
            },
        ]

    left, mend = clean(rows(), card, 0.8), clean(rows(), card, 0.8, repair=True)
    assert len(left.rows) < len(mend.rows) and [
        r.row for r in left.removed if "broken answers" in r.reason
    ] == [9]
    assert mend.repaired == [{"row": 9, "file": "", "before": RIGHT[:-1] + ",}", "after": RIGHT}]
    for done, told in ((left, "data.repair: true mends them"), (mend, "kept, mended")):
        assert any(
            d.kind == "nearly JSON" and d.count == 1 and told in d.action for d in done.defects
        )


def test_the_official_suite_passes_as_far_as_the_library_does(shared_data):
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    folder = shared_data / "json_schema_suite"
    registry = Registry()
    for path in sorted((folder / "remotes").rglob("*.json")):
        content = json.loads(path.read_text())
        uri = f"http://localhost:1234/{path.relative_to(folder / 'remotes').as_posix()}"
        registry = registry.with_resource(
            uri, Resource.from_contents(content, default_specification=DRAFT202012)
        )
    wrong, n = [], 0
    for path in sorted((folder / "tests" / "draft2020-12").glob("*.json")):
        for case in json.loads(path.read_text()):
            for test in case["tests"]:
                n += 1
                try:
                    right = (
                        Draft202012Validator(case["schema"], registry=registry).is_valid(
                            test["data"]
                        )
                        == test["valid"]
                    )
                except Exception as error:  # noqa: BLE001  whatever the library raises is a difference to list
                    right = False
                    wrong.append(type(error).__name__)
                if not right:
                    wrong.append(f"{Path(path).stem}: {case['description']}: {test['description']}")
    assert n > 1200
    assert wrong == DIFFERENCES


UNICODE = "pattern: pattern with Unicode property escape requires unicode mode"
NAMES = "patternProperties: patternProperties with Unicode property escape"
DIFFERENCES = [
    "error",
    f"{UNICODE}: ASCII letters match",
    "error",
    f"{UNICODE}: Non-ASCII letters match",
    "error",
    f"{UNICODE}: Digits do not match",
    "error",
    f"{NAMES}: Unicode letter property name matches",
    "error",
    f"{NAMES}: Non-letter property name does not match pattern",
    "vocabulary: schema that uses custom metaschema with with no validation vocabulary: no validation: invalid number, but it still validates",
]
"""Python's patterns know no ``p{...}`` (such a schema is refused when it is read), and a schema's own vocabulary is not followed."""
