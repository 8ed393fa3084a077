"""What a JSON text must satisfy before anything is built from it: depth, number of values, no duplicate keys.

A text of 64 MiB can hold thirty million values; built as objects they would take gigabytes. So the text is
looked at first, without its strings: what is left is the structure, and counting in it is cheap.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import json
from itertools import accumulate

MAX_DEPTH = 127
MAX_VALUES = 262_144

_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class JsonLimitError(ValueError):
    """The text is beyond a limit; the message says which."""


def check(text: bytes) -> None:
    """Refuse a text that nests too deep, holds too many values or names a key twice in one object.

    A text that is no JSON may pass: the decoder refuses it next, and builds nothing before it does.

    Raises:
        JsonLimitError: says which limit.
    """
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    parts = plain.split(b'"')
    structure = b'"'.join(parts[::2])
    _check_values(structure)
    _check_depth(structure)
    keys = [parts[i] for i in range(1, len(parts) - 1, 2) if parts[i + 1].lstrip(b" \t\r\n").startswith(b":")]
    # The same word may stand in different objects, and escapes hide what a word says: then look closely.
    if len(set(keys)) != len(keys) or b"\\" in b"".join(keys):
        _check_keys(text)


def _check_depth(structure: bytes) -> None:
    if structure.count(b"[") + structure.count(b"{") <= MAX_DEPTH:
        return
    brackets = structure.translate(None, _NO_BRACKETS)
    for depth in accumulate(_STEPS[byte] for byte in brackets):
        if depth > MAX_DEPTH:
            raise JsonLimitError(f"recursion limit exceeded: it nests deeper than {MAX_DEPTH}")


def _check_values(structure: bytes) -> None:
    """Count values: each comma and each container that is not empty begins one more; the text itself is one."""
    if 1 + sum(structure.count(mark) for mark in (b",", b"[", b"{")) <= MAX_VALUES:
        return
    dense = structure.translate(None, b" \t\r\n")
    opened = dense.count(b"[") + dense.count(b"{") - dense.count(b"[]") - dense.count(b"{}")
    values = 1 + dense.count(b",") + opened
    if values > MAX_VALUES:
        raise JsonLimitError(f"JSON-RPC message exceeds the limit of {MAX_VALUES} JSON values: it has {values}")


def _check_keys(text: bytes) -> None:
    try:
        json.loads(text, object_pairs_hook=_refuse_duplicates, parse_int=str, parse_float=str)
    except JsonLimitError:
        raise
    except ValueError:
        return  # no JSON; the decoder says what is wrong with it


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise JsonLimitError(f"duplicate JSON object key `{key}`")
        seen.add(key)
