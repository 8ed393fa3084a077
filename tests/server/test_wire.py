"""A server process, spoken to in raw frames: the envelope, the handshake, and what ends a connection."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from harness.client import Client, RequestFailed
from harness.exec_server import ExecServer, exec_server
from websockets.exceptions import ConnectionClosed

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Generator[ExecServer]:
    with exec_server() as running:
        yield running


@pytest.fixture
def client(server: ExecServer) -> Generator[Client]:
    with server.session() as connected:
        yield connected


def alive(client: Client) -> bool:
    return bool(client.request("environment/status") == {"status": "ready"})


def failure(client: Client, method: str, params: Any = None) -> tuple[int, str]:
    with pytest.raises(RequestFailed) as caught:
        client.request(method, params)
    return caught.value.code, caught.value.message


def test_initialize_opens_a_session_and_tells_about_the_machine(server: ExecServer) -> None:
    with server.connect() as client:
        opened = client.handshake()
        assert opened["environmentInfo"] == client.request("environment/info", {})
        assert opened["environmentInfo"]["platformOs"] == "linux"
        assert len(opened["sessionId"]) == 36


def test_capabilities_we_lack_are_false(client: Client) -> None:
    capabilities = client.request("environment/info")["capabilities"]
    assert len(capabilities) == 15
    assert not any(capabilities.values())


@pytest.mark.parametrize(
    ("method", "family"),
    [
        ("fs/readFile", "filesystem"),
        ("environment/info", "environment info"),
        ("environment/status", "environment status"),
    ],
)
def test_requests_before_their_time_are_refused_by_family(server: ExecServer, method: str, family: str) -> None:
    params = {"path": "file:///etc/hostname"} if method.startswith("fs/") else None
    with server.connect() as client:
        assert failure(client, method, params) == (
            -32600,
            f"client must call initialize before using {family} methods",
        )
        client.request("initialize", {"clientName": ""})
        assert failure(client, method, params) == (
            -32600,
            f"client must send initialized before using {family} methods",
        )
        client.send({"method": "initialized", "params": [1, "ignored"]})
        client.request(method, params)


def test_params_are_read_before_the_guard(server: ExecServer) -> None:
    with server.connect() as client:
        assert failure(client, "fs/readFile", {}) == (-32602, "missing field `path`")
        assert failure(client, "nope") == (-32601, "exec-server stub does not implement `nope` yet")


def test_a_second_initialize_is_refused_but_a_failed_one_may_be_repeated(server: ExecServer) -> None:
    with server.connect() as client:
        unknown = "00000000-0000-4000-8000-000000000000"
        assert failure(client, "initialize", {}) == (-32602, "missing field `clientName`")
        assert failure(client, "initialize", {"clientName": "x", "resumeSessionId": unknown}) == (
            -32600,
            f"unknown session id {unknown}",
        )
        client.handshake()
        assert failure(client, "initialize", {"clientName": "x"}) == (
            -32600,
            "initialize may only be sent once per connection",
        )
        assert alive(client)


def test_a_session_is_resumed_after_its_connection_and_refused_during_it(server: ExecServer) -> None:
    with server.connect() as first:
        session = first.handshake()["sessionId"]
        with server.connect() as second:
            assert failure(second, "initialize", {"clientName": "x", "resumeSessionId": session})[0] == -32010
    with server.connect() as third:
        resume = {"clientName": "x", "resumeSessionId": session}
        answer = third.answer(third.start("initialize", resume))
        while answer.get("error", {}).get("code") == -32010:  # the end of the first one has not been noticed yet
            answer = third.answer(third.start("initialize", resume))
        assert answer["result"]["sessionId"] == session
        third.send({"method": "initialized"})
        assert alive(third)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{bad",
        "[]",
        '[{"id":1,"method":"environment/status"}]',
        '{"id":null,"method":"environment/status"}',
        '{"id":5.0,"method":"environment/status"}',
        '{"id":1,"method":"environment/status","params":{"a":1,"a":1}}',
        '{"id":1,"method":"environment/status","params":' + "[" * 200 + "]" * 200 + "}",
        '{"id":1,"method":"environment/status","params":[' + "1," * 270_000 + "1]}",
        b'{"id":1,"method":"\xff"}',
        b"\xff\xfe",
    ],
)
def test_a_frame_that_is_no_message_is_answered_with_the_id_minus_one(client: Client, frame: str | bytes) -> None:
    client.send_raw(frame)
    error = client.answer(-1)["error"]
    assert error["code"] == -32600
    assert error["message"].startswith(
        "failed to parse websocket JSON-RPC message from exec-server websocket 127.0.0.1:"
    )
    assert alive(client)


def test_a_binary_frame_is_as_good_as_a_text_frame(client: Client) -> None:
    client.send_raw(b' {"jsonrpc":"2.0","id":"b","method":"environment/status"} \n')
    assert client.answer("b")["result"] == {"status": "ready"}


@pytest.mark.parametrize("params", ["[]", "5", '"x"', '{"a":1}', "false"])
def test_methods_without_params_take_none(client: Client, params: str) -> None:
    code, message = failure(client, "environment/status", json.loads(params))
    assert code == -32602
    assert message.endswith(", expected unit")


@pytest.mark.parametrize(
    "message",
    [
        {"method": "fs/readFile", "params": {}},
        {"method": "unknown"},
        {"id": 99, "result": {}},
        {"id": 99, "error": {"code": 1, "message": "x"}},
    ],
)
def test_what_may_not_come_closes_the_connection(client: Client, message: Any) -> None:
    client.send(message)
    assert client.wait_closed().code == 1002


def test_initialized_before_initialize_closes_the_connection(server: ExecServer) -> None:
    with server.connect() as client:
        client.send({"method": "initialized"})
        assert client.wait_closed().code == 1002


def test_invalid_utf_8_in_a_text_frame_closes_the_connection(server: ExecServer) -> None:
    with server.session() as client:
        client.websocket.send(b"\xff\xfe", text=True)
        assert client.wait_closed().code == 1007


def test_a_frame_of_16_mib_is_read_and_a_larger_one_is_not(server: ExecServer, tmp_path: Path) -> None:
    with server.session() as client:
        request = {
            "id": "big",
            "method": "fs/writeFile",
            "params": {"path": (tmp_path / "big").as_uri(), "dataBase64": ""},
        }
        room = 16 * MIB - len(json.dumps(request))
        request["params"]["dataBase64"] = "A" * (room - room % 4)  # type: ignore[index]  # it is the dict above
        client.send(request)
        assert client.answer("big") == {"id": "big", "result": {}}
        assert alive(client)
        client.send_raw(b" " * (16 * MIB + 1))
        assert client.wait_closed().code == 1009


def test_a_fragmented_message_may_be_larger_than_a_frame_up_to_64_mib(server: ExecServer) -> None:
    with server.session() as client:
        padding = " " * (15 * MIB)
        client.websocket.send(iter([padding, padding, padding, '{"id":"f","method":"environment/status"}']))
        assert client.answer("f")["result"] == {"status": "ready"}


def test_a_fragmented_message_beyond_64_mib_is_not_read(server: ExecServer) -> None:
    with server.session() as client:
        with contextlib.suppress(ConnectionClosed):  # the refusal may come while the rest is being sent
            client.websocket.send(iter([" " * (13 * MIB)] * 5))
        assert client.wait_closed().code == 1009


def test_a_ping_is_answered_with_its_payload(client: Client) -> None:
    assert client.websocket.ping(b"payload").wait(10)


def test_operations_of_one_connection_take_effect_in_the_order_they_came(client: Client, tmp_path: Path) -> None:
    uri = (tmp_path / "a").as_uri()
    last = 0
    for number in range(40):
        client.start("fs/writeFile", {"path": uri, "dataBase64": f"{number:04}"})
        last = client.start("fs/readFile", {"path": uri})
    assert client.answer(last)["result"] == {"dataBase64": "0039"}


def test_the_reason_of_a_close_fits_a_close_frame_in_any_script(client: Client) -> None:
    client.send({"method": "\u4e16" * 60})
    closed = client.wait_closed()
    assert closed.code == 1002
    assert "may send" in closed.reason or "\u4e16" in closed.reason


def test_what_a_client_sends_cannot_forge_or_flood_the_log(server: ExecServer) -> None:
    with server.session() as client:
        client.send({"method": "a\nERROR forged" + "x" * 100_000})
        client.wait_closed()
    assert "\nERROR forged" not in server.log()
    assert max(map(len, server.log().splitlines())) < 500


@pytest.mark.parametrize("host", ["\u4e16" * 4000, "xn--" + "9" * 10_000, "%E4%B8%96" * 1500])
def test_a_host_that_no_machine_can_have_is_refused_before_it_is_looked_at(client: Client, host: str) -> None:
    code, message = failure(client, "fs/getMetadata", {"path": f"file://{host}/x"})
    assert (code, message) == (-32602, "invalid URI: invalid international domain name")


@pytest.mark.parametrize("params", ["9" * 5000, "1e999", "-1", "[[]]"])
def test_params_that_are_none_are_refused_whatever_they_are(client: Client, params: str) -> None:
    client.send_raw(f'{{"id":"p","method":"environment/status","params":{params}}}')
    assert client.answer("p")["error"]["code"] == -32602


@pytest.mark.real_bwrap
def test_a_sandboxed_write_and_a_direct_read_behind_it_keep_their_order(client: Client, tmp_path: Path) -> None:
    sandbox = {
        "permissions": {
            "type": "managed",
            "file_system": {
                "type": "restricted",
                "entries": [
                    {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
                    {"path": {"type": "path", "path": tmp_path.as_uri()}, "access": "write"},
                ],
            },
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
    }
    uri = (tmp_path / "a").as_uri()
    for number in range(8):
        client.start("fs/writeFile", {"path": uri, "dataBase64": f"{number:04}", "sandbox": sandbox})
        assert client.request("fs/readFile", {"path": uri}) == {"dataBase64": f"{number:04}"}
