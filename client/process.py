"""Processes of another machine: a call of the contract becomes a request.

Events are read by their numbers, with long polls, so that nothing is kept here that the other side keeps already.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import uuid
from collections.abc import AsyncGenerator, Iterator

from ..environment.process import Closed, Command, Event, Exited, Output, Process, Reading, StdinClosed
from ..protocol import process as said
from ..protocol.errors import INTERNAL_ERROR, WireError
from ..protocol.path_uri import PathUri
from ..protocol.process import SandboxType
from ..protocol.wire import U64_MAX, Base64
from ..rpc.connection import Connection

# How long one poll waits; the connection may be used for anything else meanwhile.
_POLL_S = 60.0


class RemoteProcesses:
    """The contract of processes over a connection; see `RemoteFileSystem` for what a lost connection means."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._discarding: set[asyncio.Task[None]] = set()

    async def start(self, command: Command) -> Process:
        identifier = str(uuid.uuid4())
        params = said.StartParams(
            process_id=identifier,
            argv=list(command.argv),
            cwd=PathUri.from_native(command.cwd),
            env=dict(command.env),
            tty=command.tty,
            env_policy=command.env_policy,
            pipe_stdin=command.pipe_stdin,
            arg0=command.arg0,
            sandbox=command.sandbox,
            enforce_managed_network=command.enforce_managed_network,
        )
        starting = asyncio.ensure_future(self._connection.call(said.START, params))
        try:
            started = await asyncio.shield(starting)
        except asyncio.CancelledError:
            discarding = asyncio.ensure_future(self._discard(identifier, starting))
            self._discarding.add(discarding)
            discarding.add_done_callback(self._discarding.discard)
            raise
        return RemoteProcess(self._connection, identifier, started.sandbox_type)

    async def _discard(self, identifier: str, starting: asyncio.Future[said.StartResult]) -> None:
        """Make an end of what was started after its caller had gone."""
        # Where it was not started, or the connection has ended, there is nothing to do, or no way to do it.
        with contextlib.suppress(OSError, ValueError, WireError):
            started = await starting
            await RemoteProcess(self._connection, identifier, started.sandbox_type).discard()


class RemoteProcess:
    """A process on another machine, which knows it for a while after it has closed; then it is a `RequestRefused`."""

    def __init__(self, connection: Connection, identifier: str, sandbox_type: SandboxType) -> None:
        self.sandbox_type: SandboxType = sandbox_type
        self._connection = connection
        self._identifier = identifier

    async def read(self, *, after_seq: int = 0, max_bytes: int | None = None, wait_s: float = 0.0) -> Reading:
        params = said.ReadParams(
            process_id=self._identifier,
            after_seq=after_seq,
            max_bytes=max_bytes,
            wait_ms=min(math.ceil(wait_s * 1000), U64_MAX),
        )
        found = await self._connection.call(said.READ, params)
        chunks = [Output(chunk.seq, chunk.stream, chunk.chunk) for chunk in found.chunks]
        return Reading(chunks, found.next_seq, found.exit_code, found.closed, found.sandbox_denied)

    async def follow(self, after_seq: int = 0) -> AsyncGenerator[Event]:
        cursor, knows_exit = after_seq, False
        while True:
            found = await self.read(after_seq=cursor, wait_s=_POLL_S)
            for event in _events(found, cursor):
                if isinstance(event, Exited) and knows_exit:
                    continue
                knows_exit |= isinstance(event, Exited)
                yield event
            if found.closed:
                return
            cursor = max(cursor, found.next_seq - 1)

    async def write(self, data: bytes, write_id: str) -> None:
        params = said.WriteParams(process_id=self._identifier, chunk=Base64(data), write_id=write_id)
        try:
            answer = await self._connection.call(said.WRITE, params)
        except WireError as error:
            if error.code != INTERNAL_ERROR:
                raise
            raise OSError(error.message) from error  # it was terminated
        if answer.status == "stdinClosed":
            raise StdinClosed

    async def interrupt(self) -> None:
        await self._connection.call(said.SIGNAL, said.SignalParams(process_id=self._identifier, signal="interrupt"))

    async def terminate(self) -> bool:
        params = said.TerminateParams(process_id=self._identifier)
        return (await self._connection.call(said.TERMINATE, params)).running

    async def wait_closed(self) -> None:
        while not (await self.read(after_seq=U64_MAX, wait_s=_POLL_S)).closed:
            pass

    async def release(self) -> bool:
        """Leave it to the other side, which forgets it in time; nothing can be swept from here."""
        return False

    async def discard(self) -> None:
        await self.terminate()


def _events(found: Reading, cursor: int) -> Iterator[Event]:
    """Put the exit and the close, which a reading tells without their numbers, where they belong."""
    last = found.next_seq - 1
    chunks = {chunk.seq: chunk for chunk in found.chunks}
    marks = [seq for seq in range(last, cursor, -1) if seq not in chunks][:2] if found.exit_code is not None else []
    closed = last if found.closed else None
    exited = next((seq for seq in marks if seq != closed), None)
    events: list[Event] = list(found.chunks)
    if exited is not None and found.exit_code is not None:
        events.append(Exited(exited, found.exit_code, found.sandbox_denied))
    if closed is not None and closed > cursor:
        events.append(Closed(closed))
    yield from sorted(events, key=lambda event: event.seq)
