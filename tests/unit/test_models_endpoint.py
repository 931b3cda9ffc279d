"""The endpoint model against a real local HTTP server that injects faults."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.endpoint.model import Endpoint, EndpointModel

KEY = "sk-test-never-shown"


def completion(text, usage=True):
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        ],
    }
    return body | (
        {"usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}
        if usage
        else {}
    )


class Server:
    """Answers ``echo: <last message>``; ``faults(request number, body)`` may return (status, headers, body) instead."""

    def __init__(self, faults=lambda n, body: None):
        self.seen, self.faults, outer = [], faults, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.seen.append(body)
                    number = len(outer.seen)
                done = outer.faults(number, body) or (
                    200,
                    {},
                    completion("echo: " + body["messages"][-1]["content"]),
                )
                status, headers, content = done
                if status == 0:
                    return self.connection.close()
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format, *args):
                pass

        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"


def connect(url, model="m", *, cache=None, hide=None, **options):
    """Return the model behind a URL; fields of ``Connection`` may be given beside those of ``Endpoint``."""
    ours = {"prices", "most_usd", "confidence", "answer_tokens", "named", "may_leave"}
    terms = {name: options.pop(name) for name in [*options] if name in ours}
    connection = {"concurrency": 4, **options}
    endpoint = Endpoint(url, model, connection=connection, **terms)
    return EndpointModel(endpoint, cache=cache, hide=hide, first_wait_s=0.01)


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made = []

    def start(faults=lambda n, body: None, **options):
        made.append(Server(faults))
        return made[-1], connect(made[-1].url, **options)

    yield start
    for server in made:
        server.http.shutdown()
        server.http.server_close()


def ask(n):
    return [[{"role": "user", "content": f"question {i}"}] for i in range(n)]


def error(status, message="no", code=None, **headers):
    return status, headers, {"error": {"message": message, "type": "t", "code": code}}


def test_answers_come_in_order_with_tokens_and_progress(serve):
    _, model = serve()
    told = []
    replies = model.answer(ask(12), lambda done, total: told.append((done, total)))
    assert [r.text for r in replies] == [f"echo: question {i}" for i in range(12)]
    assert {(r.prompt_tokens, r.completion_tokens, r.outcome, r.estimated) for r in replies} == {
        (11, 3, "answered", False)
    }
    assert told == [(i, 12) for i in range(1, 13)]


@pytest.mark.parametrize(
    "fault",
    [
        error(500),
        error(503),
        error(429, **{"retry-after-ms": "10"}),
        error(408),
        (0, {}, b""),
        (200, {}, b"not json"),
        (200, {"content-type": "text/html"}, b"<html>busy</html>"),
        (200, {}, {**completion(""), "choices": []}),
    ],
    ids=["500", "503", "429", "408", "connection lost", "no json", "html", "no choices"],
)
def test_no_answer_is_lost_to_a_passing_fault(serve, fault):
    server, model = serve(lambda n, body: fault if n % 2 else None)
    replies = model.answer(ask(8))
    assert [r.text for r in replies] == [f"echo: question {i}" for i in range(8)]
    assert len(server.seen) > 8


def test_the_wait_that_the_server_asks_for_is_kept(serve):
    _, model = serve(lambda n, body: error(429, **{"retry-after": "0.4"}) if n == 1 else None)
    began = time.monotonic()
    assert model.answer(ask(1))[0].text == "echo: question 0"
    assert time.monotonic() - began > 0.4


def test_an_answer_that_hangs_is_asked_for_again(serve):
    def slow(n, body):
        if n == 1:
            time.sleep(1.0)

    _, model = serve(slow, timeout_s=0.3)
    assert model.answer(ask(1))[0].text == "echo: question 0"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once_and_is_never_shown(serve, status):
    server, model = serve(lambda n, body: error(status, f"Incorrect API key provided: {KEY}"))
    with pytest.raises(BadInput) as told:
        model.answer(ask(50))
    assert "refuses the key" in str(told.value) and KEY not in str(told.value)
    assert len(server.seen) <= 8


def test_a_missing_key_is_told_as_missing(serve, monkeypatch):
    server, _ = serve(lambda n, body: error(401))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(BadInput, match="OPENAI_API_KEY is not set"):
        connect(server.url).answer(ask(1))


def test_an_unknown_model_is_told(serve):
    _, model = serve(lambda n, body: error(404))
    with pytest.raises(BadInput, match="no such path or model 'm': HTTP 404: no"):
        model.answer(ask(2))


def test_a_used_up_quota_is_not_tried_again(serve):
    server, model = serve(lambda n, body: error(429, code="insufficient_quota"), concurrency=1)
    with pytest.raises(FtkitError, match="quota"):
        model.answer(ask(3))
    assert len(server.seen) == 1


def test_a_server_that_is_down_is_told_within_seconds(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    began = time.monotonic()
    with pytest.raises(FtkitError, match="nothing answers at this address"):
        connect("http://127.0.0.1:9/v1").answer(ask(100))
    assert time.monotonic() - began < 10


def test_one_refused_request_costs_only_its_own_answer(serve):
    bad = error(400, f"This model's maximum context length is 10 tokens ({KEY})")
    server, model = serve(
        lambda n, body: bad if body["messages"][-1]["content"] == "question 2" else None
    )
    replies = model.answer(ask(4))
    assert [bool(r.text) for r in replies] == [True, True, False, True]
    assert "maximum context" in replies[2].detail and KEY not in replies[2].detail
    assert len(server.seen) == 4  # a refusal is not tried again


def test_missing_usage_is_estimated_and_said(serve):
    _, model = serve(lambda n, body: (200, {}, completion("a word or two", usage=False)))
    reply = model.answer(ask(1))[0]
    assert reply.estimated and reply.prompt_tokens > 0 and reply.completion_tokens == 4


def test_a_server_that_wants_the_newer_parameter_names_gets_them(serve):
    def newer(n, body):
        if "max_tokens" in body:
            return error(
                400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            )
        if "temperature" in body:
            return error(400, "'temperature' does not support 0 with this model.")
        return None

    _, model = serve(newer, answer_tokens=17)
    assert [r.text for r in model.answer(ask(6))] == [f"echo: question {i}" for i in range(6)]
    body = model.dialect.body(ask(1)[0], None)
    assert body["max_completion_tokens"] == 17 and not {"max_tokens", "temperature"} & set(body)


def test_after_a_break_only_the_missing_answers_are_asked_for(serve, tmp_path):
    down = threading.Event()

    def breaks(n, body):
        return error(500) if n > 5 and not down.is_set() else None

    cache = tmp_path / "answers.jsonl"
    server, model = serve(breaks, concurrency=1, cache=cache)
    with pytest.raises(FtkitError, match="does not answer"):
        model.answer(ask(12))
    with cache.open("a") as file:
        file.write('{"key": "half a li')  # as a kill would leave it
    down.set()
    before = len(server.seen)
    model = connect(server.url, cache=cache)
    replies = model.answer(ask(12))
    assert [r.text for r in replies] == [f"echo: question {i}" for i in range(12)]
    assert len(server.seen) - before == 7
    assert [r.text for r in model.answer(ask(12))] == [r.text for r in replies]
    assert len(server.seen) - before == 7


def test_a_response_format_goes_to_the_servers_own_mode_and_into_the_key_of_kept_answers(
    serve, tmp_path
):
    server, model = serve(cache=tmp_path / "answers.jsonl")
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    formats = [
        ResponseFormat(kind="json_schema", value=schema),
        ResponseFormat(kind="choice", value=["a", "b"]),
        None,
    ]
    model.answer(ask(3), formats=formats)
    sent = {body["messages"][-1]["content"]: body for body in server.seen}
    assert sent["question 0"]["response_format"]["json_schema"]["schema"] == schema
    assert sent["question 1"]["structured_outputs"] == {"choice": ["a", "b"]}
    assert not {"response_format", "structured_outputs"} & set(sent["question 2"])
    model.answer(ask(3), formats=formats)
    assert len(server.seen) == 3
    model.answer(ask(3))
    assert len(server.seen) == 5  # the two that were held are other questions when free


def test_a_server_that_refuses_a_response_format_stops_the_run_with_the_way_out(serve):
    server, model = serve(
        lambda n, body: error(400, "Unrecognized request argument supplied: structured_outputs")
    )
    with pytest.raises(BadInput, match="does not take this response format") as told:
        model.answer(ask(20), formats=[ResponseFormat(kind="choice", value=["a"])] * 20)
    assert "endpoint_constrained" in told.value.todo and len(server.seen) <= 8


@pytest.mark.parametrize(
    ("url", "name", "found"), [("localhost:8000", "m", "no URL"), ("http://h/v1", "", "empty")]
)
def test_an_unusable_address_is_told_before_any_request(url, name, found):
    with pytest.raises(BadInput, match=found):
        connect(url, name)


def with_logprobs(text, *values):
    body = completion(text)
    body["choices"][0]["logprobs"] = {
        "content": [{"token": "t", "logprob": v, "bytes": None, "top_logprobs": []} for v in values]
    }
    return body


def test_an_answers_confidence_is_the_probability_of_its_tokens(serve, tmp_path):
    import math

    server, model = serve(
        lambda n, body: (200, {}, with_logprobs("yes", -0.1, -0.2)),
        confidence=True,
        cache=tmp_path / "kept.jsonl",
    )
    assert [r.confidence for r in model.answer(ask(2))] == [pytest.approx(math.exp(-0.3))] * 2
    assert all(body["logprobs"] is True for body in server.seen)
    assert (
        model.answer(ask(2))[0].confidence == pytest.approx(math.exp(-0.3))
        and len(server.seen) == 2
    )  # kept with the answer
    _, silent = serve(confidence=True)
    assert math.isnan(silent.answer(ask(1))[0].confidence)
    _, odd = serve(lambda n, body: (200, {}, with_logprobs("yes", -0.1, 3.0)), confidence=True)
    assert math.isnan(odd.answer(ask(1))[0].confidence)


@pytest.mark.parametrize("said", ["logprobs are not supported with this model", "Unprocessable"])
def test_a_server_without_log_probabilities_is_asked_without(serve, said):
    server, model = serve(
        lambda n, body: error(400, said) if "logprobs" in body else None,
        confidence=True,
        concurrency=1,
    )
    assert [r.text for r in model.answer(ask(5))] == [f"echo: question {i}" for i in range(5)]
    assert len(server.seen) == 6  # one refusal, and never asked again


def test_a_bad_request_does_not_cost_the_others_their_confidence(serve):
    def faults(n, body):
        return (
            error(400, "context too long")
            if "question 0" in str(body)
            else (200, {}, with_logprobs("yes", -0.1))
        )

    _, model = serve(faults, confidence=True, concurrency=1)
    replies = model.answer(ask(3))
    assert replies[0].outcome == "not_delivered" and all(r.confidence > 0.9 for r in replies[1:])


def test_a_budget_ends_the_asking_and_what_was_paid_counts_the_next_time(serve, tmp_path):
    """Each answer costs 11 prompt and 3 answer tokens: 1 USD for each million of the first, 3 for the others: 20 millionths."""
    options = {"prices": (1.0, 3.0), "cache": tmp_path / "kept.jsonl", "concurrency": 1}
    server, model = serve(most_usd=90e-6, **options)
    with pytest.raises(
        FtkitError,
        match=r"the budget of 9e-05 USD is used up: m: 5 answers with 55 prompt and 15 answer tokens cost 0[.]0001 USD",
    ):
        model.answer(ask(20))
    assert len(server.seen) == 5
    more = connect(server.url, most_usd=150e-6, **options)
    assert more.bill.answers == 5
    with pytest.raises(FtkitError, match="used up: m: 8 answers"):
        more.answer(ask(20))
    assert len(server.seen) == 8, "the first five were paid before"
    _, model = serve(concurrency=1)
    assert (
        len(model.answer(ask(20))) == 20
        and model.bill.answers == 20
        and (model.bill.input_tokens, model.bill.output_tokens) == (220, 60)
    )


def test_nothing_is_sent_to_another_machine_where_data_may_not_leave():
    with pytest.raises(
        BadInput, match=r"nothing is sent to api[.]example[.]com: data_may_leave is false"
    ):
        connect("https://api.example.com/v1")
    assert connect("https://api.example.com/v1", may_leave=True).name == "m"


def test_masking_goes_over_everything_that_is_sent(serve):
    server, model = serve(hide=lambda text: text.replace("question", "<word>"), mask=True)
    model.answer(ask(2))
    sent = sorted(body["messages"][0]["content"] for body in server.seen)
    assert sent == ["<word> 0", "<word> 1"]


@pytest.mark.parametrize(
    "url", ["https://u:p@h/v1", "https://h/v1?api_key=abc", "https://h/v1?sig=x"]
)
def test_a_secret_in_an_address_is_refused(url):
    with pytest.raises(BadInput, match="holds a key or a password"):
        connect(url, may_leave=True)


def test_a_run_of_equal_failures_at_the_start_stops_within_ten_requests_with_the_parameter(serve):
    body = completion("")
    body["choices"][0] |= {"finish_reason": "length", "message": {"content": "a beginning"}}
    server, model = serve(lambda n, _: (200, {}, body))
    with pytest.raises(FtkitError, match="the answers run out of room") as told:
        model.answer(ask(100))
    assert len(server.seen) <= 10 and "evaluation.endpoint_connection" in told.value.todo


def test_a_damaged_line_of_the_cache_is_told_and_asked_again(serve, tmp_path):
    cache = tmp_path / "kept.jsonl"
    server, model = serve(cache=cache)
    model.answer(ask(3))
    lines = cache.read_text().splitlines()
    cache.write_text("\n".join([lines[0], "{broken", lines[2]]) + "\n")
    again = connect(server.url, cache=cache)
    assert [r.outcome for r in again.answer(ask(3))] == ["answered"] * 3 and len(server.seen) == 4


@pytest.mark.parametrize(
    ("headers", "words", "seconds"),
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after-ms": "250"}, "", 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:16:50 GMT"}, "", 10),
        ({"x-ratelimit-reset-requests": "6m0s"}, "", 360),
        ({"x-ratelimit-reset-tokens": "120ms"}, "", 0.12),
        ({"anthropic-ratelimit-requests-reset": "1970-01-01T00:17:00Z"}, "", 20),
        ({}, "Please try again in 3.2s.", 3.2),
        ({}, "retryDelay: 13s", 13),
        ({"retry-after": "-5"}, "", None),
        ({"retry-after": "nan"}, "", None),
    ],
)
def test_every_usual_form_of_wait_is_read(headers, words, seconds):
    from ftkit.models.endpoint.limiter import asked_wait

    found = asked_wait(headers, words, now=1000.0)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_thoughts_beside_the_answers_tokens_are_billed_and_zero_usage_is_estimated(serve):
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 114}
    _, model = serve(lambda n, _: (200, {}, completion("yes") | {"usage": usage}))
    assert model.answer(ask(1))[0].completion_tokens == 103
    zero = {"prompt_tokens": 0, "completion_tokens": 0}
    _, model = serve(lambda n, _: (200, {}, completion("a word or two") | {"usage": zero}))
    reply = model.answer(ask(1))[0]
    assert reply.estimated and reply.completion_tokens == 4 and model.bill.estimated == 1


def test_the_budget_holds_within_one_request_with_many_at_once(serve):
    server, model = serve(prices=(1.0, 3.0), most_usd=90e-6, concurrency=16)
    with pytest.raises(FtkitError, match="used up"):
        model.answer(ask(200))
    assert model.bill.usd <= 90e-6 + 20e-6 and len(server.seen) == model.bill.answers


def test_a_stage_tells_its_bills_by_role_url_and_model_failed_replies_and_earlier_runs_included(
    serve, tmp_path
):
    from ftkit.core.run_folder import bills
    from ftkit.models.endpoint.bill import rows

    usage = {"prompt_tokens": 100, "completion_tokens": 40}
    details = {
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }

    def cut_once(n, body):
        content = completion("yes") | {"usage": usage | details}
        if n == 1:
            content["choices"][0] |= {"finish_reason": "content_filter", "message": {}}
        return 200, {}, content

    server, _ = serve(cut_once)
    terms = dict(prices=(2.0, 10.0, 0.5), concurrency=1)
    connect(server.url, cache=tmp_path / "answers" / "endpoint.jsonl", **terms).answer(ask(3))
    judge = dict(terms, named="evaluation.judge")
    for asked in (1, 2):  # the second run is told the first one's answers too
        connect(server.url, "j", cache=tmp_path / "judge.jsonl", **judge).answer(ask(asked))
    told = {bill.role: bill for bill in bills(tmp_path)}
    mine = told["endpoint"]
    assert (mine.url, mine.model, mine.answers, mine.failed) == (server.url, "m", 2, 1)
    assert (mine.input_tokens, mine.cached_tokens, mine.output_tokens) == (300, 180, 120)
    assert (mine.thought_tokens, mine.failed_tokens) == (90, 140)
    assert mine.usd == pytest.approx((120 * 2 + 180 * 0.5 + 120 * 10) / 1e6)
    assert (told["judge"].model, told["judge"].answers) == ("j", 2)
    table = rows(list(told.values()))
    assert table[-1]["asked for"] == "all" and table[-1]["prompt tokens"] == 500
    assert len(server.seen) == 5


def test_a_request_that_came_to_no_reply_stays_on_the_bill_of_the_next_run(serve, tmp_path):
    from ftkit.core.run_folder import bills

    server, _ = serve(lambda n, body: (0, {}, b"") if n == 1 else None)
    terms = dict(cache=tmp_path / "endpoint.jsonl", concurrency=1)
    connect(server.url, **terms).answer(ask(2))
    connect(server.url, **terms).answer(ask(3))
    (bill,) = bills(tmp_path)
    assert (bill.unknown, bill.answers) == (1, 3)


def test_a_profile_tells_what_a_server_understands(serve):
    from ftkit.models.endpoint.profile import profile

    def particular(n, body):
        if "temperature" in body:
            return error(400, "'temperature' does not support 0 with this model.")
        if "structured_outputs" in body:
            return error(400, "Unrecognized request argument supplied: structured_outputs")
        return None

    server, _ = serve(particular)
    traits = {t.name: t for t in profile(Endpoint(server.url, "m", confidence=True))}
    assert not traits["Temperature 0"].fine and "refused" in traits["Choice of labels"].text
    assert traits["System role"].text == "taken" and traits["JSON Schema"].fine
    assert traits["Usage"].text == "11 prompt, 3 answer tokens"
    assert not traits["Log probabilities"].fine and not traits["Models"].fine


def test_the_head_of_a_stage_tells_what_goes_where_and_its_requests_stand_on_the_bill(
    serve, tmp_path, monkeypatch
):
    from ftkit.core import run_folder
    from ftkit.core.parameters.prompting import PromptingParameters
    from ftkit.notebook import endpoint_profile

    server, _ = serve()
    stage = run_folder.Stage(tmp_path, "task", {})
    shown = []
    monkeypatch.setattr(
        endpoint_profile.theme, "table", lambda rows, caption="": shown.append((rows, caption))
    )
    p = PromptingParameters(
        endpoint_url=server.url, endpoint_model="m", endpoint_most_usd=2, endpoint_prices=[1, 2]
    )
    asked = ["Write to eva@example.org", "Where is my parcel?"]
    endpoint_profile.show(p, stage, asked, ["endpoint", "proposal"])
    ((rows, caption),) = shown
    told = {row[""]: row["found"] for row in rows}
    assert caption == f"the endpoint: m at {server.url}"
    assert told["Personal data"] == "in 1 of 2 questions; they are sent as they are"
    assert told["Price"].startswith("USD per million tokens: 1 in, 1 cached, 2 out")
    assert told["Limit"] == "2 USD in this stage" and told["System role"] == "taken"
    (bill,) = run_folder.bills(stage.folder)
    assert bill.role == "profile of the endpoint"
    assert bill.answers + bill.failed == len(server.seen) == 3
    assert not any("parcel" in str(body) for body in server.seen), "no data of the run are sent"
