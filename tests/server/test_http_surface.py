"""What HTTP sees: readiness, refusals, and that no web page gets in."""

from __future__ import annotations

import http.client
from collections.abc import Generator

import pytest
from harness.exec_server import ExecServer, exec_server

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def server() -> Generator[ExecServer]:
    with exec_server() as running:
        yield running


def ask(server: ExecServer, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode() if answer.status != 101 else ""
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, UPGRADE])
def test_readyz_says_yes(server: ExecServer, method: str, headers: dict[str, str]) -> None:
    assert ask(server, "/readyz", headers, method) == (200, "")


@pytest.mark.parametrize("path", ["/healthz", "/readyz/", "/x", "/index.html"])
def test_other_paths_are_not_found(server: ExecServer, path: str) -> None:
    assert ask(server, path) == (404, "")
    assert ask(server, path, UPGRADE) == (404, "")


@pytest.mark.parametrize("path", ["/", "/?x=1"])
def test_an_upgrade_is_accepted_whatever_the_query(server: ExecServer, path: str) -> None:
    assert ask(server, path, UPGRADE)[0] == 101


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"Connection": "close"}, 400, "Connection header did not include 'upgrade'"),
        ({"Upgrade": "h2c"}, 400, "`Upgrade` header did not include 'websocket'"),
        ({"Sec-WebSocket-Version": "8"}, 400, "`Sec-WebSocket-Version` header did not include '13'"),
        ({"Sec-WebSocket-Key": ""}, 400, "`Sec-WebSocket-Key` header missing"),
    ],
)
def test_a_bad_upgrade_is_refused_with_the_reason(
    server: ExecServer, change: dict[str, str], status: int, text: str
) -> None:
    headers = {name: value for name, value in {**UPGRADE, **change}.items() if value}
    assert ask(server, "/", headers) == (status, text)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_not_allowed(server: ExecServer, method: str) -> None:
    assert ask(server, "/", UPGRADE, method) == (405, "Request method must be `GET`")
    assert ask(server, "/readyz", {}, method) == (405, "")


@pytest.mark.parametrize("origin", ["", "null", "http://localhost", "https://example.com"])
@pytest.mark.parametrize("path", ["/", "/readyz", "/x"])
def test_nothing_that_has_an_origin_gets_in(server: ExecServer, origin: str, path: str) -> None:
    assert ask(server, path, {**UPGRADE, "Origin": origin}) == (403, "")


def test_no_extension_is_accepted(server: ExecServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/", headers={**UPGRADE, "Sec-WebSocket-Extensions": "permessage-deflate"})
    answer = connection.getresponse()
    connection.close()
    assert answer.status == 101
    assert answer.headers.get("Sec-WebSocket-Extensions") is None
    assert answer.headers.get("Sec-WebSocket-Protocol") is None
