"""List an open directory, with the types a caller of the wire wants to hear."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    Kind = Literal["directory", "file", "link", "special"]

LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def followed_types(directory: int) -> Iterator[tuple[str, bool, bool, bool]]:
    """Give (name, is_directory, is_file, is_symlink), in the order of the file system.

    The first two are those of a link's target. A link whose target cannot be looked at is left out.
    """
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), False
                continue
            try:
                mode = os.stat(entry.name, dir_fd=directory).st_mode
            except OSError:
                continue
            yield entry.name, stat.S_ISDIR(mode), stat.S_ISREG(mode), True


def own_types(directory: int) -> list[tuple[str, Kind]]:
    """Give (name, kind), in the order of the file system, following no link."""
    with os.scandir(directory) as entries:
        return [(entry.name, _own_type(entry)) for entry in entries]


def _own_type(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    if entry.is_symlink():
        return "link"
    return "file" if entry.is_file(follow_symlinks=False) else "special"
