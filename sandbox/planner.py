"""From a policy to a plan. It depends on the policy, the runtime and the answers of a `Disk`, nothing else.

Source: exec-server 0.169.0, observed; the effects are the same, the arguments are not.
Differs: protected names that do not exist are `reserved`: a helper refuses to create them, and leaves nothing on the
disk (DIFFERENCES.md row 9); for a process `mount_points.py` covers them. For a process every folder on the way to a
rule is a mount of its own, and so cannot be renamed: the rule's path would lead elsewhere for the next process.
A file may be a writable root, and denies may nest (row 10).
The runtime is read-only under every policy (row 13). `/proc` is read-only as a whole (row 7).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from .disk import Disk, Identity
from .errors import UnenforceablePolicy
from .plan import Mount, Op, Plan, Reserved, Root, Runtime, covers
from .policy import Access, Policy
from .rules import Placed, place_rules

_NAME_MAX = 255


def make_plan(policy: Policy, runtime: Runtime, disk: Disk, *, for_process: bool = False) -> Plan:
    """Turn a policy into mounts.

    Args:
        policy: What may be reached.
        runtime: What must stay as it is.
        disk: What there is.
        for_process: Plan for a program of the caller's, which needs more of a machine than a helper does.

    Raises:
        UnenforceablePolicy: -32603; a rule leads through a link that the sandbox could change, or lies
            where the helper's own files are, or would hide them from it.
    """
    placed = place_rules(policy, runtime, disk)
    return _Planner(placed, runtime, disk, for_process=for_process).plan()


class _Planner:
    """One planning: rules go in, shallow before deep; mounts come out in order."""

    def __init__(self, rules: list[Placed], runtime: Runtime, disk: Disk, *, for_process: bool) -> None:
        self._rules = rules
        self._runtime = runtime
        self._disk = disk
        self._for_process = for_process
        self._access: dict[str, Access] = {}  # what the deepest mount so far grants at its path
        self._mounts: list[Mount] = []
        self._unsealed: list[Mount] = []
        self._roots: list[Root] = []
        self._reserved: dict[tuple[Identity, str], Reserved] = {}
        self._kept: dict[tuple[Identity, str], Reserved] = {}

    def plan(self) -> Plan:
        base = self._rules[0]
        self._lay_base(base)
        for rule in self._rules[1:]:
            self._lay(rule)
        topmost = {mount.path: mount for mount in self._mounts}
        seals = [Mount(Op.SEAL, mount.path, mount.reason) for mount in self._unsealed if topmost[mount.path] is mount]
        return Plan(
            (*self._mounts, *seals), tuple(self._roots), tuple(self._reserved.values()), tuple(self._kept.values())
        )

    def _lay_base(self, base: Placed) -> None:
        match base.access:
            case "deny":
                self._mount(Op.EMPTY, "/", base.reason, "deny", seal=True)
            case "read":
                self._mount(Op.READ, "/", base.reason, "read")
            case "write":
                self._mount(Op.WRITE, "/", base.reason, "write")
                self._roots.append(Root("/", self._disk.identity("/")))
        self._mount(Op.DEVICES, "/dev", "null, zero, random; no device of the machine", "read", seal=True)
        self._mount(Op.PROCESSES, "/proc", "no process outside is seen", "read", seal=True)
        if base.access == "write" and self._disk.kind("/dev/shm") == "directory":  # noqa: S108
            self._mount(Op.WRITE, "/dev/shm", base.reason, "write")  # noqa: S108
        elif self._for_process:
            # Not of the host, so there is nothing to protect below it: "read".
            self._mount(Op.EMPTY, "/dev/shm", "shared memory of the sandbox's own processes", "read")  # noqa: S108

    def _lay(self, rule: Placed) -> None:
        around = self._around(rule.path)
        kind = self._disk.kind(rule.path)
        if rule.link is not None:
            if self._nowhere(rule.path):
                self._mounts.append(Mount(Op.LINK, rule.path, rule.reason, rule.link))
            return
        if around == "write" and (kind is not None or rule.access != "write"):
            self._keep(rule)
        if kind is None:
            if rule.access != "write" and around == "write":
                self._reserve(rule)
        elif rule.access == "write":
            self._lay_write(rule)
        elif rule.access == "read":
            self._lay_read(rule, around)
        elif around != "deny":
            self._lay_deny(rule, is_directory=kind == "directory")

    def _keep(self, rule: Placed) -> None:
        """Keep what is at the path of a rule from being made anew, or moved together with a folder above it."""
        if self._for_process:
            for directory in self._between(self._nearest(rule.path), rule.path):
                self._mount(Op.WRITE, directory, f"kept where it is, on the way to the {rule.reason}", "write")
        elif rule.access != "write" and self._disk.kind(rule.path) is not None:
            self._note(self._kept, *_split(rule.path), rule.reason)

    def _between(self, ancestor: str, path: str) -> list[str]:
        """List the directories that exist strictly between two paths, shallow before deep."""
        above = [directory for directory in _ancestors(_split(path)[0]) if directory.startswith(ancestor)]
        return [directory for directory in reversed(above) if directory != ancestor and self._disk.kind(directory)]

    def _lay_write(self, rule: Placed) -> None:
        if covers("/proc", rule.path):
            raise UnenforceablePolicy(
                f"cannot enforce the {rule.reason}: /proc inside a sandbox shows the sandbox's own processes "
                "and is read-only"
            )
        self._mount(Op.WRITE, rule.path, rule.reason, "write")
        self._roots.append(Root(rule.path, self._disk.identity(rule.path)))

    def _lay_read(self, rule: Placed, around: Access) -> None:
        if around == "write" or self._nowhere(rule.path):
            self._mount(Op.READ, rule.path, rule.reason, "read")
        elif around == "deny" and rule.needed:
            raise UnenforceablePolicy(
                f"cannot enforce the {self._covering(rule.path)}: {rule.path} holds the helper's own files, "
                "and without them no sandboxed operation can run; deny narrower paths"
            )

    def _lay_deny(self, rule: Placed, *, is_directory: bool) -> None:
        if not is_directory:
            self._mount(Op.HIDE_FILE, rule.path, rule.reason, "deny")
        elif self._has_writable_below(rule.path):
            self._mount(Op.VEIL_DIRECTORY, rule.path, rule.reason, "deny", seal=True)
        else:
            self._mount(Op.HIDE_DIRECTORY, rule.path, rule.reason, "deny")
            self._mounts.append(Mount(Op.SEAL, rule.path, rule.reason))

    def _reserve(self, rule: Placed) -> None:
        """Keep the first missing component of a path from being created, and the way to it from being made anew."""
        root = self._nearest(rule.path)
        directory, name = _split(rule.path)
        while self._disk.kind(directory) is None:
            directory, name = _split(directory)
        if self._for_process and self._disk.kind(directory) != "directory":
            return  # nothing can be made below a file that stays where it is
        self._note(self._reserved, directory, name, rule.reason)
        while directory != root:
            directory, name = _split(directory)
            self._note(self._kept, directory, name, rule.reason)

    def _note(self, names: dict[tuple[Identity, str], Reserved], directory: str, name: str, reason: str) -> None:
        if len(os.fsencode(name)) > _NAME_MAX:
            return  # the kernel creates no such name
        identity = self._disk.identity(directory)
        path = f"{directory.rstrip('/')}/{name}"
        names.setdefault((identity, name), Reserved(identity, name, reason, path))

    def _has_writable_below(self, path: str) -> bool:
        return any(
            rule.access == "write" and covers(path, rule.path) and self._disk.kind(rule.path) is not None
            for rule in self._rules
        )

    def _mount(self, op: Op, path: str, reason: str, access: Access, *, seal: bool = False) -> None:
        mount = Mount(op, path, reason)
        self._mounts.append(mount)
        self._access[path] = access
        if seal:
            self._unsealed.append(mount)

    def _around(self, path: str) -> Access:
        return self._access[self._nearest(path)]

    def _nowhere(self, path: str) -> bool:
        """Whether nothing at all is at `path` so far: only the empty base covers it."""
        return self._nearest(path) == "/" and self._access["/"] == "deny"

    def _nearest(self, path: str) -> str:
        return next(ancestor for ancestor in _ancestors(path) if ancestor in self._access)

    def _covering(self, path: str) -> str:
        nearest = self._nearest(path)
        return next(mount.reason for mount in reversed(self._mounts) if mount.path == nearest)


def _ancestors(path: str) -> Iterable[str]:
    while path != "/":
        yield path
        path = _split(path)[0]
    yield "/"


def _split(path: str) -> tuple[str, str]:
    directory, _, name = path.rpartition("/")
    return directory or "/", name
