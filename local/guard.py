"""Refuse to create reserved names, such as `.git` directly below a writable root.

Mounts protect what exists; they cannot protect what does not exist yet without leaving a stub on the host. So the
helper refuses by itself. It asks about directories it has open, by device and inode: no path text is looked at, and no
link or rename between the question and the creation can change the answer.

Differs: the original mounts empty stubs over the missing names, which the host sees and a kill leaves behind.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Guard:
    """The names that must not come to exist, each in one directory.

    Args:
        reserved: (device, inode, name) of every reserved name.
    """

    __slots__ = ("_names", "_reserved")

    def __init__(self, reserved: Iterable[tuple[int, int, str]]) -> None:
        self._reserved = frozenset([(device, inode, _folded(name)) for device, inode, name in reserved])
        self._names = frozenset([name for _, _, name in self._reserved])

    def refuses(self, directory: int, name: str) -> bool:
        """Tell whether `name` must not be created in the directory that is open as `directory`."""
        folded = _folded(name)
        if folded not in self._names:  # the usual case costs no system call
            return False
        status = os.fstat(directory)
        return (status.st_dev, status.st_ino, folded) in self._reserved

    def check(self, directory: int, name: str) -> None:
        """Raise what a read-only mount would raise if `name` must not be created in `directory`."""
        if self.refuses(directory, name):
            raise read_only()


def read_only() -> OSError:
    """Make the error of a read-only file system."""
    return OSError(errno.EROFS, os.strerror(errno.EROFS))


def _folded(name: str) -> str:
    """Fold a name as loosely as any file system does.

    Where case is folded (WSL, vfat, ext4 with casefold), creating `.GIT` makes a `.git`; some also skip characters
    that do not show, so whatever is not ASCII is left out. A few harmless names are refused for it.
    """
    if name.isascii():
        return name.lower()
    return name.casefold().encode("ascii", "ignore").decode("ascii") or name
