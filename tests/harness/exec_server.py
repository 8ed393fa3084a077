"""`exec_server()`: a server process for one test. It is killed and reaped whatever the test does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

from .client import Client, connect
from .processes import children, until, wait_ended

PROGRAM = Path(__file__).with_name("program.py")
DEADLINE_S = 20.0


class ExecServer:
    """A running exec-server: its URL, its log, its process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._log: list[str] = []
        assert process.stdout is not None
        assert process.stderr is not None
        self._stderr = process.stderr
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.url = process.stdout.readline().strip()
        if not self.url:
            process.wait(DEADLINE_S)
            raise AssertionError(f"the server did not start: exit {process.returncode}, {self.log()}")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def log(self) -> str:
        """Return what the server has written to stderr so far."""
        return "".join(self._log)

    @contextlib.contextmanager
    def connect(self) -> Generator[Client]:
        """Connect without the handshake."""
        with connect(self.url) as client:
            yield client

    @contextlib.contextmanager
    def session(self) -> Generator[Client]:
        """Connect, with the handshake."""
        with connect(self.url) as client:
            client.handshake()
            yield client

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the exit, and return its status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def spawner(self) -> int:
        """Return the pid of what starts its processes."""
        (pid,) = children(self.process.pid)
        return pid

    def wait_for_log(self, text: str) -> None:
        """Wait until the server has logged something."""
        until(lambda: text in self.log(), f"{text!r} in the log")

    def rest_of_stdout(self) -> str:
        """Return what it printed after the URL; call after `stop`."""
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def reap(self) -> None:
        """Kill it with everything it started, wait, and close its pipes."""
        if self.process.poll() is None:
            left = children(self.process.pid)
            os.killpg(self.process.pid, signal.SIGKILL)
            for pid in left:
                _end(pid)
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def _read_log(self) -> None:
        self._log.extend(iter(self._stderr.readline, ""))


def _end(pid: int) -> None:
    """Wait for what starts processes, which ends when they have; kill it with them when it does not."""
    try:
        wait_ended(pid)
    except TimeoutError:
        for descendant in (*children(pid), pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(descendant, signal.SIGKILL)
        raise


@contextlib.contextmanager
def exec_server(
    *,
    environment: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
    command: Sequence[str] | None = None,
    url: str = "ws://127.0.0.1:0",
    user: int | None = None,
    cwd: Path | None = None,
) -> Generator[ExecServer]:
    """Start a server process and end it with the block.

    Args:
        environment: Its whole environment; default: this process's.
        settings: What `program.py` reads besides, without the prefix: `SESSION_TTL_S` and the like.
        command: Default: the program of the tests.
        url: Where it listens.
        user: A uid to run as, when the tests run as root.
        cwd: Its working folder.
    """
    process = subprocess.Popen(
        command or [sys.executable, "-I", str(PROGRAM), "exec-server", url],
        env={
            **(os.environ if environment is None else environment),
            **{f"HARNESS_{name}": str(value) for name, value in (settings or {}).items()},
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd=cwd,
    )
    server: ExecServer | None = None
    try:
        server = ExecServer(process)
        yield server
    finally:
        if server is not None:
            server.reap()
        else:
            process.kill()
            process.wait(DEADLINE_S)
