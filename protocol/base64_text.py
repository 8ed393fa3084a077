"""Bytes as text: standard base64, padding required, no white space, no stray bits. Used on both sides of a pipe.

Source: exec-server 0.169.0, observed, for what is refused and the words.
"""

from __future__ import annotations

import binascii

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Base64Error(ValueError):
    """The text is no base64; the message says where."""


def to_base64(data: bytes | bytearray | memoryview) -> str:
    """Write bytes as base64."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_base64(text: str) -> bytes:
    """Read base64, strictly.

    Raises:
        Base64Error: `Invalid symbol 33, offset 2.` and the like.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, or a character beyond ASCII
        raise Base64Error(_explain(text.encode("utf-8", "surrogatepass"))) from None
    # The last symbol may hold bits that no byte has; two texts would then mean the same bytes.
    if text[-1:] == "=" and to_base64(data[-(len(data) % 3) :]) != text[-4:]:
        offset = len(text.rstrip("=")) - 1
        raise Base64Error(f"Invalid last symbol {ord(text[offset])}, offset {offset}.")
    return data


def _explain(raw: bytes) -> str:
    """Say what is wrong, where the reference says it is."""
    strange = raw.translate(None, _ALPHABET + b"=")
    if strange:
        return _invalid(raw, raw.index(strange[:1]))
    offset = len(raw.partition(b"=")[0])
    padding = raw[offset:]
    room = -offset % 4  # how many `=` belong after so many symbols
    if room == 3 and not padding:
        return f"Invalid input length: {len(raw)}"
    if room not in (1, 2) or padding.strip(b"=") or len(padding) > room:
        return _invalid(raw, offset) if padding else "Invalid padding"
    return "Invalid padding"


def _invalid(raw: bytes, offset: int) -> str:
    return f"Invalid symbol {raw[offset]}, offset {offset}."
