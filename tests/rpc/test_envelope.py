"""Frames become messages, or one clear complaint."""

from __future__ import annotations

import json

import pytest

from codex_py.protocol.errors import WireError
from codex_py.rpc import envelope


@pytest.mark.parametrize("identifier", [0, -1, 5, 2**63 - 1, -(2**63), "", "abc", "ü"])
def test_an_id_is_a_string_or_a_64_bit_integer(identifier: int | str) -> None:
    message = envelope.decode(json.dumps({"id": identifier, "method": "m"}))
    assert isinstance(message, envelope.Request)
    assert message.id == identifier


@pytest.mark.parametrize("identifier", ["null", "true", "5.0", "1e2", "{}", "[]", str(2**63), str(-(2**63) - 1)])
def test_any_other_id_is_malformed(identifier: str) -> None:
    with pytest.raises(envelope.MalformedFrame, match="id"):
        envelope.decode(f'{{"id":{identifier},"method":"m"}}')


def test_a_method_with_an_id_is_a_request_whatever_else_is_there() -> None:
    message = envelope.decode('{"jsonrpc":5,"id":1,"method":"m","result":1,"error":2,"more":[]}')
    assert isinstance(message, envelope.Request)
    assert bytes(message.params) == b"null"


def test_a_method_without_an_id_is_a_notification() -> None:
    message = envelope.decode('{"method":"m","params":[1, 2],"trace":5}')
    assert isinstance(message, envelope.Notification)
    assert bytes(message.params) == b"[1, 2]"


def test_a_result_with_an_id_is_an_answer() -> None:
    message = envelope.decode('{"id":1,"result":null}')
    assert isinstance(message, envelope.Result)
    assert bytes(message.result) == b"null"


def test_an_error_with_an_id_is_a_failure() -> None:
    message = envelope.decode('{"id":"x","error":{"code":-32004,"message":"gone","data":{}}}')
    assert isinstance(message, envelope.Failure)
    assert (message.error.code, message.error.message) == (-32004, "gone")


@pytest.mark.parametrize("frame", [b'{"id":1,"method":"m"}', b' \r\n\t{"id":1,"method":"m"}\n'])
def test_binary_frames_and_white_space_around_are_fine(frame: bytes) -> None:
    assert isinstance(envelope.decode(frame), envelope.Request)


@pytest.mark.parametrize("trace", ["null", "{}", '{"traceparent":"a","tracestate":"b"}'])
def test_a_trace_may_be_there(trace: str) -> None:
    assert isinstance(envelope.decode(f'{{"id":1,"method":"m","trace":{trace}}}'), envelope.Request)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("{bad", "keys must be strings"),
        ("[]", "object"),
        ("5", "object"),
        ("null", "object"),
        ("{}", "missing field `error`"),
        ('{"id":1}', "missing field `error`"),
        ('{"id":5,"params":{}}', "missing field `error`"),
        ('{"result":1}', "missing field `id`"),
        ('{"error":{"code":1,"message":"x"}}', "missing field `id`"),
        ('{"id":5,"error":5}', "object"),
        ('{"id":5,"error":{"code":1}}', "message"),
        ('{"id":5,"error":{"code":"x","message":"y"}}', "code"),
        ('{"id":1,"method":5}', "method"),
        ('{"id":1,"method":null}', "method"),
        ('{"id":1,"method":"m","trace":5}', "object"),
        ('{"id":1,"method":"m","trace":{"traceparent":5}}', "traceparent"),
        ('{"id":1,"method":"m","params":{"a":1,"a":2}}', "duplicate JSON object key `a`"),
        ('{"id":1,"method":"m"} x', "trailing characters"),
        ('{"id":1,"method":"m",}', "trailing comma"),
        ('{"id":NaN,"method":"m"}', "invalid character"),
        ('{"id":01,"method":"m"}', "invalid number"),
        ('{"id":"\\ud800","method":"m"}', "surrogate"),
        ("\ufeff{}", "invalid character"),
        ("\ud800", "surrogates"),
        (b'{"id":1,"method":"m","params":"\xff"}', "utf-8"),
        ('{"id":1,"method":"m","params":' + "[" * 127 + "]" * 127 + "}", "recursion limit"),
        ('{"id":1,"method":"m","params":' + "[" * 100_000, "recursion limit"),
    ],
)
def test_a_frame_that_is_no_message_says_why(frame: str | bytes, complaint: str) -> None:
    with pytest.raises(envelope.MalformedFrame, match=complaint):
        envelope.decode(frame)


def test_126_arrays_in_params_are_not_too_deep() -> None:
    envelope.decode('{"id":1,"method":"m","params":' + "[" * 126 + "]" * 126 + "}")


def test_messages_are_written_compactly_in_the_references_order() -> None:
    assert envelope.result(1, {"a": "b"}) == b'{"id":1,"result":{"a":"b"}}'
    assert envelope.failure("x", WireError(-32600, "no")) == b'{"error":{"code":-32600,"message":"no"},"id":"x"}'
    assert envelope.request(2, "m", None) == b'{"id":2,"method":"m","params":null}'
    assert envelope.notification("m", {}) == b'{"method":"m","params":{}}'
