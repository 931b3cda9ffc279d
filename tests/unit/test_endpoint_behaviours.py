"""Combinations of two behaviours of real servers: the accuracy told is true or named as missing, the bill is the server's, no answer is paid twice.

FTKIT_ENDPOINT_COMBINATIONS says how many are drawn (2,000 and more were run), FTKIT_ENDPOINT_SEED which.
"""

import contextlib
import json
import os
import signal
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ftkit.core.errors import FtkitError
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.conclude import conclude
from ftkit.models.chat import Reply
from ftkit.models.endpoint.model import Endpoint, EndpointModel
from ftkit.scoring.score import score

ITEMS, WORKERS = 12, 4
MOST = 5000
"""Tokens of one reply, at most: one that thinks uses its room up."""
COMBINATIONS = int(os.environ.get("FTKIT_ENDPOINT_COMBINATIONS", "60"))
ROOM = 16


def truth(text):
    return f"label {zlib.crc32(text.encode()) % 7}"


def done(content, finish="stop", usage=(11, 3), message=None, counted=False, **more):
    body = {
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"content": content} | (message or {})}
        ]
    }
    if counted:
        body["counted"] = True  # billed, though no usage is told
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
    "no usage": every(lambda t: done(truth(t), usage=None, counted=True)),
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
        self.http.handle_error = lambda request, address: None  # a killed client
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def reset(self, names, shares):
        self.names, self.shares, self.asked, self.bill, self.given = names, shares, {}, [0, 0], {}

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
        if found.pop("counted", False):
            sent = sum(len(m["content"]) for m in body["messages"])
            usage = {
                "prompt_tokens": round(sent / 4.1),
                "completion_tokens": -(-len(truth(text)) // 4),
            }
        content = json.dumps(found) if found else str(result[2])
        with self.lock:
            if result[0] == 200 and truth(text) in content:
                self.given[text] = self.given.get(text, 0) + 1
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
        player.url, "m", answer_tokens=ROOM, confidence=True, connection={"concurrency": WORKERS}
    )
    return EndpointModel(endpoint, cache=cache, first_wait_s=0.002, notice=lambda text: None)


CARD = TaskCard(
    name="t", instruction="Say.", kind="label", labels=[*(f"label {k}" for k in range(7)), "other"]
)
SPECS = [
    StrategySpec(name="prompting", family="prompting", model="base", prompt="p", retriever=False),
    StrategySpec(name="endpoint", family="endpoint", model="endpoint", prompt="p", retriever=False),
]
CAUSES = {
    "cut": "cut_off",
    "filtered": "filtered",
    "filter error": "filtered",
    "tool": "malformed",
    "html": "malformed",
}
"""How replies end for good under a behaviour; the others come to an answer."""


def gold(k):
    """Return the right answer: what the server says for three questions of four, so that its accuracy is known."""
    return truth(f"question {k}") if k % 4 else "other"


def told(replies):
    """Return what 07 concludes from replies of the endpoint."""
    items = pd.DataFrame(
        {
            "id": [f"i{k}" for k in range(ITEMS)],
            "input": [f"question {k}" for k in range(ITEMS)],
            "output": [gold(k) for k in range(ITEMS)],
            "cluster": range(ITEMS),
            "split": "test",
        }
    )
    rows = []
    for name, k in [(n, k) for n in ("prompting", "endpoint") for k in range(ITEMS)]:
        reply = replies[k] if name == "endpoint" else Reply("label 0")
        row = dict.fromkeys(ANSWER_COLUMNS, 0) | {"item_id": f"i{k}", "strategy": name}
        row |= {"passages": [], "passage_ids": [], "confidence": reply.confidence}
        row |= {n: getattr(reply, n) for n in ("text", "outcome", "detail", "thought")}
        rows.append(row)
    answers = pd.DataFrame(rows, columns=ANSWER_COLUMNS)
    scores = score(CARD, items, answers)
    return conclude(SPECS, CARD, items, answers, scores, n_resamples=20)


def check_what_is_told(replies, names):
    """The endpoint's accuracy is the true one, or it is not measured, and the cause is what the server did."""
    result = told(replies)
    answered = [k for k, reply in enumerate(replies) if reply.is_answer]
    if ITEMS - len(answered) > 0.05 * ITEMS:
        (arm,) = result.not_measured
        assert [r.spec.name for r in result.results] == ["prompting"]
        ended = [o for o in arm.outcomes if o != "answered"]
        assert set(ended) <= {CAUSES[n] for n in names if n in CAUSES}, (names, ended)
        return
    found = next(r for r in result.results if r.spec.name == "endpoint")
    right = sum(gold(k) == truth(f"question {k}") for k in answered)
    assert found.accuracy.value == pytest.approx(right / len(answered))


def ask_and_be_killed(player, cache, after):
    """Ask in a process of its own that is killed without warning once the server has seen so many requests."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            connect(player, cache).answer(asked())
        os._exit(0)
    end = time.monotonic() + 20
    while time.monotonic() < end and sum(player.asked.values()) < after:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    seen = -1
    while seen != (seen := sum(player.asked.values())):  # what is under way still arrives
        time.sleep(0.02)


@settings(
    max_examples=COMBINATIONS,
    deadline=None,
    derandomize=not os.environ.get("FTKIT_ENDPOINT_SEED"),
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@seed(int(os.environ.get("FTKIT_ENDPOINT_SEED", "0")))
@given(
    names=st.lists(st.sampled_from(sorted(BEHAVIOURS)), min_size=2, max_size=2, unique=True),
    share=st.tuples(st.sampled_from([10, 50, 100]), st.sampled_from([10, 50, 100])),
    killed=st.sampled_from([0, 0, 5, 9]),
)
def test_what_is_told_of_any_two_behaviours_is_true_or_named_as_missing(
    player, tmp_path_factory, names, share, killed
):
    player.reset(tuple(names), dict(zip(names, share, strict=True)))
    cache = tmp_path_factory.mktemp("kept") / "kept.jsonl"
    if killed:
        ask_and_be_killed(player, cache, killed)
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
    if replies:
        check_what_is_told(replies, names)
    check_the_bill(model, player, killed)
    twice = [text for text, n in player.given.items() if n > 1]
    assert len(twice) <= (WORKERS if killed else 0), "paid twice, and not under way at the kill"
    answered = set(model.cache.answers)
    before = dict(player.asked)
    again = connect(player, cache)
    assert set(again.cache.answers) == answered
    bills = [m.bill.record().model_dump() for m in (again, model)]
    assert [bill.pop("usd") for bill in bills] == pytest.approx([model.bill.usd] * 2)
    assert [bill.pop("failed_usd") for bill in bills] == pytest.approx([model.bill.failed_usd] * 2)
    assert bills[0] == bills[1]
    with contextlib.suppress(FtkitError):
        again.answer(asked())
    for messages, reply in zip(asked(), replies, strict=False):
        text = messages[-1]["content"]
        if reply.is_answer:
            assert player.asked[text] == before[text], "an answer was paid for twice"


def check_the_bill(model, player, killed):
    """To the token; estimates are marked and within 5%; a kill loses at most what was under way."""
    mine = [model.bill.input_tokens, model.bill.output_tokens]
    slack = 0.05 if model.bill.estimated else 0.0
    if killed:
        for own, theirs in zip(mine, player.bill, strict=True):
            assert -slack * theirs <= theirs - own <= WORKERS * MOST + slack * theirs
    else:
        assert mine == pytest.approx(player.bill, rel=slack)
