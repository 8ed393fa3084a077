"""readFile, getMetadata, canonicalize and readDirectory of every kind of file, directly."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import Call, Case, Dir, File, Json, Link, Params, Tree
from .zoo import DEVICE_TARGETS, DEVICES, TARGETS, ZOO, call, worded, zoo

_FOLLOW: tuple[Params, ...] = (
    {},
    {"followSymlinks": None},
    {"followSymlinks": True},
    {"followSymlinks": False},
)
_READS: dict[str, tuple[Params, ...]] = {
    "readFile": _FOLLOW,
    "getMetadata": _FOLLOW,
    "canonicalize": ({}, {"followSymlinks": False}),
    "readDirectory": ({}, {"followSymlinks": False}),
}


def cases() -> Iterator[Case]:
    for method, options in _READS.items():
        for option in options:
            for label, path in (TARGETS | DEVICE_TARGETS).items():
                yield Case(f"{method} of {label}{worded(option)}", (call(method, path, **option),), zoo(path))
    yield from _roots()
    yield from _contents()
    yield from _directories()
    yield from _machine_paths()


def _roots() -> Iterator[Case]:
    """The directory of the case itself, and the root of the file system."""
    for method, options in _READS.items():
        for option in options:
            if method != "readDirectory":
                step = Call(f"fs/{method}", {"path": "file:///", **option})
                yield Case(f"{method} of the root{worded(option)}", (step,))
            yield Case(f"{method} of an existing directory{worded(option)}", (call(method, "", **option),), ZOO)


def _contents() -> Iterator[Case]:
    contents = {
        "one byte": b"x",
        "two bytes": b"xy",
        "three bytes": b"xyz",
        "every byte": bytes(range(256)),
        "NUL bytes": b"\0" * 10,
        "100 000 bytes": b"0123456789" * 10_000,
        "1 MiB and one byte": b"q" * (1024 * 1024 + 1),
    }
    for label, content in contents.items():
        steps = (call("readFile", "f"), call("getMetadata", "f"), call("readFile", "f", followSymlinks=False))
        yield Case(f"readFile of {label}", steps, {"f": File(content)})
    for size, label in ((512 * 1024 * 1024 + 1, "one byte more than the limit"), (1 << 40, "a terabyte")):
        steps = (call("getMetadata", "f"), call("readFile", "f"), call("readFile", "f", followSymlinks=False))
        yield Case(f"readFile of {label}", steps, {"f": File(size=size)})


def _directories() -> Iterator[Case]:
    many: dict[str, str] = {f"file-{number:04}": "" for number in range(3000)}
    yield Case("readDirectory of 3000 files", (call("readDirectory", ""),), many, disk="any")
    kinds = {**ZOO, **DEVICES}
    yield Case("readDirectory of every kind of file", (call("readDirectory", ""),), kinds)
    yield Case(
        "readDirectory through a link shows what is there", (call("readDirectory", "l"),), {"d/a": "", "l": Link("d")}
    )
    yield Case(
        "readDirectory follows two links", (call("readDirectory", "m"),), {"d/a": "", "l": Link("d"), "m": Link("l")}
    )
    names: Tree = {
        "\udcff\udcfe": "",
        "a\udc80b": Dir(),
        "é": "",
        "日本": "",
        " ": "",
        "new\nline": "",
        "\x01": "",
        "~": "",
    }
    yield Case("readDirectory of odd names", (call("readDirectory", ""),), names)
    yield Case(
        "readDirectory of hidden names", (call("readDirectory", ""),), {".a": "", "..b": "", "...": "", ".git/x": ""}
    )


def _machine_paths() -> Iterator[Case]:
    """Files that every Linux has; what they hold is not compared where it changes."""
    paths: dict[str, tuple[str, ...]] = {
        "file:///dev/null": ("readFile", "getMetadata", "canonicalize", "readDirectory"),
        "file:///dev/zero": ("readFile", "getMetadata"),
        "file:///dev/full": ("readFile", "getMetadata"),
        "file:///dev/random": ("readFile",),
        "file:///proc/version": ("readFile", "getMetadata"),
        "file:///proc/cpuinfo": ("getMetadata",),
        "file:///proc/1/mem": ("getMetadata",),
        "file:///proc/self/exe/x": ("readFile", "getMetadata", "canonicalize"),
        "file:///proc/nope": ("readFile", "getMetadata", "canonicalize"),
        "file:///sys/kernel/notes/x": ("readFile", "getMetadata"),
        "file:///dev/fd/9999": ("readFile", "getMetadata"),
        "file:///etc": ("readFile", "canonicalize"),
    }
    for uri, methods in paths.items():
        for method in methods:
            for option in ({}, {"followSymlinks": False}) if method in ("readFile", "getMetadata") else ({},):
                params: dict[str, Json] = {"path": uri, **option}
                yield Case(f"{method} of {uri}{worded(params)}", (Call(f"fs/{method}", params),))
