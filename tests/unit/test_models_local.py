"""Local checkpoints: greedy answers whatever the folder says, honest cuts, and clear words for folders that cannot be used."""

import json
import shutil
import time

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models import prefix_cache, tokens
from ftkit.models.load import load_model, load_tokenizer
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint, resolve, write_base_note

FAMILIES = ["llama", "mistral", "qwen3", "phi3"]


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def copy(tiny_checkpoint, tmp_path):
    """A copy of the tiny llama that a test may damage."""
    return shutil.copytree(tiny_checkpoint("llama"), tmp_path / "copy")


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def ask(n):
    return [
        [
            {"role": "system", "content": "short"},
            {"role": "user", "content": f"question {i} {'and more ' * (i % 4)}"},
        ]
        for i in range(n)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_in_order_what_each_alone_would_get(tiny_checkpoint, family):
    model = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=6, batch_size=4, threads=1)
    told = []
    together = model.answer(ask(6), lambda done, total: told.append((done, total)))
    model.batch_size = 1
    alone = model.answer(ask(6))
    assert [r.text for r in together] == [r.text for r in alone]
    assert [r.prompt_tokens for r in together] == [len(model.prompt_ids(m)[0]) for m in ask(6)]
    assert told == [(4, 6), (6, 6)] and all(
        0 < r.completion_tokens <= 6 and r.seconds > 0 for r in together
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_beginning_that_prompts_share_is_read_once_and_changes_no_answer(
    tiny_checkpoint, family, monkeypatch
):
    long = {
        "role": "system",
        "content": "one of these: " + ", ".join(f"label {k}" for k in range(30)),
    }
    asked = [[long, *messages[1:]] for messages in ask(6)]
    choices = ResponseFormat(kind="choice", value=["label 3", "label 4", "question"], ranked=True)
    model = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=6, batch_size=4, threads=1)
    widths = []
    model.model.register_forward_pre_hook(
        lambda _, args, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    free, ranked = model.answer(asked), model.answer(asked, None, [choices] * 6)
    whole = sum(width > 100 for width in widths)
    monkeypatch.setattr(prefix_cache, "LEAST", 10_000)
    widths.clear()
    free_alone, ranked_alone = model.answer(asked), model.answer(asked, None, [choices] * 6)
    assert [r.text for r in free] == [r.text for r in free_alone]
    assert [r.text for r in ranked] == [r.text for r in ranked_alone]
    for one, other in zip(free + ranked, free_alone + ranked_alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, rel=1e-4)
        assert one.prompt_tokens == other.prompt_tokens
    if family != "mistral":  # reads through a sliding window, which keeps no beginning
        assert whole == 2 < sum(width > 100 for width in widths)


def test_sampling_settings_of_the_checkpoint_do_not_change_greedy_answers(tiny_checkpoint, copy):
    before = [
        r.text for r in LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=8).answer(ask(3))
    ]
    change(
        copy / "generation_config.json",
        do_sample=True,
        temperature=9.0,
        repetition_penalty=5.0,
        max_length=3,
        num_beams=3,
    )
    assert [r.text for r in LocalModel(str(copy), max_new_tokens=8).answer(ask(3))] == before


def test_generation_stops_at_any_of_several_end_tokens_and_when_all_rows_ended(copy):
    import torch

    plain = LocalModel(str(copy), max_new_tokens=20, threads=1)
    ids = torch.tensor([plain.prompt_ids(ask(1)[0])[0]])
    third = int(plain.model.generate(input_ids=ids)[0, ids.shape[1] + 2])
    change(copy / "generation_config.json", eos_token_id=[1, third])
    model, steps = LocalModel(str(copy), max_new_tokens=20, threads=1), []
    inner = model.model.forward
    model.model.forward = lambda *a, **k: steps.append(1) or inner(*a, **k)
    reply = model.answer(ask(1))[0]
    assert (
        model.ends == sorted({1, third})
        and reply.completion_tokens <= 3
        and len(steps) == reply.completion_tokens
    )


def test_a_prompt_longer_than_the_context_keeps_its_system_turn_and_tells_what_was_cut(
    tiny_checkpoint,
):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=16)
    messages = [
        {"role": "system", "content": "obey this"},
        {"role": "user", "content": "front " * 400 + "the very end"},
    ]
    whole, (ids, cut) = tokens.encode(model.tokenizer, messages), model.prompt_ids(messages)
    assert len(ids) == 512 - 16 and cut == len(whole) - len(ids)
    text = model.tokenizer.decode(ids)
    assert text.startswith("<|system|>obey this<|end|><|user|>") and text.endswith(
        "the very end<|end|><|assistant|>"
    )
    assert model.answer([messages])[0].cut_tokens == cut


def test_a_system_turn_longer_than_the_context_leaves_room_for_the_question(tiny_checkpoint):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=16)
    messages = [
        {"role": "system", "content": "rule " * 700},
        {"role": "user", "content": "the question"},
    ]
    ids, cut = model.prompt_ids(messages)
    assert (
        len(ids) == 496
        and cut > 0
        and "the question<|end|><|assistant|>" in model.tokenizer.decode(ids)
    )


def test_a_template_that_refuses_a_system_turn_gets_it_in_the_first_user_turn(copy):
    tokenizer = load_tokenizer(str(copy))
    tokenizer.chat_template = "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}[{{ m['content'] }}]{% endfor %}"
    assert tokens.template(tokenizer, ask(1)[0]) == "[short\n\nquestion 0 ]"


def test_a_missing_pad_token_and_chat_template_are_repaired(copy):
    (copy / "chat_template.jinja").unlink()
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(
        json.dumps({k: v for k, v in settings.items() if k not in ("pad_token", "chat_template")})
    )
    model = LocalModel(str(copy), max_new_tokens=4)
    assert model.tokenizer.pad_token and model.answer(ask(2))[1].prompt_tokens > 0


def test_an_answer_longer_than_the_context_is_refused(tiny_checkpoint):
    with pytest.raises(BadInput, match="leaves no room"):
        LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=512)


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def truncated(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def without_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text("{")


def other_tokenizer(folder):
    from ftkit.models.nano import checkpoint_folder

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(checkpoint_folder() / name, folder / name)


def missing_shard(folder):
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}})
    )


def own_code(folder):
    change(
        folder / "config.json",
        model_type="somebodys",
        auto_map={"AutoModelForCausalLM": "modeling.Model"},
    )


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (empty, "no config.json"),
        (pickled, "only pickle weights"),
        (lambda f: (f / "model.safetensors").unlink(), "no weights"),
        (truncated, "could not be loaded"),
        (without_tokenizer, "no tokenizer"),
        (broken_tokenizer, "tokenizer could not be loaded"),
        (other_tokenizer, "do not belong together"),
        (missing_shard, "model-00002-of-00002.safetensors is missing"),
        (own_code, "Python code from its own folder"),
        (lambda f: (f / "config.json").write_text("{"), "not readable JSON"),
    ],
    ids=[
        "empty",
        "pickle",
        "no weights",
        "truncated",
        "no tokenizer",
        "broken tokenizer",
        "other tokenizer",
        "missing shard",
        "remote code",
        "broken config",
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_with_its_reason(copy, damage, found):
    damage(copy)
    with pytest.raises(BadInput, match=found) as told:
        LocalModel(str(copy), max_new_tokens=4)
    assert str(copy) in str(told.value) and "What to do" in str(told.value)


def adapter_for(base, target, **options):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    get_peft_model(load_model(str(base)), config).save_pretrained(target)
    return target


def test_an_adapter_with_another_bases_note_is_refused(tiny_checkpoint, copy, tmp_path):
    adapter = adapter_for(copy, tmp_path / "adapter")
    write_base_note(adapter, "mine", copy)
    LocalModel(str(copy), adapter=adapter, max_new_tokens=4)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(BadInput, match="trained on other weights \\('mine'\\)"):
        LocalModel(str(copy), adapter=adapter, max_new_tokens=4)


@pytest.mark.parametrize("other", ["nano", "phi3"])
def test_an_adapter_that_does_not_fit_is_refused_without_any_note(tiny_checkpoint, tmp_path, other):
    adapter = adapter_for(tiny_checkpoint("llama"), tmp_path / "adapter")
    base = "nano" if other == "nano" else str(tiny_checkpoint(other))
    with pytest.raises(BadInput, match="adapter does not fit this base"):
        LocalModel(base, adapter=adapter, max_new_tokens=4)


def test_pickled_adapter_weights_are_refused(tiny_checkpoint, tmp_path):
    adapter = adapter_for(tiny_checkpoint("llama"), tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(BadInput, match="only pickle weights"):
        LocalModel(str(tiny_checkpoint("llama")), adapter=adapter, max_new_tokens=4)


def test_the_fingerprint_sees_a_single_changed_bit(copy):
    before, path = fingerprint(copy), copy / "model.safetensors"
    weights = bytearray(path.read_bytes())
    weights[len(weights) // 2] ^= 1
    path.write_bytes(weights)
    assert fingerprint(copy) != before


def test_a_hub_name_without_a_connection_is_told_within_seconds(monkeypatch):
    monkeypatch.setattr("huggingface_hub.hf_hub_url", lambda *a: "http://127.0.0.1:9/config.json")
    began = time.monotonic()
    with pytest.raises(BadInput, match="hub cannot be reached"):
        resolve("nobody/no-such-model")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c"])
def test_a_folder_that_is_not_there_is_told_without_asking_the_hub(name):
    with pytest.raises(BadInput, match="no model folder"):
        resolve(name)
