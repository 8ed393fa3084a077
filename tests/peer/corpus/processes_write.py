"""Writing to a process: in order, once for every id, in every state; interrupts and terminate."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Await, Call, Case, Events, Json, Params, ReadAll, Special, Step, Together, Tree
from .commands import MODES, interrupt, killed, read, run, sh, start, talked, terminate, write

_STDIN: Params = {"pipeStdin": True}
_RELEASE = run(sh("echo >fifo"), process="release")
_TREE: Tree = {"fifo": Special("fifo")}
_LOOP = "while :; do sleep 0.02; done"
_NEW = (write("x", "new"), write("x", "new"), write("", ""), write("x", "0"))


def cases() -> Iterator[Case]:
    yield from _lines()
    yield from _amounts()
    yield from _keys()
    yield from _states()
    yield from _signals()
    yield from _terminations()


def _lines() -> Iterator[Case]:
    for mode, members in MODES:
        ready = start(sh("stty -echo 2>/dev/null; echo ready; exec head -n 5"), {**members, **_STDIN})
        lines = [write(f"line {number}\n", str(number)) for number in range(5)]
        yield Case(f"write, {mode}: one after the other", (ready, Await("ready"), *lines, Events()))
        yield Case(f"write, {mode}: together", (ready, Await("ready"), Together(tuple(lines)), Events()))
        twice = [step for line in lines for step in (line, line, lines[0])]
        yield Case(f"write, {mode}: every id twice", (ready, Await("ready"), *twice, Events(), *lines, *_NEW))
        empty = [write("", "e1"), *lines[:2], write("", "e2"), write("x\n", "e2"), *lines[2:]]
        yield Case(f"write, {mode}: empty chunks", (ready, Await("ready"), *empty, Events()))
    binary = (start(sh("head -c 6 | od -An -tx1"), _STDIN), _chunk("AAH//gqA"), Events())
    yield Case("write: bytes that are no UTF-8", binary)


def _amounts() -> Iterator[Case]:
    many = start(sh("head -c 400000 | sha256sum"), _STDIN)
    chunks = tuple(write(chr(97 + number % 26) * 1000, str(number)) for number in range(400))
    yield Case("write: 400 chunks together, in order", (many, Together(chunks), Events()))
    big = start(sh("head -c 3000000 | sha256sum"), _STDIN)
    yield Case("write: a chunk of 3 MB", (big, write("0123456789" * 300_000, "1"), Events()))
    slow = start(sh("read x <fifo; head -c 100000 | sha256sum; exit 3"), _STDIN)
    queued = tuple(write("x" * 1000, str(number)) for number in range(100))
    yield Case("write: to one that does not read yet", (slow, Together(queued), *_RELEASE, Events()), _TREE)
    numbered = [write(f"{number}\n", str(number)) for number in range(4097)]
    groups = [Together(tuple(numbered[first : first + 100])) for first in range(0, len(numbered), 100)]
    again = [write(f"again {number}\n", str(number)) for number in (1, 4096, 0, 2, 1, 3, 4)]
    counted = start(sh("head -n 4097 | sha256sum; cat"), _STDIN)
    shown = (Await("again 1\n"), write("end\n", "end"), Await("end\n"), terminate(), ReadAll())
    yield Case("write: 4096 ids are remembered", (counted, *groups, *again, *shown), alone=True)
    deaf = start(sh("exec <&-; echo ready; read x <fifo; exit 3"), _STDIN)
    chunks = tuple(write("x" * 10_000, str(number)) for number in range(20))
    yield Case("write: to one that closed its stdin", (deaf, Await("ready"), *chunks, *_RELEASE, Events()), _TREE)


def _keys() -> Iterator[Case]:
    terminal: Params = {"tty": True}
    cooked = start(sh("stty -echo; echo ready; cat; echo $?; exit 4"), terminal)
    for label, key, signal in (("end of file", "\x04", 0), ("^C", "\x03", 2), ("^\\", "\x1c", 3)):
        died = killed(signal, terminal) if signal else None
        yield Case(f"write, a tty: {label} is typed", (cooked, Await("ready"), write(key, "1"), Events(differs=died)))
    caught = start(sh(f"trap 'echo got it; exit 5' INT; stty -echo; echo ready; {_LOOP}"), terminal)
    yield Case("write, a tty: ^C is caught", (caught, Await("ready"), write("\x03", "1"), Events()))
    edited = (cooked, Await("ready"), write("ab\x7fc\x15de\x16\x03\n", "1"), write("\x04", "2"), Events())
    yield Case("write, a tty: a line is edited", edited)
    echoed = (start(("cat",), terminal), write("typed\n", "1"), Await("typed\r\ntyped\r\n"), write("\x04", "2"))
    yield Case("write, a tty: what is typed is echoed", (*echoed, Events()))
    raw = start(sh("stty raw -echo; echo ready; head -c 6 | od -An -tx1"), terminal)
    yield Case("write, a tty: raw bytes", (raw, Await("ready"), _chunk("AwQN//4K"), Events()))


def _chunk(chunk: Json, write_id: Json = "1") -> Call:
    return Call("process/write", {"processId": "p", "chunk": chunk, "writeId": write_id})


def _asked() -> tuple[Step, ...]:
    odd = (_chunk("*"), _chunk("*", ""), _chunk("", ""), _chunk("eA"), _chunk("eA==", "é\0"))
    return (*_NEW, *odd, _chunk("eA==", "x" * 5000), _chunk("", "empty"))


def _states() -> Iterator[Case]:
    asked = _asked()
    yield Case("write: a process that is not there", asked)
    for mode, members in MODES:
        for label, more in (("with stdin", _STDIN), ("without stdin", {})):
            params = {**members, **more}
            sleeping = start(("sleep", "30"), params)
            yield Case(f"write, {mode} {label}: while it runs", (sleeping, *asked, terminate()))
            yield Case(f"write, {mode} {label}: after its exit", (*run(("true",), params), *asked))
            ended = (sleeping, write("x", "0"), terminate())
            yield Case(f"write, {mode} {label}: after terminate", (*ended, *asked, Await(None), terminate(), *asked))
    holder = (start(sh("(read x <fifo) & exit 7"), _STDIN), Await(None), terminate())
    yield Case("write: after terminate that came too late", (*holder, *asked, *_RELEASE, Events(), *asked), _TREE)


def _signals() -> Iterator[Case]:
    for mode, members in MODES:
        for label, script, dies in (
            ("it dies of it", "echo ready; exec sleep 30", True),
            ("it catches it", f"trap 'echo got it; exit 5' INT; echo ready; {_LOOP}", False),
            ("it catches it, and dies", f"trap 'trap - INT; kill -INT $$' INT; echo ready; {_LOOP}", True),
            ("its child catches it", f"trap : INT; sh -c \"trap 'exit 4' INT; echo ready; {_LOOP}\"; echo $?", False),
        ):
            steps = (start(sh(script), members), Await("ready"), interrupt())
            told = Events(differs=killed(2, members) if dies else None)
            yield Case(f"signal, {mode}: {label}", (*steps, told, interrupt(), terminate()))
        ignoring = start(sh("trap '' INT; echo ready; read x; echo on; exit 3"), {**members, **_STDIN})
        both = (interrupt(), interrupt(), *talked(("", "on")), Events())
        yield Case(f"signal, {mode}: ignored", (ignoring, Await("ready"), *both))
        done = (*run(("true",), members), interrupt(), terminate(), terminate(), interrupt(), read(afterSeq=1))
        yield Case(f"signal, {mode}: after the exit", done)
    nobody = (interrupt("nope"), terminate("nope"), interrupt(""), terminate(""))
    yield Case("signal: a process that is not there", nobody)
    left = (start(sh("python3 -c 'input()' <fifo & exit 3")), Await(None), interrupt(), *_RELEASE, Events())
    yield Case("signal: it does not reach a child left behind", left, _TREE)


def _terminations() -> Iterator[Case]:
    for mode, members in MODES:
        for label, script in (
            ("that sleeps", "echo ready; exec sleep 30"),
            ("that ignores signals", "trap '' TERM INT HUP QUIT; echo ready; sleep 30"),
            ("that is stopped", "(sleep 0.1; echo ready) & kill -STOP $$"),
            ("with stdin", "echo ready; cat"),
        ):
            begun = (start(sh(script), {**members, **_STDIN}), Await("ready"), terminate())
            ended = (Events(differs=killed(9, members)), terminate(), terminate(), interrupt())
            yield Case(f"terminate, {mode}: one {label}", (*begun, *ended))
