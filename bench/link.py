"""What the measures share: a server started from a command line, and a cheap connection to it.

A connection is a bare socket. Frames are made beforehand with a mask of zeros, which leaves the payload as it is, and
answers are looked at as bytes, so that the server is what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from types import FrameType
from typing import Self

START_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
PIECE_BYTES = 256 * 1024
HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


class Refused(Exception):
    """The server answered with an error, or ended the connection; the text says which."""


def frame(message: object) -> bytes:
    """Write a message as one masked text frame."""
    return _frame(TEXT, json.dumps(message).encode())


def _frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        head = bytes((0x80 | opcode, 0x80 | len(payload)))
    elif len(payload) < 65536:
        head = bytes((0x80 | opcode, 0xFE)) + len(payload).to_bytes(2)
    else:
        head = bytes((0x80 | opcode, 0xFF)) + len(payload).to_bytes(8)
    return head + b"\0\0\0\0" + payload


def refuse_errors(answer: bytes, method: str) -> None:
    """Raise `Refused` if a response is an error; both servers write that member first or right after the id."""
    if b'"error":' in answer[:40]:
        raise Refused(f"{method}: {json.loads(answer)['error']['message']}")


class Link:
    """A connection to one server, initialized. Close it, or use it in `with`.

    Args:
        url: What the server printed.
        acknowledge: Whether to have the kernel acknowledge at once what was received (TCP_QUICKACK) instead of up to
            40 ms later, which a server that leaves Nagle's algorithm on would wait for.
    """

    def __init__(self, url: str, *, acknowledge: bool = False) -> None:
        self._acknowledge = acknowledge
        self._buffer = b""
        self._at = 0
        self.socket = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._shake_hands()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def _shake_hands(self) -> None:
        self.send(HANDSHAKE.encode())
        while b"\r\n\r\n" not in self._buffer:
            self._fill(len(self._buffer) + 1)
        self._at = self._buffer.index(b"\r\n\r\n") + 4
        answer = self.ask(frame({"id": 1, "method": "initialize", "params": {"clientName": "bench"}}))
        refuse_errors(answer, "initialize")
        self.send(frame({"method": "initialized"}))

    def send(self, frames: bytes) -> None:
        """Send frames made by `frame`."""
        self.socket.sendall(frames)

    def ask(self, request: bytes) -> bytes:
        """Send a frame and return the next message."""
        self.send(request)
        return self.receive()

    def receive(self) -> bytes:
        """Return the next message, joined if it came in fragments; answer pings on the way."""
        message = b""
        while True:
            first, payload = self._receive_frame()
            opcode = first & 0x0F
            if opcode == PING:
                self.send(_frame(PONG, payload))
            elif opcode == CLOSE:
                raise Refused(f"the server closed the connection: {payload!r}")
            elif opcode != PONG:
                message = message + payload if message else payload
                if first & 0x80:
                    return message

    def _receive_frame(self) -> tuple[int, bytes]:
        if len(self._buffer) - self._at < 2:
            self._fill(2)
        first, length = self._buffer[self._at], self._buffer[self._at + 1]
        head = 2
        if length >= 126:
            head = 4 if length == 126 else 10
            if len(self._buffer) - self._at < head:
                self._fill(head)
            length = int.from_bytes(self._buffer[self._at + 2 : self._at + head])
        if len(self._buffer) - self._at < head + length:
            self._fill(head + length)
        start = self._at + head
        self._at = start + length
        return first, self._buffer[start : self._at]

    def _fill(self, count: int) -> None:
        """Let go of what was taken, and receive until there are `count` bytes."""
        pieces = [self._buffer[self._at :]]
        missing = count - len(pieces[0])
        while missing > 0:
            piece = self.socket.recv(PIECE_BYTES)
            if not piece:
                raise Refused("the server ended the connection")
            if self._acknowledge:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            pieces.append(piece)
            missing -= len(piece)
        self._buffer, self._at = b"".join(pieces), 0


class Server:
    """One command, running as the leader of a process group. Call `stop` whatever happens.

    Attributes:
        url: What it printed.
        start_s: From before it was started until it had printed that, in seconds.
    """

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        words = shlex.split(command)
        variables = dict(word.split("=", 1) for word in words if "=" in word.split("/")[0])
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            words[len(variables) :],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **variables},
            start_new_session=True,
        )
        try:
            self.url = self._announcement()
        except BaseException:
            self.stop()
            raise
        self.start_s = time.perf_counter() - begun

    def _announcement(self) -> str:
        assert self.process.stdout is not None
        with limited(START_LIMIT_S, f"{self.name}: no URL"):
            url = self.process.stdout.readline().strip()
        if not url:
            raise Refused(f"{self.name}: it ended before it printed its URL")
        return url

    def stop(self) -> None:
        """Ask it to end, which ends the processes it started, and then kill what is left of its group."""
        # Nothing reaps it before the end, so its id stays its own; `Popen.terminate` would.
        os.kill(self.process.pid, signal.SIGTERM)
        ended = os.pidfd_open(self.process.pid)
        select.select([ended], [], [], STOP_LIMIT_S)
        os.close(ended)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def limited(seconds: float, what: str) -> Generator[None]:
    """Raise `TimeoutError` in the block after so many seconds, also out of a blocking call. Not to be nested."""

    def expire(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"{what} within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def end_on_sigterm() -> None:
    """Turn SIGTERM into `SystemExit`, so that servers are stopped then, too."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
