"""Files of this machine: each operation either here, directly, or in a helper, as its policy demands."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..environment.filesystem import DirectoryEntry, Metadata, Path, Walk, WalkOptions
from ..protocol import filesystem as said
from ..protocol import wire
from ..protocol.base64_text import from_base64, to_base64
from ..protocol.methods import Method
from ..protocol.path_uri import PathUri
from ..protocol.sandbox import SandboxContext
from ..sandbox.helper_process import HelperProcess
from ..sandbox.helpers import Helpers
from ..sandbox.policy import way
from . import direct
from .threads import BlockingCalls

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Attempt:
    """One operation on its way; `give_up` ends its helper, if it has one."""

    helper: HelperProcess | None = None
    given_up: bool = False

    def started(self, helper: HelperProcess) -> None:
        self.helper = helper
        if self.given_up:
            helper.kill()

    def give_up(self) -> None:
        self.given_up = True
        if self.helper is not None:
            self.helper.kill()


class LocalFileSystem:
    """The contract of files on this machine.

    Args:
        helpers: Runs what is sandboxed.
        calls: Runs everything that may block.
    """

    def __init__(self, helpers: Helpers, calls: BlockingCalls) -> None:
        self._helpers = helpers
        self._calls = calls

    async def read_file(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> bytes:
        if way(sandbox).reads_directly:
            return await self._calls.run(partial(direct.read_file, _native(path), follow_symlinks=follow_symlinks))
        params = said.ReadFileParams(path=_uri(path), follow_symlinks=follow_symlinks)
        reply = await self._in_helper(said.READ_FILE, params, sandbox)
        return from_base64(reply.data_base64)

    async def write_file(
        self, path: Path, data: bytes, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> None:
        if way(sandbox).writes_directly:
            await self._calls.run(partial(direct.write_file, _native(path), data, follow_symlinks=follow_symlinks))
            return
        params = said.WriteFileParams(path=_uri(path), data_base64=to_base64(data), follow_symlinks=follow_symlinks)
        await self._in_helper(said.WRITE_FILE, params, sandbox)

    async def create_directory(
        self,
        path: Path,
        *,
        recursive: bool = True,
        follow_symlinks: bool = True,
        sandbox: SandboxContext | None = None,
    ) -> None:
        if way(sandbox).writes_directly:
            await self._calls.run(
                partial(direct.create_directory, _native(path), recursive=recursive, follow_symlinks=follow_symlinks)
            )
            return
        params = said.CreateDirectoryParams(path=_uri(path), recursive=recursive, follow_symlinks=follow_symlinks)
        await self._in_helper(said.CREATE_DIRECTORY, params, sandbox)

    async def get_metadata(
        self, path: Path, *, follow_symlinks: bool = True, sandbox: SandboxContext | None = None
    ) -> Metadata:
        if way(sandbox).reads_directly:
            return _metadata(
                await self._calls.run(partial(direct.get_metadata, _native(path), follow_symlinks=follow_symlinks))
            )
        params = said.GetMetadataParams(path=_uri(path), follow_symlinks=follow_symlinks)
        return await self._in_helper(said.GET_METADATA, params, sandbox)

    async def canonicalize(self, path: Path, *, sandbox: SandboxContext | None = None) -> str:
        if way(sandbox).reads_directly:
            return await self._calls.run(partial(direct.canonicalize, _native(path)))
        reply = await self._in_helper(said.CANONICALIZE, said.CanonicalizeParams(path=_uri(path)), sandbox)
        return reply.path.native()

    async def read_directory(self, path: Path, *, sandbox: SandboxContext | None = None) -> list[DirectoryEntry]:
        if way(sandbox).reads_directly:
            entries = await self._calls.run(partial(direct.read_directory, _native(path)))
            return [
                DirectoryEntry(file_name=entry.file_name, is_directory=entry.is_directory, is_file=entry.is_file)
                for entry in entries
            ]
        reply = await self._in_helper(said.READ_DIRECTORY, said.ReadDirectoryParams(path=_uri(path)), sandbox)
        return reply.entries

    async def walk(self, path: Path, options: WalkOptions, *, sandbox: SandboxContext | None = None) -> Walk:
        if way(sandbox).reads_directly:
            found = await self._calls.run(
                partial(
                    direct.walk,
                    _native(path),
                    max_depth=options.max_depth,
                    max_directories=options.max_directories,
                    max_entries=options.max_entries,
                    follow_directory_symlinks=options.follow_directory_symlinks,
                    prune_hidden_directories=options.prune_hidden_directories,
                )
            )
            return Walk(found.entries, found.errors, found.truncated)
        reply = await self._in_helper(said.WALK, said.WalkParams(path=_uri(path), options=options), sandbox)
        return Walk(
            [(entry.path.native(), entry.kind) for entry in reply.entries],
            [(error.path.native(), error.message) for error in reply.errors],
            reply.truncated,
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
        if way(sandbox).writes_directly:
            await self._calls.run(
                partial(direct.remove, _native(path), recursive=recursive, force=force, follow_symlinks=follow_symlinks)
            )
            return
        params = said.RemoveParams(path=_uri(path), recursive=recursive, force=force, follow_symlinks=follow_symlinks)
        await self._in_helper(said.REMOVE, params, sandbox)

    async def copy(
        self, source: Path, destination: Path, *, recursive: bool, sandbox: SandboxContext | None = None
    ) -> None:
        if way(sandbox).writes_directly:
            await self._calls.run(partial(direct.copy, _native(source), _native(destination), recursive=recursive))
            return
        params = said.CopyParams(source_path=_uri(source), destination_path=_uri(destination), recursive=recursive)
        await self._in_helper(said.COPY, params, sandbox)

    async def _in_helper(self, method: Method[Any, R], params: wire.Wire, sandbox: SandboxContext | None) -> R:
        assert sandbox is not None  # noqa: S101 - without a sandbox every way is direct
        attempt = _Attempt()
        call: Callable[[], bytes] = partial(
            self._helpers.run, method.name, wire.encode(params), sandbox, attempt.started
        )
        try:
            return wire.decode(await self._calls.run(call), method.result)
        except OSError as error:
            said.name_path(error, params)
            raise
        finally:
            attempt.give_up()  # ended already, unless the caller went away


def _uri(path: Path) -> PathUri:
    return PathUri.from_native(os.fspath(path))


def _native(path: Path) -> str:
    """Bring a path into the form that the wire gives it, so that it means the same here and on another machine."""
    return _uri(path).native()


def _metadata(facts: direct.Metadata) -> Metadata:
    return Metadata(
        is_directory=facts.is_directory,
        is_file=facts.is_file,
        is_symlink=facts.is_symlink,
        size=facts.size,
        created_at_ms=facts.created_at_ms,
        modified_at_ms=facts.modified_at_ms,
    )
