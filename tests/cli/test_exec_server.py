"""The command `codex-py exec-server` as a process: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from harness.client import Client, Json, output_of
from harness.exec_server import ExecServer, exec_server
from harness.lease import leased
from harness.processes import marked, until

COMMAND = [sys.executable, "-m", "codex_py", "exec-server"]


def refused(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20)


def test_the_url_is_the_only_line_on_stdout_and_stderr_is_silent() -> None:
    with exec_server(command=COMMAND) as server:
        assert re.fullmatch(r"ws://127\.0\.0\.1:[1-9]\d*", server.url)
        with server.session() as client:
            client.request("environment/status")
        assert server.stop() == 0
        assert server.rest_of_stdout() == ""
        assert server.log() == ""


def test_it_listens_on_ipv6_loopback() -> None:
    with exec_server(command=[*COMMAND, "--listen", "ws://[::1]:0"]) as server, server.session() as client:
        assert server.url.startswith("ws://[::1]:")
        assert client.request("environment/status") == {"status": "ready"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--listen", "ws://localhost:0"], "invalid websocket --listen URL `ws://localhost:0`"),
        (["--listen", "http://127.0.0.1:0"], "unsupported --listen URL"),
        (["--listen", "ws://0.0.0.0:0"], "refusing to listen on 0.0.0.0"),
        (["--concurrent-requests", "0"], "0 is not in the range x>=1"),
        (["--session-ttl", "0"], "0.0 is not in the range 0<x<=31536000.0"),
        (["--session-ttl", "nan"], "nan is not a number of seconds"),
        (["--session-ttl", "soon"], "'soon' is not a valid float"),
        (["--process-retention", "-1"], "-1.0 is not in the range 0<x<=31536000.0"),
        (["--process-retention", "inf"], "inf is not in the range"),
        (["--process-retention", "nan"], "nan is not a number of seconds"),
        (["--output-budget", "0"], "0 is not in the range 1<=x<=1048576"),
        (["--output-budget", "1.5"], "'1.5' is not a valid integer"),
        (["--spool-dir", "/nowhere"], "Directory '/nowhere' does not exist"),
        (["--spool-dir", "/etc/hostname"], "Directory '/etc/hostname' is a file"),
        (["--helper-timeout", "0"], "0.0 is not in the range 0<x<=86400.0"),
        (["--helper-timeout", "nan"], "nan is not a number of seconds"),
        (["--helper-timeout", "inf"], "inf is not in the range"),
        (["--log-level", "loud"], "'loud' is not one of"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_is_refused_with_status_2_and_a_reason(arguments: list[str], text: str) -> None:
    result = refused(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert text in " ".join(result.stderr.split())


def test_an_address_in_use_is_an_error_with_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        result = refused("--listen", url)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: cannot listen on {url}: ")
    assert "in use" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_every_connection_with_1001_and_ends_with_status_0(number: int) -> None:
    with exec_server() as server, server.session() as one, server.connect() as other:
        server.process.send_signal(number)
        assert one.wait_closed().code == 1001
        assert other.wait_closed().code == 1001
        assert server.process.wait(10) == 0


def hanging_bwrap(folder: Path) -> Path:
    """A bwrap that never gets anywhere, and tells its pid."""
    folder.mkdir()
    path = folder / "bwrap"
    path.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --help ] && { echo --as-pid-1 --die-with-parent --new-session --perms --ro-bind-data --unshare-user; '
        "exit 0; }\n"
        "echo $$ > $TMPDIR/pid\n"
        "sleep 1000 & echo $! > $TMPDIR/child.part && mv $TMPDIR/child.part $TMPDIR/child\n"
        "wait\n"
    )
    path.chmod(0o755)
    return folder


def environment(path: Path, tmp_path: Path) -> Mapping[str, str]:
    return {**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}


def start_stuck_operation(server: ExecServer, tmp_path: Path) -> tuple[int, int]:
    """Ask for a sandboxed write that never ends; return the pids of bwrap and its child."""
    context = {
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
    with server.session() as client:
        client.start("fs/writeFile", {"path": (tmp_path / "x").as_uri(), "dataBase64": "aGk=", "sandbox": context})
        # Nothing else waits for it.
        assert client.request("environment/status") == {"status": "ready"}
        while not (tmp_path / "child").exists():
            client.request("environment/status")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
    return int((tmp_path / "pid").read_text()), int((tmp_path / "child").read_text())


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_ends_with_status_0_while_a_sandboxed_operation_is_stuck_and_leaves_nobody(tmp_path: Path) -> None:
    path = hanging_bwrap(tmp_path / "bin")
    with exec_server(environment=environment(path, tmp_path)) as server:
        for pid in start_stuck_operation(server, tmp_path):
            while is_running(pid):  # killed already; the kernel may take a moment to bury it
                os.sched_yield()


def test_a_helper_whose_client_went_away_is_ended(tmp_path: Path) -> None:
    path = hanging_bwrap(tmp_path / "bin")
    with exec_server(environment=environment(path, tmp_path)) as server:
        with server.session() as client:
            context = {"permissions": {"type": "managed", "file_system": {"type": "restricted", "entries": []}}}
            context["permissions"]["network"] = "restricted"
            client.start(
                "fs/readFile",
                {"path": "file:///x", "sandbox": {**context, "windowsSandboxLevel": "disabled"}},
            )
            while not (tmp_path / "child").exists():
                client.request("environment/status")
        pid = int((tmp_path / "pid").read_text())
        while is_running(pid):
            os.sched_yield()
        with server.session() as client:
            assert client.request("environment/status") == {"status": "ready"}


def test_it_ends_while_an_operation_is_stuck_in_the_kernel(tmp_path: Path) -> None:
    (stuck := tmp_path / "stuck").write_text("x")
    with leased(stuck), exec_server() as server, server.session() as client:
        reading = client.start("fs/readFile", {"path": stuck.as_uri()})
        # What comes behind it is answered all the same, and the server ends.
        assert client.request("fs/getMetadata", {"path": stuck.as_uri()})["size"] == 1
        with pytest.raises(TimeoutError):
            client.answer(reading, deadline_s=0.3)
        assert server.stop() == 0


def test_it_ends_while_a_client_does_not_read_its_answer(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    with exec_server() as server, socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(HANDSHAKE)
        assert b" 101 " in silent.recv(4096)
        for message in (
            {"id": 1, "method": "initialize", "params": {"clientName": "silent"}},
            {"method": "initialized"},
            {"id": 2, "method": "fs/readFile", "params": {"path": (tmp_path / "large").as_uri()}},
        ):
            silent.sendall(frame(message))
        with server.session() as other:  # answered after the large file has been read
            other.request("fs/getMetadata", {"path": (tmp_path / "large").as_uri()})
        assert server.stop() == 0


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(message: object) -> bytes:
    payload = json.dumps(message).encode()
    return bytes((0x81, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def test_it_ends_while_a_handshake_is_half_done() -> None:
    with exec_server() as server, socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(HANDSHAKE[:20])
        with server.session() as other:
            other.request("environment/status")
        assert server.stop() == 0


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_it_runs_without_stdin_or_stderr(closed: str) -> None:
    script = f'exec "$0" -m codex_py exec-server {closed}'
    with exec_server(command=["/bin/sh", "-c", script, sys.executable]) as server:
        with server.session() as client:
            client.request("environment/status")
        assert server.stop() == 0


def test_a_url_that_cannot_be_printed_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(COMMAND, stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
    assert result.returncode == 1
    assert result.stderr == "Error: cannot print the URL: No space left on device\n"


# -- flags that have an effect

MIB = 1024 * 1024
# Writes so many bytes, and then lives on until it is terminated.
WRITE = ["/bin/sh", "-c", 'head -c "$1" /dev/zero; sleep 1000', "sh"]


def started(*flags: str) -> AbstractContextManager[ExecServer]:
    return exec_server(command=[*COMMAND, *flags])


@pytest.mark.usefixtures("alone")
def test_a_session_can_be_resumed_for_as_long_as_the_flag_says() -> None:
    with marked() as mark, started("--session-ttl", "0.2") as server:
        with server.connect() as first:
            session = first.handshake()["sessionId"]
            first.start_process("p", ["/bin/sleep", "1000"], env=mark.env)
            mark.wait_for(1)  # its variables are not there to be seen yet
        mark.wait_gone()
        with server.connect() as second:
            assert unknown(second, "initialize", {"clientName": "x", "resumeSessionId": session})


@pytest.mark.usefixtures("alone")
def test_a_process_is_known_for_as_long_as_the_flag_says() -> None:
    with started("--process-retention", "0.2") as server, server.session() as client:
        client.start_process("p", ["/bin/true"])
        client.wait_for_close("p")
        until(lambda: unknown(client, "process/read", {"processId": "p"}), "the process is unknown")


def unknown(client: Client, method: str, params: Json) -> bool:
    error = client.answer(client.start(method, params)).get("error")
    return error is not None and "unknown" in error["message"]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("budget", "kept"), [("1", MIB), ("8", 4 * MIB)])
def test_output_is_kept_up_to_the_budget(budget: str, kept: int) -> None:
    with started("--output-budget", budget) as server, server.session() as client:
        client.start_process("p", [*WRITE, str(4 * MIB)])
        seen = 0
        while seen < 4 * MIB:
            seen += len(client.wait_for_output("p", b""))
        output = output_of(client.read_process("p")["chunks"])
        assert kept / 2 <= len(output) <= kept
        client.request("process/terminate", {"processId": "p"})


@pytest.mark.usefixtures("alone")
def test_output_goes_to_the_folder_of_the_flag_in_files_without_a_name(tmp_path: Path) -> None:
    with started("--spool-dir", str(tmp_path)) as server, server.session() as client:
        client.start_process("p", [*WRITE, str(4 * MIB)])
        until(lambda: any(is_below(path, tmp_path) for path in open_files(server)), "a file is open in the folder")
        assert list(tmp_path.iterdir()) == []
        client.request("process/terminate", {"processId": "p"})


def open_files(server: ExecServer) -> list[str]:
    folder = f"/proc/{server.process.pid}/fd"
    return [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]


def is_below(path: str, folder: Path) -> bool:
    return path.startswith(f"{folder}/") and path.endswith("(deleted)")


@pytest.mark.usefixtures("alone")
def test_a_spool_folder_that_goes_away_costs_old_output_and_nothing_else(tmp_path: Path) -> None:
    (folder := tmp_path / "spool").mkdir()
    with started("--spool-dir", str(folder)) as server, server.session() as client:
        folder.rmdir()
        client.start_process("p", ["/usr/bin/head", "-c", str(4 * MIB), "/dev/zero"])
        *outputs, exited, _ = client.wait_for_close("p")
        assert exited["params"]["exitCode"] == 0
        assert len(output_of(outputs)) == 4 * MIB
        assert 0 < len(output_of(client.read_process("p")["chunks"])) < 4 * MIB
        assert "output is let go, because it cannot be spooled" in server.log()
