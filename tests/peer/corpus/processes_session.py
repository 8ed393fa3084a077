"""Processes across connections: what a resumed session knows, what it is told, and what the guards say before."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import (
    Await,
    Call,
    Case,
    Connect,
    Drop,
    Events,
    Handshake,
    Params,
    Post,
    ReadAll,
    Send,
    Step,
)  # fmt: skip
from .commands import MODES, interrupt, killed_read, read, run, sh, start, talked, terminate, write

_STDIN: Params = {"pipeStdin": True}
_INITIALIZED = Send('{"method":"initialized"}')
_RESUME = Call("initialize", {"clientName": "peer", "resumeSessionId": "${SESSION}"}, retry_on=-32010)
_NEW = Call("initialize", {"clientName": "peer"})
_BACK: tuple[Step, ...] = (Drop(), Connect(), _RESUME, _INITIALIZED)
_ECHO = sh("echo one; read x; echo two; read x; echo three; exit 4")
_BEGUN: tuple[Step, ...] = (start(_ECHO, _STDIN), Await("one"))
_OWN: Handshake = "initialize"
_STATES: tuple[tuple[Handshake, str], ...] = (("none", "before initialize"), ("initialize", "before initialized"))


def cases() -> Iterator[Case]:
    yield from _resumed()
    yield from _meanwhile()
    yield from _sessions()
    yield from _guards()


def _case(name: str, *steps: Step) -> Case:
    """A session that is resumed is looked up by its id: the case says `initialized` itself."""
    return Case(name, (_INITIALIZED, *steps), handshake=_OWN)


def _resumed() -> Iterator[Case]:
    on = (*talked(("", "two")), write("\n", "w2"), Events(first=2))
    yield _case("resumed: a process goes on", *_BEGUN, *_BACK, read(), *on, ReadAll())
    yield _case("resumed: twice", *_BEGUN, *_BACK, *_BACK, *on, ReadAll())
    closing: tuple[Step, ...] = (Drop(close_frame=True), *_BACK[1:])
    yield _case("resumed: after a close frame", *_BEGUN, *closing, *on)
    violated: tuple[Step, ...] = (Send('{"method":"nope"}'), *_BACK[1:])
    yield _case("resumed: after a violation", *_BEGUN, *violated, *on)
    yield _case("resumed: a closed process", *run(("echo", "x")), *_BACK, ReadAll(), start(("true",)), terminate())
    written = (write("\n", "w1"), Await("two"), *_BACK, write("\n", "w1"), write("", "w1"), write("\n", "w2"))
    yield _case("resumed: the ids of writes are known", *_BEGUN, *written, Events(first=3), write("x", "w3"))
    yield _case("resumed: terminate", *_BEGUN, *_BACK, terminate(), Events(first=2), write("x", "w3"))
    yield _case("resumed: an interrupt", *_BEGUN, *_BACK, interrupt(), Events(first=2))
    taken = (*_BEGUN, *_BACK, start(("true",)), start(("nope",)), start(()), *on)
    yield _case("resumed: its id is taken", *taken)
    typed = (start(sh("stty -echo; echo one; read x; echo two; read x; exit 4"), {"tty": True}), Await("one"))
    keys = (write("\n", "w1"), Await("two"), write("\n", "w2"), Await(None), ReadAll())
    yield _case("resumed: a tty", *typed, *_BACK, *keys)
    waiting = (Post("process/read", {"processId": "p", "afterSeq": 1, "waitMs": 60_000}), *_BACK, *on)
    yield _case("resumed: a read was waiting", *_BEGUN, *waiting)
    early = (Drop(), Connect(), _RESUME, read(), write("\n", "w1"), terminate(), interrupt(), start(("true",)))
    yield _case("resumed: not yet initialized", *_BEGUN, *early, _INITIALIZED, *on)


def _meanwhile() -> Iterator[Case]:
    """What happens while nobody listens is retained, and not told again."""
    for mode, members in MODES:
        quiet = sh("stty -echo 2>/dev/null; echo one; read x; seq 5000; exit 4")
        begun = (start(quiet, {**members, **_STDIN}), Await("one"))
        left = (write("\n", "w1"), *_BACK, ReadAll(), ReadAll(max_bytes=0))
        yield _case(f"detached, {mode}: output goes on", *begun, *left)
        last = (start(sh("echo one; sleep 30"), members), Await("one"), terminate(), *_BACK)
        yield _case(f"detached, {mode}: terminate is the last word", *last, ReadAll(differs=killed_read(members)))


def _sessions() -> Iterator[Case]:
    other: tuple[Step, ...] = (Connect(), _NEW, _INITIALIZED)
    mine = start(("cat",), _STDIN)
    strange = (read(), write("x", "1"), terminate(), interrupt(), *run(("echo", "other")), ReadAll(), terminate())
    back = (Drop(), write("mine\n", "1"), Await("mine"), terminate(), Events())
    yield _case("two sessions: one id", mine, *other, *strange, *back)
    beside = (mine, *other, *_BEGUN, *_BACK, read(), *talked(("", "two")))
    yield _case("two sessions: the second is resumed beside the first", *beside)


def _guards() -> Iterator[Case]:
    foreign: Params = {"cwd": "file:///C:/x"}
    calls = (
        start(("true",)), start(()), start(("nope",)), start(("true",), foreign), start(("true",), {"cwd": "/tmp"}),
        read(), read("nope"), write("x", "1"), write("x", ""), interrupt(), terminate(), Call("process/start", {}),
        Call("process/read", {"processId": 5}), Call("process/signal", {"processId": "p", "signal": "kill"}),
        Call("process/resize", {"processId": "p"}), Call("process/kill", {}), Call("process/list"),
        Call("process/exited", {}),
    )  # fmt: skip
    for state, said in _STATES:
        for number, call in enumerate(calls):
            yield Case(f"{call.method} {said}, {number}", (call, call), handshake=state)
