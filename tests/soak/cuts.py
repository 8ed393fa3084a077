"""Cut the connection to a process that talks and listens, again and again: not a line may be lost, doubled or moved.

python -m soak.cuts --cuts 1000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from dataclasses import dataclass

from harness.client import Client, Closed
from harness.exec_server import exec_server
from harness.resuming import ResumingClient

# Prints numbered lines, and each line that it reads; at the line `end` it says how many it has printed, and ends.
PROGRAM = """
import sys, threading
lock, stop = threading.Lock(), threading.Event()
count = 0

def say(line):
    with lock:
        sys.stdout.write(line + "\\n")
        sys.stdout.flush()

def talk():
    global count
    while not stop.is_set():
        say("out %d" % count)
        count += 1
        stop.wait(0.0005)

talking = threading.Thread(target=talk)
talking.start()
for line in sys.stdin:
    if line == "end\\n":
        break
    say("in " + line.rstrip())
stop.set()
talking.join()
say("end %d" % count)
"""
LONGEST_CONNECTION_S = 0.04
WRITES_AT_ONCE = 8


class Lines:
    """Holds that lines come whole and count up."""

    def __init__(self) -> None:
        self.counts = {"out": 0, "in": 0}
        self.has_ended = False
        self._partial = b""

    def take(self, data: bytes) -> None:
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._check(*line.decode().split(" "))

    def _check(self, kind: str, number: str) -> None:
        assert not self.has_ended, f"{kind} {number} after the end"
        if kind == "end":
            assert int(number) == self.counts["out"], f"{number} lines were printed, {self.counts['out']} came"
            self.has_ended = True
        else:
            assert int(number) == self.counts[kind], f"{kind} {number} instead of {self.counts[kind]}"
            self.counts[kind] += 1


@dataclass(frozen=True)
class Report:
    """What came of it."""

    cuts: int
    lines_out: int
    lines_in: int
    written: int
    retries: int
    seconds: float


class Run:
    """One process, and a client whose connections do not last."""

    def __init__(self, url: str, cuts: int, seed: int) -> None:
        self.lines = Lines()
        self.client = ResumingClient(url, self.lines.take)
        self.written = 0
        self._cuts = cuts
        self._random = random.Random(seed)

    def whole(self) -> Report:
        began = time.monotonic()
        with self.client.connected():
            self.client.start([sys.executable, "-I", "-c", PROGRAM])
        for _ in range(self._cuts):
            self._until_cut()
        with self.client.connected():
            self.client.write(b"end\n")
            while not self.client.is_closed:
                self.client.receive()
        counts = self.lines.counts
        assert self.lines.has_ended
        assert self.client.exit_code == 0
        assert counts["in"] == self.written
        seconds = time.monotonic() - began
        return Report(self._cuts, counts["out"], counts["in"], self.written, self.client.retries, seconds)

    def _until_cut(self) -> None:
        cutting: list[threading.Timer] = []

        def cut_soon(connection: Client) -> None:
            cutting.append(threading.Timer(self._random.uniform(0, LONGEST_CONNECTION_S), connection.abort))
            cutting[0].start()

        try:
            with self.client.connected(cut_soon):
                while True:
                    while self.client.unanswered < WRITES_AT_ONCE:
                        self.written += 1
                        self.client.write(b"%d\n" % (self.written - 1))
                    self.client.receive()
        except Closed:
            pass
        finally:
            cutting[0].join()


def run(cuts: int, seed: int = 1) -> Report:
    """Cut so many connections of one session.

    Raises:
        AssertionError: a line was lost, doubled or moved.
    """
    with exec_server() as server:
        return Run(server.url, cuts, seed).whole()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.stdout.write(f"{run(arguments.cuts, arguments.seed)}\n")


if __name__ == "__main__":
    main()
