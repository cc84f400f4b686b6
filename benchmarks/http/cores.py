"""Where processes run, and the CPU time that they have taken."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import psutil  # type: ignore[import-untyped] # its types are no requirement

Cores = frozenset[int]

# Linux has a clock for each process, in nanoseconds; its id is made as clock_getcpuclockid(3) does.
# What /proc and psutil tell is in hundredths of a second.
_CLOCK: Callable[[int], int] | None = (lambda pid: ~pid << 3 | 2) if sys.platform == "linux" else None


def split() -> tuple[Cores, Cores] | None:
    """Return a core for the server and another for all else; None where there are no two to choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    available = sorted(os.sched_getaffinity(0))
    return None if len(available) < 2 else (frozenset(available[:1]), frozenset(available[1:2]))


def pinning(cores: Cores | None) -> Callable[[], None] | None:
    """Return what a new process does before its program begins, so that all of it stays on `cores`."""
    return None if cores is None else lambda: os.sched_setaffinity(0, cores)


def pin(pid: int, cores: Cores | None) -> None:
    """Move a process that runs, and those that it has started."""
    for process in [] if cores is None else tree(pid):
        with suppress(psutil.NoSuchProcess):
            process.cpu_affinity(list(cores or ()))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of all that it has started, those that have ended included."""
    total = 0.0
    for number, process in enumerate(tree(pid)):
        with suppress(psutil.NoSuchProcess, OSError):
            times = process.cpu_times()
            total += times.user + times.system if _CLOCK is None else time.clock_gettime(_CLOCK(process.pid))
            if number == 0:
                total += times.children_user + times.children_system
    return total


def tree(pid: int) -> list[psutil.Process]:
    """Return a process, first, and those below it."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]
