"""What a case is: a tree to make, steps to send, and what ours may answer differently. Pure data.

Strings anywhere in a case may hold placeholders: `${ROOT}` (the case's fresh directory), `${SLASH_TMP}` (a fresh
directory below /tmp), `${TMPDIR}` (one below the server's TMPDIR) and `${SESSION}` (the last session id received).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Params: TypeAlias = dict[str, Json]


class Absent:
    """The type of `ABSENT`: a request without a `params` member."""


ABSENT: Final = Absent()


# --- the tree -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class File:
    content: bytes = b""
    mode: int = 0o644
    size: int | None = None  # when larger than the content: the rest is a hole


@dataclass(frozen=True, slots=True)
class Dir:
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    target: str


@dataclass(frozen=True, slots=True)
class Special:
    """A FIFO, a socket or a character device; a device needs root, the case is left out without it."""

    kind: Literal["fifo", "socket", "null", "zero"]


Entry: TypeAlias = str | File | Dir | Link | Special  # a bare string is the content of a file
Tree: TypeAlias = Mapping[str, Entry]  # paths are relative to ${ROOT}, or begin with another placeholder


# --- what ours may answer -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accept:
    """A pattern for one answer: the members that are given must match."""

    code: int | None = None
    contains: str = ""
    result: Json | Absent = ABSENT
    holds: str = ""  # what the result holds somewhere, as JSON
    status: int | None = None  # of an HTTP answer
    but: Params | None = None  # the reference's result, but for these members


SAME: Final = Accept(contains="(the reference's answer)")


@dataclass(frozen=True, slots=True)
class Differs:
    """Why ours differs here (a row of DIFFERENCES.md), and the answers that are right for it."""

    why: str
    accept: tuple[Accept, ...] = ()


def refused(errno: int, text: str, code: int = -32603) -> Accept:
    return Accept(code=code, contains=f"{text} (os error {errno})")


READ_ONLY: Final = refused(30, "Read-only file system")
NOT_FOUND: Final = refused(2, "No such file or directory", -32004)
DENIED: Final = refused(13, "Permission denied", -32600)
DONE: Final = Accept(result={})
POSITIONAL: Final = Differs("structs given as arrays need not be taken", (Accept(code=-32602), SAME))


# --- the steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """One request; its answer is awaited. `retry_on` repeats it while that code comes back (at most 2 s)."""

    method: str
    params: Json | Absent = ABSENT
    differs: Differs | None = None
    retry_on: int | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Frames as they are: text, binary, or a list of fragments of either. All answers are collected."""

    data: str | bytes | tuple[str, ...] | tuple[bytes, ...]
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """Bytes written below the frame layer, into an open WebSocket."""

    data: bytes
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Http:
    """Bytes written to a TCP connection of its own; the answer is read as HTTP/1.1."""

    data: bytes
    differs: Differs | None = None
    responses: int = 1


@dataclass(frozen=True, slots=True)
class Ping:
    payload: bytes
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Connect:
    """Open one more connection and make it the current one; the older ones stay open."""

    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the current connection without a close frame, or send one; the connection before it becomes current."""

    close_frame: bool = False
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A request whose answer nobody waits for: drop the connection next."""

    method: str
    params: Params
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """Requests sent without waiting in between; all answers, in the order of the requests."""

    calls: tuple[Call, ...]
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """What the process told up to its close, on the current connection; see `events.summary`."""

    process: str = "p"
    differs: Differs | None = None
    separator: str | None = None  # sort the output, split at this
    first: int = 1  # the number of the first event that this connection is told: later ones after a resume


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a text in the process's output, or with None for its exit; the answer says that it came."""

    text: str | None
    process: str = "p"
    differs: Differs | None = None


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Read from the first chunk on until the process has closed; see `events.summary_of_reads`."""

    process: str = "p"
    max_bytes: int | None = None
    differs: Differs | None = None


Step: TypeAlias = Call | Send | Wire | Http | Ping | Connect | Drop | Post | Together | Events | Await | ReadAll
Handshake: TypeAlias = Literal["full", "initialize", "none"]


@dataclass(frozen=True, slots=True)
class Case:
    """One sentence, a tree, steps in order.

    Args:
        handshake: how far a connection is taken before the first step; `none` also means a connection of its own.
        disk: `same` compares the tree afterwards with the reference's, `kept` wants it as it was set up (ours),
            `any` does not look.
        ours_only: why the reference cannot be asked (it would block or die); every step then has `differs`.
        later: what ours does not do yet; the case is left out unless asked for.
        alone: run by itself: large messages.
    """

    name: str
    steps: tuple[Step, ...]
    setup: Tree = field(default_factory=dict)
    handshake: Handshake = "full"
    disk: Literal["same", "kept", "any"] = "same"
    ours_only: str = ""
    later: str = ""
    alone: bool = False
