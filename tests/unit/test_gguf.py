"""One file for llama.cpp. The real converter runs where FTKIT_LLAMA_CPP names llama.cpp's source; what it may do wrong is made."""

import importlib.util
import os
from types import SimpleNamespace

import pandas as pd
import pytest

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.records.deployment import GgufFile
from ftkit.deployment import gguf_parity, parity
from ftkit.deployment.gguf_export import converter, rows, write_gguf
from ftkit.deployment.gguf_parity import check_gguf
from ftkit.deployment.parity import COLUMNS
from ftkit.deployment.served_strategy import prompt_sha256
from ftkit.models.local import LocalModel

LLAMA = os.environ.get("FTKIT_LLAMA_CPP", "")
WRITES = 'import sys; open(sys.argv[sys.argv.index("--outfile") + 1], "wb").write(b"GGUF")\n'


def llama_cpp(folder, script):
    folder.mkdir(exist_ok=True)
    (folder / "convert_hf_to_gguf.py").write_text(script)
    return str(folder)


def weights(target):
    target.mkdir()


def test_a_folder_without_the_converter_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"llama_cpp .*holds no convert_hf_to_gguf.py"):
        converter(str(tmp_path))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import not_there\n", "pip install 'ftkit\\[gguf\\]'"),
        (
            "raise NotImplementedError('Architecture X not supported')\n",
            "Architecture X not supported",
        ),
        ("pass\n", "gave up"),
        (WRITES + "raise SystemExit(3)\n", "gave up"),
    ],
)
def test_a_converter_that_gives_up_leaves_the_old_file(tmp_path, script, told):
    out = tmp_path / "out"
    first = write_gguf(out, converter(llama_cpp(tmp_path / "good", WRITES)), "f16", weights, False)
    with pytest.raises(FtkitError, match=told):
        write_gguf(out, converter(llama_cpp(tmp_path / "bad", script)), "f16", weights, False)
    assert [p.name for p in out.iterdir()] == [first.file] and (
        out / first.file
    ).read_bytes() == b"GGUF"


def test_a_file_that_llama_cpp_cannot_read_is_told_and_not_asked(tmp_path):
    (tmp_path / "gguf").mkdir()
    (tmp_path / "gguf" / "model.gguf").write_bytes(b"GGUF and nothing else")
    made = GgufFile(file="model.gguf", kind="f16", size_mib=0.0, sha256="")
    bundle = SimpleNamespace(
        prompt=SimpleNamespace(response_format=None),
        spec=SimpleNamespace(votes=0),
        max_new_tokens=8,
    )
    found = check_gguf(made, SimpleNamespace(local=object(), bundle=bundle), None, None, tmp_path)
    assert found.parity is None and found.unchecked.startswith("not asked: llama")
    assert rows(found)[0]["asked through llama.cpp"] == found.unchecked
    assert "not written" in rows(None)[0]["GGUF"]


@pytest.mark.skipif(
    not LLAMA or not importlib.util.find_spec("llama_cpp"),
    reason="needs FTKIT_LLAMA_CPP and llama-cpp-python",
)
def test_llama_cpp_answers_as_the_tested_model(tmp_path):
    local = LocalModel("nano", max_new_tokens=24, threads=1)
    bundle = SimpleNamespace(
        form="base",
        base_model="nano",
        weights="",
        max_new_tokens=24,
        spec=SimpleNamespace(votes=0),
        prompt=SimpleNamespace(response_format=None),
    )
    texts = [
        "Answer with one of these labels: red, blue. The sky is blue.",
        "Copy exactly: A-4711, Zürich 5",
    ]
    asked = [[{"role": "user", "content": text}] for text in texts]
    replies = local.answer(asked)
    told = pd.DataFrame(
        [
            (
                str(i),
                r.text,
                r.prompt_tokens,
                r.completion_tokens,
                [],
                prompt_sha256(local, m),
                sum(v for _, v in local.logprobs(m, r.text)) / len(local.logprobs(m, r.text)),
            )
            for i, (m, r) in enumerate(zip(asked, replies, strict=True))
        ],
        columns=COLUMNS,
    )
    served = SimpleNamespace(local=local, model=local, bundle=bundle, folder=tmp_path, threads=1)
    served.prompt_sha256 = lambda messages: prompt_sha256(served.model, messages)
    served.answer = lambda texts, progress=None: (
        [SimpleNamespace(messages=m, passages=[]) for m in asked],
        served.model.answer(asked, progress),
    )
    p = DeploymentParameters(run=str(tmp_path), llama_cpp=LLAMA, gguf_type="f32")
    made = gguf_parity.write_gguf(p, served, tmp_path)
    found = check_gguf(
        made, served, pd.DataFrame({"id": ["0", "1"], "input": texts}), told, tmp_path
    )
    # The same tokens and texts; llama.cpp holds what it has read in 16 bits, which may show in the log-probabilities.
    assert (
        found.parity.cause in (parity.NONE, parity.PRECISION)
        and found.parity.identical.value == 1.0
    )
    assert found.parity.logprob_gap < 5e-3
    assert served.model is local
