"""Connecting, and what is said when there is nothing to connect to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from harness.exec_server import exec_server
from websockets.asyncio.server import ServerConnection, serve

from codex_py.client.connect import NoExecServer, connect
from codex_py.protocol.errors import RequestRefused
from codex_py.protocol.sandbox import danger_full_access, workspace_write


async def meet(url: Any, timeout_s: float = 5) -> None:
    async with connect(url, timeout_s=timeout_s):
        raise AssertionError("there was an exec-server")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "", "127.0.0.1:1", None, 42])
def test_what_is_no_url_is_a_value_error_that_says_what_one_is(url: object) -> None:
    with pytest.raises(ValueError, match="expected ws://HOST:PORT"):
        asyncio.run(meet(url))


def test_where_nothing_listens_the_url_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(NoExecServer, match=f"cannot connect to {url}"):
        asyncio.run(meet(url))


def against(handler: Callable[[ServerConnection], Awaitable[None]], timeout_s: float = 5) -> None:
    async def scenario() -> None:
        async with serve(handler, "127.0.0.1", 0) as server:
            await meet(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", timeout_s)

    asyncio.run(scenario())


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    async def silent(websocket: ServerConnection) -> None:
        await websocket.wait_closed()

    with pytest.raises(TimeoutError, match=r"did not answer the handshake within 0\.2 s"):
        against(silent, timeout_s=0.2)


@pytest.mark.parametrize(
    "answer",
    ['{"id":1,"result":{}}', '{"id":1,"error":{"code":-32601,"message":"unknown"}}', "rubbish", '{"id":1,"result":7}'],
)
def test_another_kind_of_server_is_told_apart(answer: str) -> None:
    async def other(websocket: ServerConnection) -> None:
        await websocket.recv()
        await websocket.send(answer)
        await websocket.close()

    with pytest.raises(NoExecServer, match="is no exec-server"):
        against(other)


def test_a_write_larger_than_the_server_takes_is_refused_and_nothing_else_is_lost(tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with connect(url) as machine:
            with pytest.raises(RequestRefused, match=r"a message may have 67108864 bytes at most.*nothing was sent"):
                await machine.filesystem.write_file(tmp_path / "a", bytes(60_000_000))
            assert not (tmp_path / "a").exists()
            await machine.filesystem.write_file(tmp_path / "a", bytes(45_000_000))
            assert (await machine.filesystem.get_metadata(tmp_path / "a")).size == 45_000_000

    with exec_server() as server:
        asyncio.run(scenario(server.url))


def test_a_server_that_dies_ends_the_calls_that_wait_with_a_connection_error(tmp_path: Path) -> None:
    async def scenario(url: str, kill: Callable[[], None]) -> None:
        async with connect(url) as machine:
            await machine.filesystem.write_file(tmp_path / "a", b"x")
            writing = asyncio.create_task(machine.filesystem.write_file(tmp_path / "b", bytes(40_000_000)))
            await asyncio.sleep(0)
            kill()
            with pytest.raises(ConnectionError, match="the connection"):
                await writing
            with pytest.raises(ConnectionError, match="the connection has ended"):
                await machine.filesystem.read_file(tmp_path / "a")

    with exec_server() as server:
        asyncio.run(scenario(server.url, server.process.kill))


def test_presets_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="needs a root"):
        workspace_write([])
    with pytest.raises(ValueError, match="not an absolute path"):
        workspace_write(["relative"])


def test_full_access_needs_no_helper(tmp_path: Path) -> None:
    async def scenario(url: str) -> None:
        async with connect(url) as machine:
            await machine.filesystem.write_file(tmp_path / "a", b"x", sandbox=danger_full_access())

    with exec_server(environment={"PATH": "/nowhere"}) as server:
        asyncio.run(scenario(server.url))
    assert (tmp_path / "a").read_bytes() == b"x"
