"""Combinations of two behaviours of real servers: what is told is true or named as missing, the bill is the server's, no answer is paid twice."""

import json
import os
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftkit.core.errors import FtkitError
from ftkit.models.endpoint.model import Endpoint, EndpointModel

ITEMS = 12
COMBINATIONS = int(os.environ.get("FTKIT_ENDPOINT_COMBINATIONS", "60"))
ROOM = 16


def truth(text):
    return f"label {zlib.crc32(text.encode()) % 7}"


def done(content, finish="stop", usage=(11, 3), message=None, **more):
    body = {
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"content": content} | (message or {})}
        ]
    }
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]} | more
    return 200, {}, body


def refuse(words, status=400):
    return status, {}, {"error": {"message": words}}


def once(reply):
    """Apply only to the first request of a question."""
    return lambda body, text, n: reply(text) if n == 1 else None


def every(reply):
    return lambda body, text, n: reply(text)


def wants(test, words, status=400):
    return lambda body, text, n: refuse(words, status) if test(body) else None


BEHAVIOURS = {
    "well": lambda body, text, n: None,
    "cut": every(lambda t: done(t[:2], "length")),
    "thinks": lambda body, text, n: (
        done(
            "",
            "length",
            (11, body_room(body)),
            completion_tokens_details={"reasoning_tokens": body_room(body)},
        )
        if body_room(body) < 500
        else None
    ),
    "filtered": every(lambda t: done("", "content_filter", (11, 0))),
    "filter error": every(lambda t: refuse("The response was filtered: content management policy")),
    "tool": every(lambda t: done(None, "tool_calls", message={"tool_calls": [{"id": "1"}]})),
    "empty once": once(lambda t: done("")),
    "error reason once": once(lambda t: done("", "error")),
    "error object once": once(
        lambda t: (200, {}, {"error": {"message": "upstream failed", "code": 502}})
    ),
    "html once": once(lambda t: (200, {}, b"<html>busy</html>")),
    "html": every(lambda t: (200, {}, b"<html>busy</html>")),
    "parts": every(
        lambda t: done(
            [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": truth(t)}],
            usage=(11, 4),
        )
    ),
    "tags": every(lambda t: done(f"<think>label 0?</think>{truth(t)}", usage=(11, 8))),
    "reasoning field": every(
        lambda t: done(truth(t), message={"reasoning_content": "label 0"}, usage=(11, 6))
    ),
    "no usage": every(lambda t: done(truth(t), usage=None)),
    "500 once": once(lambda t: refuse("boom", 500)),
    "429 once": once(
        lambda t: (429, {"retry-after-ms": "20"}, {"error": {"message": "slow down"}})
    ),
    "429 said once": once(lambda t: refuse("Please try again in 15ms.", 429)),
    "lost once": once(lambda t: (0, {}, b"")),
    "stream only": lambda body, text, n: (
        sse(text) if body.get("stream") else refuse("stream must be set to true")
    ),
    "no system": wants(lambda b: b["messages"][0]["role"] == "system", "System role not supported"),
    "newer limit": wants(
        lambda b: "max_tokens" in b,
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
    ),
    "no temperature": wants(
        lambda b: "temperature" in b, "Unsupported value: 'temperature' does not support 0"
    ),
    "no logprobs": wants(
        lambda b: "logprobs" in b, "You are not allowed to request logprobs from this model", 403
    ),
    "least room": wants(
        lambda b: body_room(b) < 32,
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 32",
    ),
    "key": every(lambda t: refuse("Incorrect API key provided", 401)),
    "budget": every(lambda t: refuse("Budget has been exceeded! Current cost: 2", 400)),
}


def body_room(body):
    return body.get("max_tokens") or body.get("max_completion_tokens") or 0


def sse(text):
    events = [
        {"choices": [{"index": 0, "delta": {"content": truth(text)}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}},
    ]
    data = "".join(f"data: {json.dumps(e)}\n\n" for e in events) + "data: [DONE]\n\n"
    return 200, {"content-type": "text/event-stream"}, data.encode()


class Player:
    """Plays two behaviours, each on the questions that it is for, and keeps its own bill."""

    def __init__(self):
        self.lock, outer = threading.Lock(), self
        self.reset((), {})

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, headers, content = outer.reply(body)
                if status == 0:
                    self.close_connection = True
                    return self.connection.close()
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def reset(self, names, shares):
        self.names, self.shares, self.asked, self.bill, self.answered = (
            names,
            shares,
            {},
            [0, 0],
            [],
        )

    def reply(self, body):
        content = body["messages"][-1]["content"]
        content = content if isinstance(content, str) else content[0]["text"]
        text = content.rpartition("\n")[2]
        with self.lock:
            n = self.asked[text] = self.asked.get(text, 0) + 1
        result = None
        for name in self.names:
            if zlib.crc32(f"{name}{text}".encode()) % 100 < self.shares[name]:
                result = result or BEHAVIOURS[name](body, text, n)
        result = result or done(truth(text))
        found = result[2] if isinstance(result[2], dict) else {}
        usage = found.get("usage") or (
            {"prompt_tokens": 11, "completion_tokens": 3}
            if result[0] == 200 and b"label" in (result[2] if isinstance(result[2], bytes) else b"")
            else None
        )
        with self.lock:
            if usage:
                self.bill[0] += usage["prompt_tokens"]
                self.bill[1] += usage["completion_tokens"]
        return result


@pytest.fixture(scope="module")
def player():
    made = Player()
    yield made
    made.http.shutdown()
    made.http.server_close()


def asked():
    return [
        [
            {"role": "system", "content": "Say the label."},
            {"role": "user", "content": f"question {k}"},
        ]
        for k in range(ITEMS)
    ]


def connect(player, cache):
    endpoint = Endpoint(
        player.url, "m", answer_tokens=ROOM, confidence=True, connection={"concurrency": 4}
    )
    return EndpointModel(endpoint, cache=cache, first_wait_s=0.002, notice=lambda text: None)


@settings(
    max_examples=COMBINATIONS,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    names=st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=2, max_size=2, unique=True),
    share=st.tuples(st.sampled_from([10, 50, 100]), st.sampled_from([10, 50, 100])),
)
def test_what_is_told_of_any_two_behaviours_is_true_or_named_as_missing(
    player, tmp_path_factory, names, share
):
    player.reset(tuple(names), dict(zip(names, share, strict=True)))
    cache = tmp_path_factory.mktemp("kept") / "kept.jsonl"
    model = connect(player, cache)
    try:
        replies = model.answer(asked())
    except FtkitError as error:
        assert error.todo and error.found, "an end without cause or remedy"
        replies = []
    for messages, reply in zip(asked(), replies, strict=False):
        if reply.is_answer:
            assert reply.text == truth(messages[-1]["content"])
        else:
            assert reply.outcome in ("cut_off", "filtered", "empty", "malformed", "not_delivered")
            assert reply.detail
    if not model.bill.estimated:
        assert [model.bill.input_tokens, model.bill.output_tokens] == player.bill
    answered = set(model.cache.answers)
    before = dict(player.asked)
    again = connect(player, cache)
    assert set(again.cache.answers) == answered
    assert (again.bill.input_tokens, again.bill.output_tokens) == (
        model.bill.input_tokens,
        model.bill.output_tokens,
    )
    try:
        again.answer(asked())
    except FtkitError:
        return
    for messages, reply in zip(asked(), replies, strict=False):
        text = messages[-1]["content"]
        if reply.is_answer:
            assert player.asked[text] == before[text], "an answer was paid for twice"
