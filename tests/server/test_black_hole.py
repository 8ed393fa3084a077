"""A client whose network went without a word: the server has not noticed, and the client wants its session back."""

from __future__ import annotations

import json
import socket
import time

from harness.client import RequestFailed, connect
from harness.exec_server import ExecServer, exec_server

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


def resumed_within(server: ExecServer, session: str, limit_s: float) -> bool:
    """Try to resume as the real client does, again and again while the session is attached elsewhere."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with connect(server.url) as client:
            try:
                return bool(client.handshake(resumeSessionId=session)["sessionId"] == session)
            except RequestFailed as error:
                assert error.code == -32010
    return False


def test_a_session_is_had_back_from_a_connection_that_nobody_is_at_the_end_of() -> None:
    with exec_server() as server:
        link, session = vanishing_client(server)
        with link:
            assert resumed_within(server, session, 15)


def test_a_live_connection_keeps_its_session_whoever_asks_for_it() -> None:
    with exec_server() as server, server.connect() as client:
        session = client.handshake()["sessionId"]
        assert not resumed_within(server, session, 7)
        assert client.request("environment/status") == {"status": "ready"}
