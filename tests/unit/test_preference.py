"""Preference tuning moves the model towards the better answers, and hacking is noticed."""

import os
import random
import signal

import pandas as pd
import pytest
import torch
from made_run import training_card

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.core.records.training import PreferenceCard, PreferencePoint
from ftkit.models.local import LocalModel
from ftkit.report.figures import preference as figures
from ftkit.strategies.grid import after_preference
from ftkit.training.methods import wrap_lora
from ftkit.training.preference import dpo, kto, reinforcement, win_rate


@pytest.fixture
def tuned(tiny_checkpoint, tmp_path):
    torch.set_num_threads(1)
    base = tiny_checkpoint("llama")
    local = LocalModel(str(base), max_new_tokens=8)
    model = wrap_lora(local.model, TrainingParameters(lora_r=8, lora_alpha=16))
    model.save_pretrained(str(tmp_path / "start"))
    local.tokenizer.save_pretrained(str(tmp_path / "start"))
    return base, tmp_path / "start"


def ask(text):
    return [{"role": "user", "content": text}]


def gap(local, n=6):
    """Return how much more likely the better answer is, in nats."""
    return sum(
        sum(v for _, v in local.logprobs(ask(f"q{i}"), "yes"))
        - sum(v for _, v in local.logprobs(ask(f"q{i}"), "no"))
        for i in range(n)
    )


def test_training_makes_better_answers_likelier_and_the_files_load_as_any_adapter(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    before = gap(local)
    p = PreferenceParameters(
        method="dpo", learning_rate=5e-3, num_train_epochs=3, per_device_train_batch_size=4
    )
    encoded = [dpo.encode(local, ask(f"q{i}"), "yes", "no") for i in range(24)]
    assert encoded[0].prompt_ids == local.prompt_ids(ask("q0"))[0]
    assert encoded[0].chosen_ids[-1] == local.tokenizer.eos_token_id
    seen = []
    log, seconds = dpo.train(
        local,
        encoded[:20],
        encoded[20:],
        p,
        tmp_path / "out",
        base,
        lambda *told: seen.append(told),
    )
    assert gap(LocalModel(str(base), adapter=tmp_path / "out" / "adapter")) > before + 1
    margins = win_rate.margins(log)
    assert margins[0] == (0, pytest.approx(0, abs=1e-4)) and margins[-1][1] > 0.1
    assert seen and seconds > 0 and not (tmp_path / "out" / "checkpoints").exists()


def test_without_an_adapter_or_pairs_it_says_so(tuned, tmp_path):
    base, start = tuned
    p = PreferenceParameters(method="dpo")
    with pytest.raises(BadInput, match="LoRA adapter"):
        dpo.train(LocalModel(str(base)), [], [], p, tmp_path, base)
    with pytest.raises(BadInput, match="0 pairs to learn from"):
        dpo.train(LocalModel(str(base), adapter=start), [], [], p, tmp_path, base)


def test_drawn_answers_are_seeded_and_differ(tuned):
    local = LocalModel(str(tuned[0]), max_new_tokens=8)
    first, again, other = (local.sample([ask("a"), ask("b")], 3, 1.0, seed) for seed in (1, 1, 2))
    assert first == again != other and [len(x) for x in first] == [3, 3] and len(set(first[0])) > 1


def scores(right):
    rows = [
        (f"v{i}", "x", f"v{i}", r, float(r), "strict", None, False) for i, r in enumerate(right)
    ]
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def card(*held):
    return PreferenceCard(
        method="dpo",
        adapter="preference/adapter",
        log=[PreferencePoint(step=i, held_margin=m) for i, m in enumerate(held)],
    )


def test_a_clear_gain_is_used_and_07_takes_the_adapter():
    found = win_rate.conclude(
        card(0, 1), scores([0] * 60 + [1] * 40), scores([1] * 100), (["a b"] * 100, ["a b"] * 100)
    )
    assert found.used and (found.wins, found.losses) == (60, 0) and "used in 07" in found.reason
    assert after_preference(training_card(), found).adapter == "preference/adapter"
    assert (
        "Used in 07" in figures.outcome(found).layout.title.text
        and figures.margins(found) is not None
        and figures.facts(found)
    )


def test_a_gain_within_chance_is_not_used():
    found = win_rate.conclude(
        card(0, 1), scores([0, 1] * 20), scores([0, 1] * 19 + [1, 1]), (["a"] * 40, ["a"] * 40)
    )
    assert not found.used and not found.hacked and "no gain beyond chance" in found.reason
    assert after_preference(training_card(), found).adapter == "training/adapter"


@pytest.mark.parametrize(
    ("after", "texts", "told"),
    [
        (
            [0] * 30 + [1] * 10,
            ["a b"] * 40,
            "reward margin rose from 0.00 to 2.00 while the share right fell",
        ),
        ([0, 1] * 20, ["a b c d e f"] * 40, "answers grew from 2.0 to 6.0 words"),
        ([0, 1] * 20, ["a b c a b c a b c"] * 8 + ["a b"] * 32, "repeat themselves"),
    ],
)
def test_planted_reward_hacking_is_noticed_and_not_used(after, texts, told):
    found = win_rate.conclude(card(0, 2), scores([0, 1] * 20), scores(after), (["a b"] * 40, texts))
    assert told in found.hacked and not found.used and "reward hacking" in found.reason


def test_where_it_is_off_that_is_told():
    title, points = win_rate.learned(PreferenceCard(method="none", reason="off"))
    assert title == "No preference tuning" and points == ["off"]


def share_of(letter):
    """A reward that a policy can learn in seconds: how much of an answer is one letter."""
    return lambda ids, answers: [text.count(letter) / max(1, len(text)) for text in answers]


@pytest.fixture
def sure(tuned, tmp_path):
    """A base with opinions: random weights answer every token alike, which no reward can teach in seconds."""
    base, start = tuned
    local = LocalModel(str(base), max_new_tokens=4)
    with torch.no_grad():
        local.model.get_output_embeddings().weight.mul_(15)
    local.model.save_pretrained(str(tmp_path / "sure"))
    local.tokenizer.save_pretrained(str(tmp_path / "sure"))
    return tmp_path / "sure", start


def earned(base, adapter, letter="e"):
    """Return the mean reward of drawn answers to questions that were not asked in training."""
    local = LocalModel(str(base), adapter=adapter, max_new_tokens=4)
    texts = [
        text
        for drawn in local.sample([ask(f"new {i}") for i in range(8)], 8, 1.0, seed=3)
        for text in drawn
    ]
    return sum(share_of(letter)([], texts)) / len(texts)


def rl(**options):
    values = {
        "method": "grpo",
        "learning_rate": 2e-2,
        "per_device_train_batch_size": 4,
        "samples": 8,
        "num_train_epochs": 6,
        "max_new_tokens": 4,
        "beta": 0.02,
    }
    return PreferenceParameters.model_validate(values | options)


def test_rl_makes_rewarded_answers_likelier_and_kl_holds_it_near_its_start(sure, tmp_path):
    base, start = sure
    prompts, seen, kl = {f"e{i}": ask(f"q{i}") for i in range(16)}, [], {}
    before = earned(base, start)
    for name, beta in (("free", 1e-4), ("held", 1.0)):
        local = LocalModel(str(base), adapter=start, max_new_tokens=4)
        log, seconds = reinforcement.train(
            local,
            prompts,
            share_of("e"),
            rl(beta=beta, learning_rate=1e-2),
            tmp_path / name,
            base,
            lambda *told: seen.append(told),
        )
        assert len(log) == 24 and all(x.reward is not None for x in log) and seconds > 0
        kl[name] = log[-1].kl
        if name == "free":
            rewards = win_rate.quarters(log)
            assert rewards[-1] > 1.2 * rewards[0]
    assert earned(base, tmp_path / "free" / "adapter") > before + 0.03
    assert kl["held"] < 0.5 < 2 < kl["free"]
    assert seen[-1][0] == seen[-1][1] == 24 and not (tmp_path / "free" / "checkpoints").exists()


def test_rloo_makes_rewarded_answers_likelier_too(sure, tmp_path):
    base, start = sure
    local, before = LocalModel(str(base), adapter=start, max_new_tokens=4), earned(base, start)
    prompts = {f"e{i}": ask(f"q{i}") for i in range(16)}
    log, _ = reinforcement.train(
        local,
        prompts,
        share_of("e"),
        rl(method="rloo", beta=1e-4, learning_rate=1e-2),
        tmp_path / "rloo",
        base,
    )
    rewards = win_rate.quarters(log)
    assert len(log) == 24 and rewards[-1] > 1.2 * rewards[0]
    assert earned(base, tmp_path / "rloo" / "adapter") > before + 0.03


def test_the_reward_is_asked_with_the_ids_of_what_was_asked(tuned, tmp_path):
    base, start = tuned
    local, asked = LocalModel(str(base), adapter=start, max_new_tokens=4), []

    def reward(ids, answers):
        asked.extend(ids)
        return [0.0] * len(answers)

    reinforcement.train(
        local,
        {f"e{i}": ask(f"q{i}") for i in range(4)},
        reward,
        rl(num_train_epochs=1),
        tmp_path,
        base,
    )
    assert sorted(asked) == sorted([f"e{i}" for i in range(4) for _ in range(8)])
    with pytest.raises(BadInput, match="2 prompts are fewer"):
        reinforcement.train(local, {"a": ask("a"), "b": ask("b")}, reward, rl(), tmp_path, base)


def test_a_reward_model_learns_pairs_and_scores_new_answers_by_them(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    encoded = [dpo.encode(local, ask(f"q{i}"), f"yes {i % 5}", f"no {i % 7}") for i in range(60)]
    model = reinforcement.RewardModel(local, base)
    told = model.train(encoded[:40], encoded[40:], 1, tmp_path)
    assert told.value >= 0.9 and told.n == 20
    better, worse = (
        model.score([ask("new")] * 3, [f"{word} {i}" for i in range(3)]) for word in ("yes", "no")
    )
    assert min(better) > max(worse)


def test_a_reward_model_goes_on_after_kill_9_and_a_finished_one_is_read_back(
    tuned, tmp_path, monkeypatch
):
    from trl.trainer.reward_trainer import RewardTrainer

    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    encoded = [dpo.encode(local, ask(f"q{i}"), f"yes {i % 5}", f"no {i % 7}") for i in range(60)]
    step = RewardTrainer.training_step

    def train(folder, seed=1):
        model = reinforcement.RewardModel(local, base)
        told = model.train(encoded[:40], encoded[40:], seed, folder)
        return told, model.score([ask("new")] * 2, ["yes 1", "no 1"])

    def killed(trainer, *args, **kwargs):
        if trainer.state.global_step == 8:  # in the second pass of five steps each
            os.kill(os.getpid(), signal.SIGKILL)
        return step(trainer, *args, **kwargs)

    whole = train(tmp_path / "whole")
    child = os.fork()
    if child == 0:
        try:
            RewardTrainer.training_step = killed
            train(tmp_path / "cut")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (
        list((tmp_path / "cut" / "reward" / "checkpoints").iterdir())
        and not (tmp_path / "cut" / "reward" / "adapter").exists()
    )
    seen = []
    monkeypatch.setattr(
        RewardTrainer,
        "training_step",
        lambda t, *a, **k: (seen.append(t.state.global_step), step(t, *a, **k))[1],
    )
    assert train(tmp_path / "cut") == whole and min(seen) == 5, (
        "it went on from the first pass, to the same scores"
    )
    seen.clear()
    assert train(tmp_path / "cut") == whole and seen == [], "read back"
    train(tmp_path / "cut", seed=2)
    assert seen, "another seed is learnt anew"


def test_a_reward_model_that_tells_nothing_apart_is_refused(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    rng = random.Random(1)
    words = [rng.sample(["red", "blue"], 2) for _ in range(40)]
    encoded = [dpo.encode(local, ask(f"q{i}"), *pair) for i, pair in enumerate(words)]
    with pytest.raises(FtkitError, match="no better than chance"):
        reinforcement.RewardModel(local, base).train(encoded[:20], encoded[20:], 1, tmp_path)


def test_rl_that_is_rewarded_for_words_alone_is_noticed_as_hacking(sure, tmp_path):
    """The planted case: the reward counts words, so answers grow and get no better; all of it really trained and measured."""
    base, start = sure
    prompts = {f"e{i}": ask(f"q{i}") for i in range(16)}
    before = [
        r.text
        for r in LocalModel(str(base), adapter=start, max_new_tokens=12).answer(
            list(prompts.values())
        )
    ]
    local = LocalModel(str(base), adapter=start, max_new_tokens=12)
    p = rl(max_new_tokens=12, beta=1e-4, num_train_epochs=12)
    log, _ = reinforcement.train(
        local, prompts, lambda ids, texts: [len(t.split()) / 6 for t in texts], p, tmp_path, base
    )
    after = [
        r.text
        for r in LocalModel(str(base), adapter=tmp_path / "adapter", max_new_tokens=12).answer(
            list(prompts.values())
        )
    ]
    trained = PreferenceCard(method="grpo", adapter="preference/adapter", reward="task", log=log)
    found = win_rate.conclude(trained, scores([0] * 16), scores([0] * 16), (before, after))
    assert (
        win_rate.quarters(log)[-1] > win_rate.quarters(log)[0]
        and found.words_after > 1.3 * found.words_before
    )
    assert found.hacked and not found.used and "reward hacking" in found.reason


def test_what_rl_did_is_told_and_drawn():
    log = [
        PreferencePoint(step=i, loss=0.1, reward=0.2 + 0.01 * i, kl=0.01 * i, tokens=5)
        for i in range(1, 21)
    ]
    found = card(0, 1).model_copy(update={"method": "grpo", "reward": "task", "log": log})
    found = win_rate.conclude(
        found, scores([0] * 30 + [1] * 10), scores([1] * 40), (["a b"] * 40, ["a b"] * 40)
    )
    assert (
        found.used
        and "Rewarded by the task's own checks. The mean reward of drawn answers went from 0.23 to 0.38."
        in win_rate.learned(found)[1]
    )
    assert "Drawn answers earn more: 0.23 to 0.38" in figures.margins(
        found
    ).layout.title.text.replace("<br>", " ")
    fell = win_rate.conclude(
        found, scores([1] * 30 + [0] * 10), scores([0] * 40), (["a b"] * 40, ["a b"] * 40)
    )
    assert "the reward rose from 0.23 to 0.38 while the share right fell" in fell.hacked


def test_kto_makes_good_answers_likelier_than_bad_ones_whatever_their_numbers(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    before = gap(local)
    p = PreferenceParameters(
        method="kto", learning_rate=5e-3, num_train_epochs=4, per_device_train_batch_size=4
    )
    graded = [
        kto.encode(local, ask(f"q{i}"), "yes" if i % 3 else "no", bool(i % 3)) for i in range(30)
    ]
    log, _ = kto.train(local, graded[:24], graded[24:], p, tmp_path / "out", base)
    assert gap(LocalModel(str(base), adapter=tmp_path / "out" / "adapter")) > before + 1
    assert log[0].held_loss is not None and all(
        point.loss is None or point.loss == point.loss for point in log
    )
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_kto_needs_good_and_bad_answers_and_a_batch_to_compare_in(tuned, tmp_path):
    base, start = tuned
    local = LocalModel(str(base), adapter=start, max_new_tokens=8)
    graded = [kto.encode(local, ask(f"q{i}"), "yes", True) for i in range(10)]
    with pytest.raises(BadInput, match="10 good and 0 bad"):
        kto.train(local, graded, graded, PreferenceParameters(method="kto"), tmp_path, base)
    mixed = [kto.encode(local, ask(f"q{i}"), "yes", i % 2 == 0) for i in range(10)]
    with pytest.raises(BadInput, match="within a batch"):
        kto.train(
            local,
            mixed,
            mixed,
            PreferenceParameters(method="kto", per_device_train_batch_size=1),
            tmp_path,
            base,
        )


def stopped_at(step):
    def killed(now, of, note):
        if now >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    return killed


def cut_and_gone_on(train, folder, step):
    """Train in one go, and killed at a step and gone on with; return both logs and the weights' bytes."""
    whole, _ = train(folder / "whole", None)
    child = os.fork()
    if child == 0:
        try:
            train(folder / "cut", stopped_at(step))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (folder / "cut" / "adapter").exists() and list(
        (folder / "cut" / "checkpoints").iterdir()
    )
    steps = []
    again, seconds = train(folder / "cut", lambda now, of, note: steps.append(now))
    weights = [
        (folder / name / "adapter" / "adapter_model.safetensors").read_bytes()
        for name in ("whole", "cut")
    ]
    assert steps[0] > 1 and seconds > 0 and not (folder / "cut" / "checkpoints").exists()
    return whole, again, weights


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_after_kill_9_preference_tuning_goes_on_to_the_same_weights(tuned, tmp_path, method):
    base, start = tuned
    p = PreferenceParameters(
        method=method, learning_rate=5e-3, num_train_epochs=3, per_device_train_batch_size=4
    )

    def train(folder, progress):
        local = LocalModel(str(base), adapter=start, max_new_tokens=8)
        if method == "dpo":
            rows = [dpo.encode(local, ask(f"q{i}"), "yes", "no") for i in range(24)]
            return dpo.train(local, rows[:20], rows[20:], p, folder, base, progress)
        rows = [
            kto.encode(local, ask(f"q{i}"), "yes" if i % 2 else "no", bool(i % 2))
            for i in range(44)
        ]
        return kto.train(local, rows[:36], rows[36:], p, folder, base, progress)

    whole, again, weights = cut_and_gone_on(train, tmp_path, 8)
    assert weights[0] == weights[1] and again == whole


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_after_kill_9_rl_goes_on_from_its_last_checkpoint(sure, tmp_path, method):
    base, start = sure

    def train(folder, progress):
        local = LocalModel(str(base), adapter=start, max_new_tokens=4)
        prompts = {f"e{i}": ask(f"q{i}") for i in range(16)}
        return reinforcement.train(
            local,
            prompts,
            share_of("e"),
            rl(method=method, num_train_epochs=3),
            folder,
            base,
            progress,
        )

    whole, again, weights = cut_and_gone_on(train, tmp_path, 8)
    assert [x.step for x in again] == [x.step for x in whole] and weights[0] == weights[1]


def test_other_pairs_or_settings_start_anew(tuned, tmp_path):
    base, start = tuned

    def train(folder, progress, answer="yes", **options):
        p = PreferenceParameters(
            method="dpo", num_train_epochs=2, per_device_train_batch_size=4, **options
        )
        local = LocalModel(str(base), adapter=start, max_new_tokens=8)
        rows = [dpo.encode(local, ask(f"q{i}"), answer, "no") for i in range(24)]
        return dpo.train(local, rows[:20], rows[20:], p, folder, base, progress)

    for options in ({"learning_rate": 1e-3}, {"answer": "ja"}):
        child = os.fork()
        if child == 0:
            try:
                train(tmp_path / "a", stopped_at(6))
            finally:
                os._exit(1)
        os.waitpid(child, 0)
        steps: list[int] = []
        train(tmp_path / "a", lambda now, of, note, seen=steps: seen.append(now), **options)
        assert steps[0] == 1
