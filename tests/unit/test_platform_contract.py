"""What the platforms' files promise of the container, held against the container's own command, run as a process."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
import yaml
from test_engines import export

from ftkit.deployment.server.start import GATEWAY, TOKEN

QUESTION = {"messages": [{"role": "user", "content": "where is it"}]}


@pytest.fixture(scope="module")
def strategy(tiny_checkpoint, tmp_path_factory):
    return export(tmp_path_factory.mktemp("contract") / "export", str(tiny_checkpoint("llama")))


def command(strategy, port):
    """Return the container's command, its folder and its port being those of the test."""
    told = re.search(r"^CMD (\[.*\])$", (strategy / "serving" / "Dockerfile").read_text(), re.M)
    words = json.loads(told[1])
    assert words[0] == "ftkit"
    exposed = re.search(r"^EXPOSE (\d+)$", (strategy / "serving" / "Dockerfile").read_text(), re.M)
    assert exposed[1] == words[words.index("--port") + 1]
    words = [str(port) if word == exposed[1] else word for word in words]
    words = [str(strategy) if word == "/srv/strategy" else word for word in words]
    return [sys.executable, "-m", "ftkit.cli", *words[1:]]


@contextmanager
def container(strategy, **settings):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    clean = {k: v for k, v in os.environ.items() if k not in (TOKEN, GATEWAY)}
    process = subprocess.Popen(command(strategy, port), env=clean | settings)
    try:
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            time.sleep(0.2)
        yield url, process
    finally:
        process.terminate()
        process.wait(60)


def test_routes_and_health_of_every_platform_are_there_behind_its_gateway(strategy):
    serving = strategy / "serving"
    azure = yaml.safe_load((serving / "azure_deployment.yaml").read_text())
    routes = azure["environment"]["inference_config"]
    tree = ast.parse((serving / "vertex.py").read_text())
    vertex = {
        k.arg: ast.literal_eval(k.value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for k in call.keywords
        if k.arg and k.arg.startswith("serving_container") and k.arg.split("_")[2] != "image"
    }
    gateway = azure["environment_variables"]
    assert gateway == vertex["serving_container_environment_variables"] == {GATEWAY: "1"}
    kubernetes = next(yaml.safe_load_all((serving / "kubernetes.yaml").read_text()))
    pod = kubernetes["spec"]["template"]["spec"]["containers"][0]
    health = [
        *(routes[name]["path"] for name in ("liveness_route", "readiness_route")),
        *(pod[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")),
        vertex["serving_container_health_route"],
    ]
    ports = {
        *(route["port"] for route in routes.values()),
        *(p["containerPort"] for p in pod["ports"]),
        *vertex["serving_container_ports"],
    }
    exposed = re.search(r"EXPOSE (\d+)", (serving / "Dockerfile").read_text())[1]
    assert {str(port) for port in ports} == {exposed}
    with container(strategy, **gateway) as (url, _):
        for path in health:
            assert httpx.get(f"{url}{path}").status_code == 200, path
        for path in (routes["scoring_route"]["path"], vertex["serving_container_predict_route"]):
            done = httpx.post(f"{url}{path}", json=QUESTION | {"model": "desk"}, timeout=60)
            assert done.status_code == 200 and done.json()["choices"][0]["message"]["content"]
        most = azure["request_settings"]["max_concurrent_requests_per_instance"]
        assert most <= 64  # as many as may wait; a further one gets 429
        json_type = {"content-type": "application/json"}
        large = httpx.post(
            f"{url}/v1/chat/completions", content=b"x" * (300 << 10), headers=json_type
        )
        assert large.status_code == 413


def test_with_a_token_as_kubernetes_gives_it_only_those_who_have_it_are_answered(strategy):
    kubernetes = next(yaml.safe_load_all((strategy / "serving" / "kubernetes.yaml").read_text()))
    pod = kubernetes["spec"]["template"]["spec"]["containers"][0]
    assert [e["name"] for e in pod["env"]] == [TOKEN]
    with container(strategy, **{TOKEN: "secret"}) as (url, process):
        refused = httpx.post(f"{url}/v1/chat/completions", json=QUESTION | {"model": "desk"})
        assert refused.status_code == 401 and httpx.get(f"{url}/health").status_code == 200
        if shutil.which("curl"):
            smoke = ["bash", str(strategy / "serving" / "smoke.sh"), "where is it"]
            settings = os.environ | {"URL": url, TOKEN: "secret"}
            done = subprocess.run(smoke, env=settings, capture_output=True, check=True, timeout=60)
            assert json.loads(done.stdout)["choices"][0]["message"]["content"]
        process.terminate()
        assert process.wait(60) == 0  # a platform ends it by SIGTERM: no failure


def test_without_a_token_the_container_does_not_start(strategy):
    with container(strategy) as (_, process):
        assert process.wait(60) == 2
