"""Remove files and trees, so that no link planted meanwhile leads the removal elsewhere."""

from __future__ import annotations

import os
import stat

from ..protocol.errors import RequestRefused
from .descent import Descent
from .listing import LIST, own_types
from .opening import Opened, open_directory, split


def remove(path: str, *, recursive: bool = True, force: bool = True, follow_symlinks: bool = True) -> None:
    """Remove a file, a link itself, or a directory.

    Args:
        recursive: take a directory with all it holds; otherwise it must be empty.
        force: a path that does not exist is no error.
        follow_symlinks: follow links among the parents; the last component is never followed.
    """
    if recursive and not follow_symlinks:
        raise OSError("recursive no-follow removal is unsupported")
    try:
        parent, name = split(path)
        with Opened(open_directory(parent, follow_symlinks=follow_symlinks)) as directory:
            _remove_name(directory, name, recursive=recursive, link_is_refused=not follow_symlinks)
    except FileNotFoundError:
        if not force:
            raise


def _remove_name(directory: int, name: str, *, recursive: bool, link_is_refused: bool) -> None:
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    if link_is_refused and stat.S_ISLNK(mode):
        raise RequestRefused("path contains a symbolic link")
    if not stat.S_ISDIR(mode):
        os.unlink(name, dir_fd=directory)
    elif recursive:
        _remove_tree(directory, name)
    else:
        os.rmdir(name, dir_fd=directory)


def _remove_tree(directory: int, name: str) -> None:
    """Empty a directory from the bottom up, then remove it; not recursive, for trees deeper than the stack."""
    with Descent(os.open(name, LIST | os.O_NOFOLLOW, dir_fd=directory), LIST) as tree:
        left = [_names(tree.here)]  # what is still to do, at each depth
        entered: list[str] = []
        while left:
            if left[-1]:
                child, is_directory = left[-1].pop()
                if _is_removed(tree, child, is_directory=is_directory):
                    continue
                entered.append(child)
                left.append(_names(tree.here))
                continue
            left.pop()
            if entered:
                tree.up()
                _rmdir(entered.pop(), tree.here)
    os.rmdir(name, dir_fd=directory)


def _names(directory: int) -> list[tuple[str, bool]]:
    """List (name, is_directory), the first to do at the end."""
    return [(name, kind == "directory") for name, kind in reversed(own_types(directory))]


def _is_removed(tree: Descent, name: str, *, is_directory: bool) -> bool:
    """Remove what is no directory; enter what is one, whatever it was when it was listed."""
    try:
        if is_directory:
            tree.down(name)
        else:
            os.unlink(name, dir_fd=tree.here)
    except FileNotFoundError:
        return True  # gone is what it should be
    except NotADirectoryError:
        return _is_removed(tree, name, is_directory=False)
    except IsADirectoryError:
        return _is_removed(tree, name, is_directory=True)
    return not is_directory


def _rmdir(name: str, directory: int) -> None:
    try:
        os.rmdir(name, dir_fd=directory)
    except FileNotFoundError:
        return
