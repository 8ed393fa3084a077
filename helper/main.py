"""Run the helper: read one request to the end of stdin, carry it out, write one reply to stdout.

stdout belongs to the protocol. An operation that fails is a reply like any other, and the exit code is 0; when there
is nothing sensible to reply (the request cannot be decoded, nobody reads), stderr says so in one line and it is 1.

Everything is imported before stdin is read: a helper that waits for its request is warm.

Source: codex exec-server 0.169.0, `codex --codex-run-as-fs-helper`, observed.
Differs: `--guard` (see `guarding`) refuses names that the original covers with mounted stubs.
"""

from __future__ import annotations

import os

from ..protocol.errors import lossy, to_wire
from . import guarding, operations, replies
from .decoding import Undecodable, decode_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK_BYTES = 1024 * 1024


def main(arguments: list[str]) -> int:
    """Run one helper and give its exit code.

    Args:
        arguments: what follows `fs-helper` on the command line.
    """
    try:
        roots = guarding.from_arguments(arguments)
        if roots is not None:
            roots.check()
        request = _read_all(_STDIN)
        replies.write(_STDOUT, _answer(request, roots))
    except (Undecodable, guarding.Broken) as reason:
        return _fail(str(reason))
    except OSError as error:
        return _fail(f"cannot read the request or write the reply: {error.strerror}")
    except Exception as error:  # noqa: BLE001 - one line tells the parent more than a traceback
        return _fail(to_wire(error).message)
    return 0


def _answer(request: bytearray, roots: guarding.GuardedRoots | None) -> Iterator[bytes]:
    members = decode_object(request, "the request")
    request.clear()  # it may be hundreds of megabytes, and the text in `members` is all that is needed
    operation = members.string("operation")
    carry_out = operations.find(operation)
    params = members.members("params")
    if roots is not None:
        roots.check()  # again: a warm helper may have waited long for its request
    try:
        response = carry_out(params, None if roots is None else roots.guard)
    except Undecodable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the peer is told, in words of the wire
        return replies.error(to_wire(error))
    return replies.ok(operation, response)


def _read_all(descriptor: int) -> bytearray:
    request = bytearray()
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        request += chunk
    return request


def _fail(reason: str) -> int:
    line = " ".join(lossy(reason).split("\n"))
    try:
        os.write(_STDERR, f"fs sandbox helper failed: {line}\n".encode())
    except OSError:
        return 1  # nobody to tell either; the exit code still does
    return 1
