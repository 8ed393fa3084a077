"""Sandbox contexts as data: short ways to write policies, and the named ones the batteries run under."""

from __future__ import annotations

from typing import Final

from ..cases import Json, Params
from .zoo import ROOT

PROTECTED: Final = (".git", ".agents", ".codex", ".aws")


def at(path: str) -> Json:
    """A path entry: relative to ${ROOT}, or a whole URI."""
    return {"type": "path", "path": path if ":" in path else f"{ROOT}/{path}" if path else ROOT}


def special(kind: str, **more: Json) -> Json:
    return {"type": "special", "value": {"kind": kind, **more}}


def entry(path: Json, access: str, **more: Json) -> Json:
    return {"path": path, "access": access, **more}


def context(*entries: Json, **more: Json) -> Params:
    """A managed, restricted policy; the policy's cwd is the workspace and the network closed unless said otherwise."""
    network = more.pop("network", "restricted")
    system: Json = {"type": "restricted", "entries": list(entries)}
    permissions: Json = {"type": "managed", "file_system": system, "network": network}
    return {"permissions": permissions, "windowsSandboxLevel": "disabled", "cwd": f"{ROOT}/ws", **more}


def bare(permissions: Json, **more: Json) -> Params:
    return {"permissions": permissions, "windowsSandboxLevel": "disabled", **more}


READ_ROOT: Final = entry(special("root"), "read")
MINIMAL: Final = entry(special("minimal"), "read")
WS: Final = entry(at("ws"), "write")
PROJECT: Final = entry(special("project_roots"), "write")
GUARDS: Final = tuple(
    entry(special("project_roots", subpath=name), "read", missing_path_behavior="skip") for name in PROTECTED
)
WORKSPACE: Final[Params] = {"workspaceRoots": [f"{ROOT}/ws"]}


def _client(*, roots: tuple[str, ...] = ("ws",)) -> Params:
    """What the real client sends for workspace-write (CLIENT.md section 4)."""
    uris: list[Json] = [f"{ROOT}/{root}" for root in roots]
    entries = (READ_ROOT, PROJECT, entry(special("slash_tmp"), "write"), entry(special("tmpdir"), "write"), *GUARDS)
    return context(
        *entries,
        workspaceRoots=uris,
        useLegacyLandlock=False,
        userHomeDir="file:///root",
        policyContext={"cwd": f"{ROOT}/ws", "workspaceRoots": uris},
    )


# Full batteries run under these: what clients really send, and every combination of read, write and deny.
FULL: Final[dict[str, Params]] = {
    "read-only root": context(READ_ROOT),
    "the client's workspace-write": _client(),
    "a writable workspace": context(READ_ROOT, WS),
    "a denied directory and file": context(READ_ROOT, WS, entry(at("sec"), "deny"), entry(at("ws/secret.txt"), "deny")),
    "restricted reads": context(MINIMAL, WS, entry(at("out"), "read")),
    "root write with a denied directory": context(entry(special("root"), "write"), entry(at("sec"), "deny")),
    "read below write, write below that": context(
        READ_ROOT, WS, entry(at("ws/ro"), "read"), entry(at("ws/ro/rw"), "write"), entry(at("ws/secret"), "deny")
    ),
}

# Short batteries run under these.
SHORT: Final[dict[str, Params]] = {
    "network enabled": context(READ_ROOT, WS, network="enabled"),
    "two workspace roots": _client(roots=("ws", "ws2")),
    "no workspace roots": context(READ_ROOT, PROJECT, *GUARDS),
    "a subpath of the workspace": context(
        READ_ROOT, entry(special("project_roots", subpath="sub"), "write"), **WORKSPACE
    ),
    "a missing subpath": context(READ_ROOT, entry(special("project_roots", subpath="nope"), "write"), **WORKSPACE),
    "a subpath of two parts": context(
        READ_ROOT, entry(special("project_roots", subpath="ro/rw"), "write"), **WORKSPACE
    ),
    "a denied subpath": context(
        READ_ROOT, PROJECT, entry(special("project_roots", subpath="secret"), "deny"), **WORKSPACE
    ),
    "access none for deny": context(READ_ROOT, WS, entry(at("sec"), "none")),
    "a denied file": context(READ_ROOT, WS, entry(at("sec/s"), "deny")),
    "a denied file in the workspace": context(READ_ROOT, WS, entry(at("ws/secret.txt"), "deny")),
    "a denied directory in the workspace": context(READ_ROOT, WS, entry(at("ws/secret"), "deny")),
    "a missing denied path outside": context(READ_ROOT, WS, entry(at("nope/x"), "deny")),
    "denied without a writable root": context(READ_ROOT, entry(at("sec"), "deny")),
    "write below deny": context(READ_ROOT, entry(at(""), "deny"), WS),
    "write below a denied sibling": context(READ_ROOT, entry(at("ws"), "deny"), entry(at("ws/sub"), "write")),
    "read below deny": context(READ_ROOT, entry(at("ws"), "deny"), entry(at("ws/sub"), "read")),
    "read below write": context(READ_ROOT, WS, entry(at("ws/ro"), "read")),
    "a read-only file below write": context(READ_ROOT, WS, entry(at("ws/a.txt"), "read")),
    "deny and write on one path": context(READ_ROOT, entry(at("ws"), "deny"), WS),
    "write and deny on one path": context(READ_ROOT, WS, entry(at("ws"), "deny")),
    "write and read on one path": context(READ_ROOT, WS, entry(at("ws"), "read")),
    "read and write on one path": context(READ_ROOT, entry(at("ws"), "read"), WS),
    "one writable root twice": context(READ_ROOT, WS, WS),
    "a writable root inside another": context(READ_ROOT, WS, entry(at("ws/sub"), "write")),
    "the parent of the workspace": context(READ_ROOT, entry(at(""), "write")),
    "the root as a path, written": context(entry(at("file:///"), "write")),
    "the root as a path, read": context(entry(at("file:///"), "read"), WS),
    "the root as a path, read alone": context(entry(at("file:///"), "read")),
    "the root read and written": context(READ_ROOT, entry(special("root"), "write")),
    "the root written": context(entry(special("root"), "write")),
    "root write with read-only outside": context(entry(special("root"), "write"), entry(at("out"), "read")),
    "root denied, workspace written": context(entry(special("root"), "deny"), WS),
    "no entries": context(),
    "minimal alone": context(MINIMAL),
    "minimal denied": context(READ_ROOT, entry(special("minimal"), "deny")),
    "minimal written": context(entry(special("minimal"), "write"), WS),
    "the workspace read, nothing else": context(entry(at("ws"), "read")),
    "a file read, nothing else": context(MINIMAL, entry(at("ws/a.txt"), "read")),
    "a symlinked read root": context(MINIMAL, entry(at("link-ws"), "read")),
    "a symlinked writable root": context(READ_ROOT, entry(at("link-ws"), "write")),
    "a symlinked writable root, restricted": context(MINIMAL, entry(at("link-ws"), "write")),
    "a writable root below a link": context(READ_ROOT, entry(at("link-ws/sub"), "write")),
    "a missing writable root": context(READ_ROOT, entry(at("nope"), "write")),
    "a missing writable root beside another": context(READ_ROOT, entry(at("nope/x"), "write"), WS),
    "a missing read root": context(MINIMAL, entry(at("nope"), "read"), WS),
    "missing paths skipped": context(
        READ_ROOT,
        entry(at("ws"), "write", missing_path_behavior="skip"),
        entry(at("nope"), "write", missing_path_behavior="skip"),
    ),
    "current_working_directory written": context(READ_ROOT, entry(special("current_working_directory"), "write")),
    "an unknown special": context(READ_ROOT, entry(special("unknown", path=":x"), "write"), WS),
    "an unknown special, denied": context(READ_ROOT, entry(special("unknown", path=":x"), "deny"), WS),
    "slash_tmp": context(READ_ROOT, entry(special("slash_tmp"), "write")),
    "tmpdir": context(READ_ROOT, entry(special("tmpdir"), "write")),
    "slash_tmp read alone": context(MINIMAL, entry(special("slash_tmp"), "read")),
    "/tmp as a path": context(READ_ROOT, entry(at("file:///tmp"), "write")),
    "/dev written": context(READ_ROOT, entry(at("file:///dev"), "write")),
    "/dev/shm written": context(READ_ROOT, entry(at("file:///dev/shm"), "write")),
    "dots in an entry": context(READ_ROOT, entry(at("x/../ws"), "write")),
    "policyContext instead of cwd": bare(
        context(READ_ROOT, PROJECT)["permissions"],
        policyContext={"cwd": f"{ROOT}/ws", "workspaceRoots": [f"{ROOT}/ws"]},
    ),
    "policyContext over flat members": context(
        READ_ROOT,
        PROJECT,
        workspaceRoots=[f"{ROOT}/ws2"],
        policyContext={"cwd": f"{ROOT}/ws", "workspaceRoots": [f"{ROOT}/ws"]},
    ),
    "an empty policyContext over flat members": context(
        READ_ROOT, PROJECT, workspaceRoots=[f"{ROOT}/ws"], policyContext={}
    ),
    "policyContext null": context(READ_ROOT, PROJECT, workspaceRoots=[f"{ROOT}/ws"], policyContext=None),
    "policyContext with cwd alone": context(
        READ_ROOT, PROJECT, workspaceRoots=[f"{ROOT}/ws"], policyContext={"cwd": f"{ROOT}/ws"}
    ),
    "workspace roots without cwd": bare(context(READ_ROOT, PROJECT)["permissions"], workspaceRoots=[f"{ROOT}/ws"]),
    "no cwd and nothing dynamic": bare(context(READ_ROOT, WS)["permissions"]),
    "cwd null": bare(context(READ_ROOT, WS)["permissions"], cwd=None),
    "a missing cwd": context(READ_ROOT, WS) | {"cwd": f"{ROOT}/nope"},
    "a cwd that is a file": context(READ_ROOT, WS) | {"cwd": f"{ROOT}/ws/a.txt"},
    "a cwd below the root": context(READ_ROOT, WS) | {"cwd": f"{ROOT}/ws/sub"},
    "a cwd outside": context(READ_ROOT, WS) | {"cwd": f"{ROOT}/out"},
    "a denied cwd": context(READ_ROOT, WS, entry(at("sec"), "deny")) | {"cwd": f"{ROOT}/sec"},
    "disabled": bare({"type": "disabled"}),
    "external, restricted network": bare({"type": "external", "network": "restricted"}),
    "external, network": bare({"type": "external", "network": "enabled"}),
    "unrestricted": bare({"type": "managed", "file_system": {"type": "unrestricted"}, "network": "restricted"}),
    "unrestricted, network": bare({"type": "managed", "file_system": {"type": "unrestricted"}, "network": "enabled"}),
    "windows level elevated": context(READ_ROOT, WS) | {"windowsSandboxLevel": "elevated"},
    "windows level restricted-token": context(READ_ROOT, WS) | {"windowsSandboxLevel": "restricted-token"},
    "disabled, windows level mxc": {"permissions": {"type": "disabled"}, "windowsSandboxLevel": "mxc"},
    "legacy landlock, unrestricted": bare(
        {"type": "managed", "file_system": {"type": "unrestricted"}, "network": "restricted"}, useLegacyLandlock=True
    ),
    "unknown members": context(
        READ_ROOT, WS, sandboxPolicy={"type": "x"}, additionalPermissions=5, windowsSandboxPrivateDesktop=True
    ),
}
