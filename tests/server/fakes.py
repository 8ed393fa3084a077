"""A clock, and processes that do what a test says: what stands in for time and for a machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from codex_py.environment.environment import Environment
from codex_py.environment.filesystem import FileSystem
from codex_py.environment.process import Closed, Command, Event, Exited, Output, Process, Processes, Reading
from codex_py.local.environment import describe
from codex_py.protocol.methods import Notice
from codex_py.protocol.process import SandboxType
from codex_py.protocol.wire import Wire

T = TypeVar("T")

COMMAND = Command(argv=["program"], cwd="/")


class Clock:
    """Seconds that grow when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeProcess:
    """A process whose events a test makes up; `leaves_something` is what it answers to `release`."""

    sandbox_type: SandboxType = "none"

    def __init__(self, *, leaves_something: bool = False) -> None:
        self.events: list[Event] = []
        self.followers = 0
        self.writes: list[tuple[bytes, str]] = []
        self.is_discarded = False
        self.is_released = False
        self.leaves_something = leaves_something
        self.may_be_released = asyncio.Event()
        self.may_be_released.set()
        self._changed = asyncio.Event()

    @property
    def next_seq(self) -> int:
        return len(self.events) + 1

    def say(self, data: bytes) -> None:
        self._happen(Output(self.next_seq, "stdout", data))

    def end(self, code: int = 0) -> None:
        self._happen(Exited(self.next_seq, code, False))
        self._happen(Closed(self.next_seq))

    def _happen(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, *, after_seq: int = 0, max_bytes: int | None = None, wait_s: float = 0.0) -> Reading:
        if wait_s and self.next_seq <= after_seq + 1:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        chunks = [event for event in self.events[after_seq:] if isinstance(event, Output)]
        return Reading(chunks, self.next_seq, None, closed=False, sandbox_denied=False)

    async def follow(self, after_seq: int = 0) -> AsyncGenerator[Event]:
        self.followers += 1
        try:
            while True:
                for event in self.events[after_seq:]:
                    after_seq = event.seq
                    yield event
                    if isinstance(event, Closed):
                        return
                await self._changed.wait()
        finally:
            self.followers -= 1

    async def write(self, data: bytes, write_id: str) -> None:
        self.writes.append((data, write_id))

    async def interrupt(self) -> None: ...

    async def terminate(self) -> bool:
        return not self.is_discarded

    async def wait_closed(self) -> None:
        while not self.events or not isinstance(self.events[-1], Closed):
            await self._changed.wait()

    async def release(self) -> bool:
        self.is_released = True
        await self.may_be_released.wait()
        return self.leaves_something

    async def discard(self) -> None:
        self.is_discarded = True


class FakeProcesses:
    """Starts fakes: when it may, and unless `failure` says otherwise."""

    def __init__(self) -> None:
        self.started: list[FakeProcess] = []
        self.asked = 0
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.failure: Exception | None = None
        self.leaves_something = False

    async def start(self, command: Command) -> Process:
        self.asked += 1
        await self.may_start.wait()
        if self.failure is not None:
            raise self.failure
        process = FakeProcess(leaves_something=self.leaves_something)
        self.started.append(process)
        return process


def machine(processes: Processes) -> Environment:
    """A machine of these processes, on which no test asks for a file."""
    files: FileSystem = None  # type: ignore[assignment]
    return Environment(describe({}, "/"), files, processes)


class Hearer:
    """Somebody who is told; `told` are the sequence numbers by process id."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.is_gone = False

    async def tell(self, notice: Notice[Any], params: Wire) -> None:
        if self.is_gone:
            raise ConnectionResetError("nobody hears")
        self.told.append((params.process_id, params.seq))  # type: ignore[attr-defined]  # all notices have them

    def seqs(self, identifier: str) -> list[int]:
        return [seq for told, seq in self.told if told == identifier]


def run(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario in a loop of its own, ten seconds at most."""

    async def limited() -> T:
        async with asyncio.timeout(10):
            return await scenario()

    return asyncio.run(limited())


async def settle() -> None:
    """Let every task run until all of them wait for something that a test has to bring about."""
    for _ in range(25):
        await asyncio.sleep(0)
