"""The bare system calls behind the fs methods: synchronous, no sandbox decision.

Paths are native (as os.fsdecode gives them), absolute and normalised, as `PathUri.native` makes them. Options carry
the names and the defaults of the wire. Errors are OSError for what the kernel said and RequestRefused for what we say;
`protocol.errors` gives both their codes.

Functions that make names take a guard: it says which names must not come to exist where.

Source: codex exec-server 0.169.0, observed.
Differs: special files are refused at once, where the original blocks on a FIFO; a file is not copied onto itself.
"""

from __future__ import annotations

import os
import stat

from ..protocol.errors import RequestRefused, lossy
from .direct_copy import copy
from .direct_directory import create_directory
from .direct_remove import remove
from .direct_walk import Walked, walk
from .listing import LIST, followed_types
from .opening import (
    Opened,
    is_regular,
    open_directory,
    open_for_reading,
    open_for_writing,
    open_without_following,
    split,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .guard import Guard

__all__ = [
    "MAX_READ_BYTES",
    "DirectoryEntry",
    "Metadata",
    "Walked",
    "canonicalize",
    "copy",
    "create_directory",
    "get_metadata",
    "read_directory",
    "read_file",
    "remove",
    "walk",
    "write_file",
]

MAX_READ_BYTES = 512 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024  # for files that do not say their size, like those in /proc


class Metadata:
    """What a path is; a link that was followed has its target's type, size and times, and is_symlink."""

    __slots__ = ("created_at_ms", "is_directory", "is_file", "is_symlink", "modified_at_ms", "size")

    def __init__(self, status: os.stat_result, *, is_symlink: bool = False, created_at_ms: int = 0) -> None:
        self.is_directory = stat.S_ISDIR(status.st_mode)
        self.is_file = stat.S_ISREG(status.st_mode)
        self.is_symlink = is_symlink
        self.size = status.st_size
        self.created_at_ms = created_at_ms
        self.modified_at_ms = status.st_mtime_ns // 1_000_000


class DirectoryEntry:
    """One name in a directory; the types are those of a link's target."""

    __slots__ = ("file_name", "is_directory", "is_file")

    def __init__(self, file_name: str, *, is_directory: bool, is_file: bool) -> None:
        self.file_name = file_name
        self.is_directory = is_directory
        self.is_file = is_file


def read_file(path: str, *, follow_symlinks: bool = True) -> bytes:
    """Read a whole regular file, up to MAX_READ_BYTES."""
    with Opened(open_for_reading(path, follow_symlinks=follow_symlinks)) as descriptor:
        size = os.fstat(descriptor).st_size
        if size > MAX_READ_BYTES:
            raise _too_large()
        # One more than the size: the read that fills it is the last one, and its bytes are handed on as they are.
        first = os.read(descriptor, size + 1 if size else _CHUNK_BYTES)
        second = os.read(descriptor, _CHUNK_BYTES) if first else b""
        return first + _rest(descriptor, len(first), second) if second else first


def write_file(
    path: str, data: bytes | bytearray | memoryview, *, follow_symlinks: bool = True, guard: Guard | None = None
) -> None:
    """Create a file or replace its contents; the mode of an existing one stays."""
    opened = open_for_writing if follow_symlinks else open_without_following
    with Opened(opened(path, guard=guard)) as descriptor:
        if is_regular(descriptor):
            os.ftruncate(descriptor, 0)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def get_metadata(path: str, *, follow_symlinks: bool = True) -> Metadata:
    """Describe a path; the birth time is told only without following, as in the original."""
    if not follow_symlinks:
        return _metadata_without_following(path)
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return Metadata(os.stat(path), is_symlink=True)
    return Metadata(status)


def canonicalize(path: str) -> str:
    """Resolve every link; all components must exist."""
    os.stat(
        path
    )  # the kernel's verdict first: realpath takes no notice of a slash at the end of a link, nor of PATH_MAX
    return os.path.realpath(path, strict=True)


def read_directory(path: str) -> list[DirectoryEntry]:
    """List a directory in the order of the file system; links whose target cannot be looked at are left out."""
    with Opened(os.open(path, LIST)) as directory:
        return [
            DirectoryEntry(lossy(name), is_directory=is_directory, is_file=is_file)
            for name, is_directory, is_file, _ in followed_types(directory)
        ]


def _metadata_without_following(path: str) -> Metadata:
    with Opened(_pin(path)) as descriptor:
        status = os.fstat(descriptor)
        if stat.S_ISLNK(status.st_mode):
            raise RequestRefused("path contains a symbolic link")
        from .birth_time import birth_time_ms  # here, because it is dear and hardly ever asked for

        return Metadata(status, created_at_ms=birth_time_ms(descriptor))


def _pin(path: str) -> int:
    """Open a path as a place, whatever is there, where no parent is a link."""
    if path == "/":
        return os.open("/", os.O_PATH | os.O_CLOEXEC)
    parent, name = split(path)
    with Opened(open_directory(parent, follow_symlinks=False)) as directory:
        return os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def _rest(descriptor: int, size: int, chunk: bytes) -> bytes:
    """Read on to the end, for a file that did not say its size or that grew."""
    chunks: list[bytes] = []
    while chunk:
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_READ_BYTES:
            raise _too_large()
        chunk = os.read(descriptor, _CHUNK_BYTES)
    return b"".join(chunks)


def _too_large() -> RequestRefused:
    return RequestRefused(f"file is too large to read: limit is {MAX_READ_BYTES} bytes")
