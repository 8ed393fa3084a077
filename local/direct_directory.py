"""Create directories, each name in its open parent."""

from __future__ import annotations

import errno
import os

from .opening import DIRECTORY, Opened, exists, open_directory, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .guard import Guard


def create_directory(
    path: str, *, recursive: bool = True, follow_symlinks: bool = True, guard: Guard | None = None
) -> None:
    """Create a directory, with its parents if recursive; one that exists already is an error only if not."""
    if not recursive:
        _create_one(path, follow_symlinks=follow_symlinks, guard=guard)
    elif follow_symlinks:
        nearest, missing = open_nearest(path)
        os.close(create_missing(nearest, missing, guard))
    else:
        os.close(_create_without_following(path, guard))


def open_nearest(path: str) -> tuple[int, list[str]]:
    """Open the nearest directory above a path that exists, or the path itself, and tell what is missing below it.

    Raises:
        FileExistsError: the path exists and is no directory.
    """
    missing: list[str] = []
    while True:
        try:
            return os.open(path, DIRECTORY), missing
        except FileNotFoundError:
            path, name = split(path)
            missing.insert(0, name)
        except OSError:
            if not missing:
                os.lstat(path)  # raises where the trouble is above the path: a file as parent, a loop
                raise _exists() from None
            raise


def create_missing(directory: int, names: list[str], guard: Guard | None) -> int:
    """Exchange an open directory for one below it, creating what is missing on the way."""
    for name in names:
        with Opened(directory):
            directory = _create_and_enter(directory, name, guard)
    return directory


def make_unless_there(directory: int, name: str, guard: Guard | None) -> bool:
    """Create one directory in another that is open; tell whether the name was free."""
    try:
        _make(directory, name, guard)
    except FileExistsError:
        return False
    return True


def _make(directory: int, name: str, guard: Guard | None) -> None:
    if guard is not None:
        guard.check(directory, name)
    os.mkdir(name, dir_fd=directory)


def _create_and_enter(directory: int, name: str, guard: Guard | None) -> int:
    if make_unless_there(directory, name, guard):
        return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    try:
        return os.open(name, DIRECTORY, dir_fd=directory)  # someone else was faster
    except OSError:
        raise _exists() from None  # a dangling link has the name


def _create_one(path: str, *, follow_symlinks: bool, guard: Guard | None) -> None:
    if path == "/":
        raise _exists() if follow_symlinks else OSError("directory already exists")
    parent, name = split(path)
    with Opened(open_directory(parent, follow_symlinks=follow_symlinks)) as directory:
        _make(directory, name, guard)


def _create_without_following(path: str, guard: Guard | None) -> int:
    here = os.open("/", DIRECTORY)
    for name in path.split("/"):
        if name:
            with Opened(here):
                # Asked first, so that the guard and a read-only file system do not mind a directory which is there.
                if not exists(here, name):
                    make_unless_there(here, name, guard)
                here = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    return here


def _exists() -> FileExistsError:
    return FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
