"""Path URIs: section 5 of PROTOCOL.md, spelled in hundreds of ways."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from ..cases import Call, Case, Json, Link, Params, Tree
from .zoo import ROOT

_DATA = b64encode(b"x").decode()
_TREE: Tree = {
    "f": "F",
    "d/f": "DF",
    "d/e/f": "DEF",
    "a b": "AB",
    "ü": "U",
    "50%": "P",
    "%zz": "Z",
    "l": Link("d/e"),
    "q?": "Q",
    "h#": "H",
    "~": "T",
}

# Spellings of paths in the tree above, and of none; ${ROOT} begins with a slash.
_SPELLINGS = [
    "file://${ROOT}/f", "file:${ROOT}/f", "file:/${ROOT}/f", "file:///${ROOT}/f", "file:////${ROOT}/f",
    "file://///${ROOT}/f", "FILE://${ROOT}/f", "File://${ROOT}/f", "fIlE:${ROOT}/f", "file://localhost${ROOT}/f",
    "file://LOCALHOST${ROOT}/f", "file://LocalHost${ROOT}/f", "file://localhost.${ROOT}/f",
    "file://localhost:80${ROOT}/f", "file://loc%61lhost${ROOT}/f", "file://${ROOT}/f/", "file://${ROOT}/f//",
    "file://${ROOT}/d/", "file://${ROOT}//d///f", "file://${ROOT}/./f", "file://${ROOT}/d/../f", "file://${ROOT}/d/.",
    "file://${ROOT}/d/..", "file://${ROOT}/d//../f", "file://${ROOT}/d/e//..//../f", "file://${ROOT}//..//f",
    "file://${ROOT}/d/e/../../f", "file://${ROOT}/x/../f", "file://${ROOT}/%2e/f", "file://${ROOT}/d/%2e%2e/f",
    "file://${ROOT}/d/%2E%2E/f", "file://${ROOT}/d/.%2e/f", "file://${ROOT}/d/%2e./f", "file://${ROOT}/d%2ff",
    "file://${ROOT}/d%2Ff", "file://${ROOT}%2ff", "file://${ROOT}/d%2f%2e%2e%2ff", "file://${ROOT}/d/x%2f..%2ff",
    "file://${ROOT}/d%2f", "file://${ROOT}/d%5Cf", "file://${ROOT}/d\\f", "file:\\\\${ROOT}\\f",
    "file:/\\${ROOT}/d\\e\\f", "file:\\${ROOT}/f", "file://${ROOT}/d\\..\\f", "file://${ROOT}/l/../f",
    "file://${ROOT}/l/f", "file://${ROOT}/l/..", "file://${ROOT}/l/", "file://${ROOT}/...", "file://${ROOT}/.../f",
    "file://${ROOT}/%66", "file://${ROOT}/%46", "file://${ROOT}/a b", "file://${ROOT}/a%20b", "file://${ROOT}/a+b",
    "file://${ROOT}/ü", "file://${ROOT}/%C3%BC", "file://${ROOT}/%c3%bc", "file://${ROOT}/%C3",
    "file://${ROOT}/u%CC%88", "file://${ROOT}/50%", "file://${ROOT}/50%25", "file://${ROOT}/%zz",
    "file://${ROOT}/%25zz", "file://${ROOT}/%", "file://${ROOT}/%2", "file://${ROOT}/%%", "file://${ROOT}/%2566",
    "file://${ROOT}/~", "file://${ROOT}/%7E", "file://${ROOT}/q%3F", "file://${ROOT}/h%23", "file://${ROOT}/q?",
    "file://${ROOT}/h#", " file://${ROOT}/f", "file://${ROOT}/f ", "\tfile://${ROOT}/f", "file://${ROOT}/f\n",
    "\n\r\t file://${ROOT}/f \t\r\n", "fi\nle://${ROOT}/f", "file:\t//${ROOT}/f", "file://${ROOT}/\tf",
    "file://${ROOT}/d/.\n./f", "file://${ROOT}/%0Af", "\x01file://${ROOT}/f", "file://${ROOT}/f\x1f",
    "\x00file://${ROOT}/f", "file://${ROOT}/f\x00", "file://${ROOT}/\x00f", "file://${ROOT}/\x7ff",
    "file://${ROOT}/f\u00a0", "\u00a0file://${ROOT}/f", "\ufefffile://${ROOT}/f", "file://${ROOT}/f\u2028",
    "file ://${ROOT}/f", "file://${ROOT}/f;v=1", "file://${ROOT}/f&g", "file://${ROOT}/f=1", "file://${ROOT}/f@1",
    "file://${ROOT}/f:1", "file://${ROOT}/f|1", "file://${ROOT}/f^1", "file://${ROOT}/f`1", "file://${ROOT}/{f}",
    "file://${ROOT}/<f>", 'file://${ROOT}/"f"', "file://${ROOT}/[f]", "file://${ROOT}/%5Bf%5D", "file://${ROOT}/!f$",
    "file://${ROOT}/(f),*'", "file://${ROOT}/C:/f", "file://${ROOT}/d/C:",
    "file://${ROOT}/../../../../../../../..${ROOT}/f", "file:///..${ROOT}/f", "file:///.${ROOT}/f",
    "file:///%2e%2e${ROOT}/f", "file:///%2F${ROOT}/f", "file://%2F${ROOT}/f", "file:///\\${ROOT}/f",
    "file:///%5C${ROOT}/f",
]  # fmt: skip

# URIs that name no path of ours: what is refused, by whom, and in which words.
_OTHERS = [
    "", " ", "\n", "/", "//", "x", "f", "file", "file:", "file:/", "file://", "file:///", "file:////", "file://///",
    "file:.", "file:..", "file:x", "file:./x", "file:x/../y", "file:~", "file:/..", "file:///..", "file:///.",
    "file:///%2e", "file:///%2e%2e", "file:///%2f", "file:///%2F%2F", "FILE:///", "file:\\", "file:\\\\",
    "file:\\\\\\", "file://localhost", "file://localhost/", "file://LOCALHOST", "file://localhost/etc/..", "/tmp",
    "/tmp/x", "./x", "../x", "~", "~/x", "//localhost/tmp", "\\tmp", "C:\\x", "C:/x", "c:x", "tmp", "tmp/x", "etc?x",
    "http:", "http://", "http:///tmp", "http://localhost/tmp", "https://h/tmp", "ftp://h/x", "ws://h/x", "data:,x",
    "about:blank", "mailto:a@b", "vscode-remote://h/x", "FILES:///x", "files:///x", "fil:///x", "file+x:///x", "a:b",
    "a:", ":", "::", "://", ":///x", "1file:///x", "file;///x", "-file:///x", "unix:/x", "blob:file:///x",
    "jar:file:///x!/y", "view-source:file:///x", "x:y:z", "urn:a:b", "javascript:1", "http://[::1", "http://a b/",
    "file://host/x", "file://host", "file://host/", "file://tmp/x", "file://127.0.0.1/x", "file://127.1/x",
    "file://0x7f.1/x", "file://[::1]/x", "file://[::1", "file://[x]/x", "file://HOST/x", "file://h%6Fst/x",
    "file://ho st/x", "file://ho\nst/x", "file://host:80/x", "file://host:/x", "file://:80/x", "file://user@host/x",
    "file://user@/x", "file://user:pw@host/x", "file://@/x", "file://@localhost/x", "file://u@localhost/x",
    "file://localhost:/x", "file://localhost:0/x", "file://exämple/x", "file://xn--exmple-cua/x", "file://xn--/x",
    "file://%/x", "file://%zz/x", "file://%00/x", "file://%20/x", "file://a%2Fb/x", "file://a<b/x", "file://a^b/x",
    "file://a|b/x", "file://a_b/x", "file://-/x", "file://../x", "file://./x", "file://.../x", "file://1/x",
    "file://1.2.3.4.5/x", "file://256.256.256.256/x", "file://999999999999/x", "file://h.h.h/x", "file://h../x",
    "file://😀/x", "file://\u00ad/x", "file://a\u3002b/x", "file://wsl$/x", "file://wsl.localhost/x", "file://?/x",
    "file://#/x", "file://\\\\host/x", "file:\\\\host\\x", "file:/\\host/x", "file:////host/x", "file://///host/x",
    "file://localhost//host/x", "file://%6Cocalhost/x", "file://%6C%6F%63%61%6C%68%6F%73%74/x",
    "file://localhost%00/x", "file://localhos\u2024t/x",
    "file://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/x", "file:///C:", "file:///C:/", "file:///C:/x",
    "file:///c:/x", "file:///z:/x", "file:///C|", "file:///C|/x", "file:///c%3A/x", "file:///c%3a/x",
    "file:///C%7C/x", "file:///%43:/x", "file:///C:x", "file:///CC:/x", "file:///1:/x", "file:///é:/x", "file:C:/x",
    "file:/C:/x", "file://C:/x", "file://c:/x", "file://C|/x", "file:C|/x", "file:c:", "file:///./C:/x",
    "file:///a/../C:/x", "file:///C:/..", "file:///C:/../x", "file:///C:/../../x", "file:////C:/x", "file:///%2FC:/x",
    "file:///C:%2Fx", "file:///C:\\x", "file:\\C:\\x", "file:///C:?q", "file:///C:#f", "file://localhost/C:/x",
    "file://host/C:/x", "file:///C:/%00", "file:///C:/%zz", "file:///C:/a b", "file:///C:/é", "file:///C:/x/",
    "file:///c%253A/x", "file:///%63%3A/x", "file:///x?", "file:///x?q", "file:///x?q=1#f", "file:///x#",
    "file:///x#f", "file:///?q", "file:///#f", "file:?q", "file:#f", "file://?q", "file://#f", "file:///x%3Fq",
    "file:///x%23f", "?", "#", "?q", "#f", "file?q", "file:///x?%00", "file:///x#%00", "file://host/x?q",
    "file:///C:/x?q", "http://h/x?q", "file:///%00", "file:///x%00", "file:///x%00y", "file:///x/%00/../y",
    "file:///\x00", "file:///x\x00y", "file:///%00?q", "file://host/%00", "file:///%2500", "file:///x%0",
    "file:///%u0041", "file:///%C0%80", "file:///%FF%00", "file:///x\\%00", "file://localhost/%00",
    "file:///nope/" + "x/" * 50, "file:///" + "x" * 300, "file:///" + "x/" * 2100, "file:///" + "%41" * 100,
    "file:///" + "../" * 100, "file:///" + "/" * 1000,
]  # fmt: skip

_SAFE_NAMES = [
    "a%20b", "a b", "a%2Fb", "a\\b", "a%5Cb", "50%", "%zz", "%41", "ü", "%FF", "a;b", "a|b", "a^b", "a`b", "{a}",
    "<a>", '"a"', "a\tb", "a\nb", "%09", "%0a", "~", "a:b", "C:", "C%3A", "a/", "a//", "a/.", "./a", "b/../a",
    "%2e%2e%2e", "...", "%7f", "\x7f", "\x01", "%01", "a%", "+", "a&b=c", "\u00a0", "日本",
]  # fmt: skip


def cases() -> Iterator[Case]:
    for uri in _SPELLINGS:
        steps = tuple(_each(("canonicalize", "readFile", "getMetadata", "readDirectory"), uri))
        yield Case(f"the spelling {uri!a}", steps, _TREE)
    for uri in dict.fromkeys(_OTHERS):
        said = ascii(uri if len(uri) < 100 else f"{uri[:40]} and so on, {len(uri)} characters")
        yield Case(f"the URI {said}", tuple(_each(("canonicalize", "getMetadata", "readFile"), uri)))
    for name in _SAFE_NAMES:
        write = Call("fs/writeFile", {"path": f"{ROOT}/w/{name}", "dataBase64": _DATA})
        create = Call("fs/createDirectory", {"path": f"{ROOT}/c/{name}"})
        yield Case(f"what is made for the name {name!a}", (create, write), {"w/x": "", "b/x": ""})
    yield from _every_method()


def _each(methods: tuple[str, ...], uri: str) -> Iterator[Call]:
    for method in methods:
        yield Call(f"fs/{method}", {"path": uri})


def _every_method() -> Iterator[Case]:
    """The same refusals in every method that takes a path; nothing here names a path that exists."""
    options: Json = {"maxDepth": 1, "maxDirectories": 1, "maxEntries": 1, "followDirectorySymlinks": False}
    more: dict[str, dict[str, Json]] = {
        "readFile": {}, "writeFile": {"dataBase64": ""}, "createDirectory": {}, "getMetadata": {}, "canonicalize": {},
        "readDirectory": {}, "walk": {"options": options}, "remove": {},
    }  # fmt: skip
    refused = [
        "",
        "/tmp/nope",
        "http://h/x",
        "file:///x?q",
        "file:///x#f",
        "file:///%00",
        "file://u@h/x",
        "file://host/x",
        "file:///C:/x",
        "file:///c%3A/x",
        "file://[x/y",
    ]
    for uri in refused:
        for method, params in more.items():
            yield Case(f"{method} of the URI {uri!a}", (Call(f"fs/{method}", {"path": uri, **params}),))
        fine = f"{ROOT}/f"
        for source, destination in ((uri, fine), (fine, uri), (uri, uri)):
            params = {"sourcePath": source, "destinationPath": destination, "recursive": False}
            yield Case(f"copy from {source!a} to {destination!a}", (Call("fs/copy", params),), {"f": "F"})
    two: Params = {"sourcePath": "http://h/x", "destinationPath": "relative", "recursive": False}
    yield Case("copy between two bad URIs", (Call("fs/copy", two),))
    foreign: Params = {"sourcePath": "file:///C:/x", "destinationPath": "file://host/x", "recursive": False}
    yield Case("copy between two foreign URIs", (Call("fs/copy", foreign),))
    missing: Params = {"sourcePath": f"{ROOT}/missing", "destinationPath": "file://host/x", "recursive": False}
    yield Case("copy of nothing to a foreign URI", (Call("fs/copy", missing),))
