"""A client for tests: requests by name, raw frames, and waiting for what comes by predicate and deadline."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import socket
import struct
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

DEADLINE_S = 15.0

Json = Any


class Closed(Exception):
    """The server closed the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class RequestFailed(Exception):
    """The server answered with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]


class Client:
    """One connection to a server."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self._ids = itertools.count(1)
        self._seen: list[Json] = []

    def handshake(self, **params: Json) -> Json:
        """Open a session and say that we are ready."""
        opened = self.request("initialize", {"clientName": "harness", **params})
        self.send({"method": "initialized"})
        return opened

    def request(self, method: str, params: Json = None, *, deadline_s: float = DEADLINE_S) -> Json:
        """Send a request and return its result.

        Raises:
            RequestFailed: the answer is an error.
        """
        answer = self.answer(self.start(method, params), deadline_s=deadline_s)
        if "error" in answer:
            raise RequestFailed(answer["error"])
        return answer["result"]

    def start(self, method: str, params: Json = None) -> int:
        """Send a request and return its id."""
        identifier = next(self._ids)
        self.send({"id": identifier, "method": method, "params": params})
        return identifier

    def answer(self, identifier: Json, *, deadline_s: float = DEADLINE_S) -> Json:
        """Wait for the answer with this id."""
        return self.wait_for(lambda message: message.get("id") == identifier, deadline_s=deadline_s)

    def send(self, message: Json) -> None:
        self.send_raw(json.dumps(message))

    def send_together(self, messages: Iterable[Json]) -> None:
        """Send messages so that the server gets them all at once."""
        with self.websocket.send_context():
            for message in messages:
                self.websocket.protocol.send_text(json.dumps(message).encode())

    def send_raw(self, frame: str | bytes) -> None:
        """Send text as a text frame, bytes as a binary one."""
        try:
            self.websocket.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from None

    def wait_for(self, predicate: Callable[[Json], bool], *, deadline_s: float = DEADLINE_S) -> Json:
        """Return the first message, of those that came already or come now, that the predicate accepts.

        Raises:
            TimeoutError: none came in time; the text shows what did.
            Closed: the connection ended first.
        """
        for index, message in enumerate(self._seen):
            if predicate(message):
                return self._seen.pop(index)
        end = time.monotonic() + deadline_s
        while True:
            try:
                message = self.receive(deadline_s=max(0.0, end - time.monotonic()))
            except TimeoutError:
                seen = repr(self._seen)
                raise TimeoutError(f"nothing that was waited for within {deadline_s} s; seen: {seen:.5000}") from None
            if predicate(message):
                return message
            self._seen.append(message)

    def receive(self, *, deadline_s: float = DEADLINE_S) -> Json:
        """Return the next message, whatever it is; what `wait_for` has passed over is not among them.

        Raises:
            TimeoutError: none came in time.
            Closed: the connection ended first.
        """
        try:
            return json.loads(self.websocket.recv(timeout=deadline_s))
        except ConnectionClosed as error:
            raise _closed(error) from None

    def abort(self) -> None:
        """Cut the connection: the server sees a reset, no close frame and no end of the stream."""
        end = self.websocket.socket
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):  # the other side was faster
            end.shutdown(socket.SHUT_RD)  # wakes whoever reads here, and sends nothing
        self.websocket.recv_events_thread.join(DEADLINE_S)
        end.close()

    # -- processes

    def start_process(self, identifier: str, argv: Sequence[str], **options: Json) -> Json:
        """Start a process; see `start_params`."""
        return self.request("process/start", start_params(identifier, argv, **options))

    def read_process(self, identifier: str, after_seq: int = 0, **options: Json) -> Json:
        return self.request("process/read", {"processId": identifier, "afterSeq": after_seq, **options})

    def write_process(self, identifier: str, data: bytes, write_id: str) -> str:
        """Write to a process, and return the status."""
        status: str = self.request("process/write", write_params(identifier, data, write_id))["status"]
        return status

    def wait_for_output(self, identifier: str, text: bytes, *, deadline_s: float = DEADLINE_S) -> bytes:
        """Return the output that is told from now on up to where it contains a text."""
        output = b""
        while not output or text not in output:
            event = self.wait_for(
                lambda message: message.get("method") == "process/output" and told_of(message) == identifier,
                deadline_s=deadline_s,
            )
            output += base64.b64decode(event["params"]["chunk"])
        return output

    def wait_for_close(self, identifier: str, *, deadline_s: float = DEADLINE_S) -> list[Json]:
        """Wait until a process has closed; return all its events that came and were not taken yet, in order."""
        closed = self.wait_for(
            lambda message: message.get("method") == "process/closed" and told_of(message) == identifier,
            deadline_s=deadline_s,
        )
        events = [message for message in self._seen if told_of(message) == identifier]
        self._seen = [message for message in self._seen if told_of(message) != identifier]
        return sorted([*events, closed], key=lambda event: int(event["params"]["seq"]))

    def wait_closed(self, *, deadline_s: float = DEADLINE_S) -> Closed:
        """Wait until the server closes the connection, and say how."""
        try:
            message = self.wait_for(lambda _: True, deadline_s=deadline_s)
        except Closed as closed:
            return closed
        raise AssertionError(f"the connection is open and brought {message}")


def start_params(identifier: str, argv: Sequence[str], **options: Json) -> Json:
    """Return the params of `process/start`: in /, with pipes, and with the variable PATH alone, unless told else."""
    defaults = {"cwd": "file:///", "env": {"PATH": "/usr/bin:/bin"}, "tty": False}
    return {"processId": identifier, "argv": list(argv), **defaults, **options}


def write_params(identifier: str, data: bytes, write_id: str) -> Json:
    return {"processId": identifier, "chunk": base64.b64encode(data).decode(), "writeId": write_id}


def told_of(message: Json) -> str | None:
    """Return which process a notification is about."""
    identifier: str | None = message["params"]["processId"] if "params" in message else None
    return identifier


def output_of(events: Iterable[Json]) -> bytes:
    """Return what processes wrote, of notifications or of the chunks of a reading."""
    chunks = [event.get("params", event).get("chunk", "") for event in events]
    return b"".join(base64.b64decode(chunk) for chunk in chunks)


def _closed(error: ConnectionClosed) -> Closed:
    if error.rcvd is None:
        return Closed(1006, "no close frame")
    return Closed(error.rcvd.code, error.rcvd.reason)


@contextlib.contextmanager
def connect(url: str) -> Generator[Client]:
    """Open a WebSocket; close it with the block."""
    with open_websocket(
        url, compression=None, max_size=None, ping_interval=None, close_timeout=1, proxy=None, user_agent_header=None
    ) as websocket:
        yield Client(websocket)
