"""One file for llama.cpp, Ollama and LM Studio, by llama.cpp's own converter where it is at hand."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.deployment import Bundle, GgufFile
from ftkit.deployment.export import copied, merged
from ftkit.models.weights import first_line

CONVERTER, NAME = "convert_hf_to_gguf.py", "model.gguf"
WHERE = "deployment.llama_cpp"
# The converter knows tokenizers by a hash and refuses others. The nano base splits digits one by one and the rest as
# GPT-2 does, which llama.cpp calls "smollm".
EMBEDDED = """
import sys
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: "smollm"
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def converter(folder: str) -> Path:
    """Return llama.cpp's converter in its folder.

    Raises:
        BadInput: It is not there.
    """
    path = Path(folder).expanduser() / CONVERTER
    if not path.is_file():
        raise BadInput(
            f"holds no {CONVERTER}",
            where=f"{WHERE} {folder}",
            todo="name the folder of llama.cpp's source",
        )
    return path.resolve()


def write_gguf(
    target: Path, script: Path, kind: str, weights: Callable[[Path], None], nano: bool
) -> GgufFile:
    """Convert a whole model into ``target / "model.gguf"``; a file that was there stays until the new one is whole.

    Args:
        target: A folder.
        script: llama.cpp's converter.
        kind: Precision of the weights: f32, bf16, f16 or q8_0.
        weights: Writes the model (safetensors and tokenizer) into a folder.
        nano: Whether its tokenizer is the nano base's.

    Raises:
        FtkitError: The converter refuses the model, or a package that it needs is missing.
    """
    target.mkdir(parents=True, exist_ok=True)
    half = target / f".{NAME}.tmp"
    with tempfile.TemporaryDirectory(dir=target) as folder:
        model = Path(folder) / "model"
        weights(model)
        words = [str(script), str(model), "--outfile", str(half), "--outtype", kind]
        command = (
            [sys.executable, "-c", f"import sys; sys.argv = sys.argv[1:]\n{EMBEDDED}", *words]
            if nano
            else [sys.executable, *words]
        )
        paths = os.pathsep.join(
            [str(script.parent / "gguf-py"), str(script.parent), os.environ.get("PYTHONPATH", "")]
        )
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": paths, "NO_LOCAL_GGUF": ""},
        )
    if done.returncode or not half.exists():
        said = [line for line in done.stderr.splitlines() if line.strip()]
        half.unlink(missing_ok=True)
        todo = (
            "pip install 'ftkit[gguf]'"
            if "No module named" in done.stderr
            else "see whether your llama.cpp knows this architecture"
        )
        raise FtkitError(
            f"llama.cpp's converter gave up: {first_line(ValueError(said[-1] if said else 'no word'))}",
            where=str(script),
            todo=todo,
        )
    half.replace(target / NAME)
    size = (target / NAME).stat().st_size / 2**20
    return GgufFile(
        file=NAME, kind=kind, size_mib=round(size, 2), sha256=run_folder.sha256_path(target / NAME)
    )


def weights_of(bundle: Bundle, folder: Path, base: str) -> Callable[[Path], None]:
    """Return what writes an export's whole model: its merged weights, its base with the adapter merged in, or its base.

    Args:
        bundle: The export.
        folder: Its folder.
        base: Folder of the base.
    """
    if bundle.form in ("merged", "base"):
        return copied(folder / bundle.weights if bundle.form == "merged" else Path(base))
    from ftkit.models.load import load_tokenizer

    return merged(base, folder / bundle.weights, load_tokenizer(base))


def rows(made: GgufFile | None) -> list[dict[str, object]]:
    """Return the file as one row of a table; a word on how to get one where there is none."""
    if made is None:
        return [{"GGUF": "not written: deployment.llama_cpp names no folder of llama.cpp"}]
    return [
        {
            "file": made.file,
            "weights": made.kind,
            "MiB": made.size_mib,
            "SHA-256": made.sha256[:16] + "…",
            "asked through llama.cpp": said(made),
        }
    ]


def said(made: GgufFile) -> str:
    """Return what llama.cpp answered against the test, or why it was not asked."""
    found = made.parity
    return (
        f"{found.identical.value:.0%} of {found.items} answers are the same text ({found.cause})"
        if found
        else made.unchecked
    )
