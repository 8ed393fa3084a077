"""Mount points on the host for names that must not come into being: made with care, removed when they are still ours.

A mount needs something to lie on, so a protected name that does not exist is made for as long as a process runs: an
empty directory, or an empty file for whatever else a rule names. Inside, something read-only covers it.

Everything is done relative to an open parent, reached without following a link, and compared with what was planned: a
path that somebody swaps meanwhile leads nowhere. Removed is only what is still the same, still empty.

Source: exec-server 0.169.0, observed, for what is made
Differs: who else needs one is known (`register.py`), so nobody's is removed under a running process, and none stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Generator
from typing import Literal

import msgspec

from ..protocol.sandbox import PROTECTED_NAMES
from .disk import Disk, Identity, Kind
from .errors import SandboxError, UnenforceablePolicy
from .plan import Mount, Op, Plan, Reserved

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o444


class Changed(Exception):
    """The disk is no longer what was planned for; make a new plan."""


class MountPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One that was made: where, what, and which it is."""

    path: str
    kind: Literal["directory", "file"]
    device: int
    inode: int

    @property
    def identity(self) -> Identity:
        return Identity(self.device, self.inode)


def make(item: Reserved) -> MountPoint | None:
    """Make the mount point for a name that does not exist; None where nobody with our rights could create it either.

    Raises:
        Changed: it exists, or its parent is another directory.
        SandboxError: it cannot be made.
    """
    kind: Literal["directory", "file"] = "directory" if item.name in PROTECTED_NAMES else "file"
    with _parent(item.path) as parent:
        status = os.fstat(parent)
        if (status.st_dev, status.st_ino) != item.directory:
            raise Changed(item.path)
        try:
            _create(parent, item.name, kind)
        except FileExistsError:
            raise Changed(item.path) from None
        except OSError as error:
            if error.errno == errno.EROFS or (_is_forbidden(error) and status.st_uid != os.geteuid()):
                return None
            raise _cannot_make(item, error) from error
        made = os.stat(item.name, dir_fd=parent, follow_symlinks=False)
    return MountPoint(path=item.path, kind=kind, device=made.st_dev, inode=made.st_ino)


def remove(point: MountPoint) -> None:
    """Remove a mount point if it is still the one that was made, and empty; else leave what is there."""
    with contextlib.suppress(OSError, Changed), _parent(point.path) as parent:
        name = posixpath.basename(point.path)
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not _is(point, status):
            return
        if point.kind == "directory":
            os.rmdir(name, dir_fd=parent)  # not empty: it is the host's now
        elif status.st_size == 0 and status.st_nlink == 1:
            os.unlink(name, dir_fd=parent)


def is_there(point: MountPoint) -> bool:
    """Tell whether a mount point is still the one that was made."""
    try:
        return _is(point, os.lstat(point.path))
    except OSError:
        return False


def covered(plan: Plan, points: dict[str, MountPoint]) -> Plan:
    """Cover mount points, by their paths, with what cannot be written."""
    covers = [mount for item in plan.reserved if item.path in points for mount in _covers(item, points[item.path])]
    return Plan((*plan.mounts, *covers), plan.roots, plan.reserved, plan.kept)


class WithoutMountPoints:
    """A disk on which mount points of ours are not there, so that they are planned for like any missing name."""

    def __init__(self, disk: Disk, points: dict[str, MountPoint]) -> None:
        self._disk = disk
        self._points = points

    def kind(self, path: str) -> Kind | None:
        point = self._points.get(path)
        return None if point is not None and is_there(point) else self._disk.kind(path)

    def target(self, link: str) -> str:
        return self._disk.target(link)

    def canonical(self, path: str) -> str:
        return self._disk.canonical(path)

    def identity(self, path: str) -> Identity:
        return self._disk.identity(path)

    def head(self, path: str) -> str | None:
        return self._disk.head(path)


def _covers(item: Reserved, point: MountPoint) -> list[Mount]:
    if point.kind == "file":
        return [Mount(Op.HIDE_FILE, item.path, item.reason)]
    return [Mount(Op.COVER_DIRECTORY, item.path, item.reason), Mount(Op.SEAL, item.path, item.reason)]


@contextlib.contextmanager
def _parent(path: str) -> Generator[int]:
    """Open the directory of a path as a place, through no link."""
    here = os.open("/", _PLACE)
    try:
        for name in posixpath.dirname(path).split("/"):
            if name:
                further = os.open(name, _PLACE, dir_fd=here)
                os.close(here)
                here = further
    except OSError as error:
        os.close(here)
        raise Changed(path) from error
    try:
        yield here
    finally:
        os.close(here)


def _create(parent: int, name: str, kind: Literal["directory", "file"]) -> None:
    if kind == "directory":
        os.mkdir(name, _DIRECTORY_MODE, dir_fd=parent)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(name, flags, _FILE_MODE, dir_fd=parent))


def _is(point: MountPoint, status: os.stat_result) -> bool:
    is_kind = stat.S_ISDIR(status.st_mode) if point.kind == "directory" else stat.S_ISREG(status.st_mode)
    return is_kind and (status.st_dev, status.st_ino) == point.identity


def _is_forbidden(error: OSError) -> bool:
    return error.errno in (errno.EACCES, errno.EPERM)


def _cannot_make(item: Reserved, error: OSError) -> SandboxError:
    text = (
        f"cannot keep a process from creating {item.path} ({item.reason}): no mount point can be made there: "
        f"{error.strerror}; create it, or let the policy write it"
    )
    return UnenforceablePolicy(text)
