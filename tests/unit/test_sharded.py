"""A base that is shared between processes (FSDP2) learns what whole copies of it learn, and goes on where it was killed."""

import os

import psutil
import pytest
from lessons import is_worker, lesson
from safetensors.torch import load_file

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.models.load import load_model, load_tokenizer, too_large
from ftkit.models.local import LocalModel
from ftkit.training.checkpoints import last_checkpoint
from ftkit.training.encode import encode_all
from ftkit.training.epoch_samples import EpochSamples
from ftkit.training.methods import model_to_train
from ftkit.training.rehearsal import rehearse
from ftkit.training.sft import TrainingPlan, train

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores"),
]
SLOW = pytest.mark.skipif(
    not os.environ.get("FTKIT_SLOW"), reason="starts many processes, a minute: FTKIT_SLOW=1 runs it"
)
FILES = {"lora": "adapter_model.safetensors", "full": "model.safetensors"}


def run(parts, folder, *, progress=None, **options):
    plan = TrainingPlan(
        folder,
        learning_rate=5e-3,
        num_train_epochs=2,
        per_device_train_batch_size=4,
        processes=2,
        **options,
    )
    names = {
        "base": "tiny",
        "base_folder": parts.folder,
        "progress": progress,
        "watched": EpochSamples([x.input_ids[:8] for x in parts.held[:3]], 6),
    }
    return train(
        load_model(str(parts.folder)), parts.tokenizer, parts.train, parts.held, plan, **names
    )


@SLOW
@pytest.mark.parametrize("method", ["full", "lora"])
def test_shared_weights_learn_what_copies_learn_also_when_killed_and_gone_on_with(
    parts, tmp_path, method
):
    """Both take the same steps, so only the order of sums may differ. An adapter's checkpoints are those of copies."""
    copies = run(parts, tmp_path / "copies", method=method)

    def kill(point, steps):
        if point.step >= 10:
            next(c for c in psutil.Process().children(recursive=True) if is_worker(c)).kill()

    if method == "full":
        with pytest.raises(FtkitError, match="signal 9"):
            run(parts, tmp_path / "shared", method=method, fsdp=True, progress=kill)
        assert not (tmp_path / "shared" / "adapter").exists()
        assert last_checkpoint(tmp_path / "shared"), "it goes on from here"
    shared = run(parts, tmp_path / "shared", method=method, fsdp=True)
    names = ("steps", "tokens", "trainable_parameters", "processes")
    assert [getattr(shared, name) for name in names] == [getattr(copies, name) for name in names]
    told = [[p.answers for p in card.log if p.answers] for card in (copies, shared)]
    assert len(told[0]) == 2 and told[0] == told[1], "the same answers after each pass"
    assert shared.best_validation_loss == pytest.approx(copies.best_validation_loss, rel=1e-5)
    one, two = (
        load_file(tmp_path / name / "adapter" / FILES[method]) for name in ("copies", "shared")
    )
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    start = load_file(parts.folder / "model.safetensors")
    assert (
        method == "lora" or max(float((start[name] - two[name]).abs().max()) for name in two) > 1e-2
    ), "it learnt"


def test_a_shared_base_learns_what_one_process_does(parts, tmp_path):
    """Twice four examples a step against eight; other examples meet in a step, so only the loss is near."""
    shared = run(parts, tmp_path / "shared", method="full", fsdp=True)
    plan = TrainingPlan(
        tmp_path / "one",
        method="full",
        learning_rate=5e-3,
        num_train_epochs=2,
        per_device_train_batch_size=8,
    )
    one = train(
        load_model(str(parts.folder)),
        parts.tokenizer,
        parts.train,
        parts.held,
        plan,
        base="tiny",
        base_folder=parts.folder,
    )
    assert (shared.steps, shared.tokens, shared.trainable_parameters) == (
        one.steps,
        one.tokens,
        one.trainable_parameters,
    )
    assert shared.best_validation_loss == pytest.approx(one.best_validation_loss, rel=0.15)
    weights, start = (
        load_file(f)
        for f in (tmp_path / "shared" / "adapter" / FILES["full"], parts.folder / FILES["full"])
    )
    assert (
        weights.keys() == start.keys()
        and max(float((start[n] - weights[n]).abs().max()) for n in start) > 1e-2
    )
    assert len([p for p in shared.log if p.answers]) == 2, (
        "all processes answer the watched questions"
    )


def test_two_batches_are_rehearsed_by_the_processes_that_will_share_a_base_with_tied_weights(
    tiny_checkpoint, tmp_path
):
    """Its input and output embeddings are one matrix, as in many small models."""
    import transformers

    tokenizer = load_tokenizer(str(tiny_checkpoint("llama")))
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        tie_word_embeddings=True,
    )
    transformers.Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoded = encode_all(load_tokenizer(str(tmp_path)), [lesson(i) for i in range(24)], 128)
    p = TrainingParameters(
        base_model=str(tmp_path),
        processes=2,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        lora_r=4,
        lora_alpha=8,
    )
    base = LocalModel(str(tmp_path), max_new_tokens=4)
    alone = rehearse(model_to_train(base, p), base.tokenizer, encoded[:16], encoded[16:], p)
    p = p.model_copy(update={"fsdp": True})
    assert model_to_train(base, p) is None, "each process loads its own share"
    shared = rehearse(None, base.tokenizer, encoded[:16], encoded[16:], p)
    assert shared.loss == pytest.approx(alone.loss, rel=1e-5)
    assert shared.tokens_per_s > 0 and shared.peak_gib > 0


def test_what_cannot_be_shared_is_refused_before_anything_is_loaded():
    for wrong, told in (
        ({"processes": 1}, "2 or more"),
        ({"method": "qlora"}, "quantised"),
        ({"use_dora": True}, "DoRA"),
    ):
        with pytest.raises(ValueError, match=told):
            TrainingParameters(**{"fsdp": True, "processes": 2, **wrong})


def test_weights_above_one_card_are_spread_over_all(tiny_checkpoint):
    folder = tiny_checkpoint("llama")
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert not too_large(folder, []) and not too_large(folder, [size]), (
        "without a second card it is for the loader to say"
    )
    assert too_large(folder, [size, size]) and not too_large(folder, [2 * size, 2 * size])
