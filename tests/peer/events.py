"""What a process told, whatever the chunks it came in: by notifications, or by `process/read`. Pure.

Both ways give the same members: a text for every stream that said something, the exit, and whether the numbers were
right: every one once, the close last. Which chunk ends where is nobody's promise, nor is the order between streams.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from typing import Final

from .cases import Json, Params

WHOLE: Final = "whole"
_SHOWN_BYTES = 8192  # longer output is described by its size and hash
# Only the reference puts folders of its own into the PATH, and only it has a CODEX_HOME of its own.
_OWN_FOLDER = re.compile(r"(?<==)(?:[^:=]*/(?:codex-arg0[^/:]*|codex-path):)+")
_OWN_HOME = "CODEX_HOME=/"


def is_notice(message: Json) -> bool:
    return isinstance(message, dict) and "id" not in message and str(message.get("method")).startswith("process/")


def of_process(notices: Iterable[Json], process_id: str) -> list[tuple[str, Params]]:
    """Give (`output`, `exited` or `closed`; params) for every notice of one process, as they came."""
    found: list[tuple[str, Params]] = []
    for notice in notices:
        params = notice.get("params") if isinstance(notice, dict) else None
        if isinstance(notice, dict) and isinstance(params, dict) and params.get("processId") == process_id:
            found.append((str(notice["method"]).removeprefix("process/"), params))
    return found


def output(told: Sequence[tuple[str, Params]]) -> dict[str, bytes]:
    """Join the chunks of every stream in the order of their numbers."""
    chunks = [params for kind, params in told if kind == "output"]
    streams: dict[str, bytes] = {}
    for params in sorted(chunks, key=_number):
        stream = str(params.get("stream"))
        streams[stream] = streams.get(stream, b"") + b64decode(str(params.get("chunk")))
    return streams


def summary(told: Sequence[tuple[str, Params]], first: int, separator: str | None) -> Params:
    """Describe everything up to the close.

    Args:
        first: the number it should begin with: 1, or after a resume the next one.
        separator: what the output is split at, to be sorted: variables have no order.
    """
    exits = [params for kind, params in told if kind == "exited"]
    described: Params = {}
    for stream, data in output(told).items():
        if shown := _text(data) if separator is None else _parts(data, separator):
            described[stream] = shown
    described["exits"] = [[params.get("exitCode"), params.get("sandboxDenied")] for params in exits]
    described["numbers"] = _numbers(told, first)
    return described


def summary_of_reads(results: Sequence[Params]) -> Params:
    """Describe what reads up to the close gave; a stream with a gap is not shown, its length depends on the chunks."""
    chunks = [chunk for result in results for chunk in _chunks(result)]
    last = results[-1]
    described: Params = {key: last.get(key) for key in ("exitCode", "sandboxDenied", "failure", "exited", "closed")}
    numbers, end = [_number(chunk) for chunk in chunks], last.get("nextSeq")
    if numbers != sorted(set(numbers)) or not isinstance(end, int):
        return {**described, "numbers": f"{numbers[:50]}, next {end}"}
    missing = end - 1 - len(numbers)
    if missing > 2:  # the exit and the close have numbers, too
        return {**described, "numbers": "a gap at the beginning" if _begins_late(numbers) else f"{missing} missing"}
    streams = output([("output", chunk) for chunk in chunks])
    return {**described, **{stream: _text(data) for stream, data in streams.items()}, "numbers": WHOLE}


def _chunks(result: Params) -> list[Params]:
    chunks = result.get("chunks")
    return [chunk for chunk in chunks if isinstance(chunk, dict)] if isinstance(chunks, list) else []


def _begins_late(numbers: list[int]) -> bool:
    return bool(numbers) and numbers[0] > 2


def complete(told: Sequence[tuple[str, Params]], first: int) -> bool:
    """Whether it has closed and every number from `first` on was told; frames may overtake each other."""
    closed = [_number(params) for kind, params in told if kind == "closed"]
    if not closed:
        return False
    return set(range(first, max(closed) + 1)) <= {_number(params) for _, params in told}


def _numbers(told: Sequence[tuple[str, Params]], first: int) -> str:
    """`whole`, or what is wrong: every number is told once, and the close has the highest."""
    numbers = {_number(params): kind for kind, params in told}
    if len(numbers) != len(told) or sorted(numbers) != list(range(first, first + len(told))):
        return f"not one after the other: {[_number(params) for _, params in told][:50]}"
    if not numbers or numbers[max(numbers)] != "closed":
        return "the close has not the highest number"
    return WHOLE


def _number(params: Params) -> int:
    number = params.get("seq")
    return number if isinstance(number, int) else -1


def _text(data: bytes) -> Json:
    if len(data) > _SHOWN_BYTES:
        return described_bytes(data)
    return data.decode("utf-8", "backslashreplace")


def _parts(data: bytes, separator: str) -> list[Json]:
    """Split and sort, without what only the reference has for itself."""
    parts = (part for part in data.decode("utf-8", "backslashreplace").split(separator) if part)
    return [*sorted(_OWN_FOLDER.sub("", part) for part in parts if not part.startswith(_OWN_HOME))]


def described_bytes(data: bytes) -> str:
    """Stand for output that is too long to be shown."""
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"
