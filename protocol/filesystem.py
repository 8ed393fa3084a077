"""The file methods: what is asked and what is answered.

Source: exec-server 0.169.0, observed. Every path is a path URI. An option that is null or
absent has the default of its comment; `sandbox` absent means the server's own rights.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .methods import Method
from .path_uri import PathUri
from .sandbox import SandboxContext
from .wire import Wire, require_u64

Size = Annotated[int, Meta(ge=0)]


class Empty(Wire):
    """A result without members: the request was carried out."""


class Sandboxed(Wire):
    """What every request about files has."""

    sandbox: SandboxContext | None = None

    def __post_init__(self) -> None:
        if self.sandbox is not None:
            self.sandbox.require_cwd()


class FileParams(Sandboxed, kw_only=True):
    """What every request about one path has."""

    path: PathUri


class ReadFileParams(FileParams):
    follow_symlinks: bool | None = None  # true


class ReadFileResult(Wire):
    data_base64: str


class WriteFileParams(FileParams, kw_only=True):
    data_base64: str
    follow_symlinks: bool | None = None  # true


class CreateDirectoryParams(FileParams):
    recursive: bool | None = None  # true
    follow_symlinks: bool | None = None  # true


class GetMetadataParams(FileParams):
    follow_symlinks: bool | None = None  # true


class Metadata(Wire):
    """Facts of one path. Times are milliseconds since 1970; `created_at_ms` is 0 where it is not known."""

    is_directory: bool
    is_file: bool
    is_symlink: bool
    size: int
    created_at_ms: int
    modified_at_ms: int


class CanonicalizeParams(FileParams):
    """Resolve every link and `..`; all components must exist."""


class CanonicalizeResult(Wire):
    path: PathUri


class ReadDirectoryParams(FileParams):
    """List the names of one directory, in no order."""


class DirectoryEntry(Wire):
    """One name; types follow links. Bytes that are not UTF-8 read as U+FFFD."""

    file_name: str
    is_directory: bool
    is_file: bool


class ReadDirectoryResult(Wire):
    entries: list[DirectoryEntry]


class WalkOptions(Wire):
    """Bounds of a walk: depth 0..64 below the root, 1..10,000 directories, 1..50,000 entries."""

    max_depth: Size
    max_directories: Size
    max_entries: Size
    follow_directory_symlinks: bool
    prune_hidden_directories: bool = False

    def __post_init__(self) -> None:
        require_u64(maxDepth=self.max_depth, maxDirectories=self.max_directories, maxEntries=self.max_entries)


class WalkParams(FileParams, kw_only=True):
    options: WalkOptions


class WalkEntry(Wire):
    path: PathUri
    kind: Literal["file", "directory"]


class WalkError(Wire):
    """A directory that could not be listed, and why."""

    path: PathUri
    message: str


class WalkResult(Wire):
    """`truncated` tells that max_entries or max_directories cut something off."""

    entries: list[WalkEntry]
    errors: list[WalkError]
    truncated: bool


class RemoveParams(FileParams):
    recursive: bool | None = None  # true
    force: bool | None = None  # true: a missing path is success
    follow_symlinks: bool | None = None  # true


class CopyParams(Sandboxed, kw_only=True):
    source_path: PathUri
    destination_path: PathUri
    recursive: bool


READ_FILE = Method("fs/readFile", ReadFileParams, ReadFileResult, "filesystem")
WRITE_FILE = Method("fs/writeFile", WriteFileParams, Empty, "filesystem")
CREATE_DIRECTORY = Method("fs/createDirectory", CreateDirectoryParams, Empty, "filesystem")
GET_METADATA = Method("fs/getMetadata", GetMetadataParams, Metadata, "filesystem")
CANONICALIZE = Method("fs/canonicalize", CanonicalizeParams, CanonicalizeResult, "filesystem")
READ_DIRECTORY = Method("fs/readDirectory", ReadDirectoryParams, ReadDirectoryResult, "filesystem")
WALK = Method("fs/walk", WalkParams, WalkResult, "filesystem")
REMOVE = Method("fs/remove", RemoveParams, Empty, "filesystem")
COPY = Method("fs/copy", CopyParams, Empty, "filesystem")


def name_path(error: OSError, params: Wire) -> None:
    """Put back into an error the path that the wire does not carry: that of the request."""
    path = params.source_path if isinstance(params, CopyParams) else getattr(params, "path", None)
    if error.filename is None and isinstance(path, PathUri):
        error.filename = path.native()
