"""Engines of others: started from the exported files, asked, led astray, and put behind the strategy."""

import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import lora_engine
import pandas as pd
import pytest
import torch
import uvicorn
from lora_engine import app_of

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.deployment import Bundle
from ftkit.core.records.prompting import Prompt, ResponseFormat
from ftkit.core.records.strategy import StrategySpec
from ftkit.deployment import asking, parity, platforms, releases
from ftkit.deployment.engines import process
from ftkit.deployment.engines.client import EngineClient
from ftkit.deployment.engines.parity import check_engines, noisy, questions
from ftkit.deployment.export import copied, write
from ftkit.deployment.parity import COLUMNS, Numerics, compare
from ftkit.deployment.platforms import Limits, plain_template, vllm_script
from ftkit.deployment.served_strategy import Served, prompt_sha256
from ftkit.deployment.server import start
from ftkit.deployment.server.start import running
from ftkit.models.load import SIMPLE_TEMPLATE
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint, resolve
from ftkit.training.methods import wrap_lora

VLLM = os.environ.get("FTKIT_VLLM", "")
pytestmark = pytest.mark.usefixtures("one_thread")
N = 40


def bundle(form="adapter", base="nano", **more):
    spec = StrategySpec(
        name="fine-tuned", family="fine-tuned", model="tuned", prompt="short", retriever=False
    )
    values = {
        "name": "desk",
        "project": "Test",
        "spec": spec,
        "prompt": Prompt(name="short", system="Answer in one word."),
        "form": form,
        "base_model": str(base),
        "base_sha256": fingerprint(Path(resolve(str(base)))),
        "weights": "weights",
        "max_new_tokens": 8,
        "batch_size": 4,
        "instruction": "Answer.",
        "verdict": "fine-tuned",
        "run": "r",
        "created": "2026-01-01T00:00:00Z",
    }
    return Bundle.model_validate(values | more)


def export(folder, base="nano", seed=3, **more):
    """Write an export of a base with an adapter that changes its answers, as 09 does."""
    local = LocalModel(str(base), threads=1)
    torch.manual_seed(seed)
    model = wrap_lora(local.model, TrainingParameters(lora_r=4, lora_alpha=8))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    trained = folder.parent / f"trained-{seed}"
    model.save_pretrained(str(trained))
    local.tokenizer.save_pretrained(str(trained))
    record = bundle(base=base, **more)
    limits = Limits(local.context, [str(local.tokenizer.eos_token)], 4)
    template = plain_template(str(local.tokenizer.chat_template))
    shown = [{"role": "user", "content": "(the text)"}]
    texts = platforms.files(record, limits, template, shown)
    write(folder, record, weights=copied(trained), texts=texts)
    return folder


# What differs through an engine, by kind


def answers(**changes):
    rows = {
        "item_id": [f"q{i}" for i in range(N)],
        "text": [f"right answer {i}" for i in range(N)],
        "prompt_tokens": [50] * N,
        "completion_tokens": [4] * N,
        "passages": [[]] * N,
        "prompt_sha256": ["p"] * N,
        "logprob": [-0.1] * N,
    }
    return pd.DataFrame(rows | changes, columns=COLUMNS)


def differing(n):
    return [f"{'right' if i >= n else 'other'} answer {i}" for i in range(N)]


@pytest.mark.parametrize(
    ("differ", "right", "alone", "cause", "passed"),
    [
        (1, [True] * N, False, parity.KERNELS, True),
        (1, [True] * N, True, parity.ROUNDING, True),
        (6, [True] * N, False, parity.KERNELS, False),
        (6, [i >= 6 for i in range(N)], False, parity.KERNELS, True),
    ],
)
def test_numerics_are_told_by_kind_and_pass_where_they_lose_no_right_answers(
    differ, right, alone, cause, passed
):
    numerics = Numerics("float32", right, alone_same=alone)
    found = compare("engine", answers(), answers(text=differing(differ)), None, numerics)
    assert (found.cause, found.passed) == (cause, passed)
    lost = sum(right[:differ]) / N
    assert found.loss.value == pytest.approx(lost) and found.loss.low <= lost <= found.loss.high
    assert (found.loss.high <= parity.MOST_LOST) == passed


@pytest.mark.parametrize(
    ("base_texts", "base_gap", "gap", "cause"),
    [
        (["base"] * N, 0.4, 0.6, parity.BASE),
        (None, float("nan"), 0.6, parity.BASE),
        (["base"] * N, 1e-6, 0.6, parity.WEIGHTS),
        (["base"] * N, float("nan"), 0.6, parity.WEIGHTS),
        (["base"] * N, 0.001, 0.003, parity.PRECISION),
    ],
)
def test_another_base_is_told_from_another_adapter_and_from_lower_precision(
    base_texts, base_gap, gap, cause
):
    numerics = Numerics("float32", [True] * N, base_gap=base_gap)
    served = answers(logprob=[-0.1 - gap] * N)
    found = compare("engine", answers(), served, base_texts, numerics)
    assert found.cause == cause and not found.passed


def test_a_model_tested_in_bfloat16_is_not_held_to_the_digits_of_float32():
    served = answers(logprob=[-0.105] * N)
    for tested, cause in (("bfloat16", parity.NONE), ("float32", parity.PRECISION)):
        assert compare("engine", answers(), served, None, Numerics(tested, [])).cause == cause


# The exported file, and engines that do not come up


@pytest.mark.parametrize(("rank", "told"), [(4, 8), (16, 16), (24, 32), (320, 320)])
def test_vllm_is_told_the_precision_and_a_rank_that_it_knows(rank, told):
    text = vllm_script(bundle(), Limits(512, ["<|end|>"], rank, "float32"), "/srv/model")
    assert f"--max-lora-rank {told} " in text and "--dtype float32 " in text
    assert text.rstrip().endswith('"$@"')


def engine_that_says(folder, text, code=1):
    folder.mkdir(exist_ok=True)
    path = folder / "vllm"
    path.write_text(f"#!/bin/bash\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("says", "found", "todo"),
    [
        (
            "vllm: error: unrecognized arguments: --trust-request-chat-template",
            "does not know an option",
            "newer",
        ),
        (
            "ValueError: LoRA rank 64 is greater than max_lora_rank 16.",
            "does not take the adapter's rank",
            "merged",
        ),
        (
            "ValueError: MambaModel does not support LoRA yet.",
            "does not take LoRA adapters",
            "merged",
        ),
        (
            "ValueError: To serve at least one request with the models's max seq len (8192), 2 GiB KV cache is needed",
            "no room for the model's context",
            "memory",
        ),
        ("ModuleNotFoundError: No module named 'torch'", "not installed completely", "environment"),
        ("Segmentation fault", "ended: Segmentation fault", "log"),
    ],
)
def test_an_engine_that_ends_says_why_and_what_to_do(tmp_path, says, found, todo):
    command = engine_that_says(tmp_path / "bin", says)
    script = tmp_path / "vllm.sh"
    script.write_text('vllm serve "$@"\n')
    with pytest.raises(FtkitError) as error, process.started(command, script, [], tmp_path / "log"):
        pass
    assert found in error.value.found and todo in str(error.value.todo)


def test_an_engine_that_is_not_there_or_no_engine_is_told(tmp_path):
    with pytest.raises(BadInput, match="there is no engine 'no-such-vllm'"):
        process.executable("no-such-vllm")
    with pytest.raises(BadInput, match="no OpenAI-compatible engine answers"):
        EngineClient("http://127.0.0.1:9/v1", "desk").open()


def test_an_engine_without_the_adapter_is_told_with_what_it_serves(tiny_checkpoint, tmp_path):
    base = tiny_checkpoint("llama")
    own = export(tmp_path / "export", base)
    with (
        running(Served(own, threads=1)) as url,
        pytest.raises(BadInput, match="serves no model 'other' but desk, desk-raw"),
    ):
        EngineClient(url, "other").open()


def test_another_base_is_the_same_architecture_with_other_numbers(tiny_checkpoint, tmp_path):
    base = tiny_checkpoint("llama")
    other = noisy(Path(base), tmp_path)
    first, second = (
        LocalModel(str(f), threads=1).logprobs([{"role": "user", "content": "hello"}], "word")
        for f in (base, other)
    )
    gap = sum(abs(a[1] - b[1]) for a, b in zip(first, second, strict=True)) / len(first)
    assert gap > 1e-4 and [t for t, _ in first] == [t for t, _ in second]


# vLLM itself


def reference(served, items):
    asked, replies = served.answer(items["input"].tolist())
    rows = [
        (
            i,
            r.text,
            r.prompt_tokens,
            r.completion_tokens,
            [],
            prompt_sha256(served.local, a.messages),
            asking.mean_logprob(served.local, a.messages, r.text),
        )
        for i, a, r in zip(items["id"], asked, replies, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.skipif(not VLLM, reason="needs FTKIT_VLLM, the path of vLLM's command")
def test_vllm_started_from_the_exported_file_answers_as_tested_and_names_planted_faults(tmp_path):
    labels = ["red", "blue", "green"]
    prompt = Prompt(
        name="held",
        system="Answer with one of these labels: red, blue, green.",
        response_format=ResponseFormat(kind="choice", value=labels),
    )
    served = Served(export(tmp_path / "export", prompt=prompt), threads=1)
    texts = [f"The thing is {c} {i}." for i, c in enumerate(labels * 2)]
    items = pd.DataFrame({"id": [str(i) for i in range(len(texts))], "input": texts})
    told = reference(served, items)
    plain = LocalModel("nano", max_new_tokens=6, threads=1)
    asked = served.prepare(texts)
    held = [a.response_format for a in asked]
    base_texts = [r.text for r in plain.answer([a.messages for a in asked], None, held)]
    q = questions(served, items, told, [True] * len(texts), base_texts)
    found = check_engines([VLLM], served, q, tmp_path, fault_items=4)
    assert [(c.form, c.parity.passed, c.parity.identical.value) for c in found] == [
        ("adapter", True, 1.0),
        ("merged", True, 1.0),
    ]
    causes = {f.path.removeprefix("fault: "): f.cause for f in found[0].faults}
    assert causes["chat template"] == parity.TEMPLATE and causes["another base"] == parity.BASE
    assert causes["low precision"] == parity.PRECISION
    assert not any(f.passed for c in found for f in c.faults)


# The strategy in front of an engine


@contextmanager
def engine_running(app):
    server = uvicorn.Server(start.config(app, "127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(30)


def said(url, text, name="desk", **more):
    body = {"model": name, "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{url}/chat/completions", json=body, timeout=60)


TEXTS = [f"question number {i}" for i in range(12)]


def test_the_strategy_in_front_of_an_engine_answers_as_with_weights_of_its_own(
    tiny_checkpoint, tmp_path
):
    base = str(tiny_checkpoint("llama"))
    own = Served(export(tmp_path / "export", base), threads=1)
    right = [r.text for r in own.answer(TEXTS)[1]]
    adapters = [("desk", str(tmp_path / "export" / "weights"))]
    log = tmp_path / "log.jsonl"
    with engine_running(app_of(base, adapters)) as engine:
        front = Served(tmp_path / "export", engine_url=engine)
        assert front.local is None
        assert [r.text for r in front.answer(TEXTS)[1]] == right
        with running(front, log=log) as url, ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda t: said(url, t).json(), TEXTS))
            short = said(url, TEXTS[0], max_tokens=1).json()["choices"][0]
            assert httpx.get(url.replace("/v1", "/ready")).json()["ready"] is True
    assert [f["choices"][0]["message"]["content"] for f in found] == right
    asked = own.prepare(TEXTS)
    assert [f["ftkit"]["prompt_sha256"] for f in found] == [
        own.prompt_sha256(a.messages) for a in asked
    ]
    assert [f["ftkit"]["confidence"] for f in found] == [1.0] * len(TEXTS)  # as the engine tells it
    assert len(log.read_text().splitlines()) == len(TEXTS) + 1
    assert short["finish_reason"] == "length" and len(short["message"]["content"]) <= len(right[0])


def test_a_promotion_loads_the_adapter_in_the_engine_first_and_a_roll_back_too(
    tiny_checkpoint, tmp_path
):
    base, store = str(tiny_checkpoint("llama")), tmp_path / "store"
    folders = [export(tmp_path / f"{seed}" / "export", base, seed) for seed in (3, 4)]
    right = [Served(f, threads=1).answer(TEXTS[:1])[1][0].text for f in folders]
    assert right[0] != right[1]
    releases.promote(store, folders[0], "first")
    app = app_of(base)
    with engine_running(app) as engine:
        first = Served(releases.current(store), 0, 1, store, None, engine)
        with running(first) as url:
            answer = said(url, TEXTS[0]).json()
            assert answer["choices"][0]["message"]["content"] == right[0]
            releases.promote(store, folders[1], "second")
            assert _until(url, 2) == right[1]
            releases.roll_back(store)
            assert _until(url, 1) == right[0]
    assert app.state.loads[:4] == ["desk-v1", "desk-v2", "-desk-v1", "desk-v1"]


def _until(url, version):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = said(url, TEXTS[0])
        assert answer.status_code == 200, answer.text
        if answer.json()["ftkit"]["version"] == version:
            return answer.json()["choices"][0]["message"]["content"]
        time.sleep(0.2)
    raise AssertionError(f"version {version} does not serve")


@pytest.mark.parametrize(
    ("engine", "release", "change", "found"),
    [
        ({"runtime": False}, 1, {}, "does not load the adapter 'desk-v1': it has no such route"),
        ({}, 1, {"rank": 32}, "LoRA rank 32 is greater than max_lora_rank 16"),
        ({"context": 8}, 0, {}, "context of 8 tokens leaves no room"),
        ({"template": plain_template(SIMPLE_TEMPLATE)}, 0, {}, "another chat template"),
        ({"other": True}, 0, {}, "does not load the adapter 'desk': the adapter does not fit"),
        ({}, 0, {"form": "merged"}, "serves no model 'desk'"),
    ],
)
def test_an_engine_that_cannot_serve_the_strategy_is_one_clear_error(
    tiny_checkpoint, tmp_path, engine, release, change, found
):
    base = str(tiny_checkpoint("llama"))
    folder = export(tmp_path / "export", base)
    if change:
        record = bundle(base=base)
        if "form" in change:
            record = record.model_copy(update=change)
        weights = copied(tmp_path / "trained-3")

        def raised(target):
            weights(target)
            path = target / "adapter_config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"r": change.get("rank", 4)}))

        write(folder, record, weights=raised)
    if engine.pop("other", False):
        base = str(tiny_checkpoint("qwen3"))
    with engine_running(app_of(base, **engine)) as url, pytest.raises(BadInput, match=found):
        Served(folder, version=release, engine_url=url)


def test_a_question_too_long_for_the_engine_is_refused_with_its_words(tiny_checkpoint, tmp_path):
    base = str(tiny_checkpoint("llama"))
    folder = export(tmp_path / "export", base)
    adapters = [("desk", str(folder / "weights"))]
    with (
        engine_running(app_of(base, adapters, context=60)) as engine,
        running(Served(folder, engine_url=engine)) as url,
    ):
        refused = said(url, "word " * 200)
        assert refused.status_code == 400
        assert "maximum context length is 60" in refused.json()["error"]["message"]
        assert said(url, "word").status_code == 200


def test_an_engine_killed_and_started_again_under_load_loses_no_question_without_a_word(
    tiny_checkpoint, tmp_path
):
    base, store = str(tiny_checkpoint("llama")), tmp_path / "store"
    folder = export(tmp_path / "export", base)
    right = dict(
        zip(TEXTS, (r.text for r in Served(folder, threads=1).answer(TEXTS)[1]), strict=True)
    )
    releases.promote(store, folder, "first")
    port = process._free_port()
    words = [sys.executable, lora_engine.__file__, base, str(port)]
    engine = subprocess.Popen(words)
    root, counts, stop = f"http://127.0.0.1:{port}", Counter(), threading.Event()
    try:
        _answers(root)
        front = Served(releases.current(store), 0, 1, store, None, f"{root}/v1")
        with running(front) as url, ThreadPoolExecutor(8) as pool:

            def client(number):
                asked = 0
                while not stop.is_set():
                    text = TEXTS[(number + asked) % len(TEXTS)]
                    done, asked = said(url, text), asked + 1
                    good = done.status_code == 200
                    assert good or done.json()["error"]["message"], done.text
                    if good:
                        assert done.json()["choices"][0]["message"]["content"] == right[text]
                    counts[done.status_code] += 1
                return asked

            jobs = [pool.submit(client, n) for n in range(8)]
            time.sleep(2)
            before = counts[200]
            engine.kill()
            engine.wait()
            time.sleep(3)
            assert httpx.get(f"{url[:-3]}/ready").json()["engine_away"] == ["desk"]
            engine = subprocess.Popen(words)
            _answers(root)
            time.sleep(5)
            stop.set()
            asked = sum(job.result(90) for job in jobs)
            assert httpx.get(f"{url[:-3]}/ready").json()["ready"]
    finally:
        engine.kill()
        engine.wait()
    assert asked == counts.total() and counts[200] > before > 0
    assert set(counts) <= {200, 429, 503}


def _answers(root):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{root}/health").status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError("the engine does not answer")


def test_an_engine_that_stays_away_is_told_with_503(tiny_checkpoint, tmp_path):
    base = str(tiny_checkpoint("llama"))
    folder = export(tmp_path / "export", base)
    with engine_running(app_of(base, [("desk", str(folder / "weights"))])) as engine:
        front = Served(folder, engine_url=engine)
    front.engine.patience_s = 1.0
    with running(front) as url:
        gone = said(url, "word")
    assert gone.status_code == 503 and "does not answer" in gone.json()["error"]["message"]
