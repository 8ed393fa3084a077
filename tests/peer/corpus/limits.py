"""Nesting, number of values, frames of 16 MiB, messages of 64 MiB: on both sides of every limit."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

from ..cases import Call, Case, File, Send
from .zoo import call

_MIB = 1024 * 1024
_STATUS = '{"id":7,"method":"environment/status"}'
_AFTER = Send('{"id":8,"method":"environment/status"}')
_VALUES = 262_144


def cases() -> Iterator[Case]:
    yield from _nesting()
    yield from _values()
    yield from _sizes()
    yield from _large_files()


def _nested(depth: int, opening: str, closing: str, inner: str = "") -> str:
    return f'{{"id":7,"method":"nope","params":{opening * depth}{inner}{closing * depth}}}'


def _nesting() -> Iterator[Case]:
    for depth in (1, 100, 125, 126, 127, 128, 129, 1000, 100_000):
        yield Case(f"{depth} nested lists", (Send(_nested(depth, "[", "]")), _AFTER))
        yield Case(f"{depth} nested maps", (Send(_nested(depth, '{"a":', "}", "1")), _AFTER))
        unfinished = f'{{"id":7,"method":"nope","params":{"[" * depth}'
        yield Case(f"{depth} lists never closed", (Send(unfinished), _AFTER))
    yield Case(
        "nesting in an unknown member", (Send('{"id":7,"method":"nope","x":' + "[" * 127 + "]" * 127 + "}"), _AFTER)
    )


def _values() -> Iterator[Case]:
    """The envelope, the id, the method and the params are four values; keys are none."""
    rest = _VALUES - 4
    for count in (rest - 1, rest, rest + 1, 2 * rest):
        ones = ",".join(["1"] * count)
        yield Case(
            f"{count} numbers in a list", (Send(f'{{"id":7,"method":"nope","params":[{ones}]}}'), _AFTER), alone=True
        )
        keys = ",".join(f'"{number}":1' for number in range(count))
        yield Case(
            f"{count} members of a map", (Send(f'{{"id":7,"method":"nope","params":{{{keys}}}}}'), _AFTER), alone=True
        )
        lists = ",".join(["[]"] * count)
        yield Case(f"{count} empty lists", (Send(f'{{"id":7,"method":"nope","params":[{lists}]}}'), _AFTER), alone=True)
        unknown = f'{{"id":7,"method":"nope","x":[{ones}]}}'
        yield Case(f"{count} numbers in an unknown member", (Send(unknown), _AFTER), alone=True)
    for count in (_VALUES - 5, _VALUES - 4):
        ones = ",".join(["1"] * count)
        text = f'{{"id":7,"method":"nope","params":[{ones}],"a":1}}'
        yield Case(f"{count} numbers in a list and one member more", (Send(text), _AFTER), alone=True)


def _padded(size: int) -> str:
    return _STATUS + " " * (size - len(_STATUS))


def _sizes() -> Iterator[Case]:
    for size in (125, 126, 127, 65_535, 65_536, 65_537, _MIB):
        yield Case(f"a message of {size} bytes", (Send(_padded(size)), Send(_padded(size).encode())))
    for size in (16 * _MIB - 1, 16 * _MIB, 16 * _MIB + 1, 17 * _MIB):
        yield Case(f"a frame of {size} bytes", (Send(_padded(size)), _AFTER), alone=True)
        yield Case(f"a binary frame of {size} bytes", (Send(_padded(size).encode()), _AFTER), alone=True)
    for sizes in ([15] * 3, [16] * 4, [15] * 4 + [4], [16] * 4 + [1], [1] * 64, [1] * 65, [15] * 5):
        text = _padded(sum(sizes) * _MIB)
        parts, start = [], 0
        for size in sizes:
            parts.append(text[start : start + size * _MIB])
            start += size * _MIB
        yield Case(
            f"{len(sizes)} fragments, {sum(sizes)} MiB together, {sizes[-1]} at the end",
            (Send(tuple(parts)), _AFTER),
            alone=True,
        )
    one_more = (*([_padded(16 * _MIB)] + [" " * 16 * _MIB] * 3), " ")
    yield Case("64 MiB and one byte in fragments", (Send(one_more), _AFTER), alone=True)
    garbage = "x" * (16 * _MIB)
    yield Case("a frame of 16 MiB that is no JSON", (Send(garbage), _AFTER), alone=True)


def _large_files() -> Iterator[Case]:
    data = bytes(range(251)) * 47_000
    text = b64encode(data).decode()
    write = (call("writeFile", "f", dataBase64=text), call("getMetadata", "f"))
    yield Case("writeFile of 11 MiB", write, alone=True)
    yield Case("readFile of 24 MiB", (call("readFile", "f"),), {"f": File(bytes(range(256)) * 98_304)}, alone=True)
    big = "/" * (4 * _MIB)
    yield Case("a path of 4 MiB of slashes", (Call("fs/getMetadata", {"path": f"file://{big}"}),), alone=True)
    deep = "x/" * (512 * 1024)
    yield Case("a path of 1 MiB", (Call("fs/getMetadata", {"path": f"file:///{deep}"}),), alone=True)
    yield Case(
        "writeFile of 11 MiB of bad base64", (call("writeFile", "f", dataBase64=text[:-5] + "*****"),), alone=True
    )
