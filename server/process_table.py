"""The processes of one session, by the ids that its client gave them.

    starting   the id is taken; whoever asks about it waits
    known      it runs, or has closed less than the retention ago
    forgotten  the id is free again; what it left running is remembered until the session ends

Whoever is attached is told every event; nobody is told what happened before.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..environment.process import Closed, Command, Event, Exited, Output, Process, Processes, Reading
from ..protocol import process as said
from ..protocol.errors import INVALID_REQUEST, WireError
from ..protocol.methods import Notice
from ..protocol.wire import U64_MAX, Base64, Wire

logger = logging.getLogger("codex_py.server")

RETENTION_S = 80.0
LEFT_BEHIND = 64
# The real client reads what it missed right after it has resumed. What it is told before it has taken that in it holds
# back, 256 events of 1 MiB in all, and beyond that gives the process up (observed).
AHEAD_BYTES, AHEAD_EVENTS = 256 * 1024, 64
AHEAD_S = 5.0  # for a client that does not read at all
SETTLE_S = 1.0

# Sends a notification; raises ConnectionError when nobody is there to hear it.
Tell = Callable[[Notice[Any], Wire], Awaitable[None]]


@dataclass(slots=True)
class _Entry:
    process: Process
    watching: asyncio.Task[None]
    telling: asyncio.Task[Any] | None = None
    was_read: asyncio.Event = field(default_factory=asyncio.Event)  # by whoever is attached


class ProcessTable:
    """The processes of one session.

    Args:
        processes: What starts them.
        clock: Seconds that only grow.
        retention_s: How long a process that has closed is known.
        changed: Called when `next_due` may have become earlier.
    """

    def __init__(
        self,
        processes: Processes,
        clock: Callable[[], float],
        retention_s: float = RETENTION_S,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._processes = processes
        self._clock = clock
        self._retention_s = retention_s
        self._changed = changed
        self._starting: dict[str, asyncio.Task[_Entry]] = {}
        self._entries: dict[str, _Entry] = {}
        self._closed: deque[tuple[float, str]] = deque()  # when to forget whom; all are kept equally long, so in order
        self._left_behind: list[Process] = []
        self._left_limit = LEFT_BEHIND  # beyond it, those whose last remnants have ended meanwhile are dropped
        self._releasing: set[asyncio.Task[None]] = set()
        self._tell: Tell | None = None

    async def start(self, identifier: str, command: Command) -> Process:
        """Start a process under an id.

        The start belongs to the session: when the request is given up, the process is there all the same.

        Raises:
            WireError: -32600, the id is taken; and what `Processes.start` raises, the id is then free again.
        """
        while (before := self._starting.get(identifier)) is not None:
            await asyncio.wait((before,))
        self.tick()
        if identifier in self._entries:
            raise WireError(INVALID_REQUEST, f"process {identifier} already exists")
        starting = self._starting[identifier] = asyncio.create_task(self._start(identifier, command))
        starting.add_done_callback(_take_note)
        return (await asyncio.shield(starting)).process

    async def find(self, identifier: str) -> Process | None:
        """Return the process with this id, once it has started; None: there is none."""
        starting = self._starting.get(identifier)
        if starting is not None:
            await asyncio.wait((starting,))
        self.tick()
        entry = self._entries.get(identifier)
        return None if entry is None else entry.process

    # -- who is told

    def attach(self, tell: Tell) -> None:
        """Tell somebody every event from now on."""
        self._tell = tell
        for identifier, entry in self._entries.items():
            entry.was_read.clear()
            entry.telling = asyncio.create_task(_tell_from_now(identifier, entry, tell))

    def has_read(self, identifier: str, found: Reading) -> None:
        """Take note that whoever is attached has caught up; what its answer did not hold it is told, in order.

        Only the first reading does so: whoever reads again, or was told from the start, has been told everything since.
        """
        entry = self._entries.get(identifier)
        if entry is None or self._tell is None or entry.was_read.is_set():
            return
        entry.was_read.set()
        if found.is_cut and entry.telling is not None:
            entry.telling.cancel()
            entry.telling = asyncio.create_task(_tell_rest(identifier, entry, self._tell, found.next_seq - 1))

    def detach(self) -> None:
        """Tell nobody."""
        self._tell = None
        for entry in self._entries.values():
            if entry.telling is not None:
                entry.telling.cancel()

    # -- time

    def next_due(self) -> float | None:
        """Return when `tick` next has something to do, on the clock."""
        return self._closed[0][0] if self._closed else None

    def tick(self) -> None:
        """Forget the processes whose time is up."""
        while self._closed and self._clock() >= self._closed[0][0]:
            _, identifier = self._closed.popleft()
            releasing = asyncio.create_task(self._release(self._entries.pop(identifier)))
            self._releasing.add(releasing)
            releasing.add_done_callback(self._releasing.discard)

    async def destroy(self) -> None:
        """Kill all processes of the session, with what they left running; a start that is stuck holds up no other."""
        self.detach()
        await self._discard_all()
        while under_way := [*self._starting.values(), *self._releasing]:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            await self._discard_all()

    # -- one process

    async def _start(self, identifier: str, command: Command) -> _Entry:
        try:
            process = await self._processes.start(command)
        finally:
            del self._starting[identifier]
        entry = self._entries[identifier] = _Entry(process, asyncio.create_task(self._watch(identifier, process)))
        if self._tell is not None:
            entry.was_read.set()
            entry.telling = asyncio.create_task(_tell_events(identifier, process, self._tell, 0))
        return entry

    async def _discard_all(self) -> None:
        entries, self._entries = list(self._entries.values()), {}
        left, self._left_behind = self._left_behind, []
        self._closed.clear()
        for entry in entries:
            entry.watching.cancel()
        processes = [*(entry.process for entry in entries), *left]
        for failure in await asyncio.gather(*(process.discard() for process in processes), return_exceptions=True):
            if isinstance(failure, Exception):
                logger.error("a process of a session that has ended could not be discarded", exc_info=failure)

    async def _watch(self, identifier: str, process: Process) -> None:
        await process.wait_closed()
        self._closed.append((self._clock() + self._retention_s, identifier))
        if len(self._closed) == 1:
            self._changed()

    async def _release(self, entry: _Entry) -> None:
        if await entry.process.release():
            self._left_behind.append(entry.process)
            if len(self._left_behind) > self._left_limit:
                checked = [process for process in self._left_behind if await process.release()]
                self._left_behind, self._left_limit = checked, max(LEFT_BEHIND, 2 * len(checked))


async def _tell_from_now(identifier: str, entry: _Entry, tell: Tell) -> None:
    """Tell what comes, but do not run far ahead of a client that has yet to read what it missed."""
    after_seq = (await entry.process.read(after_seq=U64_MAX)).next_seq - 1
    last = await _tell_events(identifier, entry.process, tell, after_seq, (AHEAD_BYTES, AHEAD_EVENTS))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(AHEAD_S):
            await entry.was_read.wait()
    await _tell_events(identifier, entry.process, tell, last)


async def _tell_rest(identifier: str, entry: _Entry, tell: Tell, after_seq: int) -> None:
    """Tell what an answer was too small for. Nothing says when the client has taken the answer in: it gets a moment."""
    await asyncio.sleep(SETTLE_S)
    await _tell_events(identifier, entry.process, tell, after_seq)


async def _tell_events(
    identifier: str, process: Process, tell: Tell, after_seq: int, limit: tuple[int, int] | None = None
) -> int:
    """Tell events, up to the close or a limit of bytes and of events; return the number of the last one."""
    told_bytes, last = 0, after_seq
    with contextlib.suppress(ConnectionError):  # nobody hears it any more; the session is about to be detached
        async with contextlib.aclosing(process.follow(after_seq)) as events:
            async for event in events:
                await tell(*_notification(identifier, event))
                last = event.seq
                told_bytes += len(event.data) if isinstance(event, Output) else 0
                if limit is not None and (told_bytes >= limit[0] or last - after_seq >= limit[1]):
                    break
    return last


def _notification(identifier: str, event: Event) -> tuple[Notice[Any], Wire]:
    match event:
        case Output(seq, stream, data):
            return said.OUTPUT, said.OutputNotice(process_id=identifier, seq=seq, stream=stream, chunk=Base64(data))
        case Exited(seq, code, denied):
            return said.EXITED, said.ExitedNotice(process_id=identifier, seq=seq, exit_code=code, sandbox_denied=denied)
        case Closed(seq):
            return said.CLOSED, said.ClosedNotice(process_id=identifier, seq=seq)


def _take_note(starting: asyncio.Task[_Entry]) -> None:
    """See a failure also when whoever asked for the start has gone."""
    if not starting.cancelled():
        starting.exception()
