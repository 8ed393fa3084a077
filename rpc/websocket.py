"""Frames over a WebSocket: the `Transport` of both sides, and the limits they share.

Source: exec-server 0.169.0, observed
Differs: proper close frames (DIFFERENCES.md row 15), TCP_NODELAY (row 1; asyncio and uvloop set it).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed

from ..protocol.errors import RequestRefused

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_FRAME_BYTES = 16 * 1024 * 1024
PING_INTERVAL_S = 30.0
CLOSE_TIMEOUT_S = 1.0
MAX_REASON_BYTES = 123  # RFC 6455: a control frame has 125 bytes, two of them the code


class WebSocketTransport:
    """A `Transport` over a connection of the websockets library.

    Args:
        websocket: An open connection.
        max_sent_bytes: What the peer takes in one message; None sends whatever there is. The reference and this server
            take 64 MiB.

    Both sides of the reference take frames of 16 MiB at most, so a larger message goes in several.
    """

    def __init__(self, websocket: WebSocket, max_sent_bytes: int | None = None) -> None:
        self._websocket = websocket
        self._max_sent_bytes = max_sent_bytes

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield messages until the connection has ended."""
        while True:
            try:
                message = await self._websocket.recv()
            except ConnectionClosed:
                return
            yield message

    async def send(self, text: bytes) -> None:
        """Send one text message, in several frames if need be."""
        if self._max_sent_bytes is not None and len(text) > self._max_sent_bytes:
            raise RequestRefused(
                f"a message may have {self._max_sent_bytes} bytes at most, this one has {len(text)}; nothing was sent"
            )
        try:
            if len(text) > MAX_FRAME_BYTES:
                await self._websocket.send(_pieces(text), text=True)
            else:
                await self._websocket.send(text, text=True)
        except ConnectionClosed:
            raise ConnectionResetError(f"the connection has ended: {self.why_ended()}") from None

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, its reason cut to what one may have, and wait a second at most for the peer's."""
        fitting = reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore")
        await self._websocket.close(code, fitting)

    async def prove_alive(self, limit_s: float) -> None:
        """Cut the connection unless the peer answers a ping in time."""
        try:
            async with asyncio.timeout(limit_s):
                await (await self._websocket.ping())
        except TimeoutError:
            self._websocket.transport.abort()
        except ConnectionClosed:
            return

    async def wait_ended(self) -> None:
        """Return once the connection has ended, also while frames are left to read."""
        await self._websocket.wait_closed()

    def why_ended(self) -> str:
        """Say how the connection ended, as far as is known."""
        code, reason = self._websocket.close_code, self._websocket.close_reason
        return f"close code {code}" + (f", {reason}" if reason else "")


def _pieces(text: bytes) -> Iterator[memoryview]:
    view = memoryview(text)
    for start in range(0, len(view), MAX_FRAME_BYTES):
        yield view[start : start + MAX_FRAME_BYTES]
