"""A spool: what of a process's output does not stay in memory, in a file that has no name.

The file is a ring of a fixed size, written in blocks; when it is full, the oldest block is let go. It has no name in
any folder, so nobody else can open it, and the kernel takes it back however the server ends.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from ..environment.process import Output
from ..protocol.process import Stream

# A record is a header and the data: number, length, stream.
_RECORD = struct.Struct("<QIB")
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr", "pty")


@dataclass(frozen=True, slots=True)
class Block:
    """A run of chunks in the file, from one number to another; `start` counts from the first byte ever written."""

    first_seq: int
    last_seq: int
    start: int
    length: int


class Spool:
    """The older output of one process. Its methods block on the disk; one at a time.

    Args:
        folder: Where the file is made, when the first block comes; None: the system's temporary folder.
        capacity: Bytes that the file may have.
    """

    def __init__(self, folder: str | None, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._file: BinaryIO | None = None
        self._blocks: deque[Block] = deque()
        self._end = 0

    @property
    def is_empty(self) -> bool:
        return not self._blocks

    def append(self, chunks: Sequence[Output]) -> None:
        """Write a block, letting go of the oldest ones where there is no room.

        Raises:
            OSError: the disk is full, or the folder takes no file; nothing of `chunks` is kept.
        """
        raw = b"".join(
            part
            for chunk in chunks
            for part in (_RECORD.pack(chunk.seq, len(chunk.data), _STREAMS.index(chunk.stream)), chunk.data)
        )
        while self._blocks and self._end + len(raw) - self._blocks[0].start > self._capacity:
            self._blocks.popleft()
        if len(raw) > self._capacity:
            return  # not even by itself
        self._write(raw)
        self._blocks.append(Block(chunks[0].seq, chunks[-1].seq, self._end, len(raw)))
        self._end += len(raw)

    def read(self, after_seq: int, max_bytes: int) -> list[Output]:
        """Return chunks after a number, ascending, until their sum exceeds `max_bytes`; the caller cuts exactly.

        Raises:
            OSError: the disk gave them not back.
        """
        found: list[Output] = []
        size = 0
        for block in self._blocks:
            if block.last_seq <= after_seq:
                continue
            for chunk in self._chunks(block):
                if chunk.seq > after_seq:
                    found.append(chunk)
                    size += len(chunk.data)
            if size > max_bytes:
                break
        return found

    def close(self) -> None:
        """Give the file back."""
        self._blocks.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, raw: bytes) -> None:
        if self._file is None:
            import tempfile  # most processes say too little to need it

            self._file = cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder, buffering=0))  # noqa: SIM115 - `close`
        view, position = memoryview(raw), self._end
        while view:
            place = position % self._capacity
            written = os.pwrite(self._file.fileno(), view[: self._capacity - place], place)
            view, position = view[written:], position + written

    def _chunks(self, block: Block) -> list[Output]:
        raw = memoryview(self._raw(block))
        chunks: list[Output] = []
        while raw:
            seq, length, stream = _RECORD.unpack_from(raw)
            chunks.append(Output(seq, _STREAMS[stream], bytes(raw[_RECORD.size : _RECORD.size + length])))
            raw = raw[_RECORD.size + length :]
        return chunks

    def _raw(self, block: Block) -> bytes:
        assert self._file is not None  # noqa: S101 - there is no block without
        raw, position = b"", block.start
        while len(raw) < block.length:
            place = position % self._capacity
            piece = os.pread(self._file.fileno(), min(block.length - len(raw), self._capacity - place), place)
            if not piece:
                raise OSError(f"the spool ends at {place} of {self._capacity} bytes, where output was written")
            raw, position = raw + piece, position + len(piece)
        return raw
