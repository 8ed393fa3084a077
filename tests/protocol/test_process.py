"""The process messages: which texts are read as what, and which are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_py.protocol import process as said
from codex_py.protocol import wire
from codex_py.protocol.errors import INVALID_PARAMS, WireError
from codex_py.protocol.process import EnvPolicy, ExecMetadata, ReadParams, StartParams, WriteParams
from codex_py.protocol.wire import U64_MAX, Base64

START = {"processId": "p", "argv": ["a"], "cwd": "file:///", "env": {}, "tty": False}
POLICY = {"inherit": "core", "ignoreDefaultExcludes": True, "exclude": ["a"], "set": {"b": "c"}, "includeOnly": ["d"]}
THREAD = "67e55044-10b1-426f-9247-bb680e5fe0c8"


def start(**changes: Any) -> StartParams:
    return wire.decode(json.dumps({**START, **changes}).encode(), StartParams)


def refused(**changes: Any) -> str:
    with pytest.raises(WireError) as caught:
        start(**changes)
    assert caught.value.code == INVALID_PARAMS
    return caught.value.message


def test_what_a_start_needs_is_enough_and_the_rest_has_its_default() -> None:
    params = start()
    assert (params.process_id, params.argv, params.cwd.native(), params.env, params.tty) == ("p", ["a"], "/", {}, False)
    assert (params.pipe_stdin, params.enforce_managed_network) == (False, False)
    for name in ("metadata", "env_policy", "shell_snapshot", "arg0", "sandbox", "managed_network", "network_proxy"):
        assert getattr(params, name) is None


@pytest.mark.parametrize("name", START)
def test_what_a_start_needs_is_missed_by_name(name: str) -> None:
    text = json.dumps({member: value for member, value in START.items() if member != name}).encode()
    with pytest.raises(WireError, match=name):
        wire.decode(text, StartParams)


@pytest.mark.parametrize(
    "name", ["metadata", "envPolicy", "shellSnapshot", "arg0", "sandbox", "managedNetwork", "networkProxy"]
)
def test_what_may_be_left_out_may_be_null(name: str) -> None:
    assert start(**{name: None}) == start()


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeStdin": None},
        {"enforceManagedNetwork": None},
        {"argv": None},
        {"argv": [1]},
        {"env": {"A": 1}},
        {"tty": 1},
        {"cwd": "relative"},
        {"metadata": {"threadId": "12345678"}},
        {"metadata": {"threadId": ""}},
        {"shellSnapshot": {}},
        {"shellSnapshot": {"scopeId": "", "shell": {"name": "sh", "path": "/bin/sh"}}},
        {"shellSnapshot": {"scopeId": "é" * 129, "shell": {"name": "sh", "path": "/bin/sh"}}},
        {"managedNetwork": {"loopbackPorts": [65536]}},
        {"managedNetwork": {"loopbackPorts": [-1]}},
        {"managedNetwork": {"loopbackPorts": [1.5]}},
        {"managedNetwork": {"loopbackPorts": None}},
        {"envPolicy": {**POLICY, "inherit": "some"}},
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    assert refused(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"processId": "", "argv": [], "env": {"": "e", "A=B": "c"}},
        {"metadata": {}},
        {"metadata": {"threadId": None, "toolCallId": "x"}},
        {"shellSnapshot": {"scopeId": "x" * 256, "shell": {"name": "sh", "path": "/bin/sh"}}},
        {"managedNetwork": {}},
        {"managedNetwork": {"loopbackPorts": [0, 65535], "allowLocalBinding": True}},
    ],
)
def test_what_is_odd_is_taken(changes: dict[str, Any]) -> None:
    start(**changes)


@pytest.mark.parametrize(
    "thread", [THREAD, THREAD.upper(), THREAD.replace("-", ""), f"{{{THREAD}}}", f"urn:uuid:{THREAD}"]
)
def test_a_thread_id_is_a_uuid_in_any_of_its_forms(thread: str) -> None:
    assert wire.decode(json.dumps({"threadId": thread}).encode(), ExecMetadata).thread_id == thread


@pytest.mark.parametrize(
    "thread", [f"URN:UUID:{THREAD}", f"{{{THREAD}", THREAD[:-1], THREAD + "0", "g" * 32, "0x" * 16]
)
def test_what_is_no_uuid_is_no_thread_id(thread: str) -> None:
    assert refused(metadata={"threadId": thread})


def test_a_policy_needs_all_its_members() -> None:
    policy = start(envPolicy=POLICY).env_policy
    assert policy == EnvPolicy(
        inherit="core", ignore_default_excludes=True, exclude=["a"], assign={"b": "c"}, include_only=["d"]
    )
    for name in POLICY:
        assert refused(envPolicy={member: value for member, value in POLICY.items() if member != name})


@pytest.mark.parametrize("name", ["afterSeq", "maxBytes", "waitMs"])
def test_a_reading_takes_every_number_of_64_bits_and_no_other(name: str) -> None:
    def read(value: object) -> ReadParams:
        return wire.decode(json.dumps({"processId": "p", name: value}).encode(), ReadParams)

    assert read(None) == wire.decode(b'{"processId":"p"}', ReadParams)
    for number in (0, 1, U64_MAX):
        assert number in (read(number).after_seq, read(number).max_bytes, read(number).wait_ms)
    for value in (-1, U64_MAX + 1, 1.5, "1", True):
        with pytest.raises(WireError):
            read(value)


def test_what_is_written_is_base64() -> None:
    params = wire.decode(b'{"processId":"p","chunk":"AAEC","writeId":"1"}', WriteParams)
    assert bytes(params.chunk) == b"\0\1\2"
    with pytest.raises(WireError):
        wire.decode(b'{"processId":"p","chunk":"AAE","writeId":"1"}', WriteParams)


def test_an_answer_has_all_its_members_also_the_empty_ones() -> None:
    empty = said.ReadResult(
        chunks=[], next_seq=1, exited=False, exit_code=None, closed=False, failure=None, sandbox_denied=False
    )
    assert json.loads(wire.encode(empty)) == {
        "chunks": [],
        "nextSeq": 1,
        "exited": False,
        "exitCode": None,
        "closed": False,
        "failure": None,
        "sandboxDenied": False,
    }
    chunk = said.OutputChunk(seq=1, stream="pty", chunk=Base64(b"\0\xff"))
    assert json.loads(wire.encode(chunk)) == {"seq": 1, "stream": "pty", "chunk": "AP8="}


@pytest.mark.parametrize(
    ("notice", "written"),
    [
        (
            said.OutputNotice(process_id="p", seq=1, stream="stderr", chunk=Base64(b"x")),
            {"processId": "p", "seq": 1, "stream": "stderr", "chunk": "eA=="},
        ),
        (
            said.ExitedNotice(process_id="p", seq=2, exit_code=137, sandbox_denied=True),
            {"processId": "p", "seq": 2, "exitCode": 137, "sandboxDenied": True},
        ),
        (said.ClosedNotice(process_id="p", seq=3), {"processId": "p", "seq": 3}),
    ],
)
def test_what_is_told_unasked_is_written_word_for_word(notice: wire.Wire, written: dict[str, Any]) -> None:
    assert json.loads(wire.encode(notice)) == written
    assert wire.decode(wire.encode(notice), type(notice)) == notice


def test_only_an_interrupt_is_a_signal() -> None:
    def signal(name: str) -> None:
        wire.decode(json.dumps({"processId": "p", "signal": name}).encode(), said.SignalParams)

    signal("interrupt")
    for name in ("kill", "Interrupt", ""):
        with pytest.raises(WireError):
            signal(name)
