"""Wrong types in every member of the process methods, missing members, and several errors at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..cases import ABSENT, POSITIONAL, SAME, Absent, Accept, Call, Case, Differs, Json, Params
from .commands import NO_NAME, PATH
from .zoo import ROOT

_VALUES: tuple[Json, ...] = (
    None, True, False, 0, 1, -1, 1.5, 5.0, 2**31, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, "", "x", "interrupt", "null",
    "eA==", [], [1], ["x"], [None], {}, {"a": 1}, {"interrupt": None}, {"a": "b"},
)  # fmt: skip
_START: Params = {"processId": "p", "argv": ["true"], "cwd": ROOT, "env": {"PATH": PATH}, "tty": False}
_METHODS: dict[str, tuple[Params, tuple[str, ...]]] = {
    "process/read": ({"processId": "p"}, ("afterSeq", "maxBytes")),
    "process/write": ({"processId": "p", "chunk": "eA==", "writeId": "1"}, ()),
    "process/signal": ({"processId": "p", "signal": "interrupt"}, ()),
    "process/terminate": ({"processId": "p"}, ()),
}
_OPTIONAL = (
    "metadata", "envPolicy", "shellSnapshot", "pipeStdin", "arg0", "sandbox", "enforceManagedNetwork",
    "managedNetwork", "networkProxy",
)  # fmt: skip
_PROXY: Params = {
    "enabled": True, "enableSocks5": False, "enableSocks5Udp": False, "allowUpstreamProxy": False,
    "dangerouslyAllowAllUnixSockets": False, "mode": "full", "allowLocalBinding": False,
}  # fmt: skip
_NESTED: dict[str, tuple[Json, ...]] = {
    "metadata": (
        {"threadId": None}, {"threadId": 5}, {"threadId": ""}, {"threadId": "x"}, {"threadId": "12345678"},
        {"threadId": "0f0e0d0c-0b0a-4000-8000-00000000abcd"}, {"threadId": "0F0E0D0C-0B0A-4000-8000-00000000ABCD"},
        {"threadId": "0f0e0d0c0b0a4000800000000000abcd"}, {"threadId": "{0f0e0d0c-0b0a-4000-8000-00000000abcd}"},
        {"threadId": "urn:uuid:0f0e0d0c-0b0a-4000-8000-00000000abcd"},
        {"threadId": "URN:UUID:0f0e0d0c-0b0a-4000-8000-00000000abcd"},
        {"threadId": "0f0e0d0c-0b0a-4000-8000-00000000abc"}, {"threadId": " 0f0e0d0c-0b0a-4000-8000-00000000abcd"},
        {"threadId": "0f0e0d0c0-b0a-4000-8000-00000000abcd"}, {"threadId": "00000000-0000-0000-0000-000000000000"},
        {"threadId": "0f0e0d0c-0b0a-4000-8000-00000000abcg"}, {"toolCallId": None}, {"toolCallId": 5},
        {"toolCallId": ""}, {"unknown": 1},
    ),
    "shellSnapshot": (
        {"scopeId": "s"}, {"shell": {}}, {"scopeId": "s", "shell": {}}, {"scopeId": "s", "shell": {"name": "bash"}},
        {"scopeId": "s", "shell": {"path": "/bin/bash"}}, {"scopeId": 5, "shell": {"name": "b", "path": "/b"}},
        {"scopeId": "s", "shell": {"name": 5, "path": "/b"}}, {"scopeId": "s", "shell": None},
    ),
    "managedNetwork": (
        {"loopbackPorts": []}, {"loopbackPorts": [0, 65535]}, {"loopbackPorts": [65536]}, {"loopbackPorts": [-1]},
        {"loopbackPorts": [1.5]}, {"loopbackPorts": ["1"]}, {"loopbackPorts": None}, {"loopbackPorts": 5},
        {"loopbackPorts": [None]}, {"allowLocalBinding": None}, {"allowLocalBinding": True}, {"allowLocalBinding": 5},
        {"unknown": 1},
    ),
    "env": ({"A": None}, {"A": 5}, {"A": True}, {"A": ["x"]}, {"A": {}}),
    "argv": ([None], ["true", None], ["true", 5], ["true", ["x"]], [[]], [{}]),
    "cwd": ("/tmp", "", "http://x/", "file:", "file:///%00", "file:///C:/x", "file://host/x", "file:///?q", "file:///#f"),
    "networkProxy": ({"proxy": {}}, {"proxy": _PROXY | {"enabled": False}}, {"proxy": 5}, {"proxy": None}),
}  # fmt: skip
_UNIT = Differs("a name need not be taken as a map", (Accept(code=-32602), SAME))
_NO_PROXY = Differs("the capability networkProxyLaunch is false: no client sends one", (Accept(code=-32602), SAME))


def cases() -> Iterator[Case]:
    for method, (params, optional) in _METHODS.items():
        yield from _members(method, params, optional)
        yield from _wholes(method, params)
    yield from _starts()
    yield from _wholes("process/start", _START)


def _members(method: str, params: Params, optional: tuple[str, ...]) -> Iterator[Case]:
    for member in (*params, *optional):
        for value in _VALUES:
            step = Call(method, {**params, member: value}, _differs(member, value))
            yield Case(f"{method} with {member} {value!r}", (step,))
        left = {key: value for key, value in params.items() if key != member}
        yield Case(f"{method} without {member}", (Call(method, left),))


def _differs(member: str, value: Json) -> Differs | None:
    if member == "networkProxy":
        return _NO_PROXY
    if member == "arg0" and value == "":
        return NO_NAME
    if isinstance(value, list) and member in ("metadata", "envPolicy", "shellSnapshot", "managedNetwork", "sandbox"):
        return POSITIONAL
    return _UNIT if member == "signal" and isinstance(value, dict) else None


def _starts() -> Iterator[Case]:
    """Every start has an id of its own: what may be started is."""
    for member in (*_START, *_OPTIONAL):
        for number, value in enumerate((*_VALUES, *_NESTED.get(member, ()))):
            params = {**_START, "processId": f"p{number}", member: value}
            step = Call("process/start", params, _differs(member, value))
            yield Case(f"process/start with {member} {value!r}, {number}", (step,))
        left = {key: value for key, value in _START.items() if key != member}
        yield Case(f"process/start without {member}", (Call("process/start", left),))
    known = list(_START)
    for first in range(len(known)):
        for keys in (known[first:], known[:first], known[first::-1]):
            some = {key: _START[key] for key in keys}
            yield Case(
                f"process/start with {', '.join(keys) or 'nothing'} alone, {first}", (Call("process/start", some),)
            )


def _wholes(method: str, params: Mapping[str, Json]) -> Iterator[Case]:
    wholes: tuple[Json | Absent, ...] = (ABSENT, None, True, 0, 1.5, -1, 2**64, "", "x", {}, {"a": 1})
    for whole in wholes:
        said = "absent" if isinstance(whole, Absent) else repr(whole)
        yield Case(f"{method} with params {said}", (Call(method, whole),))
    extra: Params = {**params, "unknown": [1], "ProcessId": 5, "": None, "process_id": 5}
    yield Case(f"{method} with unknown members", (Call(method, extra),))
    for label, keys in (("", [*params]), (", backwards", [*reversed([*params])])):
        wrong: Params = dict.fromkeys(keys, 5)
        yield Case(f"{method} with every member wrong{label}", (Call(method, wrong),))
        yield Case(f"{method} with every member null{label}", (Call(method, dict.fromkeys(keys)),))
    first = next(iter(params))
    missing: Params = {key: value for key, value in params.items() if key != first} | {"afterSeq": -1, "tty": 5}
    yield Case(f"{method} with a wrong member, and without {first}", (Call(method, missing),))
