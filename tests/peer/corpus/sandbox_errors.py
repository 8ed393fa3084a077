"""Sandbox contexts that do not decode, or that are refused: every member, every wrong type, foreign paths."""

from __future__ import annotations

from collections.abc import Iterator

from ..cases import POSITIONAL, Accept, Call, Case, Differs, Json, Params, Tree
from .policies import MINIMAL, PROJECT, READ_ROOT, WS, at, bare, context, entry, special
from .sandbox_battery import DATA, sandboxed
from .zoo import ROOT

_TREE: Tree = {"f": "F", "ws/a": "A"}
_WRONG: tuple[Json, ...] = (
    None,
    5,
    -1,
    1.5,
    "x",
    "",
    True,
    [],
    [1],
    {},
    {"a": 1},
    {"type": "x"},
    {"type": 5},
    {"type": None},
)
_FOREIGN = ("file:///C:/x", "file:///c%3A/x", "file://host/x", "file://127.0.0.1/x")
_BAD = ("", "/tmp", "ws", "http://h/x", "file:///x?q", "file:///x#f", "file:///%00", "file://u@h/x")


def cases() -> Iterator[Case]:
    for label, policy in _malformed().items():
        read, write = sandboxed("readFile", {}, "f"), sandboxed("writeFile", {}, "new", dataBase64=DATA)
        for step in (read, write):
            params = step.params if isinstance(step.params, dict) else {}
            differs = POSITIONAL if _holds_list(label) else None
            call = Call(step.method, {**params, "sandbox": policy}, differs)
            later = "globs are not enforced yet" if label in ("a pattern 'x'", "a pattern ''") else ""
            yield Case(
                f"sandbox: {label}, {step.method}", (call,), _TREE, later=later, disk="any" if differs else "same"
            )
    yield from _uris()
    yield from _dynamic()
    yield from _refused()


def _holds_list(label: str) -> bool:
    """The reference takes a struct's members from an array in order; labels end with the value."""
    return label.endswith(("[]", "[1]")) and not label.startswith(("entries", "workspaceRoots", "temporaryDirectories"))


def _malformed() -> dict[str, Json]:
    found: dict[str, Json] = {f"the context {value!r}": value for value in _WRONG if value is not None}
    good = context(READ_ROOT, WS)
    permissions = good["permissions"]
    system: Json = {"type": "restricted", "entries": []}
    for name in (
        "permissions",
        "cwd",
        "workspaceRoots",
        "policyContext",
        "windowsSandboxLevel",
        "useLegacyLandlock",
        "userHomeDir",
        "temporaryDirectories",
        "windowsSandboxProxySettingsMode",
    ):
        for value in _WRONG:
            found[f"{name} {value!r}"] = {**good, name: value}
        if name in good:
            found[f"no {name}"] = {key: value for key, value in good.items() if key != name}
    for value in _WRONG:
        found[f"file_system {value!r}"] = bare({"type": "managed", "file_system": value, "network": "restricted"})
        found[f"network {value!r}"] = bare({"type": "managed", "file_system": system, "network": value})
        found[f"external network {value!r}"] = bare({"type": "external", "network": value})
        found[f"type {value!r}"] = bare({"type": value, "network": "restricted"})
        found[f"file_system type {value!r}"] = bare(
            {"type": "managed", "file_system": {"type": value, "entries": []}, "network": "restricted"}
        )
        found[f"entries {value!r}"] = bare(
            {"type": "managed", "file_system": {"type": "restricted", "entries": value}, "network": "restricted"}
        )
        found[f"an entry {value!r}"] = context(READ_ROOT, value)
        found[f"an entry's path {value!r}"] = context(READ_ROOT, {"path": value, "access": "read"})
        found[f"an entry's access {value!r}"] = context(READ_ROOT, {"path": at("ws"), "access": value})
        found[f"an entry's missing_path_behavior {value!r}"] = context(
            READ_ROOT, {"path": at("ws"), "access": "write", "missing_path_behavior": value}
        )
        found[f"a path's path {value!r}"] = context(READ_ROOT, entry({"type": "path", "path": value}, "read"))
        found[f"a special's value {value!r}"] = context(READ_ROOT, entry({"type": "special", "value": value}, "read"))
        found[f"a special's kind {value!r}"] = context(
            READ_ROOT, entry({"type": "special", "value": {"kind": value}}, "read")
        )
        found[f"a subpath {value!r}"] = context(READ_ROOT, entry(special("project_roots", subpath=value), "write"))
        found[f"an unknown special's path {value!r}"] = context(
            READ_ROOT, entry(special("unknown", path=value), "write")
        )
        found[f"glob_scan_max_depth {value!r}"] = bare(
            {
                "type": "managed",
                "file_system": {"type": "restricted", "entries": [READ_ROOT], "glob_scan_max_depth": value},
                "network": "restricted",
            },
            cwd=f"{ROOT}/ws",
        )
        found[f"policyContext.cwd {value!r}"] = context(READ_ROOT, policyContext={"cwd": value})
        found[f"policyContext.workspaceRoots {value!r}"] = context(READ_ROOT, policyContext={"workspaceRoots": value})
        found[f"a pattern {value!r}"] = context(READ_ROOT, entry({"type": "glob_pattern", "pattern": value}, "read"))
    managed: dict[str, Json] = {"type": "managed", "file_system": system, "network": "restricted"}
    for name in managed:
        found[f"permissions without {name}"] = bare({key: value for key, value in managed.items() if key != name})
    found |= {
        "external without network": bare({"type": "external"}),
        "disabled with more": bare({"type": "disabled", "network": 5, "x": 1}),
        "unrestricted with entries": bare(
            {"type": "managed", "file_system": {"type": "unrestricted", "entries": 5}, "network": "restricted"}
        ),
        "an entry without access": context(READ_ROOT, {"path": at("ws")}),
        "an entry without path": context(READ_ROOT, {"access": "read"}),
        "an entry with more": context(READ_ROOT, entry(at("ws"), "write", x=1)),
        "a path without path": context(READ_ROOT, entry({"type": "path"}, "read")),
        "a path without type": context(READ_ROOT, entry({"path": f"{ROOT}/ws"}, "read")),
        "a pattern without pattern": context(READ_ROOT, entry({"type": "glob_pattern"}, "read")),
        "a special without value": context(READ_ROOT, entry({"type": "special"}, "read")),
        "a special without kind": context(READ_ROOT, entry({"type": "special", "value": {}}, "read")),
        "an unknown special without path": context(READ_ROOT, entry(special("unknown"), "write")),
        "a kind in camel case": context(READ_ROOT, entry(special("slashTmp"), "read")),
        "fileSystem in camel case": bare({"type": "managed", "fileSystem": system, "network": "restricted"}),
        "the old sandboxPolicy": {"sandboxPolicy": {"type": "read-only"}},
        "the old mode": {"mode": "workspace-write"},
        "Disabled in capitals": bare({"type": "Disabled"}),
        "a level in capitals": bare(permissions) | {"windowsSandboxLevel": "Disabled"},
        "two errors": {"permissions": {"type": "managed", "file_system": 5}, "windowsSandboxLevel": 5},
    }
    for mode in ("reconcile", "preserve", "off", "ignore"):
        found[f"windowsSandboxProxySettingsMode {mode}"] = {**good, "windowsSandboxProxySettingsMode": mode}
    for depth in (0, 1, 2**31, 2**64, 5.0):
        found[f"glob_scan_max_depth of {depth!r}"] = bare(
            {
                "type": "managed",
                "file_system": {"type": "restricted", "entries": [READ_ROOT], "glob_scan_max_depth": depth},
                "network": "restricted",
            },
            cwd=f"{ROOT}/ws",
        )
    for subpath in ("..", "../out", "/etc", "a/../..", ".", "", "sub/", "/", "a//b", "C:\\x"):
        found[f"the subpath {subpath!r}"] = context(
            READ_ROOT, entry(special("project_roots", subpath=subpath), "write"), workspaceRoots=[f"{ROOT}/ws"]
        )
    return found


def _uris() -> Iterator[Case]:
    """Paths that are no URI, and URIs that are not of this machine, in each place; direct and boxed operations."""
    for uri in (*_BAD, *_FOREIGN):
        places: dict[str, Params] = {
            "cwd": context(READ_ROOT, WS) | {"cwd": uri},
            "cwd of a dynamic policy": context(READ_ROOT, PROJECT) | {"cwd": uri},
            "a workspace root": context(READ_ROOT, PROJECT, workspaceRoots=[uri]),
            "an unused workspace root": context(READ_ROOT, WS, workspaceRoots=[uri]),
            "the second workspace root": context(READ_ROOT, PROJECT, workspaceRoots=[f"{ROOT}/ws", uri]),
            "a read entry": context(READ_ROOT, WS, entry({"type": "path", "path": uri}, "read")),
            "a write entry": context(READ_ROOT, entry({"type": "path", "path": uri}, "write")),
            "a deny entry": context(READ_ROOT, WS, entry({"type": "path", "path": uri}, "deny")),
            "policyContext.cwd": context(READ_ROOT, WS, policyContext={"cwd": uri}),
            "policyContext.workspaceRoots": context(
                READ_ROOT, PROJECT, policyContext={"cwd": f"{ROOT}/ws", "workspaceRoots": [uri]}
            ),
            "cwd under policyContext": context(READ_ROOT, WS, policyContext={"cwd": f"{ROOT}/ws"}) | {"cwd": uri},
            "userHomeDir": context(READ_ROOT, WS, userHomeDir=uri),
            "temporaryDirectories": context(READ_ROOT, WS, temporaryDirectories=[uri]),
            "cwd of disabled": bare({"type": "disabled"}, cwd=uri),
            "workspaceRoots of disabled": bare({"type": "disabled"}, workspaceRoots=[uri]),
            "an entry beside full write": context(
                entry(special("root"), "write"), entry({"type": "path", "path": uri}, "read")
            ),
        }
        for place, policy in places.items():
            steps = (sandboxed("readFile", policy, "f"), sandboxed("writeFile", policy, "ws/new", dataBase64=DATA))
            yield Case(f"sandbox: {uri!a} as {place}", steps, _TREE)


def _dynamic() -> Iterator[Case]:
    relative: Json = {"type": "glob_pattern", "pattern": "**/.env"}
    policies: dict[str, Params] = {
        "project_roots": bare(context(READ_ROOT, PROJECT)["permissions"]),
        "project_roots, denied": bare(context(READ_ROOT, entry(special("project_roots"), "deny"))["permissions"]),
        "project_roots with a subpath": bare(
            context(READ_ROOT, entry(special("project_roots", subpath="x"), "read"))["permissions"]
        ),
        "project_roots, with workspace roots": bare(
            context(READ_ROOT, PROJECT)["permissions"], workspaceRoots=[f"{ROOT}/ws"]
        ),
        "project_roots beside full write": bare(context(entry(special("root"), "write"), PROJECT)["permissions"]),
        "current_working_directory": bare(
            context(READ_ROOT, entry(special("current_working_directory"), "write"))["permissions"]
        ),
        "tmpdir": bare(context(READ_ROOT, entry(special("tmpdir"), "write"))["permissions"]),
        "minimal": bare(context(MINIMAL)["permissions"]),
        "a relative glob that reads": bare(context(READ_ROOT, entry(relative, "read"))["permissions"]),
        "project_roots, policyContext without cwd": bare(
            context(READ_ROOT, PROJECT)["permissions"], policyContext={"workspaceRoots": [f"{ROOT}/ws"]}
        ),
        "project_roots, cwd overridden by an empty policyContext": context(READ_ROOT, PROJECT, policyContext={}),
    }
    for label, policy in policies.items():
        steps = (
            sandboxed("readFile", policy, "f"),
            sandboxed("writeFile", policy, "ws/new", dataBase64=DATA),
            sandboxed("canonicalize", policy, "missing"),
        )
        yield Case(f"sandbox without cwd: {label}", steps, _TREE)


def _refused() -> Iterator[Case]:
    landlock = Differs("row 17: one clear message", (Accept(code=-32603), Accept(code=-32600), Accept(code=-32602)))
    policy = context(READ_ROOT, WS, useLegacyLandlock=True)
    steps: tuple[Call, ...] = (
        sandboxed("readFile", policy, "f"),
        sandboxed("writeFile", policy, "ws/new", landlock, dataBase64=DATA),
    )
    yield Case("sandbox: legacy landlock", steps, _TREE, disk="kept")
    mxc = context(READ_ROOT, WS) | {"windowsSandboxLevel": "mxc"}
    steps = (
        sandboxed("readFile", mxc, "f"),
        sandboxed("writeFile", mxc, "ws/new", dataBase64=DATA),
        sandboxed("writeFile", mxc, "ws/new", dataBase64="*"),
    )
    yield Case("sandbox: windows level mxc", steps, _TREE)
    order = context(READ_ROOT, PROJECT)
    del order["cwd"]
    for label, bad in (
        ("a dynamic policy without cwd", order),
        ("a foreign entry", context(READ_ROOT, entry(at("file:///C:/x"), "write"))),
        ("a foreign cwd", context(READ_ROOT, WS) | {"cwd": "file:///C:/x"}),
    ):
        steps = (
            sandboxed("writeFile", bad, "ws/new", dataBase64="*"),
            Call("fs/writeFile", {"path": "file:///D:/x", "dataBase64": DATA, "sandbox": bad}),
            Call("fs/readFile", {"path": "file:///D:/x", "sandbox": bad}),
            sandboxed(
                "walk",
                bad,
                "ws",
                options={"maxDepth": 1, "maxDirectories": 0, "maxEntries": 1, "followDirectorySymlinks": False},
            ),
            sandboxed("remove", bad, "ws", followSymlinks=False),
        )
        yield Case(f"sandbox: {label}, and another error", steps, _TREE)
