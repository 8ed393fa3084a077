"""What a launch hands over besides its arguments: open descriptors, numbered as the launched program finds them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from ..protocol.errors import INVALID_PARAMS
from .errors import InvalidPolicy

FIRST = 3


class Descriptors:
    """Collects descriptors; the first one becomes 3 in the launched program, the next one 4, and so on.

    They are open until the `with` block ends, and no other child of this process inherits them.
    """

    def __init__(self) -> None:
        self._open: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            os.close(self._open.pop())

    @property
    def numbers_here(self) -> tuple[int, ...]:
        """The descriptors as this process has them, in order."""
        return tuple(self._open)

    def add(self, descriptor: int) -> int:
        """Take over a descriptor; return its number in the launched program."""
        self._open.append(descriptor)
        return FIRST + len(self._open) - 1

    def add_empty_file(self) -> int:
        return self.add(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def add_text(self, name: str, data: bytes) -> int:
        """Hand over bytes that nobody else can see, as a file in memory to be read from its beginning.

        Args:
            name: Shown in /proc/PID/fd.
            data: The whole content.
        """
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
        number = self.add(descriptor)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return number


def nul_separated(texts: Iterable[str]) -> bytes:
    """Join texts so that each ends in a NUL, as `bwrap --args` reads them.

    Raises:
        InvalidPolicy: -32602; one holds a NUL, and what follows it would be read as an option.
    """
    raw = [os.fsencode(text) for text in texts]
    if any(b"\0" in item for item in raw):
        raise InvalidPolicy("nul byte found in provided data", code=INVALID_PARAMS)
    return b"".join(item + b"\0" for item in raw)
