"""A client whose network went without a word: the server has not noticed, and the client wants its session back."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from harness.client import RequestFailed
from harness.exec_server import ExecServer, exec_server
from websockets.asyncio.client import connect as open_websocket
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from codex_py.rpc.websocket import WebSocketTransport

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(message: object) -> bytes:
    """Write a short masked text frame; a mask of zeros changes nothing."""
    payload = json.dumps(message).encode()
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload))) + b"\0\0\0\0" + payload


def vanishing_client(server: ExecServer) -> tuple[socket.socket, str]:
    """Open a session over a socket that will never say anything again, nor answer a ping; return its id, too."""
    link = socket.create_connection(("127.0.0.1", server.port), timeout=15)
    link.sendall(UPGRADE.encode() + frame({"id": 1, "method": "initialize", "params": {"clientName": "gone"}}))
    received = b""
    while b'"sessionId":"' not in received:
        received += link.recv(65536)
    return link, received.partition(b'"sessionId":"')[2][:36].decode()


def test_a_session_is_had_back_from_a_connection_that_nobody_is_at_the_end_of() -> None:
    with exec_server() as server:
        link, session = vanishing_client(server)
        with link, server.connect() as client:
            with pytest.raises(RequestFailed, match="already attached") as caught:
                client.handshake(resumeSessionId=session)
            assert caught.value.code == -32010
            while link.recv(65536):
                pass  # until the server has cut it
            assert client.handshake(resumeSessionId=session)["sessionId"] == session


def test_a_live_connection_proves_that_it_is_alive_and_is_kept() -> None:
    async def scenario() -> None:
        proved = asyncio.get_running_loop().create_future()

        async def serve_one(websocket: ServerConnection) -> None:
            await WebSocketTransport(websocket).prove_alive(15)
            proved.set_result(websocket.state)
            await websocket.wait_closed()

        async with (
            asyncio.timeout(15),
            serve(serve_one, "127.0.0.1", 0) as server,
            open_websocket(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", proxy=None),
        ):
            assert await proved is State.OPEN

    asyncio.run(scenario())
