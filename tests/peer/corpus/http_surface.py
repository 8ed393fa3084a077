"""What HTTP requests get: the ready probe, refused upgrades, and everything else."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Case, Http

_HOST = "Host: 127.0.0.1"
_KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_VERSION = "Sec-WebSocket-Version: 13"
_UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", _KEY, _VERSION)
_PATHS = (
    "/", "/readyz", "/healthz", "/readyz/", "/READYZ", "/readyz?x=1", "/?x=1", "/x", "//", "/readyz%20", "/%72eadyz",
    "*", "readyz", "http://h/readyz", "/readyz#x", "/../readyz", "/index.html", "/ws", "/é", "/" + "x" * 5000,
)  # fmt: skip
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "FOO")


def request(method: str, path: str, *headers: str, version: str = "HTTP/1.1", body: str = "") -> Http:
    lines = [f"{method} {path} {version}", _HOST, *headers]
    return Http(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def cases() -> Iterator[Case]:
    for path in _PATHS:
        said = path if len(path) < 100 else "of 5000 characters"
        yield _case(f"GET {said}", request("GET", path))
        yield _case(f"an upgrade on {said}", request("GET", path, *_UPGRADE))
    for method in _METHODS:
        for path in ("/readyz", "/", "/x"):
            if (method, path) != ("GET", path):
                yield _case(f"{method} on {path}", request(method, path))
            yield _case(f"{method} on {path} with an upgrade's headers", request(method, path, *_UPGRADE))
    yield from _upgrades()
    yield from _origins()
    yield from _broken()


def _case(name: str, step: Http) -> Case:
    return Case(f"HTTP: {name}", (step,), handshake="none")


def _upgrades() -> Iterator[Case]:
    changed = {
        "without Connection": ("Upgrade: websocket", _KEY, _VERSION),
        "without Upgrade": ("Connection: Upgrade", _KEY, _VERSION),
        "with another Upgrade": ("Connection: Upgrade", "Upgrade: h2c", _KEY, _VERSION),
        "with Upgrade in capitals": ("Connection: UPGRADE", "Upgrade: WEBSOCKET", _KEY, _VERSION),
        "with a list in Connection": ("Connection: keep-alive, Upgrade", "Upgrade: websocket", _KEY, _VERSION),
        "with a list in Upgrade": ("Connection: Upgrade", "Upgrade: websocket, h2c", _KEY, _VERSION),
        "with another Connection": ("Connection: close", "Upgrade: websocket", _KEY, _VERSION),
        "without a version": ("Connection: Upgrade", "Upgrade: websocket", _KEY),
        "with version 8": ("Connection: Upgrade", "Upgrade: websocket", _KEY, "Sec-WebSocket-Version: 8"),
        "with version x": ("Connection: Upgrade", "Upgrade: websocket", _KEY, "Sec-WebSocket-Version: x"),
        "with versions 13, 8": ("Connection: Upgrade", "Upgrade: websocket", _KEY, "Sec-WebSocket-Version: 13, 8"),
        "without a key": ("Connection: Upgrade", "Upgrade: websocket", _VERSION),
        "without a key or a version": ("Connection: Upgrade", "Upgrade: websocket"),
        "with Connection alone": ("Connection: Upgrade",),
        "with Upgrade alone": ("Upgrade: websocket",),
        "with a subprotocol": (*_UPGRADE, "Sec-WebSocket-Protocol: codex, chat"),
        "with compression": (*_UPGRADE, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        "with an Authorization": (*_UPGRADE, "Authorization: Bearer x"),
        "with names in lower case": tuple(
            header.lower() if not header.startswith("Sec-WebSocket-Key") else header for header in _UPGRADE
        ),
        "with a query": _UPGRADE,
        "with a length of zero": (*_UPGRADE, "Content-Length: 0"),
    }
    for label, headers in changed.items():
        yield _case(f"an upgrade {label}", request("GET", "/?a=b" if "query" in label else "/", *headers))
    another_host = Http(("\r\n".join(["GET / HTTP/1.1", "Host: example.com", *_UPGRADE]) + "\r\n\r\n").encode())
    yield _case("an upgrade for another host", another_host)
    yield _case("an upgrade in HTTP/1.0", request("GET", "/", *_UPGRADE, version="HTTP/1.0"))


def _origins() -> Iterator[Case]:
    for origin in ("http://localhost", "null", "", "https://example.com", "file://"):
        for path in ("/", "/readyz", "/x"):
            yield _case(f"Origin {origin!r} on {path}", request("GET", path, f"Origin: {origin}"))
        yield _case(f"Origin {origin!r} with an upgrade", request("GET", "/", *_UPGRADE, f"Origin: {origin}"))
    yield _case("Origin in lower case", request("GET", "/readyz", "origin: x"))
    yield _case("Origin with POST", request("POST", "/readyz", "Origin: x"))
    yield _case("Sec-WebSocket-Origin is another header", request("GET", "/readyz", "Sec-WebSocket-Origin: x"))


def _broken() -> Iterator[Case]:
    texts = {
        "no HTTP": "hello\r\n\r\n",
        "no version": "GET /readyz\r\n\r\n",
        "a bad version": "GET /readyz HTTP/9.9\r\nHost: x\r\n\r\n",
        "a header without a colon": "GET /readyz HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        "a header name with a space": "GET /readyz HTTP/1.1\r\nHost : x\r\n\r\n",
        "a control character in a header": "GET /readyz HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
        "JSON": '{"id":1,"method":"environment/status"}\r\n\r\n',
        "no host": "GET /readyz HTTP/1.1\r\n\r\n",
        "line feeds alone": "GET /readyz HTTP/1.1\nHost: x\n\n",
        "two lengths": "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "a bad length": "POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    }
    for label, text in texts.items():
        yield _case(f"a request with {label}", Http(text.encode()))
    many = tuple(f"X-{number}: y" for number in range(90))
    yield _case("ninety more headers", request("GET", "/readyz", *many))
    yield _case("a header of 7000 bytes", request("GET", "/readyz", "X: " + "y" * 7000))
    yield _case("a body on POST", request("POST", "/x", "Content-Length: 5", body="hello"))
    yield _case("a body on GET", request("GET", "/readyz", "Content-Length: 5", body="hello"))
    yield _case("the ready probe in HTTP/1.0", request("GET", "/readyz", version="HTTP/1.0"))
    twice = f"GET /readyz HTTP/1.1\r\n{_HOST}\r\n\r\n" * 2
    yield Case("HTTP: two probes on one connection", (Http(twice.encode(), responses=2),), handshake="none")
