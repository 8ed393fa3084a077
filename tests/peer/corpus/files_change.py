"""writeFile, createDirectory and remove on every kind of file, directly; the tree afterwards is compared."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

from ..cases import SAME, Accept, Call, Case, Differs, Dir, File, Json, Link, Params, Tree
from .zoo import DEVICE_TARGETS, ROOT, TARGETS, ZOO, call, worded, zoo

DATA = b64encode(b"written").decode()
_ROW_4 = Differs("row 4: special files are refused at once", (Accept(code=-32600),))
_ROW_4_TOO = Differs("row 4: special files are refused at once", (Accept(code=-32600), SAME))
_FOLLOW: tuple[Params, ...] = ({}, {"followSymlinks": None}, {"followSymlinks": True}, {"followSymlinks": False})
_BOOLS: tuple[Json, ...] = ("absent", None, True, False)


def cases() -> Iterator[Case]:
    yield from _writes()
    yield from _creates()
    yield from _removes()
    yield from _base64()
    yield from _sequences()


def _family(method: str, options: Iterator[Params] | tuple[Params, ...], **params: Json) -> Iterator[Case]:
    for option in options:
        for label, path in (TARGETS | DEVICE_TARGETS).items():
            name = f"{method} on {label}{worded(option)}"
            yield _case(name, method, path, {**params, **option})


def _case(name: str, method: str, path: str, params: Params) -> Case:
    setup = zoo(path)
    step = call(method, path, **params)
    if method == "writeFile" and path in ("fifo", "to-fifo"):
        if params.get("followSymlinks") is False:
            return Case(name, (replace(step, differs=_ROW_4_TOO),), setup)
        return Case(name, (replace(step, differs=_ROW_4),), setup, ours_only="it blocks", disk="kept")
    return Case(name, (step,), setup)


def _options(*names: str) -> Iterator[Params]:
    """All combinations of absent, null, true and false; null only where the others are absent, to keep it small."""
    for values in itertools.product(_BOOLS, repeat=len(names)):
        chosen = {name: value for name, value in zip(names, values, strict=True) if value != "absent"}
        if not (None in values and len(chosen) > 1):
            yield chosen


def _writes() -> Iterator[Case]:
    yield from _family("writeFile", _FOLLOW, dataBase64=DATA)
    for label, path in (
        ("the case's directory", ""),
        ("the root", None),
        ("/dev/null", "/dev/null"),
        ("/dev/full", "/dev/full"),
    ):
        for option in _FOLLOW:
            uri = ROOT if path == "" else f"file://{path or '/'}"
            step = Call("fs/writeFile", {"path": uri, "dataBase64": DATA, **option})
            yield Case(f"writeFile to {label}{worded(option)}", (step,))


def _creates() -> Iterator[Case]:
    yield from _family("createDirectory", _options("recursive", "followSymlinks"))
    for option in _options("recursive", "followSymlinks"):
        step = Call("fs/createDirectory", {"path": "file:///", **option})
        yield Case(f"createDirectory of the root{worded(option)}", (step,))
    deep = "/".join("abcdefghij")
    yield Case("createDirectory ten deep", (call("createDirectory", deep), call("createDirectory", deep)))


def _removes() -> Iterator[Case]:
    yield from _family("remove", _options("recursive", "force", "followSymlinks"))
    yield Case("remove takes the whole case's directory", (call("remove", ""), call("getMetadata", "")), ZOO)
    deep: Tree = {"/".join(["d"] * 60) + "/f": "x"}
    yield Case("remove of sixty levels", (call("remove", "d"),), deep)
    outside: Tree = {"in/l": Link("../out"), "in/f": Link("../out/f"), "out/f": "kept", "out/d/g": "kept"}
    yield Case("remove does not follow links out of the tree", (call("remove", "in"),), outside)
    locked: Tree = {"t/a/f": "", "t/a": Dir(0o555), "t/b/f": "", "t/b": Dir(0o000), "t/c": ""}
    yield Case("remove of a tree with read-only directories", (call("remove", "t"),), locked)


def _base64() -> Iterator[Case]:
    texts = {
        "nothing": "", "one byte": "YQ==", "no padding": "YQ", "half the padding": "YQ=", "too much padding": "YQ===",
        "padding alone": "=", "two paddings alone": "==", "four paddings": "====", "padding inside": "YQ==YQ==",
        "padding first": "=YQ=", "a space": "Y Q==", "a line break at the end": "YQ==\n",
        "a line break inside": "YQ\n==", "a leading space": " YQ==", "URL alphabet": "-_-_",
        "the whole alphabet": "+/+/", "a star": "****", "not ASCII": "éééé", "a NUL": "YQ=\0", "one character": "Y",
        "five characters": "YWFhY", "six characters": "YWFhYQ", "seven characters": "YWFhYWE",
        "trailing bits": "YR==", "trailing bits of three": "YWF=", "nine characters": "YWFhYWFhY",
        "a late bad symbol": "YWFhYWFhYWFhYWF!", "a bad symbol before bad padding": "YW!=", "an emoji": "😀😀",
        "a slash late": "YWFhYWFhYWFhYW/", "tabs": "YWFh\tYWFh", "eleven with padding": "YWFhYWFhYW=",
        "thirteen": "YWFhYWFhYWFhY", "padding after five": "YWFhY===", "padding after six, once": "YWFhYQ=",
        "a quoted comma": "YWFh,WFh",
    }  # fmt: skip
    for label, text in texts.items():
        yield Case(f"writeFile with base64: {label}", (call("writeFile", "new", dataBase64=text),), disk="same")
        step = call("writeFile", "missing/new", dataBase64=text)
        yield Case(f"writeFile into a missing directory with base64: {label}", (step,))
    step = Call("fs/writeFile", {"path": "file:///C:/x", "dataBase64": "*"})
    yield Case("writeFile with a foreign path and bad base64", (step,))
    step = Call("fs/writeFile", {"path": "relative", "dataBase64": "*"})
    yield Case("writeFile with a bad path and bad base64", (step,))


def _sequences() -> Iterator[Case]:
    """Steps that build on one another."""
    write, read = call("writeFile", "f", dataBase64=DATA), call("readFile", "f")
    yield Case("what was written is read", (write, read, call("getMetadata", "f"), call("readDirectory", "")))
    yield Case("a shorter text replaces a longer one", (write, read), {"f": "something much longer\n"})
    yield Case("writing keeps the mode", (write,), {"f": File(b"x", 0o640)})
    yield Case("writing keeps setuid away or not, as the reference", (write,), {"f": File(b"x", 0o6755)})
    steps = (
        call("createDirectory", "a/b/c"),
        call("writeFile", "a/b/c/f", dataBase64=DATA),
        call("walk", "", options=WALK),
    )
    yield Case("a directory is made, filled and walked", (*steps, call("remove", "a"), call("walk", "", options=WALK)))
    yield Case("remove twice, with force", (write, call("remove", "f"), call("remove", "f")))
    twice = call("remove", "f", force=False)
    yield Case("remove twice, without force", (write, twice, twice))
    through = call("writeFile", "l", dataBase64=DATA)
    yield Case("writing through a dangling link makes its target", (through, call("readFile", "t")), {"l": Link("t")})
    yield Case("writing by a link keeps the link", (through, call("getMetadata", "l")), {"l": Link("t"), "t": "old"})
    empty = call("writeFile", "f", dataBase64="")
    yield Case("writing nothing truncates", (empty, call("getMetadata", "f")), {"f": "old"})


WALK: dict[str, Json] = {"maxDepth": 9, "maxDirectories": 100, "maxEntries": 1000, "followDirectorySymlinks": False}
