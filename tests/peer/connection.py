"""One client of an exec-server: takes steps, gives every answer that came, or `closed`, or `silent`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidHandshake

from . import events, http
from .calls import ANSWER_S, CLOSED, GONE, SILENT, Calls
from .cases import (
    Await,
    Call,
    Connect,
    Drop,
    Events,
    Handshake,
    Http,
    Json,
    Params,
    Ping,
    Post,
    ReadAll,
    Send,
    Step,
    Together,
    Wire,
)
from .disk import fill

_TOLD_S = 15.0  # how long a process may take to say what is waited for
_LATE_S = 0.03  # how long to look for an answer that comes after the sentinel's


class Client(Calls):
    """Connections of one case, the last one current. Call `close` when done."""

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
            with contextlib.suppress(*GONE):
                await self._open[-1].send('{"method":"initialized"}')

    async def close(self) -> None:
        """Cut every connection; a process that this client started and did not see closing is ended first."""
        await self._terminate_started()
        for connection in self._open:
            await _cut(connection)
        self._open.clear()
        self._told.clear()

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
            case Post():
                return await self._post(step)
            case Together():
                return await self._together(step)
            case Events() | Await():
                return await self._listen(step)
            case ReadAll():
                return await self._read_all(step)
            case Connect():
                await self.open("none")
                return [CLOSED] if self.broken else []
            case Drop():
                connection = self._open.pop()
                if step.close_frame:
                    await connection.close(1000, "bye")
                await _cut(connection)
                return [CLOSED]

    async def _post(self, step: Post) -> list[Json]:
        try:
            await self._open[-1].send(self._request(step))
        except GONE:
            self.broken = True
            return [CLOSED]
        return []

    async def _together(self, step: Together) -> list[Json]:
        """Answers may come in any order (row 2); what is missing when time is up is `silent`."""
        connection, answers, numbers = self._open[-1], dict[Json, Json](), list[int]()
        try:
            async with asyncio.timeout(_TOLD_S):
                for call in step.calls:
                    text = self._request(call)
                    numbers.append(self._calls)
                    await connection.send(text)
                while len(answers) < len(numbers):
                    answer = await self._receive(connection)
                    answers[answer.get("id") if isinstance(answer, dict) else None] = answer
        except GONE:
            self.broken = True
        except TimeoutError:
            pass
        found = [answers.get(number, CLOSED if self.broken else SILENT) for number in numbers]
        for call, answer in zip(step.calls, found, strict=True):
            self._note_start(call, answer)
        return [{**answer, "id": "<id>"} if isinstance(answer, dict) else answer for answer in found]

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
            async with asyncio.timeout(ANSWER_S):
                while not (
                    isinstance(answer := await self._receive(connection), dict) and answer.get("id") == sentinel
                ):
                    answers.append(answer)
            if not answers:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LATE_S):
                        answers.append(await self._receive(connection))
        except GONE:
            answers.append(CLOSED)
            self.broken = True
        except TimeoutError:
            answers.append(SILENT)
            self.broken = True
        return answers

    async def _listen(self, step: Events | Await) -> list[Json]:
        """Take in what the process tells until it is enough; answers that nobody waited for are not looked at."""
        connection, process = self._open[-1], fill(step.process, self.places)
        told = self._told[connection]
        if process not in self._started:
            return ["it was not started"]
        late = False
        try:
            async with asyncio.timeout(_TOLD_S):
                while not _enough(step, events.of_process(told, process)):
                    if events.is_notice(message := await self._next(connection)):
                        told.append(message)
        except GONE:
            self.broken = True
            return [CLOSED]
        except TimeoutError:
            late = True
        if isinstance(step, Await):
            awaited = "its exit" if step.text is None else step.text
            return [f"{SILENT} about {awaited}" if late else f"told: {awaited}"]
        return [{"result": events.summary(events.of_process(told, process), step.first, step.separator)}]

    async def _read_all(self, step: ReadAll) -> list[Json]:
        """Read on from the last number seen; the exit and the close are no chunks, so the last read brings none."""
        results, after = list[Params](), 0
        deadline = asyncio.get_running_loop().time() + _TOLD_S
        while asyncio.get_running_loop().time() < deadline:
            params: Params = {"processId": step.process, "afterSeq": after, "maxBytes": step.max_bytes, "waitMs": 2000}
            answers = await self._call_once(Call("process/read", params))
            result = answers[-1].get("result") if isinstance(answers[-1], dict) else None
            if not isinstance(result, dict):
                return answers
            results.append(result)
            if result.get("closed") and not result.get("chunks"):
                return [{"result": events.summary_of_reads(results)}]
            after = int(str(result.get("nextSeq"))) - 1
        return [SILENT]

    async def _terminate_started(self) -> None:
        """Nothing a case started may outlive it; an id the server does not know is fine."""
        for process in self._started:
            if not self._open or self.broken:
                break
            told = [kind for told in self._told.values() for kind, _ in events.of_process(told, process)]
            if "closed" not in told:
                await self._call_once(Call("process/terminate", {"processId": process}))
        self._started.clear()

    async def _ping(self, payload: bytes) -> list[Json]:
        try:
            async with asyncio.timeout(ANSWER_S):
                await (await self._open[-1].ping(payload))
        except (*GONE, TimeoutError):
            self.broken = True
            return [CLOSED]
        return ["pong"]


def _enough(step: Events | Await, told: Sequence[tuple[str, Params]]) -> bool:
    if isinstance(step, Events):
        return events.complete(told, step.first)
    if step.text is None:
        return any(kind == "exited" for kind, _ in told)
    return any(step.text.encode() in data for data in events.output(told).values())


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


async def _cut(connection: ClientConnection) -> None:
    """End TCP at once; no close frame, no waiting for the other side."""
    if not connection.transport.is_closing():
        connection.transport.abort()
    with contextlib.suppress(*GONE, TimeoutError):
        async with asyncio.timeout(2):
            await connection.wait_closed()
