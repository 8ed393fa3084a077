"""The log of a process: numbers, memory, disk, budget, and a disk that is slow or says no."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_py.environment.process import READ_LIMIT_CHUNKS, Closed, Exited, Output
from codex_py.local import output_log
from codex_py.local.output_log import MEMORY_BYTES, OutputLog
from codex_py.local.threads import BlockingCalls

T = TypeVar("T")
KIB = 1024


class SteppedCalls(BlockingCalls):
    """Calls that happen when a test says so, and in no thread."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.is_quick = False

    async def run(self, function: Callable[[], T]) -> T:
        if not self.is_quick:
            turn = asyncio.get_running_loop().create_future()
            self.waiting.append(turn)
            await turn
        return function()

    async def step(self) -> None:
        """Let the next call happen, and whoever waited for it go on."""
        while not self.waiting:
            await asyncio.sleep(0)
        self.waiting.popleft().set_result(None)
        await _others_go_on()

    async def catch_up(self) -> None:
        """Let every call happen, and those that come of it."""
        self.is_quick = True
        await _others_go_on()
        while self.waiting:
            await self.step()
        self.is_quick = False


async def _others_go_on() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


class Fixture:
    """A log with a disk that a test moves on."""

    def __init__(self, folder: str | None, budget: int) -> None:
        self.calls = SteppedCalls()
        self.log = OutputLog(self.calls, folder, budget)
        self.said: list[Output] = []

    def say(self, size: int) -> None:
        data = bytes([self.log.next_seq % 251]) * size
        self.said.append(Output(self.log.next_seq, "stdout", data))
        self.log.append("stdout", data)

    async def read(self, after: int = 0, max_bytes: int = 1 << 40, max_chunks: int = 1 << 40) -> list[Output]:
        self.calls.is_quick = True
        try:
            return await self.log.output_after(after, max_bytes, max_chunks)
        finally:
            self.calls.is_quick = False

    async def read_while_the_disk_is_busy(self) -> list[Output]:
        reading = asyncio.create_task(self.log.output_after(0, 1 << 40, 1 << 40))
        while not reading.done():
            await self.calls.catch_up()
            await asyncio.sleep(0)
        return reading.result()


def run_with(folder: str | None, budget: int, scenario: Callable[[Fixture], Awaitable[None]]) -> None:
    async def limited() -> None:
        fixture = Fixture(folder, budget)
        try:
            async with asyncio.timeout(20):
                await scenario(fixture)
        finally:
            await fixture.calls.catch_up()
            fixture.calls.is_quick = True
            await fixture.log.discard()

    asyncio.run(limited())


def retained(chunks: list[Output]) -> int:
    return sum(len(chunk.data) for chunk in chunks)


def test_events_have_numbers_in_the_order_in_which_they_came() -> None:
    async def scenario(fixture: Fixture) -> None:
        log = fixture.log
        fixture.say(1)
        log.append("stderr", b"e")
        log.exit(3, sandbox_denied=True)
        fixture.say(2)
        log.close()
        events = await log.events_after(0)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert events[1:3] == [Output(2, "stderr", b"e"), Exited(3, 3, True)]
        assert events[4] == Closed(5)
        assert await log.events_after(2) == events[2:]
        assert await log.events_after(4) == events[4:]
        assert await log.events_after(5) == []
        assert [chunk.seq for chunk in await log.output_after(0)] == [1, 2, 4]
        assert (log.next_seq, log.last_output_seq) == (6, 4)

    run_with(None, 1000, scenario)


def test_who_waits_for_news_hears_of_every_kind_once() -> None:
    async def scenario(fixture: Fixture) -> None:
        steps: list[Callable[[], None]] = [
            lambda: fixture.say(1),
            lambda: fixture.log.exit(0, sandbox_denied=False),
            fixture.log.close,
        ]
        for step in steps:
            waiting = [asyncio.create_task(fixture.log.news()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            step()
            await asyncio.gather(*waiting)

    run_with(None, 1000, scenario)


def test_who_gives_up_waiting_does_not_disturb_who_waits_on() -> None:
    async def scenario(fixture: Fixture) -> None:
        one, other = asyncio.create_task(fixture.log.news()), asyncio.create_task(fixture.log.news())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait((one,))
        fixture.say(1)
        await other

    run_with(None, 1000, scenario)


def test_a_small_budget_is_memory_alone_and_the_oldest_goes() -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(100):
            fixture.say(1000)
        kept = await fixture.read()
        assert not fixture.calls.waiting
        assert kept == fixture.said[-len(kept) :]
        assert 7000 <= retained(kept) <= 10_000
        assert [chunk.seq for chunk in await fixture.read(50)] == [chunk.seq for chunk in kept]

    run_with(None, 10_000, scenario)


def test_the_newest_chunk_is_kept_however_large_it_is() -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(3):
            fixture.say(5000)
        assert await fixture.read() == fixture.said[-1:]

    run_with(None, 1000, scenario)


def test_what_memory_does_not_hold_goes_to_disk_and_is_read_across_both(tmp_path: Path) -> None:
    async def scenario(fixture: Fixture) -> None:
        for index in range(40):
            fixture.say(64 * KIB)
            if index % 8 == 7:
                assert await fixture.read_while_the_disk_is_busy() == fixture.said
                await fixture.calls.catch_up()
                assert await fixture.read() == fixture.said
        for after in (0, 1, 31, 32, 33, 39, 40, 99):
            assert await fixture.read(after) == fixture.said[after:]
        assert retained(await fixture.read(0, 1_000_000)) <= 1_000_000

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


def test_the_budget_is_kept_and_what_is_beyond_is_a_gap(tmp_path: Path) -> None:
    budget = 2 * KIB * KIB

    async def scenario(fixture: Fixture) -> None:
        for _ in range(200):
            fixture.say(50_000)
            await fixture.calls.catch_up()
        kept = await fixture.read()
        assert kept == fixture.said[-len(kept) :]
        assert budget - 512 * KIB <= retained(kept) <= budget
        assert os.listdir(tmp_path) == []

    run_with(str(tmp_path), budget, scenario)


def test_a_disk_that_does_not_keep_up_makes_it_full_until_it_has(tmp_path: Path) -> None:
    async def scenario(fixture: Fixture) -> None:
        log, rooms = fixture.log, list[bool]()
        log.on_room = lambda: rooms.append(log.is_full)
        while not log.is_full:
            fixture.say(64 * KIB)
        assert retained(fixture.said) <= 2 * MEMORY_BYTES + 64 * KIB
        await fixture.calls.step()
        assert rooms == []
        await fixture.calls.catch_up()
        assert rooms == [False]
        assert not log.is_full
        assert await fixture.read() == fixture.said

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


def test_single_bytes_count_for_more_than_they_are(tmp_path: Path) -> None:
    async def scenario(fixture: Fixture) -> None:
        while not fixture.log.is_full:
            fixture.say(1)
        assert len(fixture.said) < 10_000
        await fixture.calls.catch_up()
        assert await fixture.read() == fixture.said

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


def test_newest_output_is_read_without_the_disk(tmp_path: Path) -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(12):
            fixture.say(64 * KIB)
        assert await asyncio.wait_for(fixture.log.output_after(11), 5) == fixture.said[11:]

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


def test_what_the_disk_does_not_take_is_let_go_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(30):
            fixture.say(64 * KIB)
            await fixture.calls.catch_up()
        kept = await fixture.read()
        assert kept == fixture.said[-len(kept) :]
        assert 256 * KIB <= retained(kept) <= MEMORY_BYTES
        assert not fixture.log.is_full

    with caplog.at_level(logging.WARNING):
        run_with(str(tmp_path / "missing"), 64 * KIB * KIB, scenario)
    assert "output is let go, because it cannot be spooled" in caplog.text


def test_what_the_disk_does_not_give_back_is_a_gap_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int, size: int, place: int) -> bytes:
        raise OSError(5, "broken")

    async def scenario(fixture: Fixture) -> None:
        for _ in range(30):
            fixture.say(64 * KIB)
            await fixture.calls.catch_up()
        monkeypatch.setattr(os, "pread", broken)
        kept = await fixture.read()
        assert 0 < len(kept) < 10
        assert kept == fixture.said[-len(kept) :]

    with caplog.at_level(logging.WARNING):
        run_with(str(tmp_path), 64 * KIB * KIB, scenario)
    assert "cannot be read back" in caplog.text


def test_limits_of_bytes_and_chunks_are_exact_across_memory_and_disk(tmp_path: Path) -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(40):
            fixture.say(30_000)
            await fixture.calls.catch_up()
        for limit in (0, 1, 30_000, 59_999, 60_000, 400_000, 1_000_000, 1_199_999, 1_200_000):
            expected = max(1, limit // 30_000)
            assert await fixture.read(0, limit) == fixture.said[:expected]
            assert await fixture.read(5, limit) == fixture.said[5 : 5 + expected]
        for count in (1, 2, 25, 39, 40, 41):
            assert await fixture.read(0, 1 << 40, count) == fixture.said[:count]

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


def test_many_events_come_in_several_answers_and_the_end_not_before_its_time() -> None:
    async def scenario(fixture: Fixture) -> None:
        for _ in range(READ_LIMIT_CHUNKS + 10):
            fixture.say(1)
        fixture.log.exit(0, sandbox_denied=False)
        fixture.log.close()
        events = await fixture.log.events_after(0)
        assert [event.seq for event in events] == list(range(1, READ_LIMIT_CHUNKS + 1))
        rest = await fixture.log.events_after(READ_LIMIT_CHUNKS)
        assert [type(event) for event in rest] == [Output] * 10 + [Exited, Closed]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_log, "MEMORY_BYTES", 1 << 30)
        run_with(None, 1 << 30, scenario)


@pytest.mark.parametrize("when", ["at rest", "while the disk is busy"])
def test_discarding_lets_go_of_everything_and_takes_nothing_more(tmp_path: Path, when: str) -> None:
    async def scenario(fixture: Fixture) -> None:
        log = fixture.log
        for _ in range(12):
            fixture.say(64 * KIB)
        if when == "at rest":
            await fixture.calls.catch_up()
        waiting = asyncio.create_task(log.news())
        discarding = asyncio.create_task(log.discard())
        await asyncio.sleep(0)
        await fixture.calls.catch_up()
        await discarding
        await waiting
        next_seq = log.next_seq
        log.append("stdout", b"late")
        assert await log.output_after(0) == []
        log.exit(0, sandbox_denied=False)
        assert await log.events_after(0) == [Exited(next_seq, 0, False)]

    run_with(str(tmp_path), 64 * KIB * KIB, scenario)


@pytest.fixture(scope="module")
def small_steps() -> Generator[None]:
    """Make memory and blocks so small that few chunks reach every corner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_log, "MEMORY_BYTES", 2000)
        patch.setattr(output_log, "_BLOCK_BYTES", 1000)
        patch.setattr(output_log, "_FULL_BYTES", 4000)
        yield


STEPS = st.lists(
    st.one_of(
        st.integers(1, 700), st.sampled_from(["step", "catch up"]), st.tuples(st.integers(0, 60), st.integers(0, 5000))
    ),
    max_size=60,
)


@settings(deadline=None)
@given(st.integers(500, 8000), STEPS)
@pytest.mark.usefixtures("small_steps")
def test_what_is_read_is_a_run_of_what_was_said_up_to_a_limit(
    budget: int, steps: list[int | str | tuple[int, int]]
) -> None:
    async def scenario(fixture: Fixture) -> None:
        for step in steps:
            if isinstance(step, int):
                fixture.say(step)
            elif isinstance(step, tuple):
                reading = asyncio.create_task(fixture.log.output_after(*step, 1 << 40))
                while not reading.done():
                    await fixture.calls.catch_up()
                    await asyncio.sleep(0)
                check(fixture.said, reading.result(), *step)
            elif fixture.calls.waiting:
                await (fixture.calls.step() if step == "step" else fixture.calls.catch_up())
        await fixture.calls.catch_up()
        kept = await fixture.read()
        assert kept == fixture.said[len(fixture.said) - len(kept) :]
        assert len(kept) >= min(1, len(fixture.said))
        assert retained(kept) <= max(budget, 700)

    run_with(None, budget, scenario)


def check(said: list[Output], found: list[Output], after: int, limit: int) -> None:
    later = [chunk for chunk in said if chunk.seq > after]
    start = later.index(found[0]) if found else len(later)
    assert found == later[start : start + len(found)]
    assert len(found) == bool(later) or retained(found) <= limit
    if found and found[-1] != later[-1]:
        assert retained(found) + len(later[start + len(found)].data) > limit
