"""Start an exec-server by its command line; it and its process group are gone when the block ends."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_KEPT = ("PATH", "HOME", "LANG", "USER", "LOGNAME")
# What processes may inherit: names the policies keep, drop, and must not take for patterns.
INHERITED = {
    "TERM": "xterm", "LC_MESSAGES": "C", "TEMP": "/temp", "TMP": "/tmp-too", "SHELL": "/bin/sh", "USERNAME": "me",
    "TZ": "UTC", "XA": "1", "XB": "2", "X[AB]": "3", "xa_lower": "4", "XÉ": "5", "Xé": "6", "HOMEX": "7",
    "PEER_API_KEY": "8", "peer_secret_x": "9", "PEER_TOKENS": "10", "MONKEY": "11",
    "CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE": "false",
}  # fmt: skip
_START_S = 20.0


class ServerError(Exception):
    """The server did not announce itself; its stderr says why."""


def split(command: str) -> tuple[dict[str, str], list[str]]:
    """Take `NAME=VALUE ... program args` apart, as a shell would."""
    words = shlex.split(command)
    environment: dict[str, str] = {}
    while words and (match := _ASSIGNMENT.fullmatch(words[0])):
        environment[match[1]] = match[2]
        words.pop(0)
    return environment, words


@contextlib.contextmanager
def running(command: str, work_dir: Path, role: str) -> Iterator[tuple[str, int]]:
    """Give the host and port the server listens on.

    Both servers get the same small environment and working directory, so that answers compare word for word.
    """
    assigned, words = split(command)
    temporary = work_dir / "tmpdir"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= INHERITED | {"TMPDIR": str(temporary)} | assigned
    log = work_dir / f"{role}.stderr"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            words,
            cwd=work_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        yield _address(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: subprocess.Popen[bytes], log: Path) -> tuple[str, int]:
    """Read the announcement, `ws://IP:PORT`, without waiting for ever."""
    stdout = process.stdout
    if stdout is None:
        raise ServerError("no stdout")
    os.set_blocking(stdout.fileno(), False)
    line, deadline = b"", time.monotonic() + _START_S
    while b"\n" not in line:
        readable, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
        piece = stdout.read() if readable else b""
        if not piece:
            break  # too late, or it has ended
        line += piece
    match = re.search(rb"ws://([0-9.]+):([0-9]+)", line)
    if not match:
        said = log.read_text(errors="replace")[-2000:]
        raise ServerError(f"no `ws://IP:PORT` within {_START_S:.0f} s from {process.args!r}\n{said}")
    return match[1].decode(), int(match[2])
