"""A served cascade asks two real servers: its tokens agree with the large one's, and that may be dead, slow or too dear."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from test_serving import bundle

from ftkit.core.errors import BadInput
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.parameters.monitoring import MonitoringParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.deployment import LargeModel
from ftkit.core.records.endpoint import Tariff
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import Prompt
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.run_folder import write_record
from ftkit.deployment.export import write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server import passing
from ftkit.deployment.server.app import create_app
from ftkit.deployment.server.start import running
from ftkit.deployment.shipped_strategy import (
    chosen_strategy,
    large_model,
    large_plan,
    passing_on,
    readme,
)
from ftkit.models.weights import resolve
from ftkit.monitoring.drift import weekly
from ftkit.monitoring.logs import open_log
from ftkit.monitoring.signals import passed_on as shares_passed_on
from ftkit.report.figures import cascade_curve
from tests.unit.test_cascade import run
from tests.unit.test_strategies import book

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = [
    *("What is the capital of France?", "Is fire hot or cold?", "Name a fruit.", "2+2?"),
    *("Where is my order?", "Reset my password", "Cancel my subscription"),
]
NANO = Path(resolve("nano"))
TARIFF = Tariff(model="big", input=2.0, output=10.0, source="a test")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(url, text, **more):
    body = {"model": "desk", "messages": [{"role": "user", "content": text}], **more}
    return httpx.post(f"{url}/chat/completions", json=body, timeout=60)


def metric(url, name, label=""):
    text = httpx.get(url.removesuffix("/v1") + "/metrics").text
    rows = re.findall(rf"^{name}_total\{{([^}}]*)\}} (\S+)$", text, re.MULTILINE)
    return sum(float(value) for labels, value in rows if label in labels)


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """Folder of the large model's export."""
    folder = tmp_path_factory.mktemp("big") / "export"
    write(folder, bundle(NANO, name="big"), texts={"README.md": "x"})
    return folder


@pytest.fixture(scope="module")
def cascade(tmp_path_factory):
    """Return a function that opens a cascade whose large model is at a URL; it passes on about half of ``TEXTS``."""
    plain = tmp_path_factory.mktemp("plain") / "export"
    write(plain, bundle(NANO), texts={"README.md": "x"})
    sure = sorted(r.confidence for r in Served(plain, threads=1).answer(TEXTS)[1])
    least = sure[len(sure) // 2]

    def opened(url, **more):
        values = dict(
            spec=StrategySpec(
                name="endpoint", family="endpoint", model="endpoint", prompt="long", retriever=False
            ),
            prompt=Prompt(name="long", system="Answer in few words."),
            least=least,
            passed=Estimate(value=0.5, low=0.4, high=0.6, n=100, method="wilson"),
            url=url,
            model="big-raw",
            tariff=TARIFF,
            timeout_s=20.0,
        )
        folder = tmp_path_factory.mktemp("cascade") / "export"
        large = LargeModel.model_validate({**values, **more})
        write(folder, bundle(NANO, large=large), texts={"README.md": "x"})
        return Served(folder, threads=1)

    return opened


def test_what_is_not_sure_goes_to_the_large_model_and_both_sides_count_the_same_tokens(
    big, cascade, tmp_path
):
    log = tmp_path / "log.jsonl"
    with (
        running(Served(big, threads=1)) as there,
        running(cascade(there), log=log) as url,
        ThreadPoolExecutor(4) as clients,
    ):
        said = list(clients.map(lambda text: ask(url, text), TEXTS))
        told = [r.json()["ftkit"] for r in said]
        assert {t["why"] for t in told} == {"sure", "passed on"}
        least = httpx.get(url.removesuffix("/v1") + "/ready").json()["cascades"]["desk"]
        assert least["answers"]["passed on"] == sum(t["passed_on"] for t in told)
        for reply, t in zip(said, told, strict=True):
            assert reply.headers["x-ftkit-answered-by"] == t["answered_by"]
            assert reply.headers["x-ftkit-why"] == t["why"]
            assert t["answered_by"] == ("endpoint" if t["passed_on"] else "prompting")
            own = "large_tokens" if t["passed_on"] else "small_tokens"
            usage = reply.json()["usage"]
            assert t[own] == [usage["prompt_tokens"], usage["completion_tokens"]]
        for place, name in enumerate(("prompt", "completion")):
            here = sum(t["large_tokens"][place] for t in told)
            assert here > 0
            assert metric(url, f"ftkit_large_{name}_tokens") == here
            assert metric(there, f"ftkit_{name}_tokens") == here
            small = sum(t["small_tokens"][place] for t in told)
            assert metric(url, f"ftkit_{name}_tokens") == small
        read, written = (sum(t["large_tokens"][k] for t in told) for k in (0, 1))
        assert metric(url, "ftkit_large_usd") == pytest.approx((2 * read + 10 * written) / 1e6)
        assert metric(url, "ftkit_answered_by", 'why="passed on"') == sum(
            t["passed_on"] for t in told
        )
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(r["large_usd"] for r in rows) == sorted(t["large_usd"] for t in told)
    assert {r["answered_by"] for r in rows} == {"prompting", "endpoint"}


def test_the_large_model_gets_its_own_prompt_and_a_stream_brings_its_answer(big, cascade):
    with running(Served(big, threads=1)) as there, running(cascade(there, least=2.0)) as url:
        messages = [
            {"role": "system", "content": "Answer in few words."},
            {"role": "user", "content": TEXTS[0]},
        ]
        direct = httpx.post(
            f"{there}/chat/completions", json={"model": "big-raw", "messages": messages}, timeout=60
        ).json()
        whole = ask(url, TEXTS[0]).json()
        assert whole["choices"][0]["message"] == direct["choices"][0]["message"]
        assert whole["ftkit"]["large_tokens"][0] == direct["usage"]["prompt_tokens"]
        stream = ask(url, TEXTS[0], stream=True)
        events = [json.loads(x[6:]) for x in stream.text.split("\n\n") if x.startswith("data: {")]
        pieces = [e["choices"][0]["delta"].get("content", "") for e in events]
        assert "".join(pieces) == direct["choices"][0]["message"]["content"]
        assert stream.headers["x-ftkit-answered-by"] == "endpoint"
        assert events[-1]["ftkit"]["why"] == "passed on"
        form = {"type": "json_object"}
        assert ask(url, TEXTS[0], response_format=form).json()["ftkit"]["why"] == "own format"
        raw = httpx.post(
            f"{url}/chat/completions", json={"model": "desk-raw", "messages": messages}, timeout=60
        )
        assert "why" not in raw.json()["ftkit"] and "x-ftkit-why" not in raw.headers


def serve(folder, port):
    """Start a server as a process of its own; return it once it answers."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "ftkit.cli", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--threads", "1"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                return process
        except httpx.HTTPError:
            assert process.poll() is None
        time.sleep(0.1)
    raise AssertionError("it did not start")


def test_a_killed_large_model_costs_no_answer_and_one_that_is_back_is_asked_again(
    big, cascade, monkeypatch
):
    monkeypatch.setattr(passing, "REST_S", 0.5)
    port = free_port()
    process = serve(big, port)
    try:
        with running(cascade(f"http://127.0.0.1:{port}/v1", least=2.0)) as url:
            assert ask(url, TEXTS[0]).json()["ftkit"]["why"] == "passed on"
            process.send_signal(signal.SIGKILL)
            process.wait()
            with ThreadPoolExecutor(4) as clients:
                said = list(clients.map(lambda text: ask(url, text), TEXTS))
            assert all(r.status_code == 200 for r in said)
            told = [r.json()["ftkit"] for r in said]
            assert {(t["why"], t["answered_by"]) for t in told} == {("down", "prompting")}
            assert all(t["large_usd"] == 0 and t["passed_on"] for t in told)
            ready = httpx.get(url.removesuffix("/v1") + "/ready")
            assert ready.status_code == 200
            assert "down" in ready.json()["problems"][0]["reason"]
            process = serve(big, port)
            time.sleep(0.6)
            again = ask(url, TEXTS[0]).json()["ftkit"]
            assert (again["why"], again["answered_by"]) == ("passed on", "endpoint")
            assert not httpx.get(url.removesuffix("/v1") + "/ready").json()["problems"]
    finally:
        process.kill()
        process.wait()


def test_a_silent_large_model_is_waited_for_no_longer_than_allowed_and_counted_as_billed(cascade):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with running(cascade(there, least=2.0, timeout_s=0.4)) as url:
            began = time.monotonic()
            told = ask(url, TEXTS[0]).json()["ftkit"]
            assert 0.4 <= time.monotonic() - began < 5
            assert (told["why"], told["answered_by"]) == ("timeout", "prompting")
            assert told["large_usd"] > 0
            for text in TEXTS[1:3]:
                ask(url, text)
            began = time.monotonic()
            assert ask(url, TEXTS[3]).json()["ftkit"]["why"] == "down"
            assert time.monotonic() - began < 0.4


def test_a_days_budget_is_never_passed_and_outlives_a_restart_by_the_log(big, cascade, tmp_path):
    log = tmp_path / "log.jsonl"
    with running(Served(big, threads=1)) as there:
        dear = {"least": 2.0, "connection": {"thought_tokens": 0}, "usd_per_day": 8e-4}
        with running(cascade(there, **dear), log=log) as url, ThreadPoolExecutor(4) as clients:
            told = [r.json()["ftkit"] for r in clients.map(lambda x: ask(url, x), TEXTS * 2)]
            spent = sum(t["large_usd"] for t in told)
            assert {t["why"] for t in told} == {"passed on", "budget used up"}
            assert 0 < spent <= 8e-4
            assert metric(there, "ftkit_prompt_tokens") == sum(t["large_tokens"][0] for t in told)
            state = httpx.get(url.removesuffix("/v1") + "/ready").json()
            assert "budget" in state["problems"][0]["reason"]
            assert state["cascades"]["desk"]["usd_today"] == pytest.approx(spent)
        with running(cascade(there, **dear), log=log) as url:
            assert ask(url, TEXTS[0]).json()["ftkit"]["why"] == "budget used up"
    text = log.read_text().replace(passing.today(), "2020-01-01")
    log.write_text(text)
    assert passing.spent_today(log, "desk") == 0


def test_a_variable_that_is_not_set_is_told_before_anything_is_served(cascade):
    headers = {"headers": {"x-api-key": "$FTKIT_NO_SUCH_VARIABLE"}}
    with pytest.raises(BadInput, match="FTKIT_NO_SUCH_VARIABLE"):
        create_app(cascade("http://127.0.0.1:9/v1", connection=headers))


def test_the_same_export_asks_no_large_model_where_09_holds_it_against_the_test(cascade):
    with running(cascade("http://127.0.0.1:9/v1", least=2.0), pass_on=False) as url:
        reply = ask(url, TEXTS[0])
        assert reply.status_code == 200 and "why" not in reply.json()["ftkit"]


@pytest.fixture(scope="module")
def measured():
    """A cascade as 07 measured it, and its evaluation."""
    evaluation = run()[1]
    return evaluation.cascade, evaluation


def stage_with(folder, **connection):
    """A run folder that holds what 09 reads of 03 and 07."""
    for name in ("prompting", "evaluation"):
        (folder / name).mkdir(parents=True)
    tried = book().trials[0].model_copy(update={"prompt": Prompt(name="p", system="Answer.")})
    prompts = book().model_copy(update={"trials": [tried], "zero_shot": "p", "few_shot": "p"})
    write_record(folder / "prompting" / "prompts.json", prompts)
    asked = {
        "endpoint_url": "https://models.example/v1",
        "endpoint_model": "frontier-2",
        "endpoint_connection": connection,
        "endpoint_prices": [2.0, 10.0],
    }
    record = {"stage": "evaluation", "parameters": asked, "device": "cpu", "seed": 1}
    record |= {key: {} for key in ("inputs", "outputs", "code", "versions")}
    record |= {"git_commit": "", "started": "", "duration_s": 0.0, "peak_memory_gib": 0.0}
    write_record(folder / "evaluation" / "manifest.json", Manifest.model_validate(record))
    return SimpleNamespace(of=lambda stage, name: folder / stage / name)


def test_the_export_holds_how_the_large_model_is_asked_and_its_readme_says_it(tmp_path, measured):
    plan, evaluation = measured
    p = DeploymentParameters(strategy="cascade", cascade_timeout_s=7, cascade_usd_per_day=3)
    chosen = chosen_strategy(p, SimpleNamespace(strategy="", leading=""), evaluation)
    assert chosen.spec.name == plan.small
    assert large_plan(p, SimpleNamespace(strategy="", leading=""), evaluation) == plan
    stage = stage_with(tmp_path, key_env="BIG_KEY", headers={"x-api-key": "$BIG_KEY"})
    large = large_model(stage, p, plan, evaluation)
    assert (large.url, large.model) == ("https://models.example/v1", "frontier-2")
    assert (large.least, large.passed) == (plan.least, plan.passed)
    assert (large.tariff.input, large.tariff.output) == (2.0, 10.0)
    assert (large.timeout_s, large.usd_per_day) == (7, 3)
    text = readme(bundle(NANO, large=large, verdict="Cascade." + passing_on(plan, large)))
    assert (
        "ftkit serve passes on to endpoint (frontier-2 at https://models.example/v1) what fine-tuned"
        f" answers with a confidence below {plan.least:.4f}: {plan.passed.value:.0%} of the test"
        " questions, for at most 3 USD a day. Where that does not answer within 7 s, fine-tuned's"
        " answer goes out, marked."
    ) in text


def test_an_export_never_carries_the_value_of_a_key(tmp_path, measured):
    stage = stage_with(tmp_path, headers={"x-api-key": "sk-123"})
    with pytest.raises(BadInput, match="x-api-key") as told:
        large_model(stage, DeploymentParameters(), measured[1].cascade, measured[1])
    assert "sk-123" not in str(told.value)


def test_a_large_model_that_is_no_endpoint_is_left_to_a_gateway_and_said_so(tmp_path, measured):
    plan, evaluation = measured[1].cascade, measured[1]
    results = [
        r.model_copy(update={"spec": r.spec.model_copy(update={"model": "base"})})
        if r.spec.name == plan.large
        else r
        for r in evaluation.results
    ]
    local = evaluation.model_copy(update={"results": results})
    decided = SimpleNamespace(strategy="cascade", leading="")
    with pytest.raises(BadInput, match="no endpoint"):
        chosen_strategy(DeploymentParameters(strategy="cascade"), decided, local)
    assert chosen_strategy(DeploymentParameters(), decided, local).spec.name == plan.small
    assert large_model(stage_with(tmp_path), DeploymentParameters(), plan, local) is None
    said = passing_on(plan, None)
    assert f"below {plan.least:.4f} or missing" in said and f"{plan.small} alone" in said


def test_a_share_passed_on_that_grew_since_the_test_is_an_alarm_and_the_same_share_is_none():
    rng = np.random.default_rng(5)
    tested = Estimate(value=0.2, low=0.17, high=0.24, n=400, method="Wilson")
    places = [np.arange(100) + 100 * w for w in range(8)]
    same = (rng.random(800) < 0.2).astype(float)
    grown = np.concatenate([same[:400], (rng.random(400) < 0.5).astype(float)])
    assert weekly(shares_passed_on(same, tested, places))[0].since is None
    found = weekly(shares_passed_on(grown, tested, places))[0]
    assert found.since == 4 and found.usual == pytest.approx(0.2)
    assert shares_passed_on(np.full(800, np.nan), tested, places) == []


def test_the_servers_own_log_tells_10_what_was_passed_on(cascade, tmp_path):
    log = tmp_path / "log.jsonl"
    with running(cascade("http://127.0.0.1:9/v1"), log=log) as url:
        told = [ask(url, text).json()["ftkit"]["passed_on"] for text in TEXTS]
    table = open_log(MonitoringParameters(log=str(log)), tmp_path).table
    assert sorted(table["passed_on"]) == sorted(map(float, told)) and len(set(told)) == 2


def test_the_curve_is_drawn_in_usd_per_answer_from_the_small_ones_bill_to_the_large_ones(measured):
    evaluation = measured[1]
    costs = [
        SimpleNamespace(strategy=name, per_1000_answers_usd=usd)
        for name, usd in (("fine-tuned", 0.2), ("endpoint", 2.0), ("cascade", 0.9))
    ]
    decision = SimpleNamespace(costs=costs)
    figure = cascade_curve.curve(evaluation, decision)
    line = figure.data[0]
    points = [p for p in evaluation.cascade.curve if not p.dominated]
    usd = [0.002 if p.passed == 1 else 0.0002 + p.passed * 0.002 for p in points]
    assert list(line.x) == pytest.approx(usd)
    assert list(line.y) == pytest.approx([100 * p.accuracy.value for p in points])
    ring = figure.data[-1]
    assert ring.y[0] == pytest.approx(
        100 * next(r for r in evaluation.results if r.spec.name == "cascade").accuracy.value
    )
    shown = cascade_curve.rows(evaluation, decision)
    assert len(shown) == len(points) and shown[0]["USD per answer"] == "0.0002"
    plain = cascade_curve.curve(evaluation)
    assert list(plain.data[0].x) == pytest.approx([100 * p.passed for p in points])
    assert cascade_curve.curve(evaluation.model_copy(update={"cascade": None})) is None
