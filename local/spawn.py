"""The server's side of the spawner: start a process, signal it, hear of its end. See `spawner.py`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import spawner
from .spawner import GROUP, INSIDE, WHOLE, messages, packed

__all__ = ["GROUP", "INSIDE", "WHOLE", "Child", "SpawnFailed", "Spawner", "SpawnerLost"]

SPAWNER_COMMAND = (sys.executable, "-I", "-S", spawner.__file__)
_END_S = 5.0
_STUCK_S = 1.0
_PIECE_BYTES = 64 * 1024

logger = logging.getLogger("codex_py.local")


class SpawnerLost(OSError):
    """The spawner ended while it was needed; whether what was asked was done is not known."""


class SpawnerGone(SpawnerLost):
    """The spawner had ended before it was asked; nothing was done."""


class SpawnFailed(OSError):
    """A program could not be executed. `step` says what failed: `cwd` or `program`."""

    def __init__(self, number: int, step: str) -> None:
        super().__init__(number, os.strerror(number))
        self.step = step


@dataclass(frozen=True, slots=True)
class Child:
    """What to spawn.

    Attributes:
        path: The program, absolute or relative to `cwd`.
        descriptors: What it gets as 0, 1, 2 and so on; with a terminal as 3, 4 and so on.
        terminal: Path of the terminal that becomes its controlling one, or "".
    """

    path: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    descriptors: Sequence[int]
    terminal: str = ""


class _Answer(NamedTuple):
    failure: int
    step: str
    number: int


class Spawner:
    """One spawner at a time; a lost one is replaced at the next spawn.

    `launch` may be called early, so that it is ready when the first process comes.
    """

    def __init__(self, command: Sequence[str] = SPAWNER_COMMAND) -> None:
        self._command = command
        self._program: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._incoming = bytearray()
        self._next_id = 0
        self._asked: dict[int, asyncio.Future[_Answer]] = {}
        self._exits: dict[int, Callable[[int | None], None]] = {}
        self._pids: dict[int, int] = {}
        self._sending = asyncio.Lock()
        self._closed = False

    def launch(self) -> None:
        """Start the spawner, if none runs."""
        if self._link is not None or self._closed:
            return
        self._link, far = socket.socketpair()
        self._link.setblocking(False)
        try:
            self._program = subprocess.Popen(
                self._command,
                stdin=far.fileno(),
                stdout=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # a signal to the server's group is not for it: it has to clean up
            )
        except OSError:
            self._let_go()
            raise
        finally:
            far.close()

    async def spawn(self, child: Child, on_exit: Callable[[int | None], None]) -> tuple[int, int]:
        """Execute a program; return the id of the spawn and its pid.

        Args:
            child: What to spawn. Its descriptors can be closed when this returns.
            on_exit: Called with the exit code, as `subprocess` has it, or None when nobody can say.

        Raises:
            SpawnFailed: the system said no.
            SpawnerLost: whether it was executed is not known.
        """
        try:
            return await self._spawn(child, on_exit)
        except SpawnerGone:
            return await self._spawn(child, on_exit)  # by a new one

    async def _spawn(self, child: Child, on_exit: Callable[[int | None], None]) -> tuple[int, int]:
        self.launch()
        identifier = self._identifier()
        self._exits[identifier] = on_exit
        what = (child.path, list(child.argv), dict(child.environment), child.cwd, child.terminal)
        try:
            answer = await self._ask(identifier, ("spawn", identifier, *what), child.descriptors)
        except BaseException:
            self._exits.pop(identifier, None)
            raise
        if answer.failure:
            self._exits.pop(identifier, None)
            raise SpawnFailed(answer.failure, answer.step)
        if identifier in self._exits:  # else it has ended already
            self._pids[identifier] = answer.number
        return identifier, answer.number

    async def signal(self, spawned: int, number: int, target: int = GROUP) -> None:
        """Send a signal to the process group of what was spawned, to another group, or to the `INSIDE` of a sandbox.

        Raises:
            OSError: the system said no; that it has ended already is fine.
        """
        asked = asyncio.ensure_future(self._ask_about("signal", spawned, int(number), target))  # no enum is marshalled
        done, _ = await asyncio.wait((asked,), timeout=_STUCK_S)
        if not done:
            self._signal_directly(spawned, number)
        elif asked.result().failure:
            raise OSError(asked.result().failure, os.strerror(asked.result().failure))

    def _signal_directly(self, spawned: int, number: int) -> None:
        """Signal a group whose leader has not been told to have ended, because the spawner is stopped or stuck."""
        pid = self._pids.get(spawned)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    async def forget(self, spawned: int) -> bool:
        """Say that nobody will ask about it again; return whether something is left of it, which can be swept."""
        return (await self._ask_about("forget", spawned)).number > 0

    async def sweep(self, spawned: int) -> None:
        """Kill what was spawned and everything in its session."""
        await self._ask_about("sweep", spawned)

    def close(self) -> None:
        """Kill everything that was spawned, and wait until it is reaped, five seconds at most."""
        self._closed = True
        program = self._program
        self._let_go()
        if program is None:
            return
        if _has_ended(program, _STUCK_S):
            return
        # Somebody has stopped it, or a start keeps it from reading that the server is gone: the kernel waits to open
        # the program, for a lease or a dead disk. It goes on once whoever was to execute that is killed.
        _kill_descendants(program.pid)
        program.send_signal(signal.SIGCONT)
        if not _has_ended(program, _END_S - _STUCK_S):
            logger.warning("something that was started cannot be killed; it goes on without the server")
            program.kill()

    # -- messages

    def _identifier(self) -> int:
        self._next_id += 1
        return self._next_id

    async def _ask_about(self, kind: str, *arguments: Any) -> _Answer:
        if self._link is None:
            return _Answer(0, kind, 0)  # a lost spawner has taken everything with it
        identifier = self._identifier()
        try:
            return await self._ask(identifier, (kind, identifier, *arguments), None)
        except SpawnerLost:
            return _Answer(0, kind, 0)

    async def _ask(self, identifier: int, message: tuple[Any, ...], descriptors: Sequence[int] | None) -> _Answer:
        if self._link is None:
            raise SpawnerLost("the server is shutting down")
        self._listen(self._link)
        waiting: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._asked[identifier] = waiting
        try:
            await self._send(self._link, message, descriptors)
            return await waiting
        finally:
            self._asked.pop(identifier, None)
            waiting.cancel()

    async def _send(self, link: socket.socket, message: tuple[Any, ...], descriptors: Sequence[int] | None) -> None:
        raw = packed(message if descriptors is None else (*message, len(descriptors)))
        async with self._sending:
            if self._link is not link:
                raise SpawnerGone("the process that starts others was killed")
            sent = 0
            try:
                sent = await _send_some(link, raw, descriptors or ())
                if sent < len(raw):
                    await asyncio.get_running_loop().sock_sendall(link, raw[sent:])
            except OSError as error:
                if not sent and not isinstance(error, ConnectionError):
                    raise  # nothing has gone out: too many descriptors on their way, for example
                self._lost(link)
                kind = SpawnerLost if sent else SpawnerGone
                raise kind(f"the process that starts others has ended: {error.strerror}") from None

    def _listen(self, link: socket.socket) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(link, self._receive, link)

    def _receive(self, link: socket.socket) -> None:
        try:
            data = link.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(link)
            return
        self._incoming += data
        for kind, identifier, *rest in messages(self._incoming):
            if kind == "exited":
                self._exited(identifier, rest[0])
            elif (waiting := self._asked.get(identifier)) is not None and not waiting.done():
                waiting.set_result(_Answer(*rest))

    def _exited(self, spawned: int, code: int | None) -> None:
        self._pids.pop(spawned, None)
        on_exit = self._exits.pop(spawned, None)
        if on_exit is not None:
            on_exit(code)

    # -- the end of a spawner

    def _let_go(self) -> None:
        if self._link is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_reader(self._link)
            self._link.close()
        self._program = self._link = self._loop = None
        self._incoming.clear()

    def _lost(self, link: socket.socket) -> None:
        """Make an end of what a spawner left when it was killed: nobody can say any more how it ends."""
        program = self._program
        if program is None or self._link is not link:
            return
        logger.error("the process that starts others was killed; what it had started is killed, too")
        self._let_go()
        program.kill()
        program.wait()
        for pid in self._pids.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        unanswered = [identifier for identifier, waiting in self._asked.items() if not waiting.done()]
        for identifier in unanswered:
            self._exits.pop(identifier, None)  # what has not begun cannot exit; its start fails, or is tried again
            self._asked[identifier].set_exception(SpawnerLost("the process that starts others was killed"))
        for spawned in list(self._exits):
            self._exited(spawned, None)


def _has_ended(program: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        program.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_descendants(ancestor: int) -> None:
    everybody = {stat.pid: stat for stat in spawner.all_processes()}
    for stat in everybody.values():
        if spawner.descends(stat, ancestor, everybody):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stat.pid, signal.SIGKILL)


async def _send_some(link: socket.socket, raw: bytes, descriptors: Sequence[int]) -> int:
    """Send the first part of a message, with its descriptors, as soon as there is room."""
    while True:
        try:
            return socket.send_fds(link, [raw], list(descriptors)) if descriptors else link.send(raw)
        except BlockingIOError:
            await _writable(link)


async def _writable(link: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(link, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(link)
