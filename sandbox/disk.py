"""The few facts about the disk that a plan depends on. Everything else in planning is pure.

Every question is asked without opening what it finds, except `head`, which opens regular files only.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Literal, NamedTuple, Protocol

Kind = Literal["directory", "file", "symlink", "other"]

HEAD_BYTES = 8192  # a path of PATH_MAX bytes and the word before it

# With these answers a path is out of reach for us, and so for a helper that has our rights at most. Any
# other error (EIO, ESTALE) says nothing about the path, and a rule for it could not be trusted.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES})


class Identity(NamedTuple):
    """Which directory or file this is, whatever its path: `st_dev` and `st_ino`."""

    device: int
    inode: int


class Disk(Protocol):
    """What planning asks. Paths are absolute native paths."""

    def kind(self, path: str) -> Kind | None:
        """Say what is at `path`, not following a final link; None when nothing is there."""
        ...

    def target(self, link: str) -> str:
        """Return the text of a link."""
        ...

    def canonical(self, path: str) -> str:
        """Resolve every link; components that do not exist stay as they are."""
        ...

    def identity(self, path: str) -> Identity:
        """Say which file `path` leads to, following links."""
        ...

    def head(self, path: str) -> str | None:
        """Return the first 8 KiB of a regular file as text; None when it cannot be read."""
        ...


class RealDisk:
    """The disk of this machine."""

    def kind(self, path: str) -> Kind | None:
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise
        if stat.S_ISDIR(mode):
            return "directory"
        if stat.S_ISLNK(mode):
            return "symlink"
        return "file" if stat.S_ISREG(mode) else "other"

    def target(self, link: str) -> str:
        return os.readlink(link)

    def canonical(self, path: str) -> str:
        return os.path.realpath(path)

    def identity(self, path: str) -> Identity:
        facts = os.stat(path)
        return Identity(facts.st_dev, facts.st_ino)

    def head(self, path: str) -> str | None:
        # O_NONBLOCK: a FIFO under this name must not hold us up.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
        try:
            descriptor = os.open(path, flags)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return os.fsdecode(os.read(descriptor, HEAD_BYTES))
        except OSError:
            return None
        finally:
            os.close(descriptor)
