"""One of every kind of file, and the paths that lead to them."""

from __future__ import annotations

from typing import Final

from ..cases import Call, Dir, Entry, File, Json, Link, Special, Tree

ROOT: Final = "file://${ROOT}"
LONG_NAME: Final = "n" * 255

ZOO: Final[Tree] = {
    "file": "hello\n",
    "empty": "",
    "dir": Dir(),
    "full/a": "A",
    "full/sub/b": "B",
    "full/.hidden/c": "C",
    "full/link": Link("a"),
    "full/gone": Link("nowhere"),
    "full/up": Link("../dir"),
    "executable": File(b"#!/bin/sh\n", 0o755),
    "setuid": File(b"s", 0o4755),
    "locked": File(b"locked", 0o000),
    "read-only": File(b"ro", 0o444),
    "read-only-dir/f": "f",
    "read-only-dir": Dir(0o555),
    "locked-dir/f": "f",
    "locked-dir": Dir(0o000),
    "to-file": Link("file"),
    "to-full": Link("full"),
    "to-dir": Link("dir"),
    "to-missing": Link("nowhere"),
    "to-missing-parent": Link("nowhere/deep"),
    "to-link": Link("to-file"),
    "to-absolute": Link("${ROOT}/file"),
    "to-locked": Link("locked"),
    "to-fifo": Link("fifo"),
    "self": Link("self"),
    "loop-a": Link("loop-b"),
    "loop-b": Link("loop-a"),
    "fifo": Special("fifo"),
    "socket": Special("socket"),
    LONG_NAME: "long",
}
DEVICES: Final[Tree] = {"null": Special("null"), "zero": Special("zero"), "to-null": Link("null")}

# Paths into the zoo: what is there, what is not, and every wrong way through it.
TARGETS: Final = {
    "a file": "file",
    "an empty file": "empty",
    "an empty directory": "dir",
    "a full directory": "full",
    "a file in a directory": "full/a",
    "an executable file": "executable",
    "a setuid file": "setuid",
    "a file of mode 000": "locked",
    "a read-only file": "read-only",
    "a read-only directory": "read-only-dir",
    "a file in a read-only directory": "read-only-dir/f",
    "nothing in a read-only directory": "read-only-dir/new",
    "a directory of mode 000": "locked-dir",
    "a file in a directory of mode 000": "locked-dir/f",
    "nothing in a directory of mode 000": "locked-dir/new",
    "a link to a file": "to-file",
    "a link to a link": "to-link",
    "an absolute link": "to-absolute",
    "a link to a full directory": "to-full",
    "a link to an empty directory": "to-dir",
    "a link to a file of mode 000": "to-locked",
    "a dangling link": "to-missing",
    "a link into nowhere": "to-missing-parent",
    "a link to itself": "self",
    "a loop of links": "loop-a",
    "a FIFO": "fifo",
    "a link to a FIFO": "to-fifo",
    "a socket": "socket",
    "nothing": "missing",
    "nothing in nothing": "missing/child",
    "nothing three deep": "missing/child/grandchild",
    "a child of a file": "file/child",
    "a child of an empty directory": "dir/child",
    "a child of a link to a file": "to-file/child",
    "a file through a link": "to-full/a",
    "nothing through a link": "to-full/new",
    "a link through a link": "to-full/link",
    "a directory through a link": "to-full/sub",
    "a child of a dangling link": "to-missing/child",
    "a child of a link to itself": "self/child",
    "a child of a FIFO": "fifo/child",
    "a child of a socket": "socket/child",
    "a name of 255 bytes": LONG_NAME,
    "a new name of 255 bytes": "m" * 255,
    "a name of 256 bytes": "m" * 256,
    "a name of 255 bytes of UTF-8": "%C3%A9" * 127 + "m",
    "a name of 256 bytes of UTF-8": "%C3%A9" * 128,
    "a path of more than 4096 bytes": "/".join(["p" * 199] * 22),
    "a path of 3800 bytes to nothing": "/".join(["q" * 199] * 19),
    "a directory by a trailing slash": "full/",
    "a file by a trailing slash": "file/",
    "a link by a trailing slash": "to-full/",
    "nothing by a trailing slash": "missing/",
}
DEVICE_TARGETS: Final = {"a null device": "null", "a zero device": "zero", "a link to a null device": "to-null"}


def zoo(*paths: str) -> Tree:
    """The part of the zoo that these paths can reach: setting up all of it for every case takes a minute."""
    everything = {**ZOO, **DEVICES}
    wanted, found = [path.split("/")[0] for path in paths], dict[str, Entry]()
    while wanted:
        first = wanted.pop()
        for name, entry in everything.items():
            if name.split("/")[0] == first and name not in found:
                found[name] = entry
                if isinstance(entry, Link):
                    wanted.append(entry.target.removeprefix("${ROOT}/").removeprefix("../").split("/")[0])
    return {name: entry for name, entry in everything.items() if name in found}


def call(method: str, path: str, **params: Json) -> Call:
    """A call on a path below ${ROOT}; member names are as on the wire."""
    return Call(f"fs/{method}", {"path": f"{ROOT}/{path}" if path else ROOT, **params})


def worded(options: dict[str, Json]) -> str:
    """Options as the end of a case's name."""
    return "".join(f", {name} {str(value).lower()}" for name, value in options.items())
