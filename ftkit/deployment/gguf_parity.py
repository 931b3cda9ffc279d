"""The winner as one GGUF file, and whether it answers as what was tested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.records.deployment import GgufFile
from ftkit.deployment import gguf_export, platforms
from ftkit.deployment.asking import ask_files
from ftkit.deployment.gguf_export import NAME, converter, weights_of
from ftkit.deployment.parity import compare
from ftkit.deployment.served_strategy import Served
from ftkit.models.weights import resolve

FOLDER = "gguf"
Progress = Callable[[int, int], None]


def write_gguf(p: DeploymentParameters, served: Served, stage_folder: Path) -> GgufFile | None:
    """Write an opened export's model as ``gguf/model.gguf`` with Ollama's Modelfile; None where it is not asked for.

    Raises:
        BadInput: ``deployment.llama_cpp`` holds no converter.
        FtkitError: The converter gives up.
    """
    if not p.llama_cpp:
        return None
    bundle = served.bundle
    script = converter(p.llama_cpp)
    if served.local is None:
        return GgufFile(
            file="",
            kind=p.gguf_type,
            size_mib=0.0,
            sha256="",
            unchecked="an endpoint has no weights to convert",
        )
    base, folder = resolve(bundle.base_model), stage_folder / FOLDER
    made = gguf_export.write_gguf(
        folder, script, p.gguf_type, weights_of(bundle, served.folder, base), _is_nano(base)
    )
    modelfile = platforms.modelfile(
        NAME, served.local.context, bundle.max_new_tokens, _ends(served.local)
    )
    script = platforms.llama_script(bundle.name, served.local.context, p.gguf_type)
    template = platforms.plain_template(str(served.local.tokenizer.chat_template))
    for name, text in (
        ("Modelfile", modelfile),
        ("llama_server.sh", script),
        ("chat_template.jinja", template),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return made


def check_gguf(
    made: GgufFile | None,
    served: Served,
    items: Any,
    told: Any,
    stage_folder: Path,
    progress: Progress | None = None,
) -> GgufFile | None:
    """Return the record with what llama.cpp answered to the test questions, or why it was not asked.

    Args:
        made: What ``write_gguf`` returned.
        served: The opened export.
        items: Questions (columns ``id`` and ``input``).
        told: The reference of ``serving.reference``.
        stage_folder: The stage's folder.
        progress: Called with answers done and in all.
    """
    if made is None or made.unchecked or served.local is None:
        return made
    if served.bundle.prompt.response_format or served.bundle.spec.votes:
        why = "it votes" if served.bundle.spec.votes else "its answers are held within a format"
        return made.model_copy(
            update={"unchecked": f"not asked: {why}, which is not done through llama.cpp here"}
        )
    from ftkit.models.gguf import GgufModel, trial

    file = stage_folder / FOLDER / made.file
    if why := trial(file):
        return made.model_copy(update={"unchecked": f"not asked: {why}"})
    local, new = served.local, served.bundle.max_new_tokens
    room = min(local.context, int(told["prompt_tokens"].max()) + 2 * new + 64)
    model = GgufModel(
        file, local.tokenizer, max_new_tokens=new, context=room, threads=served.threads
    )
    kept, served.model = served.model, model
    try:
        said = ask_files(served, items, told, progress)
    finally:
        served.model = kept
        model.llama.close()
    return made.model_copy(update={"parity": compare("through llama.cpp", told, said)})


def _is_nano(base: str) -> bool:
    """Return whether a base has the nano base's tokenizer."""
    names = [Path(folder) / "tokenizer.json" for folder in (base, resolve("nano"))]
    return names[0].exists() and names[0].read_bytes() == names[1].read_bytes()


def _ends(local: Any) -> list[str]:
    return [str(word) for word in local.tokenizer.convert_ids_to_tokens(sorted(local.ends))]
