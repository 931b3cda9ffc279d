"""Several strategies on one base: each answers as if it were alone, and the base is in memory once."""

import gc
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import torch
from test_releases import until
from test_serving import bundle

from ftkit.core.errors import BadInput
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.prompting import Prompt
from ftkit.deployment import releases
from ftkit.deployment.export import copied, write
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server import slot
from ftkit.deployment.server.start import running
from ftkit.models.load import load_model
from ftkit.models.local import LocalModel
from ftkit.training.methods import wrap_lora

TEXTS = ["Where is it?", "hello", "a longer question about the order of last week", "12 34"]
ASKED = [[{"role": "user", "content": text}] for text in TEXTS]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def adapters(tiny_checkpoint, tmp_path_factory):
    """Three adapters of one base that change its answers, of different ranks."""
    folder, found = tmp_path_factory.mktemp("adapters"), []
    for number, rank in enumerate((4, 8, 2)):
        torch.manual_seed(number)
        model = wrap_lora(
            load_model(str(tiny_checkpoint("llama"))),
            TrainingParameters(lora_r=rank, lora_alpha=64),
        )
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.3)
        model.save_pretrained(folder / str(number))
        found.append(folder / str(number))
    return found


def export(folder, base, name, adapter=None):
    form, weights = ("adapter", {"weights": "weights"}) if adapter else ("base", {})
    b = bundle(
        base,
        form=form,
        model="tuned" if adapter else "base",
        name=name,
        prompt=Prompt(name="short", system="Be short."),
        **weights,
    )
    write(folder, b, weights=copied(adapter) if adapter else None, texts={"README.md": "x"})
    return folder


def texts(model):
    return [reply.text for reply in model.answer(ASKED)]


def test_models_on_one_base_answer_as_if_each_were_alone(tiny_checkpoint, adapters):
    base = str(tiny_checkpoint("llama"))
    alone = [
        texts(LocalModel(base, max_new_tokens=8)),
        *(texts(LocalModel(base, adapter=a, max_new_tokens=8)) for a in adapters),
    ]
    assert len({tuple(t) for t in alone}) == 4, "else the test shows nothing"
    for first, order in ((None, adapters), (adapters[0], [None, *adapters[1:]])):
        models = {first: LocalModel(base, adapter=first, max_new_tokens=8)}
        models |= {
            a: LocalModel(base, adapter=a, max_new_tokens=8 if a else 3, beside=models[first])
            for a in order
        }
        expected = dict(zip([None, *adapters], alone, strict=True))
        for which in [None, *adapters, None, *reversed(adapters)]:
            if which is None and first is not None:
                assert [t[:2] for t in texts(models[None])] == [t[:2] for t in alone[0]], (
                    "its own longest answer is kept to"
                )
            else:
                assert texts(models[which]) == expected[which]
        single = LocalModel(base, adapter=adapters[1], max_new_tokens=8)
        told, by_itself = (
            [value for _, value in m.logprobs(ASKED[0], "yes")]
            for m in (models[adapters[1]], single)
        )
        assert told == pytest.approx(by_itself, abs=1e-5)
        models[adapters[2]].close()
        assert texts(models[adapters[1]]) == alone[2] and texts(models[adapters[0]]) == alone[1]
        assert len(models[first].model.peft_config) == 2


def test_another_base_is_loaded_by_itself_and_a_foreign_adapter_is_refused(
    tiny_checkpoint, adapters
):
    first = LocalModel(str(tiny_checkpoint("llama")), adapter=adapters[0], max_new_tokens=8)
    other = LocalModel(str(tiny_checkpoint("phi3")), max_new_tokens=8, beside=first)
    assert other.weights is not first.weights
    with pytest.raises(BadInput, match="adapter does not fit this base"):
        LocalModel(
            str(tiny_checkpoint("phi3")), adapter=adapters[1], max_new_tokens=8, beside=other
        )


@pytest.fixture
def three(tiny_checkpoint, adapters, tmp_path):
    base = tiny_checkpoint("llama")
    folders = [
        export(tmp_path / n, base, n, a)
        for n, a in (("desk", adapters[0]), ("claims", adapters[1]), ("plain", None))
    ]
    first = Served(folders[0], threads=1)
    return [first, *(Served(f, threads=1, beside=first) for f in folders[1:])]


def ask(url, model, text):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    reply = httpx.post(f"{url}/chat/completions", json=body, timeout=60)
    return reply.json()["choices"][0]["message"]["content"] if reply.status_code == 200 else reply


def test_one_server_answers_for_each_by_its_name_and_loads_the_base_once(three, tmp_path):
    assert len({id(s.model.weights) for s in three}) == 1
    gc.collect()
    expected = {s.bundle.name: [r.text for r in s.answer(TEXTS)[1]] for s in three}
    assert len({tuple(v) for v in expected.values()}) == 3
    with running(three, log=tmp_path / "log.jsonl") as url, ThreadPoolExecutor(8) as pool:
        jobs = {
            (n, k): pool.submit(ask, url, n, TEXTS[k])
            for k in range(4)
            for n in expected
            for _ in range(3)
        }
        assert {key: job.result() for key, job in jobs.items()} == {
            (n, k): expected[n][k] for n, k in jobs
        }
        names = [m["id"] for m in httpx.get(f"{url}/models").json()["data"]]
        assert names == ["desk", "desk-raw", "claims", "claims-raw", "plain", "plain-raw"]
        refused = ask(url, "other", "x")
        assert refused.status_code == 404 and "use desk, claims, plain" in refused.text
        told = httpx.get(url.replace("/v1", "/metrics")).text
        assert all(
            f'ftkit_answer_seconds_count{{model="{name}"}} 12.0' in told for name in expected
        )
        assert 'ftkit_refused_total{model="",status="404"} 1.0' in told
    logged = [
        json.loads(line)["model"] for line in (tmp_path / "log.jsonl").read_text().splitlines()
    ]
    assert sorted(set(logged)) == ["claims", "desk", "plain"]


def test_two_of_one_name_are_refused(three, tiny_checkpoint, tmp_path):
    again = Served(export(tmp_path / "again", tiny_checkpoint("llama"), "desk-raw"), threads=1)
    with (
        pytest.raises(BadInput, match="two strategies answer to the name 'desk-raw'"),
        running([three[0], again]),
    ):
        pass


@pytest.mark.parametrize("first", [False, True], ids=["opened second", "opened first"])
def test_a_release_on_a_shared_base_is_taken_over_and_the_old_adapter_is_freed(
    three, tiny_checkpoint, adapters, tmp_path, monkeypatch, first
):
    monkeypatch.setattr(slot, "FOLLOW_S", 0.1)
    base, store = tiny_checkpoint("llama"), tmp_path / "store"
    releases.promote(store, export(tmp_path / "v1", base, "news", adapters[1]), "r1")
    follows = Served(releases.current(store), 1, 1, store, beside=None if first else three[0])
    other = Served(three[0].folder, 1, beside=follows) if first else three[0]
    held = set(follows.model.model.peft_config)
    with running([follows, other] if first else [other, follows]) as url:
        before, still = ask(url, "news", TEXTS[0]), ask(url, "desk", TEXTS[0])
        releases.promote(store, export(tmp_path / "v2", base, "news", adapters[2]), "r2")
        until(lambda: ask(url, "news", TEXTS[0]) != before)
        assert ask(url, "desk", TEXTS[0]) == still
        until(lambda: len(other.model.model.peft_config) == len(held))
        assert (
            ask(url, "news", TEXTS[0])
            == LocalModel(str(base), adapter=adapters[2], max_new_tokens=8)
            .answer([[{"role": "system", "content": "Be short."}, *ASKED[0]]])[0]
            .text
        )
