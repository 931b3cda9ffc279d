"""Kernels forked from a process that has imported the slow packages: they start at once and end as others do."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import nbclient
import nbformat
import psutil
import pytest
from jupyter_core.utils import run_sync

from ftkit.core.parameters.files import build
from ftkit.workflow import kernel

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or any(os.path.exists(p) for p in kernel.GPUS),
    reason="kernels are forked on Linux without a GPU",
)
ASK = "import os, sys; print('json.tool' in sys.modules, os.getpid(), os.getppid(), os.environ.get('FTKIT_TOLD', 'none'), os.getcwd())"


def waited(what, seconds=30.0):
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "waited too long"
        time.sleep(0.05)


@contextmanager
def warm(monkeypatch):
    monkeypatch.setattr(kernel, "SLOW", ("json.tool",))
    with kernel.warm([build(stage, {}) for stage in ("task", "prompting")]):
        waited(lambda: os.path.exists(kernel._server[0]))
        yield


@contextmanager
def running(folder):
    """A kernel; yields what runs a cell and returns its text, and the client."""
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(),
        timeout=60,
        km=kernel.own_kernel()(),
        resources={"metadata": {"path": str(folder)}},
    )

    def ask(source):
        cell = nbformat.v4.new_code_cell(source)
        client.nb.cells.append(cell)
        client.execute_cell(cell, len(client.nb.cells) - 1)
        return "".join(out.get("text", "") for out in cell.outputs)

    with client.setup_kernel(env=dict(os.environ)):
        yield ask, client
        run_sync(client.km.shutdown_kernel)()


def test_a_forked_kernel_has_the_packages_its_own_folder_and_surroundings(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "x")
    monkeypatch.setenv("FTKIT_LONG", "long" * 30_000)  # more than comes in one piece
    with warm(monkeypatch):
        with running(tmp_path) as (ask, _):
            loaded, pid, parent, _, folder = ask(ASK).split()
            assert loaded == "True" and folder == str(tmp_path)
            assert psutil.Process(int(parent)).cmdline()[2] == "serve"
            with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
                ask("1 / 0")
            with running(tmp_path) as (other, _):
                assert other("x = 1\nprint(x)").strip() == "1" and other(ASK).split()[1] != pid
        waited(lambda: not psutil.pid_exists(int(pid)))
        monkeypatch.setenv("FTKIT_TOLD", "here")  # begins like what may differ, but is not among it
        with running(tmp_path) as (ask, _):
            loaded, _, _, told, _ = ask(ASK).split()
            assert (loaded, told) == ("False", "here"), "other surroundings: an ordinary kernel"
    with running(tmp_path) as (ask, _):
        assert ask(ASK).split()[0] == "False", "without the server too"


def test_a_forked_kernel_is_interrupted_and_its_death_is_noticed(monkeypatch, tmp_path):
    with warm(monkeypatch), running(tmp_path) as (ask, client):
        pid = int(ask("import os, time; print(os.getpid())"))
        asker = client.km.provisioner.pid
        os.kill(asker, signal.SIGINT)  # as jupyter interrupts
        assert ask("print('still here')").strip() == "still here" and psutil.pid_exists(pid)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(nbclient.exceptions.DeadKernelError):
            ask("print(1)")
        waited(
            lambda: (
                not psutil.pid_exists(asker)
                or psutil.Process(asker).status() == psutil.STATUS_ZOMBIE
            )
        )


def test_a_kernel_ends_with_who_asked_for_it(monkeypatch, tmp_path):
    with warm(monkeypatch), running(tmp_path) as (ask, client):
        pid = int(ask("import os; print(os.getpid())"))
        os.kill(client.km.provisioner.pid, signal.SIGKILL)
        waited(lambda: not psutil.pid_exists(pid))
        with running(tmp_path) as (again, _):
            assert again(ASK).split()[0] == "True", "and the server goes on"


def test_all_end_with_the_process_that_started_the_run(tmp_path):
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import test_warm as t, pytest\n"
        "with t.warm(pytest.MonkeyPatch()), t.running('.') as (ask, client):\n"
        "    print(ask('import os; print(os.getpid(), os.getppid())').strip(), client.km.provisioner.pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    pids = [int(p) for p in child.stdout.readline().split()]
    assert len(pids) == 3
    child.kill()
    child.wait()
    waited(lambda: not any(psutil.pid_exists(pid) for pid in pids))
