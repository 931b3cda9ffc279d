"""What this machine, or the container that ftkit runs in, may use of cores and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

GIB, SHORTEST_S = 2**30, 0.2
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container's memory limit stands, in cgroups of version 2 and 1."""


_last: list[tuple[float, float, float]] = []
"""When others' work was last looked at, what they had taken by then, and how many cores they kept busy before."""


def cores() -> int:
    """Return the cores that this process may use: those it is bound to, and no more than its container's quota."""
    from joblib import cpu_count

    return max(1, cpu_count())


def free_cores() -> int:
    """Return the cores that others leave free, at least one and no more than OMP_NUM_THREADS: on busy cores two threads are slower
    than one."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    most = min(cores(), int(told)) if told.isdigit() else cores()
    return max(1, min(most, round((os.cpu_count() or 1) - _busy_with_others())))


def _busy_with_others() -> float:
    """Return how many cores other processes have kept busy since the last call, at first for a fifth of a second.

    The load average would not do: it holds this process's own work of the last minute, and that of the notebook before.
    """
    when, spent = _others()
    if _last and when - _last[0][0] < SHORTEST_S:
        return _last[0][2]
    before, since = _last[0][:2] if _last else (when, spent)
    if not _last:
        time.sleep(SHORTEST_S)
        when, spent = _others()
    busy = max(0.0, (spent - since) / (when - before))
    _last[:] = [(when, spent, busy)]
    return busy


def _others() -> tuple[float, float]:
    """Return the time, and the seconds of CPU time that other processes have taken."""
    import psutil

    times = psutil.cpu_times()
    idle = sum(
        getattr(times, name, 0.0) for name in ("idle", "iowait", "steal", "guest", "guest_nice")
    )
    return time.monotonic(), sum(times) - idle - time.process_time()


def usable_memory_gib(held: float = 0.0) -> float:
    """Return the memory that this process may use, in GiB: what is free and what it holds, no more than the container's limit."""
    import psutil

    free = psutil.virtual_memory().available / GIB + held
    return min(
        [
            free,
            *(
                int(told) / GIB
                for path in LIMITS
                if path.exists() and (told := path.read_text().strip()).isdigit()
            ),
        ]
    )
