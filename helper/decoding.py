"""Decode a request: strict JSON, then members checked one by one.

The scanner is the C half of the `json` package, used directly: the package itself imports `re`, which would cost a
third of the helper's start.
"""

from __future__ import annotations

import _json

from ..protocol.path_uri import PathUri, PathUriError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_WHITE_SPACE = " \t\n\r"
_U64_MAX = 2**64 - 1


class Undecodable(ValueError):
    """The request says nothing that could be carried out; its text is one line."""


def decode_object(raw: bytes | bytearray, name: str) -> Members:
    """Read exactly one JSON object.

    Args:
        name: what errors call it.

    Raises:
        Undecodable: it is something else.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Undecodable(f"{name} is not UTF-8: {error.reason} at byte {error.start}") from None
    return Members(_scan(text, name), name)


class Members:
    """The members of an object, asked for by name; those never asked for do not matter."""

    __slots__ = ("_members", "_name")

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise Undecodable(f"invalid type: {_kind(value)} for {name}, expected an object")
        self._members: dict[str, object] = value
        self._name = name

    def members(self, name: str) -> Members:
        """Get a required object."""
        return Members(self._required(name), f"`{name}`")

    def array(self, name: str) -> list[Members]:
        """Get a required array of objects."""
        value = self._required(name)
        if not isinstance(value, list):
            self._refuse(name, value, "an array")
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]
        return [Members(item, f"`{name}[{index}]`") for index, item in enumerate(items)]

    def string(self, name: str) -> str:
        """Get a required string."""
        value = self._required(name)
        if not isinstance(value, str):
            self._refuse(name, value, "a string")
        return value

    def path(self, name: str) -> str:
        """Get a required path URI as a native path.

        Raises:
            ForeignPathError: it is sound, but names no path of this machine.
        """
        text = self.string(name)
        try:
            return PathUri.parse(text).native()
        except PathUriError as error:
            raise Undecodable(f"`{name}`: {error}") from None

    def boolean(self, name: str) -> bool:
        """Get a required boolean."""
        value = self._required(name)
        if not isinstance(value, bool):
            self._refuse(name, value, "a boolean")
        return value

    def option(self, name: str, *, default: bool) -> bool:
        """Get a boolean that may be null or absent."""
        return default if self._members.get(name) is None else self.boolean(name)

    def count(self, name: str) -> int:
        """Get a required integer from 0 to 2**64 - 1."""
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(name, value, "an integer")
        if not 0 <= value <= _U64_MAX:
            raise Undecodable(f"`{name}` of {self._name}: invalid number, expected 0 to {_U64_MAX}")
        return value

    def _required(self, name: str) -> object:
        if name not in self._members:
            raise Undecodable(f"missing field `{name}`")
        return self._members[name]

    def _refuse(self, name: str, value: object, wanted: str) -> NoReturn:
        raise Undecodable(f"`{name}` of {self._name}: invalid type: {_kind(value)}, expected {wanted}")


class _Rules:
    """What the scanner asks of its context."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def object_pairs_hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Undecodable(f"duplicate field {_json.encode_basestring_ascii(twice)}")
        return members

    @staticmethod
    def parse_constant(word: str) -> NoReturn:
        raise Undecodable(f"{word} is not JSON")


_scan_once = _json.make_scanner(_Rules())  # type: ignore[arg-type]  # typeshed takes the context for a scanner


def _scan(text: str, name: str) -> object:
    start = len(text) - len(text.lstrip(_WHITE_SPACE))
    try:
        value, end = _scan_value(text, start)
    except StopIteration as stop:
        where = stop.value
        what = "EOF while parsing a value" if where >= len(text) else "expected a value"
        raise Undecodable(f"{name} is not JSON: {what} at character {where}") from None
    except RecursionError:
        raise Undecodable(f"{name} is nested too deeply") from None
    except Undecodable:
        raise
    except ValueError as error:
        raise Undecodable(f"{name} is not JSON: {error}") from None
    if text[end:].strip(_WHITE_SPACE):
        raise Undecodable(f"trailing characters after {name} at character {end}")
    return value


def _scan_value(text: str, start: int) -> tuple[object, int]:
    try:
        return _scan_once(text, start)
    except SystemError:
        # The scanner takes its error class from json.decoder and, up to Python 3.12, does not import it by itself.
        __import__("json.decoder")
        return _scan_once(text, start)


def _kind(value: object) -> str:
    """Name the JSON type of a value as the original does: never with its contents."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "sequence" if isinstance(value, list) else "map"
