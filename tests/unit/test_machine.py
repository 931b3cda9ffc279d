"""Cores and memory are those that may be used, not those that are there."""

import os
import subprocess
import sys

import pytest

from ftkit import machine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to cores here")
def test_a_process_bound_to_one_core_starts_one_thread():
    asked = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from ftkit import machine; from ftkit.models.local import set_threads; print(machine.cores(), set_threads(0), set_threads(8))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]


def test_busy_cores_are_left_alone(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    for load, free in ((0.0, 4), (13.0, 3), (40.0, 1)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert machine.free_cores() == free


def test_memory_is_no_more_than_the_containers_limit(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "LIMITS", (tmp_path / "none", limit))
    limit.write_text("max\n")
    free = machine.usable_memory_gib()
    assert machine.usable_memory_gib(1.0) == pytest.approx(free + 1, abs=0.5)
    limit.write_text(f"{2**28}\n")
    assert machine.usable_memory_gib(1.0) == 0.25
