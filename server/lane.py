"""A lane: the file operations of one connection, one after the other, in the order in which they came.

Clients send a write and a read of the same file without waiting in between, and mean them in that order. But an
operation that blocks (a dead network file system) must not hold up the others for ever: after some patience the
next one goes ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

R = TypeVar("R")

PATIENCE_S = 1.0  # several times what a sandboxed operation takes on a busy machine


class Lane:
    """Runs coroutines in the order of their calls.

    Args:
        patience_s: How long a call waits for the one before it.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._last: asyncio.Future[None] | None = None

    async def run(self, work: Callable[[], Awaitable[R]]) -> R:
        """Await `work()` once it is its turn."""
        before, mine = self._last, asyncio.get_running_loop().create_future()
        self._last = mine
        if before is not None and not before.done():
            try:
                await asyncio.wait((before,), timeout=self._patience_s)
            except asyncio.CancelledError:
                # Whoever comes next still waits for the one before.
                before.add_done_callback(lambda _: mine.set_result(None))
                raise
        try:
            return await work()
        finally:
            mine.set_result(None)
            if self._last is mine:
                self._last = None
