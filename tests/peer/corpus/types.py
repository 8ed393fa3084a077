"""Wrong types in every member of every method, missing members, unknown ones, and more than one error at a time."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import ABSENT, POSITIONAL, Absent, Call, Case, Handshake, Json, Params, Tree
from .walks import options
from .zoo import ROOT

_TREE: Tree = {"f": "F", "d/e": "E"}
_VALUES: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 5, 1.5, 5.0, -0.0, 1e300, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63),
    -(2**63) - 1, 10**30, "", "x", "true", "null", "5", [], [1], ["x"], [None], [[]], {}, {"a": 1}, {"path": "x"},
    {"": None},
)  # fmt: skip
_WHOLES: tuple[Json | Absent, ...] = (
    ABSENT, None, {}, {"a": 1}, [], [1], [None], 0, 5, 1.5, -1, 2**64, "", "x", True, False,
)  # fmt: skip
METHODS: dict[str, Params] = {
    "fs/readFile": {"path": f"{ROOT}/f"},
    "fs/writeFile": {"path": f"{ROOT}/new", "dataBase64": "eA=="},
    "fs/createDirectory": {"path": f"{ROOT}/new"},
    "fs/getMetadata": {"path": f"{ROOT}/f"},
    "fs/canonicalize": {"path": f"{ROOT}/f"},
    "fs/readDirectory": {"path": f"{ROOT}/d"},
    "fs/walk": {"path": ROOT, "options": options()},
    "fs/remove": {"path": f"{ROOT}/d"},
    "fs/copy": {"sourcePath": f"{ROOT}/f", "destinationPath": f"{ROOT}/new", "recursive": False},
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "fs/readFile": ("followSymlinks", "sandbox"),
    "fs/writeFile": ("followSymlinks", "sandbox"),
    "fs/createDirectory": ("recursive", "followSymlinks", "sandbox"),
    "fs/getMetadata": ("followSymlinks", "sandbox"),
    "fs/canonicalize": ("sandbox",),
    "fs/readDirectory": ("sandbox",),
    "fs/walk": ("sandbox",),
    "fs/remove": ("recursive", "force", "followSymlinks", "sandbox"),
    "fs/copy": ("sandbox",),
}


def cases() -> Iterator[Case]:
    for method, params in METHODS.items():
        for member in (*params, *_OPTIONAL[method]):
            for value in _VALUES:
                differs = POSITIONAL if member in ("sandbox", "options") and isinstance(value, list) else None
                step = Call(method, {**params, member: value}, differs)
                yield Case(f"{method} with {member} {value!r}", (step,), _TREE)
        for member in params:
            left = {key: value for key, value in params.items() if key != member}
            yield Case(f"{method} without {member}", (Call(method, left),), _TREE)
        yield from _whole(method)
        yield from _several(method, params)
    yield from _without_params()
    yield from _initialize()


def _whole(method: str) -> Iterator[Case]:
    yield Case(f"{method} without params", (Call(method, ABSENT),), _TREE)
    values: tuple[Json, ...] = (None, True, 0, 1.5, -1, 2**64, "", "x", {}, {"a": 1})
    for value in values:
        yield Case(f"{method} with params {value!r}", (Call(method, value),), _TREE)


def _several(method: str, params: Params) -> Iterator[Case]:
    """Unknown members are ignored; of two errors the first in the text is reported, a missing member last."""
    step = Call(method, {**params, "unknown": [1], "Path": 5, "": None, "follow_symlinks": 5})
    yield Case(f"{method} with unknown members", (step,), _TREE)
    wrong: Params = dict.fromkeys(params, 5)
    yield Case(f"{method} with every member wrong", (Call(method, wrong),), _TREE)
    backwards: Params = dict.fromkeys(reversed(list(params)), 5)
    yield Case(f"{method} with every member wrong, backwards", (Call(method, backwards),), _TREE)
    yield Case(f"{method} with every member null", (Call(method, dict.fromkeys(params)),), _TREE)
    bad_sandbox: Params = {**params, "sandbox": {}}
    yield Case(f"{method} with an empty sandbox", (Call(method, bad_sandbox),), _TREE)
    yield Case(f"{method} with an empty sandbox first", (Call(method, {"sandbox": {}, **params}),), _TREE)
    first = next(iter(params))
    yield Case(f"{method} with a bad {first} and an empty sandbox", (Call(method, {**bad_sandbox, first: "x"}),), _TREE)
    yield Case(f"{method} with an empty sandbox alone", (Call(method, {"sandbox": {}}),), _TREE)
    yield Case(
        f"{method} with a wrong optional member alone", (Call(method, {"followSymlinks": 5, "recursive": 5}),), _TREE
    )
    for name in ("path", "sourcePath", "dataBase64", "options", "recursive"):
        if name in params:
            snake = {key.upper() if key == name else key: value for key, value in params.items()}
            yield Case(f"{method} with {name} spelled otherwise", (Call(method, snake),), _TREE)


def _without_params() -> Iterator[Case]:
    for method in ("environment/info", "environment/status"):
        for value in _WHOLES:
            said = "absent" if isinstance(value, Absent) else repr(value)
            yield Case(f"{method} with params {said}", (Call(method, value),))


def _initialize() -> Iterator[Case]:
    handshake: Handshake = "none"
    for member in ("clientName", "resumeSessionId"):
        for value in _VALUES:
            step = Call("initialize", {"clientName": "x", member: value})
            yield Case(f"initialize with {member} {value!r}", (step, Call("environment/status")), handshake=handshake)
    wholes: tuple[Json | Absent, ...] = (*_WHOLES, {"resumeSessionId": None}, {"client_name": "x"})
    for whole in wholes:
        if isinstance(whole, list):
            continue
        said = "absent" if isinstance(whole, Absent) else repr(whole)
        again = Call("initialize", {"clientName": "x"})
        yield Case(f"initialize with params {said}", (Call("initialize", whole), again), handshake=handshake)
    extra = Call("initialize", {"clientName": "x", "capabilities": {}, "protocolVersion": 5})
    yield Case("initialize with unknown members", (extra,), handshake=handshake)
