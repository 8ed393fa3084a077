"""The listener: takes connections, serves each, and ends them all in good order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve

from ..environment.environment import Environment
from ..rpc.connection import CONCURRENT_REQUESTS, Connection
from ..rpc.websocket import CLOSE_TIMEOUT_S, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, PING_INTERVAL_S, WebSocketTransport
from . import http_surface
from .client_peer import ClientPeer
from .process_table import RETENTION_S, ProcessTable
from .sessions import SESSION_TTL_S, Session, SessionRegistry

logger = logging.getLogger("codex_py.server")


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port; port 0 lets the system choose."""

    host: str
    port: int

    def url(self) -> str:
        """Return the address as a WebSocket URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}"


class Listener:
    """An exec-server on one address.

    Args:
        environment: The machine that is offered.
        concurrent_requests: How many requests of one connection run at once; further ones wait their turn.
        session_ttl_s: How long a session without a connection can be resumed.
        process_retention_s: How long a process that has closed is known.
        clock: Seconds that only grow; sessions expire by it.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        concurrent_requests: int = CONCURRENT_REQUESTS,
        session_ttl_s: float = SESSION_TTL_S,
        process_retention_s: float = RETENTION_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._concurrent_requests = concurrent_requests
        self._process_retention_s = process_retention_s
        self._sessions = SessionRegistry(clock, self._open_table, self._bury, session_ttl_s)
        self._clock = clock
        self._server: Server | None = None
        self._next_tick: asyncio.TimerHandle | None = None
        self._burials: set[asyncio.Task[None]] = set()

    async def start(self, address: Address) -> Address:
        """Listen, and return the address with its real port.

        Raises:
            OSError: the address cannot be bound.
        """
        self._server = await serve(
            self._serve,
            address.host,
            address.port,
            process_request=http_surface.answer,
            server_header=None,
            compression=None,  # costs more time than it saves on the links this is used on
            max_size=(MAX_MESSAGE_BYTES, MAX_FRAME_BYTES),
            ping_interval=PING_INTERVAL_S,
            ping_timeout=None,  # a client that never answers a ping is not dropped
            close_timeout=CLOSE_TIMEOUT_S,
        )
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return Address(address.host, port)

    async def close(self) -> None:
        """Take no more connections, close those there are, with code 1001, and kill the processes of all sessions."""
        if self._next_tick is not None:
            self._next_tick.cancel()
        for session in self._sessions.close():
            self._bury(session)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._burials:
            await asyncio.wait(self._burials)

    async def _serve(self, websocket: ServerConnection) -> None:
        host, port = websocket.remote_address[:2]
        peer = ClientPeer(self._environment, self._sessions, Address(host, port).url().removeprefix("ws://"))
        logger.info("connected: %s", peer.describe())
        try:
            connection = Connection(WebSocketTransport(websocket), peer, concurrent_requests=self._concurrent_requests)
            peer.speak_by(connection.notify, connection.ask_for_life)
            await connection.serve()
        finally:
            peer.detach()
            self._plan_tick()
            logger.info("disconnected: %s", peer.describe())

    def _open_table(self) -> ProcessTable:
        return ProcessTable(self._environment.processes, self._clock, self._process_retention_s, self._plan_tick)

    def _bury(self, session: Session) -> None:
        logger.info("session %s has ended", session.id)
        task = asyncio.get_running_loop().create_task(session.processes.destroy())
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)

    def _plan_tick(self) -> None:
        """See to it that what nobody asks for any more is forgotten in time."""
        if self._next_tick is not None:
            self._next_tick.cancel()
            self._next_tick = None
        due = self._sessions.next_due()
        if due is not None:
            self._next_tick = asyncio.get_running_loop().call_later(max(0.0, due - self._clock()), self._tick)

    def _tick(self) -> None:
        self._next_tick = None
        self._sessions.tick()
        self._plan_tick()
