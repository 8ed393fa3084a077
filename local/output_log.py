"""The log of one process: its events by number, the newest output in memory, the older in a spool.

    taken from the process -> memory (512 KiB) -> spool (the budget) -> let go

Output moves on in blocks, in a thread, since a disk may be slow; meanwhile the newest stays in memory, and when too
much does, `is_full` asks to take nothing more from the process for a while.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from functools import partial

from ..environment.process import READ_LIMIT_BYTES, READ_LIMIT_CHUNKS, Closed, Event, Exited, Output
from ..protocol.process import Stream
from .spool import Spool
from .threads import BlockingCalls

OUTPUT_BUDGET_BYTES = 64 * 1024 * 1024
MEMORY_BYTES = 512 * 1024
# While the disk is busy with a block, so much may come besides.
_FULL_BYTES = 2 * MEMORY_BYTES
_BLOCK_BYTES = MEMORY_BYTES // 2
# What a chunk costs in memory besides its bytes, so that output of single bytes is bounded, too.
_CHUNK_BYTES = 160

logger = logging.getLogger("codex_py.local")


class OutputLog:
    """Events in order, each with the next number.

    Args:
        calls: Where the spool is written and read.
        spool_folder: See `Spool`.
        budget: Bytes of output that are retained, in memory and on disk.
    """

    def __init__(self, calls: BlockingCalls, spool_folder: str | None, budget: int = OUTPUT_BUDGET_BYTES) -> None:
        self.exited: Exited | None = None
        self.closed: Closed | None = None
        self.last_output_seq = 0
        self.is_discarded = False
        self.on_room: Callable[[], None] = lambda: None  # called when the disk has caught up
        self._calls = calls
        self._memory_limit = min(MEMORY_BYTES, budget)
        self._spool = Spool(spool_folder, budget - self._memory_limit) if budget > self._memory_limit else None
        self._recent: deque[Output] = deque()
        self._recent_cost = 0
        self._next_seq = 1
        self._has_complained = False
        self._disk = asyncio.Lock()
        self._moving: asyncio.Task[None] | None = None
        self._news: asyncio.Future[None] | None = None

    @property
    def next_seq(self) -> int:
        return self._next_seq

    @property
    def is_full(self) -> bool:
        """Whether the disk has not kept up, and nothing more should be taken."""
        return self._recent_cost > _FULL_BYTES

    # -- what comes

    def append(self, stream: Stream, data: bytes) -> None:
        """Add a chunk of output."""
        if self.is_discarded:
            return
        self.last_output_seq = self._take_seq()
        self._recent.append(Output(self.last_output_seq, stream, data))
        self._recent_cost += len(data) + _CHUNK_BYTES
        if self._recent_cost > self._memory_limit:
            self._make_room()
        self._tell()

    def exit(self, code: int, *, sandbox_denied: bool) -> None:
        """Add the exit."""
        self.exited = Exited(self._take_seq(), code, sandbox_denied)
        self._tell()

    def close(self) -> None:
        """Add the close, after which nothing comes."""
        self.closed = Closed(self._take_seq())
        self._tell()

    async def news(self) -> None:
        """Return when the next event has been added."""
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._news)

    # -- what is read

    async def output_after(
        self, seq: int, max_bytes: int = READ_LIMIT_BYTES, max_chunks: int = READ_LIMIT_CHUNKS
    ) -> list[Output]:
        """Return retained output after a number, ascending, within both limits; one chunk at least, if there is any."""
        found: list[Output] = []
        spool = self._spool
        if spool is not None and not spool.is_empty and (not self._recent or self._recent[0].seq > seq + 1):
            async with self._disk:
                found = await self._read_spool(spool, seq, max_bytes)
        found += self._recent_after(found[-1].seq if found else seq)
        return _within(found, max_bytes, max_chunks)

    def _recent_after(self, seq: int) -> list[Output]:
        found: list[Output] = []
        for chunk in reversed(self._recent):  # whoever follows is near the end
            if chunk.seq <= seq:
                break
            found.append(chunk)
        found.reverse()
        return found

    async def events_after(self, seq: int) -> list[Event]:
        """Return events after a number, as far as they are retained; not all of them, where there are many."""
        events: list[Event] = [*await self.output_after(seq, _BLOCK_BYTES)]
        end = events[-1].seq if events and events[-1].seq < self.last_output_seq else self._next_seq
        marks = [mark for mark in (self.exited, self.closed) if mark is not None and seq < mark.seq < end]
        return sorted([*events, *marks], key=lambda event: event.seq) if marks else events

    async def discard(self) -> None:
        """Let go of all output."""
        self.is_discarded = True
        if self._moving is not None:
            await asyncio.wait((self._moving,))
        self._recent.clear()
        self._recent_cost = 0
        self._tell()
        if self._spool is not None:
            spool, self._spool = self._spool, None
            async with self._disk:
                spool.close()

    # -- from memory to disk

    def _make_room(self) -> None:
        if self._spool is None:
            while self._recent_cost > self._memory_limit and len(self._recent) > 1:
                self._forget_oldest()
        elif self._moving is None:
            self._moving = asyncio.get_running_loop().create_task(self._move(self._spool))

    async def _move(self, spool: Spool) -> None:
        """Move the oldest chunks to the spool, until memory holds what it may."""
        try:
            while self._recent_cost > self._memory_limit:
                block, cost = self._oldest_block()
                async with self._disk:
                    try:
                        await self._calls.run(partial(spool.append, block))
                    except OSError as error:
                        self._complain(error)
                    except RuntimeError:  # there can be no further thread; better a slow server than lost output
                        self._append_here(spool, block)
                    for _ in block:
                        self._recent.popleft()
                self._recent_cost -= cost
        finally:
            self._moving = None
            self.on_room()

    def _append_here(self, spool: Spool, block: list[Output]) -> None:
        try:
            spool.append(block)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        """Say once a process that output is lost: there may be thousands of blocks."""
        if not self._has_complained:
            logger.warning("output is let go, because it cannot be spooled: %s", error)
        self._has_complained = True

    def _oldest_block(self) -> tuple[list[Output], int]:
        block: list[Output] = []
        cost = 0
        for chunk in self._recent:
            if cost >= _BLOCK_BYTES:
                break
            block.append(chunk)
            cost += len(chunk.data) + _CHUNK_BYTES
        return block, cost

    def _forget_oldest(self) -> None:
        self._recent_cost -= len(self._recent.popleft().data) + _CHUNK_BYTES

    async def _read_spool(self, spool: Spool, seq: int, max_bytes: int) -> list[Output]:
        try:
            return await self._calls.run(partial(spool.read, seq, max_bytes))
        except OSError as error:
            logger.warning("output cannot be read back from the spool: %s", error)
            return []

    def _take_seq(self) -> int:
        self._next_seq += 1
        return self._next_seq - 1

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set_result(None)
            self._news = None


def _within(chunks: list[Output], max_bytes: int, max_chunks: int) -> list[Output]:
    size = 0
    for count, chunk in enumerate(chunks[:max_chunks]):
        size += len(chunk.data)
        if count and size > max_bytes:
            return chunks[:count]
    return chunks[:max_chunks]
