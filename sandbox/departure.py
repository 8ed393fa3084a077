"""Know when a sandbox is really empty: bubblewrap ends before all that it confined is dead.

bubblewrap's own process ends as soon as the program has, and what the program left behind inside is killed after that.
A mount point that is removed in between would no longer be covered for it. So bubblewrap tells us, before it runs
anything, which process is the first one inside; once that one has ended, the kernel has killed all the others.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Generator

import msgspec


class _Info(msgspec.Struct, rename="kebab"):
    """What `bwrap --info-fd` writes: the first process inside, by its number outside, and its pid namespace."""

    child_pid: int
    pid_namespace: int | None = None


class Departure:
    """Waits for the end of one sandbox. Give `theirs` to its bubblewrap as --info-fd, then close it here."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.pipe()
        os.set_blocking(self._ours, False)

    def close(self) -> None:
        os.close(self._ours)

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is left inside; call it once bubblewrap has ended. Return whether that is so."""
        try:
            info = msgspec.json.decode(os.read(self._ours, 4096), type=_Info)
        except BlockingIOError:
            return False  # bubblewrap has not ended, and not begun either
        except msgspec.DecodeError:
            return True  # it ended before there was anything inside
        with _process(info) as process:
            return process is None or _has_ended(process, timeout_s)


def _has_ended(process: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(1000 * timeout_s))


@contextlib.contextmanager
def _process(info: _Info) -> Generator[int | None]:
    """Open the first process inside, if it is still that one."""
    try:
        process = os.pidfd_open(info.child_pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield process if _is_inside(info) else None
    finally:
        os.close(process)


def _is_inside(info: _Info) -> bool:
    """Tell whether the number still means the process inside; a number that came round again has another namespace."""
    try:
        namespace = os.stat(f"/proc/{info.child_pid}/ns/pid").st_ino
    except FileNotFoundError:
        return False  # dead, and not reaped yet
    except PermissionError:
        return True
    return info.pid_namespace in (None, namespace)
