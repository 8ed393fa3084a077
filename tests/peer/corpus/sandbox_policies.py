"""Policies that need a world of their own: odd roots, temporary directories, names to escape, row 10."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import DENIED, DONE, READ_ONLY, SAME, Accept, Call, Case, Differs, Dir, File, Json, Link, Params, Tree
from .policies import MINIMAL, READ_ROOT, WS, at, context, entry, special
from .sandbox_battery import DATA, WORLD, sandboxed
from .zoo import ROOT

_ROW_10 = "row 10: the reference fails, ours works"
_WORKS = Differs(_ROW_10, (DONE,))
_READ_ONLY = Differs(_ROW_10, (READ_ONLY,))
_DENIED = Differs(_ROW_10, (DENIED,))


def cases() -> Iterator[Case]:
    yield from _temporary()
    yield from _names()
    yield from _row_10()
    yield from _globs()
    yield from _modes()
    yield from _large()
    yield from _subpaths()


def _subpaths() -> Iterator[Case]:
    """A subpath that leads out of its root must not open what it leads to."""
    for subpath in (
        "..",
        "../out",
        "${ROOT}/out",
        "sub/../../out",
        "link",
        ".",
        "",
        "sub/",
        "./sub",
        "sub/.git",
        ".git",
    ):
        writable = entry(special("project_roots", subpath=subpath), "write")
        policy = context(READ_ROOT, writable, workspaceRoots=[f"{ROOT}/ws"])
        paths = ("out/new", "new", "ws/new", "ws/sub/new", "ws/link/new2", "ws/.git/new")
        steps = tuple(sandboxed("writeFile", policy, path, dataBase64=DATA) for path in paths)
        yield Case(f"sandbox: the writable subpath {subpath!r}", steps, {**WORLD, "ws/link": Link("../out")})


def _temporary() -> Iterator[Case]:
    """slash_tmp and tmpdir grant what they name, and nothing when they are not there."""
    policies: dict[str, Params] = {
        "slash_tmp": context(READ_ROOT, entry(special("slash_tmp"), "write")),
        "tmpdir": context(READ_ROOT, entry(special("tmpdir"), "write")),
        "neither": context(READ_ROOT, WS),
        "slash_tmp read only": context(MINIMAL, entry(special("slash_tmp"), "read"), WS),
        "/tmp as a path": context(READ_ROOT, entry(at("file:///tmp"), "write")),
        "/tmp denied": context(READ_ROOT, WS, entry(at("file:///tmp/codex-peer-nothing"), "deny")),
    }
    for label, policy in policies.items():
        for place in ("${SLASH_TMP}", "${TMPDIR}"):
            uri = f"file://{place}"
            steps = (
                Call("fs/writeFile", {"path": f"{uri}/new", "dataBase64": DATA, "sandbox": policy}),
                Call("fs/readFile", {"path": f"{uri}/f", "sandbox": policy}),
                Call("fs/readDirectory", {"path": uri, "sandbox": policy}),
                Call("fs/createDirectory", {"path": f"{uri}/d/e", "sandbox": policy}),
                Call("fs/remove", {"path": f"{uri}/f", "sandbox": policy}),
            )
            yield Case(f"sandbox, {label}: operations in {place}", steps, {f"{place}/f": "F", "ws/a": "A"})


def _names() -> Iterator[Case]:
    for label, name, spelled in (
        ("spaces and letters beyond ASCII", "w s é", "w%20s%20%C3%A9"),
        ("a percent sign", "w%41", "w%2541"),
        ("a newline", "w\nx", "w%0Ax"),
        ("quotes", "w'\"x", "w'%22x"),
        ("a backslash", "w\\x", "w%5Cx"),
        ("glob characters", "w*?[x]", "w*%3F[x]"),
        ("a leading dash", "-w", "-w"),
    ):
        policy = context(READ_ROOT, entry(at(spelled), "write"), entry(at(f"{spelled}-no"), "deny")) | {
            "cwd": f"{ROOT}/{spelled}"
        }
        steps = (
            sandboxed("writeFile", policy, f"{spelled}/new", dataBase64=DATA),
            sandboxed("writeFile", policy, "outside", dataBase64=DATA),
            sandboxed("readFile", policy, f"{spelled}-no/f"),
            sandboxed("readDirectory", policy, spelled),
        )
        yield Case(f"sandbox: a writable root with {label}", steps, {f"{name}/a": "A", f"{name}-no/f": "F"})


def _row_10() -> Iterator[Case]:
    """What the reference gets wrong and ours gets right."""
    spellings = ("ws/", "%77s", "ws//", ".//ws", "w%FF")
    for spelled in spellings:
        loose = context(READ_ROOT, entry(at(spelled), "write"))
        inside = "w%FF" if spelled == "w%FF" else "ws"
        steps: tuple[Call, ...] = (
            sandboxed("writeFile", loose, f"{inside}/new", _WORKS, dataBase64=DATA),
            sandboxed("writeFile", loose, "new", _READ_ONLY, dataBase64=DATA),
        )
        tree: Tree = {"ws/a": "A", "w\udcff/a": "A"}
        yield Case(f"sandbox: the entry {spelled}", steps, tree, disk="any", ours_only="it would never answer")
    file_root = context(READ_ROOT, entry(at("ws/a.txt"), "write"))
    steps = (
        sandboxed("writeFile", file_root, "ws/a.txt", _WORKS, dataBase64=DATA),
        sandboxed(
            "writeFile",
            file_root,
            "ws/new",
            _READ_ONLY,
            dataBase64=DATA,
        ),
    )
    yield Case("sandbox: a file as writable root", steps, WORLD, disk="any")
    for label, denies in (("outermost last", ("a/b", "a")), ("outermost first", ("a", "a/b"))):
        nested = context(READ_ROOT, WS, *(entry(at(path), "deny") for path in denies))
        steps = (
            sandboxed("writeFile", nested, "ws/new", _WORKS, dataBase64=DATA),
            sandboxed("readFile", nested, "a/f", _DENIED),
            sandboxed("readFile", nested, "a/b/f", _DENIED),
        )
        yield Case(f"sandbox: nested denies, {label}", steps, {"ws/a": "", "a/b/f": "F", "a/f": "F"}, disk="any")
    link = context(READ_ROOT, WS, entry(at("ws/l"), "deny"))
    tree = {"ws/t/f": "F", "ws/l": Link("t"), "ws/a": ""}
    steps = (
        sandboxed("writeFile", link, "ws/new", _WORKS, dataBase64=DATA),
        sandboxed("readFile", link, "ws/l/f", _DENIED),
        sandboxed("readFile", link, "ws/t/f", _DENIED),
    )
    yield Case("sandbox: a denied link inside the workspace", steps, tree, disk="any")
    outside = context(READ_ROOT, WS, entry(at("l"), "deny"))
    steps = (
        sandboxed("writeFile", outside, "ws/new", dataBase64=DATA),
        sandboxed("readFile", outside, "t/s"),
        sandboxed("readFile", outside, "l/s"),
    )
    yield Case("sandbox: a denied link outside the workspace", steps, {"ws/a": "", "t/s": "S", "l": Link("t")})
    missing = context(READ_ROOT, WS, entry(at("ws/no/x"), "deny"), entry(at("ws/ro/x"), "read"))
    refused = Differs("row 9: no mount points", (Accept(-32603, "Read-only file system (os error 30)"), DENIED, SAME))
    for path in ("ws/no", "ws/no/x", "ws/ro", "ws/ro/x"):
        steps = (
            sandboxed("createDirectory", missing, path, refused),
            sandboxed("writeFile", missing, path, refused, dataBase64=DATA),
        )
        yield Case(f"sandbox: missing denied and read-only paths, {path}", steps, {"ws/a": ""}, disk="kept")


def _globs() -> Iterator[Case]:
    later = "globs are not enforced yet"
    for label, glob in (("an absolute glob", "${ROOT}/ws/**/.env"), ("a relative glob", "**/.env")):
        pattern: Json = {"type": "glob_pattern", "pattern": glob}
        policy = context(READ_ROOT, WS, entry(pattern, "deny"))
        steps = (sandboxed("readFile", policy, "ws/d/.env"), sandboxed("readFile", policy, "ws/a"))
        yield Case(f"sandbox: {label}", steps, {"ws/d/.env": "E", "ws/a": "A"}, later=later)
        ignored = context(READ_ROOT, WS, entry(pattern, "write"))
        yield Case(
            f"sandbox: {label} with access write",
            (sandboxed("writeFile", ignored, "ws/new", dataBase64=DATA),),
            {"ws/a": ""},
            later=later,
        )


def _modes() -> Iterator[Case]:
    """Inside, root has no capabilities: modes count."""
    tree: Tree = {
        "ws/locked": File(b"L", 0o000),
        "ws/ro": File(b"R", 0o444),
        "ws/dir/f": "F",
        "ws/dir": Dir(0o555),
        "ws/none/f": "F",
        "ws/none": Dir(0o000),
    }
    policy = context(READ_ROOT, WS, entry(at("nope"), "deny"))
    steps: list[Call] = []
    for path in ("ws/locked", "ws/ro", "ws/dir/f", "ws/dir/new", "ws/none/f", "ws/none/new"):
        steps += [sandboxed("readFile", policy, path), sandboxed("getMetadata", policy, path)]
        steps += [sandboxed("writeFile", policy, path, dataBase64=DATA), sandboxed("remove", policy, path)]
    steps += [
        sandboxed("readDirectory", policy, "ws/none"),
        sandboxed(
            "walk",
            policy,
            "ws",
            options={"maxDepth": 5, "maxDirectories": 50, "maxEntries": 50, "followDirectorySymlinks": False},
        ),
    ]
    yield Case("sandbox: modes count inside", tuple(steps), tree)


def _large() -> Iterator[Case]:
    policy = context(READ_ROOT, WS, entry(at("nope"), "deny"))
    content = File(bytes(range(256)) * 20_000)
    steps = (
        sandboxed("readFile", policy, "ws/f"),
        sandboxed("writeFile", policy, "ws/g", dataBase64="QUJD" * 500_000),
        sandboxed("copy", policy, None, sourcePath=f"{ROOT}/ws/f", destinationPath=f"{ROOT}/ws/h", recursive=False),
    )
    yield Case("sandbox: files of megabytes", steps, {"ws/f": content})
    many: Tree = {f"ws/{number:04}": "" for number in range(1500)}
    yield Case("sandbox: a directory of 1500 files", (sandboxed("readDirectory", policy, "ws"),), many, disk="any")
    too_large = {"ws/f": File(size=512 * 1024 * 1024 + 1)}
    yield Case("sandbox: a file over the limit", (sandboxed("readFile", policy, "ws/f"),), too_large)
