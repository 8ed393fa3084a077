"""Reading with every cursor, in every state, and waiting for what comes."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Await, Call, Case, Events, Params, Special, Step, Tree
from .commands import read, run, sh, start, talked, terminate, write

_STDIN: Params = {"pipeStdin": True}
_SPEAKER = sh("read x; echo aaaa; read x; echo bbbb >&2; read x; printf cc; read x; exit 7")
_SPOKEN: tuple[Step, ...] = (start(_SPEAKER, _STDIN), *talked(("1", "aaaa\n"), ("2", "bbbb\n"), ("3", "cc")))
_HOLDER = sh("read x; echo aaaa; read x; (read x <fifo; echo late) & exit 7")
_HELD: tuple[Step, ...] = (start(_HOLDER, _STDIN), *talked(("1", "aaaa\n")), write("2\n", "2"), Await(None))
_RELEASE = run(sh("echo >fifo"), process="release")
_HUGE = 2**64 - 1
_TREE: Tree = {"fifo": Special("fifo")}


def cases() -> Iterator[Case]:
    yield from _reads()
    yield from _waits()
    yield from _waits_for_what_comes()


def _cursors() -> Iterator[Call]:
    for after in (None, 0, 1, 2, 3, 4, 5, 6, 99, 2**63, _HUGE):
        yield read(afterSeq=after)
        for most in (0, 1, 4, 5, 6, 9, 10, 11, 12, 13, _HUGE):
            yield read(afterSeq=after, maxBytes=most)


def _reads() -> Iterator[Case]:
    cursors: tuple[Step, ...] = tuple(_cursors())
    ended: tuple[Step, ...] = (write("4\n", "4"), Events())
    yield Case("read: every cursor while it runs", (*_SPOKEN, *cursors))
    yield Case("read: every cursor after the close", (*_SPOKEN, *ended, *cursors))
    yield Case("read: every cursor after the exit", (*_HELD, *cursors, *_RELEASE, Events(), *cursors), _TREE)
    yield Case("read: every cursor of one that was killed", (*_SPOKEN, terminate(), Events(), *cursors))
    nothing = (start(("sleep", "30")), *cursors[:24], terminate(), Events(), *cursors[:24])
    yield Case("read: every cursor of one that says nothing", nothing)
    unknown = (read("nope"), read(""), read("nope", waitMs=5000), terminate("nope"), start(("nope",)), read())
    yield Case("read: a process that is not there", unknown)


def _waits() -> Iterator[Case]:
    """There is something to give at once: a server that waits is silent for too long."""
    output = (read(waitMs=60_000), read(afterSeq=2, waitMs=60_000), read(afterSeq=1, maxBytes=0, waitMs=_HUGE))
    yield Case("read: a wait with output to give", (*_SPOKEN, *output))
    closed = tuple(read(afterSeq=after, waitMs=60_000) for after in (3, 4, 5, 6, 99, _HUGE))
    yield Case("read: a wait after the close", (*_SPOKEN, write("4\n", "4"), Events(), *closed))
    news = (read(afterSeq=1, waitMs=60_000), read(afterSeq=1, waitMs=60_000, maxBytes=0))
    over = tuple(read(afterSeq=after, waitMs=wait) for after in (2, 3, 99) for wait in (0, 1, 20))
    yield Case("read: a wait after the exit", (*_HELD, *news, *over, *_RELEASE, Events()), _TREE)
    quiet = (start(("sleep", "30")), *(read(waitMs=wait) for wait in (None, 0, 1, 30)))
    yield Case("read: a wait that nothing ends", (*quiet, terminate(), Events()))


def _waits_for_what_comes() -> Iterator[Case]:
    """Here a server that does not wait does not see it."""
    for label, script, after in (
        ("output", "sleep 0.1; echo later; read x <fifo", 0),
        ("the exit", "(read x <fifo) & sleep 0.1; exit 5", 0),
        ("late output", "(sleep 0.2; echo late; read x <fifo) & exit 3", 1),
    ):
        begun = (start(sh(script)), *((Await(None),) if after else ()))
        steps = (*begun, read(afterSeq=after, waitMs=7000), *_RELEASE, Events())
        yield Case(f"read: a wait that {label} ends", steps, _TREE)
    closing = (start(sh("sleep 0.2 & exit 3")), Await(None), read(afterSeq=1, waitMs=7000), Events())
    yield Case("read: a wait that the close ends", closing)
