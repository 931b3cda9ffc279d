"""Rates and sizes that are 0 fit model, method and data; a diverging rate is stopped or lowered; a step's cut changes nothing."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
import transformers

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import ChosenSetting
from ftkit.models.weights import resolve
from ftkit.training.batch import answer_loss, backward, collate, micro_batches, rows_of
from ftkit.training.defaults import choose, with_rate
from ftkit.training.encode import Encoded
from ftkit.training.learning_rate import proven
from ftkit.training.memory import needs
from ftkit.training.sft import plan_of, sized

pytestmark = pytest.mark.usefixtures("one_thread")
SHARED = [9, 8, 7, 6] * 6


def example(i: int, longest: int = 60) -> Encoded:
    length, answer = 30 + (7 * i) % (longest - 30), 1 + i % 5
    ids = [*SHARED, *(10 + (i * k) % 80 for k in range(1, length - len(SHARED) + 1))]
    return Encoded(ids, [-100] * (length - answer) + ids[-answer:], 0, f"e{i}")


def llama(**sizes):
    return transformers.LlamaConfig(
        **{"vocab_size": 49152, "max_position_embeddings": 8192, "tie_word_embeddings": True}
        | sizes
    )


MODELS = {
    "nano": transformers.AutoConfig.from_pretrained(resolve("nano")),
    "smollm2": llama(
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
    ),
    "1b": llama(
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128256,
    ),
    "8b": llama(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128256,
        tie_word_embeddings=False,
    ),
}


@pytest.mark.parametrize(
    ("model", "lora", "full", "rank", "passes"),
    [
        ("nano", (3e-3, 6e-3), (1e-3, 3e-3), 32, 8),
        ("smollm2", (1e-3, 2e-3), (1e-4, 2e-4), 32, 3),
        ("1b", (3e-4, 6e-4), (3e-5, 6e-5), 16, 3),
        ("8b", (1e-4, 4e-4), (1e-5, 4e-5), 16, 3),
    ],
)
def test_one_parameter_file_gives_every_model_sensible_values(model, lora, full, rank, passes):
    examples = [example(i) for i in range(1200)]
    p, settings = choose(TrainingParameters(), MODELS[model], examples)
    assert lora[0] <= p.learning_rate <= lora[1]
    assert (p.lora_r, p.lora_alpha, p.num_train_epochs) == (rank, 32, passes)
    assert (p.per_device_train_batch_size, p.max_length) == (16, 64)
    assert {s.name: s.value for s in settings} == {s.name: getattr(p, s.name) for s in settings}
    assert all(s.reason != "set" for s in settings)
    p, settings = choose(TrainingParameters(method="full"), MODELS[model], examples)
    assert full[0] <= p.learning_rate <= full[1] and not any("lora" in s.name for s in settings)


def test_what_the_user_sets_stays_and_says_so():
    asked = TrainingParameters(learning_rate=1e-5, lora_r=8, num_train_epochs=1.5)
    p, settings = choose(asked, MODELS["smollm2"], [example(i) for i in range(100)])
    assert (p.learning_rate, p.lora_r, p.num_train_epochs) == (1e-5, 8, 1.5)
    reasons = {s.name: s.reason for s in settings}
    assert reasons["learning_rate"] == reasons["lora_r"] == "set" != reasons["max_length"]


def test_more_to_learn_gets_a_higher_rank_and_more_rows_fewer_passes_and_larger_steps():
    few, many = (
        choose(TrainingParameters(), MODELS["1b"], examples)[0]
        for examples in ([example(i) for i in range(60)], [example(0)] * 60_000)
    )
    assert few.num_train_epochs == 5 and many.num_train_epochs == 1
    assert few.per_device_train_batch_size == 8 and many.per_device_train_batch_size == 32
    talk = Encoded([5] * 4000, [-100] * 100 + [5] * 3900, 0)
    p, _ = choose(TrainingParameters(), MODELS["1b"], [talk] * 8000)
    assert p.lora_r == 64, "31 million answer tokens against 0.7 million weights per rank"


def test_the_longest_example_fits_within_the_context_and_a_limit():
    def length(config, longest):
        examples = [Encoded([5] * longest, [-100] * (longest - 1) + [5], 0)]
        p, settings = choose(TrainingParameters(), config, examples)
        return p.max_length, next(s.reason for s in settings if s.name == "max_length")

    assert length(MODELS["smollm2"], 700) == (704, "longest")
    assert length(MODELS["smollm2"], 5000) == (4096, "limit")
    assert length(llama(max_position_embeddings=500), 5000) == (500, "context")


@pytest.mark.parametrize("packing", [False, True])
def test_micro_batches_have_the_gradients_of_the_whole_step(tiny_checkpoint, packing):
    """Weighted by answer tokens: the parts hold different numbers of them."""
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_checkpoint("llama")).double()
    batch = collate(rows_of([example(i) for i in range(9)]), 0, packing=packing)
    parts = micro_batches(batch, 130)
    assert len(parts) > 3
    assert [i for part in parts for i in part["row"].tolist()] == batch["row"].tolist()
    assert packing or all(part["input_ids"].numel() <= 130 for part in parts)
    grads, losses = [], []
    for most in (0, 130, 1):
        model.zero_grad(set_to_none=True)
        losses.append(backward(model, batch, most))
        grads.append([w.grad for w in model.parameters()])
    model.zero_grad()
    answer_loss(model, batch).backward()
    grads.append([w.grad for w in model.parameters()])
    assert losses[1] == pytest.approx(losses[0], abs=1e-6)
    for other in grads[1:]:
        pairs = zip(grads[0], other, strict=True)
        assert all(torch.allclose(a, b, atol=1e-6, rtol=0) for a, b in pairs)


def test_a_step_is_cut_so_that_the_peak_stays_below_half_of_the_free_memory():
    """As was seen: 16 examples of 400 tokens on SmolLM2-135M took 16 GiB."""
    examples = [Encoded([5] * 400, [-100] * 390 + [5] * 10, 0)] * 100
    p, _ = choose(TrainingParameters(per_device_train_batch_size=16), MODELS["smollm2"], examples)
    whole, cut, one = (
        needs(MODELS["smollm2"], examples, p, False, free)[0] for free in (1000.0, 12.0, 1.0)
    )
    assert whole.total_gib > 12 and whole.micro_batch_tokens == 16 * 400
    assert 5 < cut.total_gib <= 6 and 400 < cut.micro_batch_tokens < 16 * 400
    assert one.micro_batch_tokens == 400, "an example is never cut"


def test_a_stopped_run_keeps_the_cut_that_it_began_with(tmp_path, monkeypatch):
    examples = [example(i) for i in range(50)]
    p, _ = choose(TrainingParameters(), MODELS["smollm2"], examples)
    free = {"gib": 3.0}
    monkeypatch.setattr("ftkit.training.sft.memory_gib", lambda: free["gib"])
    first = sized(MODELS["smollm2"], examples, plan_of(p, tmp_path))
    free["gib"] = 30.0
    again = sized(MODELS["smollm2"], examples, plan_of(p, tmp_path))
    assert first.micro_batch_tokens == again.micro_batch_tokens < 480


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_rate_that_diverges_is_told_with_a_lower_one_or_lowered(tiny_checkpoint, method):
    folder = tiny_checkpoint("llama")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    examples = [example(i) for i in range(40)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(15):  # a base that knows something: a lost one is then worse than it was
        backward(model, collate(rows_of(examples), 0))
        optimizer.step()
        optimizer.zero_grad()
    before = copy.deepcopy(model.state_dict())
    asked = TrainingParameters(method=method, learning_rate=1e-3)
    p, settings = choose(asked, model.config, examples)
    tokenizer = SimpleNamespace(pad_token_id=0)
    assert proven(model, tokenizer, examples, p, lower=False) == p.learning_rate
    wild = p.model_copy(update={"learning_rate": 0.9, "lora_alpha": 2000})
    with pytest.raises(FtkitError, match=r"at 0\.9 the loss goes from .* within 6 steps"):
        proven(model, tokenizer, examples, wild, lower=False)
    high = p.model_copy(update={"learning_rate": 0.5, "lora_alpha": 128})
    lowered = proven(model, tokenizer, examples, high, lower=True)
    assert 0 < lowered < 0.5
    assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())
    q, changed = with_rate(high, settings, lowered)
    assert q.learning_rate == lowered
    assert ChosenSetting(name="learning_rate", value=lowered, reason="rehearsal") in changed
