"""Frames: fragments, control frames, and what the WebSocket layer itself must refuse."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ..cases import Case, Drop, Handshake, Ping, Send, Step, Wire

_STATUS = '{"id":7,"method":"environment/status"}'
_KEY = b"\x01\x02\x03\x04"
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes,
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """Build one frame; `length` lies about the payload's length."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    size = len(payload) if length is None else length
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, mask_bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    return head + _KEY + bytes(byte ^ _KEY[index % 4] for index, byte in enumerate(payload))


def cases() -> Iterator[Case]:
    none: Handshake = "none"
    for label, steps in (*_good(), *_bad()):
        for state, said in (("full", ""), (none, ", before initialize")):
            yield Case(f"frames: {label}{said}", steps, handshake="full" if state == "full" else "none")


def _good() -> Iterator[tuple[str, tuple[Step, ...]]]:
    status = _STATUS.encode()
    yield "a ping is answered", (Ping(b""), Ping(b"x"), Ping(b"\xff" * 125), Send(_STATUS))
    yield "an unasked pong is ignored", (Wire(frame(_PONG, b"x")), Send(_STATUS))
    yield "two text fragments", (Send((_STATUS[:9], _STATUS[9:])),)
    yield "two binary fragments", (Send((status[:9], status[9:])),)
    yield "a fragment for every character", (Send(tuple(_STATUS)),)
    yield "empty fragments", (Send(("", _STATUS[:9], "", _STATUS[9:], "")),)
    text = '{"id":7,"method":"é"}'.encode()
    split = text.index(b"\xc3") + 1
    halves = frame(_TEXT, text[:split], final=False) + frame(0, text[split:])
    yield "a character across two fragments", (Wire(halves),)
    between = frame(_TEXT, status[:9], final=False) + frame(_PING, b"p") + frame(_PONG, b"q") + frame(0, status[9:])
    yield "control frames between fragments", (Wire(between),)
    yield "two messages in one write", (Wire(frame(_TEXT, status) + frame(_TEXT, b'{"id":8,"method":"nope"}')),)
    yield "a payload mask of zeros", (Wire(b"\x81" + bytes([0x80 | len(status)]) + b"\0\0\0\0" + status),)
    yield "a length spelled longer than it needs to be", (Wire(_long_form(status)),)
    yield "an empty text frame", (Wire(frame(_TEXT, b"")),)


def _long_form(payload: bytes) -> bytes:
    masked = bytes(byte ^ _KEY[index % 4] for index, byte in enumerate(payload))
    return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + _KEY + masked


def _bad() -> Iterator[tuple[str, tuple[Step, ...]]]:
    status = _STATUS.encode()
    yield "a text frame that is no UTF-8", (Wire(frame(_TEXT, b"\xff\xfe")),)
    yield "a text frame of JSON with a byte that is no UTF-8", (Wire(frame(_TEXT, b'{"id":1,"method":"\xff"}')),)
    yield "a text fragment that is no UTF-8", (Wire(frame(_TEXT, b"\xff", final=False) + frame(0, b"x")),)
    yield "a text that ends inside a character", (Wire(frame(_TEXT, b"\xc3")),)
    yield "an unmasked frame", (Wire(frame(_TEXT, status, masked=False)),)
    yield "an unmasked ping", (Wire(frame(_PING, b"", masked=False)),)
    for reserved in (1, 2, 4, 7):
        yield f"reserved bits {reserved:03b}", (Wire(frame(_TEXT, status, reserved=reserved)),)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"the opcode {opcode}", (Wire(frame(opcode, status)),)
    yield "a stray continuation", (Wire(frame(0, status)),)
    yield "a new message inside a fragmented one", (Wire(frame(_TEXT, b"{", final=False) + frame(_TEXT, status)),)
    yield "a fragmented ping", (Wire(frame(_PING, b"x", final=False)),)
    yield "a ping of 126 bytes", (Wire(frame(_PING, b"x" * 126)),)
    yield "a close frame", (Wire(frame(_CLOSE, b"")),)
    yield "a close frame with a code", (Wire(frame(_CLOSE, struct.pack("!H", 1000) + b"bye")),)
    yield "a close frame of one byte", (Wire(frame(_CLOSE, b"x")),)
    yield "a close frame with a reserved code", (Wire(frame(_CLOSE, struct.pack("!H", 1005))),)
    yield "a close frame that is no UTF-8", (Wire(frame(_CLOSE, struct.pack("!H", 1000) + b"\xff")),)
    yield "a length of more than 2^63", (Wire(frame(_TEXT, b"", length=(1 << 63) + 5)),)
    yield "bytes that are no frame", (Wire(b"GET / HTTP/1.1\r\n\r\n"),)
    yield "the client closes", (Drop(close_frame=True),)
