"""However a client or the server ends: nothing that was started survives, and nothing else is left either."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from harness.client import Client, start_params, write_params
from harness.exec_server import ExecServer, exec_server
from harness.lease import leased
from harness.processes import Mark, exists, marked, until, usage, wait_ended

pytestmark = pytest.mark.usefixtures("alone")

MIB = 1024 * 1024

# A daemon as in the books: forks, leaves its session, forks again, and ignores what would end it.
DAEMON = """
import os, signal, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
os.close(1)
os.close(2)
time.sleep(1000)
"""


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


# Who is hard to get rid of, how to start each, and how many processes it is.
STUBBORN: dict[str, tuple[list[str], bool, int]] = {
    "deaf": (sh("trap '' TERM HUP INT QUIT; echo ready; sleep 1000"), False, 2),
    "of two": (sh("sleep 1000 & sleep 1000 & echo ready; wait"), False, 3),
    "background of an ended one": (sh("sleep 1000 >/dev/null 2>&1 & echo ready"), False, 1),
    "on a terminal": (sh("trap '' HUP; sleep 1000 & echo ready; wait"), True, 2),
    "of a job control": (["/bin/bash", "-m", "-c", "trap '' HUP; sleep 1000 & sleep 1000 & echo ready; wait"], True, 3),
    "stopped": (sh("echo ready; kill -STOP $$"), False, 1),
    "stopped on a terminal": (sh("trap '' HUP; echo ready; kill -STOP $$"), True, 1),
}
# These have left their session; only the end of the server reaches them.
ESCAPED: dict[str, tuple[list[str], bool, int]] = {
    "in a session of its own": (
        ["/usr/bin/setsid", "--fork", *sh("trap '' HUP TERM; echo ready; exec sleep 1000")],
        False,
        1,
    ),
    "child in a session of its own": (sh("setsid sleep 1000 & echo ready; wait"), False, 2),
    "daemon": ([sys.executable, "-I", "-c", DAEMON], False, 1),
}


class Scene:
    """A server with processes of every kind, and what was there before them."""

    def __init__(self, server: ExecServer, client: Client, mark: Mark, spool: Path) -> None:
        self.server = server
        self.client = client
        self.mark = mark
        self.spool = spool
        self.pids: set[int] = set()

    def start(self, kinds: dict[str, tuple[list[str], bool, int]]) -> None:
        for name, (argv, tty, _) in kinds.items():
            self.client.start_process(name, argv, tty=tty, env=self.mark.env)
        for name in kinds:
            self.client.wait_for_output(name, b"ready")
        self.pids = self.mark.wait_for(sum(count for _, _, count in kinds.values()))

    def fill_spool(self) -> None:
        """Start a process whose output goes to disk in part."""
        self.client.start_process("loud", ["/usr/bin/head", "-c", str(4 * MIB), "/dev/zero"], env=self.mark.env)
        self.client.wait_for_close("loud")

    def nothing_is_left(self) -> None:
        self.mark.wait_gone()
        for pid in self.pids:
            until(lambda pid=pid: not exists(pid), f"process {pid} is reaped")  # type: ignore[misc]
        assert list(self.spool.iterdir()) == []


@pytest.fixture
def scene(tmp_path: Path) -> Generator[Scene]:
    (spool := tmp_path / "spool").mkdir()
    settings = {"SESSION_TTL_S": 0.3, "SPOOL_DIR": spool}
    with marked() as mark, exec_server(settings=settings) as server, server.connect() as client:
        client.handshake()
        yield Scene(server, client, mark, spool)


def test_a_client_that_vanishes_leaves_nothing_once_its_session_has_ended(scene: Scene) -> None:
    server, spawner = scene.server.process.pid, scene.server.spawner()
    with scene.server.session() as other:
        other.start_process("warm", ["/bin/true"])
        other.wait_for_close("warm")
        before, spawner_before = usage(server), usage(spawner)
        scene.start(STUBBORN)
        scene.fill_spool()
        scene.client.abort()
        scene.nothing_is_left()
        until(lambda: usage(server).descriptors == before.descriptors - 1, "the server has no descriptor too many")
        until(lambda: usage(spawner).descriptors == spawner_before.descriptors, "the spawner neither")
        assert usage(spawner).children == 0
        assert other.request("environment/status") == {"status": "ready"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_ended_leaves_nothing_and_its_status_is_0(scene: Scene, number: int) -> None:
    scene.start({**STUBBORN, **ESCAPED})
    scene.fill_spool()
    spawner = scene.server.spawner()
    assert scene.server.stop(number) == 0
    assert not exists(spawner)
    assert scene.mark.pids() == set()
    scene.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_server_that_is_killed_leaves_nothing(scene: Scene, number: int) -> None:
    scene.start({**STUBBORN, **ESCAPED})
    scene.fill_spool()
    spawner = scene.server.spawner()
    assert scene.server.stop(number) == -number
    wait_ended(spawner)
    scene.nothing_is_left()


def test_a_spawner_that_is_killed_takes_its_processes_with_it_and_is_replaced(scene: Scene) -> None:
    scene.start({name: STUBBORN[name] for name in ("deaf", "of two", "on a terminal", "stopped")})
    os.kill(scene.server.spawner(), signal.SIGKILL)
    assert scene.client.wait_for_close("deaf")[-2]["params"]["exitCode"] == -1
    scene.mark.wait_gone()
    scene.client.start_process("next", ["/bin/true"])
    assert scene.client.wait_for_close("next")[-2]["params"]["exitCode"] == 0


# -- it ends in time, whatever goes on


@contextlib.contextmanager
def ends_in_time(server: ExecServer) -> Generator[None]:
    """Hold that the server ends by SIGTERM within a few seconds, with status 0."""
    yield
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 6


def test_hundreds_of_processes_end_in_time_with_their_session_and_with_the_server(scene: Scene) -> None:
    with ends_in_time(scene.server), scene.server.session() as other:
        began = time.monotonic()
        for client in (scene.client, other):
            client.send_together(
                {"id": number, "method": "process/start", "params": start_params(str(number), TWO, env=scene.mark.env)}
                for number in range(200)
            )
        assert all("result" in client.answer(number) for client in (scene.client, other) for number in range(200))
        scene.mark.wait_for(800)
        started = time.monotonic()
        scene.client.abort()
        scene.mark.wait_for(400)
        # To kill half of them takes no longer than to start them all; three seconds more for a machine that is busy.
        assert time.monotonic() - started < started - began + 3
    assert scene.mark.pids() == set()


TWO = sh("sleep 1000 & wait")


def test_it_ends_in_time_while_a_client_does_not_read(scene: Scene) -> None:
    with ends_in_time(scene.server):
        scene.client.start_process("loud", ["/usr/bin/head", "-c", str(200 * MIB), "/dev/zero"], env=scene.mark.env)
        (scene.pids) = scene.mark.wait_for(1)
    scene.nothing_is_left()


def test_it_ends_in_time_while_nobody_reads_what_is_written(scene: Scene) -> None:
    with ends_in_time(scene.server):
        scene.client.start_process("deaf", ["/bin/sleep", "1000"], env=scene.mark.env, pipeStdin=True)
        for number in range(40):
            scene.client.start("process/write", write_params("deaf", bytes(65536), str(number)))
        for _ in range(100):
            scene.client.start("process/read", {"processId": "deaf", "waitMs": 1_000_000})
        scene.client.request("environment/status")
        scene.pids = scene.mark.wait_for(1)
    scene.nothing_is_left()


@pytest.mark.parametrize("stuck_at", ["the program", "its interpreter"])
def test_it_ends_in_time_while_a_start_is_under_way(scene: Scene, tmp_path: Path, stuck_at: str) -> None:
    """What cannot be opened for now keeps whoever executes it waiting; an interpreter, the spawner itself."""
    (leased_one := tmp_path / "leased").write_bytes(Path("/bin/true").read_bytes())
    (script := tmp_path / "script").write_text(f"#!{leased_one}\n")
    for path in (leased_one, script):
        path.chmod(0o755)
    program = leased_one if stuck_at == "the program" else script
    scene.start({"deaf": STUBBORN["deaf"]})
    with leased(leased_one), ends_in_time(scene.server):
        stuck = scene.client.start("process/start", start_params("stuck", [str(program)], env=scene.mark.env))
        with pytest.raises(TimeoutError):
            scene.client.answer(stuck, deadline_s=0.2)
    scene.nothing_is_left()
