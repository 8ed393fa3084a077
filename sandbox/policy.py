"""From what the caller sent to what we decided: a sandbox context becomes a `Policy`. Pure; no disk is read.

Source: exec-server 0.169.0, SANDBOX.md sections 1 and 2.
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
from ..protocol.errors import INVALID_PARAMS
from ..protocol.path_uri import ForeignPathError, PathUri
from .errors import InvalidPolicy, UnenforceablePolicy

Access = Literal["read", "write", "deny"]

STRENGTH: dict[Access, int] = {"read": 0, "write": 1, "deny": 2}

# Directly below a writable root these decide what later runs with the user's rights: git's hooks and
# configuration, the agents' own instructions, cloud credentials.
PROTECTED_NAMES = (".git", ".agents", ".codex", ".aws")

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

MXC_UNAVAILABLE = (
    "failed to prepare fs sandbox: failed to prepare MXC sandbox: native MXC is unavailable on this executor"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One path and what may be done at and below it. `reason` names where the rule comes from."""

    path: str
    access: Access
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operation may reach.

    Attributes:
        confined: False when the policy asks for no sandbox (disabled, external, unrestricted).
        rules: One per path, in the order of the entries.
        full_read: Every path may be read; reads need no helper.
        full_write: Every path may be written; writes need no helper.
        workspace: Folders of the project; no program found there is trusted with building the sandbox.
    """

    confined: bool
    rules: tuple[Rule, ...]
    full_read: bool
    full_write: bool
    workspace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """What a policy may depend on besides the context: `TMPDIR` of the server, if it is set."""

    tmpdir: str | None


UNCONFINED = Policy(confined=False, rules=(), full_read=True, full_write=True)


def decide(context: said.SandboxContext, host: Host) -> Policy:
    """Turn a context into a policy.

    Raises:
        InvalidPolicy: -32600 for paths of another platform; -32602 when entries depend on a cwd and there
            is none.
        UnenforceablePolicy: -32603 for what is understood and not enforced yet: globs, Landlock.
    """
    permissions = context.permissions
    place = context.policy_context or said.PolicyContext(cwd=context.cwd, workspace_roots=context.workspace_roots)
    if not isinstance(permissions, said.Managed):
        return UNCONFINED
    files = permissions.file_system
    if isinstance(files, said.Unrestricted):
        return UNCONFINED
    if context.windows_sandbox_level == "mxc":
        raise InvalidPolicy(MXC_UNAVAILABLE)
    return _restricted(files, place, host, legacy_landlock=context.use_legacy_landlock)


def _restricted(files: said.Restricted, place: said.PolicyContext, host: Host, *, legacy_landlock: bool) -> Policy:
    if place.cwd is None and any(_depends_on_cwd(entry) for entry in files.entries):
        raise InvalidPolicy("file system sandbox context with dynamic permissions requires cwd", code=INVALID_PARAMS)
    cwd = None if place.cwd is None else _native(place.cwd, "'{uri}' is invalid on 'linux'")
    roots = tuple(
        _native(uri, "file system sandbox workspace root is not native to this exec-server host: {error}")
        for uri in place.workspace_roots
    )
    rules = _strongest(
        [rule for entry in files.entries for rule in _rules(entry, roots, host)],
    )
    full_read, full_write = _full_access(files.entries)
    if legacy_landlock and not (full_read and full_write):
        raise UnenforceablePolicy(
            "useLegacyLandlock is not supported: Landlock cannot enforce this policy; leave the member out "
            "and the policy is enforced by bubblewrap"
        )
    workspace = tuple(path for path in dict.fromkeys((*roots, *((cwd,) if cwd else ()))) if path != "/")
    return Policy(True, rules, full_read, full_write, workspace)


def _depends_on_cwd(entry: said.Entry) -> bool:
    place = entry.path
    if isinstance(place, said.GlobPlace):
        return not place.pattern.startswith(("/", "~/"))
    return isinstance(place, said.SpecialPlace) and isinstance(place.value, said.ProjectRoots)


def _rules(entry: said.Entry, roots: tuple[str, ...], host: Host) -> list[Rule]:
    access: Access = "deny" if entry.access == "none" else entry.access
    place = entry.path
    if isinstance(place, said.GlobPlace):
        raise UnenforceablePolicy(
            f"the sandbox policy has the glob `{place.pattern}` ({access}), which is not enforced yet; "
            "name the paths themselves"
        )
    if isinstance(place, said.PathPlace):
        path = _native(place.path, "invalid sandbox permission path URI: {error}")
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
            return [("project_roots", _below(root, subpath)) for root in roots]
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


def _below(root: str, subpath: str | None) -> str:
    if not subpath:
        return root
    path = posixpath.normpath(posixpath.join(root, subpath))
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        raise InvalidPolicy(f"the subpath `{subpath}` of project_roots leads out of {root}")
    return path


def _strongest(rules: list[Rule]) -> tuple[Rule, ...]:
    chosen: dict[str, Rule] = {}
    for rule in rules:
        other = chosen.get(rule.path)
        if other is None or STRENGTH[rule.access] > STRENGTH[other.access]:
            chosen[rule.path] = rule
    return tuple(chosen.values())


def _full_access(entries: list[said.Entry]) -> tuple[bool, bool]:
    """Whether everything may be read, and everything written, by the *special* place root.

    Any deny entry takes both away, even one that has no effect; a read entry narrows the writing.
    """
    if any(entry.access in ("deny", "none") for entry in entries):
        return False, False
    root = {entry.access for entry in entries if _is_root(entry)}
    narrowed = any(entry.access == "read" and not _is_root(entry) for entry in entries)
    return bool(root), "write" in root and not narrowed


def _is_root(entry: said.Entry) -> bool:
    return isinstance(entry.path, said.SpecialPlace) and isinstance(entry.path.value, said.Root)


def _native(uri: PathUri, text: str) -> str:
    try:
        return uri.native()
    except ForeignPathError as error:
        raise InvalidPolicy(text.format(uri=uri, error=error)) from None
