"""Sandboxed processes: the type that is reported, what they may do, and when a failure is called a denial.

A process that fails waits for a word before it ends, so that its output has come before its exit.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Accept, Await, Case, Differs, Events, Json, Params, ReadAll, Special, Step, Tree
from .commands import (
    MODES,
    NO_NAME,
    PATH,
    READ_ONLY_BOX,
    flat,
    interrupt,
    killed,
    run,
    sh,
    start,
    terminate,
    tried,
    write,
)
from .policies import READ_ROOT, WS, bare, context
from .processes_child import PLACE
from .zoo import ROOT

_UNRESTRICTED: Json = {"type": "unrestricted"}
_BOXES: dict[str, Params] = {
    "read-only": READ_ONLY_BOX,
    "read-only, network": bare(context(READ_ROOT, network="enabled")["permissions"]),
    "a writable workspace": bare(context(READ_ROOT, WS)["permissions"]),
    "disabled": bare({"type": "disabled"}),
    "external": bare({"type": "external", "network": "restricted"}),
    "external, network": bare({"type": "external", "network": "enabled"}),
    "unrestricted": bare({"type": "managed", "file_system": _UNRESTRICTED, "network": "restricted"}),
    "unrestricted, network": bare({"type": "managed", "file_system": _UNRESTRICTED, "network": "enabled"}),
}
_SAID = (
    "Read-only file system", "read-ONLY file System", "Operation not permitted", "OPERATION NOT PERMITTED",
    "Permission denied", "permission denied", "seccomp", "SecComp", "sandbox", "Sandboxed", "landlock", "Landlock",
    "failed to write file", "xxPermission deniedxx", "Permission\ndenied", "Permission  denied", "denied",
    "not permitted", "read-only", "EPERM", "EACCES", "EROFS", "No such file or directory", "Network is unreachable",
    "Could not resolve host", "Connection refused", "Bad system call", "command not found", "panicked", "bwrap", "",
)  # fmt: skip
_DENIED = "Permission denied"
_PIECES = {
    "one stream": ((1, "Permis"), (1, "sion de"), (1, "nied")),
    "the second on stderr": ((1, "Permission "), (2, "denied")),
    "the second on stdout": ((2, "Permission "), (1, "denied")),
    "something on stderr in between": ((1, "Permission "), (2, "..."), (1, "denied")),
    "something on stdout in between": ((2, "Permission "), (1, "..."), (2, "denied")),
}
_CODES = (0, 1, 2, 3, 77, 101, 124, 125, 126, 127, 128, 129, 130, 137, 143, 159, 200, 255)
_SIGNALS = (1, 2, 3, 6, 9, 11, 14, 15, 31)
_TREE: Tree = {"ws/a": "A", "fifo": Special("fifo"), "file": "F"}
_LAUNCH = "row 17: what cannot be executed inside is said by the launcher, in its own words"
_FACTS = {
    "its place": PLACE,
    "its privileges": ("grep", "-E", "^(Uid|Gid|Cap...|NoNewPrivs|Seccomp):", "/proc/self/status"),
    "its signals": ("grep", "-E", "^(SigBlk|SigIgn|SigCgt):", "/proc/self/status"),
    "its descriptors": ("ls", "/proc/self/fd"),
    "its variables": ("env",),
    "its umask and folder": sh("umask; pwd -P; id -u"),
    "its limits": ("cat", "/proc/self/limits"),
    "a terminal of its own": sh("echo x 2>/dev/null >/dev/tty && echo has one; stty size 2>&1"),
    "a write": sh("touch ws/new && echo written"),
    "a read": ("cat", "ws/a"),
    "a temporary file": sh("touch /tmp/codex-peer-new 2>&1; rm -f /tmp/codex-peer-new; echo $?"),
    "a null device": sh("echo x >/dev/null && head -c 4 /dev/zero | od -An -tx1"),
    "exit code 7": sh("exit 7"),
}  # fmt: skip


_CONFINED = ("read-only", "read-only, network", "a writable workspace")
_UNIGNORED = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000400\n"
_PIPE = "a broken pipe ends a program inside as it does outside"
_TERMINAL = "the terminal of a sandboxed process is its controlling one, so that ^C and job control work"
_OURS = {
    ("pipes", "its signals"): Differs(_PIPE, (Accept(but={"stdout": _UNIGNORED}),)),
    ("a tty", "its signals"): Differs(_PIPE, (Accept(but={"pty": _UNIGNORED.replace("\n", "\r\n")}),)),
    ("a tty", "its place"): Differs(_TERMINAL, (Accept(holds="in front"),)),
    ("a tty", "a terminal of its own"): Differs(_TERMINAL, (Accept(holds="has one"),)),
}


def cases() -> Iterator[Case]:
    for box, sandbox in _BOXES.items():
        for mode, members in MODES:
            for label, argv in _FACTS.items():
                differs = _OURS.get((mode, label)) if box in _CONFINED or label == "its signals" else None
                steps = run(argv, {**members, "sandbox": sandbox}, differs=differs)
                yield Case(f"process in a sandbox, {box}, {mode}: {label}", steps, _TREE)
    yield from _denials()
    yield from _deaths()
    yield from _programs()
    yield from _life()


def _ending(said: str, ending: str, members: Params, *, stream: str = "") -> tuple[Step, ...]:
    """Say something, then end: never before what was said has come."""
    script = sh(f'printf "%s\\n" "$1" {stream}; echo .; read x; {ending}', said)
    return (
        start(script, {**members, "pipeStdin": True}),
        Await(".\n" if "tty" not in members else ".\r\n"),
        write("\n", "1"),
    )


def _denials() -> Iterator[Case]:
    box: Params = {"sandbox": READ_ONLY_BOX}
    for said in _SAID:
        yield Case(f"denial: {said!r} and exit code 1", (*_ending(said, "exit 1", box), Events()))
    for code in _CODES:
        for said in (_DENIED, "nothing"):
            yield Case(f"denial: {said} and exit code {code}", (*_ending(said, f"exit {code}", box), Events()))
    for name, sandbox in (*_BOXES.items(), ("no sandbox", None)):
        for mode, members in MODES:
            steps = _ending(_DENIED, "exit 1", {**members, "sandbox": sandbox})
            yield Case(f"denial: {name}, {mode}", (*steps, Events()))
    yield Case("denial: said on stderr", (*_ending(_DENIED, "exit 1", box, stream=">&2"), Await(_DENIED), Events()))
    for label, pieces in _PIECES.items():
        yield Case(f"denial: said in pieces, {label}", _in_pieces(pieces))
    long = sh("echo Permission denied; head -c 300000 /dev/zero | tr '\\0' x; echo .; read x; exit 1")
    yield Case(
        "denial: said long before", (start(long, {**box, "pipeStdin": True}), Await("."), write("\n", "1"), Events())
    )
    late = start(sh("(read x <fifo; echo Permission denied) & exit 1"), {"sandbox": _BOXES["disabled"]})
    release = run(sh("echo >fifo"), process="release")
    yield Case("denial: said after the exit", (late, Await(None), *release, Events(), ReadAll()), _TREE)


def _in_pieces(pieces: tuple[tuple[int, str], ...]) -> tuple[Step, ...]:
    script = "".join(f"printf '{text}' >&{stream}; read x; " for stream, text in pieces)
    talk = [(Await(text), write("\n", text)) for _, text in pieces]
    return (start(sh(f"{script}exit 1"), {"sandbox": READ_ONLY_BOX, "pipeStdin": True}), *flat(talk), Events())


def _deaths() -> Iterator[Case]:
    for box in ("read-only", "disabled"):
        for mode, members in MODES:
            held: Params = {**members, "sandbox": _BOXES[box]}
            for signal in _SIGNALS:
                for said in (_DENIED, "nothing"):
                    steps = _ending(said, f"kill -{signal} $$", held)
                    denied = said == _DENIED or signal == 31
                    differs = killed(signal, members, denied=denied) if box == "disabled" else None
                    yield Case(f"denial: {box}, {mode}, {said} and signal {signal}", (*steps, Events(differs=differs)))
            for label, end, number in (("an interrupt", interrupt(), 2), ("terminate", terminate(), 9)):
                sleeping = (start(sh("echo ready; exec sleep 30"), held), Await("ready"), end)
                told = Events(differs=killed(number, members))
                yield Case(f"process in a sandbox, {box}, {mode}: {label}", (*sleeping, told))


def _programs() -> Iterator[Case]:
    unknown: tuple[tuple[str, Params], ...] = (
        ("nope", {}), ("./nope", {}), ("/nope/x", {}), ("${ROOT}/file", {}), ("./file", {}), ("", {}), (".", {}),
        ("sh", {"env": {"PATH": "/nope"}}), ("sh", {"env": {"PATH": ""}}), ("a\0b", {}),
    )  # fmt: skip
    paths: tuple[tuple[str, Params], ...] = (("no PATH", {}), ("PATH", {"PATH": PATH}))
    for mode, members in MODES:
        for number, (program, more) in enumerate(unknown):
            steps = tried((program,), {**members, "sandbox": READ_ONLY_BOX, **more}, _not_executed(program))
            yield Case(f"process in a sandbox, {mode}: the program {program!r}, {number}", steps, _TREE)
        for label, env in paths:
            found = tried(("echo", "x"), {**members, "sandbox": READ_ONLY_BOX, "env": env})
            yield Case(f"process in a sandbox, {mode}: found with {label}", found)
        for cwd in ("nope", "file", "ws"):
            where: Params = {**members, "sandbox": READ_ONLY_BOX, "cwd": f"{ROOT}/{cwd}"}
            yield Case(f"process in a sandbox, {mode}: in {cwd}", tried(("pwd", "-P"), where), _TREE)
        for arg0 in ("sh", "other", "", "/bin/nope"):
            shown = sh("tr '\\0' '|' </proc/$$/cmdline")
            boxed: Params = {**members, "sandbox": READ_ONLY_BOX, "arg0": arg0}
            steps = tried(shown, boxed, None if arg0 else NO_NAME)
            yield Case(f"process in a sandbox, {mode}: arg0 {arg0!r}", steps)


def _not_executed(program: str) -> Differs | None:
    """The error of a program without a name is that of every start."""
    if "\0" in program:
        return None
    if not program:
        return Differs(_LAUNCH, (Accept(-32603, "missing program for"), Accept(-32600, "unknown process id")))
    said = ("sandboxType", "execvp", "No such file or directory", "Permission denied", "Exec format error")
    return Differs(_LAUNCH, tuple(Accept(holds=part) for part in said))


def _life() -> Iterator[Case]:
    box: Params = {"sandbox": READ_ONLY_BOX}
    for mode, members in MODES:
        left = run(sh("sleep 30 & exit 3"), {**members, **box})
        yield Case(f"process in a sandbox, {mode}: a child left behind dies with it", left)
        many = [run(sh(f"exit {code}"), {**members, **box}, process=f"p{code}") for code in range(0, 256, 51)]
        yield Case(f"process in a sandbox, {mode}: exit codes", flat(many))
    echo = (start(("head", "-n", "1"), {**box, "pipeStdin": True}), write("hello\n", "1"), Events())
    yield Case("process in a sandbox: stdin", echo)
    big = run(sh("head -c 300000 /dev/zero | tr '\\0' x; seq 1000 >&2"), box)
    yield Case("process in a sandbox: much output", big)
    wrong: tuple[Json, ...] = ({}, {"permissions": {"type": "disabled"}}, 5, "x", {"permissions": {"type": "nope"}})
    for sandbox in wrong:
        yield Case(f"process in a sandbox: {sandbox!r}", (start(("true",), {"sandbox": sandbox}),))
