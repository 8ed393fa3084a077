"""Process requests: params become a call of the contract on a process of the session, what it returns the result.

Source: exec-server 0.169.0, observed, for the order of checks and the texts.
"""

from __future__ import annotations

from collections.abc import Callable

from ..environment.process import Command, Process, StdinClosed
from ..protocol import process as said
from ..protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, WireError, os_error_text
from ..protocol.filesystem import Empty
from ..protocol.path_uri import ForeignPathError
from ..protocol.wire import Base64
from ..rpc.router import Pool, Router
from .process_table import ProcessTable


def add_routes(router: Router, table: Callable[[], ProcessTable]) -> None:
    """Answer the `process/` methods with the processes of the session that `table` gives."""
    handlers = ProcessHandlers(table)
    # Like the others, so that none of them is ahead of the start of the process that it is about.
    router.add(said.START, handlers.start, pool=Pool.WAITING)
    router.add(said.READ, handlers.read, pool=Pool.READING, until=handlers.until_readable)
    router.add(said.WRITE, handlers.write, pool=Pool.WAITING)
    router.add(said.SIGNAL, handlers.signal, pool=Pool.CONTROL)
    router.add(said.TERMINATE, handlers.terminate, pool=Pool.CONTROL)


class ProcessHandlers:
    """One handler a method. Options that are absent get their default here, and only here."""

    def __init__(self, table: Callable[[], ProcessTable]) -> None:
        self._table = table

    async def start(self, params: said.StartParams) -> said.StartResult:
        command = _command(params)
        try:
            process = await self._table().start(params.process_id, command)
        except OSError as error:
            # Whatever the system says of a start has this code; the number in the text tells them apart.
            text = str(error) if error.errno is None else os_error_text(error.errno)
            raise WireError(INTERNAL_ERROR, text) from error
        return said.StartResult(process_id=params.process_id, sandbox_type=process.sandbox_type)

    async def until_readable(self, params: said.ReadParams) -> None:
        """Wait for what a reading waits for, without what it reads."""
        process = await self._known(params.process_id)
        if params.wait_ms:
            await process.read(after_seq=params.after_seq or 0, max_bytes=0, wait_s=params.wait_ms / 1000)

    async def read(self, params: said.ReadParams) -> said.ReadResult:
        process = await self._known(params.process_id)
        found = await process.read(after_seq=params.after_seq or 0, max_bytes=params.max_bytes)
        table = self._table()
        if params.max_bytes is None:
            # A client that resumes asks once, and takes what comes after `nextSeq` from notifications.
            table.has_read(params.process_id, found)
        return said.ReadResult(
            chunks=[said.OutputChunk(seq=seq, stream=stream, chunk=Base64(data)) for seq, stream, data in found.chunks],
            next_seq=found.next_seq,
            exited=found.exit_code is not None,
            exit_code=found.exit_code,
            closed=found.closed,
            failure=None,
            sandbox_denied=found.sandbox_denied,
        )

    async def write(self, params: said.WriteParams) -> said.WriteResult:
        if not params.write_id:
            raise WireError(INVALID_PARAMS, "writeId must not be empty")
        process = await self._table().find(params.process_id)
        if process is None:
            return said.WriteResult(status="unknownProcess")
        try:
            await process.write(params.chunk, params.write_id)
        except StdinClosed:
            return said.WriteResult(status="stdinClosed")
        return said.WriteResult(status="accepted")

    async def signal(self, params: said.SignalParams) -> Empty:
        process = await self._table().find(params.process_id)
        if process is not None:
            await process.interrupt()
        return Empty()

    async def terminate(self, params: said.TerminateParams) -> said.TerminateResult:
        process = await self._table().find(params.process_id)
        return said.TerminateResult(running=process is not None and await process.terminate())

    async def _known(self, identifier: str) -> Process:
        process = await self._table().find(identifier)
        if process is None:
            raise WireError(INVALID_REQUEST, f"unknown process id {identifier}")
        return process


def _command(params: said.StartParams) -> Command:
    if params.network_proxy is not None:
        raise WireError(
            INVALID_PARAMS,
            "invalid network proxy config: this server launches no network proxies, as its capability "
            "`networkProxyLaunch` says",
        )
    try:
        cwd = params.cwd.native()
    except ForeignPathError as error:
        text = f"cwd URI `{params.cwd}` is not valid on this exec-server host: {error}"
        raise WireError(INVALID_PARAMS, text) from None
    if not params.argv:
        raise WireError(INVALID_PARAMS, "argv must not be empty")
    return Command(
        argv=params.argv,
        cwd=cwd,
        env=params.env,
        env_policy=params.env_policy,
        tty=params.tty,
        pipe_stdin=params.pipe_stdin,
        arg0=params.arg0,
        sandbox=params.sandbox,
        enforce_managed_network=params.enforce_managed_network,
    )
