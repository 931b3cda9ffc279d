"""LoRA layers that multiply once compute what PEFT's own compute, also while weights and scale change."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from ftkit.models.load import load_model
from ftkit.models.merged_lora import add_first

pytestmark = pytest.mark.usefixtures("one_thread")
IDS = torch.randint(5, 200, (3, 20), generator=torch.Generator().manual_seed(0))


def adapted(folder, **options):
    """Return a model with an adapter that changes its answers, as PEFT makes it."""
    config = LoraConfig(
        **(
            {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
            | options
        )
    )
    torch.manual_seed(1)
    model = get_peft_model(load_model(str(folder)), config)
    stir(model)
    return model


def stir(model):
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_B." in name:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.3)


def kept(model):
    return [bool(layer.kept) for layer in model.modules() if hasattr(layer, "kept")]


def answers(model):
    with torch.inference_mode():
        return model(input_ids=IDS).logits


@pytest.fixture
def pair(tiny_checkpoint):
    """The same adapted model twice: as PEFT computes it, and multiplying once."""
    folder = tiny_checkpoint("llama")
    return adapted(folder), add_first(adapted(folder))


def test_answers_are_those_of_peft_while_the_scale_the_weights_and_the_adapter_change(pair):
    slow, quick = pair
    assert torch.allclose(answers(quick), answers(slow), atol=1e-4) and all(kept(quick))
    before = answers(quick)
    for change in (set_half, stir, add_second, disable):
        for model in pair:
            change(model)
        assert torch.allclose(answers(quick), answers(slow), atol=1e-4), change.__name__
        assert not torch.allclose(answers(quick), before, atol=1e-2), change.__name__
        before = answers(quick)


def set_half(model):
    for layer in model.modules():
        if hasattr(layer, "set_scale"):
            layer.set_scale("default", 0.5)


def add_second(model):
    torch.manual_seed(3)
    model.add_adapter(
        "second", LoraConfig(r=8, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    )
    model.set_adapter("second")
    model.eval()


def disable(model):
    model.base_model.disable_adapter_layers()


def test_a_training_step_has_the_gradients_of_peft(pair):
    for model in pair:
        model.train()(input_ids=IDS, labels=IDS).loss.backward()
    found = [{n: w.grad for n, w in model.named_parameters() if w.requires_grad} for model in pair]
    assert len(found[0]) > 10 and found[0].keys() == found[1].keys()
    assert all(torch.allclose(found[1][n], found[0][n], rtol=1e-3, atol=1e-5) for n in found[0])
    assert not any(kept(pair[1]))


@pytest.mark.parametrize("fused", [True, False])
def test_what_is_kept_is_made_anew_after_an_optimizer_step(pair, fused):
    optimizers = []
    for model in pair:
        answers(model)
        model.train()(input_ids=IDS, labels=IDS).loss.backward()
        optimizers.append(
            torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=0.1, fused=fused)
        )
        answers(model.eval())
    before = answers(pair[1])
    for optimizer in optimizers:
        optimizer.step()
    assert torch.allclose(answers(pair[1]), answers(pair[0]), atol=1e-3)
    assert not torch.allclose(answers(pair[1]), before, atol=1e-2)


@pytest.mark.parametrize(
    "options", [{"r": 2}, {"use_dora": True}, {"lora_dropout": 0.1}, {"lora_bias": True}]
)
def test_where_it_does_not_pay_or_is_another_sum_peft_computes(tiny_checkpoint, options):
    folder = tiny_checkpoint("llama")
    slow, quick = (make(adapted(folder, **options)).eval() for make in (lambda m: m, add_first))
    assert torch.equal(answers(quick), answers(slow)) and not any(kept(quick))


def test_a_merged_adapter_is_not_added_again(pair):
    slow, quick = pair
    before = answers(slow)
    quick.merge_adapter()
    assert torch.allclose(answers(quick), before, atol=1e-4)
    quick.unmerge_adapter()
    assert torch.allclose(answers(quick), before, atol=1e-4)
