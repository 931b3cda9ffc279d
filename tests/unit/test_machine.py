"""Cores and memory are those that may be used, not those that are there."""

import os
import subprocess
import sys
import time
from collections import namedtuple

import psutil
import pytest

from ftkit.core import machine


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="processes cannot be bound to cores here"
)
def test_a_process_bound_to_one_core_starts_one_thread():
    asked = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from ftkit.core import machine; from ftkit.models.load import set_threads; print(machine.cores(), set_threads(0), set_threads(8))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]


def test_cores_that_others_keep_busy_are_left_alone_and_own_work_does_not_count(monkeypatch):
    now = {"time": 100.0, "others": 50.0}
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(machine, "_others", lambda: (now["time"], now["others"]))
    monkeypatch.setattr(machine, "_last", [(100.0, 50.0, 0.0)])
    for busy, free in ((0.0, 4), (13.0, 3), (40.0, 1), (1.2, 4)):
        now["time"] += 10
        now["others"] += 10 * busy
        assert machine.free_cores() == free
    now["time"] += 0.01
    now["others"] += 16
    assert machine.free_cores() == 4, "too soon to say"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert machine.free_cores() == 2


def test_own_work_waiting_and_stolen_time_are_not_that_of_others(monkeypatch):
    times = namedtuple("times", "user nice system idle iowait irq softirq steal guest guest_nice")
    monkeypatch.setattr(
        psutil, "cpu_times", lambda: times(60.0, 1.0, 8.0, 500.0, 40.0, 0.5, 0.5, 30.0, 5.0, 0.0)
    )
    monkeypatch.setattr(time, "process_time", lambda: 25.0)
    assert machine._others()[1] == 60 + 1 + 8 + 0.5 + 0.5 - 25 - 0, (
        "user time holds the guests' already"
    )


def test_a_busy_neighbour_is_seen(monkeypatch):
    monkeypatch.setattr(machine, "_last", [])
    spin = "import time\nwhile time.process_time() < 20: pass"
    with subprocess.Popen([sys.executable, "-c", spin]) as neighbour:
        try:
            time.sleep(0.5)
            machine._busy_with_others()
            time.sleep(1.0)
            assert machine._busy_with_others() > 0.3
        finally:
            neighbour.kill()


def test_memory_is_no_more_than_the_containers_limit(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "LIMITS", (tmp_path / "none", limit))
    limit.write_text("max\n")
    free = machine.usable_memory_gib()
    assert machine.usable_memory_gib(1.0) == pytest.approx(free + 1, abs=0.5)
    limit.write_text(f"{2**28}\n")
    assert machine.usable_memory_gib(1.0) == 0.25


def test_threads_that_wait_do_not_spin_in_any_process_that_ftkit_starts():
    asked = "import ftkit, os, subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"OMP_WAIT_POLICY\"])'], capture_output=True, text=True).stdout)"
    free = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    for own, said in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", asked], env=free | own, capture_output=True, text=True
        )
        assert done.stdout.strip() == said, "what the user has set stays"


def test_threads_follow_the_load_while_work_goes_on_up_to_what_is_asked(monkeypatch):
    import torch

    from ftkit.models import load

    before, free = torch.get_num_threads(), {"cores": 4}
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "free_cores", lambda: free["cores"])
    monkeypatch.setattr(load, "_looked", [0.0])
    clock = {"now": 1000.0}
    monkeypatch.setattr(load.time, "monotonic", lambda: clock["now"])
    try:
        for cores, asked, seconds, threads in (
            (4, 0, 10, 4),
            (1, 0, 10, 1),
            (3, 0, 10, 3),
            (1, 0, 0.5, 3),
            (4, 2, 10, 2),
            (1, 2, 10, 1),
        ):
            free["cores"], clock["now"] = cores, clock["now"] + seconds
            load.follow_load(asked)
            assert torch.get_num_threads() == threads, (cores, asked, seconds)
    finally:
        torch.set_num_threads(before)
