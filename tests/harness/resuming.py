"""A client that follows one process over any number of connections, by the numbers of its events.

After a cut it resumes its session, asks once for what comes after the last number it has seen, and repeats every write
that was not answered, under the same id. What it is told meanwhile it puts in order by the numbers.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import Callable, Generator
from typing import Any

from .client import Client, Json, connect, write_params

PROCESS_ID = "followed"


class ResumingClient:
    """Follows one process; `output` is called with every chunk once, in order.

    Attributes:
        session: The id of its session, once there is one.
        exit_code: None while the process runs.
        is_closed: Whether the process has closed.
        retries: How often a session was resumed before the server knew that its connection had ended.
    """

    def __init__(self, url: str, output: Callable[[bytes], None]) -> None:
        self.session: str | None = None
        self.exit_code: int | None = None
        self.is_closed = False
        self.retries = 0
        self._url = url
        self._output = output
        self._last_seq = 0
        self._ahead: dict[int, Json] = {}  # what came before its turn
        self._told: set[int] = set()  # on this connection
        self._unanswered: dict[str, bytes] = {}
        self._write_ids = itertools.count(1)
        self._client: Client | None = None

    @contextlib.contextmanager
    def connected(self, while_open: Callable[[Client], None] = lambda _: None) -> Generator[None]:
        """Connect, and resume where there is something to; `while_open` gets the connection before anything is said.

        Raises:
            Closed: in the block or before, the connection has ended; connect again.
        """
        with connect(self._url) as client:
            while_open(client)
            self._client = client
            self._told.clear()
            self._initialize(client)
            client.send({"method": "initialized"})
            if self._last_seq or self._ahead or self._unanswered:
                self._catch_up(client)
            yield

    def start(self, argv: list[str], **options: Json) -> None:
        """Start the process; a start is not repeated after a cut."""
        assert self._client is not None
        self._client.start_process(PROCESS_ID, argv, pipeStdin=True, **options)
        self._take_waiting(self._client)

    def write(self, data: bytes) -> None:
        """Send a write; it is repeated until it is answered."""
        identifier = f"write-{next(self._write_ids)}"
        self._unanswered[identifier] = data
        self._send_write(identifier, data)

    @property
    def unanswered(self) -> int:
        return len(self._unanswered)

    def receive(self) -> None:
        """Take the next message."""
        assert self._client is not None
        self._take(self._client.receive())

    def _initialize(self, client: Client) -> None:
        params = {"clientName": "resuming", "resumeSessionId": self.session}
        while "error" in (answer := self._answer(client, client.start("initialize", params))):
            assert answer["error"]["code"] == -32010, answer
            self.retries += 1
        assert self.session in (None, answer["result"]["sessionId"])
        self.session = answer["result"]["sessionId"]

    def _catch_up(self, client: Client) -> None:
        question = {"processId": PROCESS_ID, "afterSeq": self._last_seq, "maxBytes": None, "waitMs": 0}
        found = self._answer(client, client.start("process/read", question))["result"]
        chunks = {chunk["seq"]: chunk for chunk in found["chunks"]}
        asked_after = self._last_seq
        for seq in range(asked_after + 1, found["nextSeq"]):
            if seq in chunks:
                event: Json = {"method": "process/output", "params": chunks[seq]}
            elif found["closed"] and seq == found["nextSeq"] - 1:
                event = {"method": "process/closed", "params": {"seq": seq}}
            else:
                assert found["exited"], f"event {seq} is missing: {list(chunks)} of {found['nextSeq'] - 1}"
                event = {"method": "process/exited", "params": {"seq": seq, "exitCode": found["exitCode"]}}
            self._ahead[seq] = event
        self._deliver()
        for identifier, data in self._unanswered.items():
            self._send_write(identifier, data)

    def _answer(self, client: Client, identifier: int) -> Json:
        while (message := client.receive()).get("id") != identifier:
            self._take(message)
        return message

    def _take_waiting(self, client: Client) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                self._take(client.wait_for(lambda _: True, deadline_s=0))

    def _send_write(self, identifier: str, data: bytes) -> None:
        assert self._client is not None
        params = write_params(PROCESS_ID, data, identifier)
        self._client.send({"id": identifier, "method": "process/write", "params": params})

    def _take(self, message: Any) -> None:
        if "method" in message:
            seq = message["params"]["seq"]
            assert seq not in self._told, f"event {seq} was told twice on one connection"
            self._told.add(seq)
            if seq > self._last_seq:
                self._ahead[seq] = message
                self._deliver()
        elif message.get("id") in self._unanswered:
            assert message.get("result") == {"status": "accepted"}, message
            del self._unanswered[message["id"]]

    def _deliver(self) -> None:
        while (event := self._ahead.pop(self._last_seq + 1, None)) is not None:
            self._last_seq += 1
            assert not self.is_closed
            if event["method"] == "process/output":
                self._output(base64.b64decode(event["params"]["chunk"]))
            elif event["method"] == "process/exited":
                assert self.exit_code is None, f"a second exit: {event}"
                self.exit_code = event["params"]["exitCode"]
            else:
                self.is_closed = True
        self._ahead = {seq: event for seq, event in self._ahead.items() if seq > self._last_seq}
