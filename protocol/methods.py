"""A method: its name, what it takes, what it answers, and the family its guard texts name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Method(Generic[P, R]):
    """One request a peer may send.

    Args:
        name: As on the wire, `fs/readFile`.
        params: The type of `params`; `NoneType` for methods without any.
        result: The type of `result`.
        family: The word of the guard texts ("client must call initialize before using FAMILY methods").
    """

    name: str
    params: type[P]
    result: type[R]
    family: str


@dataclass(frozen=True, slots=True)
class Notice(Generic[P]):
    """One notification a peer may send; it has no answer."""

    name: str
    params: type[P]
