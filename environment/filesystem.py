"""The contract of files: the same here and on another machine, sandboxed or not.

Paths are absolute native paths, `str` or `os.PathLike`; bytes that are not UTF-8 are surrogate escapes, as
`os.fsdecode` has them. `.` and `..` are resolved by their letters, not by following links. A relative path is a
`ValueError`.

What a method may raise:
  * `FileNotFoundError`, `PermissionError`, any `OSError` with its errno: what the system said
  * `RequestRefused`, a `ValueError`: what the contract itself does not allow, such as reading a directory
  * `WireError`: the sandbox was not there (code -32603), or its policy makes no sense (-32600, -32602)
  * `ConnectionError`, of a remote machine only: whether the operation was carried out is not known

A remote machine takes requests of 64 MiB, so at most 48 MB can be written at once; a larger one is refused before
anything is sent. Reading is limited to 512 MiB everywhere.

What a remote machine's errors lose on the wire is listed in `protocol/errors.py`.
"""

from __future__ import annotations

import os
from typing import Literal, NamedTuple, Protocol

from ..protocol.filesystem import DirectoryEntry, Metadata, WalkOptions
from ..protocol.sandbox import SandboxContext

__all__ = ["DirectoryEntry", "EntryKind", "FileSystem", "Metadata", "Path", "SandboxContext", "Walk", "WalkOptions"]


Path = str | os.PathLike[str]
EntryKind = Literal["file", "directory"]


class Walk(NamedTuple):
    """What a walk found, breadth first, each directory sorted by name.

    Attributes:
        entries: (path, kind) of everything found.
        errors: (path, why) of each directory that could not be listed.
        truncated: Whether a bound of the options cut something off.
    """

    entries: list[tuple[str, EntryKind]]
    errors: list[tuple[str, str]]
    truncated: bool


class FileSystem(Protocol):
    """Files of one machine. `sandbox` says where an operation may reach; None is the server's own rights."""

    async def read_file(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> bytes:
        """Return the content of a regular file, 512 MiB at most."""
        ...

    async def write_file(
        self, path: Path, data: bytes, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> None:
        """Create or replace the content of a file; its folder must exist. Special files are refused."""
        ...

    async def create_directory(
        self,
        path: Path,
        *,
        recursive: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        """Create a directory; with `recursive` its parents too, and one that exists is fine."""
        ...

    async def get_metadata(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> Metadata:
        """Return type, size and times of what `path` leads to, and whether it is a link itself."""
        ...

    async def canonicalize(self, path: Path, *, sandbox: SandboxContext | None = None) -> str:
        """Resolve every link; all components must exist."""
        ...

    async def read_directory(self, path: Path, *, sandbox: SandboxContext | None = None) -> list[DirectoryEntry]:
        """List one directory, in no order."""
        ...

    async def walk(self, path: Path, options: WalkOptions, *, sandbox: SandboxContext | None = None) -> Walk:
        """List everything below a directory, within the bounds of `options`."""
        ...

    async def remove(
        self,
        path: Path,
        *,
        recursive: bool = True,
        force: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        """Remove a file, a link or a directory; with `force` a missing path is fine."""
        ...

    async def copy(
        self, source: Path, destination: Path, *, recursive: bool, sandbox: SandboxContext | None = None
    ) -> None:
        """Copy a file, a link, or with `recursive` a directory. A file onto itself is refused."""
        ...
