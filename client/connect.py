"""Connect to an exec-server; what comes out is an `Environment` like any other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from websockets.asyncio.client import connect as open_websocket

from ..environment.environment import Environment
from ..protocol.environment import ENVIRONMENT_INFO
from ..protocol.errors import METHOD_NOT_FOUND, WireError
from ..protocol.methods import Method
from ..protocol.session import INITIALIZE, INITIALIZED, InitializeParams
from ..rpc.connection import Connection
from ..rpc.router import Router
from ..rpc.websocket import CLOSE_TIMEOUT_S, PING_INTERVAL_S, WebSocketTransport
from .filesystem import RemoteFileSystem

CLIENT_NAME = "codex-py"
CONNECT_TIMEOUT_S = 10.0


class _ServerPeer:
    """The server as a client sees it: it may call nothing, and what nobody waits for is ignored."""

    strict = False

    def __init__(self, url: str) -> None:
        self.router = Router()
        self._url = url

    def admit(self, method: Method[Any, Any]) -> None:
        raise WireError(METHOD_NOT_FOUND, f"this client does not answer `{method.name}`")

    def notified(self, method: str, params: bytes) -> None:
        """Ignore a notification of a later protocol."""

    def describe(self) -> str:
        return self._url


@contextlib.asynccontextmanager
async def connect(url: str, *, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncGenerator[Environment]:
    """Connect, open a session, and close the connection at the end of the block.

    Args:
        url: `ws://HOST:PORT`, the line an exec-server prints.
        timeout_s: Limit for the connection and for the handshake, each.

    Raises:
        OSError: nothing listens there.
        TimeoutError: it did not answer in time.
        websockets.exceptions.InvalidHandshake: what listens there is no exec-server, or refuses us.
    """
    websocket = await open_websocket(
        url,
        compression=None,
        max_size=None,  # a file of 512 MiB is one message
        open_timeout=timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        ping_interval=PING_INTERVAL_S,
        ping_timeout=None,
        proxy=None,
        user_agent_header=None,
    )
    connection = Connection(WebSocketTransport(websocket), _ServerPeer(url))
    serving = asyncio.create_task(connection.serve())
    try:
        async with asyncio.timeout(timeout_s):
            opened = await connection.call(INITIALIZE, InitializeParams(client_name=CLIENT_NAME))
            await connection.notify(INITIALIZED, {})
            info = opened.environment_info
            if info is None:  # an older server says it only when asked
                info = await connection.call(ENVIRONMENT_INFO, None)
        yield Environment(info, RemoteFileSystem(connection))
    finally:
        await websocket.close()
        await serving
