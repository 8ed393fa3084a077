"""Read the host of a path URI, by the WHATWG rules.

No host names a path on this machine; it is read all the same to tell a URI that is wrong (-32602) from one that is
sound but foreign (-32600), to know `localhost` in every spelling, and to print the foreign one as the original does.
Imported only for a URI that has a host.

Differs: names outside ASCII go through the interpreter's IDNA 2003, where the original has UTS 46. They disagree about
a few letters (`ss` for sharp s), seen nowhere but in the text of an error.
"""

from __future__ import annotations

from .uri_syntax import PathUriError, unescape

_FORBIDDEN = frozenset(" #/:<>?@[\\]^|%\x7f") | frozenset(map(chr, range(0x20)))
_MAX_HOST_CHARS = 253
_BAD_NAME = "invalid URI: invalid international domain name"
_BAD_IPV4 = "invalid URI: invalid IPv4 address"
_BAD_IPV6 = "invalid URI: invalid IPv6 address"


def normalise(host: str) -> str:
    """Bring a host into normal form; `localhost` is no host at all.

    Raises:
        PathUriError: it is no host.
    """
    if host.startswith("["):
        return _ipv6(host)
    name = _domain(host)
    if name == "localhost":
        return ""
    if _is_numeric(name.removesuffix(".").rpartition(".")[2]):
        return _ipv4(name.removesuffix("."))
    return name


def _domain(host: str) -> str:
    try:
        name = unescape(host.encode("utf-8")).decode("utf-8")
        if len(name) > _MAX_HOST_CHARS:  # no host has as many, and IDNA takes a time that grows with the square
            raise PathUriError(_BAD_NAME)
        name = name.lower() if name.isascii() else _to_ascii(name)
    except UnicodeError:
        raise PathUriError(_BAD_NAME) from None
    if not name:
        raise PathUriError("invalid URI: empty host")
    if not _FORBIDDEN.isdisjoint(name):
        raise PathUriError(_BAD_NAME)
    for label in name.split("."):
        if label.startswith("xn--"):
            _check_punycode(label)
    return name


def _to_ascii(name: str) -> str:
    from encodings import idna

    # The codec refuses empty labels, which a URL may have, also where only invisible characters were.
    labels = [idna.nameprep(label) for label in idna.dots.split(name)]
    return ".".join([idna.ToASCII(label).decode("ascii").lower() if label else "" for label in labels])


def _check_punycode(label: str) -> None:
    from encodings import idna

    try:
        idna.ToUnicode(label)
    except UnicodeError:
        raise PathUriError(_BAD_NAME) from None


def _is_numeric(label: str) -> bool:
    if label.isdigit():
        return True
    return label[:2] == "0x" and not label[2:].strip("0123456789abcdef")


def _ipv4(name: str) -> str:
    numbers = [_ipv4_number(part) for part in name.split(".")]
    *high, low = numbers
    if len(numbers) > 4 or any(number > 255 for number in high) or low >= 256 ** (4 - len(high)):
        raise PathUriError(_BAD_IPV4)
    address = low
    for position, number in enumerate(high):
        address += number << (8 * (3 - position))
    return ".".join([str(byte) for byte in address.to_bytes(4, "big")])


def _ipv4_number(part: str) -> int:
    base = 16 if part[:2] == "0x" else 8 if len(part) > 1 and part[0] == "0" else 10
    digits = part[2:] if base == 16 else part
    try:
        return int(digits or ("0" if base == 16 else ""), base)
    except ValueError:
        raise PathUriError(_BAD_IPV4) from None


def _ipv6(host: str) -> str:
    import _socket

    try:
        packed = _socket.inet_pton(_socket.AF_INET6, host.removeprefix("[").removesuffix("]"))
    except (OSError, ValueError):
        raise PathUriError(_BAD_IPV6) from None
    if not host.endswith("]"):
        raise PathUriError(_BAD_IPV6)
    pieces = [f"{packed[at] << 8 | packed[at + 1]:x}" for at in range(0, 16, 2)]
    return f"[{_compressed(pieces)}]"


def _compressed(pieces: list[str]) -> str:
    """Write `::` for the first longest run of two zero pieces or more."""
    for length in range(8, 1, -1):
        for start in range(9 - length):
            if pieces[start : start + length] == ["0"] * length:
                return f"{':'.join(pieces[:start])}::{':'.join(pieces[start + length :])}"
    return ":".join(pieces)
