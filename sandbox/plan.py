"""A plan: every mount of a sandbox, in order, each with its reason. Pure data; `planner.py` makes it.

The order is the meaning: a later mount lies on top of an earlier one.
  1. the base: all of `/` read-only or writable, or an empty root
  2. a private /dev and /proc
  3. the rules, shallow before deep, so that the deepest one decides
  4. seals: whatever was an empty file system while mount points were made in it becomes read-only
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .disk import Identity


class Op(Enum):
    """What one step of a plan does at its path."""

    EMPTY = "an empty file system"
    DEVICES = "a minimal /dev"
    PROCESSES = "the /proc of the sandbox's own processes"
    READ = "what the disk has there, read-only"
    WRITE = "what the disk has there, writable"
    LINK = "a symbolic link, as on the disk"
    HIDE_DIRECTORY = "an empty directory nobody can enter"
    VEIL_DIRECTORY = "an empty directory that can be crossed to a writable root below it, not listed"
    COVER_DIRECTORY = "an empty directory nobody can write, over a mount point of ours"
    HIDE_FILE = "an empty file nobody can open"
    SEAL = "made read-only"


@dataclass(frozen=True, slots=True)
class Mount:
    """One step: `op` at `path`, and why. `target` is the text of a LINK."""

    op: Op
    path: str
    reason: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Root:
    """A writable directory or file as it was when the plan was made; the helper checks that it still is."""

    path: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Reserved:
    """A name that must not come into being in a directory, by the directory's identity.

    `path` is where both were when the plan was made.
    """

    directory: Identity
    name: str
    reason: str
    path: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole sandbox of one helper or process.

    Attributes:
        reserved: Names that do not exist and must not come into being.
        kept: What exists and must not be removed and made anew: directories on the way to a reserved name, which
            would be others, in which the name is not reserved, and what is read-only or hidden itself.
    """

    mounts: tuple[Mount, ...]
    roots: tuple[Root, ...] = ()
    reserved: tuple[Reserved, ...] = ()
    kept: tuple[Reserved, ...] = ()


@dataclass(frozen=True, slots=True)
class Runtime:
    """Files the helper itself needs. They can be read under every policy and written under none.

    Attributes:
        paths: Interpreter, standard library, packages, and the bundled bwrap.
        platform: System libraries; shown where a policy shows nothing of `/`, unless it denies them.
        hidden: What no sandbox may even see: what servers know of each other.
    """

    paths: tuple[str, ...]
    platform: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def covers(ancestor: str, path: str) -> bool:
    """Whether `path` is `ancestor` or lies below it, both canonical."""
    return path == ancestor or ancestor == "/" or path.startswith(ancestor + "/")
