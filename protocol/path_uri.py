"""Read and write path URIs, the only form in which a path is on the wire.

A `PathUri` is a `file:` URL in the spelling which the original gives it: `localhost` dropped, dot segments resolved,
percent escapes kept as they came. It may name what this machine cannot have (another host, a Windows drive): that
shows only in `native()`, so that a relay can hand it on.

    parse    `file://localhost/a/./b%20c`  ->  `file:///a/b%20c`
    native   `file:///a//b%20c%2F..%2Fd/`  ->  `/a/d`

Source: codex exec-server 0.169.0, observed; its parser is rust-url, which follows the WHATWG URL standard.
Differs: a TAB or LF in a file name is written as an escape; the original drops it and so names another file.
"""

from __future__ import annotations

import os

from . import uri_syntax
from .uri_syntax import PathUriError

__all__ = ["ForeignPathError", "PathUri", "PathUriError", "encoded_length"]

# A path has 4096 bytes at most, three characters each when escaped; what is much longer only costs time to read.
MAX_URI_CHARS = 16_384
_PREFIX = "file://"
_PLAIN = b"!$&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz|~"
_WRITTEN = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in range(256)]


class ForeignPathError(ValueError):
    """The URI is sound but names no path of this machine; on the wire -32600 unless the handler says otherwise."""


class PathUri:
    """One path URI; treat it as immutable. Make it with `parse` or `from_native`."""

    __slots__ = ("_text",)

    def __init__(self, normalised: str) -> None:
        """Wrap a text that is known to be normalised; everyone else calls `parse`."""
        self._text = normalised

    @classmethod
    def parse(cls, text: str) -> PathUri:
        """Read what a peer sent.

        Raises:
            PathUriError: it is no path URI (-32602).
        """
        if len(text) > MAX_URI_CHARS:
            raise PathUriError(f"a path URI may have {MAX_URI_CHARS} characters at most, this one has {len(text)}")
        if _is_plain_uri(text):
            return cls(text)
        return cls(uri_syntax.normalise(text))

    @classmethod
    def from_native(cls, path: str) -> PathUri:
        """Write an absolute native path (as os.fsdecode gives it) as a URI."""
        if not path.startswith("/"):
            raise ValueError(f"`{path}` is not an absolute path")
        if uri_syntax.starts_with_drive(path):
            return cls(_PREFIX + uri_syntax.hide(os.fsencode(_normalised(path))))
        if not _is_plain(path):
            path = "".join([_WRITTEN[byte] for byte in os.fsencode(_normalised(path))])
        return cls(_PREFIX + path)

    def native(self) -> str:
        """Give the path on this machine: decoded, absolute, normalised without looking at symbolic links.

        Raises:
            ForeignPathError: it names another host or a Windows drive.
        """
        path = self._text.removeprefix(_PREFIX)
        if not path.startswith("/") or uri_syntax.starts_with_drive(path):
            raise self._foreign()
        if "%" in path:
            path = self._decoded(path)
        return _normalised(path) if _needs_normalising(path) else path

    def _decoded(self, path: str) -> str:
        hidden = uri_syntax.reveal(path)
        if hidden is None:
            return os.fsdecode(uri_syntax.unescape(path.encode("ascii")))
        path = os.fsdecode(hidden)
        if not uri_syntax.starts_with_drive(path) or "\0" in path:
            raise self._foreign()
        return path

    def _foreign(self) -> ForeignPathError:
        return ForeignPathError(f"'{self._text}' is invalid on 'linux'")

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"PathUri({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, PathUri) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)


def encoded_length(name: str) -> int:
    """Count the characters which a file name takes in a URI."""
    if name.isascii() and not name.encode("ascii").translate(None, _PLAIN):
        return len(name)
    return sum([len(_WRITTEN[byte]) for byte in os.fsencode(name)])


def _is_plain_uri(text: str) -> bool:
    """Tell that a text is its own normal form."""
    path = text[7:]
    return text.startswith("file:///") and not uri_syntax.starts_with_drive(path) and _is_plain(path)


def _is_plain(path: str) -> bool:
    """Tell that a path is the same as a URI and natively, looking at each character once and in C."""
    return path.isascii() and not _needs_normalising(path) and not path.encode("ascii").translate(None, _PLAIN)


def _needs_normalising(path: str) -> bool:
    if "//" in path or (path.endswith("/") and path != "/"):
        return True
    # Hidden names are common, dot segments are not.
    return "/." in path and ("/./" in path or "/../" in path or path.endswith(("/.", "/..")))


def _normalised(path: str) -> str:
    return "/" + os.path.normpath(path).lstrip("/")  # POSIX lets normpath keep two leading slashes
