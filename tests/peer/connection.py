"""One client of an exec-server: takes steps, gives every answer that came, or `closed`, or `silent`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from . import http
from .cases import Absent, Call, Connect, Drop, Handshake, Http, Json, Params, Ping, Send, Step, Wire
from .disk import fill

CLOSED: Final = "closed"
SILENT: Final = "silent"
_ANSWER_S = 8.0
_LATE_S = 0.03  # how long to look for an answer that comes after the sentinel's
_RETRY_S = 2.0
# AttributeError: websockets aborts a transport that asyncio has let go of while its buffer ran empty (CPython 3.11).
_GONE = (ConnectionClosed, AttributeError)

Address: TypeAlias = tuple[str, int]


class Client:
    """Connections of one case, the last one current. Call `close` when done."""

    def __init__(self, address: Address) -> None:
        self.places: dict[str, str] = {}
        self.broken = False
        self._address = address
        self._open: list[ClientConnection] = []
        self._calls = 0

    async def open(self, handshake: Handshake) -> None:
        """Connect; when that fails the client is broken and every step's answer is `closed`."""
        try:
            await self._connect()
        except (OSError, TimeoutError, InvalidHandshake):
            self.broken = True
            return
        if handshake != "none":
            await self.take(Call("initialize", {"clientName": "peer"}))
        if handshake == "full":
            with contextlib.suppress(*_GONE):
                await self._open[-1].send('{"method":"initialized"}')

    async def close(self) -> None:
        for connection in self._open:
            await _cut(connection)
        self._open.clear()

    async def take(self, step: Step) -> list[Json]:
        """Take one step; the answers are as they came, not yet normalised."""
        match step:
            case Call():
                return await self._call(step)
            case Send() | Wire():
                return await self._send(step)
            case Http():
                return await http.exchange(self._address, fill_bytes(step.data, self.places), step.responses)
            case Ping():
                return await self._ping(step.payload)
            case Connect():
                await self.open("none")
                return [CLOSED] if self.broken else []
            case Drop():
                connection = self._open.pop()
                if step.close_frame:
                    await connection.close(1000, "bye")
                await _cut(connection)
                return [CLOSED]

    async def _connect(self) -> None:
        host, port = self._address
        self._open.append(
            await connect(
                f"ws://{host}:{port}",
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=2,
                open_timeout=15,
                proxy=None,
            )
        )

    async def _call(self, step: Call) -> list[Json]:
        deadline = asyncio.get_running_loop().time() + _RETRY_S
        while True:
            answers = await self._call_once(step)
            retry = step.retry_on is not None and any(_code(answer) == step.retry_on for answer in answers)
            if not retry or asyncio.get_running_loop().time() > deadline:
                return answers
            await asyncio.sleep(0.02)

    async def _call_once(self, step: Call) -> list[Json]:
        self._calls += 1
        request: Params = {"id": self._calls, "method": step.method}
        if not isinstance(step.params, Absent):
            request["params"] = step.params
        text = fill(json.dumps(request), self.places)
        answers = await self._until(text, self._calls)
        for answer in answers:
            if isinstance(answer, dict) and answer.get("id") == self._calls:
                answer["id"] = "<id>"
        return answers

    async def _until(self, data: str, request_id: Json) -> list[Json]:
        """Send a request and collect up to its answer; a parse error (id -1) is one, too."""
        connection, answers = self._open[-1], list[Json]()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await connection.send(data)
                while True:
                    answer = await self._receive(connection)
                    answers.append(answer)
                    if isinstance(answer, dict) and answer.get("id") in (request_id, -1):
                        return answers
        except _GONE:
            answers.append(CLOSED)
        except TimeoutError:
            answers.append(SILENT)
        self.broken = True
        return answers

    async def _send(self, step: Send | Wire) -> list[Json]:
        """Send frames, then a request of our own: what comes up to its answer belongs to the frames."""
        connection, answers = self._open[-1], list[Json]()
        self._calls += 1
        sentinel = f"sentinel-{self._calls}"
        try:
            if isinstance(step, Wire):
                connection.transport.write(fill_bytes(step.data, self.places))
            else:
                await connection.send(_frames(step, self.places))
            call = {"id": sentinel, "method": "fs/getMetadata", "params": {"path": "file:///"}}
            await connection.send(json.dumps(call))
            async with asyncio.timeout(_ANSWER_S):
                while not (
                    isinstance(answer := await self._receive(connection), dict) and answer.get("id") == sentinel
                ):
                    answers.append(answer)
            if not answers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LATE_S):
                        answers.append(await self._receive(connection))
        except _GONE:
            answers.append(CLOSED)
            self.broken = True
        except TimeoutError:
            answers.append(SILENT)
            self.broken = True
        return answers

    async def _receive(self, connection: ClientConnection) -> Json:
        data = await connection.recv()
        if isinstance(data, bytes):
            return "binary frame"
        answer: Json = json.loads(data)
        if isinstance(answer, dict) and isinstance(result := answer.get("result"), dict) and "sessionId" in result:
            self.places["${SESSION}"] = str(result["sessionId"])
        return answer

    async def _ping(self, payload: bytes) -> list[Json]:
        try:
            async with asyncio.timeout(_ANSWER_S):
                await (await self._open[-1].ping(payload))
        except (*_GONE, TimeoutError):
            self.broken = True
            return [CLOSED]
        return ["pong"]


def fill_bytes(data: bytes, places: dict[str, str]) -> bytes:
    for key, value in places.items():
        data = data.replace(key.encode(), value.encode())
    return data


def _frames(step: Send, places: dict[str, str]) -> str | bytes | list[str] | list[bytes]:
    data = step.data
    if isinstance(data, str):
        return fill(data, places)
    if isinstance(data, bytes):
        return fill_bytes(data, places)
    return [part for part in data if isinstance(part, str)] or [part for part in data if isinstance(part, bytes)]


def _code(answer: Json) -> Json:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.get("code") if isinstance(error, dict) else None


async def _cut(connection: ClientConnection) -> None:
    """End TCP at once; no close frame, no waiting for the other side."""
    if not connection.transport.is_closing():
        connection.transport.abort()
    with contextlib.suppress(*_GONE, TimeoutError):
        async with asyncio.timeout(2):
            await connection.wait_closed()
