"""What this machine, or the container that ftkit runs in, may use of cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

GIB = 2**30
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container's memory limit stands, in cgroups of version 2 and 1."""


def cores() -> int:
    """Return the cores that this process may use: those it is bound to, no more than its container's quota, or OMP_NUM_THREADS."""
    from joblib import cpu_count

    told = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cpu_count(), int(told)) if told.isdigit() else cpu_count())


def free_cores() -> int:
    """Return the cores that are not busy, at least one: on busy cores two threads are slower than one."""
    return min(cores(), max(1, round((os.cpu_count() or 1) - os.getloadavg()[0])))


def usable_memory_gib(held: float = 0.0) -> float:
    """Return the memory that this process may use, in GiB: what is free and what it holds, no more than the container's limit."""
    import psutil

    free = psutil.virtual_memory().available / GIB + held
    return min([free, *(int(told) / GIB for path in LIMITS if path.exists() and (told := path.read_text().strip()).isdigit())])
