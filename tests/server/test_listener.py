"""The listener in this process: its limits are the reference's, and it pings."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvloop
from websockets.frames import Opcode

from codex_py.client.connect import connect
from codex_py.local import direct, direct_walk
from codex_py.rpc import limits, websocket
from codex_py.server import listener, process_table, sessions
from codex_py.server.listener import Address, Listener

from .fakes import FakeProcesses, machine

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MIB = 1024 * 1024


def test_limits_and_life_times_are_the_references() -> None:
    assert (sessions.SESSION_TTL_S, process_table.RETENTION_S) == (80, 80)
    assert websocket.PING_INTERVAL_S == 30
    assert (websocket.MAX_FRAME_BYTES, websocket.MAX_MESSAGE_BYTES) == (16 * MIB, 64 * MIB)
    assert (limits.MAX_DEPTH, limits.MAX_VALUES) == (127, 262_144)
    assert direct.MAX_READ_BYTES == 512 * MIB
    assert (direct_walk.MAX_DEPTH, direct_walk.MAX_DIRECTORIES, direct_walk.MAX_ENTRIES) == (64, 10_000, 50_000)


def test_it_pings_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PING_INTERVAL_S", 0.05)

    async def scenario() -> int:
        serving = Listener(machine(FakeProcesses()))
        address = await serving.start(Address("127.0.0.1", 0))
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            head = await reader.readexactly(2)
        writer.close()
        await serving.close()
        return head[0] & 0x0F

    with asyncio.Runner() as runner:
        assert runner.run(scenario()) == Opcode.PING


def test_answers_go_out_at_once() -> None:
    """Nagle's algorithm would hold a small answer back until the one before it is acknowledged, up to 40 ms."""

    async def scenario() -> int:
        serving = Listener(machine(FakeProcesses()))
        address = await serving.start(Address("127.0.0.1", 0))
        async with connect(address.url()):
            assert serving._server is not None  # pyright: ignore[reportPrivateUsage]  # its socket shows nowhere else
            (connection,) = serving._server.connections  # pyright: ignore[reportPrivateUsage]
            ours: socket.socket = connection.transport.get_extra_info("socket")
            nodelay = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await serving.close()
        return nodelay

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) != 0
