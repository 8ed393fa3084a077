"""The HTTP surface: bytes to a TCP connection, the answers read back without trusting a library."""

from __future__ import annotations

import asyncio

from .cases import Json

_COMPARED = ("allow", "content-type", "sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol")
_UPGRADE = ("connection", "upgrade")
_READ_S = 5.0
_BODY_END_S = 0.3


async def exchange(address: tuple[str, int], data: bytes, responses: int) -> list[Json]:
    """Write the bytes; give that many responses, or `closed` in the place of one that never came."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        await writer.drain()
        head_only = data.startswith(b"HEAD ")
        return [await _response(reader, head_only) for _ in range(responses)]
    except ConnectionError:
        return ["closed"]
    finally:
        if not writer.transport.is_closing():
            writer.transport.abort()


async def _response(reader: asyncio.StreamReader, head_only: bool) -> Json:
    try:
        async with asyncio.timeout(_READ_S):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return "closed"
    except TimeoutError:
        return "silent"
    status_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    status = int(status_line.split()[1])
    compared = _COMPARED + (_UPGRADE if status == 101 else ())
    shown: dict[str, Json] = {name: headers[name].lower() for name in compared if name in headers}
    if "sec-websocket-accept" in headers:
        shown["sec-websocket-accept"] = headers["sec-websocket-accept"]
    body = b"" if head_only or status == 101 else await _body(reader, headers)
    if not body:
        shown.pop("content-type", None)
    return {"status": status, "headers": shown, "body": body.decode("latin-1")}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    try:
        async with asyncio.timeout(_READ_S if "content-length" in headers else _BODY_END_S):
            if "content-length" in headers:
                return await reader.readexactly(int(headers["content-length"]))
            return await reader.read()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except (TimeoutError, ConnectionError):
        return b""
