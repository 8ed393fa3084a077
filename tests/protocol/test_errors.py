"""The two-way table between exceptions and wire errors."""

from __future__ import annotations

import errno
import os

import pytest

from codex_py.protocol import errors
from codex_py.protocol.errors import RequestRefused, WireError, from_wire, to_wire
from codex_py.protocol.path_uri import ForeignPathError, PathUriError

OS_ERRORS = [
    (errno.ENOENT, -32004, "No such file or directory (os error 2)"),
    (errno.EACCES, -32600, "Permission denied (os error 13)"),
    (errno.EPERM, -32600, "Operation not permitted (os error 1)"),
    (errno.EINVAL, -32600, "Invalid argument (os error 22)"),
    (errno.EEXIST, -32603, "File exists (os error 17)"),
    (errno.ENOTDIR, -32603, "Not a directory (os error 20)"),
    (errno.EISDIR, -32603, "Is a directory (os error 21)"),
    (errno.ENOTEMPTY, -32603, "Directory not empty (os error 39)"),
    (errno.EROFS, -32603, "Read-only file system (os error 30)"),
    (errno.EBADF, -32603, "Bad file descriptor (os error 9)"),
    (errno.ENXIO, -32603, "No such device or address (os error 6)"),
    # musl's words, where glibc has others
    (errno.ELOOP, -32603, "Symbolic link loop (os error 40)"),
    (errno.ENAMETOOLONG, -32603, "Filename too long (os error 36)"),
    (errno.EIO, -32603, "I/O error (os error 5)"),
    (errno.EBUSY, -32603, "Resource busy (os error 16)"),
    (errno.EMFILE, -32603, "No file descriptors available (os error 24)"),
    (errno.ENOTSOCK, -32603, "Not a socket (os error 88)"),
    (errno.EADDRINUSE, -32603, "Address in use (os error 98)"),
]


def _wire(error: Exception) -> tuple[int, str]:
    said = to_wire(error)
    return said.code, said.message


@pytest.mark.parametrize(("number", "code", "message"), OS_ERRORS)
def test_an_os_error_is_said_with_its_code_and_in_the_words_of_musl(number: int, code: int, message: str) -> None:
    assert _wire(OSError(number, "whatever", "/some/path")) == (code, message)


@pytest.mark.parametrize(("number", "code", "message"), OS_ERRORS)
def test_an_os_error_comes_back_as_what_it_was(number: int, code: int, message: str) -> None:
    error = from_wire(code, message)
    assert type(error) is type(OSError(number, ""))
    assert isinstance(error, OSError)
    assert error.errno == number


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_errno_survives_the_wire_and_back(number: int) -> None:
    said = to_wire(OSError(number, os.strerror(number)))
    back = from_wire(said.code, said.message)
    assert isinstance(back, OSError)
    assert back.errno == number
    assert _wire(back) == (said.code, said.message)


OTHERS = [
    (RequestRefused("path `/x` is not a file"), -32600, "path `/x` is not a file"),
    (ForeignPathError("'file://h/' is invalid on 'linux'"), -32600, "'file://h/' is invalid on 'linux'"),
    (PathUriError("invalid URI: empty host"), -32602, "invalid URI: empty host"),
    (OSError("recursive no-follow removal is unsupported"), -32603, "recursive no-follow removal is unsupported"),
    (TimeoutError(), -32603, "TimeoutError"),
    (KeyError("x"), -32603, "internal error: KeyError: 'x'"),
    (MemoryError(), -32603, "internal error: MemoryError"),
    (RuntimeError("first\nTraceback: second"), -32603, "internal error: RuntimeError: first"),
]


@pytest.mark.parametrize(("error", "code", "message"), OTHERS, ids=[type(error).__name__ for error, _, _ in OTHERS])
def test_other_exceptions_have_one_code_and_one_line(error: Exception, code: int, message: str) -> None:
    assert _wire(error) == (code, message)


def test_a_wire_error_is_itself() -> None:
    error = WireError(errors.SESSION_ATTACHED, "attached elsewhere")
    assert to_wire(error) is error
    assert str(error) == "attached elsewhere"


def test_what_was_refused_comes_back_refused() -> None:
    error = from_wire(-32600, "path `/x` is not a file")
    assert isinstance(error, RequestRefused)
    assert str(error) == "path `/x` is not a file"


def test_not_found_without_an_errno_comes_back_as_file_not_found() -> None:
    error = from_wire(-32004, "unknown file handle `h`")
    assert isinstance(error, FileNotFoundError)
    assert error.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32603, "fs sandbox helper failed"),
        (-32602, "missing field `path`"),
        (-32010, "attached"),
        (-1, ""),
        (-32603, "odd (os error x)"),
        (-32603, "odd (os error 5) and more"),
        (-32603, "odd (os error 99999999999999999999)"),
    ],
)
def test_everything_else_comes_back_as_a_wire_error(code: int, message: str) -> None:
    error = from_wire(code, message)
    assert isinstance(error, WireError)
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("é", "é"),
        ("bad\udcff", "bad\ufffd"),
        ("half\ud800", "half\ufffd\ufffd\ufffd"),
        ("\udcc3\udca9", "é"),
    ],
)
def test_a_message_is_always_valid_utf_8(text: str, shown: str) -> None:
    assert to_wire(RequestRefused(text)).message == shown
    assert shown.encode("utf-8")
