"""The sandbox context: what a caller sends to say where an operation may reach.

Source: exec-server 0.169.0, observed. Members are camelCase outside `permissions` and snake_case
inside, as on the wire. This is what was said; `sandbox/policy.py` decides what it means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, dataclass_transform

from msgspec import Meta, Struct, field

from .path_uri import PathUri
from .wire import InvalidMember, Wire, require_u64

# Directly below a writable root these decide what later runs with the user's rights: git's hooks and configuration,
# the agents' own instructions, cloud credentials.
PROTECTED_NAMES = (".git", ".agents", ".codex", ".aws")

# bubblewrap takes 9,000 arguments, and a rule takes up to five.
MAX_RULES = 1_000

Access = Literal["read", "write", "deny", "none"]  # `none` is an input alias of `deny`
Network = Literal["restricted", "enabled"]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Permission(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A type inside `permissions`: snake_case on the wire, too."""


class Root(Permission, tag_field="kind", tag="root"):
    """`/`."""


class Minimal(Permission, tag_field="kind", tag="minimal"):
    """The platform's own files: `/usr`, `/bin`, `/lib`, `/etc` and their like."""


class CurrentWorkingDirectory(Permission, tag_field="kind", tag="current_working_directory"):
    """Accepted, and grants nothing, as in the reference."""


class ProjectRoots(Permission, tag_field="kind", tag="project_roots"):
    """Each of `workspaceRoots`, or the same folder below each; `subpath` is plain names and slashes."""

    subpath: str | None = None


class TmpDir(Permission, tag_field="kind", tag="tmpdir"):
    """The folder that `TMPDIR` names, if it is set: the server's, or for a process its own."""


class SlashTmp(Permission, tag_field="kind", tag="slash_tmp"):
    """`/tmp`."""


class Unknown(Permission, tag_field="kind", tag="unknown"):
    """A place of another version: grants nothing."""

    path: str


Special = Root | Minimal | CurrentWorkingDirectory | ProjectRoots | TmpDir | SlashTmp | Unknown


class PathPlace(Permission, tag_field="type", tag="path"):
    path: PathUri


class GlobPlace(Permission, tag_field="type", tag="glob_pattern"):
    pattern: str


class SpecialPlace(Permission, tag_field="type", tag="special"):
    value: Special


class Entry(Permission):
    """One rule: a place and what may be done below it. Same place twice: deny > write > read."""

    path: PathPlace | GlobPlace | SpecialPlace
    access: Access
    missing_path_behavior: Literal["skip"] | None = None


class Unrestricted(Permission, tag_field="type", tag="unrestricted"):
    """Every file, as the server's user."""


class Restricted(Permission, tag_field="type", tag="restricted"):
    """What the entries grant, and nothing else."""

    entries: list[Entry]
    glob_scan_max_depth: Annotated[int, Meta(ge=1)] | None = None

    def __post_init__(self) -> None:
        require_u64(glob_scan_max_depth=self.glob_scan_max_depth or 1)


class Managed(Permission, tag_field="type", tag="managed"):
    """The server enforces this profile."""

    file_system: Restricted | Unrestricted
    network: Network


class Disabled(Permission, tag_field="type", tag="disabled"):
    """No sandbox."""


class External(Permission, tag_field="type", tag="external"):
    """The caller says that a sandbox is around the server already."""

    network: Network


Permissions = Managed | Disabled | External


class PolicyContext(Wire, omit_defaults=True):
    """Replaces `workspaceRoots` of the context whenever it is there, and `cwd` when it has one."""

    cwd: PathUri | None = None
    workspace_roots: list[PathUri] = field(default_factory=list[PathUri])


class SandboxContext(Wire, omit_defaults=True):
    """Where one operation may reach.

    `cwd` and `workspace_roots` resolve the entries that depend on a project. `user_home_dir`,
    `temporary_directories` and the Windows members are checked and have no effect on Linux.
    """

    permissions: Permissions
    windows_sandbox_level: Literal["disabled", "restricted-token", "elevated", "mxc"]
    cwd: PathUri | None = None
    workspace_roots: list[PathUri] = field(default_factory=list[PathUri])
    policy_context: PolicyContext | None = None
    use_legacy_landlock: bool = False
    user_home_dir: PathUri | None = None
    temporary_directories: list[PathUri] | None = None
    windows_sandbox_proxy_settings_mode: Literal["reconcile", "preserve"] | None = None

    def __post_init__(self) -> None:
        roots = max(1, len(self.policy_roots))
        if sum(roots if _is_per_root(entry) else 1 for entry in self._entries()) > MAX_RULES:
            raise InvalidMember(
                f"a sandbox policy may have {MAX_RULES} rules at most, one for each workspace root counted"
            )

    def require_cwd(self) -> None:
        """Refuse a context without a policy cwd that has an entry which depends on one.

        A file request has no other folder to resolve such an entry against; a process has its own.

        Raises:
            InvalidMember: it becomes -32602.
        """
        if self.policy_cwd is None and any(_depends_on_cwd(entry) for entry in self._entries()):
            raise InvalidMember("file system sandbox context with dynamic permissions requires cwd")

    @property
    def policy_cwd(self) -> PathUri | None:
        """The cwd that entries are resolved against."""
        given = self.policy_context
        return given.cwd if given is not None and given.cwd is not None else self.cwd

    @property
    def policy_roots(self) -> list[PathUri]:
        """The workspace roots that `project_roots` stands for."""
        return self.workspace_roots if self.policy_context is None else self.policy_context.workspace_roots

    def _entries(self) -> list[Entry]:
        permissions = self.permissions
        if isinstance(permissions, Managed) and isinstance(permissions.file_system, Restricted):
            return permissions.file_system.entries
        return []


def _is_per_root(entry: Entry) -> bool:
    return isinstance(entry.path, SpecialPlace) and isinstance(entry.path.value, ProjectRoots)


def _depends_on_cwd(entry: Entry) -> bool:
    place = entry.path
    if isinstance(place, GlobPlace):
        return not place.pattern.startswith(("/", "~/"))
    return isinstance(place, SpecialPlace) and isinstance(place.value, ProjectRoots | CurrentWorkingDirectory)


def read_only(*, cwd: PathUri | None = None) -> SandboxContext:
    """Read everything, write nothing: the read-only mode of the Codex CLI."""
    return _managed([_entry(Root(), "read")], cwd=cwd, workspace_roots=[])


def workspace_write(
    roots: Sequence[PathUri | str], *, temporary: bool = True, network: Network = "restricted"
) -> SandboxContext:
    """Read everything, write below `roots` and the temporary folders: the CLI's workspace-write mode.

    Args:
        roots: Existing folders, as URIs or absolute native paths; the first one is the policy's cwd.
        temporary: Whether `/tmp` and the server's `TMPDIR` can be written, too.
        network: What sandboxed processes may do; file operations never have a network.

    Raises:
        ValueError: there is no root, or one is not absolute.
    """
    if not roots:
        raise ValueError("workspace_write needs a root that may be written")
    folders = [PathUri.from_native(root) if isinstance(root, str) else root for root in roots]
    writable: tuple[Special, ...] = (ProjectRoots(), SlashTmp(), TmpDir())
    entries = [
        _entry(Root(), "read"),
        *(_entry(place, "write") for place in (writable if temporary else writable[:1])),
        *(_entry(ProjectRoots(subpath=name), "read", skip=True) for name in PROTECTED_NAMES),
    ]
    return _managed(entries, cwd=folders[0], workspace_roots=folders, network=network)


def danger_full_access() -> SandboxContext:
    """No sandbox: the CLI's danger-full-access mode."""
    return SandboxContext(permissions=Disabled(), windows_sandbox_level="disabled")


def _entry(place: Special, access: Access, *, skip: bool = False) -> Entry:
    behavior: Literal["skip"] | None = "skip" if skip else None
    return Entry(path=SpecialPlace(value=place), access=access, missing_path_behavior=behavior)


def _managed(
    entries: list[Entry],
    *,
    cwd: PathUri | None,
    workspace_roots: list[PathUri],
    network: Network = "restricted",
) -> SandboxContext:
    return SandboxContext(
        permissions=Managed(file_system=Restricted(entries=entries), network=network),
        windows_sandbox_level="disabled",
        cwd=cwd,
        workspace_roots=workspace_roots,
    )
