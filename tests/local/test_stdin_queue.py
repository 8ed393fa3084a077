"""The queue before a process's stdin: order, back-pressure, and a reader that is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from codex_py.local.stdin_queue import MAX_BYTES, MAX_CHUNKS, StdinQueue

Scenario = Callable[[StdinQueue, int], Awaitable[None]]


def run(scenario: Scenario) -> None:
    """Run with a queue and the reading end of its pipe, on the loop of the server."""

    async def limited() -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.set_blocking(reading, False)
        queue = StdinQueue(writing)
        try:
            async with asyncio.timeout(20):
                await scenario(queue, reading)
        finally:
            queue.close()
            os.close(reading)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(limited())


async def take(reading: int, count: int) -> bytes:
    """Read so many bytes, as the loop lets them come."""
    taken = bytearray()
    while len(taken) < count:
        try:
            piece = os.read(reading, count - len(taken))
        except BlockingIOError:
            await asyncio.sleep(0)
            continue
        assert piece
        taken += piece
    return bytes(taken)


def fill(queue: StdinQueue) -> int:
    """Push more than the pipe holds, and say how much."""
    queue.push(bytes(200_000))
    return 200_000


def test_what_is_pushed_is_written_at_once_where_there_is_room() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        queue.push(b"one")
        queue.push(b"")
        queue.push(b"two")
        assert os.read(reading, 100) == b"onetwo"

    run(scenario)


def test_everything_comes_in_order_as_the_reader_takes_it() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        chunks = [bytes([index]) * (1 + 7919 * index % 30_000) for index in range(100)]
        taking = asyncio.create_task(take(reading, sum(map(len, chunks))))
        for chunk in chunks:
            await queue.room()
            queue.push(chunk)
        assert await taking == b"".join(chunks)

    run(scenario)


def test_there_is_room_for_128_chunks() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        sent = fill(queue)
        for _ in range(MAX_CHUNKS - 1):
            assert queue.has_room
            queue.push(b"x")
            sent += 1
        assert not queue.has_room
        waiting = asyncio.create_task(queue.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await take(reading, sent)
        await waiting
        assert queue.has_room

    run(scenario)


def test_there_is_room_for_a_mebibyte() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        queue.push(bytes(MAX_BYTES + 70_000))
        assert not queue.has_room
        waiting = [asyncio.create_task(queue.room()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await take(reading, 100_000)
        await asyncio.gather(*waiting)
        await take(reading, MAX_BYTES - 30_000)

    run(scenario)


@pytest.mark.parametrize("when", ["before", "while it waits"])
def test_what_nobody_reads_any_more_is_lost_and_takes_no_room(when: str) -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        if when == "while it waits":
            queue.push(bytes(2 * MAX_BYTES))
            waiting = asyncio.create_task(queue.room())
            await asyncio.sleep(0)
            assert not waiting.done()
            os.dup2(null, reading)  # closes the reading end, and keeps its number for the end of the test
            await waiting
        else:
            os.dup2(null, reading)
        os.close(null)
        for _ in range(3):
            queue.push(bytes(2 * MAX_BYTES))
            assert queue.has_room

    run(scenario)


def test_closing_lets_go_of_what_is_queued_and_of_who_waits() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        queue.push(bytes(2 * MAX_BYTES))
        waiting = asyncio.create_task(queue.room())
        await asyncio.sleep(0)
        queue.close()
        queue.close()
        await waiting
        queue.push(b"lost")
        taken = await take(reading, 65_536)
        assert os.read(reading, 1) == b""
        assert len(taken) == 65_536

    run(scenario)


def test_who_gives_up_waiting_does_not_disturb_who_waits_on() -> None:
    async def scenario(queue: StdinQueue, reading: int) -> None:
        queue.push(bytes(2 * MAX_BYTES))
        one, other = asyncio.create_task(queue.room()), asyncio.create_task(queue.room())
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        await take(reading, MAX_BYTES + 100_000)
        await other

    run(scenario)
