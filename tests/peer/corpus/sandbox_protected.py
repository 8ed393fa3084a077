"""Protected names in a writable root: there, empty, missing, a file, a link, a worktree's, made writable on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from ..cases import (
    DENIED,
    DONE,
    NOT_FOUND,
    READ_ONLY,
    SAME,
    Accept,
    Call,
    Case,
    Differs,
    Dir,
    Link,
    Params,
    Tree,
    refused,
)
from .policies import GUARDS, PROJECT, PROTECTED, READ_ROOT, WORKSPACE, WS, at, context, entry
from .sandbox_battery import DATA, sandboxed
from .zoo import ROOT

_ROW_9 = "row 9: no mount points, the helper refuses"
_REFUSED = Differs(_ROW_9, (READ_ONLY, SAME))
_REFUSED_BELOW = Differs(_ROW_9, (READ_ONLY, NOT_FOUND, SAME))
_NOT_THERE = Differs(_ROW_9, (NOT_FOUND,))
_LEFT = Differs(_ROW_9, (DONE, READ_ONLY, NOT_FOUND, refused(16, "Resource busy")))
_AGAIN = Differs("row 10: the reference cannot mask a missing name twice", (DONE,))
_POLICY = context(READ_ROOT, WS, entry(at("nope"), "deny"))
_GUARDED = context(READ_ROOT, PROJECT, *GUARDS, **WORKSPACE)


def cases() -> Iterator[Case]:
    for label, policy in (("a plain writable root", _POLICY), ("the client's guards", _GUARDED)):
        for name in PROTECTED:
            yield from _missing(label, policy, name)
            yield from _present(label, policy, name)
        yield from _git_files(label, policy)
    yield from _links()
    yield from _explicit()
    yield from _roundabout()


def _write(policy: Params, path: str, differs: Differs | None = None) -> Call:
    return sandboxed("writeFile", policy, path, differs, dataBase64=DATA)


def _missing(label: str, policy: Params, name: str) -> Iterator[Case]:
    """Nothing is there: it is not shown, not made, and nothing stays behind."""
    path, tree = f"ws/{name}", {"ws/a": "A", "ws/sub/b": "B"}
    copy = {"sourcePath": f"{ROOT}/ws/a", "destinationPath": f"{ROOT}/{path}"}
    copy_tree = {"sourcePath": f"{ROOT}/ws/sub", "destinationPath": f"{ROOT}/{path}"}
    steps: dict[str, tuple[Call, ...]] = {
        "written": (_write(policy, path, _REFUSED),),
        "written without following": (
            sandboxed("writeFile", policy, path, _REFUSED, dataBase64=DATA, followSymlinks=False),
        ),
        "written below": (_write(policy, f"{path}/x", _REFUSED_BELOW),),
        "made": (sandboxed("createDirectory", policy, path, _REFUSED),),
        "made alone": (sandboxed("createDirectory", policy, path, _REFUSED, recursive=False),),
        "made without following": (sandboxed("createDirectory", policy, path, _REFUSED, followSymlinks=False),),
        "made below": (sandboxed("createDirectory", policy, f"{path}/x/y", _REFUSED),),
        "made below without following": (
            sandboxed("createDirectory", policy, f"{path}/x/y", _REFUSED, followSymlinks=False),
        ),
        "copied to": (Call("fs/copy", {**copy, "recursive": False, "sandbox": policy}, _REFUSED),),
        "a tree copied to": (Call("fs/copy", {**copy_tree, "recursive": True, "sandbox": policy}, _REFUSED),),
        "removed": (sandboxed("remove", policy, path, _LEFT),),
    }
    for said, calls in steps.items():
        yield Case(f"sandbox, {label}: a missing {name}, {said}", calls, tree, disk="kept")
    if policy is _POLICY:
        seen = (
            sandboxed("getMetadata", policy, path, _NOT_THERE),
            sandboxed("readDirectory", policy, path, _NOT_THERE),
        )
        listed = (sandboxed("readDirectory", policy, "ws"), sandboxed("walk", policy, "ws", options=_WALK))
        yield Case(f"sandbox, {label}: a missing {name}, looked at", (*seen, *listed), tree, disk="kept")


_WALK: Params = {"maxDepth": 4, "maxDirectories": 50, "maxEntries": 100, "followDirectorySymlinks": False}


def _present(label: str, policy: Params, name: str) -> Iterator[Case]:
    full: Tree = {"ws/a": "A", f"ws/{name}/f": "F", f"ws/{name}/hooks/h": "H"}
    empty: Tree = {"ws/a": "A", f"ws/{name}": Dir()}
    file: Tree = {"ws/a": "A", f"ws/{name}": "text"}
    empty_file: Tree = {"ws/a": "A", f"ws/{name}": ""}
    for kind, tree in (("full", full), ("empty", empty), ("file", file), ("empty file", empty_file)):
        path = f"ws/{name}"
        steps = (
            _write(policy, f"{path}/new"),
            _write(policy, f"{path}/f"),
            _write(policy, path),
            sandboxed("createDirectory", policy, f"{path}/d"),
            sandboxed("createDirectory", policy, path),
            sandboxed("remove", policy, f"{path}/f"),
            sandboxed("remove", policy, f"{path}/hooks"),
            sandboxed("readFile", policy, f"{path}/f"),
            sandboxed("readDirectory", policy, path),
            *([] if kind == "empty" else [sandboxed("getMetadata", policy, path)]),  # a mask has another size
            _write(policy, "ws/new"),
        )
        yield Case(f"sandbox, {label}: {name} is {kind}", steps, tree)
        busy = Differs(_ROW_9, (refused(16, "Resource busy"), READ_ONLY, SAME))
        gone = (sandboxed("remove", policy, path, busy), sandboxed("remove", policy, path, busy, recursive=False))
        yield Case(f"sandbox, {label}: {name} is {kind}, removed", gone, tree, disk="kept")


def _git_files(label: str, policy: Params) -> Iterator[Case]:
    """A worktree's `.git` is a file that names the real directory."""
    inside: Tree = {"ws/.git": "gitdir: real.git\n", "ws/real.git/config": "c", "ws/a": ""}
    absolute: Tree = {"ws/.git": "gitdir: ${ROOT}/ws/real.git\n", "ws/real.git/config": "c"}
    outside: Tree = {"ws/.git": "gitdir: ${ROOT}/gd/wt", "gd/wt/config": "c", "ws/a": "", "ws/real.git/config": "c"}
    gone: Tree = {"ws/.git": "gitdir: real.git\n", "ws/a": "", "ws/other/x": ""}
    garbage: Tree = {"ws/.git": "garbage", "ws/real.git/config": "c"}
    spaces: Tree = {"ws/.git": "  gitdir:   real.git  \n\n", "ws/real.git/config": "c"}
    second: Tree = {"ws/.git": "x\ngitdir: real.git\n", "ws/real.git/config": "c"}
    for said, tree in (
        ("inside", inside),
        ("inside, absolute", absolute),
        ("outside", outside),
        ("missing", gone),
        ("garbage", garbage),
        ("with spaces", spaces),
        ("on its second line", second),
    ):
        steps = (
            _write(policy, "ws/.git"),
            _write(policy, "ws/real.git/config"),
            _write(policy, "ws/real.git/new"),
            _write(policy, "gd/wt/config"),
            _write(policy, "ws/new"),
            *([] if "${ROOT}" in str(tree["ws/.git"]) else [sandboxed("readFile", policy, "ws/.git")]),
        )
        yield Case(f"sandbox, {label}: a gitdir {said}", steps, tree)


def _links() -> Iterator[Case]:
    """A protected name that is a link: the reference refuses the whole policy; ours must at least not write."""
    refusal = Differs("row 17: one clear message", (Accept(code=-32603), Accept(code=-32600)))
    for name in PROTECTED:
        for target in ("../g", "d", "nowhere"):
            tree: Tree = {"ws/a": "", f"ws/{name}": Link(target), "g/f": "G", "ws/d/f": "D"}
            steps = (
                _write(_POLICY, "ws/new", refusal),
                _write(_POLICY, f"ws/{name}/f", refusal),
                _write(_POLICY, "ws/d/f", refusal),
            )
            yield Case(f"sandbox: {name} is a link to {target}", steps, tree, disk="kept")


def _explicit() -> Iterator[Case]:
    for name in PROTECTED:
        for access in ("write", "read", "deny"):
            policy = context(READ_ROOT, WS, entry(at(f"ws/{name}"), access))
            trees: dict[str, Tree] = {
                "full": {"ws/a": "", f"ws/{name}/f": "F"},
                "missing": {"ws/a": ""},
                "empty": {"ws/a": "", f"ws/{name}": Dir()},
            }
            for kind, tree in trees.items():
                differs = _REFUSED if kind == "missing" and access == "read" else None
                if kind == "missing" and access == "deny":
                    differs = Differs(_ROW_9, (READ_ONLY, DENIED, SAME))
                below = _REFUSED_BELOW if kind == "missing" and access != "write" else None
                if kind == "missing" and access == "deny":
                    below = Differs(_ROW_9, (READ_ONLY, DENIED, NOT_FOUND, SAME))
                steps = (
                    sandboxed("createDirectory", policy, f"ws/{name}", differs),
                    _write(policy, f"ws/{name}/new", below),
                    sandboxed(
                        "readFile",
                        policy,
                        f"ws/{name}/f",
                        None if below is None else Differs(_ROW_9, (NOT_FOUND, DENIED)),
                    ),
                    _write(policy, "ws/new", _AGAIN if (kind, access) == ("missing", "deny") else None),
                )
                disk: Literal["same", "any"] = "any" if (kind, access) == ("missing", "deny") else "same"
                yield Case(f"sandbox: {name} {kind}, explicit {access}", steps, tree, disk=disk)


def _roundabout() -> Iterator[Case]:
    """Ways around a protected name that is not there: links, dots, a copy, other spellings."""
    tree: Tree = {
        "ws/a": "A",
        "ws/here": Link("."),
        "ws/sub/up": Link(".."),
        "ws/to-git": Link(".git"),
        "out/ws": Link("../ws"),
        "src/.git/hooks/h": "H",
        "src/f": "F",
        "link-ws": Link("ws"),
    }
    paths = (
        "ws/here/.git",
        "ws/sub/up/.git",
        "ws/to-git",
        "out/ws/.git",
        "link-ws/.git",
        "ws/sub/../.git",
        "ws/./.git",
        "ws/%2egit",
        "ws/.g%69t",
        "ws//.git",
        "out/ws/.codex",
        "ws/here/here/.aws",
    )
    for path in paths:
        write = (_write(_POLICY, path, _REFUSED), _write(_POLICY, f"{path}/x", _REFUSED_BELOW))
        made = replace(_REFUSED, accept=(*_REFUSED.accept, refused(17, "File exists")))  # of a link to nothing
        make = (
            sandboxed("createDirectory", _POLICY, path, made),
            sandboxed("createDirectory", _POLICY, f"{path}/hooks", made),
        )
        copy: Params = {
            "sourcePath": f"{ROOT}/src",
            "destinationPath": f"{ROOT}/{path}",
            "recursive": True,
            "sandbox": _POLICY,
        }
        yield Case(f"sandbox: a way around, {path}", (*write, *make, Call("fs/copy", copy, made)), tree, disk="kept")
    whole: Params = {
        "sourcePath": f"{ROOT}/src",
        "destinationPath": f"{ROOT}/ws",
        "recursive": True,
        "sandbox": _POLICY,
    }
    partly = Call("fs/copy", whole, _REFUSED)
    yield Case(
        "sandbox: a tree with .git copied onto the workspace",
        (partly, _write(_POLICY, "ws/.git/hooks/x", _REFUSED_BELOW)),
        tree,
        disk="any",
    )
    other_case = (
        _write(_POLICY, "ws/.GIT"),
        _write(_POLICY, "ws/.gitignore"),
        _write(_POLICY, "ws/.git "),
        _write(_POLICY, "ws/.github"),
    )
    yield Case("sandbox: names like .git are not protected", other_case, tree)
    deeper = (sandboxed("createDirectory", _POLICY, "ws/sub/.git/hooks"), _write(_POLICY, "ws/sub/.codex"))
    yield Case("sandbox: protected names deeper down are free", deeper, tree)
