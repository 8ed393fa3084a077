"""One connection: frames come in and are answered, calls go out and are awaited.

Requests run at once, each pool up to its limit; those beyond it wait their turn without holding up other pools. Beyond
a limit of bytes, or of requests in all, no further frame is read, so a peer that sends faster than it is answered, or
does not read its answers, is slowed down by its own socket. Answers go out in the order in which they are ready.

Who ends a connection, and how:
  * the peer, or the network: `serve` returns; what still runs for it is cancelled
  * we, because the peer broke the protocol: a close frame with code 1002 and the reason
  * we, because the server ends: `close`
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from ..protocol import wire
from ..protocol.errors import INVALID_REQUEST, WireError, from_wire, to_wire
from ..protocol.methods import Method, Notice
from . import envelope
from .router import Pool, Route, Router, decode_params

P = TypeVar("P")
R = TypeVar("R")

PROTOCOL_ERROR = 1002
CONCURRENT_REQUESTS = 64
# What waits for something to happen costs little; the limit is for a peer that has lost count.
WAITING_REQUESTS = 1024
# Requests of one connection that were taken and not answered yet, whether they run or wait their turn.
HELD_REQUESTS = 4096
# What one connection may keep in memory in requests and answers before no further request is begun.
HELD_BYTES = 64 * 1024 * 1024
# Long enough for any network that works, and well within the 45 s for which the real client tries to resume.
ALIVE_LIMIT_S = 5.0

logger = logging.getLogger("codex_py.rpc")


class Transport(Protocol):
    """What carries frames: a WebSocket, or a pair of queues in a test."""

    def frames(self) -> AsyncIterator[str | bytes]:
        """Yield frames until the connection has ended, for whatever reason; never raise for that."""
        ...

    async def send(self, text: bytes) -> None:
        """Send one text frame, waiting while the peer does not read.

        Raises:
            ConnectionError: the connection has ended.
            RequestRefused: the message is larger than the peer takes; nothing was sent.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...

    async def prove_alive(self, limit_s: float) -> None:
        """Cut the connection unless the peer answers a ping in time."""
        ...

    async def wait_ended(self) -> None:
        """Return once the connection has ended, also while frames are left to read."""
        ...

    def why_ended(self) -> str:
        """Say how the connection ended, as far as is known."""
        ...


class Peer(Protocol):
    """The side that answers: what may be called, and what it makes of messages that are no requests."""

    router: Router

    def admit(self, method: Method[Any, Any]) -> None:
        """Let a decoded request through, or raise what it is refused with."""
        ...

    def notified(self, method: str, params: bytes) -> None:
        """Take a notification.

        Raises:
            ProtocolViolation: it is not one that may come.
        """
        ...

    def describe(self) -> str:
        """Name the other side for error texts: `websocket 127.0.0.1:5`."""
        ...

    strict: bool  # whether an answer nobody waits for ends the connection


class MalformedAnswer(ValueError):
    """The peer answered something that is no result of the method; whether it was carried out is not known."""


class ProtocolViolation(Exception):
    """The peer sent what may not come; the connection ends."""


class Connection:
    """Serve one transport until it ends."""

    def __init__(self, transport: Transport, peer: Peer, *, concurrent_requests: int = CONCURRENT_REQUESTS) -> None:
        self._transport = transport
        self._peer = peer
        limits = {
            Pool.ORDINARY: concurrent_requests,
            Pool.CONTROL: concurrent_requests,
            Pool.WAITING: WAITING_REQUESTS,
            Pool.READING: 1,
        }
        self._pools = {pool: asyncio.Semaphore(limit) for pool, limit in limits.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_bytes = 0  # of requests that are not answered yet, and of answers that are not sent yet
        self._ids = itertools.count(1)
        self._pending: dict[envelope.RequestId, asyncio.Future[bytes]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._ended = False

    async def serve(self) -> None:
        """Answer until the connection ends; then cancel what runs for it and fail what waits for it."""
        try:
            async for frame in self._transport.frames():
                await self._receive(frame)
        except ConnectionError as error:
            logger.info("the connection to %s ended: %s", self._peer.describe(), error)
        except ProtocolViolation as violation:
            logger.warning("closing the connection to %s: %s", self._peer.describe(), violation)
            await self._transport.close(PROTOCOL_ERROR, str(violation))
        finally:
            self._ended = True
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.set_exception(
                        ConnectionResetError(
                            f"the connection ended before the answer came: {self._transport.why_ended()}"
                        )
                    )
            await self._cancel_tasks()

    async def call(self, method: Method[P, R], params: P) -> R:
        """Send a request and await its result.

        Raises:
            ConnectionError: the connection ended first; whether the request was carried out is not known.
            MalformedAnswer: the peer answered, but no result of this method.
            Exception: what the peer answered, as `protocol.errors.from_wire` says it.
        """
        if self._ended:
            raise ConnectionResetError(f"the connection has ended: {self._transport.why_ended()}")
        identifier = next(self._ids)
        waiting = self._pending[identifier] = asyncio.get_running_loop().create_future()
        try:
            await self._transport.send(envelope.request(identifier, method.name, params))
            answer = await waiting
        except WireError as error:
            raise from_wire(error.code, error.message) from None
        finally:
            del self._pending[identifier]
            waiting.cancel()  # where sending failed, nobody awaits it any more
        try:
            return wire.decode(answer, method.result)
        except WireError as error:
            raise MalformedAnswer(f"the answer to {method.name} is malformed: {error}") from None

    async def notify(self, notice: Notice[P], params: P) -> None:
        """Send a notification."""
        await self._transport.send(envelope.notification(notice.name, params))

    def ask_for_life(self) -> None:
        """Cut the connection soon, unless the peer answers a ping: its network may have gone without a word."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._transport.prove_alive(ALIVE_LIMIT_S))

    # -- incoming

    async def _receive(self, frame: str | bytes) -> None:
        try:
            message = envelope.decode(frame)
        except envelope.MalformedFrame as error:
            text = f"failed to parse websocket JSON-RPC message from exec-server {self._peer.describe()}: {error}"
            await self._send(envelope.failure(envelope.UNREADABLE_ID, WireError(INVALID_REQUEST, text)))
            return
        match message:
            case envelope.Request():
                await self._take_request(message, len(frame))
            case envelope.Notification():
                self._peer.notified(message.method, bytes(message.params))
            case envelope.Result(id=identifier, result=value):
                self._settle(identifier, lambda waiting: waiting.set_result(bytes(value)))
            case envelope.Failure(id=identifier, error=answer):
                self._settle(identifier, lambda waiting: waiting.set_exception(answer))

    def _settle(self, identifier: envelope.RequestId, settle: Callable[[asyncio.Future[bytes]], None]) -> None:
        waiting = self._pending.get(identifier)
        if waiting is not None and not waiting.done():
            settle(waiting)
        elif self._peer.strict:
            raise ProtocolViolation(f"an answer came for the id {identifier!r:.80}, which no request of ours has")

    async def _take_request(self, request: envelope.Request, size: int) -> None:
        try:
            route = self._peer.router.route(request.method)
            params = decode_params(route.method, request.params)
            self._peer.admit(route.method)
        except Exception as error:  # noqa: BLE001 - every error of a request is its answer
            await self._send(envelope.failure(request.id, self._wire_error(error, request.method)))
            return
        if route.pool is None:
            await self._answer(request.id, route, params)
            return
        await self._wait_for_room(size)
        task = asyncio.create_task(self._answer_in_turn(route.pool, request.id, route, params))
        self._tasks.add(task)
        self._held_bytes += size
        task.add_done_callback(lambda done: self._finished(done, size))

    def _finished(self, task: asyncio.Task[None], size: int) -> None:
        self._tasks.discard(task)
        self._held_bytes -= size

    def _has_room(self, size: int) -> bool:
        fits = self._held_bytes + size <= HELD_BYTES and len(self._tasks) < HELD_REQUESTS
        return fits or not self._tasks  # one request always has room, however large it is

    async def _wait_for_room(self, size: int) -> None:
        if self._has_room(size):
            return
        # What runs may be stuck; the end of the connection must not wait for it.
        ended = asyncio.ensure_future(self._transport.wait_ended())
        try:
            while not self._has_room(size):
                await asyncio.wait((*self._tasks, ended), return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    raise ConnectionResetError("the connection ended while requests waited for others to end")
        finally:
            ended.cancel()

    async def _answer_in_turn(self, pool: Pool, identifier: envelope.RequestId, route: Route, params: object) -> None:
        if route.until is not None:
            try:
                async with self._pools[Pool.WAITING]:
                    await route.until(params)
            except Exception as error:  # noqa: BLE001 - every error of a request is its answer
                await self._send(envelope.failure(identifier, self._wire_error(error, route.method.name)))
                return
        async with self._pools[pool]:
            await self._answer(identifier, route, params)

    async def _answer(self, identifier: envelope.RequestId, route: Route, params: object) -> None:
        try:
            reply = envelope.result(identifier, await route.handler(params))
        except Exception as error:  # noqa: BLE001 - every error of a request is its answer
            reply = envelope.failure(identifier, self._wire_error(error, route.method.name))
        self._held_bytes += len(reply)
        try:
            await self._send(reply)
        finally:
            self._held_bytes -= len(reply)

    def _wire_error(self, error: Exception, method: str) -> WireError:
        if not isinstance(error, OSError | ValueError | WireError):
            logger.error("%s of %s failed unexpectedly", method, self._peer.describe(), exc_info=error)
        return to_wire(error)

    async def _send(self, text: bytes) -> None:
        # The peer is gone: nobody is left to tell, and `serve` ends by itself.
        with contextlib.suppress(ConnectionError):
            await self._transport.send(text)

    async def _cancel_tasks(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
