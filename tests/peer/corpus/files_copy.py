"""copy: every source, every destination, both values of `recursive`; trees into trees."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Accept, Call, Case, Differs, Dir, File, Json, Link, Special, Tree
from .zoo import DEVICE_TARGETS, DEVICES, ROOT, TARGETS, zoo

_ROW_4 = Differs("row 4: special files are refused at once", (Accept(code=-32600),))
_ROW_5 = Differs("row 5: a file is not copied onto itself", (Accept(code=-32600), Accept(code=-32603)))
_ITSELF = {"file", "to-file", "to-link", "to-absolute", "file/"}  # the ways to name the source once more


def copy(source: str, destination: str, recursive: Json = False, differs: Differs | None = None, **more: Json) -> Call:
    params: dict[str, Json] = {"sourcePath": f"{ROOT}/{source}", "destinationPath": f"{ROOT}/{destination}"}
    return Call("fs/copy", {**params, "recursive": recursive, **more}, differs)


def cases() -> Iterator[Case]:
    for recursive in (False, True):
        said = "recursive" if recursive else "plain"
        for label, path in (TARGETS | DEVICE_TARGETS).items():
            yield Case(f"{said} copy of {label} to a new name", (copy(path, "new", recursive),), zoo(path))
            yield Case(f"{said} copy of {label} to a missing directory", (copy(path, "no/new", recursive),), zoo(path))
            for source, named in (("file", "a file"), ("full", "a directory"), ("to-link", "a link")):
                yield _onto(f"{said} copy of {named} onto {label}", source, path, recursive)
    yield from _same_file()
    yield from _merges()
    yield from _into_itself()
    yield from _modes()


def _onto(name: str, source: str, path: str, recursive: bool) -> Case:
    setup = zoo(source, path)
    if source == "file" and path in _ITSELF:
        return Case(name, (copy(source, path, recursive, _ROW_5),), setup, disk="kept")
    if source == "file" and path in ("fifo", "to-fifo"):
        return Case(name, (copy(source, path, recursive, _ROW_4),), setup, ours_only="it blocks", disk="kept")
    return Case(name, (copy(source, path, recursive),), setup)


def _same_file() -> Iterator[Case]:
    tree: Tree = {"d/f": "precious", "l": Link("d/f"), "dl": Link("d"), "empty": ""}
    for label, source, destination in (
        ("by the same path", "d/f", "d/f"),
        ("by another spelling", "d/f", "d/./x/../f"),
        ("by a link to its directory", "d/f", "dl/f"),
    ):
        steps = (copy(source, destination, False, _ROW_5),)
        yield Case(f"copy of a file onto itself {label}", steps, tree, disk="kept")
    yield Case("copy of a link onto itself", (copy("l", "l"),), tree)
    yield Case("copy of a link onto its target", (copy("l", "d/f"),), tree)


def _merges() -> Iterator[Case]:
    source: Tree = {
        "s/a": "new",
        "s/sub/b": "new",
        "s/l": Link("a"),
        "s/empty": Dir(),
        "s/fifo": Special("fifo"),
        "s/sock": Special("socket"),
    }
    yield Case("copy of a tree skips special files", (copy("s", "t", True),), source)
    plain: Tree = {"s/a": "new", "s/sub/b": "new"}
    yield Case(
        "copy of a tree merges into another",
        (copy("s", "t", True),),
        {**plain, "t/a": "old", "t/c": "kept", "t/sub/d": "kept"},
    )
    yield Case("copy of a tree onto a file", (copy("s", "t", True),), {**plain, "t": "file"})
    yield Case("copy of a tree whose file is a directory there", (copy("s", "t", True),), {"s/a": "new", "t/a": Dir()})
    yield Case(
        "copy of a tree whose directory is a file there", (copy("s", "t", True),), {"s/sub/b": "new", "t/sub": "file"}
    )
    yield Case("copy of a tree whose link is there", (copy("s", "t", True),), {"s/l": Link("x"), "t/l": Link("y")})
    yield Case("copy of a tree whose link is a file there", (copy("s", "t", True),), {"s/l": Link("x"), "t/l": "f"})
    yield Case(
        "copy of a tree onto a link to a directory", (copy("s", "l", True),), {**plain, "t/c": "kept", "l": Link("t")}
    )
    yield Case("copy of a tree onto a dangling link", (copy("s", "l", True),), {**plain, "l": Link("t")})
    yield Case(
        "copy of a tree writes through a link there",
        (copy("s", "t", True),),
        {"s/a": "new", "t/a": Link("../out"), "out": "old"},
    )
    yield Case(
        "copy of a tree keeps links as they are",
        (copy("s", "t", True),),
        {"s/in": Link("a"), "s/out": Link("../x"), "s/abs": Link("/etc"), "s/gone": Link("no"), "s/self": Link("self")},
    )
    yield Case(
        "copy of a tree with odd names",
        (copy("s", "t", True),),
        {"s/\udcff": "a", "s/é/ü": "b", "s/a b": "c", "s/new\nline": "d"},
    )
    yield Case("copy of a tree fifty deep", (copy("s", "t", True),), {"s/" + "/".join(["d"] * 50) + "/f": "x"})
    yield Case("copy of an empty directory", (copy("s", "t", True),), {"s": Dir()})
    yield Case("copy of a tree to a path three deep", (copy("s", "x/y/z", True),), plain)
    yield Case("copy of a link to a directory, recursive", (copy("l", "t", True),), {**plain, "l": Link("s")})


def _into_itself() -> Iterator[Case]:
    tree: Tree = {"s/a": "A", "s/sub/b": "B", "l": Link("s"), "s/inner": Link("sub"), "other": Dir(), "sx": Dir()}
    for label, source, destination in (
        ("itself", "s", "s"),
        ("itself by a trailing slash", "s", "s/"),
        ("a child of itself", "s", "s/new"),
        ("a grandchild of itself", "s", "s/sub/new"),
        ("a missing path below itself", "s", "s/x/y/z"),
        ("itself by a link", "s", "l"),
        ("a child by a link", "s", "l/new"),
        ("a grandchild by two links", "s", "l/inner/new"),
        ("itself by dots", "s", "other/../s/new"),
        ("a sibling with the same beginning", "s", "sx/new"),
        ("its parent's new child", "s", "s2"),
        ("its parent", "s/sub", "s"),
    ):
        for recursive in (True, False):
            said = "recursive" if recursive else "plain"
            yield Case(f"{said} copy of a directory to {label}", (copy(source, destination, recursive),), tree)


def _modes() -> Iterator[Case]:
    for mode in (0o600, 0o755, 0o444, 0o000, 0o4755, 0o2755, 0o1777, 0o6711):
        steps = (copy("f", "new"), copy("f", "old"))
        yield Case(f"copy of a file of mode {mode:04o}", steps, {"f": File(b"x", mode), "old": File(b"y", 0o640)})
        tree: Tree = {"s/f": File(b"x", mode), "s/d": Dir(mode), "s": Dir(0o750)}
        yield Case(f"copy of a tree with modes {mode:04o}", (copy("s", "t", True),), tree)
    yield Case("copy of a file keeps its bytes", (copy("f", "g"),), {"f": File(bytes(range(256)) * 5000)})
    yield Case("copy of a file with a hole", (copy("f", "g"),), {"f": File(b"x", size=1 << 20)})
    yield Case("copy of a read-only tree", (copy("s", "t", True),), {"s/f": "x", "s": Dir(0o555)})
    for source in ("null", "zero", "fifo", "socket"):
        kinds: Tree = (
            {"x": Special("fifo" if source == "fifo" else "socket")} if source in ("fifo", "socket") else DEVICES
        )
        name = "x" if source in ("fifo", "socket") else source
        yield Case(f"copy of a {source} onto a file", (copy(name, "f"), copy(name, "f", True)), {**kinds, "f": "kept"})
