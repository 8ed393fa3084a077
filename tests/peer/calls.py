"""Requests and their answers on the connections of one case; notices of processes are kept wherever they come."""

from __future__ import annotations

import asyncio
import json
from typing import Final, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from . import events
from .cases import Absent, Call, Json, Params, Post
from .disk import fill

CLOSED: Final = "closed"
SILENT: Final = "silent"
ANSWER_S: Final = 8.0
_RETRY_S = 2.0
# AttributeError: websockets aborts a transport that asyncio has let go of while its buffer ran empty (CPython 3.11).
GONE: Final = (ConnectionClosed, AttributeError)

Address: TypeAlias = tuple[str, int]


class Calls:
    """Open connections, the last one current, and what came on each."""

    def __init__(self, address: Address) -> None:
        self.places: dict[str, str] = {}
        self.broken = False
        self._address = address
        self._open: list[ClientConnection] = []
        self._told: dict[ClientConnection, list[Json]] = {}
        self._started: set[str] = set()
        self._calls = 0

    async def _connect(self) -> None:
        host, port = self._address
        connection = await connect(
            f"ws://{host}:{port}",
            compression=None,
            max_size=None,
            max_queue=None,
            ping_interval=None,
            close_timeout=2,
            open_timeout=15,
            proxy=None,
        )
        self._open.append(connection)
        self._told[connection] = []

    async def _call(self, step: Call) -> list[Json]:
        deadline = asyncio.get_running_loop().time() + _RETRY_S
        while True:
            answers = await self._call_once(step)
            retry = step.retry_on is not None and any(_code(answer) == step.retry_on for answer in answers)
            if not retry or asyncio.get_running_loop().time() > deadline:
                return answers
            await asyncio.sleep(0.02)

    async def _call_once(self, step: Call) -> list[Json]:
        answers = await self._until(self._request(step), self._calls)
        for answer in answers:
            if isinstance(answer, dict) and answer.get("id") == self._calls:
                answer["id"] = "<id>"
                self._note_start(step, answer)
        return answers

    def _note_start(self, call: Call, answer: Json) -> None:
        done = isinstance(answer, dict) and "result" in answer
        if done and call.method == "process/start" and isinstance(call.params, dict):
            self._started.add(fill(str(call.params.get("processId")), self.places))

    def _request(self, step: Call | Post) -> str:
        self._calls += 1
        request: Params = {"id": self._calls, "method": step.method}
        if not isinstance(step.params, Absent):
            request["params"] = step.params
        return fill(json.dumps(request), self.places)

    async def _until(self, data: str, request_id: Json) -> list[Json]:
        """Send a request and collect up to its answer; a parse error (id -1) is one, too."""
        connection, answers = self._open[-1], list[Json]()
        try:
            async with asyncio.timeout(ANSWER_S):
                await connection.send(data)
                while True:
                    answer = await self._receive(connection)
                    answers.append(answer)
                    if isinstance(answer, dict) and answer.get("id") in (request_id, -1):
                        return answers
        except GONE:
            answers.append(CLOSED)
        except TimeoutError:
            answers.append(SILENT)
        self.broken = True
        return answers

    async def _receive(self, connection: ClientConnection) -> Json:
        """Give the next message that is no notice of a process: those may come between any two, and are kept."""
        while events.is_notice(message := await self._next(connection)):
            self._told[connection].append(message)
        return message

    async def _next(self, connection: ClientConnection) -> Json:
        data = await connection.recv()
        if isinstance(data, bytes):
            return "binary frame"
        answer: Json = json.loads(data)
        if isinstance(answer, dict) and isinstance(result := answer.get("result"), dict) and "sessionId" in result:
            self.places["${SESSION}"] = str(result["sessionId"])
        return answer


def _code(answer: Json) -> Json:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.get("code") if isinstance(error, dict) else None
