"""The spawner: a small process that starts every other one for its server, reaps them, and ends with it.

It stands between the server and its processes for three reasons:
  * a start may block (a dead network file system); the server's event loop must not
  * whatever a process leaves behind becomes its child, so nothing is ever nobody's: no zombie, no orphan
  * when the server is gone, for whatever reason, SIGKILL included, it reads the end of its stdin, kills them all,
    reaps them, and exits

stdin is a stream socket. A message is its length in four bytes and a marshalled tuple (both ends are the same
interpreter); descriptors come beside its first byte. Requests, their answers, and what is told unasked:

    ("spawn", id, path, argv, environment, cwd, terminal, count of descriptors)
    ("signal", id, id of the spawn, number, target)
    ("forget", id, id of the spawn)
    ("sweep", id, id of the spawn)
                                        ("done", id, errno or 0, step that failed, number)
                                        ("exited", id of the spawn, exit code as `subprocess` has it)

The number is the pid of what was spawned, or how many processes are left of what was to be forgotten.

A spawn is known by its id, so that a pid that came round again is never meant by accident.

Source: exec-server 0.169.0, observed, for what a child finds: session, group, signals, descriptors.
Differs: nothing survives the server, not even what left its session.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import marshal
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

PR_SET_CHILD_SUBREAPER = 36
HEADER = struct.Struct("<I")
MOST_DESCRIPTORS = 250  # the kernel takes 253 in one message
_PIECE_BYTES = 256 * 1024
_LOOKS = 2_000  # some tens of milliseconds

# 32 and 33 belong to the C library.
_SIGNALS = tuple(number for number in range(1, signal.NSIG) if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33))

# Whom a signal goes to, besides a process group by its number.
GROUP = 0  # the process group that the spawned process leads
INSIDE = -1  # the program in the sandbox of the spawned process, which is a bwrap
WHOLE = -2  # the spawned process, which is a bwrap, and whatever is in its sandbox


class Stat(NamedTuple):
    """What /proc/PID/stat says of a process."""

    pid: int
    state: str
    parent: int
    group: int
    session: int


class Spawner:
    """Serves one server over one socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._incoming = bytearray()
        self._received: list[int] = []
        self._pids: dict[int, int] = {}  # leaders by the id of their spawn, as long as their number is theirs
        self._alive: dict[int, int] = {}  # the other way round, until they are reaped
        self._spawned_as: dict[int, int] = {}  # the same, as long as they are leaders

    def serve(self, child_ended: int) -> None:
        """Answer until the server is gone; `child_ended` is readable when there may be something to reap."""
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        poll.register(child_ended, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == child_ended:
                    os.read(child_ended, 4096)
                    self._reap()
                elif not self._receive():
                    return

    # -- messages

    def _receive(self) -> bool:
        """Take what has come; false when the server is gone."""
        space = socket.CMSG_SPACE(MOST_DESCRIPTORS * struct.calcsize("i"))
        try:
            data, ancillary, flags, _ = self._link.recvmsg(_PIECE_BYTES, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return False
        if flags & socket.MSG_CTRUNC:  # from here on nobody knows whose descriptors are whose
            sys.stderr.write("codex-py spawner: too few descriptors are allowed (ulimit -n); it ends\n")
            return False
        for _, _, raw in ancillary:
            self._received += [number for (number,) in struct.iter_unpack("i", raw)]
        self._incoming += data
        for are_sweeps, group in itertools.groupby(messages(self._incoming), lambda message: message[0] == "sweep"):
            if are_sweeps:
                self._sweep([(identifier, spawned) for _, identifier, spawned in group])
            else:
                for message in group:
                    self._take(*message)
        return bool(data)

    def _take(self, kind: str, identifier: int, *arguments: Any) -> None:
        failure, step, number = 0, kind, 0
        try:
            if kind == "spawn":
                *what, count = arguments
                step, failure, number = self._spawn(identifier, self._given(count), *what)
            elif kind == "signal":
                self._signal(*arguments)
            else:
                number = self._forget(*arguments)
        except (OSError, ValueError) as error:  # ValueError: a text that the system cannot be told
            failure = getattr(error, "errno", None) or errno.EINVAL
        self._tell("done", identifier, failure, step, number)

    def _tell(self, *message: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read says that it is gone
            self._link.sendall(packed(message))

    def _given(self, count: int) -> list[int]:
        """Take the descriptors of a message, moved above every number that a program is given.

        Otherwise one that is put in its place might overwrite the next.
        """
        received, self._received = self._received[:count], self._received[count:]
        given: list[int] = []
        for descriptor in received:
            given.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3 + count))
            os.close(descriptor)
        return given

    # -- starting and reaping

    def _spawn(
        self,
        identifier: int,
        given: list[int],
        path: str,
        argv: list[str],
        environment: dict[str, str],
        cwd: str,
        terminal: str,
    ) -> tuple[str, int, int]:
        """Execute a program in a session of its own, every signal at its default and none blocked."""
        step = "cwd"
        try:
            os.chdir(cwd)
            step = "program"
            pid = os.posix_spawn(
                path,
                argv,
                environment,
                file_actions=_file_actions(terminal, given),
                setsid=True,
                setsigmask=(),
                setsigdef=_SIGNALS,
            )
        except (OSError, ValueError) as error:
            return step, getattr(error, "errno", None) or errno.EINVAL, 0
        finally:
            os.chdir("/")  # no folder is kept busy
            for descriptor in given:
                os.close(descriptor)
        # A number that comes round again says that nothing is left of whom it was.
        self._pids.pop(self._spawned_as.get(pid, 0), None)
        self._pids[identifier], self._alive[pid], self._spawned_as[pid] = pid, identifier, identifier
        return step, 0, pid

    def _reap(self) -> None:
        """Reap whatever has ended: what was spawned, and what lost its parent and became ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            identifier = self._alive.pop(pid, None)
            if identifier is not None:
                self._tell("exited", identifier, os.waitstatus_to_exitcode(status))

    # -- signals

    def _signal(self, spawned: int, number: int, target: int) -> None:
        """Signal a process group; what has ended already is no error."""
        pid = self._pids.get(spawned)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if target > 0:
                os.killpg(target, number)
            elif target == INSIDE and (begun := [init for init in _children(pid) if _children(init)]):
                for init in begun:  # not the bwrap, whose death would be the death of all inside
                    os.killpg(init, number)
            elif target in (INSIDE, WHOLE):
                self._end_sandbox(pid, number)
            elif self._alive.get(pid) == spawned:
                os.killpg(pid, number)

    def _end_sandbox(self, pid: int, number: int) -> None:
        """End a bwrap, and first what is inside: before it has set up, it would not notice that its bwrap is gone."""
        os.killpg(pid, signal.SIGSTOP)
        _wait_until_stopped(pid)  # from then on it makes no further child
        for child in _children(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.killpg(pid, number)
        os.killpg(pid, signal.SIGCONT)

    def _forget(self, spawned: int) -> int:
        """Count what is left of it; where nothing is, its number means nothing any more."""
        left = len(self._left_of(spawned))
        if not left:
            self._drop(spawned)
        return left

    def _may_be_left(self, spawned: int) -> bool:
        """Answer cheaply: most processes leave nothing behind, and to look through /proc takes milliseconds.

        Of what a leader leaves in its session, somebody has lost its parent, and so has become a child of ours.
        """
        pid = self._pids.get(spawned)
        if pid is None or self._alive.get(pid, spawned) != spawned:
            return False
        return pid in self._alive or any(_session_of(child) == pid for child in _children(os.getpid()))

    def _sweep(self, asked: list[tuple[int, int]]) -> None:
        """Kill what was spawned and whatever is in its session; all at once, for each look through /proc takes long.

        Args:
            asked: Requests by their id and the id of the spawn.
        """
        failure, killed = 0, set[int]()
        spawns = [spawned for _, spawned in asked]
        try:
            while fresh := {stat.pid for stat in self._left_of(*spawns)} - killed:
                killed |= fresh
                for pid in fresh:
                    with contextlib.suppress(ProcessLookupError, PermissionError):  # what runs as somebody else stays
                        os.kill(pid, signal.SIGKILL)
        except OSError as error:
            failure = error.errno or errno.EIO
        for identifier, spawned in asked:
            self._drop(spawned)
            self._tell("done", identifier, failure, "sweep", 0)

    def _drop(self, spawned: int) -> None:
        pid = self._pids.pop(spawned, None)
        if pid is not None and self._spawned_as.get(pid) == spawned:
            del self._spawned_as[pid]

    def _left_of(self, *spawned: int) -> list[Stat]:
        """List who is in the sessions of what was spawned: descendants of ours, however its number is used today."""
        sessions = {self._pids[identifier] for identifier in spawned if self._may_be_left(identifier)}
        if not sessions:
            return []
        everybody = {stat.pid: stat for stat in all_processes()}
        members = [stat for stat in everybody.values() if stat.session in sessions and stat.state not in "ZX"]
        return [stat for stat in members if descends(stat, os.getpid(), everybody)]

    def end(self) -> None:
        """Kill every descendant and reap it. Those that ran below a killed one become ours, and are next."""
        out_of_reach: set[int] = set()
        for pid in self._alive:  # first, and also where there is no /proc
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        while True:
            children = [stat for stat in all_processes() if stat.parent == os.getpid()]
            for child in children:
                try:
                    os.kill(child.pid, signal.SIGKILL)
                except PermissionError:
                    out_of_reach.add(child.pid)
            if all(child.pid in out_of_reach for child in children):
                return
            os.waitpid(-1, 0)
            _reap_all()


def _reap_all() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def descends(stat: Stat, ancestor: int, everybody: dict[int, Stat]) -> bool:
    """Whether a process is a child of another one, or a child's child, and so on."""
    parent = stat.parent
    while parent != ancestor and parent in everybody:
        parent = everybody[parent].parent
    return parent == ancestor


def _file_actions(terminal: str, given: list[int]) -> list[tuple[Any, ...]]:
    """Put descriptors at 0, 1, 2 and so on; or a terminal at 0 to 2, and them from 3 on.

    To open a terminal makes it the controlling one: the new session has none yet.
    """
    if not terminal:
        return [(os.POSIX_SPAWN_DUP2, source, number) for number, source in enumerate(given)]
    opened = (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0)
    further = [(os.POSIX_SPAWN_DUP2, source, 3 + number) for number, source in enumerate(given)]
    return [opened, (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2), *further]


def _wait_until_stopped(pid: int) -> None:
    """Wait the moment that a stop takes; who cannot be stopped, in the depths of the kernel, is not waited for."""
    for _ in range(_LOOKS):
        stat = stat_of(str(pid))
        if stat is None or stat.state in "TtZX":
            return
        os.sched_yield()


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:  # it has ended
        return []


def packed(message: tuple[Any, ...]) -> bytes:
    """Write a message."""
    raw = marshal.dumps(message)
    return HEADER.pack(len(raw)) + raw


def messages(incoming: bytearray) -> Iterator[tuple[Any, ...]]:
    """Take the messages that are complete out of what has come."""
    while len(incoming) >= HEADER.size:
        end = HEADER.size + HEADER.unpack_from(incoming)[0]
        if len(incoming) < end:
            return
        message = marshal.loads(incoming[HEADER.size : end])  # noqa: S302 - the other end is ours
        del incoming[:end]
        yield message


def all_processes() -> Iterator[Stat]:
    """Yield every process that /proc shows; one that ends meanwhile is left out."""
    stats = (stat_of(name) for name in os.listdir("/proc") if name.isdigit())
    return (stat for stat in stats if stat is not None)


def stat_of(pid: str) -> Stat | None:
    """Return what /proc says of a process; None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of a program, in parentheses, may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Stat(int(pid), fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]))


def main() -> int:
    """Serve the socket that is stdin."""
    import ctypes  # the server imports this module, too, and needs no more than its words

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with its server and not before
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child_ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    os.chdir("/")
    spawner = Spawner(socket.socket(fileno=0))
    spawner.serve(child_ended)
    spawner.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
