"""What the kernel says of processes, and waiting for it to say something else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from codex_py.local.spawner import Stat, all_processes

DEADLINE_S = 15.0


def stat_of(pid: int) -> Stat | None:
    """Return what is said of a process; None where there is none, not even a zombie."""
    return next((stat for stat in all_processes() if stat.pid == pid), None)


def is_running(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat.state not in "ZX"


def children(parent: int | None = None) -> set[int]:
    """Return the children of a process, zombies included; default: of this one."""
    return {stat.pid for stat in all_processes() if stat.parent == (parent or os.getpid())}


def spawners() -> set[int]:
    """Return the spawners of this process."""
    found: set[int] = set()
    for pid in children():
        with contextlib.suppress(OSError):
            if b"spawner.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


async def until(holds: Callable[[], bool]) -> None:
    """Return once something holds; fail after a deadline."""
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, "it did not come to hold in time"
        await asyncio.sleep(0.002)
