"""Parameters: everything wrong in a file is told at once, before anything starts."""

import tomllib
from pathlib import Path

import pytest
import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import load, to_yaml
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
