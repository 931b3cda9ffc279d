"""The nano base: its tokenizer, its files, its lessons."""

import json
import random
import re
import shutil
import time

import pytest

from ftkit.core.errors import BadInput
from ftkit.models import nano
from ftkit.models.nano import checkpoint_folder, fits, verify
from recipes.nano import curriculum, lexicon, skills
from recipes.nano.shipped import LESSON_COUNT, SEED

FOLDER = checkpoint_folder()
CONVERSATION = [
    {"role": "system", "content": "Answer with one of these labels:\ndelivery\nreturns"},
    {"role": "user", "content": "where is my parcel"},
    {"role": "assistant", "content": "delivery"},
    {"role": "user", "content": "I send it back"},
    {"role": "assistant", "content": "returns"},
]


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture
def copy(tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(FOLDER, folder)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "Straße, naïve café",
        "🙂🚀 👩‍👩‍👧",
        "مرحبا بالعالم",
        "你好，世界",
        "a\tb\r\n\x00\x1b  c ",
        "",
        "  two  spaces  ",
        "H-0123 €12.50 #4821",
        '{"a":"b"}',
        "\ufeff\u200b",
    ],
)
def test_any_text_survives_the_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_random_unicode_survives_the_round_trip(tokenizer):
    rng = random.Random(5)
    for _ in range(200):
        text = "".join(
            chr(
                rng.choice(
                    [
                        rng.randrange(32, 127),
                        rng.randrange(160, 0xD7FF),
                        rng.randrange(0x10000, 0x1FFFF),
                    ]
                )
            )
            for _ in range(40)
        )
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_digits_stand_alone_and_common_words_are_whole(tokenizer):
    assert tokenizer.tokenize("4821") == list("4821")
    for word in ("delivery", "refund", "invoice", "category"):
        assert len(tokenizer.tokenize(word)) == len(tokenizer.tokenize(" " + word)) == 1


def test_the_chat_template_marks_exactly_the_answers(tokenizer):
    coded = tokenizer.apply_chat_template(
        CONVERSATION, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    marked = [t for t, m in zip(coded["input_ids"], coded["assistant_masks"], strict=True) if m]
    assert tokenizer.decode(marked) == "delivery<|end|>returns<|end|>"


def test_lessons_are_coded_as_the_chat_template_writes_them(tokenizer):
    batches = pytest.importorskip("recipes.nano.training.batches")
    rng, words = random.Random(3), lexicon.read(lexicon.FOLDER)
    for made in [curriculum.lesson(rng, words) for _ in range(40)]:
        ids, marks = batches.encode(tokenizer, [made])[0]
        assert (
            ids
            == tokenizer(
                tokenizer.apply_chat_template(made.messages, tokenize=False),
                add_special_tokens=False,
            )["input_ids"]
        )
        scored = "".join(made.messages[i]["content"] + "<|end|>" for i in made.scored)
        assert tokenizer.decode([t for t, m in zip(ids, marks, strict=True) if m]) == scored


def test_the_shipped_files_match_their_hashes_and_are_small_enough():
    verify(FOLDER)
    shards = list(FOLDER.glob("*.safetensors"))
    assert shards and all(s.stat().st_size <= 16e6 for s in shards)
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) <= 64e6
    assert not list(FOLDER.glob("*.pt")) + list(FOLDER.glob("*.bin"))


def test_an_altered_shard_is_told_with_its_hash(copy):
    shard = next(copy.glob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    expected = json.loads((copy / "hashes.json").read_text())[shard.name]
    with pytest.raises(BadInput, match=f"expected {expected[:12]}"):
        verify(copy)


def test_a_truncated_and_a_missing_shard_are_told(copy):
    shard = next(copy.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"safetensors: does not match its hash"):
        verify(copy)
    shard.unlink()
    with pytest.raises(BadInput, match="found no file"):
        verify(copy)


def test_a_tokenizer_larger_than_the_weights_is_refused(copy):
    told = json.loads((copy / "tokenizer.json").read_text())
    told["model"]["vocab"]["surplus"] = 20_000
    (copy / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(BadInput, match=r"20001 tokens, the weights have rows for"):
        fits(copy)


def test_the_skill_card_belongs_to_the_shipped_weights():
    card = skills.SkillCard.model_validate_json((FOLDER / "skill_card.json").read_text())
    hashes = json.loads((FOLDER / "hashes.json").read_text())
    assert card.weights_sha256 == {
        name: digest for name, digest in hashes.items() if name.endswith(".safetensors")
    }
    assert {s.skill for s in card.skills} == set(skills.AIMS)
    for skill in card.skills:
        assert skill.items >= 500
        assert skill.low <= skill.share == skill.correct / skill.items <= skill.high
    recipe = json.loads((FOLDER / "recipe.json").read_text())
    assert (card.tokens, card.steps, card.parameters) == (
        recipe["tokens"],
        recipe["step"],
        recipe["parameters"],
    )


def test_the_base_loads_in_three_seconds():
    from transformers import AutoModelForCausalLM

    began = time.process_time()
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    assert time.process_time() - began < 6, "0.3 s alone after the imports; room for a busy machine"
    assert model.num_parameters() == json.loads((FOLDER / "recipe.json").read_text())["parameters"]


def test_the_same_seed_gives_the_same_lessons_and_another_seed_others():
    def drawn(seed):
        rng = random.Random(seed)
        return [curriculum.lesson(rng, lexicon.read(lexicon.FOLDER)).messages for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert (
        curriculum.probe_items(16, 1)
        == curriculum.probe_items(16, 1)
        != curriculum.probe_items(16, 2)
    )
    assert len(curriculum.general_lessons(20, 1)) == 20


def test_every_skill_is_taught_and_every_answer_is_scored_last():
    rng, words = random.Random(4), lexicon.read(lexicon.FOLDER)
    seen = set()
    for made in [curriculum.lesson(rng, words) for _ in range(400)]:
        seen.add(made.skill)
        assert (
            made.messages[-1]["role"] == "assistant" and made.scored[-1] == len(made.messages) - 1
        )
    assert seen >= {
        "copying",
        "label choice",
        "pattern",
        "passage answer",
        "not there",
        "json record",
        "extraction",
        "length",
        "tone",
        "recall",
    }


def test_what_ships_is_what_the_recipe_makes_and_no_question_both_chooses_and_measures():
    shipped = nano.general_lessons(5000, 1)
    assert len(shipped) == LESSON_COUNT
    made = curriculum.general_lessons(20, SEED)
    assert all(lesson in shipped for lesson in made)
    chooses, measures = (nano.probe_items(100, 1, half) for half in (False, True))
    assert len(chooses) == len(measures) == 100
    assert len({skill for *_, skill in measures}) == 8
    assert not {str(m) for m, *_ in chooses} & {str(m) for m, *_ in measures}
    assert nano.probe_items(100, 1) == measures != nano.probe_items(100, 2)


def test_measured_labels_are_words_that_were_never_labels_in_training():
    from recipes.nano.draw import Draw

    words = lexicon.read(lexicon.FOLDER)
    trained = {g.word for i in range(300) for g in Draw(random.Random(i), words).groups(4)}
    measured = {
        g.word for i in range(50) for g in Draw(random.Random(i), words, held_out=True).groups(4)
    }
    assert measured <= set(words.held_out) and not trained & measured


def test_answers_follow_from_the_prompt():
    for i in range(60):
        made = curriculum.skill_item("answer from a passage", i, 1)
        told = made.messages[1]["content"]
        assert all(part in told for part in made.answer.replace("]", "").split(" ["))
        made = curriculum.skill_item("label choice", i, 1)
        assert made.answer in made.messages[0]["content"]
        made = curriculum.skill_item("JSON valid and right", i, 1)
        assert isinstance(json.loads(made.answer), dict) and " :" not in made.answer


def words_of(text):
    return re.findall(r"[a-z0-9]+", text.lower())


def grams(text, n=6):
    words = words_of(text)
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    import csv

    made = pytest.importorskip("recipes.demo", reason="the demo is not there")
    if not hasattr(made, "write_handbook") or not hasattr(made, "write_examples"):
        pytest.skip("the demo's generators are not there")
    folder = tmp_path_factory.mktemp("demo")
    made.write_handbook(folder / "handbook", seed=7, edition=1)
    made.write_examples(folder / "examples.csv", 400, 7)
    pages = [p.read_text() for p in (folder / "handbook").rglob("*.md")]
    with (folder / "examples.csv").open() as file:
        messages = [row["message"] for row in csv.DictReader(file)]
    return pages, messages


@pytest.fixture(scope="module")
def lessons():
    rng, words = random.Random(11), lexicon.read(lexicon.FOLDER)
    return [
        "\n".join(m["content"] for m in curriculum.lesson(rng, words, rng.random()).messages)
        for _ in range(3000)
    ]


def test_no_six_words_of_the_demo_occur_in_the_lessons(demo, lessons):
    theirs = set().union(*(grams(t) for part in demo for t in part))
    ours = set().union(*(grams(t) for t in lessons))
    assert not {" ".join(g) for g in theirs & ours}


def test_no_name_of_the_demo_occurs_in_the_lessons(demo, lessons):
    known = set(lexicon.read(lexicon.FOLDER).words)
    capitals = [w for page in demo[0] for w in re.findall(r"\b[A-Z][a-z]{3,}\b", page)]
    lower = {w for part in demo for t in part for w in re.findall(r"\b[a-z]+\b", t)}
    names = {w for w in capitals if capitals.count(w) >= 4 and w.lower() not in known | lower}
    ours = set(re.findall(r"\b\w+\b", "\n".join(lessons)))
    assert names, "the demo names products"
    assert not names & ours


def test_the_lean_forward_pass_gives_the_numbers_of_the_library():
    import torch
    from transformers import AutoModelForCausalLM

    from recipes.nano.training.forward import hidden_states, rotary

    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    ids = torch.randint(5, 8000, (2, 60), generator=torch.Generator().manual_seed(1))
    config = model.config
    with torch.no_grad():
        ours = hidden_states(
            model,
            ids,
            rotary(2048, config.hidden_size // config.num_attention_heads, 10000.0, "cpu"),
        )
        theirs = model.model(input_ids=ids, use_cache=False).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_generators_and_card_start_without_torch():
    import subprocess
    import sys

    code = "import sys, recipes.nano.curriculum, recipes.nano.skills; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
