"""One notebook in one kernel: this Python, no network, and no kernel left behind."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ftkit.core import code_closure, errors, run_folder
from ftkit.core.errors import BadInput, FtkitError, RunFailed
from ftkit.core.parameters.base import NAMED_BASES, Parameters
from ftkit.core.parameters.files import load, write_resolved
from ftkit.report.theme import note_html

QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
WARM = Path(__file__).with_name("forked_kernels.py")
SLOW = (
    "torch",
    "transformers.models.llama.modeling_llama",
    "transformers.generation",
    "peft",
    "trl.trainer.sft_trainer",
    "datasets",
    "pandas",
    "scipy.stats",
    "plotly.graph_objects",
    "lance_namespace",
    "ipywidgets",
    "IPython",
    "ipykernel.kernelapp",
)
"""Packages whose imports take most of a kernel's start."""
LIGHT = ("task",)
"""Stages that need none of them, and come before they are imported."""
GPUS = ("/dev/nvidiactl", "/dev/kfd")
_server: list[str] = []
"""The socket of the process that kernels are forked from, while there is one."""


def notebooks_folder() -> Path:
    """Return the folder of the notebooks that run."""
    return code_closure.notebooks_folder()


def notebook(stage: str) -> Path:
    """Return the path of a stage's notebook.

    Raises:
        BadInput: The notebook is missing.
    """
    path = notebooks_folder() / f"{run_folder.stage_name(stage)}.ipynb"
    if not path.exists():
        raise BadInput(
            "there is no such notebook",
            where=str(path),
            todo="delete the folder notebooks/ of your project: `ftkit lab` copies a complete one",
        )
    return path


def execute_notebook(stage: str, p: Parameters, target: Path) -> None:
    """Execute a stage's notebook into ``target``; Ctrl-C stops the kernel at once.

    Raises:
        FtkitError: As the notebook raised it; RunFailed for anything else, with the place of the executed notebook.
        KeyboardInterrupt: The user stopped it; the kernel is gone.
    """
    source = notebook(stage)
    # A thread, because the client would else take Ctrl-C for itself and end with an unclear error.
    with _environment(p), ThreadPoolExecutor(1, thread_name_prefix="notebook") as pool:
        working = pool.submit(_papermill, stage, source, target, p)
        try:
            while not working.done():
                wait([working], 0.2)
        except BaseException:
            _kill_kernels()
            raise
    if target.exists():
        finish_notebook(target, hidden=("parameters", "injected-parameters"))
    error = working.exception()
    if error is not None:
        raise _told(stage, error, target)


@contextmanager
def warm(stages: Sequence[Parameters]) -> Iterator[None]:
    """While several notebooks run, keep a process that has imported the slow packages, from which their kernels are forked.

    On Linux without a GPU only, and only for stages that need nothing from the hub; others start their kernels as usual.
    """
    possible = (
        sys.platform == "linux"
        and not any(Path(p).exists() for p in GPUS)
        and all(map(is_local, stages))
    )
    if not possible or len(stages) < 2 or _server:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ftkit-") as folder, _environment(stages[0]):
        command = [sys.executable, str(WARM), "serve", f"{folder}/kernels", *SLOW]
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        # readline adds to the surroundings behind Python's back: name them
        server = subprocess.Popen(command, start_new_session=True, env=dict(os.environ), **streams)
        _server.append(f"{folder}/kernels")
        try:
            yield
        finally:
            _server.clear()
            server.kill()
            server.wait()


def _papermill(stage: str, source: Path, target: Path, p: Parameters) -> None:
    import logging

    with _without_slow_import():
        import papermill

    logging.getLogger("papermill").setLevel(
        logging.CRITICAL
    )  # what went wrong is told once, by `_told`
    papermill.execute_notebook(
        str(source),
        str(target),
        parameters=p.model_dump(mode="json"),
        kernel_name="python3",
        language="python",
        progress_bar=False,
        log_output=False,
        cwd=str(Path.cwd()),
        start_timeout=180,
        kernel_manager_class=own_kernel(forked=stage not in LIGHT),
    )


def prepare_notebook(stage: str, p: Parameters, target: Path) -> None:
    """Write a copy of a stage's notebook with its parameters filled in, as papermill would run it."""
    with _without_slow_import():
        import papermill

    target.parent.mkdir(parents=True, exist_ok=True)
    papermill.execute_notebook(
        str(notebook(stage)),
        str(target),
        parameters=p.model_dump(mode="json"),
        prepare_only=True,
        kernel_name="python3",
        language="python",
        progress_bar=False,
    )
    finish_notebook(target, hidden=("parameters",))


def finish_notebook(path: Path, hidden: Sequence[str]) -> None:
    """Fold the source of the cells with these tags, leave dead widgets out, and sign the notebook, so that JupyterLab trusts it.

    A widget lives as long as its kernel; of an executed notebook the sentence stays that says so. Unsigned, its HTML loses styles and filters. The signature is of this user on this machine, as if the cells had been
    run by hand.
    """
    import nbformat
    from nbformat.sign import NotebookNotary

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if set(hidden) & set(cell.metadata.get("tags", [])):
            cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
        outputs = cell.get("outputs", [])
        if any(o.get("ename") == "SystemExit" and o.get("evalue") == "0" for o in outputs):
            # a notebook that ended early on purpose shows no error
            cell.outputs = [o for o in outputs if o.output_type == "display_data"]
        for data in (output.get("data", {}) for output in cell.get("outputs", [])):
            if data.pop("application/vnd.jupyter.widget-view+json", None):
                data["text/html"] = note_html(data["text/plain"])
    run_folder.write_text(path, nbformat.writes(notebook) + "\n")
    with suppress(
        OSError
    ):  # a home that cannot be written: the notebook can still be trusted by hand
        NotebookNotary().sign(notebook)


def prepare_all(file: Path) -> Path:
    """Write copies of all notebooks with a parameter file's values into the run's ``lab`` folder, and return it."""
    built = load(file)
    folder = Path(built["task"].run) / "lab"
    write_resolved(folder.parent, built)
    for stage, p in built.items():
        prepare_notebook(stage, p, folder / f"{run_folder.stage_name(stage)}.ipynb")
    return folder


@contextmanager
def _without_slow_import() -> Iterator[None]:
    """Leave out rfc3987_syntax, an optional check of jsonschema's that takes 2 s to import and is not used here."""
    name = "rfc3987_syntax"
    before = sys.modules.get(name)
    sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def own_kernel(*, forked: bool = True) -> type:
    """Return a kernel manager that starts this very Python, whatever kernels are installed under the name python3.

    Args:
        forked: Whether the kernel is forked from the process that :func:`warm` keeps, where there is one.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            start = (
                ["-S", str(WARM), "ask", *_server] if _server and forked else [str(WARM), "plain"]
            )
            # a lower level would tell of each kernel being ended
            argv = [sys.executable, *start, "-f", "{connection_file}", "--log-level=CRITICAL"]
            return KernelSpec(argv=argv, display_name="ftkit", language="python")

    return OwnKernel


def _kill_kernels() -> None:
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue


@contextmanager
def _environment(p: Parameters) -> Iterator[None]:
    """Set what the kernel inherits; the hub is asked only where a model from it is wanted."""
    wanted = {**QUIET, "FTKIT_PARENT": str(os.getpid())} | (OFFLINE if is_local(p) else {})
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    try:
        yield
    finally:
        for name in (n for n, value in before.items() if value is None):
            os.environ.pop(name, None)


def is_local(p: Parameters) -> bool:
    """Return whether a stage needs nothing from the hub."""
    base, embedding = getattr(p, "base_model", ""), getattr(p, "embedding_model", "")
    here = ("", "minilm", *NAMED_BASES)  # named bases are fetched before a run starts
    return all(name in here or Path(name).is_dir() for name in (base, embedding))


def _told(stage: str, error: BaseException, target: Path) -> BaseException:
    """Turn what went wrong in a notebook into what a user is told."""
    if isinstance(error, FtkitError | KeyboardInterrupt):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return FtkitError(
            "the disk is full", where=str(target), todo="free some space, then run again"
        )
    if hasattr(error, "ename"):
        return _from_cell(stage, error, target)
    dead = type(error).__name__ == "DeadKernelError"
    found = (
        "the kernel died; most often the machine ran out of memory"
        if dead
        else f"{type(error).__name__}: {error}"
    )
    todo = (
        "free memory or lower batch_size, then run again"
        if dead
        else f"open {target} and see its last cell"
    )
    return RunFailed(found, where=run_folder.stage_name(stage), todo=todo)


def _from_cell(stage: str, error: Any, target: Path) -> FtkitError:
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, FtkitError):
        found, _, todo = str(error.evalue).partition("\n  What to do: ")
        return kind(found, where=run_folder.stage_name(stage), todo=todo)
    if error.ename == "OSError" and f"[Errno {errno.ENOSPC}]" in str(error.evalue):
        return FtkitError(
            "the disk is full",
            where=run_folder.stage_name(stage),
            todo="free some space, then run again",
        )
    lines = [plain(line) for line in "\n".join(error.traceback).splitlines() if line.strip()]
    return RunFailed(
        f"cell {error.exec_count} failed: {error.ename}: {str(error.evalue)[:500]}\n  "
        + "\n  ".join(lines[-8:]),
        where=run_folder.stage_name(stage),
        todo=f"open {target} and see the cell",
    )


def plain(text: str) -> str:
    """Return text without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
