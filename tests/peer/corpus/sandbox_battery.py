"""Every operation inside, outside, through links both ways and at protected names, under many policies.

The reference masks missing protected names with mount points; ours refuses to create them (row 9 of DIFFERENCES.md).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from ..cases import NOT_FOUND, READ_ONLY, SAME, Call, Case, Differs, Dir, File, Json, Link, Params, Tree
from .policies import FULL, PROTECTED, SHORT
from .walks import options
from .zoo import ROOT

DATA = b64encode(b"written").decode()
WORLD: Tree = {
    "ws/a.txt": "A", "ws/sub/b.txt": "B", "ws/sub/.git/HEAD": "nested", "ws/.git/HEAD": "ref", "ws/.git/config": "c",
    "ws/.git/hooks": Dir(), "ws/to-file": Link("../out/f"), "ws/to-dir": Link("../out"), "ws/inner": Link("a.txt"),
    "ws/to-new": Link("../out/new"), "ws/ro/f": "R", "ws/ro/rw/g": "G", "ws/secret/s": "S", "ws/secret.txt": "S",
    "ws/locked": File(b"L", 0o000), "ws/empty": Dir(), "ws2/c.txt": "C", "out/f": "F", "out/back": Link("../ws"),
    "out/back-file": Link("../ws/a.txt"), "out/to-sec": Link("../sec/s"), "sec/s": "S", "sec/deep/t": "T",
    "link-ws": Link("ws"),
}  # fmt: skip
_MISSING = {f"ws/{name}" for name in PROTECTED if name != ".git"}
_FILES = (
    "ws/a.txt", "ws/sub/b.txt", "ws/.git/HEAD", "ws/inner", "ws/to-file", "ws/to-dir/f", "ws/ro/f", "ws/ro/rw/g",
    "ws/secret/s", "ws/secret.txt", "ws/locked", "ws2/c.txt", "out/f", "out/back/a.txt", "out/back-file",
    "out/to-sec", "sec/s", "sec/deep/t", "link-ws/a.txt", "ws/missing", "out/missing", "sec/missing", "nope/x",
)  # fmt: skip
_DIRECTORIES = (
    "",
    "ws",
    "ws/sub",
    "ws/.git",
    "ws/secret",
    "ws/to-dir",
    "ws2",
    "out",
    "out/back",
    "sec",
    "link-ws",
    "ws/ro",
)
_NEW = (
    "ws/new", "ws/a.txt", "ws/sub/new", "ws/nope/new", "ws/.git/hooks/pre-commit", "ws/.git/config", "ws/.git",
    "ws/.git/new", "ws/sub/.git/config", "ws/sub/.codex", "ws/to-file", "ws/to-dir/new", "ws/inner", "ws/to-new",
    "ws/ro/f", "ws/ro/new", "ws/ro/rw/new", "ws/secret/s", "ws/secret/new", "ws/secret.txt", "ws/locked", "ws2/new",
    "out/new", "out/f", "out/back/new", "out/back-file", "out/back/.git/hooks/x", "sec/s", "sec/new", "new",
    "nope/new", "link-ws/new2", "link-ws/.git/hooks/y", "ws/.codex", "ws/.agents", "ws/.aws", "ws/.codex/config.toml",
    "link-ws/.codex",
)  # fmt: skip
_MADE = (
    "ws/d", "ws/a/b/c", "ws/sub", "ws/.git/hooks/d", "ws/.git/d", "ws/sub/.git/d", "ws/to-dir/d", "ws/ro/d",
    "ws/ro/rw/d", "ws/secret/d", "ws2/d", "out/d", "out/back/d2", "sec/d", "d", "nope/d", "link-ws/d3", "ws/.codex",
    "ws/.agents/skills", "ws/.aws",
)  # fmt: skip
_REMOVED = (
    "ws/missing", "ws/to-file", "ws/to-dir", "ws/inner", "ws/sub/.git", "ws/sub", "ws/.git/hooks", "ws/.git",
    "ws/ro/rw/g", "ws/ro", "ws/secret/s", "ws/secret", "ws/secret.txt", "ws2/c.txt", "out/back", "out/f", "sec/deep",
    "sec", "out/missing", "nope/x", "ws/a.txt", "link-ws",
)  # fmt: skip
_COPIES = (
    ("ws/a.txt", "ws/copy"), ("ws/a.txt", "out/copy"), ("out/f", "ws/copy2"), ("sec/s", "ws/copy3"),
    ("ws/secret/s", "ws/copy4"), ("ws/a.txt", "sec/copy"), ("ws/a.txt", "ws/secret/copy"),
    ("ws/a.txt", "ws/.git/hooks/post"), ("ws/a.txt", "ws/.git/config"), ("ws/to-file", "ws/link-copy"),
    ("ws/a.txt", "ws/to-new"), ("ws/a.txt", "out/back/copy5"), ("ws2/c.txt", "ws/copy6"), ("ws/a.txt", "ws2/copy"),
    ("ws/a.txt", "ws/ro/copy"), ("ws/a.txt", "ws/ro/rw/copy"), ("ws/missing", "ws/copy7"), ("ws/a.txt", "ws/.codex"),
    ("ws/locked", "ws/copy8"), ("ws/a.txt", "ws/to-file"),
)  # fmt: skip
_TREES = (
    ("ws/sub", "ws/tree"), ("ws/sub", "out/tree"), ("out", "ws/tree2"), ("sec", "ws/tree3"),
    ("ws/sub", "ws/.git/tree"), ("ws/secret", "ws/tree4"), ("ws/.git", "ws/tree5"), ("ws/.git", "ws/sub/.git"),
)  # fmt: skip
_SHORT_FILES = ("ws/a.txt", "out/f", "sec/s", "ws/secret.txt", "link-ws/sub/b.txt")
_SHORT_NEW = (
    "ws/new", "ws/sub/new", "ws/.git/hooks/x", "ws/.codex", "ws/ro/new", "ws/secret/new", "ws/secret.txt", "ws/a.txt",
    "ws2/new", "out/new", "link-ws/new2", "new",
)  # fmt: skip

_ROW_9 = "row 9: no mount points for protected names, the helper refuses to create them"
_MADE_DIFFERS = Differs(_ROW_9, (READ_ONLY, SAME))
_BELOW_DIFFERS = Differs(_ROW_9, (READ_ONLY, NOT_FOUND, SAME))


def sandboxed(method: str, policy: Params, path: str | None, differs: Differs | None = None, **params: Json) -> Call:
    where: Params = {} if path is None else {"path": f"{ROOT}/{path}" if path else ROOT}
    return Call(f"fs/{method}", {**where, **params, "sandbox": policy}, differs)


def cases() -> Iterator[Case]:
    for label, policy in FULL.items():
        for group, steps in _full(policy):
            yield Case(f"sandbox, {label}: {group}", tuple(steps), WORLD)
    for label, policy in SHORT.items():
        yield Case(f"sandbox, {label}: short reads", tuple(_short_reads(policy)), WORLD)
        yield Case(f"sandbox, {label}: short writes", tuple(_writes(policy, _SHORT_NEW)), WORLD)
        yield Case(f"sandbox, {label}: short changes", tuple(_short_changes(policy)), WORLD)


def _short_reads(policy: Params) -> Iterator[Call]:
    for path in _SHORT_FILES:
        yield sandboxed("readFile", policy, path)
    yield sandboxed("getMetadata", policy, "sec")
    yield sandboxed("readDirectory", policy, "ws")
    yield sandboxed("readDirectory", policy, "")


def _short_changes(policy: Params) -> Iterator[Call]:
    yield sandboxed("createDirectory", policy, "ws/d")
    yield sandboxed("createDirectory", policy, "ws/.git/d")
    yield from _copies(policy, (("ws/a.txt", "ws/copy"), ("sec/s", "ws/copy3"), ("out/f", "out/copy")), recursive=False)
    yield sandboxed("remove", policy, "ws/.git/config")
    yield sandboxed("remove", policy, "ws/sub")
    yield sandboxed("remove", policy, "out/f")


def _full(policy: Params) -> Iterator[tuple[str, Iterator[Call]]]:
    yield "reads", _reads(policy, _FILES, _DIRECTORIES)
    yield "writes", _writes(policy, _NEW)
    yield "directories made", _creates(policy, _MADE)
    yield "removals", _removes(policy, _REMOVED)
    yield "files copied", _copies(policy, _COPIES, recursive=False)
    yield "trees copied", _copies(policy, _TREES, recursive=True)


def _reads(policy: Params, files: tuple[str, ...], directories: tuple[str, ...]) -> Iterator[Call]:
    for path in files:
        yield sandboxed("readFile", policy, path)
        yield sandboxed("getMetadata", policy, path)
    for path in files[::3]:
        yield sandboxed("canonicalize", policy, path)
        yield sandboxed("readFile", policy, path, followSymlinks=False)
    for path in directories:
        yield sandboxed("readDirectory", policy, path)
        yield sandboxed("getMetadata", policy, path)
    for path in directories[::2]:
        yield sandboxed("walk", policy, path, options=options(maxDepth=3))


def _writes(policy: Params, paths: tuple[str, ...]) -> Iterator[Call]:
    for path in paths:
        yield sandboxed("writeFile", policy, path, _row_9(path), dataBase64=DATA)


def _creates(policy: Params, paths: tuple[str, ...]) -> Iterator[Call]:
    for path in paths:
        yield sandboxed("createDirectory", policy, path, _row_9(path))
        yield sandboxed("createDirectory", policy, path + "x", _row_9(path + "x"), recursive=False)


def _removes(policy: Params, paths: tuple[str, ...]) -> Iterator[Call]:
    for path in paths:
        yield sandboxed("remove", policy, path, recursive=False, force=False)
        yield sandboxed("remove", policy, path)


def _copies(policy: Params, pairs: tuple[tuple[str, str], ...], *, recursive: bool) -> Iterator[Call]:
    for source, destination in pairs:
        paths: Params = {"sourcePath": f"{ROOT}/{source}", "destinationPath": f"{ROOT}/{destination}"}
        yield sandboxed("copy", policy, None, _row_9(destination), **paths, recursive=recursive)


def _row_9(path: str) -> Differs | None:
    plain = path.replace("link-ws/", "ws/")
    if plain in _MISSING:
        return _MADE_DIFFERS
    return _BELOW_DIFFERS if plain.rpartition("/")[0] in _MISSING else None
