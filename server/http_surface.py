"""What is answered before there is a WebSocket: `/readyz`, and who may connect at all.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

READY_PATH = "/readyz"


def answer(connection: ServerConnection, request: Request) -> Response | None:  # noqa: ARG001 - the library's signature
    """Answer a request that does not become a WebSocket; None lets the upgrade go on."""
    # Only browsers send Origin; a page from anywhere must not reach a server on this machine.
    if "Origin" in request.headers:
        return _response(HTTPStatus.FORBIDDEN)
    path = _path(request.path)
    if path == READY_PATH:
        if request.method in ("GET", "HEAD"):
            return _response(HTTPStatus.OK)
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, allow="GET,HEAD")
    if path != "/":
        return _response(HTTPStatus.NOT_FOUND)
    return _refuse_upgrade(request)


def _path(target: str) -> str:
    """Take the path out of a request's target, which may be a whole URL or carry a query."""
    if target.startswith("http://"):
        target = "/" + target.removeprefix("http://").partition("/")[2]
    return target.partition("#")[0].partition("?")[0]


def _refuse_upgrade(request: Request) -> Response | None:
    headers = request.headers
    if request.method != "GET":
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, "Request method must be `GET`")
    if not _has_token(headers, "Connection", "upgrade"):
        return _response(HTTPStatus.BAD_REQUEST, "Connection header did not include 'upgrade'")
    if [value.lower() for value in headers.get_all("Upgrade")] != ["websocket"]:
        return _response(HTTPStatus.BAD_REQUEST, "`Upgrade` header did not include 'websocket'")
    if "Sec-WebSocket-Key" not in headers:
        return _response(HTTPStatus.BAD_REQUEST, "`Sec-WebSocket-Key` header missing")
    if headers.get_all("Sec-WebSocket-Version") != ["13"]:
        return _response(HTTPStatus.BAD_REQUEST, "`Sec-WebSocket-Version` header did not include '13'")
    return None


def _has_token(headers: Headers, name: str, token: str) -> bool:
    tokens = ",".join(headers.get_all(name)).split(",")
    return any(candidate.strip().lower() == token for candidate in tokens)


def _response(status: HTTPStatus, text: str = "", *, allow: str | None = None) -> Response:
    body = text.encode()
    headers = Headers({"content-length": str(len(body))})
    if text:
        headers["content-type"] = "text/plain; charset=utf-8"
    if allow is not None:
        headers["allow"] = allow
    headers["connection"] = "close"
    return Response(status.value, status.phrase, headers, body)
