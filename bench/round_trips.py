"""Round trips of file operations: codex-py and peers, measured in alternating rounds of one run.

    python bench/round_trips.py 'codex-py=codex-py exec-server' 'reference=codex exec-server --listen ws://127.0.0.1:0'

The client is a bare socket with frames made beforehand, so that the server is what is measured. Numbers are medians;
trust the ratios to the first command, machines are noisy.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROUNDS = 5
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(message: object) -> bytes:
    """Write a message as one masked text frame; a mask of zeros leaves the payload as it is."""
    payload = json.dumps(message).encode()
    if len(payload) < 126:
        head = bytes((0x81, 0x80 | len(payload)))
    elif len(payload) < 65536:
        head = bytes((0x81, 0xFE)) + len(payload).to_bytes(2)
    else:
        head = bytes((0x81, 0xFF)) + len(payload).to_bytes(8)
    return head + b"\0\0\0\0" + payload


class Link:
    """A connection to one server, after the handshake."""

    def __init__(self, url: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.socket.sendall(HANDSHAKE.encode())
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        self.buffer = self.buffer.partition(b"\r\n\r\n")[2]
        self.ask(frame({"id": 1, "method": "initialize", "params": {"clientName": "bench"}}))
        self.socket.sendall(frame({"method": "initialized"}))

    def ask(self, request: bytes) -> bytes:
        """Send a frame and return the payload of the next one."""
        self.socket.sendall(request)
        head = self._take(2)
        length = head[1] & 0x7F
        if length >= 126:
            length = int.from_bytes(self._take(2 if length == 126 else 8))
        return self._take(length)

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self.buffer += self.socket.recv(1 << 20)
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


class Server:
    """One command, running."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        words = shlex.split(command)
        variables = dict(word.split("=", 1) for word in words if "=" in word.split("/")[0])
        self.process = subprocess.Popen(
            words[len(variables) :],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **variables},
        )
        assert self.process.stdout is not None
        self.link = Link(self.process.stdout.readline().strip())
        self.times: dict[str, list[float]] = {}

    def measure(self, figure: str, request: bytes, count: int) -> None:
        """Ask `count` times and keep the median, in microseconds."""
        times: list[float] = []
        for _ in range(count):
            begun = time.perf_counter()
            answer = self.link.ask(request)
            times.append((time.perf_counter() - begun) * 1e6)
            if b'"error"' in answer[:10]:
                raise SystemExit(f"{self.name}, {figure}: {answer[:300]!r}")
        self.times.setdefault(figure, []).append(statistics.median(times))


def requests(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what is measured: a frame and how often it is sent in a round."""
    path = (folder / "file").as_uri()
    data = base64.b64encode(bytes(4096)).decode()
    root = {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}
    write = {"path": {"type": "path", "path": folder.as_uri()}, "access": "write"}
    sandbox = {
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": [root, write]},
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
    }
    ask: Callable[[str, dict[str, object]], bytes] = lambda method, params: frame(  # noqa: E731
        {"id": 7, "method": method, "params": params}
    )
    return {
        "writeFile 4 KiB": (ask("fs/writeFile", {"path": path, "dataBase64": data}), 300),
        "readFile 4 KiB": (ask("fs/readFile", {"path": path}), 300),
        "getMetadata": (ask("fs/getMetadata", {"path": path}), 300),
        "sandboxed writeFile 4 KiB": (
            ask("fs/writeFile", {"path": path, "dataBase64": data, "sandbox": sandbox}),
            10,
        ),
    }


def main(arguments: list[str]) -> None:
    """Measure the commands, given as NAME=COMMAND."""
    servers: list[Server] = []
    try:
        for argument in arguments:
            servers.append(Server(*argument.split("=", 1)))  # noqa: PERF401 - one that fails must not lose the others
        with tempfile.TemporaryDirectory(dir=Path.home()) as name:
            figures = requests(Path(name))
            for _ in range(ROUNDS):
                for figure, (request, count) in figures.items():
                    for server in servers:
                        server.measure(figure, request, count)
    finally:
        for server in servers:
            server.process.terminate()
            server.process.wait()
    report(servers, list(figures))


def report(servers: list[Server], figures: list[str]) -> None:
    """Print the best median of each server, and its ratio to the first."""
    first, *others = servers
    table = Table("median of a round trip", first.name, *(f"{other.name} (x)" for other in others))
    for figure in figures:
        best = {server.name: min(server.times[figure]) for server in servers}
        base = best[first.name]
        cells = [f"{best[other.name]:.0f} us ({best[other.name] / base:.2f})" for other in others]
        table.add_row(figure, f"{base:.0f} us", *cells)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
