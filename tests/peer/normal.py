"""Make two answers comparable: what differs from run to run becomes a placeholder."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from .cases import Json

_TIMES = ("createdAtMs", "modifiedAtMs")
_PANIC = re.compile(r"thread 'main' \([0-9]+\)")
_IGNORED = re.compile(r"(SigIgn:\t)([0-9a-f]{16})")
_PEER = re.compile(r"\b127\.0\.0\.1:[0-9]+")


def message(value: Json, places: dict[str, str]) -> Json:
    """Replace places, ports, times and session ids; sort what has no order."""
    if isinstance(value, str):
        return _text(value, places)
    if isinstance(value, list):
        return [message(item, places) for item in value]
    if isinstance(value, dict):
        if "executorVersion" in value and "shell" in value:
            return shape(value)
        plain = {_text(key, places): message(item, places) for key, item in value.items()}
        for key in _TIMES:
            if isinstance(number := plain.get(key), int) and number > 0:
                plain[key] = "<ms>"
        if isinstance(entries := plain.get("entries"), list):
            plain["entries"] = _sorted_directory(entries)
        return plain
    return value


def shape(value: Json) -> Json:
    """Keep members and types, drop values."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value).__name__


def _without_c_library(ignored: re.Match[str]) -> str:
    """Signals 32 and 33 are the C library's own; glibc's `posix_spawn` leaves them ignored."""
    return f"{ignored[1]}{int(ignored[2], 16) & ~0x1_8000_0000:016x}"


def _text(text: str, places: dict[str, str]) -> str:
    for key, place in places.items():
        if place:
            text = text.replace(place, key)
    text = _IGNORED.sub(_without_c_library, text)
    return _PANIC.sub("thread 'main' (<pid>)", _PEER.sub("<peer>", text))


def _sorted_directory(entries: list[Json]) -> list[Json]:
    """`fs/readDirectory` has no order; `fs/walk` has one, which stays."""
    if all(isinstance(entry, dict) and "fileName" in entry for entry in entries):
        return sorted(entries, key=lambda entry: str(entry["fileName"]) if isinstance(entry, dict) else "")
    return entries


def without_stubs(answer: Json, directory: str) -> Json:
    """Drop listed entries that are not on disk: mount points the reference shows inside its sandbox (row 9)."""
    if not isinstance(answer, dict) or not isinstance(result := answer.get("result"), dict):
        return answer
    if not isinstance(entries := result.get("entries"), list):
        return answer
    kept = [entry for entry in entries if _on_disk(entry, directory)]
    return {**answer, "result": {**result, "entries": kept}}


def _on_disk(entry: Json, directory: str) -> bool:
    if not isinstance(entry, dict):
        return True
    if "fileName" in entry:
        return os.path.lexists(os.path.join(directory, str(entry["fileName"])))
    return os.path.lexists(unquote(str(entry.get("path", "")).removeprefix("file://")))
