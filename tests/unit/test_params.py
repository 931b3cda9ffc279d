"""Parameters: everything wrong in a file is told at once, before anything starts."""

import tomllib
from pathlib import Path

import pytest
import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import inherit, load, to_yaml, write_resolved
from ftkit.core.parameters.models import MODELS

ROOT = Path(__file__).parents[2]


def test_an_unknown_name_is_told_with_the_nearest_known_one(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("data:\n  input_colum: message\ntraining:\n  lora_r: many\n")
    with pytest.raises(BadInput) as caught:
        load(file)
    assert "did you mean 'input_column'" in str(caught.value)
    assert "lora_r" in str(caught.value), "all faults are told together"


@pytest.mark.parametrize("text", ["", "data: [\n", "- a\n"])
def test_a_broken_or_empty_file_is_one_clear_error(tmp_path, text):
    file = tmp_path / "p.yaml"
    file.write_text(text)
    with pytest.raises(BadInput, match=r"p\.yaml"):
        load(file)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(BadInput, match="ftkit new"):
        load(tmp_path / "none.yaml")


def test_the_written_yaml_reads_back_as_the_same_parameters(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(to_yaml({"data": {"input_column": "a: b # c"}}, "made by a test"))
    loaded = load(file)
    assert loaded["data"].model_dump()["input_column"] == "a: b # c"
    for stage, model in MODELS.items():
        values = loaded[stage].model_dump(exclude={"run", "input_column"})
        assert values == model().model_dump(exclude={"run", "input_column"})


def test_every_parameter_explains_itself():
    for model in MODELS.values():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_conda_and_pip_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [d for d in environment["dependencies"] if isinstance(d, str)]
    pins = next(d for d in environment["dependencies"] if isinstance(d, dict))["pip"]
    torch = next(d for d in project["dependencies"] if d.startswith("torch"))
    assert pins == ["-c constraints.txt", torch, "-e .[dev]"], "all else comes from pyproject.toml"
    assert plain == [f"python={project['requires-python'].removeprefix('>=')}", "pip"]
    assert torch in (ROOT / "Makefile").read_text()


def test_every_dependency_is_pinned_within_its_range():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pins = {_canonical(name): version for name, version in (line.split("==") for line in lines)}
    wanted = [
        Requirement(d) for d in [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    ]
    wrong = [
        f"{r}: {pins.get(_canonical(r.name))}"
        for r in wanted
        if pins.get(_canonical(r.name)) not in r.specifier
    ]
    assert not wrong


def _canonical(name):
    return name.lower().replace("_", "-")


def test_an_override_with_nothing_after_its_sign_is_an_empty_text(tmp_path):
    (tmp_path / "a.yaml").write_text("retrieval: {handbook: demo}\n")
    assert load(tmp_path / "a.yaml", ["retrieval.handbook="])["retrieval"].handbook == ""


def test_a_model_named_once_holds_for_later_sections_that_name_none(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(
        "prompting: {base_model: org/one, threads: 2}\nevaluation: {max_new_tokens: 99}\ntraining: {threads: 1}\n"
    )
    built = load(file)
    models = {s: p for s, p in built.items() if hasattr(p, "base_model")}
    assert {p.base_model for p in models.values()} == {"org/one"}
    assert [models[s].threads for s in ("prompting", "retrieval", "training", "deployment")] == [
        2,
        2,
        1,
        1,
    ]
    assert (models["training"].max_new_tokens, models["deployment"].max_new_tokens) == (64, 99)


def test_what_stands_above_the_sections_holds_in_each_and_is_written_once(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(
        "base_model: org/one\nendpoint_url: http://a/v1\nendpoint_model: m\nthreads: 2\n"
    )
    built = load(file)
    assert {p.base_model for p in built.values() if hasattr(p, "base_model")} == {"org/one"}
    assert built["evaluation"].endpoint_url == built["prompting"].endpoint_url == "http://a/v1"
    sections = {stage: p.model_dump(exclude={"run"}) for stage, p in built.items()}
    text = to_yaml(sections)
    assert text.count("base_model:") == text.count("endpoint_url:") == text.count("threads:") == 1
    file.write_text(text)
    again = load(file)
    assert {s: p.model_dump() for s, p in again.items()} == {
        s: p.model_dump() for s, p in built.items()
    }


def test_two_bases_in_one_file_are_refused_with_both_places(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("base_model: nano\ntraining: {base_model: org/one}\n")
    with pytest.raises(BadInput) as caught:
        load(file)
    assert "base_model above the sections is nano" in str(caught.value)
    assert "training.base_model is org/one" in str(caught.value)
    file.write_text("prompting: {base_model: org/two}\ntraining: {base_model: org/one}\n")
    with pytest.raises(BadInput, match="name it once, above all sections"):
        load(file)
    assert load(file, ["base_model=org/three"])["training"].base_model == "org/three"


def test_an_old_file_that_names_its_base_in_one_section_means_it_for_all(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("evaluation: {base_model: org/one}\n")
    built = load(file)
    assert built["prompting"].base_model == built["deployment"].base_model == "org/one"


def test_the_base_that_was_called_embedded_is_refused_with_its_new_name(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("base_model: embedded\n")
    with pytest.raises(BadInput, match="write base_model: nano") as caught:
        load(file)
    assert str(caught.value).count("embedded") <= 6


def test_an_endpoint_of_one_section_stays_in_that_section(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("evaluation: {endpoint_url: 'http://a/v1', endpoint_model: m}\n")
    built = load(file)
    assert built["evaluation"].endpoint_url and not built["prompting"].endpoint_url
    file.write_text(to_yaml({s: p.model_dump(exclude={"run"}) for s, p in built.items()}))
    assert not load(file)["prompting"].endpoint_url


def test_a_notebook_inherits_the_model_of_its_run_and_refuses_another(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    cell = {"run": str(run), "base_model": "", "threads": 0, "batch_size": 16}
    assert inherit("training", cell, run)["base_model"] == "nano", "nothing is known of the run"
    file = tmp_path / "p.yaml"
    file.write_text(f"run: {run}\nbase_model: org/one\nthreads: 2\n")
    write_resolved(run, load(file))
    found = inherit("training", cell, run)
    assert (found["base_model"], found["threads"]) == ("org/one", 2)
    with pytest.raises(BadInput) as caught:
        inherit("training", cell | {"base_model": "org/two"}, run)
    assert "org/two here, but org/one in" in str(caught.value) and "params.yaml" in str(
        caught.value
    )
    assert "cell parameters" in str(caught.value)
