"""The envelope: one JSON object a frame, a request, a notification, a result or an error.

It is the Codex dialect of JSON-RPC: no `jsonrpc` member is written, and one that comes is ignored.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ..protocol.errors import WireError
from ..protocol.wire import encode
from .limits import JsonLimitError, check

RequestId = int | str

I64_MIN, I64_MAX = -(2**63), 2**63 - 1
# The id of an answer to a frame whose own id could not be read.
UNREADABLE_ID = -1
NO_PARAMS = Raw(b"null")


class MalformedFrame(ValueError):
    """A frame is no message. The connection can go on; the text says what is wrong."""


class Request(Struct, frozen=True):
    id: RequestId
    method: str
    params: Raw


class Notification(Struct, frozen=True):
    method: str
    params: Raw


class Result(Struct, frozen=True):
    id: RequestId
    result: Raw


class Failure(Struct, frozen=True):
    id: RequestId
    error: WireError


Message = Request | Notification | Result | Failure


class _Trace(Struct):
    traceparent: str | None = None
    tracestate: str | None = None


class _Error(Struct):
    code: int
    message: str


class _Envelope(Struct):
    id: RequestId | UnsetType = UNSET
    method: str | UnsetType = UNSET
    params: Raw = NO_PARAMS
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    trace: Raw = NO_PARAMS


_decoder = msgspec.json.Decoder(_Envelope)


def decode(frame: str | bytes) -> Message:
    """Read one frame.

    Raises:
        MalformedFrame: it is no JSON, beyond a limit, or no message.
    """
    try:
        text = frame.encode() if isinstance(frame, str) else frame
        if not isinstance(frame, str):
            text.decode()  # members that nobody reads must be UTF-8 as well
        check(text)
        envelope = _decoder.decode(text)
        return _classify(envelope)
    except MalformedFrame:
        raise
    except RecursionError:
        raise MalformedFrame("recursion limit exceeded") from None
    except (JsonLimitError, msgspec.DecodeError, UnicodeError) as error:
        raise MalformedFrame(str(error)) from None


def _classify(envelope: _Envelope) -> Message:
    identifier = envelope.id
    if isinstance(identifier, int) and not I64_MIN <= identifier <= I64_MAX:
        raise MalformedFrame(f"`id` must be a string or a signed 64-bit integer, got {identifier}")
    if not isinstance(envelope.method, UnsetType):
        if isinstance(identifier, UnsetType):
            return Notification(envelope.method, envelope.params)
        msgspec.json.decode(envelope.trace, type=_Trace | None)
        return Request(identifier, envelope.method, envelope.params)
    if not isinstance(envelope.result, UnsetType):
        return Result(_required(identifier), envelope.result)
    if isinstance(envelope.error, UnsetType):
        raise MalformedFrame("missing field `error`")
    error = msgspec.json.decode(envelope.error, type=_Error)
    return Failure(_required(identifier), WireError(error.code, error.message))


def _required(identifier: RequestId | UnsetType) -> RequestId:
    if isinstance(identifier, UnsetType):
        raise MalformedFrame("missing field `id`")
    return identifier


def request(identifier: RequestId, method: str, params: object) -> bytes:
    return encode({"id": identifier, "method": method, "params": params})


def notification(method: str, params: object) -> bytes:
    return encode({"method": method, "params": params})


def result(identifier: RequestId, value: object) -> bytes:
    return encode({"id": identifier, "result": value})


def failure(identifier: RequestId, error: WireError) -> bytes:
    return encode({"error": {"code": error.code, "message": error.message}, "id": identifier})
