"""walk: limits, options, links, hidden and unreadable directories, odd names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..cases import POSITIONAL, Case, Dir, Json, Link, Special, Tree
from .zoo import DEVICE_TARGETS, TARGETS, call, zoo

_TREE: Tree = {
    "b/two": "", "b/one": "", "a/x/y/z/deep": "", "a/x/file": "", "a/link": Link("../b"), "c": "", "B": "", "_": "",
    "a.b": "", "a-b": "", ".hidden/in/side": "", ".file": "", "empty": Dir(), "gone": Link("nowhere"),
    "up": Link("."), "to-c": Link("c"), "to-a": Link("a"), "to-a-again": Link("to-a"), "fifo": Special("fifo"),
    "sock": Special("socket"), "self": Link("self"), "b/back": Link(".."), "é": "", "a b": "", "10": "", "9": "",
}  # fmt: skip


def options(**changed: Json) -> dict[str, Json]:
    plain: dict[str, Json] = {
        "maxDepth": 10,
        "maxDirectories": 1000,
        "maxEntries": 1000,
        "followDirectorySymlinks": False,
    }
    return {**plain, **changed}


def cases() -> Iterator[Case]:
    for follow in (False, True):
        for label, path in (TARGETS | DEVICE_TARGETS).items():
            step = call("walk", path, options=options(followDirectorySymlinks=follow))
            yield Case(f"walk of {label}{', following links' if follow else ''}", (step,), zoo(path))
        yield from _limits(follow)
    yield from _bad_limits()
    yield from _shapes()


def _limits(follow: bool) -> Iterator[Case]:
    said = ", following links" if follow else ""
    for name, values in (
        ("maxDepth", (0, 1, 2, 3, 4, 64)),
        ("maxDirectories", (1, 2, 3, 4, 5, 8, 10_000)),
        ("maxEntries", (1, 2, 3, 5, 8, 13, 20, 21, 22, 23, 24, 25, 26, 27, 28, 50_000)),
    ):
        for value in values:
            for prune in (False, True):
                changed: dict[str, Json] = {
                    name: value,
                    "pruneHiddenDirectories": prune,
                    "followDirectorySymlinks": follow,
                }
                step = call("walk", "", options=options(**changed))
                yield Case(f"walk with {name} {value}{said}{', pruning' if prune else ''}", (step,), _TREE)
    for depth, directories, entries in ((0, 1, 1), (1, 2, 5), (2, 3, 9), (1, 1, 50), (64, 2, 2)):
        changed = {"maxDepth": depth, "maxDirectories": directories, "maxEntries": entries}
        step = call("walk", "", options=options(**changed, followDirectorySymlinks=follow))
        yield Case(f"walk with limits {depth}, {directories} and {entries}{said}", (step,), _TREE)


def _bad_limits() -> Iterator[Case]:
    values: tuple[Json, ...] = (
        0,
        65,
        10_001,
        50_001,
        2**31,
        2**53,
        2**63,
        2**64 - 1,
        2**64,
        -1,
        1.5,
        5.0,
        -0.0,
        "5",
        None,
        True,
        [],
    )
    for name in ("maxDepth", "maxDirectories", "maxEntries"):
        for value in values:
            step = call("walk", "", options=options(**{name: value}))
            yield Case(f"walk of a file with {name} {value!r}", (step,), {"a": ""})
            missing = call("walk", "missing", options=options(**{name: value}))
            yield Case(f"walk of nothing with {name} {value!r}", (missing,))
        left = {key: value for key, value in options().items() if key != name}
        yield Case(f"walk without {name}", (call("walk", "", options=left),))
    for name in ("followDirectorySymlinks", "pruneHiddenDirectories"):
        flags: tuple[Json, ...] = (None, 1, "true", [], {})
        for flag in flags:
            yield Case(f"walk with {name} {flag!r}", (call("walk", "", options=options(**{name: flag})),))
    yield Case("walk with zero and too much", (call("walk", "", options=options(maxEntries=0, maxDepth=65)),))
    yield Case("walk with options missing", (call("walk", ""),))
    wholes: tuple[Json, ...] = (None, 5, "x", [], {}, [1, 2, 3, True], True)
    for given in wholes:
        yield Case(
            f"walk with options {given!r}",
            (replace(call("walk", "", options=given), differs=POSITIONAL if isinstance(given, list) else None),),
        )
    yield Case("walk with unknown options", (call("walk", "", options=options(sorted=True)),), {"a": ""})


def _shapes() -> Iterator[Case]:
    follow, plain = options(followDirectorySymlinks=True), options()
    odd: Tree = {"\udcff": "", "a\udc80": Dir(), "z": "", "sp ace/%41": "", "q?": "", "h#": "", "é/ü": ""}
    mutual: Tree = {"a/to-b": Link("../b"), "b/to-a": Link("../a"), "b/f": "", "a/g": ""}
    outside: Tree = {"top/out": Link("../other"), "other/f": "", "other/sub/g": "", "top/out2": Link("../other/sub")}
    locked: Tree = {"a/f": "", "locked/f": "", "locked": Dir(0o000), "z/f": "", "no-x/f": "", "no-x": Dir(0o444)}
    shapes: tuple[tuple[str, Tree, str], ...] = (
        ("odd names", odd, ""),
        ("links to one another", mutual, ""),
        ("links out of the tree", outside, "top"),
        ("locked directories", locked, ""),
        ("a locked directory alone", locked, "locked"),
        ("a link to a tree", {"t/a/b": "", "l": Link("t")}, "l"),
        ("a link to an empty file", {"t": "", "l": Link("t")}, "l"),
        ("a wide tree", {f"{d}/{f}": "" for d in "abcdefgh" for f in "12345678"}, ""),
        ("a deep tree", {"/".join(["d"] * 30) + "/f": ""}, ""),
        ("a hidden root", {".h/.g/f": "", ".h/a/f": ""}, ".h"),
    )
    pruning = options(pruneHiddenDirectories=True)
    for label, tree, path in shapes:
        for given, said in ((plain, ""), (follow, ", following links"), (pruning, ", pruning")):
            yield Case(f"walk of {label}{said}", (call("walk", path, options=given),), tree)
    deep: Tree = {"/".join(["d"] * 70) + "/f": ""}
    yield Case("walk of seventy levels", (call("walk", "", options=options(maxDepth=64)),), deep)
    many: Tree = {f"{number:05}": "" for number in range(2000)}
    for entries in (1999, 2000, 2001):
        step = call("walk", "", options=options(maxEntries=entries))
        yield Case(f"walk of 2000 files with maxEntries {entries}", (step,), many, disk="any")
