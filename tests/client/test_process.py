"""Processes of another machine: what is asked, and how events are told from what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

import pytest

from codex_py.client.process import RemoteProcess, RemoteProcesses
from codex_py.environment.process import Closed, Command, Event, Exited, Output, StdinClosed
from codex_py.protocol import process as said
from codex_py.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, WireError
from codex_py.protocol.process import OutputChunk, ReadResult, StartResult, TerminateResult, WriteResult
from codex_py.protocol.wire import U64_MAX, Base64
from codex_py.rpc.connection import Connection

T = TypeVar("T")


class FakeConnection:
    """Answers what a test says, and remembers what was asked."""

    def __init__(self, answer: Callable[[str, Any], Any]) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._answer = answer

    async def call(self, method: Any, params: Any) -> Any:
        self.asked.append((method.name, params))
        answer = self._answer(method.name, params)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def process_that_answers(answer: Callable[[str, Any], Any]) -> tuple[RemoteProcess, FakeConnection]:
    connection = FakeConnection(answer)
    return RemoteProcess(cast("Connection", connection), "p", "none"), connection


def wait(work: Awaitable[T]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(10):
            return await work

    return asyncio.run(limited())


def output(seq: int) -> Output:
    return Output(seq, "stdout", b"%d" % seq)


class Story:
    """Events of a process, some of them let go, read by their numbers as a server would."""

    def __init__(self, events: list[Event], *, retained_from: int = 1) -> None:
        self.retained_from = retained_from
        self._events = events
        self._told = 0

    def answer(self, method: str, params: Any) -> ReadResult:
        """Tell one event more at each reading."""
        assert method == said.READ.name
        self._told = min(self._told + 1, len(self._events))
        return self.reading(params.after_seq or 0, self._told)

    def all_at_once(self, method: str, params: Any) -> ReadResult:
        return self.reading(params.after_seq or 0, len(self._events))

    def reading(self, after_seq: int, told: int) -> ReadResult:
        events = self._events[:told]
        chunks = [event for event in events if isinstance(event, Output) and event.seq >= self.retained_from]
        exited = next((event for event in events if isinstance(event, Exited)), None)
        return ReadResult(
            chunks=[OutputChunk(seq=c.seq, stream=c.stream, chunk=Base64(c.data)) for c in chunks if c.seq > after_seq],
            next_seq=len(events) + 1,
            exited=exited is not None,
            exit_code=None if exited is None else exited.exit_code,
            closed=any(isinstance(event, Closed) for event in events),
            failure=None,
            sandbox_denied=exited is not None and exited.sandbox_denied,
        )


ENDED: list[Event] = [output(1), output(2), Exited(3, 7, True), Closed(4)]
LATE: list[Event] = [output(1), Exited(2, 7, False), output(3), output(4), Closed(5)]
SILENT: list[Event] = [Exited(1, 0, False), Closed(2)]


async def follow(process: RemoteProcess, after_seq: int) -> list[Event]:
    return [event async for event in process.follow(after_seq)]


@pytest.mark.parametrize("events", [ENDED, LATE, SILENT])
@pytest.mark.parametrize("how", [Story.answer, Story.all_at_once])
def test_events_are_told_once_in_order_however_they_are_read(
    events: list[Event], how: Callable[[Story, str, Any], ReadResult]
) -> None:
    for after in range(len(events) + 1):
        process, _ = process_that_answers(partial(how, Story(events)))
        expected = events[after:]
        found = wait(follow(process, after))
        assert found == expected


def test_output_that_was_let_go_is_a_gap_and_no_exit() -> None:
    events: list[Event] = [*(output(seq) for seq in range(1, 10)), Exited(10, 0, False), Closed(11)]
    process, _ = process_that_answers(Story(events, retained_from=7).all_at_once)
    assert wait(follow(process, 0)) == events[6:]


def test_a_reading_asks_for_what_it_was_asked_for() -> None:
    process, connection = process_that_answers(Story(ENDED).all_at_once)
    wait(process.read(after_seq=3, max_bytes=10, wait_s=0.0015))
    wait(process.read(wait_s=float(2**70)))
    asked = [params for _, params in connection.asked]
    assert [(one.after_seq, one.max_bytes, one.wait_ms) for one in asked] == [(3, 10, 2), (0, None, U64_MAX)]


def test_who_waits_for_the_close_is_sent_no_output() -> None:
    process, connection = process_that_answers(Story(LATE).answer)
    wait(process.wait_closed())
    assert {params.after_seq for _, params in connection.asked} == {U64_MAX}


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (WriteResult(status="accepted"), None),
        (WriteResult(status="unknownProcess"), None),
        (WriteResult(status="stdinClosed"), StdinClosed),
        (WireError(INTERNAL_ERROR, "failed to write to process stdin"), OSError),
        (WireError(INVALID_PARAMS, "writeId must not be empty"), WireError),
        (ConnectionResetError("gone"), ConnectionResetError),
    ],
)
def test_a_write_says_by_its_exception_why_it_was_not_taken(answer: Any, raised: type[Exception] | None) -> None:
    process, _ = process_that_answers(lambda _method, _params: answer)
    if raised is None:
        wait(process.write(b"x", "1"))
        return
    with pytest.raises(raised) as caught:
        wait(process.write(b"x", "1"))
    assert type(caught.value) is raised


def test_a_start_that_is_given_up_is_terminated_once_it_is_known() -> None:
    async def scenario() -> None:
        may_start = asyncio.Event()

        async def started(params: Any) -> StartResult:
            await may_start.wait()
            return StartResult(process_id=params.process_id, sandbox_type="none")

        def answer(method: str, params: Any) -> Any:
            return started(params) if method == said.START.name else TerminateResult(running=True)

        connection = FakeConnection(answer)
        processes = RemoteProcesses(cast("Connection", connection))
        starting = asyncio.create_task(processes.start(Command(argv=["x"], cwd="/")))
        while not connection.asked:
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert len(connection.asked) == 1
        may_start.set()
        while len(connection.asked) < 2:
            await asyncio.sleep(0)
        (_, start), (method, terminate) = connection.asked
        assert method == said.TERMINATE.name
        assert terminate.process_id == start.process_id

    wait(scenario())


@pytest.mark.parametrize("failure", [FileNotFoundError(2, "x"), WireError(INTERNAL_ERROR, "x"), ConnectionError()])
def test_a_start_that_is_given_up_and_fails_is_forgotten(failure: Exception) -> None:
    async def scenario() -> None:
        may_fail = asyncio.Event()

        async def failing() -> Exception:
            await may_fail.wait()
            return failure

        connection = FakeConnection(lambda _method, _params: failing())
        processes = RemoteProcesses(cast("Connection", connection))
        starting = asyncio.create_task(processes.start(Command(argv=["x"], cwd="/")))
        while not connection.asked:
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        may_fail.set()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        assert len(connection.asked) == 1

    wait(scenario())


def test_every_start_has_an_id_of_its_own() -> None:
    async def scenario() -> set[str]:
        connection = FakeConnection(
            lambda _method, params: StartResult(process_id=params.process_id, sandbox_type="linuxSeccomp")
        )
        processes = RemoteProcesses(cast("Connection", connection))
        started = [await processes.start(Command(argv=["x"], cwd="/")) for _ in range(10)]
        assert {process.sandbox_type for process in started} == {"linuxSeccomp"}
        return {params.process_id for _, params in connection.asked}

    assert len(wait(scenario())) == 10
