"""Frames over a WebSocket: the `Transport` of both sides, and the limits they share.

Source: exec-server 0.169.0, PROTOCOL.md section 2.2.
Differs: proper close frames (DIFFERENCES.md row 15), TCP_NODELAY (row 1; asyncio and uvloop set it).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from websockets.asyncio.connection import Connection as WebSocket
from websockets.exceptions import ConnectionClosed

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_FRAME_BYTES = 16 * 1024 * 1024
PING_INTERVAL_S = 30.0
CLOSE_TIMEOUT_S = 1.0


class WebSocketTransport:
    """A `Transport` over a connection of the websockets library."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield messages until the connection has ended."""
        while True:
            try:
                message = await self._websocket.recv()
            except ConnectionClosed:
                return
            yield message

    async def send(self, text: bytes) -> None:
        """Send one text frame."""
        try:
            await self._websocket.send(text, text=True)
        except ConnectionClosed as error:
            raise ConnectionResetError(str(error)) from None

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame and wait a second at most for the peer's."""
        await self._websocket.close(code, reason)

    async def wait_ended(self) -> None:
        """Return once the connection has ended, also while frames are left to read."""
        await self._websocket.wait_closed()
