"""Processes as the kernel shows them: which of them a test started, what they use, when they have gone."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

DEADLINE_S = 15.0
_VARIABLE = "HARNESS_MARK"
_LOOK_EVERY_S = 0.005


def until(predicate: Callable[[], bool], what: str, *, deadline_s: float = DEADLINE_S) -> None:
    """Return once something holds of which the kernel sends no event, such as that a zombie is reaped.

    Raises:
        TimeoutError: it does not hold in time.
    """
    end = time.monotonic() + deadline_s
    while not predicate():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_s} s: {what}")
        time.sleep(_LOOK_EVERY_S)


def wait_ended(pid: int, *, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a process has ended, whoever its parent is.

    Raises:
        TimeoutError: it runs on.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(deadline_s * 1000):
            raise TimeoutError(f"process {pid} runs on after {deadline_s} s")
    finally:
        os.close(descriptor)


class Mark:
    """Marks processes by a variable that their descendants inherit, wherever they go."""

    def __init__(self) -> None:
        self.value = uuid.uuid4().hex

    @property
    def env(self) -> dict[str, str]:
        """What a process is started with to be marked."""
        return {"PATH": "/usr/bin:/bin", _VARIABLE: self.value}

    def pids(self) -> set[int]:
        """Return who runs; zombies have no environment any more."""
        wanted, found = f"{_VARIABLE}={self.value}".encode(), set[int]()
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if wanted in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.add(int(name))
        return found

    def wait_for(self, count: int) -> set[int]:
        """Wait until so many processes run, and return them."""
        until(lambda: len(self.pids()) == count, f"{count} marked processes")
        return self.pids()

    def wait_gone(self, *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until none runs any more."""
        end = time.monotonic() + deadline_s
        while pids := self.pids():
            for pid in pids:
                wait_ended(pid, deadline_s=max(0.0, end - time.monotonic()))


@contextlib.contextmanager
def marked() -> Generator[Mark]:
    """Mark processes, and kill what is left of them at the end of the block."""
    mark = Mark()
    try:
        yield mark
    finally:
        while pids := mark.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            mark.wait_gone()


class Usage(NamedTuple):
    """What a process uses."""

    descriptors: int
    threads: int
    children: int
    rss_kib: int


def usage(pid: int) -> Usage:
    status = Path(f"/proc/{pid}/status").read_text()
    threads, rss = (int(re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[1]) for name in ("Threads", "VmRSS"))  # type: ignore[index]  # they are there
    return Usage(len(os.listdir(f"/proc/{pid}/fd")), threads, len(children(pid)), rss)


def children(pid: int) -> list[int]:
    """Return the children of all threads of a process, zombies included; of one that is gone there are none."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    return found


def exists(pid: int) -> bool:
    """Say whether a process is there, be it as a zombie."""
    return os.path.exists(f"/proc/{pid}")
