"""Start thousands of short processes: what the server and its spawner use afterwards is what they used before.

python -m soak.short --processes 10000
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from harness.client import Client, start_params
from harness.exec_server import ExecServer, exec_server
from harness.processes import Usage, until, usage

AT_ONCE = 32
WARM_UP = 256
# As many as it takes until memory has been as full of ended processes as it gets.
LONG_WARM_UP = 10_000
RETENTION_S = 1.0


@dataclass(frozen=True)
class Report:
    """What both used, before and after."""

    processes: int
    server_before: Usage
    server_after: Usage
    spawner_before: Usage
    spawner_after: Usage
    seconds: float

    def check(self, growth_kib: int) -> None:
        """Hold that nothing is left but so much memory."""
        for before, after in ((self.server_before, self.server_after), (self.spawner_before, self.spawner_after)):
            assert after.descriptors == before.descriptors, self
            assert after.threads <= before.threads, self
            assert after.children == before.children, self
            assert after.rss_kib <= before.rss_kib + growth_kib, self


def run(processes: int, retention_s: float = RETENTION_S, warm_up: int = WARM_UP) -> Report:
    """Start so many processes, some at once, each with output and an exit code; they are known for a while after."""
    with exec_server(settings={"PROCESS_RETENTION_S": retention_s}) as server, server.session() as client:
        run_all(client, "warm", warm_up)
        server_before, spawner_before = settled(server, client, f"warm {warm_up - 1}")
        began = time.monotonic()
        run_all(client, "p", processes)
        seconds = time.monotonic() - began
        server_after, spawner_after = settled(server, client, f"p {processes - 1}")
    return Report(processes, server_before, server_after, spawner_before, spawner_after, seconds)


def run_all(client: Client, prefix: str, count: int) -> None:
    for first in range(0, count, AT_ONCE):
        names = [f"{prefix} {number}" for number in range(first, min(first + AT_ONCE, count))]
        client.send_together(
            {"id": name, "method": "process/start", "params": start_params(name, command(number))}
            for number, name in enumerate(names)
        )
        for number, name in enumerate(names):
            assert client.answer(name)["result"]["processId"] == name
            *_, exited, _ = client.wait_for_close(name)
            assert exited["params"]["exitCode"] == number % 2


def command(number: int) -> list[str]:
    return ["/bin/sh", "-c", f"echo {number}; exit {number % 2}"]


def settled(server: ExecServer, client: Client, last: str) -> tuple[Usage, Usage]:
    """Wait until the last process is forgotten, and say what is used then."""

    def is_forgotten() -> bool:
        return "error" in client.answer(client.start("process/read", {"processId": last}))

    until(is_forgotten, f"{last} is forgotten", deadline_s=15)
    spawner = server.spawner()
    until(lambda: usage(spawner).children == 0, "all are reaped")
    return usage(server.process.pid), usage(spawner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=10_000)
    report = run(parser.parse_args().processes, warm_up=LONG_WARM_UP)
    sys.stdout.write(f"{report}\n")
    report.check(growth_kib=4 * 1024)


if __name__ == "__main__":
    main()
