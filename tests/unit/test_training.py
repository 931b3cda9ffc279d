"""Training on tiny checkpoints of real architectures: what is learnt, what is kept, and what a kill leaves."""

import json
import os
import shutil
import signal
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from lessons import SYSTEM, WORDS, is_worker, lesson

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.files import build
from ftkit.core.parameters.training import TrainingParameters
from ftkit.models.load import load_model, load_tokenizer
from ftkit.models.local import LocalModel
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import Encoded, encode_all, encode_conversation, loss_sample
from ftkit.training.handover import hand_over, provider_faults
from ftkit.training.memory import lora_parameters, needs
from ftkit.training.methods import load_quantised, model_to_train, variant, wrap_lora
from ftkit.training.mix import general_mix
from ftkit.training.plan import machines, offers, proposed
from ftkit.training.plan import rows as plan_rows
from ftkit.training.rehearsal import rehearse
from ftkit.training.sft import TrainingPlan, plan_of, train
from ftkit.training.summary import learned, told

SIZES: dict[str, Any] = {
    "learning_rate": 2e-3,
    "num_train_epochs": 8.0,
    "per_device_train_batch_size": 16,
    "max_length": 512,
    "lora_r": 32,
    "lora_alpha": 64,
}
FAMILIES = ["llama", "mistral", "qwen3", "phi3"]


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def run(parts, folder, *, held=None, progress=None, rows=None, **options):
    plan = TrainingPlan(
        folder,
        **{
            "num_train_epochs": 2,
            "learning_rate": 5e-3,
            "per_device_train_batch_size": 8,
            **options,
        },
    )
    return train(
        load_model(str(parts.folder)),
        parts.tokenizer,
        rows or parts.train,
        held or parts.held,
        plan,
        base="tiny",
        base_folder=parts.folder,
        progress=progress,
    )


def batch_of(encoded):
    return collate(
        [{"input_ids": e.input_ids, "labels": e.labels, "row": i} for i, e in enumerate(encoded)], 0
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_the_answer_and_its_end_token_are_in_the_loss(tiny_checkpoint, family):
    tokenizer = load_tokenizer(str(tiny_checkpoint(family)))
    messages, answer, _ = lesson(4)
    encoded = encode_conversation(tokenizer, messages, answer, 256)
    learnt = [i for i, label in enumerate(encoded.labels) if label != -100]
    assert learnt == list(range(learnt[0], len(encoded.input_ids)))  # one run, to the very end
    assert tokenizer.decode([encoded.labels[i] for i in learnt]) == answer + tokenizer.eos_token
    assert all(encoded.labels[i] == encoded.input_ids[i] for i in learnt)
    assert (
        encoded.input_ids[: learnt[0]]
        == LocalModel(str(tiny_checkpoint(family)), max_new_tokens=8).prompt_ids(messages)[0]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_lean_loss_and_its_gradient_are_those_of_every_row_alone(tiny_checkpoint, family):
    import torch

    folder = str(tiny_checkpoint(family))
    tokenizer, model = (
        load_tokenizer(folder),
        wrap_lora(load_model(folder), TrainingParameters(lora_r=4, lora_alpha=8)),
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    other = ([{"role": "user", "content": "quite another beginning"}], "delivery", "g")
    encoded = encode_all(tokenizer, [*(lesson(i) for i in range(5)), other], 256)
    batch = batch_of(encoded)
    assert int(batch["alike"]) == 5 and int(batch["prefix"]) > 16  # the system turn is read once

    def gradient(loss):
        model.zero_grad()
        loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    total, count = 0.0, 0
    for e in encoded:
        logits = model(input_ids=torch.tensor([e.input_ids])).logits[0].log_softmax(-1)
        for place, label in enumerate(e.labels):
            if label != -100:
                total, count = total - logits[place - 1, label], count + 1
    wanted, lean = gradient(total / count), answer_loss(model, batch)
    assert float(lean) == pytest.approx(float(total / count), rel=1e-5)
    assert torch.allclose(gradient(lean), wanted, rtol=1e-3, atol=1e-6)


@pytest.fixture(scope="module")
def taught(tiny_checkpoint, tmp_path_factory):
    """The tiny llama after full tuning on the right labels: its folder and card."""
    folder, target = tiny_checkpoint("llama"), tmp_path_factory.mktemp("taught")
    tokenizer = load_tokenizer(str(folder))
    encoded = encode_all(tokenizer, [lesson(i) for i in range(60)], 128)
    parts = SimpleNamespace(
        folder=folder, tokenizer=tokenizer, train=encoded[:48], held=encoded[48:]
    )
    return target / "adapter", run(
        parts, target, method="full", num_train_epochs=10, learning_rate=5e-3
    )


def test_full_tuning_learns_and_writes_a_whole_checkpoint_that_answers(taught):
    folder, card = taught
    assert card.trainable_parameters == card.parameters
    assert card.best_validation_loss < 0.1 * card.log[0].validation_loss
    replies = LocalModel("nano", adapter=folder, max_new_tokens=24).answer(
        [lesson(i)[0] for i in range(3)]
    )
    assert [r.text for r in replies] == ["delivery", "returns", "billing"]


def test_an_adapter_changes_the_answers_of_its_base_and_tells_how_it_went(taught, tmp_path):
    folder, told, turned = (
        taught[0],
        [],
        {"delivery": "billing", "billing": "returns", "returns": "delivery"},
    )
    tokenizer = load_tokenizer(str(folder))
    rows = [(m, turned[a], i) for m, a, i in (lesson(i) for i in range(60))]
    encoded = encode_all(tokenizer, rows, 128)
    parts = SimpleNamespace(
        folder=folder, tokenizer=tokenizer, train=encoded[:48], held=encoded[48:]
    )
    card = run(
        parts,
        tmp_path,
        num_train_epochs=8,
        progress=lambda point, steps: told.append((point, steps)),
    )
    assert card.trainable_parameters < card.parameters and card.steps == 48 and told[-1][1] == 48
    assert any(point.tokens_per_s for point, _ in told) and card.tokens == 8 * sum(
        len(e.input_ids) for e in parts.train
    )
    replies = LocalModel(str(folder), adapter=tmp_path / "adapter", max_new_tokens=24).answer(
        [lesson(i)[0] for i in range(3)]
    )
    assert [r.text for r in replies] == ["billing", "delivery", "returns"]
    assert not (tmp_path / "checkpoints").exists()


def test_the_checkpoint_with_the_best_validation_loss_is_kept_and_training_stops_early(
    parts, tmp_path
):
    wrong = encode_all(
        parts.tokenizer, [lesson(i, list(WORDS.values())[(i + 1) % 3]) for i in range(12)], 128
    )
    card = run(parts, tmp_path, held=wrong, num_train_epochs=12, early_stopping_patience=2)
    assert card.stopped_early and card.epochs < 12
    kept = load_model(str(parts.folder), tmp_path / "adapter")
    losses = [
        (float(answer_loss(kept, batch_of(wrong[i : i + 8]))), n) for i, n in ((0, 8), (8, 4))
    ]
    tokens = [
        sum(label != -100 for e in wrong[i : i + n] for label in e.labels)
        for i, n in ((0, 8), (8, 4))
    ]
    mean = sum(loss * t for (loss, _), t in zip(losses, tokens, strict=True)) / sum(tokens)
    assert mean == pytest.approx(card.best_validation_loss, rel=0.02)


@pytest.mark.parametrize("at_step", [3, 8, 13])
def test_after_kill_9_the_same_call_gives_the_same_weights_bit_for_bit(parts, tmp_path, at_step):
    def killed(point, steps):
        if point.step >= at_step:
            os.kill(os.getpid(), signal.SIGKILL)

    options = {"num_train_epochs": 3}
    whole = run(parts, tmp_path / "whole", **options)
    child = os.fork()
    if child == 0:
        try:
            run(parts, tmp_path / "cut", progress=killed, **options)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "cut" / "adapter").exists()
    again = run(parts, tmp_path / "cut", **options)
    weights = [
        (tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ("whole", "cut")
    ]
    assert weights[0] == weights[1]
    assert [p.validation_loss for p in again.log] == [p.validation_loss for p in whole.log]


def test_a_finished_run_is_not_trained_again_and_another_plan_is(parts, tmp_path, monkeypatch):
    first = run(parts, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(
            "ftkit.training.sft.make_trainer", lambda *a, **k: pytest.fail("trained again")
        )
        assert run(parts, tmp_path) == first
    assert (
        run(parts, tmp_path, learning_rate=1e-3).best_validation_loss != first.best_validation_loss
    )


def test_a_half_written_checkpoint_is_passed_over(parts, tmp_path):
    from ftkit.training.checkpoints import last_checkpoint

    for step, state in ((6, "{}"), (12, '{"epo'), (18, None)):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        if state:
            (folder / "trainer_state.json").write_text(state)
    assert str(last_checkpoint(tmp_path)).endswith("checkpoint-6")


def test_a_loss_that_is_no_number_is_told_with_step_and_examples(parts, tmp_path):
    model = load_model(str(parts.folder))
    model.model.embed_tokens.weight.data[parts.train[0].input_ids[-2]] = float("nan")
    plan = TrainingPlan(tmp_path, per_device_train_batch_size=8)
    with pytest.raises(FtkitError, match="not a number"):
        train(
            model,
            parts.tokenizer,
            parts.train,
            parts.held,
            plan,
            base="tiny",
            base_folder=parts.folder,
        )


def test_running_out_of_memory_is_told(parts, tmp_path, monkeypatch):
    def full(self, *args, **kwargs):
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"
        )

    monkeypatch.setattr("transformers.Trainer.training_step", full)
    with pytest.raises(FtkitError, match="out of memory"):
        run(parts, tmp_path)


def test_a_rank_above_the_width_is_refused(parts, tmp_path):
    with pytest.raises(BadInput, match="rank 65 is above the model's width 64"):
        run(parts, tmp_path, lora_r=65)


def test_answers_that_do_not_fit_are_named(parts):
    rows = [lesson(0), lesson(1, "word " * 50), lesson(2, "word " * 60)]
    with pytest.raises(BadInput, match=r"2 answers .*e1 \(\d+ tokens\), e2"):
        encode_all(parts.tokenizer, rows, 40)


def test_a_long_prompt_keeps_its_system_turn_and_its_whole_answer(parts):
    messages, answer, _ = lesson(0)
    messages[1]["content"] = "front " * 100 + "the end"
    whole = encode_conversation(parts.tokenizer, messages, answer, 4096)
    cut = encode_conversation(parts.tokenizer, messages, answer, 128)
    assert cut.cut == len(whole.input_ids) - 128 and len(cut.input_ids) == 128
    text = parts.tokenizer.decode(cut.input_ids)
    assert (
        SYSTEM in text and "the end" in text and text.endswith(answer + parts.tokenizer.eos_token)
    )


def test_a_longer_example_than_the_context_is_refused(parts):
    with pytest.raises(BadInput, match="context of 512"):
        encode_all(parts.tokenizer, [lesson(0)], 1024, 512)


def test_no_examples_are_told(parts, tmp_path):
    plan = TrainingPlan(tmp_path)
    with pytest.raises(BadInput, match="no training or validation"):
        train(
            load_model(str(parts.folder)),
            parts.tokenizer,
            [],
            [],
            plan,
            base="tiny",
            base_folder=parts.folder,
        )


VARIANTS = {
    "qlora": {"method": "qlora"},
    "8 bits": {"method": "qlora", "quantization_bits": 8},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "4 bits, dora": {"method": "qlora", "use_dora": True},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_learns_and_its_adapter_answers_on_the_full_base(taught, tmp_path, options):
    folder, turned = taught[0], {"delivery": "billing", "billing": "returns", "returns": "delivery"}
    base = LocalModel(str(folder), max_new_tokens=24, threads=1)
    rows = [lesson(i, turned[WORDS[list(WORDS)[i % 3]]]) for i in range(60)]
    encoded = encode_all(base.tokenizer, rows, 128)
    p = TrainingParameters.model_validate(
        {
            "num_train_epochs": 6,
            "learning_rate": 1e-2,
            "per_device_train_batch_size": 8,
            "lora_r": 8,
            "lora_alpha": 16,
            **options,
        }
    )
    card = train(
        model_to_train(base, p),
        base.tokenizer,
        encoded[:48],
        encoded[48:],
        plan_of(p, tmp_path),
        base="tiny",
        base_folder=folder,
    )
    assert card.variant == variant(p) and card.parameters == sum(
        w.numel() for w in load_model(str(folder)).parameters()
    )
    assert card.best_validation_loss < 0.1 * (card.log[0].validation_loss or 0)
    tuned = LocalModel(str(folder), adapter=tmp_path / "adapter", max_new_tokens=24, threads=1)
    assert [r.text for r in tuned.answer([lesson(i)[0] for i in range(3)])] == [
        "billing",
        "delivery",
        "returns",
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quantised_base_of_every_family_takes_steps(tiny_checkpoint, tmp_path, family):
    base = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=8, threads=1)
    encoded = encode_all(base.tokenizer, [lesson(i) for i in range(20)], 128)
    p = TrainingParameters(
        method="qlora",
        num_train_epochs=2,
        learning_rate=1e-2,
        per_device_train_batch_size=8,
        lora_r=8,
        lora_alpha=32,
    )
    model, tokenizer, folder = model_to_train(base, p), base.tokenizer, base.folder
    assert base.model is None and "Linear4bit" in {type(m).__name__ for m in model.modules()}
    card = train(
        model,
        tokenizer,
        encoded[:16],
        encoded[16:],
        plan_of(p, tmp_path),
        base="tiny",
        base_folder=folder,
    )
    assert card.best_validation_loss < (card.log[0].validation_loss or 0)
    LocalModel(str(folder), adapter=tmp_path / "adapter", max_new_tokens=8, threads=1).answer(
        [lesson(0)[0]]
    )


def test_a_base_that_cannot_be_quantised_is_told(tmp_path):
    with pytest.raises(BadInput, match="could not be loaded in 4 bits"):
        load_quantised(str(tmp_path), 4)


@pytest.mark.parametrize(
    "options", [{}, {"method": "full"}, {"method": "qlora"}], ids=["lora", "full", "qlora"]
)
def test_a_rehearsal_measures_and_changes_nothing(tiny_checkpoint, options):
    import torch

    base = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=8, threads=1)
    encoded = encode_all(base.tokenizer, [lesson(i) for i in range(20)], 128)
    p = TrainingParameters.model_validate(
        {
            "per_device_train_batch_size": 4,
            "lora_r": 4,
            "lora_alpha": 8,
            "learning_rate": 1e-3,
            **options,
        }
    )
    model = model_to_train(base, p)
    before, state = (
        {n: w.detach().clone() for n, w in model.named_parameters()},
        torch.random.get_rng_state(),
    )
    trial = rehearse(model, base.tokenizer, encoded[:16], encoded[16:], p)
    after = dict(model.named_parameters())
    assert list(after) == list(before) and all(torch.equal(before[n], after[n]) for n in before)
    assert torch.equal(state, torch.random.get_rng_state())
    assert trial.tokens_per_s > 0 and trial.peak_gib > 0.1 and 0 < trial.loss < 20


def test_a_rehearsal_tells_what_the_long_run_would_have_died_of(parts, monkeypatch):
    model = load_model(str(parts.folder))
    p = TrainingParameters(
        per_device_train_batch_size=4, lora_r=4, lora_alpha=8, learning_rate=1e-3
    )
    with pytest.raises(BadInput, match="rank 100"):
        rehearse(
            model, parts.tokenizer, parts.train, parts.held, p.model_copy(update={"lora_r": 100})
        )

    def no_memory(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("ftkit.training.batch.answer_loss", no_memory)
    with pytest.raises(FtkitError, match="ran out of memory"):
        rehearse(model, parts.tokenizer, parts.train, parts.held, p)
    whole = answer_loss

    def tight(model, batch, items=None):
        if batch["input_ids"].numel() > 100:
            raise RuntimeError("CUDA out of memory")
        return whole(model, batch, items)

    monkeypatch.setattr("ftkit.training.batch.answer_loss", tight)
    trial = rehearse(model, parts.tokenizer, parts.train, parts.held[:1], p)
    longest = max(len(e.input_ids) for e in parts.train)
    assert trial.loss > 0 and longest <= trial.micro_batch_tokens <= 100 < 4 * longest
    monkeypatch.undo()
    model.get_output_embeddings().weight.data.fill_(float("nan"))
    with pytest.raises(FtkitError, match="no number before anything is learnt"):
        rehearse(model, parts.tokenizer, parts.train, parts.held, p)


def llama(**sizes):
    import transformers

    return transformers.LlamaConfig(
        **{
            "vocab_size": 32000,
            "intermediate_size": 11008,
            "hidden_size": 4096,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            **sizes,
        }
    )


def test_the_plan_of_a_7b_is_of_the_size_that_is_published():
    """LLaMA-Factory's README estimates 16 GB for LoRA and 6 GB for QLoRA of a 7B; the guide says 24 GB hold QLoRA, 28 GB+ are weights in FP32."""
    examples = [Encoded([5] * 512, [-100] * 400 + [5] * 112, 0)] * 2000
    p = TrainingParameters(per_device_train_batch_size=1, lora_r=16)
    by_name = {n.method: n for n in needs(llama(), examples, p, True)}
    assert 13 < by_name["lora"].total_gib < 20 and 5 < by_name["qlora"].total_gib < 9
    assert by_name["full"].total_gib > 45
    on_cpu = {n.method: n for n in needs(llama(), examples, p, False)}
    assert (
        24 < on_cpu["full"].weights_gib < 27
        and on_cpu["full"].total_gib > 3.5 * on_cpu["full"].weights_gib
    )


def test_offers_name_the_cheapest_machine_and_what_fits_here_comes_first():
    examples = [Encoded([5] * 512, [-100] * 400 + [5] * 112, 0)] * 2000
    p = TrainingParameters(
        per_device_train_batch_size=1, lora_r=16, num_train_epochs=3, method="qlora"
    )
    asked = dict(on_gpu=True, tokens_per_s=1000.0, rented=machines())
    by_name = {o.need.method: o for o in offers(llama(), examples, p, free_gib=10.0, **asked)}
    assert [name for name, o in by_name.items() if o.here] == ["qlora"]
    assert by_name["qlora"].minutes_here == pytest.approx(2000 * 512 * 3 / 1000 / 60)
    assert (
        by_name["lora"].minutes_here is None
        and by_name["lora"].machine
        and by_name["full"].cards > 1
    )
    for offer in by_name.values():
        costs = [
            o.usd
            for m in machines()
            for o in offers(llama(), examples, p, free_gib=1, **{**asked, "rented": [m]})
            if o.need.method == offer.need.method and o.machine
        ]
        assert offer.usd == pytest.approx(min(costs))
    assert proposed(list(by_name.values()))[0] == "qlora"
    where = {
        row["method"]: row["rented, cheapest"] for row in plan_rows(list(by_name.values()), "lora")
    }
    assert (
        f"split over them (training.fsdp, processes {by_name['full'].cards})" in where["full"]
        and "split" not in where["qlora"]
    )
    assert proposed(offers(llama(), examples, p, free_gib=500.0, **asked))[0] == "lora"
    assert "× " in proposed(offers(llama(), examples, p, free_gib=2.0, **asked))[1]
    shared = p.model_copy(update={"method": "full", "fsdp": True, "processes": 4})
    parted = {o.need.method: o for o in offers(llama(), examples, shared, free_gib=40.0, **asked)}
    assert parted["full"].here and not by_name["full"].here, (
        "a quarter of the weights and of what learns fits"
    )
    assert (
        parted["full"].need.training_gib / 4
        < parted["full"].gib
        < parted["full"].need.total_gib / 3
    )
    assert parted["qlora"].gib == parted["qlora"].need.total_gib, "a quantised base is not shared"
    largest = {
        r["method"]: r["rented, cheapest"]
        for r in plan_rows(
            offers(llama(num_hidden_layers=720), examples, p, free_gib=2.0, **asked), "lora"
        )
    }
    assert "by another tool (training.elsewhere)" in largest["qlora"]
    none = offers(llama(), examples, p, free_gib=2.0, **{**asked, "rented": []})
    assert "smaller base" in proposed(none)[1] and all(
        row["rented, cheapest"] == "none of the list" for row in plan_rows(none, "lora")
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no list of machines"),
        ("- name: x", "differs in memory_gib"),
        ("[1]", "exactly the fields"),
        ("a: [", "cannot be read"),
        ("- {name: x, memory_gib: -1, tflops: 1, usd_per_hour: 1, source: me}", "memory_gib = -1"),
        ("- {name: x, memory_gib: 1, tflops: .nan, usd_per_hour: 1, source: me}", "tflops = nan"),
    ],
)
def test_a_bad_list_of_machines_names_entry_and_field(tmp_path, text, told):
    path = tmp_path / "machines.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=told):
        machines(str(path))


def test_an_own_list_of_machines_is_used(tmp_path):
    path = tmp_path / "machines.yaml"
    path.write_text(
        "- {name: ours, memory_gib: 48, tflops: 150, usd_per_hour: 0, source: our own rack}"
    )
    assert [(m.name, m.usd_per_hour) for m in machines(str(path))] == [("ours", 0.0)]


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "qlora", "use_dora": True}, {"method": "full"}],
    ids=["lora", "qlora", "full"],
)
def test_the_same_training_is_handed_over_to_other_tools(tmp_path, options):
    import yaml

    from ftkit.data.read import open_source

    p = TrainingParameters.model_validate(
        SIZES
        | {"lora_r": 8, "lora_alpha": 16, "base_model": "org/base", "max_length": 256}
        | options
    )
    lessons, checks = [lesson(i) for i in range(12)], [lesson(i) for i in range(12, 24)]
    names = hand_over(tmp_path / "handover", p, lessons, checks)
    assert names == [
        "axolotl.yaml",
        "dataset_info.json",
        "llamafactory.yaml",
        "train.jsonl",
        "unsloth.yaml",
        "validation.jsonl",
    ]
    raw = open_source(
        tmp_path / "handover" / "train.jsonl"
    )  # what is handed over is read back as it was
    assert [(row["input"], row["output"]) for _, row in raw.rows] == [
        (m[-1]["content"], a) for m, a, _ in lessons
    ]
    assert provider_faults(tmp_path / "handover" / "train.jsonl") == []
    axolotl, factory = (
        yaml.safe_load((tmp_path / "handover" / f"{tool}.yaml").read_text())
        for tool in ("axolotl", "llamafactory")
    )
    assert axolotl["base_model"] == factory["model_name_or_path"] == "org/base"
    assert axolotl.get("adapter") == (None if p.method == "full" else p.method)
    assert factory["finetuning_type"] == ("full" if p.method == "full" else "lora")
    assert (axolotl.get("load_in_4bit"), factory.get("quantization_bit")) == {
        "lora": (False, None),
        "qlora": (True, 4),
        "full": (None, None),
    }[p.method]
    assert axolotl.get("peft_use_dora", False) == factory.get("use_dora", False) == p.use_dora
    info = json.loads((tmp_path / "handover" / "dataset_info.json").read_text())
    assert all(
        (tmp_path / "handover" / info[name]["file_name"]).exists()
        for name in (factory["dataset"], factory["eval_dataset"])
    )


def test_what_a_provider_would_refuse_is_named_by_line(tmp_path):
    path = tmp_path / "train.jsonl"
    good = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    rows = [
        json.dumps(x)
        for x in (
            good,
            {"messages": []},
            {"messages": good["messages"][:1]},
            {"messages": [{"role": "tool", "content": "x"}]},
        )
    ]
    path.write_text(
        "\n".join(
            [
                *rows,
                "{",
                json.dumps(
                    {"messages": [{"role": "user", "content": "x" * 99}, good["messages"][1]]}
                ),
            ]
        )
    )
    assert provider_faults(path, 50) == [
        "6 examples, at least 10 are needed",
        "line 2: has no messages",
        "line 3: the last turn is not the assistant's",
        "line 4: a turn has an unknown role or no text",
        "line 5: is no JSON",
        "line 6: is longer than 50 characters",
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_trainable_weights_that_are_announced_are_those_that_train(tiny_checkpoint, family):
    model = load_model(str(tiny_checkpoint(family)))
    for dora in (False, True):
        told = lora_parameters(model, TrainingParameters(lora_r=4, lora_alpha=8, use_dora=dora))
        wrapped = wrap_lora(model, TrainingParameters(lora_r=4, lora_alpha=8, use_dora=dora))
        assert told == sum(w.numel() for w in wrapped.parameters() if w.requires_grad)
        model = wrapped.unload()


def test_the_shown_tokens_say_which_are_learnt(parts):
    sample = loss_sample(parts.tokenizer, parts.train[0])
    assert (
        "".join(text for text, counts in sample if counts) == "delivery" + parts.tokenizer.eos_token
    )


def general_file(tmp_path, lines):
    path = tmp_path / "general.jsonl"
    path.write_text("\n".join(lines))
    return str(path)


def test_general_data_makes_up_its_share_of_the_mix(tmp_path):
    lines = [json.dumps({"prompt": f"p{i}", "response": f"r{i}"}) for i in range(300)]
    p = TrainingParameters(
        base_model="other", general_share=0.1, general_data=general_file(tmp_path, lines)
    )
    found, note = general_mix(p, 900)
    assert (
        len(found) == 100 and found == general_mix(p, 900)[0] and "100 general instructions" in note
    )
    assert {answer.replace("r", "p") for _, answer, _ in found} == {
        m[0]["content"] for m, _, _ in found
    }


def test_without_general_data_the_built_in_lessons_are_mixed_in():
    found, note = general_mix(TrainingParameters(base_model="other"), 100)
    assert found and f"{len(found)} built-in general instructions" in note


@pytest.mark.parametrize(
    "line", ["no json", "[1]", '{"prompt": "a"}', '{"prompt": "a", "response": " "}']
)
def test_a_bad_line_of_general_data_is_named(tmp_path, line):
    path = general_file(tmp_path, [json.dumps({"prompt": "a", "response": "b"}), line])
    with pytest.raises(BadInput, match="line 2"):
        general_mix(TrainingParameters(general_data=path), 100)


def elsewhere(source, target):
    """Copy weights as another tool leaves them: without this project's note and without a tokenizer."""
    target.mkdir()
    for path in source.iterdir():
        if path.suffix == ".safetensors" or path.name in ("adapter_config.json", "config.json"):
            shutil.copy2(path, target / path.name)
    return target


@pytest.mark.parametrize("method", ["lora", "full"])
def test_weights_that_another_tool_trained_come_back_in(parts, tmp_path, method):
    own = run(parts, tmp_path / "own", method=method)
    source = elsewhere(tmp_path / "own" / "adapter", tmp_path / "there")
    card = run(parts, tmp_path / "stage", method="lora", adapter=str(source), adapter_hours=2.5)
    assert (
        card.elsewhere
        and card.method == method
        and "trained elsewhere" in card.variant
        and card.duration_s == 9000
    )
    assert (
        card.trainable_parameters == own.trainable_parameters
        and card.steps == 0
        and card.verdict == "learnt"
    )
    assert card.log[0].validation_loss == pytest.approx(own.log[0].validation_loss, rel=1e-4)
    assert card.best_validation_loss == pytest.approx(own.best_validation_loss, rel=1e-4)
    texts = []
    for folder in (tmp_path / "own", tmp_path / "stage"):
        model = LocalModel(str(parts.folder), adapter=folder / "adapter", max_new_tokens=16)
        texts.append([r.text for r in model.answer([lesson(i)[0] for i in range(6)])])
    assert texts[0] == texts[1]
    assert "2.5 hours are counted" in str(learned(card)) and "Nothing is trained" in told_of(source)
    again = run(parts, tmp_path / "stage", method="lora")
    assert not again.elsewhere and again.steps > 0, "without it, the training runs here"


def told_of(source):
    return told(
        rehearse(None, None, [], [], TrainingParameters(adapter=str(source))),
        [],
        TrainingParameters(adapter=str(source)),
    )


def test_weights_of_another_base_or_kind_are_refused(parts, tiny_checkpoint, tmp_path):
    run(parts, tmp_path / "own")
    source = elsewhere(tmp_path / "own" / "adapter", tmp_path / "there")
    before = sorted((tmp_path / "own" / "adapter").iterdir())

    def refused(weights, match, **more):
        with pytest.raises(BadInput, match=match):
            run(SimpleNamespace(**{**vars(parts), **more}), tmp_path / "own", adapter=str(weights))
        assert sorted((tmp_path / "own" / "adapter").iterdir()) == before, "what was there stays"

    refused(tmp_path / "gone", "no such folder")
    (tmp_path / "pickle").mkdir()
    shutil.copy2(source / "adapter_config.json", tmp_path / "pickle")
    (tmp_path / "pickle" / "adapter_model.bin").write_bytes(b"x")
    refused(tmp_path / "pickle", "pickle")
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "IA3"}))
    refused(source, "kind IA3")
    (source / "adapter_config.json").write_text(json.dumps(config))
    shutil.copy2(tmp_path / "own" / "adapter" / "base.json", source)
    other = tiny_checkpoint("qwen3")
    refused(source, "other weights", folder=other)
    refused(other, "model_type")


def test_weights_that_learnt_nothing_are_told(parts, tmp_path):
    from ftkit.training.import_adapter import _verdict

    assert _verdict(2.0, 2.1)[0] == "diverged" and "chat template" in _verdict(2.0, 2.1)[1]
    assert _verdict(2.0, 1.95)[0] == "underfit" and _verdict(2.0, 0.5)[0] == "learnt"


def test_another_tool_may_train_and_this_one_stops_with_the_files_written(tmp_path):
    lessons, p = [lesson(i) for i in range(12)], TrainingParameters(elsewhere=True, **SIZES)
    with pytest.raises(FtkitError, match="files for another tool are written"):
        hand_over(tmp_path / "handover", p, lessons, lessons[:2])
    assert (tmp_path / "handover" / "axolotl.yaml").exists() and not provider_faults(
        tmp_path / "handover" / "train.jsonl"
    )
    assert hand_over(
        tmp_path / "handover", p.model_copy(update={"adapter": "there"}), lessons, lessons[:2]
    )


def test_full_tuning_of_a_base_in_16_bits_learns_in_32(tiny_checkpoint):
    """In bfloat16 a learning rate of 1e-5 would move almost no weight."""
    import torch

    base = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=4)
    base.model.bfloat16()
    lora = model_to_train(base, TrainingParameters(run="x", method="lora"))
    assert next(lora.parameters()).dtype == torch.bfloat16, "frozen weights stay as they are"
    full = model_to_train(base, TrainingParameters(run="x", method="full"))
    before = [w.detach().clone() for w in full.parameters()]
    optimizer = torch.optim.AdamW(full.parameters(), lr=1e-5, weight_decay=0.0)
    encoded = encode_all(base.tokenizer, [lesson(i) for i in range(4)], 128)
    answer_loss(full.train(), batch_of(encoded)).backward()
    optimizer.step()
    moved = sum(int((w != b).sum()) for w, b in zip(full.parameters(), before, strict=True))
    touched = sum(int((w.grad != 0).sum()) for w in full.parameters() if w.grad is not None)
    assert moved > 0.9 * touched


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_processes_learn_what_one_does_and_go_on_after_kill_9(parts, tmp_path):
    """Two with 4 examples each take the steps of one with 8: same losses, weights equal but for the order of sums."""
    from safetensors.torch import load_file

    seen = []
    one = run(parts, tmp_path / "one", num_train_epochs=2)
    two = run(
        parts,
        tmp_path / "two",
        num_train_epochs=2,
        per_device_train_batch_size=4,
        processes=2,
        progress=lambda p, n: seen.append((p.step, n)),
    )
    assert two.steps == one.steps and two.examples == one.examples and two.tokens == one.tokens
    assert seen[-1] == (two.steps, two.steps)
    assert two.best_validation_loss == pytest.approx(one.best_validation_loss, rel=0.15)
    folder = tmp_path / "cut"

    def kill(point, steps):
        if point.step >= 10:
            next(c for c in psutil.Process().children(recursive=True) if is_worker(c)).kill()

    options = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "processes": 2}
    with pytest.raises(FtkitError, match=r"one of the training processes ended \(signal 9\)"):
        run(parts, folder, progress=kill, **options)
    assert not (folder / "adapter").exists()
    again = run(parts, folder, **options)
    weights = [
        load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        for name in ("two", "cut")
    ]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    assert again.log[-1].validation_loss == two.log[-1].validation_loss


def test_what_a_process_finds_wrong_and_too_many_processes_are_told(parts, tmp_path):
    from ftkit.training import distributed

    with pytest.raises(BadInput, match="processes on"):
        run(parts, tmp_path / "many", processes=10_000)
    (tmp_path / distributed.LOG).write_text(
        "Traceback\n[rank1]: RuntimeError: no more\nx.ChildFailedError:\n"
    )
    assert "RuntimeError: no more" in str(distributed.fault_of(tmp_path, 1))
    distributed.keep_fault(
        tmp_path,
        1,
        BadInput("rank 4096 is above the width", where="training.lora_r", todo="use less"),
    )
    found = distributed.fault_of(tmp_path, 1)
    assert isinstance(found, BadInput) and (found.found, found.where, found.todo) == (
        "rank 4096 is above the width",
        "training.lora_r",
        "use less",
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_row_has_the_loss_and_gradient_of_its_examples_alone(tiny_checkpoint, family):
    import torch

    folder = str(tiny_checkpoint(family))
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    encoded = encode_all(tokenizer, [lesson(i) for i in range(5)], 256)
    rows = [{"input_ids": e.input_ids, "labels": e.labels, "row": i} for i, e in enumerate(encoded)]
    results = []
    for packing in (False, True):
        model.zero_grad()
        loss = answer_loss(model, collate(rows, 0, packing=packing))
        loss.backward()
        results.append(
            (
                float(loss),
                torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]),
            )
        )
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    assert torch.allclose(results[1][1], results[0][1], rtol=1e-3, atol=1e-6)
    other = [*rows[1:], rows[0]]  # in another order and company, the same
    assert float(answer_loss(model, collate(other, 0, packing=True))) == pytest.approx(
        results[0][0], rel=1e-5
    )


def test_packed_training_takes_the_same_steps(parts, tmp_path):
    packed = run(parts, tmp_path / "packed", packing=True)
    plain = run(parts, tmp_path / "plain")
    assert packed.steps == plain.steps and packed.tokens == plain.tokens
    assert packed.best_validation_loss == pytest.approx(plain.best_validation_loss, rel=0.01)


def test_a_tracker_gets_the_curve_and_one_that_is_not_installed_is_told(
    parts, tmp_path, monkeypatch
):
    monkeypatch.setattr("ftkit.training.trainer.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="'wandb' is not installed"):
        run(parts, tmp_path / "a", report_to=("wandb",))
    with pytest.raises(BadInput, match=r"report_to.*choose from trackio, mlflow"):
        build("training", {"run": "x", "report_to": ["excel"]})


@pytest.mark.skipif(not find_spec("trackio"), reason="trackio is not installed")
def test_trackio_holds_what_the_log_holds(parts, tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "tracked"))
    card = run(parts, tmp_path / "desk" / "training", report_to=("trackio",))
    assert run(parts, tmp_path / "desk" / "training") == card, (
        "trackers change nothing of what is learnt"
    )
    (kept,) = (tmp_path / "tracked").rglob("desk*.db")
    with sqlite3.connect(kept) as base:
        rows = [json.loads(row[0]) for row in base.execute("select metrics from metrics")]
    seen = sorted(row["eval/loss"] for row in rows if "eval/loss" in row)
    assert seen == pytest.approx(
        sorted(p.validation_loss for p in card.log if p.validation_loss is not None)
    )


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
@pytest.mark.parametrize("tool", ["axolotl", "llamafactory", "unsloth_cli"])
def test_where_another_tool_is_installed_it_reads_its_configuration_with_its_own_code(
    tool, method, monkeypatch
):
    from ftkit.training import handover

    pytest.importorskip(tool, reason=f"{tool} is not installed")
    p = TrainingParameters(
        base_model="org/model",
        method=method,
        neftune_noise_alpha=5,
        target_modules=["q_proj", "v_proj"],
    )
    if tool == "axolotl":
        from axolotl.utils.schemas.config import AxolotlInputConfig  # pyright: ignore

        assert AxolotlInputConfig(**handover.axolotl(p)).learning_rate == p.learning_rate
    elif tool == "llamafactory":
        monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
        from llamafactory.hparams.parser import _parse_train_args  # pyright: ignore

        assert (
            _parse_train_args({**handover.llamafactory(p, 800), "bf16": False})[2].learning_rate
            == p.learning_rate
        )
    else:
        from unsloth_cli.config import Config  # pyright: ignore

        assert (
            Config.model_validate(handover.unsloth(p, 800)).training.learning_rate
            == p.learning_rate
        )


def test_accumulated_batches_make_the_steps_of_one_large_batch(parts, tmp_path):
    from safetensors.torch import load_file

    one = run(parts, tmp_path / "one")
    parted = run(
        parts, tmp_path / "parted", per_device_train_batch_size=4, gradient_accumulation_steps=2
    )
    assert parted.steps == one.steps and parted.best_validation_loss == pytest.approx(
        one.best_validation_loss, rel=0.15
    )
    assert load_file(tmp_path / "parted" / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_step_cut_into_micro_batches_learns_what_the_whole_step_learns(
    parts, tmp_path, monkeypatch, method
):
    from safetensors.torch import load_file

    from ftkit.training import trainer

    seen, loss = list[int](), trainer.answer_loss

    def watched(model, batch, items=None):
        if model.training:
            seen.append(batch["input_ids"].numel())
        return loss(model, batch, items)

    monkeypatch.setattr(trainer, "answer_loss", watched)
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    longest = max(len(e.input_ids) for e in parts.train)
    cards, weights = [], []
    for folder, most in (("whole", 0), ("cut", 3 * longest)):
        seen.clear()
        cards.append(run(parts, tmp_path / folder, method=method, micro_batch_tokens=most))
        weights.append(load_file(tmp_path / folder / "adapter" / name))
        assert max(seen) <= (most or max(seen)) and len(seen) >= cards[-1].steps * (
            2 if most else 1
        )
    assert cards[0].steps == cards[1].steps and cards[1].micro_batch_tokens == 3 * longest
    assert cards[1].best_validation_loss == pytest.approx(cards[0].best_validation_loss, rel=1e-2)
    assert all(abs(weights[0][key] - weights[1][key]).mean() < 1e-3 for key in weights[0])


def test_named_layers_alone_get_an_adapter_and_unknown_ones_are_told_with_those_there_are(
    parts, tmp_path
):
    card = run(parts, tmp_path / "some", num_train_epochs=1, target_modules=("q_proj", "v_proj"))
    every = run(parts, tmp_path / "every", num_train_epochs=1)
    assert 0 < card.trainable_parameters < every.trainable_parameters / 2
    p = TrainingParameters(lora_r=16, target_modules=["q_proj", "v_proj"])
    assert lora_parameters(load_model(str(parts.folder)), p) == card.trainable_parameters, (
        "as the plan says"
    )
    with pytest.raises(
        BadInput, match=r"no linear layer c_attn[\s\S]*down_proj, gate_proj, k_proj"
    ):
        run(parts, tmp_path / "none", target_modules=("c_attn", "q_proj"))


def test_schedule_and_noise_change_what_is_learnt_and_noise_is_off_when_it_is_measured(
    parts, tmp_path
):
    plain = run(parts, tmp_path / "plain", num_train_epochs=1)
    flat = run(
        parts,
        tmp_path / "flat",
        num_train_epochs=1,
        lr_scheduler_type="constant_with_warmup",
        warmup_ratio=0.0,
    )
    noisy = run(parts, tmp_path / "noisy", num_train_epochs=1, neftune_noise_alpha=10.0)
    rates = [p.learning_rate for p in flat.log if p.learning_rate is not None]
    assert set(rates) == {5e-3} and plain.log[-2].learning_rate < 5e-3
    assert noisy.log[0].validation_loss == plain.log[0].validation_loss, (
        "no noise before anything is learnt"
    )
    assert [p.loss for p in noisy.log if p.loss] != [p.loss for p in plain.log if p.loss]


def test_answers_after_each_pass_are_kept_scored_and_shown(parts, tmp_path):
    import pandas as pd

    from ftkit.core.records.task import TaskCard
    from ftkit.report.figures import training as figures
    from ftkit.training import epoch_scores
    from ftkit.training.epoch_samples import EpochSamples

    items = pd.DataFrame(
        [
            {
                "id": f"e{i}",
                "input": lesson(i)[0][-1]["content"],
                "output": lesson(i)[1],
                "group": f"g{i}",
            }
            for i in range(4)
        ]
    )
    prompts = [
        parts.train[i].input_ids[
            : next(k for k, x in enumerate(parts.train[i].labels) if x != -100)
        ]
        for i in range(4)
    ]
    watched, seen = EpochSamples(prompts, 12), []
    plan = TrainingPlan(
        tmp_path,
        num_train_epochs=12,
        learning_rate=1e-2,
        per_device_train_batch_size=8,
        early_stopping_patience=9,
    )
    asked = {"base": "tiny", "base_folder": parts.folder}
    card = train(
        load_model(str(parts.folder)),
        parts.tokenizer,
        parts.train,
        parts.held,
        plan,
        progress=lambda p, n: seen.append(p),
        watched=watched,
        **asked,
    )
    answered = [p for p in card.log if p.answers]
    assert len(answered) == 12 and all(len(p.answers) == 4 for p in answered)
    assert [p.answers for p in seen if p.answers] == [p.answers for p in answered]
    task = TaskCard(name="t", instruction="answer", kind="text", metric="exact")
    epoch_scores.mark(task, items, card.log)
    assert answered[0].right.value <= answered[-1].right.value and answered[-1].right.n == 4
    assert (
        epoch_scores.counter(task, items)(answered[-1].answers)
        == f"{round(4 * answered[-1].right.value)} of 4 right"
    )
    table = epoch_scores.rows(items, card.log)
    assert len(table) == 4 and list(table[0]) == [
        "asked",
        "right answer",
        "after pass 1",
        "after pass 7",
        "after pass 12",
    ]
    assert all(
        p.grad_norm and p.grad_norm > 0 and p.memory_gib > 0.1
        for p in card.log
        if p.loss is not None
    )
    figure = figures.watched(card)
    assert (
        len(figure.data) == 5
        and "Watched questions right: " in figure.layout.title.text
        and "after the last" in figure.layout.title.text.replace("<br>", " ")
    )
    assert figures.watched(card.model_copy(update={"log": []})) is None
    again = train(
        load_model(str(parts.folder)), parts.tokenizer, parts.train, parts.held, plan, **asked
    )
    assert [p.answers for p in again.log] == [p.answers for p in card.log], (
        "a finished training is read back with them"
    )
