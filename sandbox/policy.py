"""From what the caller sent to what we decided: a sandbox context becomes a `Policy`. Pure; no disk is read.

Files and processes have the same rules; what does not fit this machine is worded for each as the reference does.

Source: exec-server 0.169.0, observed
Differs: a trailing slash in an entry is accepted (the reference dies of it); globs are refused until they
are enforced.

The rules of a policy:
  * the deepest rule that covers a path decides;
  * the same path twice: deny > write > read, in whatever order they came;
  * a read rule below a denied path does not open it; a write rule does;
  * what no rule covers is not there.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Literal

from ..protocol import sandbox as said
from ..protocol.errors import INVALID_PARAMS, INVALID_REQUEST
from ..protocol.path_uri import ForeignPathError, PathUri
from .errors import InvalidPolicy, UnenforceablePolicy

Access = Literal["read", "write", "deny"]

STRENGTH: dict[Access, int] = {"read": 0, "write": 1, "deny": 2}

# The platform's own programs and libraries: the special place `minimal`.
MINIMAL_ROOTS = (
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/nix/store",
    "/run/current-system/sw",
    "/sbin",
    "/usr",
)


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of a context that does not fit this machine: of a foreign entry, cwd, root, or of Windows' own."""

    code: int
    entry: str
    cwd: str
    root: str
    mxc: str


FILES = Wording(
    INVALID_REQUEST,
    "invalid sandbox permission path URI: {error}",
    "{error}",
    "file system sandbox workspace root is not native to this exec-server host: {error}",
    "failed to prepare fs sandbox: failed to prepare MXC sandbox: native MXC is unavailable on this executor",
)
PROCESSES = Wording(
    INVALID_PARAMS,
    "failed to prepare process sandbox: invalid sandbox permission path: {error}",
    "failed to prepare process sandbox: invalid sandbox policy cwd: {error}",
    "failed to prepare process sandbox: invalid sandbox workspace root: {error}",
    "native MXC is unavailable on this executor",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One path and what may be done at and below it. `reason` names where the rule comes from."""

    path: str
    access: Access
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operation in a helper may reach.

    Attributes:
        rules: One per path, in the order of the entries.
        workspace: Folders of the project; no program found there is trusted with building the sandbox.
    """

    rules: tuple[Rule, ...]
    workspace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """Which way an operation goes: with the server's own rights where the policy allows everything anyway."""

    reads_directly: bool
    writes_directly: bool

    @property
    def is_confined(self) -> bool:
        """Whether the policy keeps anything from anybody."""
        return not (self.reads_directly and self.writes_directly)


@dataclass(frozen=True, slots=True)
class Host:
    """What a policy may depend on besides the context.

    Attributes:
        tmpdir: `TMPDIR` of the server, or of the process that is to run, if it is set.
        cwd: Working folder of that process; where programs are not trusted with building its sandbox.
    """

    tmpdir: str | None
    cwd: str | None = None


DIRECTLY = Way(reads_directly=True, writes_directly=True)


def way(context: said.SandboxContext | None, wording: Wording = FILES) -> Way:
    """Tell which operations need no helper.

    Disabled, external and unrestricted policies confine nothing. A restricted one leaves reading alone when the
    special place root may be read and nothing is denied, and writing when it may be written and nothing narrows it.
    A deny entry counts even if it has no effect.

    Raises:
        InvalidPolicy: an entry names a path of another platform; that is refused whichever way it goes.
    """
    if context is None or not isinstance(context.permissions, said.Managed):
        return DIRECTLY
    files = context.permissions.file_system
    if isinstance(files, said.Unrestricted):
        return DIRECTLY
    for entry in files.entries:
        if isinstance(entry.path, said.PathPlace):
            _native(entry.path.path, wording, wording.entry)
    if any(entry.access in ("deny", "none") for entry in files.entries):
        return Way(reads_directly=False, writes_directly=False)
    root = {entry.access for entry in files.entries if _is_root(entry)}
    narrowed = any(entry.access == "read" and not _is_root(entry) for entry in files.entries)
    return Way(reads_directly=bool(root), writes_directly="write" in root and not narrowed)


def decide(context: said.SandboxContext, host: Host, wording: Wording = FILES) -> Policy:
    """Turn a context into the policy of a helper or a process.

    Raises:
        InvalidPolicy: for paths of another platform; -32600 for files, -32602 for processes.
        UnenforceablePolicy: -32603 for what is understood and not enforced: globs (not yet), Landlock.
    """
    if context.windows_sandbox_level == "mxc":
        raise InvalidPolicy(wording.mxc, code=wording.code)
    if context.use_legacy_landlock:
        raise UnenforceablePolicy(
            "useLegacyLandlock is not supported: Landlock cannot enforce this policy; leave the member out and it is "
            "enforced by bubblewrap"
        )
    permissions = context.permissions
    if not isinstance(permissions, said.Managed) or not isinstance(permissions.file_system, said.Restricted):
        raise InvalidPolicy("this policy confines nothing, so there is no sandbox to build")
    cwd = None if context.policy_cwd is None else _native(context.policy_cwd, wording, wording.cwd)
    roots = tuple(_native(uri, wording, wording.root) for uri in context.policy_roots)
    entries = permissions.file_system.entries
    rules = _strongest([rule for entry in entries for rule in _rules(entry, roots, host, wording)])
    workspace = tuple(path for path in dict.fromkeys((*roots, cwd, host.cwd)) if path not in (None, "/"))
    return Policy(rules, workspace)


def _rules(entry: said.Entry, roots: tuple[str, ...], host: Host, wording: Wording) -> list[Rule]:
    access: Access = "deny" if entry.access == "none" else entry.access
    place = entry.path
    if isinstance(place, said.GlobPlace):
        raise UnenforceablePolicy(
            f"the sandbox policy has the glob `{place.pattern}` ({access}), which is not enforced yet; "
            "name the paths themselves"
        )
    if isinstance(place, said.PathPlace):
        path = _native(place.path, wording, wording.entry)
        return [Rule(path, access, f"{access} entry {path}")]
    return [
        Rule(path, access, f"{access} entry for {name}")
        for name, path in _special_paths(place.value, access, roots, host)
    ]


def _special_paths(special: said.Special, access: Access, roots: tuple[str, ...], host: Host) -> list[tuple[str, str]]:
    match special:
        case said.Root():
            return [("root", "/")]
        case said.ProjectRoots(subpath=subpath):
            return [("project_roots", path) for root in roots for path in _below(root, subpath, access)]
        case said.SlashTmp():
            return [("slash_tmp", "/tmp")]  # noqa: S108 - the policy's word, not a file of ours
        case said.TmpDir() if host.tmpdir and host.tmpdir.startswith("/"):
            return [("tmpdir", posixpath.normpath(host.tmpdir))]
        case said.Minimal() if access == "read":
            return [("minimal", path) for path in MINIMAL_ROOTS]
        case _:
            # current_working_directory, unknown, minimal with another access than read: these grant and
            # narrow nothing in the reference, so the real client expects the same here.
            return []


def _below(root: str, subpath: str | None, access: Access) -> list[str]:
    """Join a subpath, which has plain names only: with `.`, `..` or a leading slash it is no place below the root."""
    if not subpath:
        return [root]
    if any(name in ("", ".", "..") for name in subpath.rstrip("/").split("/")):
        if access == "write":
            return []  # grants nothing, as in the reference
        raise InvalidPolicy(f"the subpath `{subpath}` of project_roots is not a plain path below a workspace root")
    return [posixpath.join(root, subpath.rstrip("/"))]


def _strongest(rules: list[Rule]) -> tuple[Rule, ...]:
    chosen: dict[str, Rule] = {}
    for rule in rules:
        other = chosen.get(rule.path)
        if other is None or STRENGTH[rule.access] > STRENGTH[other.access]:
            chosen[rule.path] = rule
    return tuple(chosen.values())


def _is_root(entry: said.Entry) -> bool:
    return isinstance(entry.path, said.SpecialPlace) and isinstance(entry.path.value, said.Root)


def _native(uri: PathUri, wording: Wording, text: str) -> str:
    try:
        return uri.native()
    except ForeignPathError as error:
        raise InvalidPolicy(text.format(error=error), code=wording.code) from None
