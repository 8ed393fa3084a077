"""Processes of this machine: back-pressure, budgets, what is left of them, and what they leave in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from codex_py.environment.process import Closed, Command, Event, Exited, Output, Process
from codex_py.local.process import Account, LocalProcesses
from codex_py.local.running_process import LAG_BYTES, REMEMBERED_WRITES
from codex_py.local.spawn import Spawner
from codex_py.local.threads import IDLE_THREADS, BlockingCalls
from codex_py.protocol.errors import WireError
from codex_py.protocol.sandbox import SandboxContext, danger_full_access
from codex_py.protocol.wire import U64_MAX
from codex_py.sandbox.processes import ProcessSandbox

from .kernel import children, is_running, spawners, stat_of, until

MIB = 1024 * 1024
BUDGET = 64 * MIB


class NoSandbox(ProcessSandbox):
    """Confines nothing, whatever the context: what is told of a sandboxed process can be seen without one."""

    def __init__(self) -> None: ...

    def confines(self, context: SandboxContext | None) -> bool:
        return False


class Place:
    """This machine, for one test in one folder."""

    def __init__(self, folder: Path, budget: int) -> None:
        self.folder = folder
        self.calls = BlockingCalls()
        account = Account({"PATH": os.environ["PATH"]}, "/bin/sh", "/")
        self.processes = LocalProcesses(
            account, Spawner(), NoSandbox(), self.calls, spool_folder=str(folder), output_budget=budget
        )
        self.started: list[Process] = []

    async def start(self, *argv: str, **options: Any) -> Process:
        command = {"argv": argv, "cwd": str(self.folder), "env": {"PATH": os.environ["PATH"]}, **options}
        self.started.append(await self.processes.start(Command(**command)))
        return self.started[-1]

    async def sh(self, script: str, **options: Any) -> Process:
        return await self.start("sh", "-c", script, **options)


async def end(process: Process) -> None:
    await process.discard()
    await process.wait_closed()


def run(folder: Path, scenario: Callable[[Place], Awaitable[None]], budget: int = BUDGET) -> None:
    async def limited() -> None:
        try:
            async with asyncio.timeout(30):
                await scenario(place)
        finally:
            async with asyncio.timeout(15):
                await asyncio.gather(*(end(process) for process in place.started))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        place = Place(folder, budget)
        try:
            runner.run(limited())
        finally:
            place.processes.close()
            place.calls.close()


async def events_of(process: Process, after_seq: int = 0) -> list[Event]:
    return [event async for event in process.follow(after_seq)]


def data(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Output))


async def said(process: Process, text: bytes) -> bytes:
    """Wait until it has written something; return all that it has written."""
    written = b""
    async with contextlib.aclosing(process.follow()) as events:
        async for event in events:
            written += event.data if isinstance(event, Output) else b""
            if text in written:
                return written
    raise AssertionError(f"it closed after {written!r}")


async def taken(process: Process) -> int:
    """Say how many events there have been."""
    return (await process.read(after_seq=U64_MAX)).next_seq - 1


async def stands_still(process: Process, pid: int) -> int:
    """Wait until a process sleeps and nothing more is taken from it; return how many bytes were."""
    calm, before = 0, -1
    while calm < 30:
        now = await taken(process)
        stat = stat_of(pid)
        calm = calm + 1 if now == before and stat is not None and stat.state == "S" else 0
        before = now
        await asyncio.sleep(0.001)
    kept = await process.read(max_bytes=U64_MAX)
    return sum(len(chunk.data) for chunk in kept.chunks)


LINES = b"".join(b"%d\n" % number for number in range(1, 1_000_001))
MUCH = "echo $$; seq 1000000; touch written"


# -- whoever follows


def test_a_follower_that_does_not_read_stops_the_process_and_nothing_is_lost(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        # It says much only once it is followed: what comes before does not count.
        process = await place.sh(MUCH.replace("; ", "; read x; ", 1), pipe_stdin=True)
        async with contextlib.aclosing(process.follow()) as events:
            first = await anext(events)
            assert isinstance(first, Output)
            pid = int(first.data.split(b"\n")[0])
            await process.write(b"\n", "go")
            # What has come in one turn of the loop may go beyond the limit, by one read of each stream.
            assert await stands_still(process, int(await child_of(pid))) <= LAG_BYTES + 2 * 65_536
            assert not (tmp_path / "written").exists()
            rest = [event async for event in events]
        assert data([first, *rest]) == b"%d\n" % pid + LINES
        assert [event.seq for event in [first, *rest]] == list(range(1, len(rest) + 2))
        assert (tmp_path / "written").exists()

    run(tmp_path, scenario)


async def child_of(pid: int) -> int:
    found: set[int] = set()

    def is_there() -> bool:
        found.update(children(pid))
        return bool(found)

    await until(is_there)
    return found.pop()


def test_the_process_waits_for_the_slowest_follower_and_no_longer_than_it_follows(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh(MUCH)
        slow = process.follow()
        first = await anext(slow)
        assert isinstance(first, Output)
        quick = asyncio.create_task(events_of(process))
        await stands_still(process, await child_of(int(first.data.split(b"\n")[0])))
        assert not quick.done()
        await slow.aclose()
        assert data(await quick).endswith(LINES)

    run(tmp_path, scenario)


def test_a_follower_may_begin_late_and_read_what_is_on_disk(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh(f"{MUCH}; read x; seq 10", pipe_stdin=True)
        await until(lambda: (tmp_path / "written").exists())
        following = asyncio.create_task(events_of(process))
        await process.write(b"\n", "1")
        assert data(await following).split(b"\n", 1)[1] == LINES + b"".join(b"%d\n" % n for n in range(1, 11))

    run(tmp_path, scenario)


@pytest.mark.parametrize("budget", [1000, 100_000, 600_000, MIB])
def test_a_follower_of_a_small_budget_comes_to_the_end(tmp_path: Path, budget: int) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh(f"{MUCH}; (sleep 0.02; seq 1000000) & exit 0")
        seen = await events_of(process)
        assert isinstance(seen[-1], Closed)
        assert data(seen).endswith(LINES[-100:])
        assert [event.seq for event in seen] == sorted({event.seq for event in seen})

    run(tmp_path, scenario, budget)


def test_output_that_goes_before_a_slow_follower_takes_it_does_not_stop_the_process_for_ever(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        script = "echo $$; read x; seq 1000000 & seq 1000000 >&2 & read x; exit 0"
        process = await place.sh(script, pipe_stdin=True)
        async with contextlib.aclosing(process.follow()) as events:
            first = await anext(events)
            assert isinstance(first, Output)
            await process.write(b"\n", "go on")
            await stands_still(process, await child_of(int(first.data)))
            await process.write(b"\n", "end")  # at its exit what both pipes hold is taken, whoever follows
            assert (await process.read(after_seq=await taken(process), wait_s=20)).exit_code == 0
            rest = [event async for event in events]
        assert rest[0].seq > 2
        assert isinstance(rest[-1], Closed)

    run(tmp_path, scenario, 10_000)


# -- nobody follows


def test_a_process_that_nobody_follows_runs_on_and_the_oldest_output_goes(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh("seq 1000000")
        await process.wait_closed()
        kept = (await process.read()).chunks
        text = b"".join(chunk.data for chunk in kept)
        assert LINES.endswith(text)
        # While the disk has yet to take what is beyond it, memory holds that.
        assert MIB // 2 <= len(text) <= 2 * MIB
        assert kept[0].seq > 1
        assert [chunk.seq for chunk in kept] == list(range(kept[0].seq, kept[-1].seq + 1))
        # Meanwhile the disk may have taken more, and let go of more for it.
        again = (await process.read(after_seq=1)).chunks
        assert again == kept[-len(again) :]
        followed = data(await events_of(process))
        assert followed
        assert text.endswith(followed)

    run(tmp_path, scenario, MIB)


def test_a_disk_that_takes_nothing_costs_output_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()

    async def scenario(place: Place) -> None:
        place.processes._spool_folder = "/nowhere"  # pyright: ignore[reportPrivateUsage]
        process = await place.sh("seq 1000000")
        await process.wait_closed()
        text = b"".join(chunk.data for chunk in (await process.read()).chunks)
        assert LINES.endswith(text)
        assert text

    run(tmp_path / "work", scenario)


def test_what_was_written_before_the_exit_is_told_before_it(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        for tty in (False, True) * 10:
            events = await events_of(await place.sh("echo x; exit 3", tty=tty))
            assert [type(event) for event in events] == [Output, Exited, Closed]

    run(tmp_path, scenario)


# -- writing


def test_the_last_4096_write_ids_are_remembered(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.start("cat", pipe_stdin=True)
        for index in range(REMEMBERED_WRITES):
            await process.write(b"", str(index))
        await process.write(b"", "0")  # does not make it newer
        await process.write(b"", "one more")
        await process.write(b"second is known", "1")
        await process.write(b"first is new", "0")
        assert await said(process, b"new") == b"first is new"

    run(tmp_path, scenario)


def test_writers_that_wait_are_served_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh("read x; cat", pipe_stdin=True)
        chunks = [b"go\n", *(b"%d " % index * 20_000 for index in range(40))]
        # Nothing is read beyond the first line before the writers wait: dash reads it byte by byte.
        await asyncio.gather(*(process.write(chunk, str(index)) for index, chunk in enumerate(chunks)))
        assert await said(process, chunks[-1]) == b"".join(chunks[1:])

    run(tmp_path, scenario)


def test_a_writer_that_gives_up_has_written_nothing(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh("read x <go; cat", pipe_stdin=True)
        await process.write(bytes(2 * MIB), "1")
        waiting = asyncio.create_task(process.write(b"lost", "2"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        os.close(os.open(tmp_path / "go", os.O_WRONLY))
        await process.write(b"kept", "2")
        await said(process, b"\0kept")

    os.mkfifo(tmp_path / "go")
    run(tmp_path, scenario)


# -- refusals of a sandbox


async def denied(place: Place, script: str, *, sandbox: bool = True, **options: Any) -> bool:
    context = danger_full_access() if sandbox else None
    process = await place.sh(script, sandbox=context, **options)
    assert process.sandbox_type == ("linuxSeccomp" if sandbox else "none")
    (exited,) = [event for event in await events_of(process) if isinstance(event, Exited)]
    assert (await process.read()).sandbox_denied == exited.sandbox_denied
    return exited.sandbox_denied


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo Permission Denied; exit 1", True),
        ("echo permission denied >&2; exit 126", True),
        ("printf 'x\\377OPERATION NOT PERMITTEDx'; kill -9 $$", True),
        ("echo read-only file system; exit 255", True),
        ("echo seccomp; exit 1", True),
        ("echo my-sandbox-is; exit 1", True),
        ("echo landlock; exit 1", True),
        ("echo failed to write file; exit 1", True),
        ("echo permission denied; exit 0", False),
        ("echo EACCES denied not permitted Bad system call; exit 1", False),
        ("echo 'permission\ndenied'; exit 1", False),
        ("ulimit -c 0; kill -SYS $$; sleep 60", True),
        ("exit 159", True),
        ("exit 1", False),
    ],
)
def test_a_sandbox_is_blamed_when_what_failed_spoke_of_a_refusal(tmp_path: Path, script: str, expected: bool) -> None:
    async def scenario(place: Place) -> None:
        assert await denied(place, script) is expected
        assert await denied(place, script, tty=True) is expected
        assert not await denied(place, script, sandbox=False)

    run(tmp_path, scenario)


def test_words_that_come_in_pieces_and_by_both_streams_are_seen(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        script = "printf 'failed to wri'; read x; printf 'te f' >&2; read x; printf ile; read x; exit 1"
        process = await place.sh(script, pipe_stdin=True, sandbox=danger_full_access())
        for part in (b"failed to wri", b"te f", b"ile"):
            await said(process, part)
            await process.write(b"\n", part.decode())
        events = await events_of(process)
        assert [type(event) for event in events] == [Output, Output, Output, Exited, Closed]
        assert (await process.read()).sandbox_denied

    run(tmp_path, scenario)


def test_a_sandboxed_process_without_its_managed_network_is_refused(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        with pytest.raises(WireError, match="there is no managed network"):
            await place.sh("exit 0", sandbox=danger_full_access(), enforce_managed_network=True)
        assert data(await events_of(await place.sh("echo x", enforce_managed_network=True))) == b"x\n"

    run(tmp_path, scenario)


def test_a_program_beside_the_folder_sees_its_whole_name_where_there_is_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "prog").write_text("#!/bin/sh\necho $0\n")
    (tmp_path / "prog").chmod(0o755)

    async def scenario(place: Place) -> None:
        assert data(await events_of(await place.start("./prog", tty=True))) == os.fsencode(f"{tmp_path}/./prog\r\n")
        assert data(await events_of(await place.start("./prog"))) == b"./prog\n"

    run(tmp_path, scenario)


# -- the end


def test_a_termination_kills_and_closes_at_once_whatever_holds_the_pipes(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        for tty in (False, True):
            process = await place.sh("setsid sh -c 'trap \"\" HUP; echo $$; exec sleep 60' & wait; sleep 60", tty=tty)
            child = int(await said(process, b"\n"))
            assert await process.terminate()
            await process.wait_closed()
            assert is_running(child)

    run(tmp_path, scenario)


def test_release_says_whether_something_still_runs_and_discard_ends_it(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        nothing = await place.sh("echo x")
        await nothing.wait_closed()
        assert not await nothing.release()
        assert (await nothing.read()).chunks == []
        something = await place.sh("sleep 60 >/dev/null 2>&1 & echo $!")
        child = int(await said(something, b"\n"))
        await something.wait_closed()
        assert await something.release()
        assert is_running(child)
        await something.discard()
        await until(lambda: stat_of(child) is None)

    run(tmp_path, scenario)


@pytest.mark.parametrize("tty", [False, True])
def test_discard_ends_the_session_and_whoever_follows(tmp_path: Path, tty: bool) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh("trap '' HUP; sleep 60 & echo $!; wait", tty=tty)
        child = int(await said(process, b"\n"))
        following, closing = asyncio.create_task(events_of(process)), asyncio.create_task(process.wait_closed())
        reading = asyncio.create_task(process.read(after_seq=U64_MAX, wait_s=60))
        await asyncio.sleep(0)
        await process.discard()
        await process.discard()
        await asyncio.gather(following, closing, reading)
        await until(lambda: stat_of(child) is None)

    run(tmp_path, scenario)


def test_discard_gives_back_every_descriptor_at_once(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        await (await place.sh("exit 0")).wait_closed()
        before = os.listdir("/proc/self/fd")
        for tty in (False, True):
            await (await place.start("cat", pipe_stdin=True, tty=tty)).discard()
            assert os.listdir("/proc/self/fd") == before

    run(tmp_path, scenario)


def test_a_killed_spawner_ends_what_runs_and_the_next_start_works(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        process = await place.sh("echo ready; exec sleep 60", pipe_stdin=True)
        await said(process, b"ready")
        (spawner,) = spawners()
        os.kill(spawner, signal.SIGKILL)
        events = await events_of(process)
        assert [type(event) for event in events] == [Output, Exited, Closed]
        assert events[1] == Exited(2, -1, False)
        assert not await process.terminate()
        await process.write(b"lost", "1")
        assert data(await events_of(await place.sh("echo again"))) == b"again\n"

    run(tmp_path, scenario)


def test_what_is_terminated_while_the_spawner_dies_is_ended(tmp_path: Path) -> None:
    async def scenario(place: Place) -> None:
        processes = [await place.sh("exec sleep 60") for _ in range(3)]
        (spawner,) = spawners()
        os.kill(spawner, signal.SIGSTOP)
        asking = [asyncio.create_task(process.terminate()) for process in processes[:2]]
        discarding = asyncio.create_task(processes[2].discard())
        await asyncio.sleep(0)
        os.kill(spawner, signal.SIGKILL)
        assert await asyncio.gather(*asking) == [True, True]
        await discarding
        await asyncio.gather(*(process.wait_closed() for process in processes))

    run(tmp_path, scenario)


# -- what is left in this process


def test_descriptors_threads_and_children_are_where_they_started_after_many_processes(tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def one(place: Place, index: int) -> None:
        tty, stdin = index % 5 == 0, index % 3 == 0
        try:
            process = await place.sh("echo x; exit 3" if index % 2 else "exec cat", tty=tty, pipe_stdin=stdin)
        except OSError:
            raise AssertionError from None
        if index % 2 == 0 and (tty or stdin):
            assert await process.terminate()
        await process.wait_closed()
        assert not await process.release()
        place.started.remove(process)
        with contextlib.suppress(FileNotFoundError):
            await place.start("/nowhere/program", tty=tty, pipe_stdin=stdin)

    async def scenario(place: Place) -> None:
        others = set(blocking_threads())  # what earlier tests in this process have left idle
        await one(place, 1)
        (spawner,) = spawners()
        before = open_descriptors(), children()
        theirs = len(os.listdir(f"/proc/{spawner}/fd"))
        for batch in range(15):
            await asyncio.gather(*(one(place, index) for index in range(batch * 20, batch * 20 + 20)))
        assert (open_descriptors(), children()) == before
        assert len(os.listdir(f"/proc/{spawner}/fd")) == theirs
        assert children(spawner) == set()
        await until(lambda: len(set(blocking_threads()) - others) <= IDLE_THREADS)

    run(tmp_path, scenario)


def blocking_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "codex-py-blocking"]


def test_a_start_that_fails_for_want_of_descriptors_leaves_none_open(tmp_path: Path) -> None:
    import resource

    async def scenario(place: Place) -> None:
        await (await place.sh("exit 0")).wait_closed()
        before = os.listdir("/proc/self/fd")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = [number for number in range(1000) if str(number) not in before]
        failures = 0
        for allowed in range(10):
            resource.setrlimit(resource.RLIMIT_NOFILE, (free[allowed], hard))
            try:
                for tty in (False, True):
                    try:
                        process = await place.sh("exit 0", tty=tty, pipe_stdin=True)
                    except OSError:
                        failures += 1
                    else:
                        await process.wait_closed()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert failures >= 5
        assert len(os.listdir("/proc/self/fd")) == len(before)

    run(tmp_path, scenario)
