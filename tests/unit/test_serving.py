"""An export answers as the model it was made from; the server keeps OpenAI's form and its own limits."""

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
import schemathesis
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftkit.cli import main
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.deployment import Bundle
from ftkit.core.records.prompting import Prompt, ResponseFormat
from ftkit.core.records.strategy import StrategySpec
from ftkit.deployment import export as exporting
from ftkit.deployment import platforms
from ftkit.deployment.export import copied, merged, size_mib, verify, write
from ftkit.deployment.load_test import load
from ftkit.deployment.planted_faults import planted
from ftkit.deployment.platforms import plain_template
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server.answering import Limits
from ftkit.deployment.server.start import check_host, folder_of, running
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint
from ftkit.training.methods import wrap_lora

SYSTEM = "Answer in one word."
pytestmark = pytest.mark.usefixtures("one_thread")


def bundle(base, form="base", model="base", **more):
    spec = StrategySpec(
        name="prompting", family="prompting", model=model, prompt="short", retriever=False
    )
    values = dict(
        name="desk",
        project="Test",
        spec=spec,
        prompt=Prompt(name="short", system=SYSTEM),
        base_model=str(base),
        base_sha256=fingerprint(base),
    )
    texts = dict(
        max_new_tokens=8,
        batch_size=4,
        instruction="Answer.",
        verdict="prompting",
        run="r",
        created="2026-01-01T00:00:00Z",
    )
    return Bundle.model_validate({**values, **texts, "form": form, **more})


@pytest.fixture(scope="module")
def served(tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "export"
    write(folder, bundle(tiny_checkpoint("llama")), texts={"README.md": "x"})
    return Served(folder, threads=1)


@pytest.fixture(scope="module")
def server(served, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "answers.jsonl"
    with running(served, token="secret", log=log, limits=Limits(body_bytes=4000)) as url:
        yield url, log


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server[0], api_key="secret", max_retries=0)


def ask(client, text="where is it", **more):
    return client.chat.completions.create(
        model="desk", messages=[{"role": "user", "content": text}], **more
    )


def own_answer(served, text):
    model = LocalModel(served.bundle.base_model, max_new_tokens=8, threads=1)
    return model.answer(
        [[{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]]
    )[0]


def test_the_server_puts_the_strategys_prompt_and_answers_as_the_model_itself(served, client):
    done, right = ask(client), own_answer(served, "where is it")
    assert done.choices[0].message.content == right.text
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (
        right.prompt_tokens,
        right.completion_tokens,
    )


def test_many_clients_get_each_their_own_answer(served, client):
    texts, found = [f"question number {i}" for i in range(12)], {}
    threads = [
        threading.Thread(
            target=lambda t=t: found.update({t: ask(client, t).choices[0].message.content})
        )
        for t in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {t: own_answer(served, t).text for t in texts}


def test_a_stream_is_the_same_answer_in_pieces(served, client):
    pieces = [c.choices[0] for c in ask(client, stream=True)]
    assert (
        "".join(p.delta.content or "" for p in pieces).strip()
        == own_answer(served, "where is it").text
    )
    assert pieces[-1].finish_reason in ("stop", "length")


def test_the_raw_model_takes_messages_as_they_are(served, client):
    messages = [{"role": "user", "content": "hello"}]
    done = client.chat.completions.create(model="desk-raw", messages=messages)
    assert (
        done.choices[0].message.content
        == LocalModel(served.bundle.base_model, max_new_tokens=8).answer([messages])[0].text
    )


def test_logprobs_are_those_of_the_answer(client):
    content = ask(client, logprobs=True).choices[0].logprobs.content
    assert content and all(t.logprob <= 0 for t in content)


def wanted(*words):
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": list(words)}}}


@pytest.mark.parametrize("model", ["desk", "desk-raw"])
def test_a_clients_response_format_holds_the_answer_whole_and_streamed(client, model):
    asked = dict(
        model=model,
        messages=[{"role": "user", "content": "where is it"}],
        response_format=wanted("é", "no"),
    )
    text = client.chat.completions.create(**asked).choices[0].message.content
    assert json.loads(text) in ("é", "no")
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(**asked, stream=True)
    ]
    assert "".join(pieces) == text


def test_clients_with_other_formats_share_a_batch(client, served):
    free = own_answer(served, "question 0").text
    with ThreadPoolExecutor(8) as pool:
        formats = [None if i % 2 == 0 else wanted(f"w{i}") for i in range(8)]
        asks = [
            pool.submit(ask, client, "question 0", **({"response_format": f} if f else {}))
            for f in formats
        ]
        texts = [a.result().choices[0].message.content for a in asks]
    assert texts == [free if i % 2 == 0 else f'"w{i}"' for i in range(8)]


def test_a_prompt_with_a_format_is_exported_and_served_with_it(tiny_checkpoint, tmp_path):
    held = ResponseFormat(kind="choice", value=["yes", "no"])
    made = bundle(
        tiny_checkpoint("llama"), prompt=Prompt(name="short", system=SYSTEM, response_format=held)
    )
    write(tmp_path / "export", made)
    opened = Served(tmp_path / "export", threads=1)
    assert {r.text for r in opened.answer([f"question {i}" for i in range(6)])[1]} <= {"yes", "no"}
    limits = platforms.Limits(512, ["</s>"])
    files = platforms.files(made, limits, "{{ messages }}", [])
    assert json.loads(files["serving/request_options.json"]) == {
        "structured_outputs": {"choice": ["yes", "no"]}
    }
    assert any(f.name == "serving/request_options.json" for f in platforms.checked(files))


def test_a_shorter_limit_is_kept_and_told(client):
    done = ask(client, max_tokens=2)
    assert done.usage.completion_tokens <= 2 and done.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("change", "status", "told"),
    [
        ({"model": "nobody"}, 404, "use desk"),
        ({"temperature": 0.7}, 400, "temperature"),
        ({"response_format": {"type": "xml"}}, 400, "json_schema.schema"),
        ({"response_format": {"type": "json_schema"}}, 400, "json_schema.schema"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"schema": {"type": "odd"}},
                }
            },
            400,
            "constrained decoding",
        ),
        ({"max_tokens": 999}, 400, "at most 8"),
        ({"frobnicate": 1}, 400, "frobnicate"),
        ({"messages": []}, 400, "messages"),
        (
            {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]},
            400,
            "desk's '-raw'",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "only text"),
        ({"messages": [{"role": "user", "content": "x" * 5000}]}, 413, "larger than 4,000"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(server, change, status, told):
    body = {"model": "desk", "messages": [{"role": "user", "content": "x"}]} | change
    found = httpx.post(
        f"{server[0]}/chat/completions", json=body, headers={"Authorization": "Bearer secret"}
    )
    assert found.status_code == status
    assert told.replace("desk's ", "model's ") in found.json()["error"]["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"model": 1}', b"[" * 3000])
def test_a_body_that_is_no_request_is_400(server, content):
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    found = httpx.post(f"{server[0]}/chat/completions", content=content, headers=headers)
    assert found.status_code == 400 and found.json()["error"]["message"]


def test_a_wrong_or_missing_token_is_401_and_health_needs_none(server):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{server[0]}/models", headers=headers).status_code == 401
        assert httpx.get(server[0].replace("/v1", "/metrics"), headers=headers).status_code == 401
    root = server[0].removesuffix("/v1")
    assert httpx.get(f"{root}/health").json() == {"status": "ok"}
    assert httpx.get(f"{root}/ready").json()["ready"] is True


def test_the_log_masks_personal_data_and_breaks_no_line(server, client):
    ask(client, "mail me\nat ann@example.org or 0171 2345678")
    rows = [json.loads(line) for line in server[1].read_text().splitlines()]
    assert rows[-1]["input"] == "mail me\nat <e-mail> or <phone>"
    assert {"time", "output", "latency_s", "passages", "completion_tokens"} <= set(rows[-1])


def test_health_answers_while_a_question_is_masked_for_the_log(server, client, monkeypatch):
    from ftkit.deployment.server import answering

    masking = threading.Event()

    def slow(text):
        masking.set()
        time.sleep(1.5)
        return text

    monkeypatch.setattr(answering, "mask", slow)
    asking = threading.Thread(target=lambda: ask(client, "where is parcel nine"))
    asking.start()
    assert masking.wait(60)
    began = time.monotonic()
    assert httpx.get(f"{server[0].removesuffix('/v1')}/health").json() == {"status": "ok"}
    assert time.monotonic() - began < 1
    asking.join(60)


def documented(language, url):
    """Return the example of docs/serving.md in a language, turned to a test server."""
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    block = next(
        b
        for b in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[::-1]
        if "127.0.0.1:8000/v1" in b
    )
    return block.replace("http://127.0.0.1:8000/v1", url).replace('"assistant"', '"desk"')


def test_the_documented_client_and_curl_run(server, capsys):
    exec(documented("python", server[0]))
    assert capsys.readouterr().out.strip().endswith("[]")
    if shutil.which("curl"):
        done = subprocess.run(
            documented("sh", server[0]), shell=True, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["choices"][0]["message"]["role"] == "assistant"


def test_metrics_count_answers_and_refusals(server, client):
    ask(client)
    text = httpx.get(
        server[0].replace("/v1", "/metrics"), headers={"Authorization": "Bearer secret"}
    ).text
    assert (
        'ftkit_answer_seconds_count{model="desk"}' in text
        and 'ftkit_refused_total{model="desk",status="401"}' in text
    )


def test_more_questions_than_may_wait_get_429_with_the_time_to_wait_and_the_others_are_answered(
    served,
):
    body = {"model": "desk", "messages": [{"role": "user", "content": "x"}]}
    with running(served, limits=Limits(waiting=2)) as url:
        found = []

        def one():
            found.append(httpx.post(f"{url}/chat/completions", json=body, timeout=60))

        threads = [threading.Thread(target=one) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    codes = [r.status_code for r in found]
    assert set(codes) == {200, 429} and len(codes) == 24
    assert all(int(r.headers["Retry-After"]) >= 1 for r in found if r.status_code == 429)


def test_streams_beyond_the_room_get_429_and_leave_their_place_when_they_end(served, monkeypatch):
    whole = served.model.stream

    def slow(*given, **more):  # the tiny model answers before the next client has asked
        time.sleep(0.1)
        return whole(*given, **more)

    monkeypatch.setattr(served.model, "stream", slow)

    def ask(client):
        return client.chat.completions.create(
            model="desk", messages=[{"role": "user", "content": "x"}], stream=True
        )

    with running(served, limits=Limits(waiting=1)) as url:
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        for _ in range(3):  # one after the other there is always room
            assert list(ask(client))[-1].choices[0].finish_reason in ("stop", "length")
        found = []

        def one():
            try:
                found.append(len(list(ask(client))) > 0)
            except openai.RateLimitError:
                found.append("429")

        threads = [threading.Thread(target=one) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(found) == {True, "429"}


def test_a_request_that_fails_leaves_those_beside_it_their_answers(served, monkeypatch):
    """One question of a batch raises, whatever the error is; it alone gets none, and the server goes on."""
    whole = served.model.answer

    def answer(conversations, progress=None, formats=()):
        if any("poison" in m[-1]["content"] for m in conversations):
            raise KeyError("poison")
        return whole(conversations, progress, formats)

    monkeypatch.setattr(served.model, "answer", answer)
    texts, found = ["poison", *(f"question {i}" for i in range(6))], {}
    with running(served) as url:

        def one(text):
            body = {"model": "desk", "messages": [{"role": "user", "content": text}]}
            found[text] = httpx.post(f"{url}/chat/completions", json=body, timeout=30).status_code

        threads = [threading.Thread(target=one, args=(t,)) for t in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {t: 500 if t == "poison" else 200 for t in texts}


def test_load_is_measured_per_number_of_clients(server):
    points = load(server[0], "desk", ["a", "b"], [1, 3], 6, token="secret")
    assert [(p.clients, p.failed) for p in points] == [(1, 0), (3, 0)]
    assert all(0 < p.p50_s <= p.p95_s and p.answers_per_s > 0 for p in points)


def test_an_altered_missing_or_added_file_is_refused(tiny_checkpoint, tmp_path):
    folder = tmp_path / "export"
    write(
        folder, bundle(tiny_checkpoint("llama")), texts={"README.md": "x", "serving/a.sh": "echo"}
    )
    (folder / "README.md").write_text("y")
    with pytest.raises(BadInput, match=r"README.md was altered"):
        Served(folder)
    (folder / "README.md").unlink()
    with pytest.raises(BadInput, match=r"README.md is missing"):
        Served(folder)
    (folder / "README.md").write_text("x")
    (folder / "evil.py").write_text("")
    with pytest.raises(BadInput, match=r"evil.py does not belong"):
        Served(folder)


def test_other_base_weights_are_refused(tiny_checkpoint, tmp_path):
    write(tmp_path / "export", bundle(tiny_checkpoint("llama"), base_sha256="0" * 64))
    with pytest.raises(BadInput, match="other weights than those that were tested"):
        Served(tmp_path / "export")


def test_a_failed_export_leaves_the_old_one(tiny_checkpoint, tmp_path):
    folder = tmp_path / "export"
    write(folder, bundle(tiny_checkpoint("llama")), texts={"README.md": "old"})

    def full(target):
        raise OSError(28, "No space left on device")

    with pytest.raises(Exception, match="No space left"):
        write(folder, bundle(tiny_checkpoint("llama")), weights=full)
    assert (folder / "README.md").read_text() == "old" and verify(folder).name == "desk"
    folder.rename(tmp_path / ".export.old")  # killed between the two renames
    assert verify(folder).name == "desk"


@pytest.fixture(scope="module")
def tuned(tiny_checkpoint, tmp_path_factory):
    base, folder = tiny_checkpoint("llama"), tmp_path_factory.mktemp("tuned")
    local = LocalModel(str(base))
    torch.manual_seed(3)
    model = wrap_lora(local.model, TrainingParameters(lora_r=4, lora_alpha=8))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(str(folder / "trained"))
    local.tokenizer.save_pretrained(str(folder / "trained"))
    for form in ("adapter", "merged"):
        source = folder / "trained"
        weights = (
            copied(source) if form == "adapter" else merged(str(base), source, local.tokenizer)
        )
        write(
            folder / form / "export",
            bundle(base, form, "tuned", weights="weights"),
            weights=weights,
        )
    return {form: Served(folder / form / "export", threads=1) for form in ("adapter", "merged")}


def test_adapter_and_merged_model_answer_the_same(tuned):
    texts = [f"question {i}" for i in range(6)]
    (asked, first), (_, second) = (tuned[form].answer(texts) for form in ("adapter", "merged"))
    assert [r.text for r in first] == [r.text for r in second]
    values = [
        [v for _, v in tuned[form].model.logprobs(asked[0].messages, first[0].text)]
        for form in ("adapter", "merged")
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


@pytest.mark.parametrize("form", ["adapter", "merged"])
@pytest.mark.parametrize(
    "fault",
    ["chat template", "end token", "adapter not applied", "adapter applied twice", "low precision"],
)
def test_a_planted_fault_is_really_there_and_is_taken_out_again(tuned, form, fault):
    served = tuned[form]

    def state():
        asked, replies = served.answer(["question 1"])
        return (
            replies[0].text,
            replies[0].completion_tokens,
            served.prompt_sha256(asked[0].messages),
            served.model.logprobs(asked[0].messages, "word"),
        )

    before = state()
    with planted(served, fault) as possible:
        assert possible
        inside = state()
    # An answer of the random tiny model may fill its limit with or without an end token.
    assert inside != before or fault == "end token"
    assert state() == before


def test_a_fault_that_cannot_occur_is_told(served):
    with planted(served, "stale index") as possible:
        assert not possible
    with planted(served, "adapter not applied") as possible:
        assert not possible


@pytest.mark.parametrize("form", ["adapter", "merged", "base"])
def test_serving_files_are_parsed_and_hold_template_ends_and_limits(form):
    limits = platforms.Limits(512, ["<|end|>"], 8 if form == "adapter" else 0)
    record = Bundle.model_validate(
        {**json.loads(BUNDLE), "form": form, "weights": "" if form == "base" else "weights"}
    )
    made = platforms.files(
        record,
        limits,
        "{% for m in messages %}{{ m }}{% endfor %}",
        [{"role": "user", "content": "ä"}],
    )
    checked = {f.name: f.checked for f in platforms.checked(made)}
    assert checked["serving/vllm.sh"].startswith("parsed") and checked[
        "serving/sagemaker.py"
    ].startswith("parsed")
    assert "512" in made["serving/vllm.sh"] and "chat_template.jinja" in made["serving/vllm.sh"]
    assert ("--enable-lora" in made["serving/vllm.sh"]) == (form == "adapter")
    assert "<|end|>" in made["serving/ollama/Modelfile"]
    assert checked["serving/kubernetes.yaml"] == "parsed as YAML (Deployment, Service); not applied"
    assert (
        checked["serving/azure_deployment.yaml"]
        == "parsed as YAML (managedOnlineDeployment); not applied"
    )
    assert not [
        name
        for name, text in made.items()
        if "$name" in text or "$dns" in text or "$folder" in text
    ]


def test_behind_a_gateway_no_token_is_needed(monkeypatch):
    with pytest.raises(BadInput, match="FTKIT_BEHIND_GATEWAY=1"):
        check_host("0.0.0.0", "")
    monkeypatch.setenv("FTKIT_BEHIND_GATEWAY", "0")
    with pytest.raises(BadInput, match="there is no token"):
        check_host("0.0.0.0", "")
    monkeypatch.setenv("FTKIT_BEHIND_GATEWAY", "1")
    check_host("0.0.0.0", "")


def test_the_kubernetes_manifest_keeps_to_the_published_schema():
    validate = pytest.importorskip("kubernetes_validate")
    record = Bundle.model_validate(json.loads(BUNDLE))
    text = platforms.files(record, platforms.Limits(512, []), "", [])["serving/kubernetes.yaml"]
    version = validate.latest_version()
    for part in yaml.safe_load_all(text):
        validate.validate(part, version, strict=True)
    wrong = yaml.safe_load(text.split("---")[0].replace("replicas: 1", "replicas: many"))
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, version, strict=True)


def test_locust_asks_the_server_and_counts_as_the_server_does(served, tmp_path):
    """The exported locustfile, run by the real locust: every answer of every step is one that the server gave."""
    if not importlib.util.find_spec(
        "locust"
    ):  # importing it would patch every socket of this process
        pytest.skip("locust is not installed")
    asked = [
        [{"role": "system", "content": "x"}, {"role": "user", "content": f"question {k}"}]
        for k in range(5)
    ]
    for name, text in platforms.files(
        served.bundle, platforms.Limits(512, []), "", asked[0], asked
    ).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "strategy.json").write_text(json.dumps({"name": served.bundle.name}))
    file, table = tmp_path / "serving" / "locustfile.py", tmp_path / "load"
    with running(served, token="secret") as url:
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(file),
            "--headless",
            "--host",
            url.removesuffix("/v1"),
            "--csv",
            str(table),
        ]
        told = {**os.environ, "FTKIT_TOKEN": "secret", "STEPS": "1 4", "SECONDS": "2"}
        done = subprocess.run(
            command, env=told, capture_output=True, text=True, timeout=120, check=False
        )
        metrics = httpx.get(
            url.removesuffix("/v1") + "/metrics", headers={"Authorization": "Bearer secret"}
        ).text
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row["Name"]: row for row in csv.DictReader((tmp_path / "load_stats.csv").open())}
    assert {"1 clients", "4 clients"} <= set(rows)
    assert int(rows["Aggregated"]["Failure Count"]) == 0
    counted = sum(
        float(line.split()[-1])
        for line in metrics.splitlines()
        if line.startswith("ftkit_answer_seconds_count")
    )
    requests = int(rows["Aggregated"]["Request Count"])
    assert requests > 20 and requests <= counted <= 1.05 * requests + 4, (
        "the server answers what was under way at the end, too"
    )
    told["FTKIT_TOKEN"] = "wrong"
    with running(served, token="secret") as url:
        command[command.index("--host") + 1] = url.removesuffix("/v1")
        done = subprocess.run(
            command,
            env=told | {"STEPS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1 and "HTTP 401" in done.stdout + done.stderr


BUNDLE = json.dumps(
    {
        "name": "desk",
        "project": "p",
        "spec": {
            "name": "x",
            "family": "prompting",
            "model": "base",
            "prompt": "a",
            "retriever": False,
        },
        "prompt": {"name": "a", "system": "s"},
        "base_model": "nano",
        "form": "base",
        "max_new_tokens": 8,
        "batch_size": 4,
        "instruction": "i",
        "verdict": "v",
        "run": "r",
        "created": "c",
    }
)


def test_a_template_loses_its_generation_tags_only():
    plain = plain_template("a{%- generation -%}b{% endgeneration %}c{% for x in y %}{% endfor %}")
    assert plain == "abc{% for x in y %}{% endfor %}"


def test_beyond_loopback_a_token_is_needed():
    for host in ("127.0.0.1", "localhost", "::1"):
        check_host(host, "")
    check_host("0.0.0.0", "secret")
    with pytest.raises(BadInput, match="FTKIT_TOKEN"):
        check_host("0.0.0.0", "")


def test_serving_a_run_without_an_export_says_what_to_run(tmp_path, capsys):
    with pytest.raises(NotReady, match="09_deployment"):
        folder_of(tmp_path)
    assert main(["serve", str(tmp_path)]) == 2
    assert "09_deployment" in capsys.readouterr().err


def test_hashes_leave_the_record_out_and_sizes_add_up(served):
    assert exporting.RECORD not in served.bundle.files and "README.md" in served.bundle.files
    assert size_mib(served.folder) > 0


def test_no_request_of_the_servers_own_document_gets_a_server_error(server):
    document, asked = (
        schemathesis.openapi.from_url(server[0].removesuffix("/v1") + "/openapi.json"),
        set(),
    )
    for operation in document.get_all_operations():

        @given(operation.ok().as_strategy())
        @settings(
            max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        def ask(case):
            answer = case.call(headers={"Authorization": "Bearer secret"})
            asked.add((case.path, answer.status_code))
            assert answer.status_code in {200, 400, 404, 405, 413}, answer.text
            assert answer.status_code in (200, 405) or "error" in answer.json()

        ask()
    assert {path for path, _ in asked} >= {
        "/v1/chat/completions",
        "/v1/models",
        "/health",
        "/ready",
        "/metrics",
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            sorted(
                [
                    "model",
                    "messages",
                    "stream",
                    "logprobs",
                    "response_format",
                    "max_tokens",
                    "n",
                    "stop",
                    "tools",
                ]
            )
        ),
        JSON,
    )
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_body_whatsoever_gets_a_server_error(server, body):
    answer = httpx.post(
        f"{server[0]}/chat/completions",
        json={"model": "desk", **body},
        headers={"Authorization": "Bearer secret"},
    )
    assert answer.status_code in {200, 400, 404, 413}, answer.text
