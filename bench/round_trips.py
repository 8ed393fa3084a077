"""Round trips of file operations: codex-py and peers, measured in alternating rounds of one run.

    python bench/round_trips.py 'codex-py=codex-py exec-server' 'reference=codex exec-server --listen ws://127.0.0.1:0'

Numbers are medians; trust the ratios to the first command, machines are noisy.
"""

from __future__ import annotations

import base64
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from link import Link, Refused, Server, end_on_sigterm, frame
from rich.console import Console
from rich.table import Table

ROUNDS = 5


class Measured:
    """One server, and what was measured of it."""

    def __init__(self, server: Server) -> None:
        self.name = server.name
        self.link = Link(server.url)
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
    end_on_sigterm()
    servers: list[Server] = []
    try:
        for argument in arguments:
            servers.append(Server(*argument.split("=", 1)))  # noqa: PERF401 - one that fails must not lose the others
        measured = [Measured(server) for server in servers]
        with tempfile.TemporaryDirectory(dir=Path.home()) as name:
            figures = requests(Path(name))
            for _ in range(ROUNDS):
                for figure, (request, count) in figures.items():
                    for one in measured:
                        one.measure(figure, request, count)
    except Refused as refused:
        raise SystemExit(str(refused)) from refused
    finally:
        for server in servers:
            server.stop()
    report(measured, list(figures))


def report(measured: list[Measured], figures: list[str]) -> None:
    """Print the best median of each server, and its ratio to the first."""
    first, *others = measured
    table = Table("median of a round trip", first.name, *(f"{other.name} (x)" for other in others))
    for figure in figures:
        best = {one.name: min(one.times[figure]) for one in measured}
        base = best[first.name]
        cells = [f"{best[other.name]:.0f} us ({best[other.name] / base:.2f})" for other in others]
        table.add_row(figure, f"{base:.0f} us", *cells)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
