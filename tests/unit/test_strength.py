"""How much of what was learnt is applied: in memory, in the files, and the choice."""

import pandas as pd
import pytest
import torch
from made_run import training_card

from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.core.records.training import ScaleTrial
from ftkit.models.local import LocalModel
from ftkit.report.figures import training as figures
from ftkit.training import adapter_scale
from ftkit.training.methods import wrap_lora

MESSAGES = [{"role": "user", "content": "one two three"}]


def logits(local):
    ids, _ = local.prompt_ids(MESSAGES)
    with torch.inference_mode():
        return local.model(torch.tensor([ids])).logits[0, -1]


@pytest.fixture(
    params=[{}, {"use_dora": True}, {"use_rslora": True}], ids=["lora", "dora", "rslora"]
)
def adapter(tmp_path, tiny_checkpoint, request):
    base = tiny_checkpoint("llama")
    torch.manual_seed(3)
    model = wrap_lora(
        LocalModel(str(base)).model, TrainingParameters(lora_r=4, lora_alpha=8, **request.param)
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
        if "magnitude" in name:
            weight.data.mul_(torch.rand_like(weight) + 0.5)
    model.save_pretrained(str(tmp_path / "adapter"))
    return base, tmp_path / "adapter"


def test_a_part_of_an_adapter_answers_the_same_from_memory_and_from_its_files(adapter, tmp_path):
    base, folder = adapter
    tuned, untuned = LocalModel(str(base), adapter=folder), logits(LocalModel(str(base)))
    dial, whole = adapter_scale.ScaledAdapter(tuned, base), logits(tuned)
    dial.set(0.4)
    dial.save(0.4, folder, tmp_path / "part")
    part = logits(tuned)
    assert torch.allclose(part, logits(LocalModel(str(base), adapter=tmp_path / "part")), atol=1e-5)
    assert (part - untuned).abs().max() < (whole - untuned).abs().max()
    dial.set(0.0)
    assert torch.allclose(logits(tuned), untuned, atol=1e-5)
    dial.set(1.0)
    assert torch.allclose(logits(tuned), whole, atol=1e-5)


def test_a_part_of_a_full_tuning_lies_between_base_and_tuned_weights(tmp_path, tiny_checkpoint):
    base = tiny_checkpoint("llama")
    tuned = LocalModel(str(base))
    with torch.no_grad():
        for weight in tuned.model.parameters():
            weight.add_(0.1)
    tuned.model.save_pretrained(str(tmp_path / "full"))
    tuned.tokenizer.save_pretrained(str(tmp_path / "full"))
    adapter_scale.ScaledAdapter(LocalModel(str(tmp_path / "full")), base).save(
        0.25, tmp_path / "full", tmp_path / "part"
    )
    weights = [next(iter(LocalModel(str(f)).model.parameters())) for f in (base, tmp_path / "part")]
    assert torch.allclose(weights[1] - weights[0], torch.full_like(weights[0], 0.025), atol=1e-5)


def probe(name, right, n=100):
    rows = [
        (f"probe-{i}", name, f"probe-{i}", i < right, float(i < right), "strict", None, False)
        for i in range(n)
    ]
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


class Now:
    """A dial that only remembers how it was set."""

    def __init__(self):
        self.tuned = []

    def set(self, share):
        self.tuned.append(share)


def search(kept, allowed):
    """Search where ``kept[strength]`` of 100 general questions stay right of 80."""
    dial = Now()
    trials = adapter_scale.search(
        dial, lambda now: probe("tuned", kept[now[-1]]), lambda now: {}, probe("base", 80), allowed
    )
    return trials, dial.tuned[-1]


def arms(right):
    return {"tuned": Estimate(value=right, low=0.0, high=1.0, n=40, method="test")}


def test_a_part_that_loses_the_task_is_not_shipped():
    kept, right, dial = (
        {1.0: 54, 0.85: 64, 0.7: 72, 0.55: 74, 0.4: 77},
        {1.0: 0.15, 0.85: 0.12, 0.7: 0.07, 0.55: 0.0, 0.4: 0.0},
        Now(),
    )
    trials = adapter_scale.search(
        dial,
        lambda now: probe("tuned", kept[now[-1]]),
        lambda now: arms(right[now[-1]]),
        probe("base", 80),
        0.04,
    )
    assert [t.strength for t in trials] == [1.0, 0.85, 0.7] and dial.tuned[-1] == 1.0
    card = training_card().model_copy(
        update={"strength": 1.0, "scale_trials": trials, "general_allowed": 0.04}
    )
    assert "right answers fall from 15% to 7%" in adapter_scale.learned(card)


def test_less_of_the_change_is_tried_until_the_loss_is_allowed():
    trials, last = search({1.0: 65, 0.85: 70, 0.7: 77, 0.55: 79, 0.4: 80}, 0.04)
    assert [t.strength for t in trials] == [1.0, 0.85, 0.7]
    assert last == 0.7 and trials[-1].general.value == pytest.approx(-0.03)


def test_a_change_that_costs_little_is_applied_whole_and_nothing_else_is_tried():
    trials, last = search({1.0: 78}, 0.04)
    assert len(trials) == 1 and last == 1.0


def test_where_no_part_is_within_what_is_allowed_the_whole_change_is_kept_and_told():
    trials, last = search(dict.fromkeys(adapter_scale.STRENGTHS, 50), 0.04)
    card = training_card().model_copy(update={"scale_trials": trials, "general_allowed": 0.04})
    assert last == 1.0 and len(trials) == 5
    assert "even 40% of it costs 30.0 points" in adapter_scale.learned(card)


def trial(share, lost, right):
    def estimate(v):
        return Estimate(value=v, low=v - 0.03, high=v + 0.03, n=200, method="x")

    return ScaleTrial(strength=share, general=estimate(-lost), accuracy={"tuned": estimate(right)})


def test_the_picture_tells_what_is_lost_and_what_is_left():
    trials = [trial(1.0, 0.13, 0.4), trial(0.7, 0.03, 0.38)]
    card = training_card().model_copy(
        update={"strength": 0.7, "scale_trials": trials, "general_allowed": 0.04}
    )
    figure = figures.adapter_scales(card)
    assert (
        "Applied at 70%, tuning costs 3 points of general skills instead of 13"
        in figure.layout.title.text.replace("<br>", " ")
    )
    assert list(figure.data[0].y) == pytest.approx([13, 3])
    assert figures.adapter_scales(training_card()) is None
