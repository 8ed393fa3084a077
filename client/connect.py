"""Connect to an exec-server; what comes out is an `Environment` like any other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidHandshake, InvalidURI

from ..environment.environment import Environment
from ..protocol.environment import ENVIRONMENT_INFO, EnvironmentInfo
from ..protocol.errors import METHOD_NOT_FOUND, WireError
from ..protocol.methods import Method
from ..protocol.session import INITIALIZE, INITIALIZED, InitializeParams
from ..rpc.connection import Connection, MalformedAnswer
from ..rpc.router import Router
from ..rpc.websocket import CLOSE_TIMEOUT_S, MAX_MESSAGE_BYTES, PING_INTERVAL_S, WebSocketTransport
from .filesystem import RemoteFileSystem
from .process import RemoteProcesses

CLIENT_NAME = "codex-py"
CONNECT_TIMEOUT_S = 10.0


class NoExecServer(ConnectionError):
    """There is no exec-server to talk to at this URL; the text says what was found."""


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

    There is no time limit on a call: where a machine may hang, put `asyncio.timeout` around it.

    Args:
        url: `ws://HOST:PORT`, the line an exec-server prints.
        timeout_s: Limit for the connection and for the handshake, each.

    Raises:
        ValueError: the URL is none.
        NoExecServer: nothing listens there, or something else does, or it refuses us.
        TimeoutError: it did not answer in time.
    """
    websocket = await _open(url, timeout_s)
    connection = Connection(WebSocketTransport(websocket, MAX_MESSAGE_BYTES), _ServerPeer(url))
    serving = asyncio.create_task(connection.serve())
    try:
        info = await _shake_hands(connection, url, timeout_s)
        yield Environment(info, RemoteFileSystem(connection), RemoteProcesses(connection))
    finally:
        if not serving.done():
            await websocket.close()
        await serving


async def _open(url: str, timeout_s: float) -> ClientConnection:
    try:
        return await open_websocket(
            str(url),  # what is no text at all is no URL either, and is told so below
            compression=None,
            max_size=None,  # a file of 512 MiB is one message
            open_timeout=timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=None,
            proxy=None,
            user_agent_header=None,
        )
    except InvalidURI:
        raise ValueError(f"`{url}` is no URL of an exec-server: expected ws://HOST:PORT, the line it prints") from None
    except TimeoutError:
        raise TimeoutError(f"{url} did not open a WebSocket within {timeout_s:g} s") from None
    except InvalidHandshake as error:
        raise NoExecServer(f"what listens at {url} is no exec-server, or refuses us: {error}") from None
    except OSError as error:
        raise NoExecServer(f"cannot connect to {url}: {error.strerror or error}") from error


async def _shake_hands(connection: Connection, url: str, timeout_s: float) -> EnvironmentInfo:
    try:
        async with asyncio.timeout(timeout_s):
            opened = await connection.call(INITIALIZE, InitializeParams(client_name=CLIENT_NAME))
            await connection.notify(INITIALIZED, {})
            if opened.environment_info is not None:
                return opened.environment_info
            return await connection.call(ENVIRONMENT_INFO, None)  # an older server says it only when asked
    except TimeoutError:
        raise TimeoutError(f"{url} did not answer the handshake within {timeout_s:g} s") from None
    except (MalformedAnswer, WireError, ConnectionError) as error:
        raise NoExecServer(f"what listens at {url} is no exec-server: {error}") from error
