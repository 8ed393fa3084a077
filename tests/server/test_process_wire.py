"""Processes of a server process, spoken to in raw messages: orders, texts, who waits for whom, what survives a cut."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from harness.client import Client, RequestFailed, output_of, start_params, write_params
from harness.exec_server import ExecServer, exec_server
from harness.lease import leased
from harness.processes import Mark, marked, usage

pytestmark = pytest.mark.usefixtures("alone")

MIB = 1024 * 1024
CAT = ["/bin/cat"]
SH = ["/bin/sh", "-c"]


@pytest.fixture(scope="module")
def server() -> Generator[ExecServer]:
    with exec_server() as running:
        yield running


@pytest.fixture(scope="module")
def single() -> Generator[ExecServer]:
    """A server that runs one request of a connection at once."""
    with exec_server(settings={"CONCURRENT_REQUESTS": 1}) as running:
        yield running


@pytest.fixture
def client(server: ExecServer) -> Generator[Client]:
    with server.session() as connected:
        yield connected


def failure(client: Client, method: str, params: Any) -> tuple[int, str]:
    with pytest.raises(RequestFailed) as caught:
        client.request(method, params)
    return caught.value.code, caught.value.message


@contextlib.contextmanager
def resumed(server: ExecServer, session: str) -> Generator[Client]:
    """Connect again to a session, as soon as the server knows that its connection has ended."""
    with server.connect() as client:
        params = {"clientName": "harness", "resumeSessionId": session}
        while "error" in (answer := client.answer(client.start("initialize", params))):
            assert answer["error"]["code"] == -32010
        assert answer["result"]["sessionId"] == session
        client.send({"method": "initialized"})
        yield client


# -- orders and texts


def test_a_process_tells_its_output_its_exit_and_its_close_and_can_be_read_afterwards(client: Client) -> None:
    started = client.start_process("p", [*SH, "printf one; printf two >&2; exit 3"])
    assert started == {"processId": "p", "sandboxType": "none"}
    *outputs, exited, closed = client.wait_for_close("p")
    assert {event["params"]["stream"]: output_of([event]) for event in outputs} == {"stdout": b"one", "stderr": b"two"}
    assert [event["params"]["seq"] for event in [*outputs, exited, closed]] == [1, 2, 3, 4]
    assert exited == {
        "method": "process/exited",
        "params": {"processId": "p", "seq": 3, "exitCode": 3, "sandboxDenied": False},
    }
    assert closed == {"method": "process/closed", "params": {"processId": "p", "seq": 4}}
    found = client.read_process("p", 1)
    assert list(found) == ["chunks", "nextSeq", "exited", "exitCode", "closed", "failure", "sandboxDenied"]
    assert [chunk["seq"] for chunk in found.pop("chunks")] == [2]
    assert found == {
        "nextSeq": 5,
        "exited": True,
        "exitCode": 3,
        "closed": True,
        "failure": None,
        "sandboxDenied": False,
    }


@pytest.mark.parametrize("missing", ["processId", "argv", "cwd", "env", "tty"])
def test_a_start_names_the_member_that_is_missing(client: Client, missing: str) -> None:
    params = start_params("never", CAT)
    del params[missing]
    assert failure(client, "process/start", params) == (-32602, f"missing field `{missing}`")


def test_a_start_is_checked_in_the_references_order(client: Client) -> None:
    client.start_process("taken", CAT, pipeStdin=True)
    everything_wrong = {**start_params("taken", [], cwd="file://elsewhere/x"), "tty": 5}
    assert failure(client, "process/start", everything_wrong)[0] == -32602
    code, text = failure(client, "process/start", {**everything_wrong, "tty": False})
    assert code == -32602
    assert "cwd" in text
    assert failure(client, "process/start", start_params("taken", [])) == (-32602, "argv must not be empty")
    assert failure(client, "process/start", start_params("taken", [""])) == (-32600, "process taken already exists")
    client.request("process/terminate", {"processId": "taken"})


@pytest.mark.parametrize(
    ("argv", "options", "text"),
    [
        ([""], {}, "missing program for pipe spawn"),
        ([""], {"tty": True}, "missing program for PTY spawn"),
        (["nope"], {}, "No such file or directory (os error 2)"),
        (["/nope"], {"tty": True}, "No such file or directory (os error 2)"),
        (["/etc"], {}, "Permission denied (os error 13)"),
        (CAT, {"cwd": "file:///nope"}, "No such file or directory (os error 2)"),
        (CAT, {"cwd": "file:///etc/hostname"}, "Not a directory (os error 20)"),
        (["/bin/echo", "a\0b"], {}, "nul byte found in provided data"),
        (CAT, {"env": {"A": "a\0b"}}, "data provided contains a nul byte"),
    ],
)
def test_what_cannot_be_started_says_why_and_its_id_is_free_again(
    client: Client, argv: list[str], options: dict[str, Any], text: str
) -> None:
    assert failure(client, "process/start", start_params("p", argv, **options)) == (-32603, text)
    assert failure(client, "process/read", {"processId": "p"}) == (-32600, "unknown process id p")
    client.start_process("p", ["/bin/true"])
    client.wait_for_close("p")


def test_an_id_is_taken_while_its_process_runs_and_after_it_has_closed(client: Client) -> None:
    client.start_process("", CAT, pipeStdin=True)
    assert failure(client, "process/start", start_params("", CAT)) == (-32600, "process  already exists")
    assert client.request("process/terminate", {"processId": ""}) == {"running": True}
    client.wait_for_close("")
    assert failure(client, "process/start", start_params("", CAT)) == (-32600, "process  already exists")
    assert client.request("process/terminate", {"processId": ""}) == {"running": False}


def test_whoever_asks_about_an_unknown_process_is_told_as_the_reference_does(client: Client) -> None:
    assert failure(client, "process/read", {"processId": "no"}) == (-32600, "unknown process id no")
    assert client.write_process("no", b"x", "1") == "unknownProcess"
    assert failure(client, "process/write", write_params("no", b"x", "")) == (-32602, "writeId must not be empty")
    assert client.request("process/signal", {"processId": "no", "signal": "interrupt"}) == {}
    code, text = failure(client, "process/signal", {"processId": "no", "signal": "kill"})
    assert (code, "signal" in text, "kill" in text) == (-32602, True, True)
    assert client.request("process/terminate", {"processId": "no"}) == {"running": False}


def test_a_process_without_stdin_takes_no_writes_and_a_terminated_one_no_new_ones(client: Client) -> None:
    client.start_process("deaf", ["/bin/sleep", "100"])
    assert client.write_process("deaf", b"x", "1") == "stdinClosed"
    client.start_process("p", CAT, pipeStdin=True)
    assert client.write_process("p", b"hello\n", "1") == "accepted"
    client.wait_for_output("p", b"hello\n")
    assert client.write_process("p", b"hello\n", "1") == "accepted"
    for identifier in ("deaf", "p"):
        client.request("process/terminate", {"processId": identifier})
        assert client.wait_for_close(identifier)[-2]["params"]["exitCode"] == 137
    assert client.write_process("deaf", b"x", "1") == "stdinClosed"
    assert client.write_process("p", b"hello\n", "1") == "accepted"
    assert failure(client, "process/write", write_params("p", b"x", "2")) == (
        -32603,
        "failed to write to process stdin",
    )
    assert output_of(client.read_process("p")["chunks"]) == b"hello\n"


def test_processes_of_another_session_are_not_seen(server: ExecServer, client: Client) -> None:
    client.start_process("p", CAT, pipeStdin=True)
    with server.session() as other:
        assert other.write_process("p", b"x", "1") == "unknownProcess"
        other.start_process("p", ["/bin/true"])
        other.wait_for_close("p")
    assert not client.read_process("p")["exited"]
    client.request("process/terminate", {"processId": "p"})


# -- who waits for whom


@pytest.mark.parametrize("limit", ["single", "server"])
def test_what_is_asked_right_behind_a_start_waits_for_it(limit: str, request: pytest.FixtureRequest) -> None:
    server: ExecServer = request.getfixturevalue(limit)
    with server.session() as client:
        messages: list[Any] = []
        for name in "abc":
            messages += [
                {"id": f"start {name}", "method": "process/start", "params": start_params(name, CAT, pipeStdin=True)},
                {"id": f"write {name}", "method": "process/write", "params": write_params(name, b"hello\n", "1")},
                {"id": f"read {name}", "method": "process/read", "params": {"processId": name, "waitMs": 20_000}},
            ]
        client.send_together(messages)
        for name in "abc":
            assert client.answer(f"write {name}")["result"] == {"status": "accepted"}
            assert output_of(client.answer(f"read {name}")["result"]["chunks"]) == b"hello\n"
            assert client.answer(f"start {name}")["result"]["processId"] == name
            client.request("process/terminate", {"processId": name})


def test_writes_that_are_sent_together_arrive_in_order(client: Client) -> None:
    client.start_process("p", ["/usr/bin/head", "-n", "300"], pipeStdin=True)
    lines = [f"{number}\n".encode() for number in range(300)]
    client.send_together(
        {"id": f"w{number}", "method": "process/write", "params": write_params("p", line, str(number))}
        for number, line in enumerate(lines)
    )
    assert output_of(client.wait_for_close("p")[:-2]) == b"".join(lines)


@pytest.mark.parametrize("limit", ["single", "server"])
def test_a_long_poll_delays_nothing_else(limit: str, request: pytest.FixtureRequest) -> None:
    server: ExecServer = request.getfixturevalue(limit)
    with server.session() as client:
        client.start_process("p", CAT, pipeStdin=True)
        poll = client.start("process/read", {"processId": "p", "waitMs": 60_000})
        assert client.request("environment/status") == {"status": "ready"}
        assert client.request("fs/getMetadata", {"path": "file:///"})["isDirectory"]
        client.start_process("q", ["/bin/true"])
        client.wait_for_close("q")
        assert client.write_process("p", b"news\n", "1") == "accepted"
        assert output_of(client.answer(poll)["result"]["chunks"]) == b"news\n"
        client.request("process/terminate", {"processId": "p"})


def test_a_write_that_nobody_reads_delays_nothing_else(single: ExecServer) -> None:
    with single.session() as client:
        client.start_process("p", ["/bin/sleep", "100"], pipeStdin=True)
        writes = [client.start("process/write", write_params("p", bytes(65536), str(number))) for number in range(40)]
        assert client.request("environment/status") == {"status": "ready"}
        client.start_process("q", ["/bin/true"])
        client.wait_for_close("q")
        assert client.request("process/terminate", {"processId": "p"}) == {"running": True}
        assert all("id" in client.answer(write) for write in writes)


def test_200_long_polls_wait_at_once_and_are_all_answered(client: Client) -> None:
    client.start_process("p", CAT, pipeStdin=True)
    polls = [client.start("process/read", {"processId": "p", "waitMs": 60_000}) for _ in range(200)]
    assert client.request("environment/status") == {"status": "ready"}
    client.write_process("p", b"news\n", "1")
    assert {output_of(client.answer(poll)["result"]["chunks"]) for poll in polls} == {b"news\n"}
    client.request("process/terminate", {"processId": "p"})


def test_a_process_is_terminated_while_all_ordinary_requests_are_stuck(client: Client, tmp_path: Path) -> None:
    (stuck := tmp_path / "stuck").write_text("x")
    client.start_process("p", ["/bin/sleep", "100"])
    with leased(stuck):
        for _ in range(64):
            client.start("fs/readFile", {"path": stuck.as_uri()})
        last = client.start("fs/getMetadata", {"path": "file:///"})
        assert client.request("process/signal", {"processId": "nobody", "signal": "interrupt"}) == {}
        assert client.request("process/terminate", {"processId": "p"}) == {"running": True}
        assert client.wait_for_close("p")[-2]["params"]["exitCode"] == 137
        with pytest.raises(TimeoutError):
            client.answer(last, deadline_s=0)
    assert client.answer(last)["result"]["isDirectory"]


def test_a_start_that_the_kernel_keeps_waiting_delays_nothing_else(client: Client, tmp_path: Path) -> None:
    (program := tmp_path / "program").write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    client.start_process("p", ["/bin/sleep", "100"])
    with leased(program):
        stuck = client.start("process/start", start_params("stuck", [str(program)]))
        with pytest.raises(TimeoutError):
            client.answer(stuck, deadline_s=0.1)
        client.start_process("q", ["/bin/true"])
        client.wait_for_close("q")
        assert client.request("process/terminate", {"processId": "p"}) == {"running": True}
        client.wait_for_close("p")
    assert client.answer(stuck)["result"]["processId"] == "stuck"
    client.wait_for_close("stuck")


# -- a client that does not read

# Blocks of 64 KiB, each beginning with its number.
COUNTED = """
import sys
for number in range(int(sys.argv[1])):
    sys.stdout.buffer.write(b"%08d" % number + bytes(65528))
"""
HELD_BACK_BYTES = 200_000_000


def test_a_client_that_does_not_read_slows_its_process_down_and_nobody_else(server: ExecServer, client: Client) -> None:
    blocks = HELD_BACK_BYTES // 65536
    with marked() as mark, server.session() as other:
        other.request("environment/status")
        before = usage(server.process.pid).rss_kib
        client.start_process("p", [sys.executable, "-I", "-c", COUNTED, str(blocks)], env=mark.env)
        (pid,) = mark.wait_for(1)
        slowest, written = 0.0, -1
        while written != (written := bytes_written(pid)) or written == 0:  # until it is held back
            for _ in range(50):
                began = time.monotonic()
                other.request("environment/status")
                slowest = max(slowest, time.monotonic() - began)
        assert written < HELD_BACK_BYTES / 10
        assert slowest < 0.5
        assert usage(server.process.pid).rss_kib - before < 16 * 1024
        assert blocks_told(client) == blocks


def bytes_written(pid: int) -> int:
    """Return how much a process has written, as the kernel counts."""
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(counts["wchar"])


def blocks_told(client: Client) -> int:
    """Read on to the close; return how many blocks came, all in order."""
    output, count, next_seq = bytearray(), 0, 1
    while True:
        event = client.receive()
        if "params" not in event:
            continue
        assert event["params"]["seq"] == next_seq
        next_seq += 1
        if event["method"] == "process/closed":
            assert not output
            return count
        output += output_of([event])
        while len(output) >= 65536:
            assert output[:8] == b"%08d" % count
            del output[:65536]
            count += 1


# -- a connection that ends


def test_writes_that_are_repeated_after_a_cut_are_written_once(server: ExecServer) -> None:
    with server.connect() as first:
        session = first.handshake()["sessionId"]
        first.start_process("p", ["/usr/bin/head", "-n", "2"], pipeStdin=True)
        assert first.write_process("p", b"once\n", "1") == "accepted"
        first.abort()
    with resumed(server, session) as second:
        assert second.write_process("p", b"once\n", "1") == "accepted"
        assert second.write_process("p", b"last\n", "2") == "accepted"
        second.wait_for_close("p")
        assert output_of(second.read_process("p")["chunks"]) == b"once\nlast\n"


def test_a_resumed_client_reads_what_it_missed_and_is_told_what_comes_then(server: ExecServer) -> None:
    with server.connect() as first:
        session = first.handshake()["sessionId"]
        first.start_process("p", CAT, pipeStdin=True)
        first.write_process("p", b"seen\n", "1")
        first.wait_for_output("p", b"seen\n")
        first.start("process/write", write_params("p", b"missed\n", "2"))
        first.start("process/read", {"processId": "p", "afterSeq": 2, "waitMs": 60_000})
        first.abort()
    with resumed(server, session) as second:
        second.write_process("p", b"missed\n", "2")
        found = second.read_process("p", 1, waitMs=15_000)
        assert output_of(found["chunks"]) == b"missed\n"
        assert [chunk["seq"] for chunk in found["chunks"]] == [2]
        second.write_process("p", b"told\n", "3")
        second.wait_for_output("p", b"told\n")
        second.request("process/terminate", {"processId": "p"})


def test_a_close_frame_detaches_like_a_cut(server: ExecServer) -> None:
    with server.connect() as first:
        session = first.handshake()["sessionId"]
        first.start_process("p", CAT, pipeStdin=True)
    with resumed(server, session) as second:
        assert not second.read_process("p")["exited"]
        second.request("process/terminate", {"processId": "p"})


# Waits for somebody to open the FIFO, writes so many numbered blocks, and says so through the FIFO.
BURST = """
import sys
open(sys.argv[1], "rb").close()
for number in range(int(sys.argv[2])):
    sys.stdout.buffer.write(b"%08d" % number + bytes(65528))
sys.stdout.buffer.flush()
open(sys.argv[1], "wb").close()
sys.stdin.read()
"""


def test_output_beyond_the_budget_while_detached_leaves_a_gap_that_shows(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    with exec_server(settings={"OUTPUT_BUDGET_BYTES": 2 * MIB}) as server:
        with server.connect() as first:
            session = first.handshake()["sessionId"]
            first.start_process("p", [sys.executable, "-I", "-c", BURST, str(fifo), "80"], pipeStdin=True)
            first.abort()
        server.wait_for_log("disconnected")
        fifo.open("wb").close()
        fifo.open("rb").close()
        with resumed(server, session) as second:
            # The last of it may still be in the pipe.
            found = second.read_process("p")
            while not output_of(found["chunks"]).endswith(bytes(65528)) or not whole(output_of(found["chunks"])):
                found = second.read_process("p")
            seqs = [chunk["seq"] for chunk in found["chunks"]]
            output = output_of(found["chunks"])
            assert seqs == list(range(seqs[0], found["nextSeq"]))
            assert seqs[0] > 1
            assert MIB < len(output) <= 2 * MIB
            second.request("process/terminate", {"processId": "p"})


def whole(output: bytes) -> bool:
    """Say whether the last block is there."""
    return output[-65536:-65528] == b"00000079"


def test_output_within_the_budget_while_detached_is_all_there(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    with exec_server(settings={"OUTPUT_BUDGET_BYTES": 8 * MIB}) as server:
        with server.connect() as first:
            session = first.handshake()["sessionId"]
            first.start_process("p", [sys.executable, "-I", "-c", BURST, str(fifo), "80"], pipeStdin=True)
            first.abort()
        server.wait_for_log("disconnected")
        fifo.open("wb").close()
        fifo.open("rb").close()
        with resumed(server, session) as second:
            output, cursor = b"", 0
            while len(output) < 80 * 65536:
                found = second.read_process("p", cursor, waitMs=15_000, maxBytes=8 * MIB)
                assert found["chunks"][0]["seq"] == cursor + 1
                output, cursor = output + output_of(found["chunks"]), found["nextSeq"] - 1
            assert [int(output[at : at + 8]) for at in range(0, len(output), 65536)] == list(range(80))
            second.request("process/terminate", {"processId": "p"})


# -- sessions that expire


def test_an_expired_session_is_unknown_and_its_processes_are_killed(tmp_path: Path) -> None:
    with marked() as mark, exec_server(settings={"SESSION_TTL_S": 0.3}) as server:
        with server.connect() as first:
            session = first.handshake()["sessionId"]
            first.start_process("p", [*SH, "trap '' TERM HUP; sleep 100 & wait"], env=mark.env)
            first.start_process("q", CAT, env=mark.env, tty=True)
            mark.wait_for(3)
        mark.wait_gone()
        with server.connect() as second:
            params = {"clientName": "x", "resumeSessionId": session}
            assert failure(second, "initialize", params) == (-32600, f"unknown session id {session}")


def test_what_a_closed_and_forgotten_process_left_running_ends_with_its_session() -> None:
    settings = {"SESSION_TTL_S": 0.3, "PROCESS_RETENTION_S": 0.05}
    with marked() as mark, exec_server(settings=settings) as server:
        with server.session() as client:
            client.start_process("p", [*SH, "sleep 100 >/dev/null 2>&1 &"], env=mark.env)
            client.wait_for_close("p")
            await_forgotten(client, "p")
            assert len(mark.pids()) == 1  # it is there as long as its session is
        mark.wait_gone()


def await_forgotten(client: Client, identifier: str) -> None:
    while "error" not in client.answer(client.start("process/read", {"processId": identifier})):
        pass


def test_a_session_that_is_resumed_in_time_keeps_its_processes(tmp_path: Path) -> None:
    with marked() as mark, exec_server(settings={"SESSION_TTL_S": 5}) as server:
        with server.connect() as first:
            session = first.handshake()["sessionId"]
            first.start_process("p", CAT, env=mark.env, pipeStdin=True)
        for _ in range(3):
            with resumed(server, session) as client:
                assert client.write_process("p", b"x\n", str(time.monotonic())) == "accepted"
        assert len(mark.pids()) == 1


def test_marks_find_what_they_mark() -> None:
    with marked() as mark:
        assert mark.pids() == set()
        assert Mark().value != mark.value
