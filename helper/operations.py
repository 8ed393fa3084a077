"""The operations of the helper: parameters of the wire in, a direct call, the members of the reply out."""

from __future__ import annotations

from ..local import direct
from ..protocol.base64_text import Base64Error, from_base64
from ..protocol.errors import RequestRefused
from ..protocol.path_uri import PathUri
from .decoding import Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..local.guard import Guard
    from .decoding import Members

    Response = dict[str, object]
    Operation = Callable[[Members, Guard | None], Response]


def find(name: str) -> Operation:
    """Get an operation by its name on the wire.

    Raises:
        Undecodable: there is none; the text lists those there are.
    """
    operation = _OPERATIONS.get(name)
    if operation is None:
        known = ", ".join([f"`{known}`" for known in _OPERATIONS])
        raise Undecodable(f"unknown variant `{name}`, expected one of {known}")
    return operation


def _read_file(params: Members, _: Guard | None) -> Response:
    # The bytes are handed on as they are; the reply is encoded piece by piece.
    return {"dataBase64": direct.read_file(params.path("path"), follow_symlinks=_follows(params))}


def _write_file(params: Members, guard: Guard | None) -> Response:
    path, text, follow_symlinks = params.path("path"), params.string("dataBase64"), _follows(params)
    try:
        data = from_base64(text)
    except Base64Error as error:
        raise RequestRefused(f"fs/writeFile requires valid base64 dataBase64: {error}") from None
    direct.write_file(path, data, follow_symlinks=follow_symlinks, guard=guard)
    return {}


def _create_directory(params: Members, guard: Guard | None) -> Response:
    direct.create_directory(
        params.path("path"),
        recursive=params.option("recursive", default=True),
        follow_symlinks=_follows(params),
        guard=guard,
    )
    return {}


def _get_metadata(params: Members, _: Guard | None) -> Response:
    found = direct.get_metadata(params.path("path"), follow_symlinks=_follows(params))
    return {
        "isDirectory": found.is_directory,
        "isFile": found.is_file,
        "isSymlink": found.is_symlink,
        "size": found.size,
        "createdAtMs": found.created_at_ms,
        "modifiedAtMs": found.modified_at_ms,
    }


def _canonicalize(params: Members, _: Guard | None) -> Response:
    return {"path": _uri(direct.canonicalize(params.path("path")))}


def _read_directory(params: Members, _: Guard | None) -> Response:
    entries = [
        {"fileName": entry.file_name, "isDirectory": entry.is_directory, "isFile": entry.is_file}
        for entry in direct.read_directory(params.path("path"))
    ]
    return {"entries": entries}


def _walk(params: Members, _: Guard | None) -> Response:
    options = params.members("options")
    walked = direct.walk(
        params.path("path"),
        max_depth=options.count("maxDepth"),
        max_directories=options.count("maxDirectories"),
        max_entries=options.count("maxEntries"),
        follow_directory_symlinks=options.boolean("followDirectorySymlinks"),
        prune_hidden_directories=options.option("pruneHiddenDirectories", default=False),
    )
    return {
        "entries": [{"path": _uri(path), "kind": kind} for path, kind in walked.entries],
        "errors": [{"path": _uri(path), "message": message} for path, message in walked.errors],
        "truncated": walked.truncated,
    }


def _remove(params: Members, _: Guard | None) -> Response:
    direct.remove(
        params.path("path"),
        recursive=params.option("recursive", default=True),
        force=params.option("force", default=True),
        follow_symlinks=_follows(params),
    )
    return {}


def _copy(params: Members, guard: Guard | None) -> Response:
    direct.copy(
        params.path("sourcePath"),
        params.path("destinationPath"),
        recursive=params.boolean("recursive"),
        guard=guard,
    )
    return {}


def _follows(params: Members) -> bool:
    return params.option("followSymlinks", default=True)


def _uri(path: str) -> str:
    return str(PathUri.from_native(path))


_OPERATIONS: dict[str, Operation] = {
    "fs/readFile": _read_file,
    "fs/writeFile": _write_file,
    "fs/createDirectory": _create_directory,
    "fs/getMetadata": _get_metadata,
    "fs/canonicalize": _canonicalize,
    "fs/readDirectory": _read_directory,
    "fs/walk": _walk,
    "fs/remove": _remove,
    "fs/copy": _copy,
}
