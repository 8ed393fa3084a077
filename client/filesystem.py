"""Files of another machine: a call of the contract becomes a request."""

from __future__ import annotations

import os
from typing import TypeVar

from ..environment.filesystem import DirectoryEntry, Metadata, Path, Walk, WalkOptions
from ..protocol import filesystem as said
from ..protocol.base64_text import from_base64, to_base64
from ..protocol.methods import Method
from ..protocol.path_uri import PathUri
from ..protocol.sandbox import SandboxContext
from ..protocol.wire import Wire
from ..rpc.connection import Connection

P = TypeVar("P", bound=Wire)
R = TypeVar("R")


class RemoteFileSystem:
    """The contract of files over a connection.

    Besides the contract's errors every method may raise `ConnectionError`: the connection ended before the answer
    came, and whether the operation was carried out is not known.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read_file(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> bytes:
        params = said.ReadFileParams(path=_uri(path), follow_symlinks=follow_symlinks, sandbox=sandbox)
        return from_base64((await self._call(said.READ_FILE, params)).data_base64)

    async def write_file(
        self, path: Path, data: bytes, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> None:
        params = said.WriteFileParams(
            path=_uri(path), data_base64=to_base64(data), follow_symlinks=follow_symlinks, sandbox=sandbox
        )
        await self._call(said.WRITE_FILE, params)

    async def create_directory(
        self,
        path: Path,
        *,
        recursive: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        params = said.CreateDirectoryParams(
            path=_uri(path), recursive=recursive, follow_symlinks=follow_symlinks, sandbox=sandbox
        )
        await self._call(said.CREATE_DIRECTORY, params)

    async def get_metadata(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> Metadata:
        params = said.GetMetadataParams(path=_uri(path), follow_symlinks=follow_symlinks, sandbox=sandbox)
        return await self._call(said.GET_METADATA, params)

    async def canonicalize(self, path: Path, *, sandbox: SandboxContext | None = None) -> str:
        params = said.CanonicalizeParams(path=_uri(path), sandbox=sandbox)
        return (await self._call(said.CANONICALIZE, params)).path.native()

    async def read_directory(self, path: Path, *, sandbox: SandboxContext | None = None) -> list[DirectoryEntry]:
        params = said.ReadDirectoryParams(path=_uri(path), sandbox=sandbox)
        return (await self._call(said.READ_DIRECTORY, params)).entries

    async def walk(self, path: Path, options: WalkOptions, *, sandbox: SandboxContext | None = None) -> Walk:
        params = said.WalkParams(path=_uri(path), options=options, sandbox=sandbox)
        found = await self._call(said.WALK, params)
        return Walk(
            [(entry.path.native(), entry.kind) for entry in found.entries],
            [(error.path.native(), error.message) for error in found.errors],
            found.truncated,
        )

    async def remove(
        self,
        path: Path,
        *,
        recursive: bool = True,
        force: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        params = said.RemoveParams(
            path=_uri(path), recursive=recursive, force=force, follow_symlinks=follow_symlinks, sandbox=sandbox
        )
        await self._call(said.REMOVE, params)

    async def copy(
        self, source: Path, destination: Path, *, recursive: bool, sandbox: SandboxContext | None = None
    ) -> None:
        params = said.CopyParams(
            source_path=_uri(source), destination_path=_uri(destination), recursive=recursive, sandbox=sandbox
        )
        await self._call(said.COPY, params)

    async def _call(self, method: Method[P, R], params: P) -> R:
        try:
            return await self._connection.call(method, params)
        except ConnectionError:
            raise
        except OSError as error:
            said.name_path(error, params)
            raise


def _uri(path: Path) -> PathUri:
    return PathUri.from_native(os.fspath(path))
