"""The contract of files: the same here and on another machine, sandboxed or not.

Paths are absolute native paths (`str`, bytes that are not UTF-8 as surrogate escapes, as `os.fsdecode` has them).

Every method raises builtin exceptions: `FileNotFoundError`, `PermissionError`, `OSError` with its errno;
`RequestRefused` (a `ValueError`) for what the contract itself does not allow; `WireError` when the sandbox could
not be had or the other side failed. What a remote machine's errors lose on the wire is listed in
`protocol/errors.py`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from ..protocol.filesystem import DirectoryEntry, Metadata, WalkOptions
from ..protocol.sandbox import SandboxContext

__all__ = ["DirectoryEntry", "EntryKind", "FileSystem", "Metadata", "SandboxContext", "Walk", "WalkOptions"]


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
        self, path: str, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> bytes:
        """Return the content of a regular file, 512 MiB at most."""
        ...

    async def write_file(
        self, path: str, data: bytes, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> None:
        """Create or replace the content of a file; its folder must exist. Special files are refused."""
        ...

    async def create_directory(
        self,
        path: str,
        *,
        recursive: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        """Create a directory; with `recursive` its parents too, and one that exists is fine."""
        ...

    async def get_metadata(
        self, path: str, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> Metadata:
        """Return type, size and times of what `path` leads to, and whether it is a link itself."""
        ...

    async def canonicalize(self, path: str, *, sandbox: SandboxContext | None = None) -> str:
        """Resolve every link; all components must exist."""
        ...

    async def read_directory(self, path: str, *, sandbox: SandboxContext | None = None) -> list[DirectoryEntry]:
        """List one directory, in no order."""
        ...

    async def walk(self, path: str, options: WalkOptions, *, sandbox: SandboxContext | None = None) -> Walk:
        """List everything below a directory, within the bounds of `options`."""
        ...

    async def remove(
        self,
        path: str,
        *,
        recursive: bool = True,
        force: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        """Remove a file, a link or a directory; with `force` a missing path is fine."""
        ...

    async def copy(
        self, source: str, destination: str, *, recursive: bool, sandbox: SandboxContext | None = None
    ) -> None:
        """Copy a file, a link, or with `recursive` a directory. A file onto itself is refused."""
        ...
