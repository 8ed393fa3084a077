"""What every message type shares: camelCase on the wire, and how a foreign value becomes one of ours.

Decoding a member that is wrong raises `WireError` -32602. The text for a missing member is the reference's,
word for word; the others say which member, what came and what is wanted.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, dataclass_transform

import msgspec
import pybase64

from .base64_text import Base64Error, from_base64
from .errors import INVALID_PARAMS, WireError
from .path_uri import PathUri, PathUriError

T = TypeVar("T")

U64_MAX = 2**64 - 1


class InvalidMember(ValueError):
    """A member decoded and makes no sense; the text goes to the peer word for word, with -32602."""


class Base64(bytes):
    """Bytes that are base64 on the wire, read strictly: a text that is none is told where it goes wrong.

    Members of this type cost a tenth of what `bytes` would (decision 10); what a process says is such a member.
    """


_MISSING = re.compile(r"Object missing required field (`[^`]*`)")
_POINTER = re.compile(r"(?s)(.*) - at `\$(?:\.)?(.*)`$")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Wire(msgspec.Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=False):
    """A message type: snake_case here, camelCase on the wire; unknown members are ignored."""


def require_u64(**numbers: int) -> None:
    """Refuse numbers that an unsigned 64-bit member of the reference could not hold."""
    for name, number in numbers.items():
        if not 0 <= number <= U64_MAX:
            raise InvalidMember(f"`{name}`: invalid number, expected 0 to {U64_MAX}")


def decode(raw: bytes | bytearray | memoryview, kind: type[T]) -> T:
    """Read a JSON text as `kind`.

    Raises:
        WireError: -32602, for anything that is not a `kind`.
    """
    try:
        return msgspec.json.decode(raw, type=kind, dec_hook=_from_json)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(INVALID_PARAMS, _explain(error)) from None


def encode(message: object) -> bytes:
    """Write a message type as compact JSON."""
    return _ENCODER.encode(message)


def _to_json(value: Any) -> Any:
    if isinstance(value, PathUri):
        return str(value)
    if isinstance(value, Base64):
        return msgspec.Raw(b'"' + pybase64.b64encode(value) + b'"')
    raise NotImplementedError(f"no wire form for {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(enc_hook=_to_json)


def _from_json(kind: type, value: Any) -> Any:
    if kind is PathUri:
        if not isinstance(value, str):
            raise PathUriError(f"invalid type: expected a path URI string, got {type(value).__name__}")
        return PathUri.parse(value)
    if kind is Base64:
        if not isinstance(value, str):
            raise InvalidMember(f"invalid type: expected a string of base64, got {type(value).__name__}")
        return _from_base64(value)
    raise NotImplementedError(f"no wire form for {kind.__name__}")


def _from_base64(text: str) -> Base64:
    try:
        # A text that ends in padding may hold bits that no byte has: the other way looks for them.
        if not text.endswith("="):
            return Base64(pybase64.b64decode(text, validate=True))
    except ValueError:
        pass  # the other way says why
    try:
        return Base64(from_base64(text))
    except Base64Error as error:
        raise InvalidMember(str(error)) from None


def _explain(error: Exception) -> str:
    """Word a decoding error; what the reference words in its own way is said in the same words."""
    if isinstance(error.__cause__, PathUriError | InvalidMember):
        return str(error.__cause__)
    text = str(error)
    missing = _MISSING.match(text)
    if missing:
        return f"missing field {missing[1]}"
    pointer = _POINTER.match(text)
    if not pointer or not pointer[2]:
        return pointer[1] if pointer else text
    return f"`{pointer[2]}`: {pointer[1][0].lower()}{pointer[1][1:]}"
