"""Processes from start to close: exit codes, signals, streams, output of every size, what is left behind."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Accept, Await, Case, Differs, Events, Params, ReadAll, Special, Step, Tree
from ..events import WHOLE, described_bytes
from .commands import MODES, flat, killed, read, run, sh, start, talked, terminate

_SIGNALS = (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 31, 34, 64)
_RELEASE = run(sh("echo >fifo"), process="release")
_LARGE = b"0123456789abcdef" * 100_000
_ROW_6 = "row 6: retained output is kept whole"


def cases() -> Iterator[Case]:
    yield from _exit_codes()
    yield from _output()
    yield from _left_behind()
    yield from _terminal()


def _exit_codes() -> Iterator[Case]:
    for mode, members in MODES:
        for first in range(0, 256, 32):
            codes = range(first, first + 32, 8 if members else 1)
            steps = [run(sh(f"exit {code}"), members, process=f"p{code}") for code in codes]
            yield Case(f"process, {mode}: exit codes {first} to {first + 31}", flat(steps))
        for signal in _SIGNALS:
            steps = [run(sh(f"kill -{signal} $$; exit 0"), members, differs=killed(signal, members))]
            yield Case(f"process, {mode}: killed by signal {signal}", flat(steps))
        yield Case(f"process, {mode}: a child of it is killed", run(sh("sh -c 'kill -9 $$'; echo $?; exit 3"), members))
        yield Case(f"process, {mode}: it is stopped and goes on", run(sh(_STOPPED), members))
        yield Case(
            f"process, {mode}: true and false", (*run(("true",), members), *run(("false",), members, process="q"))
        )


_STOPPED = "(sleep 0.05; kill -CONT $$) & echo stopping; kill -STOP $$; wait; echo went on"


def _output() -> Iterator[Case]:
    for mode, members in MODES:
        for label, argv in _OUTPUTS.items():
            yield Case(f"process, {mode}: {label}", run(argv, members))
            yield Case(f"process, {mode}, read: {label}", (start(argv, members), ReadAll()))
            yield Case(
                f"process, {mode}, read bytewise: {label}", (start(argv, members), Events(), ReadAll(max_bytes=1))
            )
        sizes = [run(sh(f"head -c {size} /dev/zero | tr '\\0' x"), members, process=f"p{size}") for size in _SIZES]
        yield Case(f"process, {mode}: output of every size", flat(sizes))
    kept = Differs(_ROW_6, (Accept(but={"numbers": WHOLE, "stdout": described_bytes(_LARGE)}),))
    large = start(sh("i=0; while [ $i -lt 100 ]; do head -c 16000 large; i=$((i+1)); done"))
    yield Case(
        "process: 1.6 MB of output, told and read afterwards",
        (large, Events(), ReadAll(differs=kept)),
        {"large": _LARGE[:16_000].decode()},
    )


_SIZES = (1, 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537, 300_000)
_OUTPUTS = {
    "no output": ("true",),
    "one line": ("echo", "hello"),
    "no newline at the end": ("printf", "hello"),
    "both streams": sh("echo out; echo err >&2"),
    "many lines": ("seq", "2000"),
    "both streams in turn": sh("for i in 1 2 3 4 5 6 7 8 9; do echo $i; echo $i >&2; done"),
    "bytes that are no UTF-8": ("printf", "\\377\\376\\000\\001\\200"),
    "control characters": ("printf", "a\\tb\\rc\\033[1md\\a\\bx\\n"),
    "a character in two writes": sh("printf '\\303'; printf '\\251'"),
    "stdout closed": sh("exec >&-; echo err >&2; exit 4"),
    "stderr closed": sh("exec 2>&-; echo out; exit 4"),
    "both streams closed": sh("exec >&- 2>&-; exit 4"),
    "output to a program that exits first": sh("yes | head -n 1"),
    "its own arguments": ("printf", "[%s]", "", "a b", "'", '"', "\\", "$HOME", "*", "é", "\n", "-n"),
    "a long argument": sh("echo ${#1}", "x" * 100_000),
    "many arguments": sh("echo $#", *map(str, range(3000))),
    "its stdin": ("wc", "-c", "/dev/null"),
}  # fmt: skip


def _left_behind() -> Iterator[Case]:
    """A child that outlives its parent and holds the output open is waited for, but it is not killed."""
    late = start(sh("(echo ready; read x <fifo; echo late) & exit 3"))
    waits: tuple[Step, ...] = (late, Await("ready"), Await(None))
    tree: Tree = {"fifo": Special("fifo"), "lock": ""}
    yield Case("process: late output of a child left behind", (*waits, *_RELEASE, Events(), ReadAll()), tree)
    ended = (terminate(), terminate(), read(afterSeq=2), *_RELEASE, Events(), terminate())
    yield Case("process: terminate does not reach a child left behind", (*waits, *ended), tree)
    twice = start(("true",))
    yield Case("process: its id is taken while a child left behind lives", (*waits, twice, *_RELEASE, Events()), tree)
    held = start(sh("flock lock sh -c 'echo ready; read x <fifo' & exit 3"))
    look = run(sh("flock -n lock echo free || echo held"), process="look")
    freed = run(sh("flock -w 9 lock echo free || echo held"), process="freed")
    steps = (held, Await("ready"), Await(None), terminate(), *look, *_RELEASE, Events(), *freed)
    yield Case("process: a child left behind lives on after terminate", steps, tree)
    for mode, members in MODES:
        both = start(sh("flock lock sh -c 'echo ready; sleep 30' & sleep 30"), members)
        steps = (both, Await("ready"), terminate(), Events(differs=killed(9, members)), *freed)
        yield Case(f"process, {mode}: terminate kills the whole group", steps, tree)
        own = start(sh("setsid sh -c 'echo ready; read x <fifo' & sleep 30"), members)
        steps = (own, Await("ready"), terminate(), Events(differs=killed(9, members)), *_RELEASE)
        yield Case(f"process, {mode}: terminate does not wait for a child in a session of its own", steps, tree)
    hup = start(sh("trap '' HUP; (echo ready; read x <fifo; echo late) & read x; exit 3"), {"tty": True})
    steps = (hup, Await("ready"), *talked(("", "\r\n")), Await(None), *_RELEASE, Events())
    yield Case("process, a tty: late output of a child that ignores the hang-up", steps, tree)
    gone = start(sh("sleep 30 & echo ready; read x; exit 3"), {"tty": True})
    steps = (gone, Await("ready"), *talked(("", "\r\n")), Events())
    yield Case("process, a tty: a child left behind is hung up on", steps, tree)


def _terminal() -> Iterator[Case]:
    for label, argv in _TERMINAL.items():
        for mode, members in MODES:
            yield Case(f"process, {mode}: {label}", run(argv, members))
            piped: Params = {**members, "pipeStdin": True}
            yield Case(f"process, {mode} with stdin: {label}", (start(argv, piped), *talked(), ReadAll()))


_TERMINAL = {
    "stty -a": sh("stty -a 2>&1"),
    "stty size": sh("stty size 2>&1"),
    "tty": sh("tty | sed 's/[0-9]*$//'"),
    "which streams are a terminal": sh("for i in 0 1 2; do if [ -t $i ]; then echo $i; fi; done"),
    "the controlling terminal": sh("echo x 2>/dev/null >/dev/tty && echo has one"),
    "variables of a terminal": sh('echo "$TERM,$COLUMNS,$LINES,$SHELL"'),
    "the terminal's process group": sh(
        "read pid name state parent group session terminal foreground rest </proc/self/stat;"
        " [ $pid = $foreground ] && echo in front; [ $terminal = 0 ] || echo has one"
    ),
}
