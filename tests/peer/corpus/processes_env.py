"""The variables a process gets: exactly those given, or what a policy makes of the server's, step by step.

Both servers are started with the variables of `launch.INHERITED`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ..cases import Accept, Case, Differs, Json, Params
from .commands import MODES, PATH, run, start, tried

_EXIT = "CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE"
_SHOW = ("/usr/bin/env", "-0")
_PATTERNS = (
    "x*", "X*", "*X", "*x*", "X?", "X[AB]", "X[*", "[X]A", "?", "??", "???*", "*", "**", "", " XA", "XA ", "xa", "XA*",
    "x*b", "*_*_*", "*a*b*c*", "XÉ", "xé", "PATH", "p?th", "*KEY*", "MONKEY", "monk??", "*secret*", "home",
    "HOME*", "\\*", "X\\A", "^X", "X.", "X|Z", "{XA,XB}", "!XA", "*[*]*", "TMP*", "*\n*", "LC_*", "CODEX_*",
)  # fmt: skip
_SETS: dict[str, Params] = {
    "a new one": {"NEW": "n"},
    "one that is inherited": {"XA": "set"},
    "one of a dropped name": {"MY_KEY": "k"},
    "an empty value": {"XA": ""},
    "an empty name": {"": "e"},
    "a name with =": {"A=B": "c"},
    "a name that begins with =": {"=X": "c"},
    "odd values": {"é": "ü\n\t", "a b": "= =", "L\nF": "n", "%": "%s", "-x": "-y"},
    "those of the service": {"CODEX_HOME": "1", "OPENAI_API_KEY": "2", "CODEX_API_KEY": "3", "CODEX_ACCESS_TOKEN": "4"},
    "one that never is passed": {_EXIT: "true", _EXIT.lower(): "true", f"{_EXIT}2": "true"},
    "SHELL": {"SHELL": "/my/shell"},
    "an empty SHELL": {"SHELL": ""},
    "TERM": {"TERM": "dumb"},
    "PWD": {"PWD": "/elsewhere", "OLDPWD": "/x"},
    "a loader's": {"LD_LIBRARY_PATH": "/nope", "LD_AUDIT": ""},
    "many": {f"V{number}": "x" * number for number in range(200)},
}
_NO_NAME = Differs(
    "a variable without a name is left out",
    (Accept(result={"exits": [[0, False]], "numbers": "whole"}), Accept(holds='"pty": ["SHELL=')),
)


_UNIT = Differs("a name need not be taken as a map", (Accept(code=-32602),))


def cases() -> Iterator[Case]:
    yield from _given()
    yield from _steps()
    yield from _patterns()
    yield from _lookups()
    yield from _wrong()


def policy(**members: Json) -> Params:
    """A policy that inherits everything, but for the members given (as on the wire)."""
    whole: Params = {"inherit": "all", "ignoreDefaultExcludes": False, "exclude": [], "set": {}, "includeOnly": []}
    return {**whole, **members}


def _shown(label: str, members: Params, differs: Differs | None = None) -> Case:
    return Case(f"variables: {label}", run(_SHOW, members, differs=differs, separator="\0"))


def _given() -> Iterator[Case]:
    for mode, members in MODES:
        for label, env in _SETS.items():
            differs = _NO_NAME if "" in env or "=X" in env else None
            yield _shown(f"{label}, given, {mode}", {**members, "env": env}, differs)
            inherit_none = {**members, "env": {}, "envPolicy": policy(inherit="none", set=env)}
            yield _shown(f"{label}, set, {mode}", inherit_none, differs)
        yield _shown(f"none given, {mode}", {**members, "env": {}})
        yield _shown(f"the same name twice, {mode}", {**members, "env": {"A": "x", "A=B": "c"}}, _TWICE)


# Only the later one of two that begin alike up to the first `=` reaches the reference's processes.
_TWICE = Differs("both spellings are passed", (Accept(holds="A=B=c"),))


def _steps() -> Iterator[Case]:
    sets: tuple[Params, ...] = ({}, {"XA": "set", "NEW_TOKEN": "t", "PATH": "/set"})
    envs: tuple[Params, ...] = ({}, {"XA": "env", "ENV_SECRET": "s"})
    excludes: tuple[list[Json], ...] = ([], ["X*", "NEW*"])
    includes: tuple[list[Json], ...] = ([], ["XA", "PATH", "*token*"])
    for inherit, ignore, exclude, assigned, include, env in product(
        ("all", "core", "none"), (False, True), excludes, sets, includes, envs
    ):
        made = policy(inherit=inherit, ignoreDefaultExcludes=ignore, exclude=exclude, set=assigned, includeOnly=include)
        said = (
            [inherit] + ["ignoring defaults"] * ignore + [f"{len(part)}" for part in (exclude, assigned, include, env)]
        )
        yield _shown(f"policy {', '.join(said)}", {"env": env, "envPolicy": made})
    for mode, members in MODES:
        for inherit in ("all", "core", "none"):
            yield _shown(f"{inherit} inherited, {mode}", {**members, "env": {}, "envPolicy": policy(inherit=inherit)})


def _patterns() -> Iterator[Case]:
    assigned: Params = {"XA": "set", "X": "x", "Y\nZ": "n", "[X]A": "b", "x[*": "c", "\\*": "d"}
    for pattern in dict.fromkeys(_PATTERNS):
        for member in ("exclude", "includeOnly"):
            matched: Params = {member: [pattern]}
            yield _shown(f"{member} {pattern!r}", {"env": {}, "envPolicy": {**policy(), **matched}})
            made = {**policy(inherit="none", set=assigned), **matched}
            yield _shown(f"{member} {pattern!r}, of those set", {"env": {}, "envPolicy": made})


def _lookups() -> Iterator[Case]:
    """A program is looked up in the PATH that the child gets."""
    lookups: tuple[tuple[str, Params, Params], ...] = (
        ("inherited", policy(), {}),
        ("excluded", policy(exclude=["path"]), {}),
        ("not included", policy(includeOnly=["HOME"]), {}),
        ("set", policy(set={"PATH": "/nope"}), {}),
        ("set, and given", policy(set={"PATH": "/nope"}), {"PATH": PATH}),
        ("none inherited", policy(inherit="none"), {}),
    )
    for mode, members in MODES:
        for label, made, env in lookups:
            steps = tried(("true",), {**members, "env": env, "envPolicy": made})
            yield Case(f"variables: PATH {label}, {mode}", steps)


def _wrong() -> Iterator[Case]:
    whole = policy()
    for member in whole:
        left = {key: value for key, value in whole.items() if key != member}
        yield Case(f"envPolicy without {member}", (start(("true",), {"envPolicy": left}),))
        values: tuple[Json, ...] = (None, 5, "x", True, [5], {"a": 5}, {"all": None}, ["x"], {"a": None})
        for number, value in enumerate(values):
            made: Params = {"envPolicy": {**whole, member: value}}
            steps = (start(("true",), made, process=f"p{number}", differs=_UNIT if value == {"all": None} else None),)
            yield Case(f"envPolicy with {member} {value!r}", steps)
    wholes: tuple[Json, ...] = (5, "all", True, {})
    for number, whole_value in enumerate(wholes):
        yield Case(f"envPolicy {whole_value!r}", (start(("true",), {"envPolicy": whole_value}, process=f"q{number}"),))
