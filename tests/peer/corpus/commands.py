"""Short ways to start processes in the corpus."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

from ..cases import SAME, Accept, Await, Call, Differs, Events, Json, Params, ReadAll, Step
from .policies import READ_ROOT, bare, context
from .zoo import ROOT

PATH: Final = "/usr/bin:/bin"
MODES: Final[tuple[tuple[str, Params], ...]] = (("pipes", {}), ("a tty", {"tty": True}))
READ_ONLY_BOX: Final[Params] = bare(context(READ_ROOT)["permissions"])
_NO_MEMBERS: Final[Params] = {}
NO_NAME: Final = Differs(
    "a program needs a name to see as its own",
    (Accept(-32603, "arg0 must not be empty"), Accept(-32600, "unknown process id"), SAME),
)
_ROW_14: Final = "row 14: 128+N after a signal, also under a tty"


def start(
    argv: Sequence[str],
    members: Mapping[str, Json] = _NO_MEMBERS,
    *,
    process: str = "p",
    differs: Differs | None = None,
) -> Call:
    """Members as on the wire; `env` is a PATH alone and `cwd` the case's directory unless given."""
    params: Params = {"processId": process, "argv": [*argv], "cwd": ROOT, "env": {"PATH": PATH}, "tty": False}
    return Call("process/start", {**params, **members}, differs)


def run(
    argv: Sequence[str],
    members: Mapping[str, Json] = _NO_MEMBERS,
    *,
    process: str = "p",
    differs: Differs | None = None,
    separator: str | None = None,
) -> tuple[Step, ...]:
    """Start it and wait for its close; `differs` is about what it tells."""
    return (start(argv, members, process=process), Events(process, differs, separator))


def tried(
    argv: Sequence[str], members: Mapping[str, Json] = _NO_MEMBERS, differs: Differs | None = None
) -> tuple[Step, ...]:
    """Start what may be refused; one that is not there can be read from at once, too."""
    return (start(argv, members, differs=differs), ReadAll(differs=differs))


def sh(script: str, *arguments: str) -> tuple[str, ...]:
    return ("sh", "-c", script, "sh", *arguments)


def write(data: str, write_id: str, process: str = "p", differs: Differs | None = None) -> Call:
    chunk = b64encode(data.encode()).decode()
    return Call("process/write", {"processId": process, "chunk": chunk, "writeId": write_id}, differs)


def read(process: str = "p", **members: Json) -> Call:
    return Call("process/read", {"processId": process, **members})


def interrupt(process: str = "p") -> Call:
    return Call("process/signal", {"processId": process, "signal": "interrupt"})


def terminate(process: str = "p") -> Call:
    return Call("process/terminate", {"processId": process})


def killed(signal: int, members: Mapping[str, Json], *, denied: bool = False) -> Differs | None:
    """What ours says of a process under a tty that died by a signal (row 14); without one, both say the same."""
    if not members.get("tty"):
        return None
    return Differs(_ROW_14, (Accept(but={"exits": [[128 + signal, denied]]}),))


def killed_read(members: Mapping[str, Json]) -> Differs | None:
    """The same of one that was terminated, as reads tell it."""
    return Differs(_ROW_14, (Accept(but={"exitCode": 137}),)) if members.get("tty") else None


def talked(*lines: tuple[str, str]) -> tuple[Step, ...]:
    """Write a line, wait for what it brings, and so on: so every chunk and every number is known."""
    steps: list[Step] = []
    for number, (line, awaited) in enumerate(lines):
        steps += [write(f"{line}\n", f"talk-{number}"), Await(awaited)]
    return tuple(steps)


def flat(parts: Sequence[Sequence[Step]]) -> tuple[Step, ...]:
    return tuple(step for part in parts for step in part)
