"""A client for tests: requests by name, raw frames, and waiting for what comes by predicate and deadline."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Generator
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
                message = json.loads(self.websocket.recv(timeout=max(0.0, end - time.monotonic())))
            except ConnectionClosed as error:
                raise _closed(error) from None
            except TimeoutError:
                raise TimeoutError(f"nothing that was waited for within {deadline_s} s; seen: {self._seen}") from None
            if predicate(message):
                return message
            self._seen.append(message)

    def wait_closed(self, *, deadline_s: float = DEADLINE_S) -> Closed:
        """Wait until the server closes the connection, and say how."""
        try:
            message = self.wait_for(lambda _: True, deadline_s=deadline_s)
        except Closed as closed:
            return closed
        raise AssertionError(f"the connection is open and brought {message}")


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
