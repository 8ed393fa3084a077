"""Go down and up a directory tree of any depth, by descriptors.

A path can be longer than the kernel takes and any part of it can be swapped for a link. So each step opens one name in
the directory before it, and only the last few directories stay open. An older one is opened again as `..` when it is
needed, and must then be the same directory as before.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    Identity = tuple[int, int]

_KEPT_OPEN = 32  # enough for real trees; what is deeper costs one more open per step up


class Descent:
    """A place in a tree; use it in a `with` block.

    Args:
        top: an open directory, which the descent closes.
        flags: how subdirectories are opened.
    """

    __slots__ = ("_above", "_flags", "here", "identity")

    def __init__(self, top: int, flags: int) -> None:
        self._flags = flags
        self._above: list[_Level] = []
        self.here = top
        self.identity = identify(top)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.here)
        for level in self._above:
            level.close()

    def down(self, name: str, *, follow_symlinks: bool = False) -> None:
        """Enter a subdirectory of this one."""
        if not follow_symlinks:
            self._enter(os.open(name, self._flags | os.O_NOFOLLOW, dir_fd=self.here), has_way_back=True)
            return
        descriptor = os.open(name, self._flags, dir_fd=self.here)
        is_link = stat.S_ISLNK(os.stat(name, dir_fd=self.here, follow_symlinks=False).st_mode)
        self._enter(descriptor, has_way_back=not is_link)

    def up(self) -> None:
        """Go back to the directory that this one was entered from.

        Raises:
            OSError: ESTALE, this one has been moved elsewhere in the meantime.
        """
        level = self._above[-1]
        descriptor = level.descriptor
        if descriptor is None:
            descriptor = self._open_parent(level.identity)
        os.close(self.here)
        self._above.pop()
        self.here = descriptor
        self.identity = level.identity

    def _enter(self, descriptor: int, *, has_way_back: bool) -> None:
        self._above.append(_Level(self.here, self.identity, has_way_back))
        self.here = descriptor
        self.identity = identify(descriptor)
        if len(self._above) >= _KEPT_OPEN:
            old = self._above[-_KEPT_OPEN]
            if old.can_be_found_again:
                old.close()

    def _open_parent(self, expected: Identity) -> int:
        descriptor = os.open("..", self._flags, dir_fd=self.here)
        if identify(descriptor) != expected:
            os.close(descriptor)
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return descriptor


class _Level:
    """A directory above the present one, open or to be found again from below."""

    __slots__ = ("can_be_found_again", "descriptor", "identity")

    def __init__(self, descriptor: int, identity: Identity, can_be_found_again: bool) -> None:
        self.descriptor: int | None = descriptor
        self.identity = identity
        self.can_be_found_again = can_be_found_again

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def identify(descriptor: int) -> Identity:
    """Tell which directory a descriptor is, whatever it is called."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
