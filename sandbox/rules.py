"""Where the rules of a policy take effect on this disk, and which further rules follow from them.

A rule is placed at its canonical path, because that is where the kernel looks. A link on the way is safe only
where the sandbox cannot change it: otherwise a program inside could aim the next sandbox's rules elsewhere.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from ..protocol.sandbox import PROTECTED_NAMES
from .disk import Disk
from .errors import UnenforceablePolicy
from .plan import Runtime, covers
from .policy import STRENGTH, Access, Policy, Rule

_PATH_MAX = 4096
_MOST_LINKS = 40  # the kernel's own limit


@dataclass(frozen=True, slots=True)
class Placed:
    """A rule at the path where it takes effect.

    Attributes:
        link: Set for a link that leads to a readable path: its text. It grants nothing by itself.
        needed: The helper cannot run without it.
    """

    path: str
    access: Access
    reason: str
    link: str | None = None
    needed: bool = False


def place_rules(policy: Policy, runtime: Runtime, disk: Disk) -> list[Placed]:
    """Return all rules at canonical paths, one a path, shallow before deep; the first one is the base.

    Raises:
        UnenforceablePolicy: a rule cannot be placed safely.
    """
    return _Placing(policy, runtime, disk).rules()


class _Placing:
    def __init__(self, policy: Policy, runtime: Runtime, disk: Disk) -> None:
        self._policy = policy
        self._runtime = runtime
        self._disk = disk
        self._chosen: dict[str, Placed] = {}
        self._writable = [self._resolve(rule.path)[1] for rule in policy.rules if rule.access == "write"]

    def rules(self) -> list[Placed]:
        for rule in self._policy.rules:
            self._choose(self._canonical(rule))
        base = self._chosen.pop("/", Placed("/", "deny", "what no rule covers is not there"))
        for protection in list(self._protections(base)):
            self._chosen.setdefault(protection.path, protection)
        for placed in self._needs():
            self._require_free(placed)
            self._chosen[placed.path] = placed
        for placed in self._hidden():
            self._chosen[placed.path] = placed
        if base.access == "deny":
            self._show_platform()
        links = [] if base.access != "deny" else list(self._links_to_readable())
        return [base, *sorted((*self._chosen.values(), *links), key=_depth)]

    # -- the policy's own rules

    def _choose(self, placed: Placed) -> None:
        other = self._chosen.get(placed.path)
        if other is None or STRENGTH[placed.access] > STRENGTH[other.access]:
            self._chosen[placed.path] = placed

    def _canonical(self, rule: Rule) -> Placed:
        if len(os.fsencode(rule.path)) >= _PATH_MAX:
            raise UnenforceablePolicy(
                f"cannot enforce a {rule.access} entry whose path is longer than {_PATH_MAX - 1} bytes: "
                f"{rule.path[:80]}..."
            )
        # What is checked and what is used come from one look: between two, somebody could put a link there.
        links, resolved = self._resolve(rule.path)
        for link, _ in links:
            self._require_stable(link, rule)
        return Placed(resolved, rule.access, rule.reason)

    def _require_stable(self, link: str, rule: Rule) -> None:
        root = next((root for root in self._writable if covers(root, posixpath.dirname(link))), None)
        if root is not None:
            raise UnenforceablePolicy(
                f"cannot enforce the {rule.reason}: {rule.path} leads through the link {link}, which lies in "
                f"the writable {root}, so the sandbox could aim it elsewhere; name the link's target instead"
            )

    def _resolve(self, path: str) -> tuple[list[tuple[str, str]], str]:
        """Return every link on the way along `path` (where it lies, canonically, and its text), and where it leads."""
        links: list[tuple[str, str]] = []
        current, names = "/", path.split("/")
        while names:
            name = names.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                current = posixpath.dirname(current)
                continue
            here = posixpath.join(current, name)
            target = self._target(here)
            if target is None or len(links) == _MOST_LINKS:
                current = here
                continue
            links.append((here, target))
            current = "/" if target.startswith("/") else current
            names[:0] = target.split("/")
        return links, current

    def _target(self, path: str) -> str | None:
        """Return the text of a link; None where there is none (any more)."""
        if self._disk.kind(path) != "symlink":
            return None
        try:
            return self._disk.target(path)
        except OSError:
            return None

    # -- protected names

    def _protections(self, base: Placed) -> Iterator[Placed]:
        roots = [placed.path for placed in self._chosen.values() if placed.access == "write"]
        if base.access == "write":
            roots.append("/")
        for root in roots:
            directory, name = posixpath.split(root)
            opened = name in PROTECTED_NAMES and directory in roots
            if not opened and self._disk.kind(root) == "directory":
                for name in PROTECTED_NAMES:
                    yield from self._protection(root, name)

    def _protection(self, root: str, name: str) -> Iterator[Placed]:
        path = posixpath.join(root, name)
        explicit = self._chosen.get(path)
        if explicit is not None and explicit.access != "read":
            return
        rule = Rule(path, "read", f"protected name {name} of the writable root {root}")
        if self._disk.kind(path) == "symlink":
            self._require_stable(path, rule)
        yield Placed(path, "read", rule.reason)
        if name == ".git":
            yield from self._git_directories(path)

    def _git_directories(self, pointer: str) -> Iterator[Placed]:
        """Yield the directories that a `.git` file (of a worktree, a submodule) points to."""
        head = (self._disk.head(pointer) or "").strip()
        if not head.startswith("gitdir:"):
            return
        rule = Rule(pointer, "read", f"git directory that {pointer} points to")
        directory = self._pointed(posixpath.dirname(pointer), head.removeprefix("gitdir:"), rule)
        common = self._disk.head(posixpath.join(directory, "commondir"))
        targets = [directory] if common is None else [directory, self._pointed(directory, common, rule)]
        for target in targets:
            # Elsewhere than in a writable root it is read-only, or hidden, already; a root itself is no git directory.
            if target not in self._writable and any(covers(root, target) for root in self._writable):
                yield Placed(target, "read", rule.reason)

    def _pointed(self, base: str, text: str, rule: Rule) -> str:
        path = posixpath.join(base, text.strip("\r\n\t "))
        if "\0" in path:
            return base  # no path at all; git cannot follow it either
        links, resolved = self._resolve(path)
        for link, _ in links:
            self._require_stable(link, rule)
        return resolved

    # -- what the helper needs

    def _needs(self) -> Iterator[Placed]:
        for path in self._runtime.paths:
            yield Placed(self._disk.canonical(path), "read", "helper's own files", needed=True)

    def _hidden(self) -> Iterator[Placed]:
        for path in self._runtime.hidden:
            canonical = self._disk.canonical(path)
            inside = next((r for r in self._chosen.values() if r.access == "write" and covers(canonical, r.path)), None)
            if inside is not None:
                raise UnenforceablePolicy(
                    f"cannot enforce the {inside.reason}: {canonical} is where servers keep what no sandbox may see"
                )
            yield Placed(canonical, "deny", "what servers know of each other's sandboxes")

    def _require_free(self, needed: Placed) -> None:
        for rule in self._chosen.values():
            inside = rule.access == "write" and covers(needed.path, rule.path)
            if inside or (rule.access == "deny" and rule.path == needed.path):
                raise UnenforceablePolicy(
                    f"cannot enforce the {rule.reason}: {needed.path} holds the helper's own files, which are "
                    "readable and never writable in every sandbox"
                )

    def _show_platform(self) -> None:
        for path in self._runtime.platform:
            canonical = self._disk.canonical(path)
            self._chosen.setdefault(canonical, Placed(canonical, "read", "system files the helper runs on"))

    def _links_to_readable(self) -> Iterator[Placed]:
        """Yield the links by which readable paths were named: an empty root does not have them."""
        named = [rule.path for rule in self._policy.rules if rule.access != "deny"]
        seen: dict[str, str] = {}
        for path in (*named, *self._runtime.paths, *self._runtime.platform):
            seen.update(self._resolve(path)[0])
        for link, target in seen.items():
            yield Placed(link, "read", "link to a readable path", link=target)


def _depth(placed: Placed) -> int:
    return placed.path.count("/")
