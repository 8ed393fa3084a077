"""A process that runs on this machine: its pipes or terminal, its events, its end.

    its output -> the log -> whoever follows or reads
    whoever writes -> the queue -> its stdin

Nothing is taken from its pipes while a follower lags too far behind, or the disk does: the process then waits, as it
would behind a slow terminal.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from ..environment.process import READ_LIMIT_BYTES, Closed, Event, Output, Reading, StdinClosed
from ..protocol.process import SandboxType, Stream
from .output_log import OutputLog
from .spawn import GROUP, INSIDE, WHOLE, Spawner
from .stdin_queue import StdinQueue

READ_BYTES = 64 * 1024
# How far behind a follower may be before the process waits for it; well below what the log keeps in memory.
LAG_BYTES = 256 * 1024
REMEMBERED_WRITES = 4096
_LONG_ID = 64
UNKNOWN_EXIT_CODE = -1
# What is still in the pipes at its exit is taken before the exit is told: a pipe holds 64 KiB, and 1 MiB at most.
_LAST_BYTES = 1024 * 1024
_LONGEST_WAIT_S = 365 * 86_400.0

# Source: exec-server 0.169.0, observed.
_REFUSALS = re.compile(
    rb"operation not permitted|permission denied|read-only file system|seccomp|sandbox|landlock|failed to write file",
    re.IGNORECASE,
)
_REFUSAL_BYTES = 24  # the longest of them, less one, may lie across two chunks
_BAD_SYSTEM_CALL = 128 + signal.SIGSYS


class Follower:
    """Somebody who follows; `behind` counts bytes that came since and were not taken yet."""

    def __init__(self, joined: int) -> None:
        self.joined = joined
        self.behind = 0

    def took(self, event: Event) -> None:
        if isinstance(event, Output) and event.seq >= self.joined:
            self.behind -= len(event.data)


class Ends(NamedTuple):
    """This side of what connects us with a process; every descriptor does not block, and is owned.

    Attributes:
        outputs: What it writes to.
        stdin: What it reads from, if it can be written to.
        terminal: Its terminal's other side, if it has one; not owned, it is one of `outputs`.
    """

    outputs: Mapping[int, Stream]
    stdin: int | None
    terminal: int | None


class RunningProcess:
    """The contract of a process, on this machine. Call `began` once it has been spawned.

    Args:
        is_confined: Whether a bwrap stands between us and the program.
    """

    def __init__(
        self, spawner: Spawner, log: OutputLog, ends: Ends, sandbox_type: SandboxType, *, is_confined: bool
    ) -> None:
        self.sandbox_type: SandboxType = sandbox_type
        self._spawner = spawner
        self._log = log
        self._outputs = dict(ends.outputs)
        self._stdin = None if ends.stdin is None else StdinQueue(ends.stdin)
        self._terminal = ends.terminal
        self._is_confined = is_confined
        self._loop = asyncio.get_running_loop()
        self._followers: set[Follower] = set()
        self._reading = False
        self._spawned: int | None = None
        self._has_exited = False
        self._exit_code: int | None = None
        self._terminated = False
        self._writing = asyncio.Lock()
        self._written: OrderedDict[str, None] = OrderedDict()
        self._refused = False
        self._tails: dict[Stream | None, bytes] = {}  # of each stream, and of all together
        log.on_room = self._pace

    # -- life

    def began(self, spawned: int) -> None:
        """Take up its output, and its end, which may have come already."""
        self._spawned = spawned
        self._pace()
        if self._has_exited:
            self._end()

    def exited(self, code: int | None) -> None:
        """Take note of its end; `code` is as `subprocess` has it, or None when nobody can say."""
        self._has_exited, self._exit_code = True, code
        if self._spawned is not None:
            self._end()

    def abandon(self) -> None:
        """Close everything: it was never spawned."""
        self._close_outputs()
        if self._stdin is not None:
            self._stdin.close()

    def _end(self) -> None:
        left = _LAST_BYTES
        for descriptor in list(self._outputs):
            while left > 0 and (taken := self._take(descriptor)):
                left -= taken
        if self._stdin is not None:
            self._stdin.close()
        code = _told(self._exit_code)
        self._log.exit(code, sandbox_denied=self._is_denied(code))
        if self._terminated:
            self._close_outputs()  # whoever left its group may hold the pipes for ever
        self._close_when_over()

    def _is_denied(self, code: int) -> bool:
        return self.sandbox_type != "none" and code != 0 and (self._refused or code == _BAD_SYSTEM_CALL)

    def _close_when_over(self) -> None:
        if not self._outputs and self._log.exited is not None and self._log.closed is None:
            self._log.close()

    # -- output

    def _take(self, descriptor: int) -> int:
        """Read once; return how many bytes came. The end of the stream closes it."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:  # EIO: nobody has the terminal open any more
            data = b""
        if not data:
            self._close_output(descriptor)
            self._close_when_over()
            return 0
        stream = self._outputs[descriptor]
        self._look_for_refusal(stream, data)
        for follower in self._followers:
            follower.behind += len(data)
        self._log.append(stream, data)
        self._pace()
        return len(data)

    def _pace(self) -> None:
        """Read while whoever follows and the disk keep up."""
        keeps_up = not self._log.is_full and all(follower.behind <= LAG_BYTES for follower in self._followers)
        if keeps_up == self._reading:
            return
        self._reading = keeps_up
        for descriptor in self._outputs:
            if keeps_up:
                self._loop.add_reader(descriptor, self._take, descriptor)
            else:
                self._loop.remove_reader(descriptor)

    def _look_for_refusal(self, stream: Stream, data: bytes) -> None:
        """Look in what came by its stream, and in all that came, in the order of the numbers."""
        if self.sandbox_type == "none" or self._refused:
            return
        for source in (stream, None):
            text = self._tails.get(source, b"") + data
            self._refused |= _REFUSALS.search(text) is not None
            self._tails[source] = text[-_REFUSAL_BYTES:]

    def _close_output(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        del self._outputs[descriptor]
        if descriptor == self._terminal:
            self._terminal = None
        os.close(descriptor)

    def _close_outputs(self) -> None:
        for descriptor in list(self._outputs):
            self._close_output(descriptor)

    # -- the contract

    async def read(self, *, after_seq: int = 0, max_bytes: int | None = None, wait_s: float = 0.0) -> Reading:
        deadline = self._loop.time() + min(wait_s, _LONGEST_WAIT_S)
        while True:
            chunks = await self._log.output_after(after_seq, _limit(max_bytes))
            # Nothing is awaited from here on: chunks and state are of the same moment.
            is_news = self._log.exited is not None and after_seq < self._log.next_seq - 1
            if chunks or is_news or self._log.closed is not None or self._loop.time() >= deadline:
                return self._found(chunks, max_bytes)
            try:
                async with asyncio.timeout_at(deadline):
                    await self._log.news()
            except TimeoutError:
                continue  # once more, and then it returns

    def _found(self, chunks: list[Output], max_bytes: int | None) -> Reading:
        log = self._log
        is_cut = max_bytes != _limit(max_bytes) and bool(chunks) and chunks[-1].seq < log.last_output_seq
        next_seq = chunks[-1].seq + 1 if chunks and (is_cut or max_bytes is not None) else log.next_seq
        told = next_seq if is_cut else log.next_seq
        exited = log.exited if log.exited is not None and log.exited.seq < told else None
        return Reading(
            chunks,
            next_seq,
            None if exited is None else exited.exit_code,
            log.closed is not None and log.closed.seq < told,
            exited is not None and exited.sandbox_denied,
            is_cut,
        )

    async def follow(self, after_seq: int = 0) -> AsyncGenerator[Event]:
        follower, cursor = Follower(self._log.next_seq), after_seq
        self._followers.add(follower)
        try:
            while True:
                for event in await self._log.events_after(cursor):
                    cursor = event.seq
                    yield event
                    follower.took(event)
                    self._pace()
                    if isinstance(event, Closed):
                        return
                if cursor >= self._log.next_seq - 1:
                    follower.behind = 0  # also what was let go before it was taken
                    self._pace()
                    if self._log.closed is not None:
                        return
                    await self._log.news()
                elif self._log.is_discarded:
                    return
        finally:
            self._followers.discard(follower)
            self._pace()

    async def write(self, data: bytes, write_id: str) -> None:
        if self._stdin is None:
            raise StdinClosed
        async with self._writing:
            key = _short(write_id)
            if key in self._written:
                return
            if self._terminated:
                raise OSError("failed to write to process stdin")
            await self._stdin.room()
            self._written[key] = None
            if len(self._written) > REMEMBERED_WRITES:
                self._written.popitem(last=False)
            self._stdin.push(data)

    async def interrupt(self) -> None:
        if self._log.exited is None and self._spawned is not None:
            await self._spawner.signal(self._spawned, signal.SIGINT, self._foreground())

    def _foreground(self) -> int:
        """Say whom ^C reaches: in a sandbox never the bwrap, with which all would end."""
        if not self._is_confined:
            return GROUP
        return INSIDE if self._terminal is None else os.tcgetpgrp(self._terminal) or INSIDE

    async def terminate(self) -> bool:
        if self._log.exited is not None or self._spawned is None:
            return False
        self._terminated = True
        await self._spawner.signal(self._spawned, signal.SIGKILL, WHOLE if self._is_confined else GROUP)
        return True

    async def wait_closed(self) -> None:
        while self._log.closed is None:
            await self._log.news()

    async def release(self) -> bool:
        await self._log.discard()
        return self._spawned is not None and await self._spawner.forget(self._spawned)

    async def discard(self) -> None:
        self._terminated = True
        if self._spawned is not None:
            await self._spawner.sweep(self._spawned)
        self._close_outputs()
        if self._stdin is not None:
            self._stdin.close()
        self._close_when_over()
        await self._log.discard()


def _short(write_id: str) -> str:
    """Return what is remembered of a write id: 4,096 of them must not add up, however long they are."""
    return (
        write_id if len(write_id) <= _LONG_ID else hashlib.sha256(write_id.encode("utf-8", "surrogatepass")).hexdigest()
    )


def _told(code: int | None) -> int:
    if code is None:
        return UNKNOWN_EXIT_CODE
    return 128 - code if code < 0 else code


def _limit(max_bytes: int | None) -> int:
    return READ_LIMIT_BYTES if max_bytes is None else min(max_bytes, READ_LIMIT_BYTES)
