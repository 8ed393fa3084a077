"""Who needs which mount point: one register a user, shared by every server, that no sandbox can see.

A run that needs mount points holds a lease: a file that lists them, locked by a descriptor. The kernel drops the lock
when the server dies, however it dies, so a lease without a lock is one that was left behind. A mount point is removed
when no lease that is held lists it.

    /var/tmp/codex-py-mount-points-UID/     0700; hidden in every sandbox (`Runtime.hidden`)
        lock                                held while the register is read and changed: milliseconds
        3f9a...                             one a lease

Not in the home folder: homes are shared between machines, and so would be locks and paths. Not in /run/user: it goes
away at logout, and what was left behind with it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Generator
from typing import Literal, Self

import msgspec

from .errors import SandboxError
from .mount_points import Changed, MountPoint, is_there, make, remove
from .plan import Plan

_FOLDERS = ("/var/tmp", "/tmp")  # noqa: S108 - what is made there is checked before it is used
_LOCK = "lock"
LOCK_LIMIT_S = 5.0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def register_folder() -> str:
    """Return where the register of this user is, without asking the environment: every server must find the same."""
    parent = next((folder for folder in _FOLDERS if os.access(folder, os.W_OK | os.X_OK)), _FOLDERS[-1])
    return f"{parent}/codex-py-mount-points-{os.geteuid()}"


class _Listed(msgspec.Struct, frozen=True):
    """A mount point as a lease lists it: a path may be bytes that no text has."""

    path: bytes
    kind: Literal["directory", "file"]
    device: int
    inode: int

    @classmethod
    def of(cls, point: MountPoint) -> Self:
        return cls(os.fsencode(point.path), point.kind, point.device, point.inode)

    def point(self) -> MountPoint:
        return MountPoint(path=os.fsdecode(self.path), kind=self.kind, device=self.device, inode=self.inode)


class Lease:
    """The mount points of one run. Call `end` once the run is over.

    Attributes:
        points: By their paths; a name that nobody could create has none.
    """

    def __init__(self, register: Register, name: str, descriptor: int, points: dict[str, MountPoint]) -> None:
        self.points = points
        self._register = register
        self._name = name
        self._descriptor: int | None = descriptor

    def end(self) -> None:
        """Give the mount points up, and remove those that nobody else needs; once more does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._register.give_up(self._name, descriptor)


class Register:
    """The register of this user's mount points.

    Args:
        folder: Where it is; made when it is needed.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def ensure(self) -> None:
        """See to it that the folder is there to be hidden: a sandbox that is older than it would see it appear.

        Where it cannot be made, nobody with our rights can make it, and what is somebody else's is of no use to us.
        """
        with contextlib.suppress(OSError, SandboxError):
            os.close(self._own_folder())

    def known(self) -> dict[str, MountPoint]:
        """Return every mount point that there is, by its path; those that were left behind are removed first."""
        with self._opened() as folder:
            return _by_path(self._held(folder))

    def lease(self, plan: Plan) -> Lease | None:
        """Make the mount points that a plan needs, or share those that are there; None where it needs none.

        Raises:
            Changed: the disk, or the register, is no longer what was planned for.
            SandboxError: one cannot be made.
        """
        with self._opened() as folder:
            held = _by_path(self._held(folder))
            if any(mount.path in held for mount in plan.mounts):
                raise Changed  # one was made after the plan, which took it for the host's
            made: list[MountPoint] = []
            try:
                points = self._points(plan, held, made)
                return self._written(folder, points) if points else None
            except BaseException:
                for point in made:
                    remove(point)
                raise

    def give_up(self, name: str, descriptor: int) -> None:
        """End a lease; see `Lease.end`."""
        try:
            with self._opened() as folder:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                self._remove(_read(descriptor), self._held(folder))
        finally:
            os.close(descriptor)

    def _points(self, plan: Plan, held: dict[str, MountPoint], made: list[MountPoint]) -> dict[str, MountPoint]:
        points: dict[str, MountPoint] = {}
        for item in plan.reserved:
            point = held.get(item.path)
            if point is None:
                point = make(item)
                if point is None:
                    continue
                made.append(point)
            points[item.path] = point
        return points

    def _written(self, folder: int, points: dict[str, MountPoint]) -> Lease:
        name = secrets.token_hex(8)
        descriptor = os.open(name, _FILE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(msgspec.json.encode([_Listed.of(point) for point in points.values()]))
        except BaseException:
            os.close(descriptor)
            raise
        return Lease(self, name, descriptor, points)

    def _held(self, folder: int) -> set[MountPoint]:
        """Read the leases; end those that nobody holds any more."""
        held: set[MountPoint] = set()
        left_behind: list[MountPoint] = []
        for name in os.listdir(folder):
            if name == _LOCK:
                continue
            descriptor = os.open(name, _FILE, dir_fd=folder)
            try:
                points = _read(descriptor)
                if _is_locked(descriptor):
                    held.update(points)
                else:
                    left_behind += points
                    os.unlink(name, dir_fd=folder)
            finally:
                os.close(descriptor)
        self._remove(left_behind, held)
        return held

    def _remove(self, points: list[MountPoint], held: set[MountPoint]) -> None:
        for point in set(points) - held:
            remove(point)

    @contextlib.contextmanager
    def _opened(self) -> Generator[int]:
        """Open and lock the register.

        Raises:
            SandboxError: it cannot be used, or is not ours alone.
        """
        with contextlib.ExitStack() as stack:
            try:
                folder = self._own_folder()
                stack.callback(os.close, folder)
                lock = os.open(_LOCK, _FILE | os.O_CREAT, 0o600, dir_fd=folder)
                stack.callback(os.close, lock)
                _lock(lock)
            except OSError as error:
                raise SandboxError(
                    f"cannot keep the register of mount points, {self._folder}: {error.strerror}; a process that may "
                    "write files cannot be confined without it"
                ) from error
            yield folder

    def _own_folder(self) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._folder, 0o700)
        folder = os.open(self._folder, _DIRECTORY)
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            os.close(folder)
            raise SandboxError(
                f"the register of mount points, {self._folder}, is not this user's alone; remove it, "
                "and it is made anew"
            )
        return folder


def _by_path(points: set[MountPoint]) -> dict[str, MountPoint]:
    return {point.path: point for point in points if is_there(point)}


def _lock(descriptor: int) -> None:
    """Lock the register; the kernel offers no waiting with a limit, so it is asked again and again.

    Raises:
        OSError: somebody has held it for longer than anything takes that is done under it.
    """
    deadline = time.monotonic() + LOCK_LIMIT_S
    while _is_locked(descriptor):
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, f"somebody has locked it for more than {LOCK_LIMIT_S:g} s")
        time.sleep(0.002)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _read(descriptor: int) -> list[MountPoint]:
    """Read a lease; one that is cut off, by a crash while it was written, lists nothing."""
    raw = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    try:
        return [listed.point() for listed in msgspec.json.decode(raw, type=list[_Listed])]
    except msgspec.DecodeError:
        return []
