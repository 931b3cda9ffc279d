"""The bill before the run: requests and tokens of the run's own prompts and data, with the limit that holds."""

import pytest

from ftkit.core.parameters.files import load
from ftkit.data.personal_data import mask
from ftkit.strategies.grid import rendered
from ftkit.workflow.endpoint_forecast import _Material, forecasts, sentences
from ftkit.workflow.run import run, run_preview

OPENAI = "https://api.openai.com/v1"


@pytest.fixture
def project(tmp_path):
    rows = [f"where is parcel number {k:03d},{('delivery', 'returns')[k % 2]}" for k in range(100)]
    (tmp_path / "data.csv").write_text("\n".join(["message,answer", *rows]) + "\n")
    file = tmp_path / "p.yaml"
    file.write_text(
        f"""data_may_leave: true
endpoint_url: {OPENAI}
endpoint_model: gpt-6-luna
task: {{run: {tmp_path / "run"}, kind: label}}
data: {{data: {tmp_path / "data.csv"}}}
prompting: {{endpoint_answers: 0, constrained: false, endpoint_most_usd: 2}}
retrieval: {{handbook: ''}}
"""
    )
    return file


def test_requests_and_tokens_are_those_of_the_runs_own_prompts_and_data(project):
    built = load(project)
    found = {(x.stage, x.role): x for x in forecasts(built, set(built))}
    assert mask("x") == "x" and set(found) == {
        ("prompting", "endpoint"),
        ("retrieval", "endpoint"),
        ("evaluation", "endpoint"),
    }
    search, test = found["prompting", "endpoint"], found["evaluation", "endpoint"]
    material = _Material(built)
    prompts = material._prompts()
    assert search.requests == 10 * len(prompts), "a tenth of 100 rows is validation"
    assert (test.requests, found["retrieval", "endpoint"].requests) == (20, 0)
    by_hand = [
        len("".join(m["content"] for m in messages)) / 4
        for prompt in prompts
        for messages in rendered(prompt, material.inputs, material.train, None, False)[0]
    ]
    mean = sum(by_hand) / len(by_hand)
    assert search.prompt_tokens == pytest.approx(search.requests * mean)
    assert search.answer_tokens == pytest.approx(search.requests * 7.5 / 4)
    assert search.usd == pytest.approx(
        (search.prompt_tokens * 0.1 + search.answer_tokens * 0.5) / 1e6
    )


def test_a_dry_run_and_the_start_page_tell_it_with_the_limit_and_write_nothing(project):
    said = []
    run(project, dry=True, say=said.append)
    told = "\n".join(said)
    assert "03_prompting, endpoint gpt-6-luna: about" in told
    assert "the stage ends it at 2 USD" in told and "read 2026-11-05" in told
    assert "no limit is set (evaluation.endpoint_most_usd)" in told
    assert "All endpoints together: about" in told and "All endpoints together" in run_preview(
        project
    )
    assert not (project.parent / "run").exists()


def test_a_run_without_endpoints_tells_nothing(project):
    built = load(project, ["prompting.endpoint_url=''"])
    assert list(sentences(built, {"data", "training"})) == []
