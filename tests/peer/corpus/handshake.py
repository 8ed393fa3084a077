"""initialize, initialized, the guards, the order of checks, and sessions across connections."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import ABSENT, Call, Case, Connect, Drop, Handshake, Params, Send, Step
from .types import METHODS
from .zoo import ROOT

_INIT = Call("initialize", {"clientName": "peer"})
_INITIALIZED = Send('{"method":"initialized"}')
_STATUS = Call("environment/status")
_RESUME = Call("initialize", {"clientName": "peer", "resumeSessionId": "${SESSION}"}, retry_on=-32010)
_RESUME_ONCE = Call("initialize", {"clientName": "peer", "resumeSessionId": "${SESSION}"})
_UNKNOWN = "0f0e0d0c-0b0a-4000-8000-00000000abcd"
_STATES: tuple[tuple[Handshake, str], ...] = (("none", "before initialize"), ("initialize", "before initialized"))


def cases() -> Iterator[Case]:
    yield from _guards()
    yield from _order_of_checks()
    yield from _initialize()
    yield from _sessions()
    yield Case("environment/info", (Call("environment/info"), Call("environment/status")))


def _guards() -> Iterator[Case]:
    known: dict[str, Params | None] = {**METHODS, "environment/info": None, "environment/status": None}
    for state, said in _STATES:
        for method, params in known.items():
            step = Call(method, ABSENT if params is None else params)
            yield Case(f"{method} {said}", (step, step), {"f": "F", "d/e": ""}, handshake=state)
        for method in (
            "nope",
            "",
            "initialized",
            "network/policyRequest",
            "process/output",
            "fs/stat",
            "Initialize",
            "fs/readFile ",
        ):
            yield Case(
                f"the unknown method {method!r} {said}", (Call(method), Call(method, {"a": [1]})), handshake=state
            )


def _order_of_checks() -> Iterator[Case]:
    """Params decode first, then the guard, then what needs more than decoding."""
    later: dict[str, tuple[str, Params]] = {
        "bad base64": ("fs/writeFile", {"path": f"{ROOT}/f", "dataBase64": "*"}),
        "a foreign path": ("fs/readFile", {"path": "file:///C:/x"}),
        "a path with a host": ("fs/readFile", {"path": "file://host/x"}),
        "zero limits": (
            "fs/walk",
            {
                "path": ROOT,
                "options": {"maxDepth": 1, "maxDirectories": 0, "maxEntries": 1, "followDirectorySymlinks": False},
            },
        ),
        "a missing file": ("fs/readFile", {"path": f"{ROOT}/missing"}),
        "a recursive removal without following": ("fs/remove", {"path": ROOT, "followSymlinks": False}),
        "a sandbox without cwd": ("fs/writeFile", {"path": f"{ROOT}/f", "dataBase64": "", "sandbox": _DYNAMIC}),
    }
    earlier: dict[str, tuple[str, Params]] = {
        "no path": ("fs/readFile", {}),
        "a path of a wrong type": ("fs/readFile", {"path": 5}),
        "a path that is no URI": ("fs/readFile", {"path": "/tmp"}),
        "a NUL in the path": ("fs/readFile", {"path": "file:///%00"}),
        "a limit of a wrong type": ("fs/walk", {"path": ROOT, "options": {"maxDepth": -1}}),
        "an empty sandbox": ("fs/readFile", {"path": f"{ROOT}/f", "sandbox": {}}),
        "params for status": ("environment/status", {"a": 1}),
    }
    for state, said in (*_STATES, ("full", "after the handshake")):
        for label, (method, params) in {**later, **earlier}.items():
            yield Case(f"{label}, {said}", (Call(method, params),), {"f": "F"}, handshake=state)


_DYNAMIC: Params = {
    "permissions": {
        "type": "managed",
        "file_system": {
            "type": "restricted",
            "entries": [{"path": {"type": "special", "value": {"kind": "project_roots"}}, "access": "write"}],
        },
        "network": "restricted",
    },
    "windowsSandboxLevel": "disabled",
}


def _initialize() -> Iterator[Case]:
    none: Handshake = "none"
    yield Case("initialize, initialized, then calls", (_INIT, _INITIALIZED, _STATUS), handshake=none)
    yield Case("initialize twice", (_INIT, _INIT, _INITIALIZED, _STATUS), handshake=none)
    yield Case("initialize twice after initialized", (_INIT, _INITIALIZED, _INIT, _STATUS), handshake=none)
    yield Case(
        "initialize twice, then with bad params",
        (_INIT, Call("initialize", {}), Call("initialize", {"clientName": 5})),
        handshake=none,
    )
    bad: tuple[Step, ...] = (Call("initialize", {}), _STATUS, _INIT, _INITIALIZED, _STATUS)
    yield Case("initialize again after bad params", bad, handshake=none)
    unknown = Call("initialize", {"clientName": "x", "resumeSessionId": _UNKNOWN})
    yield Case(
        "initialize with an unknown session, then a new one", (unknown, _INIT, _INITIALIZED, _STATUS), handshake=none
    )
    yield Case("initialized after a failed initialize", (unknown, _INITIALIZED, _STATUS), handshake=none)
    yield Case("initialized before initialize", (_INITIALIZED, _STATUS), handshake=none)
    for params in ("null", "[]", "{}", "5", '"x"', '{"a":[1]}', "true"):
        step = Send(f'{{"method":"initialized","params":{params}}}')
        yield Case(f"initialized with params {params}", (_INIT, step, _STATUS), handshake=none)
    yield Case("initialized three times", (_INIT, _INITIALIZED, _INITIALIZED, _INITIALIZED, _STATUS), handshake=none)
    yield Case(
        "initialized with a bad trace", (_INIT, Send('{"method":"initialized","trace":5}'), _STATUS), handshake=none
    )
    for method in (
        "initialize",
        "fs/readFile",
        "environment/status",
        "nope",
        "",
        "$/cancelRequest",
        "notifications/initialized",
    ):
        for state, said in (*_STATES, ("full", "after the handshake")):
            step = Send(f'{{"method":"{method}","params":{{"clientName":"x"}}}}')
            yield Case(f"the notification {method!r} {said}", (step, _STATUS), handshake=state)
    for resume in ("", " ", "x", _UNKNOWN, _UNKNOWN.upper(), "{" + _UNKNOWN + "}", "é\n", "x" * 1000):
        call = Call("initialize", {"clientName": "x", "resumeSessionId": resume})
        yield Case(f"resume of {ascii(resume)[:60]}", (call, _INIT), handshake=none)
    for name in ("", "é\0\n", "x" * 100_000):
        yield Case(
            f"the client name {ascii(name)[:20]} of {len(name)}",
            (Call("initialize", {"clientName": name}),),
            handshake=none,
        )


def _sessions() -> Iterator[Case]:
    full: Handshake = "initialize"
    twice: tuple[Step, ...] = (_INITIALIZED, Connect(), _RESUME_ONCE, _INIT, _INITIALIZED, _STATUS)
    yield Case("resume of a session that is attached", twice, handshake=full)
    for close_frame, said in ((False, "a cut"), (True, "a close frame")):
        steps: tuple[Step, ...] = (
            _INITIALIZED,
            Drop(close_frame),
            Connect(),
            _RESUME,
            _STATUS,
            _INITIALIZED,
            _STATUS,
            _RESUME_ONCE,
        )
        yield Case(f"resume after {said}", steps, handshake=full)
    early: tuple[Step, ...] = (Drop(), Connect(), _RESUME, _INITIALIZED, _STATUS)
    yield Case("resume of a session that never was initialized", early, handshake=full)
    violation: tuple[Step, ...] = (Send('{"method":"nope"}'), Connect(), _RESUME, _INITIALIZED, _STATUS)
    yield Case("resume after a violation", violation, handshake=full)
    again: tuple[Step, ...] = (Drop(), Connect(), _RESUME, Drop(), Connect(), _RESUME, _INITIALIZED, _STATUS)
    yield Case("resume twice over", again, handshake=full)
    wrong_case: tuple[Step, ...] = (
        Drop(),
        Connect(),
        Call("initialize", {"clientName": "y", "resumeSessionId": " ${SESSION}"}),
        _RESUME,
    )
    yield Case("resume with a space before the id", wrong_case, handshake=full)
