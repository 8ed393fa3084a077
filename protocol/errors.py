"""Translate between Python exceptions and wire errors: the one two-way table.

    exception                      code     message
    OSError, ENOENT                -32004   <text> (os error 2)
    OSError, EACCES EPERM EINVAL   -32600   <text> (os error N)
    OSError, any other errno       -32603   <text> (os error N)
    OSError without an errno       -32603   its text
    RequestRefused                 -32600   its text
    ForeignPathError               -32600   its text
    PathUriError                   -32602   its text
    WireError                      its own  its own
    anything else                  -32603   internal error: <class>: <its text>

What the wire loses: the file names of an OSError, its strerror (the number decides), which of our own exception
classes spoke, and the traceback. `from_wire(to_wire(error))` therefore keeps the code, the message and the errno, and
with the errno the class (FileNotFoundError, PermissionError, ...), and nothing else.

Source: codex exec-server 0.169.0, observed; the texts are musl's, because the original is linked against musl.
"""

from __future__ import annotations

import errno
import os

from .path_uri import ForeignPathError, PathUriError

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_FOUND = -32004
SESSION_ATTACHED = -32010

_CODES = {
    errno.ENOENT: NOT_FOUND,
    errno.EACCES: INVALID_REQUEST,
    errno.EPERM: INVALID_REQUEST,
    errno.EINVAL: INVALID_REQUEST,
}

# Where musl's strerror and glibc's differ. Numbers that musl does not know ("No error information") are left to glibc.
_MUSL_TEXTS = {
    errno.EIO: "I/O error",
    errno.ECHILD: "No child process",
    errno.ENOMEM: "Out of memory",
    errno.EBUSY: "Resource busy",
    errno.EXDEV: "Cross-device link",
    errno.EMFILE: "No file descriptors available",
    errno.ENOTTY: "Not a tty",
    errno.ESPIPE: "Invalid seek",
    errno.EDOM: "Domain error",
    errno.ERANGE: "Result not representable",
    errno.EDEADLK: "Resource deadlock would occur",
    errno.ENAMETOOLONG: "Filename too long",
    errno.ELOOP: "Symbolic link loop",
    errno.ETIME: "Device timeout",
    errno.EOVERFLOW: "Value too large for data type",
    errno.EILSEQ: "Illegal byte sequence",
    errno.ENOTSOCK: "Not a socket",
    errno.EMSGSIZE: "Message too large",
    errno.ENOTSUP: "Not supported",
    errno.EADDRINUSE: "Address in use",
    errno.EADDRNOTAVAIL: "Address not available",
    errno.ENETUNREACH: "Network unreachable",
    errno.ENETRESET: "Connection reset by network",
    errno.ECONNABORTED: "Connection aborted",
    errno.EISCONN: "Socket is connected",
    errno.ENOTCONN: "Socket not connected",
    errno.ESHUTDOWN: "Cannot send after socket shutdown",
    errno.ETIMEDOUT: "Operation timed out",
    errno.EHOSTUNREACH: "Host is unreachable",
    errno.EINPROGRESS: "Operation in progress",
    errno.EDQUOT: "Quota exceeded",
    errno.EOWNERDEAD: "Previous owner died",
}

_OS_ERROR_MARK = " (os error "


class WireError(Exception):
    """An error as the wire carries it.

    Args:
        code: one of the codes above.
        message: text for the peer; what is not valid UTF-8 in it becomes U+FFFD.
    """

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = lossy(message)
        super().__init__(code, self.message)

    def __str__(self) -> str:
        return self.message


class RequestRefused(ValueError):
    """Our own validation said no; the text goes to the peer word for word with -32600."""


def lossy(text: str) -> str:
    """Replace what cannot be UTF-8 (bytes smuggled in as surrogates) by U+FFFD."""
    if text.isascii():
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that no file name can have made: it came in JSON, as \\ud800
        raw = text.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "replace")


def os_error_text(number: int) -> str:
    """Word an errno as the original does, for example `Symbolic link loop (os error 40)`."""
    return f"{_MUSL_TEXTS.get(number) or os.strerror(number)}{_OS_ERROR_MARK}{number})"


def to_wire(error: Exception) -> WireError:
    """Say an exception in wire words; see the table at the top."""
    if isinstance(error, WireError):
        return error
    if isinstance(error, OSError):
        return _from_os_error(error)
    if isinstance(error, PathUriError):
        return WireError(INVALID_PARAMS, str(error))
    if isinstance(error, RequestRefused | ForeignPathError):
        return WireError(INVALID_REQUEST, str(error))
    return WireError(INTERNAL_ERROR, f"internal error: {_one_line(error)}")


def from_wire(code: int, message: str) -> Exception:
    """Turn a peer's error back into the exception that a local call would have raised."""
    number = _os_error_number(message)
    if number is not None:
        return OSError(number, message[: message.rindex(_OS_ERROR_MARK)])
    if code == NOT_FOUND:
        return FileNotFoundError(errno.ENOENT, message)
    if code == INVALID_REQUEST:
        return RequestRefused(message)
    return WireError(code, message)


def _from_os_error(error: OSError) -> WireError:
    # An OSError made with a text alone is one of ours; the interpreter always sets the errno.
    if error.errno is None:
        return WireError(INTERNAL_ERROR, str(error) or type(error).__name__)
    return WireError(_CODES.get(error.errno, INTERNAL_ERROR), os_error_text(error.errno))


def _one_line(error: Exception) -> str:
    first, _, _ = str(error).partition("\n")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _os_error_number(message: str) -> int | None:
    """Read N from a text that ends in `(os error N)`."""
    _, mark, rest = message.rpartition(_OS_ERROR_MARK)
    digits = rest.removesuffix(")")
    if not mark or digits == rest or not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        return None
    return int(digits)
