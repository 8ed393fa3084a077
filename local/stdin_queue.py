"""What waits to be written to a process's stdin, in order, as far as the process reads.

Source: exec-server 0.169.0, observed: 128 chunks wait, then whoever writes does.
Differs: bytes are bounded, too.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque

MAX_CHUNKS = 128
MAX_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024


class StdinQueue:
    """Writes to a descriptor, which it owns; the descriptor does not block."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._loop = asyncio.get_running_loop()
        self._chunks: deque[memoryview] = deque()
        self._bytes = 0
        self._room: asyncio.Future[None] | None = None

    @property
    def has_room(self) -> bool:
        """Whether more may be queued. What nobody will read any more takes no room."""
        return self._descriptor is None or (len(self._chunks) < MAX_CHUNKS and self._bytes < MAX_BYTES)

    async def room(self) -> None:
        """Return once there is room."""
        while not self.has_room:
            if self._room is None:
                self._room = self._loop.create_future()
            await asyncio.shield(self._room)

    def push(self, data: bytes) -> None:
        """Queue bytes, and write what can be written now; lost when nobody can read them any more."""
        if self._descriptor is None or not data:
            return
        self._chunks.append(memoryview(data))
        self._bytes += len(data)
        if len(self._chunks) == 1:
            self._write()

    def close(self) -> None:
        """Close the descriptor; what is queued is lost."""
        if self._descriptor is None:
            return
        self._loop.remove_writer(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = None
        self._chunks.clear()
        self._bytes = 0
        self._tell()

    def _write(self) -> None:
        if self._descriptor is None:
            return
        try:
            while self._chunks:
                self._take(os.write(self._descriptor, self._chunks[0][:_PIECE_BYTES]))
        except BlockingIOError:
            self._loop.add_writer(self._descriptor, self._write)
        except OSError:  # the other end is closed
            self.close()
        else:
            self._loop.remove_writer(self._descriptor)
        if self.has_room:
            self._tell()

    def _take(self, written: int) -> None:
        self._bytes -= written
        self._chunks[0] = self._chunks[0][written:]
        if not self._chunks[0]:
            self._chunks.popleft()

    def _tell(self) -> None:
        if self._room is not None:
            self._room.set_result(None)
            self._room = None
