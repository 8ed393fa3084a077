"""File requests: params become a call of the contract, what it returns becomes the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..environment.filesystem import FileSystem
from ..protocol import filesystem as said
from ..protocol.base64_text import Base64Error, from_base64, to_base64
from ..protocol.errors import RequestRefused
from ..protocol.methods import Method
from ..protocol.path_uri import PathUri
from ..rpc.router import Router
from .lane import Lane

P = TypeVar("P")
R = TypeVar("R")


def add_routes(router: Router, files: FileSystem, lane: Lane) -> None:
    """Answer the `fs/` methods with `files`, in the order of `lane`."""
    handlers = FileHandlers(files)

    def add(method: Method[P, R], handler: Callable[[P], Awaitable[R]]) -> None:
        async def in_turn(params: P) -> R:
            return await lane.run(lambda: handler(params))

        router.add(method, in_turn)

    add(said.READ_FILE, handlers.read_file)
    add(said.WRITE_FILE, handlers.write_file)
    add(said.CREATE_DIRECTORY, handlers.create_directory)
    add(said.GET_METADATA, handlers.get_metadata)
    add(said.CANONICALIZE, handlers.canonicalize)
    add(said.READ_DIRECTORY, handlers.read_directory)
    add(said.WALK, handlers.walk)
    add(said.REMOVE, handlers.remove)
    add(said.COPY, handlers.copy)


class FileHandlers:
    """One handler a method. Options that are absent get their default here, and only here."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files

    async def read_file(self, params: said.ReadFileParams) -> said.ReadFileResult:
        data = await self._files.read_file(
            params.path.native(), follow_symlinks=_or_true(params.follow_symlinks), sandbox=params.sandbox
        )
        return said.ReadFileResult(data_base64=to_base64(data))

    async def write_file(self, params: said.WriteFileParams) -> said.Empty:
        try:
            data = from_base64(params.data_base64)
        except Base64Error as error:
            raise RequestRefused(f"fs/writeFile requires valid base64 dataBase64: {error}") from None
        await self._files.write_file(
            params.path.native(), data, follow_symlinks=_or_true(params.follow_symlinks), sandbox=params.sandbox
        )
        return said.Empty()

    async def create_directory(self, params: said.CreateDirectoryParams) -> said.Empty:
        await self._files.create_directory(
            params.path.native(),
            recursive=_or_true(params.recursive),
            follow_symlinks=_or_true(params.follow_symlinks),
            sandbox=params.sandbox,
        )
        return said.Empty()

    async def get_metadata(self, params: said.GetMetadataParams) -> said.Metadata:
        return await self._files.get_metadata(
            params.path.native(), follow_symlinks=_or_true(params.follow_symlinks), sandbox=params.sandbox
        )

    async def canonicalize(self, params: said.CanonicalizeParams) -> said.CanonicalizeResult:
        path = await self._files.canonicalize(params.path.native(), sandbox=params.sandbox)
        return said.CanonicalizeResult(path=PathUri.from_native(path))

    async def read_directory(self, params: said.ReadDirectoryParams) -> said.ReadDirectoryResult:
        entries = await self._files.read_directory(params.path.native(), sandbox=params.sandbox)
        return said.ReadDirectoryResult(entries=entries)

    async def walk(self, params: said.WalkParams) -> said.WalkResult:
        found = await self._files.walk(params.path.native(), params.options, sandbox=params.sandbox)
        uri = PathUri.from_native
        return said.WalkResult(
            entries=[said.WalkEntry(path=uri(path), kind=kind) for path, kind in found.entries],
            errors=[said.WalkError(path=uri(path), message=message) for path, message in found.errors],
            truncated=found.truncated,
        )

    async def remove(self, params: said.RemoveParams) -> said.Empty:
        await self._files.remove(
            params.path.native(),
            recursive=_or_true(params.recursive),
            force=_or_true(params.force),
            follow_symlinks=_or_true(params.follow_symlinks),
            sandbox=params.sandbox,
        )
        return said.Empty()

    async def copy(self, params: said.CopyParams) -> said.Empty:
        await self._files.copy(
            params.source_path.native(),
            params.destination_path.native(),
            recursive=params.recursive,
            sandbox=params.sandbox,
        )
        return said.Empty()


def _or_true(option: bool | None) -> bool:
    return option is not False
