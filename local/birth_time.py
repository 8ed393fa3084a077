"""Ask for the birth time of a file, which Python's os.stat leaves out on Linux.

`statx` is called through ctypes. Importing that costs about 4 ms, so this module is imported only by the one
operation that reports a birth time.
"""

from __future__ import annotations

import ctypes
import os
import sys

_STATX_BTIME = 0x800
_AT_EMPTY_PATH = 0x1000
_STATX_BYTES = 256
_MASK = slice(0, 4)
_BIRTH_SECONDS = slice(80, 88)
_BIRTH_NANOSECONDS = slice(88, 92)
_LIBC = ctypes.CDLL(None, use_errno=True)


def birth_time_ms(descriptor: int) -> int:
    """Give the birth time in milliseconds since 1970; 0 where the file system or the kernel has none."""
    if not hasattr(_LIBC, "statx"):  # a C library from before 2018
        return 0
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if _LIBC.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if not _number(answer.raw[_MASK]) & _STATX_BTIME:
        return 0
    return _number(answer.raw[_BIRTH_SECONDS]) * 1000 + _number(answer.raw[_BIRTH_NANOSECONDS]) // 1_000_000


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder, signed=True)
