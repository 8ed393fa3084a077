"""What is done to a server, and beside it without one: each function is one round and returns its samples.

A round takes samples for about a second. Whatever does not end as it has to raises `Refused`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from link import Link, Refused, frame, refuse_errors

AT_ONCE = 64
OUTPUT_BYTES = 64 * 1024 * 1024
ROUND_LIMIT_S = 1.0  # after which a round takes no further sample

TRUE = ("/bin/true",)
CAT = ("/bin/cat",)
ZEROS = ("head", "-c", str(OUTPUT_BYTES), "/dev/zero")
LINE = b"hello\n"
LINE_BASE64 = base64.b64encode(LINE)
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
STATUS = frame({"id": 9, "method": "environment/status"})
NOTICE = b'"method":"process/'
CHUNK = b'"chunk":"'

_numbers = count()


def request(method: str, params: dict[str, object]) -> bytes:
    return frame({"id": 7, "method": method, "params": params})


def new_id() -> str:
    return f"bench-{next(_numbers):07}"


def start(process_id: str, argv: Sequence[str], **members: object) -> bytes:
    """Make the frame that starts a process."""
    params = {"processId": process_id, "argv": argv, "cwd": Path.home().as_uri(), "tty": False}
    return request("process/start", {**params, "env": {"PATH": "/usr/bin:/bin"}, **members})


def kind(message: bytes) -> bytes:
    """Return `output`, `exited` or `closed`, which are of one length, or nothing for a response."""
    at = message.find(NOTICE, 0, 40)
    return b"" if at < 0 else message[at + len(NOTICE) : at + len(NOTICE) + 6]


def decoded_bytes(output: bytes) -> int:
    """Return how many bytes an output notification carries."""
    begin = output.index(CHUNK) + len(CHUNK)
    end = output.index(b'"', begin)
    return (end - begin) // 4 * 3 - output.count(b"=", end - 2, end)


class Course(NamedTuple):
    """What came until processes had closed, and when the last of them had (`perf_counter`)."""

    ended_s: float
    output_bytes: int


def follow(link: Link, processes: int) -> Course:
    """Receive until so many processes were answered and have closed; all have to succeed, with no event missing."""
    answered = events = output_bytes = 0
    ended_s = 0.0
    closes: list[bytes] = []
    while len(closes) < processes or answered < processes:
        message = link.receive()
        match kind(message):
            case b"output":
                events += 1
                output_bytes += decoded_bytes(message)
            case b"closed":
                ended_s = time.perf_counter()
                closes.append(message)
            case b"exited":
                events += 1
                if b'"exitCode":0' not in message:
                    raise Refused(f"a process failed: {message.decode()}")
            case _:
                refuse_errors(message, "process/start")
                answered += 1
    numbered = sum(json.loads(message)["params"]["seq"] for message in closes)
    if numbered != events + processes:
        raise Refused(f"{events + processes} events came of {numbered}")
    return Course(ended_s, output_bytes)


def sample(once: Callable[[], float], at_most: int) -> list[float]:
    """Repeat for a while."""
    until = time.perf_counter() + ROUND_LIMIT_S
    samples = [once()]
    while len(samples) < at_most and time.perf_counter() < until:
        samples.append(once())
    return samples


def true_once(link: Link, **members: object) -> float:
    """Start `/bin/true`; return milliseconds until it had closed."""
    begin = start(new_id(), TRUE, **members)
    begun = time.perf_counter()
    link.send(begin)
    return (follow(link, 1).ended_s - begun) * 1e3


def true_until_closed(link: Link, **members: object) -> list[float]:
    return sample(lambda: true_once(link, **members), 40)


def true_in_terminal(link: Link) -> list[float]:
    return true_until_closed(link, tty=True)


def true_in_sandbox(link: Link) -> list[float]:
    return true_until_closed(link, sandbox=READ_ONLY)


def plain_true() -> list[float]:
    def once() -> float:
        begun = time.perf_counter()
        subprocess.run(TRUE, check=True)
        return (time.perf_counter() - begun) * 1e3

    return sample(once, 40)


def echo(link: Link) -> list[float]:
    """Return milliseconds from writes to `/bin/cat` until each came back as output."""
    process_id = new_id()
    refuse_errors(link.ask(start(process_id, CAT, pipeStdin=True)), "process/start")

    def once() -> float:
        write = request(
            "process/write", {"processId": process_id, "chunk": LINE_BASE64.decode(), "writeId": str(next(_numbers))}
        )
        begun = time.perf_counter()
        link.send(write)
        return (until_echoed(link) - begun) * 1e3

    samples = sample(once, 200)
    end(link, process_id)
    return samples


def until_echoed(link: Link) -> float:
    """Return when the output came, once the write was answered, too."""
    echoed_s, answered = 0.0, False
    while not (echoed_s and answered):
        message = link.receive()
        if kind(message) == b"output":
            echoed_s = time.perf_counter()
            if LINE_BASE64 not in message:
                raise Refused(f"other output than was written: {message[:300].decode()}")
        else:
            refuse_errors(message, "process/write")
            answered = True
    return echoed_s


def end(link: Link, process_id: str) -> None:
    """Terminate a process and wait for its close."""
    link.send(request("process/terminate", {"processId": process_id}))
    closed = answered = False
    while not (closed and answered):
        message = link.receive()
        what = kind(message)
        closed = closed or what == b"closed"
        answered = answered or not what
        if not what:
            refuse_errors(message, "process/terminate")


def plain_echo() -> list[float]:
    with subprocess.Popen(CAT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        stdin, stdout = cat.stdin.fileno(), cat.stdout.fileno()

        def once() -> float:
            begun = time.perf_counter()
            os.write(stdin, LINE)
            os.read(stdout, 64)
            return (time.perf_counter() - begun) * 1e3

        samples = sample(once, 200)
        cat.stdin.close()
    return samples


def output_rate(link: Link) -> list[float]:
    """Return MB/s of a process that writes as fast as it is read, from its start to its close."""
    begin = start(new_id(), ZEROS)
    begun = time.perf_counter()
    link.send(begin)
    course = follow(link, 1)
    if course.output_bytes != OUTPUT_BYTES:
        raise Refused(f"{course.output_bytes} bytes of output came of {OUTPUT_BYTES}")
    return [OUTPUT_BYTES / (course.ended_s - begun) / 1e6]


def plain_output_rate() -> list[float]:
    begun = time.perf_counter()
    with subprocess.Popen(ZEROS, stdout=subprocess.PIPE, bufsize=0) as source:
        assert source.stdout is not None
        while os.read(source.stdout.fileno(), 65536):
            pass
    return [OUTPUT_BYTES / (time.perf_counter() - begun) / 1e6]


def at_once(link: Link) -> list[float]:
    """Return processes a second, of many that are asked for in one go."""
    begin = b"".join(start(new_id(), TRUE) for _ in range(AT_ONCE))
    begun = time.perf_counter()
    link.send(begin)
    return [AT_ONCE / (follow(link, AT_ONCE).ended_s - begun)]


def plain_at_once() -> list[float]:
    begun = time.perf_counter()
    for process in [subprocess.Popen(TRUE) for _ in range(AT_ONCE)]:
        process.wait()
    return [AT_ONCE / (time.perf_counter() - begun)]


def status(link: Link) -> list[float]:
    """Return milliseconds of a request that does nothing."""

    def once() -> float:
        begun = time.perf_counter()
        ask_status(link)
        return (time.perf_counter() - begun) * 1e3

    return sample(once, 200)


def ask_status(link: Link) -> None:
    refuse_errors(link.ask(STATUS), "environment/status")
