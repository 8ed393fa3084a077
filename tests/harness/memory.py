"""Two transports joined in memory: what one sends, the other receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class MemoryTransport:
    """One end of a pair; see `pair`."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.closed_with: tuple[int, str] | None = None
        self.other: MemoryTransport | None = None

    async def frames(self) -> AsyncIterator[str | bytes]:
        while (frame := await self.incoming.get()) is not None:
            yield frame

    async def send(self, text: bytes) -> None:
        if self.ended.is_set():
            raise ConnectionResetError("the connection has ended")
        assert self.other is not None
        await self.other.incoming.put(text.decode())

    async def close(self, code: int, reason: str) -> None:
        self.closed_with = (code, reason)
        self.end()

    async def prove_alive(self, limit_s: float) -> None: ...

    async def wait_ended(self) -> None:
        await self.ended.wait()

    def why_ended(self) -> str:
        return "closed in memory"

    def end(self) -> None:
        """End the connection, on both sides."""
        for side in (self, self.other):
            assert side is not None
            if not side.ended.is_set():
                side.ended.set()
                side.incoming.put_nowait(None)


def pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Return two joined transports."""
    one, other = MemoryTransport(), MemoryTransport()
    one.other, other.other = other, one
    return one, other
