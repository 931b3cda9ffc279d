"""Web pages, slow clients, malformed bodies and a full disk neither stop the server nor get what is not theirs."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from test_serving import bundle

from ftkit.core.errors import BadInput
from ftkit.deployment.export import write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server import guard
from ftkit.deployment.server.guard import check_body, own_host
from ftkit.deployment.server.requests import Refused
from ftkit.deployment.server.start import bound, running

pytestmark = pytest.mark.usefixtures("one_thread")
QUESTION = {"model": "desk", "messages": [{"role": "user", "content": "where is it"}]}
FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def served(tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "export"
    write(folder, bundle(tiny_checkpoint("llama")), texts={"README.md": "x"})
    return Served(folder, threads=1)


@pytest.fixture(scope="module")
def url(served):
    with running(served) as url:
        yield url


def post(url, body=QUESTION, **headers):
    return httpx.post(
        f"{url}/chat/completions",
        content=json.dumps(body),
        headers={"Content-Type": "application/json", **headers},
        timeout=30,
    )


@pytest.mark.parametrize(
    ("headers", "status", "param"),
    [
        ({"Host": "attacker.example:8000"}, 421, "Host"),
        ({"Host": "127.0.0.1.attacker.example"}, 421, "Host"),
        ({"Origin": "https://attacker.example"}, 403, "Origin"),
        ({"Origin": "null"}, 403, "Origin"),
        ({"Content-Type": "text/plain"}, 415, "Content-Type"),
        ({"Content-Type": ""}, 415, "Content-Type"),
        ({"Content-Type": "application/json; charset=utf-8"}, 200, None),
        ({"Host": "localhost:8000"}, 200, None),
    ],
)
def test_a_web_page_in_the_users_browser_gets_no_answer(url, headers, status, param):
    answer = post(url, **headers)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("param") == param


def test_a_rebound_name_reads_nothing_but_a_token_proves_a_client(served):
    with running(served, token="secret") as url:
        named = {"Host": "desk.example"}
        assert httpx.get(f"{url}/models", headers=named).status_code == 401
        assert post(url, **named, Authorization="Bearer secret").status_code == 200


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("[::1]:80", True),
        ("10.0.0.7", True),
        ("LOCALHOST", True),
        ("localhost.x", False),
        ("", False),
    ],
)
def test_addresses_and_localhost_are_this_servers_names(host, own):
    assert own_host(host) is own


def deep(levels):
    return {"type": "object", "properties": {"a": deep(levels - 1)}} if levels else {}


def schema(value):
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": value}}}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messages": [{"role": "user", "content": "a\ud800b"}]}, "messages.0.content"),
        ({"model": "\udfff"}, "model"),
        (schema({"enum": ["\ud834"]}), "response_format"),
        (schema({"properties": {"\ud834": {}}}), "response_format"),
        (schema(deep(150)), "response_format"),
        (schema(deep(300)), "response_format"),
        (schema({"$ref": "#"}), "response_format"),
        (schema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}), "response_format"),
    ],
)
def test_a_malformed_body_is_refused_with_the_field_in_few_words(url, change, field):
    answer = post(url, QUESTION | change)
    assert answer.status_code == 400, answer.text
    fault = answer.json()["error"]
    assert fault["param"].startswith(field) and len(fault["message"]) < 400, fault


def test_a_body_within_the_limits_is_checked_in_time():
    began = time.perf_counter()
    check_body({"a": [["x" * 10] * 10] * 2_000})
    assert time.perf_counter() - began < 2
    with pytest.raises(Refused, match="levels"):
        check_body(deep(60))


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_log_disk_fails_no_answer_and_is_counted_and_told(served, tmp_path):
    log = tmp_path / "answers.jsonl"
    log.symlink_to(FULL)
    with running(served, log=log) as url:
        root = url.removesuffix("/v1")
        assert [post(url).status_code for _ in range(3)] == [200] * 3
        ready = httpx.get(f"{root}/ready")
        assert ready.status_code == 200
        assert ready.json()["problems"] == [{"part": "log", "reason": "No space left on device"}]
        assert "ftkit_log_failed_total 3.0" in httpx.get(f"{root}/metrics").text
        log.unlink()
        assert post(url).status_code == 200
        assert httpx.get(f"{root}/ready").json()["problems"] == []
    assert len(log.read_text().splitlines()) == 1


def test_headers_that_do_not_arrive_close_the_connection_and_others_are_answered(
    served, monkeypatch
):
    monkeypatch.setattr(guard, "HEADER_S", 0.5)
    with running(served) as url:
        port = int(url.split(":")[2].split("/")[0])
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for one in slow[:10]:
            one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-")
        for one in slow[10:15]:  # a whole request first, then half of one
            one.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" in one.recv(4096)
            one.sendall(b"GET /heal")
        assert post(url).status_code == 200
        for one in slow:
            one.settimeout(5)
            while one.recv(4096):  # the rest of an answer, until the server closes
                pass
            one.close()


def test_a_taken_port_is_told_before_anything_is_said_to_serve():
    with bound("127.0.0.1", 0) as first, pytest.raises(BadInput, match="cannot be listened on"):
        bound("127.0.0.1", first.getsockname()[1])


def test_the_command_says_serving_only_on_a_port_of_its_own(served):
    with bound("127.0.0.1", 0) as first:
        command = [sys.executable, "-m", "ftkit.cli", "serve", str(served.folder), "--threads", "1"]
        command += ["--port", str(first.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode and "Serving" not in done.stdout
    assert "choose another --port" in done.stdout + done.stderr
