"""A sandbox that is ended before it has set up: nothing of it may stay, and its end must be told."""

from __future__ import annotations

from typing import Any

import pytest
from harness.client import Client
from harness.exec_server import exec_server

pytestmark = pytest.mark.real_bwrap

READ_ONLY = {
    "permissions": {
        "type": "managed",
        "file_system": {
            "type": "restricted",
            "entries": [{"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}],
        },
        "network": "restricted",
    },
    "windowsSandboxLevel": "disabled",
}


def start(client: Client, name: str, *, tty: bool) -> int:
    params: dict[str, Any] = {
        "processId": name,
        "argv": ["sleep", "1000"],
        "cwd": "file:///",
        "env": {"PATH": "/usr/bin:/bin"},
        "tty": tty,
        "sandbox": READ_ONLY,
    }
    return client.start("process/start", params)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("method", "more", "codes"),
    # 1: the interpreter of the stage, when it is interrupted before it can be told to die of it
    [("process/signal", {"signal": "interrupt"}, {130, 1}), ("process/terminate", {}, {137})],
)
def test_an_end_that_comes_before_the_sandbox_stands_is_an_end(
    method: str, more: dict[str, str], codes: set[int], tty: bool
) -> None:
    with exec_server() as server, server.session() as client:
        for number in range(24):
            name = f"p{number}"
            started = start(client, name, tty=tty)
            if number % 2:
                client.answer(started)
            client.request(method, {"processId": name, **more})
            *_, exited, _ = client.wait_for_close(name)
            assert exited["params"]["exitCode"] in codes
