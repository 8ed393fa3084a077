"""The processes of a session by their ids, with processes and a clock that do what the test says."""

from __future__ import annotations

import asyncio

import pytest

from codex_py.environment.process import Output, Reading
from codex_py.protocol.errors import WireError
from codex_py.server import process_table
from codex_py.server.process_table import RETENTION_S, ProcessTable

from .fakes import COMMAND, Clock, FakeProcess, FakeProcesses, Hearer, run, settle


class Scene:
    """A table, and everything it stands on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.processes = FakeProcesses()
        self.dues: list[float | None] = []
        self.table = ProcessTable(self.processes, self.clock, changed=lambda: self.dues.append(self.table.next_due()))

    async def start(self, identifier: str = "a") -> FakeProcess:
        process = await self.table.start(identifier, COMMAND)
        assert isinstance(process, FakeProcess)
        return process

    def start_later(self, identifier: str = "a") -> asyncio.Task[FakeProcess]:
        """Ask for a start that waits until `processes.may_start` is set."""
        self.processes.may_start.clear()
        return asyncio.create_task(self.start(identifier))

    async def is_taken(self, identifier: str = "a") -> bool:
        before = self.processes.asked
        try:
            await self.table.start(identifier, COMMAND)
        except WireError as error:
            told = (error.code, error.message)
        else:
            return False
        assert told == (-32600, f"process {identifier} already exists")
        assert self.processes.asked == before
        return True


def test_an_id_is_taken_while_its_process_is_starting() -> None:
    async def scenario() -> None:
        scene = Scene()
        first = scene.start_later()
        await settle()
        second = asyncio.create_task(scene.is_taken())
        await settle()
        assert scene.processes.asked == 1
        scene.processes.may_start.set()
        assert await second
        assert scene.processes.started == [await first]

    run(scenario)


def test_an_id_is_taken_while_its_process_runs_and_after_it_has_closed() -> None:
    async def scenario() -> None:
        scene = Scene()
        process = await scene.start()
        assert await scene.is_taken()
        process.end()
        await settle()
        assert await scene.is_taken()
        assert await scene.table.find("a") is process

    run(scenario)


def test_an_id_is_free_after_a_start_that_failed_also_for_whoever_waited_meanwhile() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.processes.failure = FileNotFoundError(2, "no such program")
        first = scene.start_later()
        await settle()
        second = scene.start_later()
        await settle()
        scene.processes.may_start.set()
        with pytest.raises(FileNotFoundError):
            await first
        with pytest.raises(FileNotFoundError):
            await second
        assert await scene.table.find("a") is None
        scene.processes.failure = None
        assert not await scene.is_taken()

    run(scenario)


@pytest.mark.parametrize(("after_s", "known"), [(0.0, True), (79.999, True), (80.0, False), (1000.0, False)])
def test_a_process_is_forgotten_its_retention_after_its_close_and_at_that_instant(after_s: float, known: bool) -> None:
    async def scenario() -> None:
        scene = Scene()
        process = await scene.start()
        scene.clock.now += 500  # running does not count
        process.end()
        await settle()
        assert scene.dues == [scene.clock.now + RETENTION_S]
        scene.clock.now += after_s
        assert (await scene.table.find("a") is process) is known
        assert await scene.is_taken() is known
        await settle()
        assert process.is_released is not known

    run(scenario)


def test_an_exit_alone_begins_no_retention() -> None:
    async def scenario() -> None:
        scene = Scene()
        process = await scene.start()
        process.say(b"x")
        scene.clock.now += 10 * RETENTION_S
        scene.table.tick()
        assert scene.table.next_due() is None
        assert await scene.table.find("a") is process

    run(scenario)


def test_processes_are_forgotten_one_by_one_and_what_is_next_is_known() -> None:
    async def scenario() -> None:
        scene = Scene()
        for identifier in "abc":
            (await scene.start(identifier)).end()
            await settle()
            scene.clock.now += 10
        assert scene.table.next_due() == 1000.0 + RETENTION_S
        scene.clock.now = 1010.0 + RETENTION_S
        scene.table.tick()
        assert [await scene.table.find(identifier) is not None for identifier in "abc"] == [False, False, True]
        assert scene.table.next_due() == 1020.0 + RETENTION_S

    run(scenario)


def test_a_start_goes_on_when_its_request_is_given_up() -> None:
    async def scenario() -> None:
        scene = Scene()
        request = scene.start_later()
        await settle()
        request.cancel()
        await asyncio.wait((request,))
        finding = asyncio.create_task(scene.table.find("a"))
        await settle()
        assert not finding.done()
        scene.processes.may_start.set()
        assert await finding is scene.processes.started[0]

    run(scenario)


def test_who_is_waited_for_may_fail_unheard() -> None:
    """A start whose request was given up fails: nobody is left to hear it, and nothing complains."""

    async def scenario() -> list[object]:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        scene = Scene()
        scene.processes.failure = PermissionError(13, "no")
        request = scene.start_later()
        await settle()
        request.cancel()
        await asyncio.wait((request,))
        scene.processes.may_start.set()
        assert await scene.table.find("a") is None
        await settle()
        return complaints

    assert run(scenario) == []


def test_whoever_is_attached_is_told_a_new_process_from_its_first_event_on() -> None:
    async def scenario() -> None:
        scene, hearer = Scene(), Hearer()
        scene.table.attach(hearer.tell)
        process = await scene.start()
        process.say(b"1")
        process.say(b"2")
        process.end()
        await settle()
        assert hearer.seqs("a") == [1, 2, 3, 4]

    run(scenario)


def test_whoever_attaches_later_is_told_what_comes_from_then_on() -> None:
    async def scenario() -> None:
        scene, first, second = Scene(), Hearer(), Hearer()
        scene.table.attach(first.tell)
        process = await scene.start()
        process.say(b"1")
        await settle()
        scene.table.detach()
        process.say(b"2")
        await settle()
        scene.table.attach(second.tell)
        await settle()
        process.say(b"3")
        process.end()
        await settle()
        assert first.seqs("a") == [1]
        assert second.seqs("a") == [3, 4, 5]

    run(scenario)


def test_while_nobody_is_attached_nobody_is_told_and_nothing_follows() -> None:
    async def scenario() -> None:
        scene, hearer = Scene(), Hearer()
        scene.table.attach(hearer.tell)
        before = await scene.start("before")
        await settle()
        assert before.followers == 1
        scene.table.detach()
        meanwhile = await scene.start("meanwhile")
        for process in (before, meanwhile):
            process.say(b"x")
        await settle()
        assert hearer.told == []
        assert (before.followers, meanwhile.followers) == (0, 0)

    run(scenario)


def cut_after(process: FakeProcess, seq: int) -> Reading:
    """Return a reading that holds no more than the events up to a number."""
    chunks = [event for event in process.events[:seq] if isinstance(event, Output)]
    return Reading(chunks, seq + 1, None, closed=False, sandbox_denied=False, is_cut=True)


def test_a_resumed_client_is_told_what_its_first_reading_did_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_table, "SETTLE_S", 0)

    async def scenario() -> None:
        scene, hearer = Scene(), Hearer()
        process = await scene.start()
        for _ in range(4):
            process.say(b"x")
        scene.table.attach(hearer.tell)
        await settle()
        scene.table.has_read("a", cut_after(process, 2))
        await settle()
        process.say(b"x")
        await settle()
        assert hearer.seqs("a") == [3, 4, 5]
        scene.table.has_read("a", cut_after(process, 2))  # once more, for whatever reason
        await settle()
        assert hearer.seqs("a") == [3, 4, 5]

    run(scenario)


def test_a_client_that_was_told_from_the_start_is_told_nothing_twice_when_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_table, "SETTLE_S", 0)

    async def scenario() -> None:
        scene, hearer = Scene(), Hearer()
        scene.table.attach(hearer.tell)
        process = await scene.start()
        for _ in range(4):
            process.say(b"x")
        await settle()
        scene.table.has_read("a", cut_after(process, 2))
        await settle()
        assert hearer.seqs("a") == [1, 2, 3, 4]

    run(scenario)


def test_a_process_that_was_starting_while_its_client_changed_is_told_to_the_new_one_from_its_first_event() -> None:
    async def scenario() -> None:
        scene, first, second = Scene(), Hearer(), Hearer()
        scene.table.attach(first.tell)
        request = scene.start_later()
        await settle()
        request.cancel()
        scene.table.detach()
        scene.table.attach(second.tell)
        scene.processes.may_start.set()
        await settle()
        scene.processes.started[0].say(b"1")
        await settle()
        assert (first.seqs("a"), second.seqs("a")) == ([], [1])

    run(scenario)


def test_a_hearer_that_is_gone_stops_the_telling_and_nothing_else() -> None:
    async def scenario() -> list[object]:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        scene, hearer, next_one = Scene(), Hearer(), Hearer()
        scene.table.attach(hearer.tell)
        process = await scene.start()
        hearer.is_gone = True
        process.say(b"1")
        await settle()
        assert process.followers == 0
        assert await scene.table.find("a") is process
        scene.table.detach()
        scene.table.attach(next_one.tell)
        await settle()
        process.say(b"2")
        await settle()
        assert next_one.seqs("a") == [2]
        return complaints

    assert run(scenario) == []


def test_the_end_of_a_session_kills_all_its_processes_whatever_their_state() -> None:
    async def scenario() -> None:
        scene = Scene()
        running, closed = await scene.start("running"), await scene.start("closed")
        closed.end()
        await settle()
        await scene.table.destroy()
        assert running.is_discarded
        assert closed.is_discarded
        assert scene.table.next_due() is None
        assert await scene.table.find("running") is None

    run(scenario)


def test_the_end_of_a_session_waits_for_a_start_and_kills_what_it_brought() -> None:
    async def scenario() -> None:
        scene = Scene()
        request = scene.start_later()
        await settle()
        request.cancel()
        destroying = asyncio.create_task(scene.table.destroy())
        await settle()
        assert not destroying.done()
        scene.processes.may_start.set()
        await destroying
        assert scene.processes.started[0].is_discarded

    run(scenario)


def test_the_end_of_a_session_kills_what_runs_while_a_start_is_stuck() -> None:
    async def scenario() -> None:
        scene = Scene()
        running = await scene.start("running")
        request = scene.start_later("stuck")
        await settle()
        request.cancel()
        destroying = asyncio.create_task(scene.table.destroy())
        await settle()
        assert running.is_discarded
        scene.processes.may_start.set()
        await destroying
        assert scene.processes.started[-1].is_discarded

    run(scenario)


@pytest.mark.parametrize("leaves_something", [False, True])
def test_the_end_of_a_session_kills_what_forgotten_processes_left_running(leaves_something: bool) -> None:
    async def scenario() -> None:
        scene = Scene()
        process = await scene.start()
        process.leaves_something = leaves_something
        process.end()
        await settle()
        scene.clock.now += RETENTION_S
        scene.table.tick()
        await settle()
        assert not process.is_discarded
        await scene.table.destroy()
        assert process.is_discarded is leaves_something

    run(scenario)


def test_the_end_of_a_session_also_kills_what_a_process_leaves_that_is_being_forgotten() -> None:
    async def scenario() -> None:
        scene = Scene()
        process = await scene.start()
        process.leaves_something = True
        process.may_be_released.clear()
        process.end()
        await settle()
        scene.clock.now += RETENTION_S
        scene.table.tick()
        destroying = asyncio.create_task(scene.table.destroy())
        await settle()
        process.may_be_released.set()
        await destroying
        assert process.is_discarded

    run(scenario)


def test_two_tables_know_nothing_of_each_other() -> None:
    async def scenario() -> None:
        one, other = Scene(), Scene()
        process = await one.start()
        assert await other.table.find("a") is None
        assert await other.start() is not process

    run(scenario)
