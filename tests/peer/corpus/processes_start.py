"""What cannot be started, and which program a name leads to: by pipes, and under a tty, where the rules are others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..cases import SAME, Accept, Call, Case, Differs, Dir, File, Json, Link, Params, ReadAll, Special, Step, Tree
from .commands import MODES, NO_NAME, PATH, read, run, sh, start, terminate, tried, write
from .zoo import ROOT

_ECHO = "#!/bin/sh\necho "
_TREE: Tree = {
    "good": File(b"#!/bin/sh\necho good $0 $*\n", 0o755), "locked": File(b"#!/bin/sh\necho\n", 0o644),
    "plain": File(b"echo hi\n", 0o755), "empty": File(b"", 0o755), "broken": File(b"\x7fELF\x02garbage", 0o755),
    "lost": File(b"#!/nope/interpreter\n", 0o755), "file": "F",
    "option": File(b"#!/bin/echo an option\n", 0o755), "to-good": Link("good"), "to-nothing": Link("nothing"),
    "loop": Link("loop"), "d/deep": File(b"#!/bin/sh\necho deep $0\n", 0o755), "d/locked": File(b"#!/bin/sh\n", 0o644),
    "e/locked": File(b"#!/bin/sh\necho second $0\n", 0o755), "d/folder": Dir(),
    "e/folder": File(b"#!/bin/sh\necho f\n", 0o755),
    "home": Dir(), "to-d": Link("d"), "fifo": Special("fifo"), "x y": File(b"#!/bin/sh\necho spaced $0\n", 0o755),
}  # fmt: skip
_PROGRAMS = (
    "", "nope", "./nope", "../nope", "d/nope", "/nope", "/nope/x", "${ROOT}/nope", "${ROOT}/good", "./good", "good",
    "d/deep", "./d/deep", "./d/../good", ".//good", "./good/", "good/", "./file/x", "${ROOT}/file/x",
    "./locked", "${ROOT}/locked", "locked", "d", "./d", "./d/", "${ROOT}/d", ".", "..", "/", "./", "~", "-x",
    "./plain", "${ROOT}/plain", "plain", "./empty", "${ROOT}/empty", "empty", "./broken", "${ROOT}/broken", "broken",
    "./lost", "${ROOT}/lost", "lost", "./option", "./to-good", "to-good", "./to-nothing", "to-nothing", "./loop",
    "./to-d/deep", "./fifo", "./x y", "x y", "a\0b", "./a\0b", "n" * 256, "/" + "n" * 256, "./" + "n/" * 2100, "true",
    "/bin/true", "sh", "é", "a\nb",
)  # fmt: skip
_PATHS: dict[str, Params] = {
    "the usual PATH": {"PATH": PATH},
    "the directory in PATH": {"PATH": f"{PATH}:${{ROOT}}"},
    "no PATH": {},
    "an empty PATH": {"PATH": ""},
}
_SEARCHES = (
    "d", "d:/usr/bin", "./d", ".", "..", ":", "::", "/nope:", ":/nope", "/nope", "${ROOT}/file",
    "${ROOT}/file:${ROOT}/d",
    "${ROOT}/d:${ROOT}/e", "${ROOT}/e:${ROOT}/d", "${ROOT}/to-d", "${ROOT}/d/", "/usr/bin\0", '"${ROOT}"', "~",
    "d/../e",
    "${ROOT}/loop:${ROOT}/e", "${ROOT}/to-nothing", "/nope:/nope2:/usr/bin:/bin", "${ROOT}/d:/nope:", "é:\"\\\n:d",
)  # fmt: skip
_UNKNOWN = Accept(-32600, "unknown process id")
_BAD_BINARY = Differs(
    "a program that cannot be executed is an error, not a process that aborts",
    (Accept(-32603, "(os error 8)"), Accept(-32603, "(os error 7)"), Accept(-32603, "(os error 2)"), _UNKNOWN),
)
_NUL = Differs("a NUL is named as what is wrong", (Accept(-32603, "nul byte found"), _UNKNOWN, SAME))
_NOWHERE = Differs(
    "one text for a program that is not there", (Accept(-32603, "No such file or directory"), _UNKNOWN, SAME)
)


def cases() -> Iterator[Case]:
    yield from _programs()
    yield from _searches()
    yield from _folders()
    yield from _arg0()
    yield from _values()
    yield from _ids()


def _programs() -> Iterator[Case]:
    for mode, members in MODES:
        for label, env in _PATHS.items():
            looked_up = [program for program in _PROGRAMS if not program.startswith(("/", "$", "..", "./n"))]
            for program in _PROGRAMS if label == "the usual PATH" else looked_up[:25]:
                differs = _terminal_differs(program, env) if members else None
                steps = tried((program, "x"), {**members, "env": env}, differs)
                yield Case(f"start, {mode}, {label}: {ascii(program)[:60]}", steps, _TREE)


def _terminal_differs(program: str, env: Mapping[str, Json]) -> Differs | None:
    """What the reference does under a tty alone: it looks for names that cannot be, and starts what cannot be run."""
    if "\0" in f"{program}{env.get('PATH')}":
        return _NUL
    name = program.removeprefix("./")
    if name not in ("plain", "empty", "broken", "lost"):
        return None
    found = program != name or "${ROOT}" in str(env.get("PATH")) or env.get("PATH") == ""
    return _BAD_BINARY if found else None


def _searches() -> Iterator[Case]:
    for mode, members in MODES:
        for search in _SEARCHES:
            for program in ("deep", "locked", "folder", "good", "true", "e/locked"):
                env: Params = {"PATH": search}
                differs = _terminal_differs(program, env) if members else None
                steps = tried((program,), {**members, "env": env}, differs)
                yield Case(f"start, {mode}, PATH {search!a}: {program}", steps, _TREE)


def _folders() -> Iterator[Case]:
    homes: dict[str, Params] = {
        "no HOME": {}, "a HOME": {"HOME": "${ROOT}/home"}, "a missing HOME": {"HOME": "/nope"},
        "an empty HOME": {"HOME": ""},
        "a HOME that is a file": {"HOME": "${ROOT}/file"}, "a relative HOME": {"HOME": "home"},
    }  # fmt: skip
    for mode, members in MODES:
        for cwd in ("", "d", "nope", "nope/x", "file", "file/x", "to-d", "to-nothing", "loop", "fifo", "d/../e", "d/"):
            for home, env in homes.items() if members else [*homes.items()][:2]:
                steps = tried(("pwd", "-P"), {**members, "cwd": f"{ROOT}/{cwd}", "env": {"PATH": PATH, **env}})
                yield Case(f"start, {mode}, {home}, in {cwd!r}", steps, _TREE)
            for program in ("nope", "./nope", "./deep", "/nope", "/bin/true"):
                differs = _NOWHERE if members and program == "/nope" else None
                steps = tried((program,), {**members, "cwd": f"{ROOT}/{cwd}"}, differs)
                yield Case(f"start, {mode}, in {cwd!r}: {program}", steps, _TREE)
        for uri in (
            "file:///C:/x",
            "file://host/x",
            "/tmp",
            "",
            "file:///",
            "file://localhost/",
            "file:///%00",
            "http://x/",
        ):
            yield Case(f"start, {mode}, in the URI {uri!r}", tried(("pwd",), {**members, "cwd": uri}), _TREE)


def _arg0() -> Iterator[Case]:
    shown = sh("tr '\\0' '|' </proc/$$/cmdline")
    for mode, members in MODES:
        for arg0 in ("sh", "bash", "-sh", "/bin/sh", "nope", "./good", "d/deep", "/nope", "", "a\0b", "a b"):
            for argv in (shown, ("nope", "-c", "echo x"), ("", "x"), ()):
                label = argv[0] if argv else "no argv"
                differs = {"a\0b": _NUL, "/nope": _NOWHERE}.get(arg0) if members else None
                differs = NO_NAME if arg0 == "" and not members else differs
                steps = tried(argv, {**members, "arg0": arg0}, differs)
                yield Case(f"start, {mode}, arg0 {arg0!r}: {label!r}", steps, _TREE)


def _values() -> Iterator[Case]:
    for mode, members in MODES:
        for label, argv, more in _odd_values():
            wording = _BAD_BINARY if "too long" in label else _NUL if "NUL" in label else None
            steps = tried(argv, {**members, **more}, wording if members else None)
            yield Case(f"start, {mode}: {label}", steps, _TREE)


def _odd_values() -> Iterator[tuple[str, Sequence[str], Params]]:
    path: Params = {"PATH": PATH}
    yield "NUL in an argument", ("echo", "a\0b"), {}
    yield "NUL in a value", ("true",), {"env": {**path, "A": "a\0b"}}
    yield "NUL in a name", ("true",), {"env": {**path, "A\0": "b"}}
    yield "NUL in a value, and no such program", ("nope",), {"env": {**path, "A": "a\0b"}}
    yield "NUL in a value, and no such folder", ("true",), {"env": {**path, "A": "a\0b"}, "cwd": f"{ROOT}/nope"}
    yield "no such program and no such folder", ("nope",), {"cwd": f"{ROOT}/nope"}
    yield "arguments that are too long together", ("true", *["x" * 100_000] * 40), {}
    yield "one argument that is too long", ("true", "x" * 140_000), {}
    yield "a variable that is too long", ("true",), {"env": {**path, "A": "x" * 140_000}}
    yield "an empty argv", (), {}
    yield "an empty argv and no such folder", (), {"cwd": f"{ROOT}/nope"}
    yield "enforceManagedNetwork without a sandbox", ("echo", "x"), {"enforceManagedNetwork": True}
    yield "managedNetwork without a sandbox", ("echo", "x"), {"managedNetwork": {"loopbackPorts": [1, 65535]}}
    yield (
        "metadata",
        ("echo", "x"),
        {"metadata": {"threadId": "0f0e0d0c-0b0a-4000-8000-00000000abcd", "toolCallId": ""}},
    )
    snapshot: Params = {"scopeId": "s", "shell": {"name": "bash", "path": "/bin/bash"}}
    yield "a shell snapshot", ("echo", "x"), {"shellSnapshot": snapshot}


def _ids() -> Iterator[Case]:
    for process in ("", " ", "é\0\n\t", "x" * 10_000, "p/../q", "null", "😀"):
        steps: tuple[Step, ...] = (*run(("echo", "x"), process=process), start(("true",), process=process))
        yield Case(f"process id {ascii(process)[:40]}", (*steps, ReadAll(process), terminate(process)))
    again: dict[str, Call] = {
        "the same": start(("true",)), "no such program": start(("nope",)), "an empty argv": start(()),
        "an empty program": start(("",)), "a foreign folder": start(("true",), {"cwd": "file:///C:/x"}),
        "a missing folder": start(("true",), {"cwd": f"{ROOT}/nope"}), "a tty": start(("true",), {"tty": True}),
    }  # fmt: skip
    for label, step in again.items():
        running = (start(("sleep", "30")), step, read(), terminate(), ReadAll(), step)
        yield Case(f"process id of a running one: {label}", running)
        yield Case(f"process id of a closed one: {label}", (*run(("echo", "x")), step, ReadAll()))
        failed = (start(("nope",)), read(), write("x", "1"), terminate(), step)
        yield Case(f"process id of one that did not start: {label}", failed)
    both = (start(("echo", "a"), process="a"), start(("echo", "b"), process="A"))
    yield Case("process ids are told apart by letter case", (*both, ReadAll("a"), ReadAll("A")))
