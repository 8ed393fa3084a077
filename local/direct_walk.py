"""Walk a directory tree, breadth first and within limits.

Source: codex exec-server 0.169.0, observed.
Differs: a file name with a TAB or LF in it is listed; the original loses it.
"""

from __future__ import annotations

import errno
import os
import stat

from ..protocol.errors import RequestRefused, lossy, os_error_text
from ..protocol.path_uri import PathUri, encoded_length
from .descent import identify
from .listing import LIST, followed_types
from .opening import Opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from .descent import Identity

    Kind = Literal["file", "directory"]

MAX_DEPTH = 64
MAX_DIRECTORIES = 10_000
MAX_ENTRIES = 50_000
# The original stops where its estimate of the reply reaches 4 MiB: each item counts its URI, its message and 64 bytes.
_MAX_REPLY_BYTES = 4 * 1024 * 1024
_ITEM_BYTES = 64
_VANISHED = os_error_text(errno.ENOENT)


class Walked:
    """What a walk found: entries as (path, kind), errors as (path, message).

    `truncated` tells that a limit cut something off; the depth limit does not count as one.
    """

    __slots__ = ("entries", "errors", "truncated")

    def __init__(self) -> None:
        self.entries: list[tuple[str, Kind]] = []
        self.errors: list[tuple[str, str]] = []
        self.truncated = False


def walk(
    path: str,
    *,
    max_depth: int,
    max_directories: int,
    max_entries: int,
    follow_directory_symlinks: bool,
    prune_hidden_directories: bool = False,
) -> Walked:
    """List what is below a directory, by levels and sorted by name within each directory.

    Links to files are never listed; links to directories are, and are entered, only with follow_directory_symlinks:
    then every real directory is entered once.

    Args:
        max_depth: 0 lists the root's own entries; at most MAX_DEPTH.
        max_directories: how many to look into, counting the root; at most MAX_DIRECTORIES.
        max_entries: how many names to look at, listed or not; at most MAX_ENTRIES.
        prune_hidden_directories: list directories whose name starts with a dot, but do not look into them.
    """
    _check_limits(max_depth, max_directories, max_entries)
    status = os.stat(path)
    walker = _Walker(max_depth, max_directories, max_entries, follow_directory_symlinks, prune_hidden_directories)
    if stat.S_ISDIR(status.st_mode) and (follow_directory_symlinks or not os.path.islink(path)):
        walker.run(path, (status.st_dev, status.st_ino))
    return walker.walked


def _check_limits(max_depth: int, max_directories: int, max_entries: int) -> None:
    if max_directories <= 0 or max_entries <= 0:
        raise RequestRefused("filesystem walk limits must be greater than zero")
    if max_depth > MAX_DEPTH or max_directories > MAX_DIRECTORIES or max_entries > MAX_ENTRIES:
        maximums = f"depth={MAX_DEPTH}, directories={MAX_DIRECTORIES}, entries={MAX_ENTRIES}"
        raise RequestRefused(f"filesystem walk limits exceed maximums: {maximums}")


class _Full(Exception):
    """No error: a limit was reached that ends the walk."""


class _Walker:
    """One walk: the queue of directories still to look into and what is left of each limit."""

    def __init__(
        self, max_depth: int, max_directories: int, max_entries: int, follow_links: bool, prune_hidden: bool
    ) -> None:
        self.walked = Walked()
        self._max_depth = max_depth
        self._directories_left = max_directories - 1  # the root is one
        self._entries_left = max_entries
        self._bytes_left = _MAX_REPLY_BYTES
        self._follow_links = follow_links
        self._prune_hidden = prune_hidden
        self._queue: list[tuple[str, Identity, int]] = []
        self._seen: set[Identity] = set()

    def run(self, root: str, identity: Identity) -> None:
        self._queue.append((root, identity, 0))
        self._seen.add(identity)
        try:
            for path, expected, depth in self._queue:  # grows while it is gone through
                self._look_into(path, expected, depth)
        except _Full:
            self.walked.truncated = True

    def _look_into(self, path: str, expected: Identity, depth: int) -> None:
        try:
            descriptor = os.open(path, LIST if self._follow_links else LIST | os.O_NOFOLLOW)
        except OSError as error:
            self._add_error(path, os_error_text(error.errno or errno.EIO))
            return
        with Opened(descriptor):
            if identify(descriptor) == expected:
                self._list(path, descriptor, depth)
            else:  # swapped since it was found
                self._add_error(path, _VANISHED)

    def _list(self, path: str, descriptor: int, depth: int) -> None:
        prefix = path if path == "/" else path + "/"
        prefix_length = len(str(PathUri.from_native(path))) + (path != "/") + _ITEM_BYTES
        found = [(lossy(entry[0]), *entry) for entry in followed_types(descriptor)]
        found.sort()  # by the names as the original sees them
        refusal = _refusal(descriptor)
        for shown, name, is_directory, is_file, is_link in found:
            if not self._entries_left:
                raise _Full
            self._entries_left -= 1
            if shown != name:  # the original asks for the name as it shows it, and finds nothing
                self._add_error(prefix + shown, _VANISHED)
            elif refusal:
                self._add_error(prefix + name, refusal)
            elif is_link and not (is_directory and self._follow_links):
                continue
            elif is_directory or is_file:
                self._spend(prefix_length + encoded_length(name))
                self.walked.entries.append((prefix + name, "directory" if is_directory else "file"))
                if is_directory and depth < self._max_depth and not (self._prune_hidden and name[0] == "."):
                    self._enqueue(prefix + name, descriptor, name, depth + 1)

    def _enqueue(self, path: str, parent: int, name: str, depth: int) -> None:
        try:
            status = os.stat(name, dir_fd=parent, follow_symlinks=self._follow_links)
        except OSError as error:
            self._add_error(path, os_error_text(error.errno or errno.EIO))
            return
        identity = (status.st_dev, status.st_ino)
        if self._follow_links:
            if identity in self._seen:
                return
            self._seen.add(identity)
        if self._directories_left:
            self._directories_left -= 1
            self._queue.append((path, identity, depth))
        else:
            self.walked.truncated = True

    def _add_error(self, path: str, message: str) -> None:
        self._spend(len(str(PathUri.from_native(path))) + len(message) + _ITEM_BYTES)
        self.walked.errors.append((path, message))

    def _spend(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise _Full


def _refusal(directory: int) -> str | None:
    """Say why nothing in a directory can be looked at, if that is so: it may be read but not searched."""
    try:
        os.stat(".", dir_fd=directory)
    except OSError as error:
        return os_error_text(error.errno or errno.EIO)
    return None
