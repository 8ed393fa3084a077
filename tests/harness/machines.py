"""The implementations of the contracts, each behind the same synchronous front, for the suites in `tests/contract`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codex_py.cli.assemble import build_helpers, build_machine
from codex_py.client.connect import connect
from codex_py.client.filesystem import RemoteFileSystem
from codex_py.client.process import RemoteProcesses
from codex_py.environment.environment import Environment
from codex_py.environment.filesystem import FileSystem
from codex_py.environment.process import Command, Event, Output, Process, Processes
from codex_py.protocol import wire
from codex_py.protocol.sandbox import SandboxContext
from codex_py.protocol.session import INITIALIZE, INITIALIZED, InitializeParams
from codex_py.rpc.connection import Connection
from codex_py.rpc.router import Router
from codex_py.server.client_peer import ClientPeer
from codex_py.server.process_table import ProcessTable
from codex_py.server.sessions import SessionRegistry

from .exec_server import exec_server
from .memory import pair

T = TypeVar("T")


class Machine:
    """A file system of one kind, called synchronously; `sandbox` is what every call is given."""

    def __init__(self, runner: asyncio.Runner, files: FileSystem, sandbox: SandboxContext | None) -> None:
        self._runner = runner
        self._files = files
        self._sandbox = sandbox

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._files, name)
        return partial(self._call, method)

    def _call(self, method: Any, *arguments: Any, **options: Any) -> Any:
        return self.wait(method(*arguments, **{"sandbox": self._sandbox, **options}))

    def wait(self, work: Awaitable[T]) -> T:
        return wait(self._runner, work)


class Host:
    """The processes of one machine, called synchronously; whatever a test starts is discarded at its end."""

    def __init__(self, runner: asyncio.Runner, processes: Processes) -> None:
        self._runner = runner
        self._processes = processes
        self._cwd = "/"
        self._started: list[Process] = []

    @contextlib.contextmanager
    def in_folder(self, folder: Path) -> Generator[Host]:
        """Start processes there from now on; end them with the block."""
        self._cwd = str(folder)
        try:
            yield self
        finally:
            started, self._started = self._started, []
            self.wait(_discard(started))

    def start(self, *argv: str, **options: Any) -> Process:
        return self.wait(self.starting(argv, **options))

    def sh(self, script: str, **options: Any) -> Process:
        return self.start("sh", "-c", script, **options)

    async def starting(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, default_env: bool = True, **options: Any
    ) -> Process:
        """Start a process that has PATH, unless told otherwise."""
        variables = {**({"PATH": os.environ["PATH"]} if default_env else {}), **(env or {})}
        process = await self._processes.start(Command(argv=argv, env=variables, **{"cwd": self._cwd, **options}))
        self._started.append(process)
        return process

    def wait(self, work: Awaitable[T]) -> T:
        return wait(self._runner, work)

    def events(self, process: Process, after_seq: int = 0) -> list[Event]:
        """Follow a process to its end."""

        async def follow() -> list[Event]:
            return [event async for event in process.follow(after_seq)]

        return self.wait(follow())

    def wait_for(self, process: Process, kind: type[Event]) -> None:
        """Follow a process until it has an event of this kind."""
        self.wait(_follow_until(process, lambda event: isinstance(event, kind)))

    def wait_for_output(self, process: Process, text: bytes) -> bytes:
        """Follow a process until it has written a text; return all that it has written."""
        written = bytearray()

        def is_there(event: Event) -> bool:
            written.extend(event.data if isinstance(event, Output) else b"")
            return text in written

        self.wait(_follow_until(process, is_there))
        return bytes(written)


async def _follow_until(process: Process, predicate: Callable[[Event], bool]) -> None:
    async with contextlib.aclosing(process.follow()) as events:
        async for event in events:
            if predicate(event):
                return
    raise AssertionError("it closed before that")


async def _discard(processes: list[Process]) -> None:
    await asyncio.gather(*(process.discard() for process in processes))


def wait(runner: asyncio.Runner, work: Awaitable[T]) -> T:
    """Run something to its end, 30 seconds at most."""

    async def limited() -> T:
        async with asyncio.timeout(30):
            return await work

    return runner.run(limited())


def box(*folders: Path) -> SandboxContext:
    """Read everything, write below the folders; a deny entry elsewhere makes reads go through the helper, too."""
    entries = [
        {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
        {"path": {"type": "path", "path": "file:///codex-py-tests-nothing-here"}, "access": "deny"},
        *({"path": {"type": "path", "path": folder.as_uri()}, "access": "write"} for folder in folders),
    ]
    context = {
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": entries},
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
    }
    return wire.decode(wire.encode(context), SandboxContext)


@contextlib.contextmanager
def local(runner: asyncio.Runner) -> Generator[Environment]:
    """This machine, in this process."""
    machine = build_machine(dict(os.environ), "/", build_helpers(dict(os.environ), timeout_s=30))
    try:
        yield machine.environment
    finally:
        machine.close()


class _Quiet:
    strict = False

    def __init__(self) -> None:
        self.router = Router()

    def admit(self, method: object) -> None: ...

    def notified(self, method: str, params: bytes) -> None: ...

    def describe(self) -> str:
        return "memory"


@contextlib.asynccontextmanager
async def _in_memory(machine: Environment) -> AsyncGenerator[Environment]:
    near, far = pair()
    sessions = SessionRegistry(lambda: 0.0, lambda: ProcessTable(machine.processes, lambda: 0.0), lambda _: None)
    client, peer = Connection(near, _Quiet()), ClientPeer(machine, sessions, "memory")
    server = Connection(far, peer)
    peer.speak_by(server.notify)
    tasks = [asyncio.create_task(client.serve()), asyncio.create_task(server.serve())]
    try:
        await client.call(INITIALIZE, InitializeParams(client_name="contract"))
        await client.notify(INITIALIZED, {})
        yield Environment(machine.info, RemoteFileSystem(client), RemoteProcesses(client))
    finally:
        near.end()
        await asyncio.gather(*tasks)
        peer.detach()
        await asyncio.gather(*(session.processes.destroy() for session in sessions.close()))


@contextlib.contextmanager
def in_memory(runner: asyncio.Runner) -> Generator[Environment]:
    """A server and a client of it, joined in memory."""
    with local(runner) as machine, _entered(runner, _in_memory(machine)) as environment:
        yield environment


@contextlib.contextmanager
def over_websocket(runner: asyncio.Runner) -> Generator[Environment]:
    """A server process and a client of it."""
    with exec_server() as server, _entered(runner, connect(server.url)) as environment:
        yield environment


@contextlib.contextmanager
def _entered(runner: asyncio.Runner, context: AbstractAsyncContextManager[T]) -> Generator[T]:
    async def enter() -> T:
        return await context.__aenter__()

    async def leave() -> None:
        await context.__aexit__(None, None, None)

    value = runner.run(enter())
    try:
        yield value
    finally:
        runner.run(leave())


IMPLEMENTATIONS: dict[str, Callable[[asyncio.Runner], AbstractContextManager[Environment]]] = {
    "local": local,
    "in memory": in_memory,
    "over websocket": over_websocket,
}
