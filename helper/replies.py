"""Write the one reply of a helper: a line of ASCII JSON.

{"status":"ok","payload":{"operation":"fs/remove","response":{}}}
{"status":"error","payload":{"code":-32004,"message":"No such file or directory (os error 2)"}}
"""

from __future__ import annotations

import _json
import binascii
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.errors import WireError

_CHUNK_BYTES = 3 * 1024 * 1024  # a multiple of three: base64 chunks then join without padding between them


def _unknown(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encode = _json.make_encoder(None, _unknown, _json.encode_basestring_ascii, None, ":", ",", False, False, False)


def ok(operation: str, response: dict[str, object]) -> Iterator[bytes]:
    """Give the reply of an operation that was carried out, in pieces that are cheap to hold.

    A member whose value is bytes becomes base64, chunk by chunk, so that a file of 512 MiB is held only once.
    """
    for name, value in response.items():
        if isinstance(value, bytes):
            yield from _ok_with_bytes(operation, name, value)
            return
    yield _line({"status": "ok", "payload": {"operation": operation, "response": response}})


def error(failure: WireError) -> Iterator[bytes]:
    """Give the reply of an operation that failed."""
    yield _line({"status": "error", "payload": {"code": failure.code, "message": failure.message}})


def write(descriptor: int, pieces: Iterator[bytes]) -> None:
    """Write all pieces.

    Raises:
        OSError: nobody reads any more.
    """
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _ok_with_bytes(operation: str, name: str, value: bytes) -> Iterator[bytes]:
    head, _, tail = _line({"status": "ok", "payload": {"operation": operation, "response": {name: ""}}}).rpartition(
        b'"'
    )
    data = memoryview(value)
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = binascii.b2a_base64(data[start : start + _CHUNK_BYTES], newline=False)
        if start + _CHUNK_BYTES >= len(data):
            chunk += b'"' + tail
        yield head + chunk
        head = b""
    if not data:
        yield head + b'"' + tail


def _line(value: object) -> bytes:
    return "".join(_encode(value, 0)).encode("ascii") + b"\n"
