"""The implementations of the contracts, each behind the same synchronous front, for the suites in `tests/contract`."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Generator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from codex_py.cli.assemble import build_helpers
from codex_py.client.connect import connect
from codex_py.client.filesystem import RemoteFileSystem
from codex_py.environment.environment import Environment
from codex_py.environment.filesystem import FileSystem
from codex_py.local.environment import describe
from codex_py.local.filesystem import LocalFileSystem
from codex_py.local.threads import BlockingCalls
from codex_py.protocol import wire
from codex_py.protocol.sandbox import SandboxContext
from codex_py.protocol.session import INITIALIZE, INITIALIZED, InitializeParams
from codex_py.rpc.connection import Connection
from codex_py.rpc.router import Router
from codex_py.server.client_peer import ClientPeer
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
        async def limited() -> T:
            async with asyncio.timeout(30):
                return await work

        return self._runner.run(limited())


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
def local(runner: asyncio.Runner) -> Generator[FileSystem]:
    """This machine, in this process."""
    helpers, calls = build_helpers(dict(os.environ), timeout_s=30), BlockingCalls()
    yield LocalFileSystem(helpers, calls)
    helpers.close()
    calls.close()


class _Quiet:
    strict = False

    def __init__(self) -> None:
        self.router = Router()

    def admit(self, method: object) -> None: ...

    def notified(self, method: str, params: bytes) -> None: ...

    def describe(self) -> str:
        return "memory"


@contextlib.asynccontextmanager
async def _in_memory(files: FileSystem) -> AsyncGenerator[FileSystem]:
    near, far = pair()
    environment = Environment(describe(os.environ, "/"), files)
    client = Connection(near, _Quiet())
    server = Connection(far, ClientPeer(environment, SessionRegistry(lambda: 0.0), "memory"))
    tasks = [asyncio.create_task(client.serve()), asyncio.create_task(server.serve())]
    await client.call(INITIALIZE, InitializeParams(client_name="contract"))
    await client.notify(INITIALIZED, {})
    yield RemoteFileSystem(client)
    near.end()
    await asyncio.gather(*tasks)


@contextlib.contextmanager
def in_memory(runner: asyncio.Runner) -> Generator[FileSystem]:
    """A server and a client of it, joined in memory."""
    with local(runner) as files:
        both = _in_memory(files)
        yield runner.run(both.__aenter__())
        runner.run(both.__aexit__(None, None, None))


@contextlib.contextmanager
def over_websocket(runner: asyncio.Runner) -> Generator[FileSystem]:
    """A server process and a client of it."""
    with exec_server() as server:
        connection = connect(server.url)
        environment = runner.run(connection.__aenter__())
        yield environment.filesystem
        runner.run(connection.__aexit__(None, None, None))
