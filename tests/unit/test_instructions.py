"""Verifiable instructions are checked by their rules, and the published answers get their published scores."""

import json
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.evaluation.general_skills import general_questions, is_right
from ftkit.evaluation.ifeval import RULES, Instructions, sentences

DATA = Path(__file__).parents[3] / "shared" / "data" / "capability_probe"


@pytest.mark.parametrize(
    ("kind", "values", "good", "bad"),
    [
        (
            "keywords:existence",
            {"keywords": ["parcel", "Monday"]},
            "The PARCEL comes on monday.",
            "The parcel comes.",
        ),
        (
            "keywords:frequency",
            {"keyword": "tea", "frequency": 2, "relation": "at least"},
            "Tea, more tea.",
            "One tea.",
        ),
        (
            "keywords:frequency",
            {"keyword": "tea", "frequency": 2, "relation": "less than"},
            "One tea.",
            "Tea, more tea.",
        ),
        ("keywords:forbidden_words", {"forbidden_words": ["late"]}, "It is plate-late", None),
        ("keywords:forbidden_words", {"forbidden_words": ["late"]}, "A plate.", "It is LATE."),
        (
            "keywords:letter_frequency",
            {"letter": "z", "let_frequency": 2, "let_relation": "at least"},
            "ZigZag",
            "Zig",
        ),
        (
            "language:response_language",
            {"language": "de"},
            "Ihr Paket kommt am Montag bei Ihnen an, und wir danken Ihnen für Ihre Geduld.",
            "The parcel arrives on Monday, thank you very much.",
        ),
        (
            "length_constraints:number_sentences",
            {"num_sentences": 2, "relation": "at least"},
            "One. Two!",
            "Dr. Who came.",
        ),
        (
            "length_constraints:number_paragraphs",
            {"num_paragraphs": 2},
            "a\n***\nb",
            "a\n***\n***\nb",
        ),
        (
            "length_constraints:number_words",
            {"num_words": 3, "relation": "less than"},
            "two words",
            "three words now",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "so"},
            "a\n\n'So, b",
            "so\n\nb",
        ),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] [b]", "[a]"),
        ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye.\nP.S. more", "Bye."),
        (
            "detectable_content:postscript",
            {"postscript_marker": "P.P.S"},
            "p.p.s. more",
            "P.S. more",
        ),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n- b", "* a\n* b\n* c"),
        ("detectable_format:constrained_response", {}, "Well: My answer is maybe.", "Maybe."),
        (
            "detectable_format:number_highlighted_sections",
            {"num_highlights": 2},
            "*a* and **b**",
            "*a*",
        ),
        (
            "detectable_format:multiple_sections",
            {"section_spliter": "Day", "num_sections": 2},
            "Day 1\na\nDay 2\nb",
            "Day 1",
        ),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "{a: 1}"),
        ("detectable_format:title", {}, "<<Report>>\ntext", "<< >>"),
        ("combination:two_responses", {}, "one\n******\ntwo", "one\n******\none"),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "say it. Yes.", "Yes."),
        (
            "startend:end_checker",
            {"end_phrase": "Any questions?"},
            'Fine. any questions?"',
            "Any questions? No.",
        ),
        ("startend:quotation", {}, '"all of it"', 'not "all" of it'),
        (
            "change_case:capital_word_frequency",
            {"capital_frequency": 2, "capital_relation": "at least"},
            "GO NOW please",
            "Go NOW",
        ),
        (
            "change_case:english_capital",
            {},
            "THE PARCEL ARRIVES ON MONDAY MORNING.",
            "The parcel arrives.",
        ),
        (
            "change_case:english_lowercase",
            {},
            "the parcel arrives on monday morning.",
            "The parcel arrives.",
        ),
        ("punctuation:no_comma", {}, "no such sign", "one, two"),
    ],
)
def test_each_instruction_holds_where_it_is_followed_and_nowhere_else(kind, values, good, bad):
    asked = Instructions.of([kind], [values])
    assert asked.followed(good) == ([True] if bad is not None else [False])
    assert bad is None or asked.followed(bad) == [False]
    assert asked.followed("") == asked.followed("", loose=True) == [False]


def test_every_kind_is_tested_above():
    marks = test_each_instruction_holds_where_it_is_followed_and_nowhere_else.pytestmark[0]
    assert {case[0] for case in marks.args[1]} == set(RULES) and len(RULES) == 25


def test_read_loosely_a_first_or_last_line_and_asterisks_do_not_count():
    asked = Instructions.of(
        ["detectable_format:json_format", "startend:end_checker"], [{}, {"end_phrase": "bye"}]
    )
    assert (
        asked.followed('Sure:\n{"a": 1}') == [False, False]
        and asked.followed('Sure:\n{"a": 1}', loose=True)[0]
    )
    assert asked.followed("say **bye**", loose=True)[1] and not asked.followed("say **bye**")[1]


def test_abbreviations_and_numbers_end_no_sentence():
    assert sentences(
        "Mr. Bell paid 3.50 EUR. Was it late? Yes, e.g. on Monday!\n1. First point here."
    ) == ["Mr. Bell paid 3.50 EUR.", "Was it late?", "Yes, e.g. on Monday!", "1. First point here."]


def items(tmp_path, rows):
    path = tmp_path / "ifeval.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return general_questions(EvaluationParameters(general_questions=str(path)), 0, 7)


def test_a_file_of_instructions_is_asked_and_graded_by_following_all_of_them(tmp_path):
    rows = [
        {
            "prompt": f"Write {k} without commas in quotes.",
            "instruction_id_list": ["punctuation:no_comma", "startend:quotation"],
            "kwargs": [{}, {}],
        }
        for k in range(20)
    ]
    found = items(tmp_path, rows)
    assert 3 < len(found) < 17 and found[0][2] == "following instructions"
    assert is_right('"no sign"', found[0][1]) and not is_right('"one, two"', found[0][1])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"instruction_id_list": ["punctuation:no_dash"], "kwargs": [{}]},
            "line 1: 'punctuation:no_dash' is no instruction",
        ),
        (
            {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}, {}]},
            "2 kwargs for 1 instructions",
        ),
        ({"instruction_id_list": 3}, "are no lists"),
    ],
)
def test_instructions_that_cannot_be_checked_are_told_with_their_line(tmp_path, row, told):
    with pytest.raises(BadInput, match=told):
        items(tmp_path, [{"prompt": "Write.", **row}])


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data set capability_probe is not here")
def test_published_answers_get_their_published_scores():
    asked = {
        row["prompt"]: row
        for line in (DATA / "ifeval_input_data.jsonl").read_text().splitlines()
        for row in [json.loads(line)]
    }
    answers = [
        json.loads(line) for line in (DATA / "ifeval_gpt4_responses.jsonl").read_text().splitlines()
    ]
    for loose, by_prompt, by_instruction in ((False, 0.7722, 0.8377), (True, 0.7963, 0.8558)):
        found = []
        for row in answers:
            wanted = asked[row["prompt"]]
            found.append(
                Instructions.of(wanted["instruction_id_list"], wanted["kwargs"]).followed(
                    row["response"], loose
                )
            )
        single = [ok for each in found for ok in each]
        assert abs(sum(map(all, found)) - by_prompt * len(found)) < 2.5, (
            "within 2 of 540 prompts of the original scorer"
        )
        assert abs(sum(single) - by_instruction * len(single)) < 2.5, "within 2 of 832 instructions"
