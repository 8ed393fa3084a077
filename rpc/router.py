"""Which handler answers a method, and how the params of one become its argument."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Any, TypeVar

from msgspec import Raw

from ..protocol import wire
from ..protocol.errors import INVALID_PARAMS, METHOD_NOT_FOUND, WireError
from ..protocol.methods import Method

# What a JSON value is, by its first byte; the others begin a number.
_KINDS = {b"{": "map", b"[": "sequence", b'"': "string", b"t": "boolean `true`", b"f": "boolean `false`"}

P = TypeVar("P")
R = TypeVar("R")

Handler = Callable[[P], Awaitable[R]]


class Pool(Enum):
    """What a request runs among; each pool has its own limit, so that none waits behind another.

    Source: exec-server 0.169.0, observed, for ordinary and control.
    Differs: what mostly waits is apart from both, and the limit of the others does not concern it.
    """

    ORDINARY = "ordinary"
    CONTROL = "control"  # must come through whatever else is going on
    WAITING = "waiting"  # long polls, writes to who does not read, starts
    READING = "reading"  # answers that may be large, one after the other: each is held in memory until it is sent


@dataclass(frozen=True, slots=True)
class Route:
    """A method and what answers it.

    Attributes:
        pool: What it runs among; None: it is answered before the next message of the connection is looked at.
        until: What is awaited first, among what waits.
    """

    method: Method[Any, Any]
    handler: Handler[Any, Any]
    pool: Pool | None
    until: Handler[Any, None] | None = None


class Router:
    """The methods that one side of a connection answers."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def add(
        self,
        method: Method[P, R],
        handler: Handler[P, R],
        *,
        pool: Pool | None = Pool.ORDINARY,
        until: Handler[P, None] | None = None,
    ) -> None:
        """Answer `method` with `handler`, which, like `until`, may raise any exception `protocol.errors` knows."""
        self._routes[method.name] = Route(method, handler, pool, until)

    def route(self, name: str) -> Route:
        """Find the route of a method.

        Raises:
            WireError: -32601, nobody answers it.
        """
        try:
            return self._routes[name]
        except KeyError:
            # The reference's words; clients show them.
            raise WireError(METHOD_NOT_FOUND, f"exec-server stub does not implement `{name}` yet") from None


def decode_params(method: Method[P, Any], params: Raw) -> P:
    """Read the params of a request.

    Raises:
        WireError: -32602.
    """
    if method.params is not NoneType:
        return wire.decode(params, method.params)
    # A method without params takes nothing, null or an empty object.
    text = bytes(params).strip(b" \t\r\n")
    if text != b"null" and not (text[:1] == b"{" and text[-1:] == b"}" and not text[1:-1].strip(b" \t\r\n")):
        raise WireError(INVALID_PARAMS, f"invalid type: {_KINDS.get(text[:1], 'number')}, expected unit")
    return None  # type: ignore[return-value]  # P is NoneType here; the checker cannot know
