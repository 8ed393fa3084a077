"""Parse a path URI the long way: the WHATWG URL rules for `file:`, as rust-url has them.

Only what is not already in normal form comes here. The result is `file://` + host + path, or a PathUriError.
"""

from __future__ import annotations

import binascii

_BARE = b"!$%&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz|~"
_ENCODED = [chr(byte) if byte in _BARE else f"%{byte:02X}" for byte in range(256)]
_TRIMMED = "".join(map(chr, range(0x21)))
_IGNORED = {ord("\t"): None, ord("\n"): None, ord("\r"): None}
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SCHEME = _LETTERS | frozenset("0123456789+-.")
_HEX = frozenset(b"0123456789ABCDEFabcdef")
# The original's way to name a native path that would read as a Windows drive: base64url behind an impossible path.
_HIDDEN = "/%00/bad/path/"
_TO_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")
_FROM_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")


class PathUriError(ValueError):
    """The text is not a path URI; on the wire -32602."""


def normalise(text: str) -> str:
    """Bring a URI into normal form.

    Raises:
        PathUriError: it is no path URI.
    """
    rest = _after_scheme(text.strip(_TRIMMED).translate(_IGNORED))
    rest, query, fragment = _cut(rest)
    host, path = _split(rest.replace("\\", "/"))
    if query:
        raise PathUriError("query parameters are not allowed in path URIs")
    if fragment:
        raise PathUriError("fragments are not allowed in path URIs")
    uri = "file://" + host + path
    if "%00" in path and (host or reveal(path) is None):
        raise PathUriError(f"'{uri}' is invalid on 'linux'")
    if not host and starts_with_drive(path):
        return "file:///" + path[1].upper() + path[2:]
    return uri


def starts_with_drive(path: str) -> bool:
    """Tell whether the first segment is a Windows drive: a letter and a colon, the colon perhaps as %3A."""
    if path[1:2] not in _LETTERS:
        return False
    return path[2:4] in {":", ":/"} or (path[2:5] in {"%3A", "%3a"} and path[5:6] in {"", "/"})


def unescape(path: bytes) -> bytes:
    """Decode percent escapes; a `%` without two hexadecimal digits stays as it is."""
    first, *pieces = path.split(b"%")
    decoded = [first]
    for piece in pieces:
        if len(piece) >= 2 and piece[0] in _HEX and piece[1] in _HEX:
            decoded += (bytes((int(piece[:2], 16),)), piece[2:])
        else:
            decoded += (b"%", piece)
    return b"".join(decoded)


def hide(path: bytes) -> str:
    """Write a native path whose plain form would be a Windows drive, such as `/C:/x`."""
    encoded = binascii.b2a_base64(path, newline=False).translate(_TO_URL_ALPHABET)
    return _HIDDEN + encoded.decode("ascii").rstrip("=")


def reveal(path: str) -> bytes | None:
    """Read what `hide` wrote, or give None for any other path."""
    encoded = path.removeprefix(_HIDDEN)
    if encoded == path or not encoded:
        return None
    padded = encoded + "=" * (-len(encoded) % 4)
    try:
        decoded = binascii.a2b_base64(padded.encode("ascii").translate(_FROM_URL_ALPHABET), strict_mode=True)
    except binascii.Error:
        return None
    return decoded if hide(decoded) == path else None


def _after_scheme(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if not colon or scheme[:1] not in _LETTERS or not scheme or not _SCHEME.issuperset(scheme):
        raise PathUriError("invalid URI: relative URL without a base")
    if scheme.lower() != "file":
        raise PathUriError(f"unsupported path URI scheme `{scheme.lower()}`")
    return rest


def _cut(rest: str) -> tuple[str, bool, bool]:
    """Cut off query and fragment, and tell whether there was one, even an empty one."""
    rest, fragment, _ = rest.partition("#")
    rest, query, _ = rest.partition("?")
    return rest, bool(query), bool(fragment)


def _split(rest: str) -> tuple[str, str]:
    """Separate host and path, both in normal form."""
    if not rest.startswith("//"):
        return "", _path(rest.removeprefix("/"))[0]
    host, slash, path = rest[2:].partition("/")
    if _is_drive(host):
        return "", _path(host + slash + path)[0]
    if host:
        from . import uri_host

        host = uri_host.normalise(host)
    # Without a host the original starts one slash further in, so that `C|` there is a name like any other.
    path, has_drive = _path(path if host else "/" + path)
    return "" if has_drive else host, path


def _path(path: str) -> tuple[str, bool]:
    """Escape, resolve dot segments, drop leading slashes but one; tell whether a Windows drive was met."""
    segments = _percent_encode(path).split("/")
    kept: list[str] = []
    has_drive = False
    for segment in segments:
        if not kept and _is_drive(segment):
            has_drive = True
            kept.append(segment[0] + ":")
        elif _dots(segment) == "..":
            # A Windows drive is never taken away; the original looks for one at any depth.
            if kept and not _is_drive(kept[-1]):
                kept.pop()
        elif _dots(segment) != ".":
            kept.append(segment)
    if _dots(segments[-1]) in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept).lstrip("/"), has_drive


def _dots(segment: str) -> str:
    """Read the ways to write a dot segment."""
    return segment if len(segment) > 6 else segment.lower().replace("%2e", ".")


def _is_drive(segment: str) -> bool:
    return len(segment) == 2 and segment[0] in _LETTERS and segment[1] in ":|"


def _percent_encode(path: str) -> str:
    if path.isascii() and not path.encode("ascii").translate(None, _BARE):
        return path
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        raise PathUriError("invalid URI: it holds half of a surrogate pair") from None
    return "".join([_ENCODED[byte] for byte in raw])
