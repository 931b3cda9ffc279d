"""Files for the usual serving platforms: the exact chat template, end tokens and limits of what was tested."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from ftkit.core.parameters.base import NAMED_BASES
from ftkit.core.records.deployment import Bundle, ServingFile
from ftkit.models.chat import Messages
from ftkit.models.constrain import body_options

FOLDER = Path(__file__).parent / "platform_files"
WHOLE = (
    "Dockerfile",
    "kubernetes.yaml",
    "smoke.sh",
    "azure_endpoint.yaml",
    "azure_deployment.yaml",
    "vertex.py",
    "locustfile.py",
)
"""Files around ``ftkit serve``, which serves the whole strategy."""
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values that ``--max-lora-rank`` takes in vLLM 0.32; any other one is refused at the start."""


@dataclass(frozen=True)
class Limits:
    """What a server must know of the model.

    Attributes:
        context: Longest prompt and answer together, in tokens.
        ends: Words that end an answer.
        rank: Rank of the LoRA adapter; 0 without one.
        precision: Precision in which it was tested; vLLM left to itself serves float32 weights in float16.
    """

    context: int
    ends: list[str]
    rank: int = 0
    precision: str = "float32"


def files(
    bundle: Bundle,
    limits: Limits,
    template: str,
    messages: Messages,
    questions: Sequence[Messages] = (),
) -> dict[str, str]:
    """Return the serving files by name.

    Only ``ftkit serve`` (and the Dockerfile, and what runs its image: Kubernetes, Azure ML, Vertex AI) serves the whole strategy: prompt,
    examples and passages included. The others serve the model; the client must send the messages that
    ``messages_example.json`` shows, and the fields of ``request_options.json`` where answers are held within a format.

    Args:
        bundle: What is exported.
        limits: What a server must know of the model.
        template: The chat template.
        messages: An example of what the model is sent.
        questions: What a load test asks, as the model is sent it.
    """
    filled = {"name": bundle.name, "dns": _dns(bundle.name), "folder": "/srv/strategy"}
    made = {f"serving/{name}": _filled(name, filled) for name in WHOLE}
    made["serving/load_questions.jsonl"] = "".join(
        json.dumps(asked, ensure_ascii=False) + "\n" for asked in questions or [messages]
    )
    if bundle.form == "endpoint":
        return made
    model = "/srv/model" if bundle.base_model in NAMED_BASES else bundle.base_model
    held = bundle.prompt.response_format
    if held:
        made["serving/request_options.json"] = (
            json.dumps(body_options(held), indent=2, ensure_ascii=False) + "\n"
        )
    return made | {
        "serving/messages_example.json": json.dumps(messages, indent=2, ensure_ascii=False) + "\n",
        "serving/chat_template.jinja": template,
        "serving/vllm.sh": vllm_script(bundle, limits, model),
        "serving/tgi.sh": _tgi(bundle, limits, model),
        "serving/ollama/Modelfile": _ollama(bundle, limits),
        "serving/sagemaker.py": _filled(
            "sagemaker.py", filled | {"environment": _sagemaker(bundle, limits, model)}
        ),
    }


def checked(made: dict[str, str]) -> list[ServingFile]:
    """Return for each file how it was checked; no platform but ``ftkit serve`` is run here."""
    platforms = {
        "Dockerfile": "Docker",
        "locustfile.py": "locust",
        "load_questions.jsonl": "locust",
        "azure_endpoint.yaml": "Azure ML",
        "azure_deployment.yaml": "Azure ML",
        "vertex.py": "Vertex AI",
        "kubernetes.yaml": "Kubernetes",
        "smoke.sh": "any",
        "chat_template.jinja": "vLLM",
        "messages_example.json": "vLLM, TGI",
        "request_options.json": "vLLM",
        "vllm.sh": "vLLM",
        "tgi.sh": "TGI",
        "Modelfile": "Ollama",
        "sagemaker.py": "SageMaker",
    }
    return [
        ServingFile(name=name, platform=platforms[name.split("/")[-1]], checked=_check(name, text))
        for name, text in made.items()
    ]


def _check(name: str, text: str) -> str:
    """Parse a file with what reads it.

    Raises:
        ValueError: It does not parse.
    """
    if name.endswith(".py"):
        ast.parse(text)
        return "parsed by Python; not run"
    if name.endswith(".yaml"):
        import yaml

        parts = [
            part.get("kind") or part["$schema"].rpartition("/")[2].partition(".")[0]
            for part in yaml.safe_load_all(text)
        ]
        return f"parsed as YAML ({', '.join(parts)}); not applied"
    if name.endswith((".json", ".jsonl")):
        for line in text.splitlines() if name.endswith("l") else [text]:
            json.loads(line)
        return "parsed as JSON"
    if name.endswith(".jinja"):
        from jinja2 import Environment
        from jinja2.ext import loopcontrols

        # The generation tags of training are transformers' own; servers that do not know them need them gone.
        Environment(extensions=[loopcontrols]).parse(text)
        return "parsed by Jinja"
    bash = shutil.which("bash")
    if name.endswith(".sh") and bash:
        done = subprocess.run([bash, "-n"], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"{name}: {done.stderr}")
        return "parsed by bash; not run"
    return "neither parsed nor run"


def plain_template(template: str) -> str:
    """Return a chat template without the generation tags that only training needs and other servers refuse."""
    return re.sub(r"\{%-?\s*(end)?generation\s*-?%\}", "", template)


def _filled(name: str, values: Mapping[str, str]) -> str:
    """Return a file of ``platform_files`` with its places filled; Python files to fill end in .txt there, as they are no Python yet."""
    path = next(path for path in (FOLDER / name, FOLDER / f"{name}.txt") if path.exists())
    text = path.read_text(encoding="utf-8")
    return text if name == "locustfile.py" else Template(text).substitute(values)


def _dns(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "assistant"


def vllm_script(bundle: Bundle, limits: Limits, model: str) -> str:
    """Return the file that starts vLLM on an export that lies one folder up."""
    lora = bundle.form == "adapter" and bool(limits.rank)
    first = model if lora or bundle.form == "base" else "../" + bundle.weights
    lines = [
        f'vllm serve "${{MODEL:-{first}}}"',
        "--chat-template chat_template.jinja",
        f"--max-model-len {limits.context}",
        f"--dtype {limits.precision}",
    ]
    if lora:
        lines += [
            "--enable-lora",
            f"--max-lora-rank {_vllm_rank(limits.rank)}",
            f"--lora-modules {bundle.name}=../{bundle.weights}",
        ]
    else:
        lines += [f"--served-model-name {bundle.name}"]
    lines += [
        "--generation-config vllm --override-generation-config '{\"temperature\": 0}'",
        '"$@"',
    ]
    ends = ", ".join(limits.ends)
    return (
        "#!/usr/bin/env bash\n# vLLM serves the model only: send the messages as in messages_example.json.\n"
        f"# End tokens: {ends}. MODEL: the base's folder or hub name. What follows the file's name is passed on: vllm.sh --port 9000\n"
        'set -euo pipefail\ncd "$(dirname "$0")"\n' + " \\\n  ".join(lines) + "\n"
    )


def _vllm_rank(rank: int) -> int:
    """Return the rank that vLLM is told: it knows some only, and takes adapters of a lower one."""
    return next((known for known in VLLM_RANKS if known >= rank), rank)


def _tgi(bundle: Bundle, limits: Limits, model: str) -> str:
    adapter = (
        f" \\\n  --lora-adapters {bundle.name}={bundle.weights}"
        if bundle.form == "adapter" and limits.rank
        else ""
    )
    first = model if adapter or bundle.form == "base" else bundle.weights
    return (
        "#!/usr/bin/env bash\n# Text Generation Inference serves the model only: send the messages as in messages_example.json.\n"
        'set -euo pipefail\ncd "$(dirname "$0")/.."\n'
        f'text-generation-launcher --port 8080 \\\n  --model-id "${{MODEL:-{first}}}" --max-total-tokens {limits.context} --max-input-tokens {limits.context - bundle.max_new_tokens}{adapter}\n'
    )


def _ollama(bundle: Bundle, limits: Limits) -> str:
    source = (
        f"FROM ../../{bundle.weights}"
        if bundle.form == "merged"
        else "FROM /srv/model  # the base's folder"
    )
    adapter = f"\nADAPTER ../../{bundle.weights}" if bundle.form == "adapter" else ""
    stops = "".join(f"\nPARAMETER stop {json.dumps(end)}" for end in limits.ends)
    return (
        "# Ollama writes prompts with its own Go template: compare with ../chat_template.jinja before use.\n"
        f"{source}{adapter}\nPARAMETER temperature 0\nPARAMETER num_ctx {limits.context}\nPARAMETER num_predict {bundle.max_new_tokens}{stops}\n"
    )


def modelfile(file: str, context: int, max_new_tokens: int, ends: list[str]) -> str:
    """Return Ollama's Modelfile for a GGUF file beside it."""
    stops = "".join(f"\nPARAMETER stop {json.dumps(end)}" for end in ends)
    return (
        "# Ollama writes prompts with its own Go template: compare with ../export/serving/chat_template.jinja before use.\n"
        f"FROM ./{file}\nPARAMETER temperature 0\nPARAMETER num_ctx {context}\nPARAMETER num_predict {max_new_tokens}{stops}\n"
    )


def _sagemaker(bundle: Bundle, limits: Limits, model: str) -> str:
    where = "/opt/ml/model" if bundle.form == "merged" else model
    values = {
        "HF_MODEL_ID": where,
        "MAX_TOTAL_TOKENS": str(limits.context),
        "MAX_INPUT_TOKENS": str(limits.context - bundle.max_new_tokens),
    }
    if bundle.form == "adapter" and limits.rank:
        values["LORA_ADAPTERS"] = f"{bundle.name}=/opt/ml/model/{bundle.weights}"
    return json.dumps(values, indent=4)


def llama_script(name: str, context: int, kind: str) -> str:
    """Return the file that starts llama.cpp's server on ``model.gguf`` beside it.

    Args:
        name: Name by which clients ask for the model.
        context: Longest prompt and answer together, in tokens.
        kind: Precision of the file's weights; whole ones get a cache in full precision too.
    """
    exact = " --cache-type-k f32 --cache-type-v f32 --flash-attn off" if kind == "f32" else ""
    return (
        "#!/usr/bin/env bash\n# llama.cpp's server serves the model only: send the messages as in export/serving/messages_example.json.\n"
        'set -euo pipefail\ncd "$(dirname "$0")"\n'
        f"llama-server --model model.gguf --alias {name} --jinja --chat-template-file chat_template.jinja \\\n"
        f'  --ctx-size {context} --parallel 1 --temp 0{exact} "$@"\n'
    )
