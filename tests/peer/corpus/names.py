"""File names of every byte: what a URI means on the way in, how a result spells it on the way out."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from ..cases import Accept, Case, Differs, Dir, Json, Link, Tree
from .walks import options
from .zoo import ROOT, call

_DATA = b64encode(b"x").decode()
_NAMES = {
    "a space": "a b",
    "a percent sign": "50%",
    "an escape that is no escape": "%41",
    "a hash": "a#b",
    "a question mark": "a?b",
    "a backslash": "a\\b",
    "a colon": "a:b",
    "a drive letter": "C:",
    "a pipe drive": "C|",
    "quotes": "\"'`",
    "brackets": "[]{}<>()",
    "an at sign": "user@host",
    "a tilde": "~",
    "a newline": "new\nline",
    "a tab": "tab\there",
    "a carriage return": "cr\rx",
    "leading and trailing spaces": " a ",
    "a control character": "\x01\x1f",
    "DEL": "\x7f",
    "three dots": "...",
    "a trailing dot": "a.",
    "unicode": "日本語 ünï",
    "combining characters": "e\u0301",
    "an emoji": "😀",
    "a byte order mark": "\ufeffa",
    "a no-break space": "\u00a0",
    "non-UTF-8 bytes": "\udcff\udcfe",
    "a non-UTF-8 byte inside": "a\udc80b",
    "an overlong NUL": "\udcc0\udc80",
    "an encoded surrogate": "\udced\udca0\udc80",
    "255 bytes that need escapes": "é" * 127 + "%",
}


def cases() -> Iterator[Case]:
    for label, name in _NAMES.items():
        escaped = quote(os.fsencode(name), safe="")
        tree: Tree = {name: "content", "d/" + name + "/inner": "", "l": Link(name)}
        reads = (
            call("readFile", escaped),
            call("getMetadata", escaped),
            call("canonicalize", escaped),
            call("canonicalize", "l"),
            call("canonicalize", f"d/{escaped}/inner"),
            call("readDirectory", ""),
            call("readDirectory", f"d/{escaped}"),
        )
        yield Case(f"a name with {label} is read", reads, tree)
        walk = replace(call("walk", "", options=options()), differs=_walked(name, tree))
        yield Case(f"a name with {label} is walked", (walk,), tree)
        changes = (
            call("writeFile", f"new-{escaped}", dataBase64=_DATA),
            call("createDirectory", f"made/{escaped}/{escaped}"),
            call("remove", f"d/{escaped}"),
            call("writeFile", f"made/{escaped}", dataBase64=_DATA),
        )
        yield Case(f"a name with {label} is made and removed", changes, tree)
        if label != "255 bytes that need escapes":
            yield Case(
                f"a name with {label} in an error", (call("walk", f"{escaped}/{escaped}", options=options()),), tree
            )
    for code in range(1, 128):
        if (character := chr(code)) in "/.":
            continue
        name = f"x{character}y"
        walk = replace(call("walk", "", options=options()), differs=_walked(name, {name: Dir()}))
        steps = (call("canonicalize", f"x%{code:02x}y"), walk)
        yield Case(f"the character {code:#04x} in a result", steps, {name: Dir()})
    for code in range(128, 256):
        name = f"x{chr(0xDC00 + code)}y"
        yield Case(f"the byte {code:#04x} in a result", (call("canonicalize", f"x%{code:02X}y"),), {name: ""})


def _walked(name: str, tree: Tree) -> Differs | None:
    """The reference loses TAB, CR and LF from the URIs of a walk: a defect (PROTOCOL.md, 16), ours spells them out."""
    if not any(character in name for character in "\t\r\n"):
        return None
    escaped = quote(name, safe="")
    paths = [("directory", escaped)]
    if "l" in tree:
        paths = sorted([("directory", "d"), ("file", escaped)], key=lambda pair: pair[1])
        paths += [("directory", f"d/{escaped}"), ("file", f"d/{escaped}/inner")]
    entries: list[Json] = [{"kind": kind, "path": f"{ROOT}/{path}"} for kind, path in paths]
    whole: Json = {"entries": entries, "errors": [], "truncated": False}
    return Differs("a defect of the reference, PROTOCOL.md section 16", (Accept(result=whole),))
