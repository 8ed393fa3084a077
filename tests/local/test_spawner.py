"""The spawner, for real: what a program finds, how it ends, and that nothing is left whoever is killed."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

import codex_py
from codex_py.local.spawn import GROUP, INSIDE, Child, Spawner, SpawnerLost, SpawnFailed

from .kernel import children, is_running, spawners, stat_of, until

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Spawned:
    """One program, its end, and what it has written to its stdout and stderr."""

    def __init__(self, reading: int) -> None:
        self.id = 0
        self.pid = 0
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._reading = reading
        self._written = b""

    async def said(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until it has written something, and return it."""
        while (found := re.search(pattern, self._written)) is None:
            piece = await self._piece()
            assert piece, f"it ended after {self._written!r}"
        return found

    async def everything(self) -> bytes:
        while await self._piece():
            pass
        return self._written

    async def _piece(self) -> bytes:
        while True:
            try:
                piece = os.read(self._reading, 65_536)
            except BlockingIOError:
                await asyncio.sleep(0.001)
            else:
                self._written += piece
                return piece

    def close(self) -> None:
        os.close(self._reading)


class Bench:
    """A spawner for one test, and what it has started."""

    def __init__(self) -> None:
        self.spawner = Spawner()
        self.started: list[Spawned] = []

    async def spawn(self, *argv: str, more: Sequence[int] = (), **options: Any) -> Spawned:
        """Start a program whose stdin is empty."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        spawned = Spawned(reading)
        self.started.append(spawned)
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            what = {"path": argv[0], "argv": argv, "environment": ENVIRONMENT, "cwd": "/", **options}
            child = Child(**{"descriptors": (null, writing, writing, *more), **what})
            spawned.id, spawned.pid = await self.spawner.spawn(child, spawned.ended.set_result)
        finally:
            os.close(writing)
            os.close(null)
        return spawned

    async def sh(self, script: str, **options: Any) -> Spawned:
        return await self.spawn("/bin/sh", "-c", script, **options)

    async def run(self, script: str, **options: Any) -> bytes:
        """Run a script to its end, and return what it wrote."""
        spawned = await self.sh(script, **options)
        await spawned.ended
        return await spawned.everything()


def run(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    """Run with a spawner, on the loop of the server; nothing it started is left afterwards."""

    async def limited() -> None:
        async with asyncio.timeout(30):
            await scenario(bench)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        bench = Bench()
        try:
            runner.run(limited())
        finally:
            bench.spawner.close()
            for spawned in bench.started:
                spawned.close()
    assert not spawners()


# -- what a program finds


def test_it_gets_exactly_its_words_variables_and_folder(tmp_path: Path) -> None:
    cwd = os.path.realpath(tmp_path)

    async def scenario(bench: Bench) -> None:
        script = 'printf "%s|" "$0" "$@" "$A"; pwd -P'
        options: dict[str, Any] = {"path": "/bin/sh", "environment": {"A": "ü\udcff"}, "cwd": cwd}
        spawned = await bench.spawn("name", "-c", script, "zero", "", "two words", "\udcff", **options)
        assert await spawned.everything() == b"zero||two words|\xff|\xc3\xbc\xff|" + os.fsencode(cwd) + b"\n"
        only = await bench.spawn("/usr/bin/env", environment={"A": "1"})
        assert await only.everything() == b"A=1\n"

    run(scenario)


def test_a_relative_program_is_relative_to_its_folder(tmp_path: Path) -> None:
    async def scenario(bench: Bench) -> None:
        (tmp_path / "prog").symlink_to("/bin/echo")
        assert await (await bench.spawn("./prog", "x", cwd=str(tmp_path))).everything() == b"x\n"

    run(scenario)


def test_it_leads_a_session_and_a_group_and_has_no_terminal() -> None:
    async def scenario(bench: Bench) -> None:
        spawned = await bench.spawn("/bin/cat", "/proc/self/stat")
        fields = (await spawned.everything()).rpartition(b") ")[2].split()
        (spawner,) = spawners()
        parent, group, session, terminal, foreground = (int(field) for field in fields[1:6])
        assert (parent, group, session) == (spawner, spawned.pid, spawned.pid)
        assert (terminal, foreground) == (0, -1)

    run(scenario)


@pytest.fixture
def odd_signals() -> Generator[None]:
    """Ignore one signal and block another, in the process that launches the spawner."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("odd_signals")
def test_no_signal_is_blocked_ignored_or_caught() -> None:
    async def scenario(bench: Bench) -> None:
        status = await (await bench.spawn("/bin/cat", "/proc/self/status")).everything()
        masks = dict(re.findall(rb"^(Sig(?:Blk|Ign|Cgt)):\s*(\w+)$", status, re.MULTILINE))
        assert len(masks) == 3
        # The C library's `posix_spawn` has its two own signals, 32 and 33, ignored.
        assert all(int(mask, 16) & ~(3 << 31) == 0 for mask in masks.values()), masks

    run(scenario)


def test_umask_limits_and_oom_score_are_the_servers() -> None:
    ours = Path("/proc/self/oom_score_adj").read_bytes() + Path("/proc/self/limits").read_bytes()

    async def scenario(bench: Bench) -> None:
        assert await bench.run("umask; cat /proc/self/oom_score_adj /proc/self/limits") == b"0027\n" + ours

    before = os.umask(0o027)
    try:
        run(scenario)
    finally:
        os.umask(before)


def test_its_descriptors_are_those_that_were_given_and_no_other() -> None:
    async def scenario(bench: Bench) -> None:
        listed = (await (await bench.spawn("/bin/ls", "/proc/self/fd")).everything()).split()
        assert listed == [b"0", b"1", b"2", b"3"]  # the last one is how ls reads the folder
        pipes = [os.pipe() for _ in range(5)]
        for index, (_, writing) in enumerate(pipes):
            os.write(writing, b"pipe %d\n" % index)
        try:
            more = [reading for reading, _ in pipes]
            listed = (await (await bench.spawn("/bin/ls", "/proc/self/fd", more=more)).everything()).split()
            text = await bench.run('for n in 7 6 5 4 3; do eval "read line <&$n"; echo $line; done', more=more)
        finally:
            for descriptor in (number for pipe in pipes for number in pipe):
                os.close(descriptor)
        assert listed == [b"%d" % number for number in range(9)]
        assert text == b"pipe 4\npipe 3\npipe 2\npipe 1\npipe 0\n"

    run(scenario)


def test_a_terminal_is_its_stdio_and_controls_it() -> None:
    async def scenario(bench: Bench) -> None:
        ours, theirs = os.openpty()
        reading, writing = os.pipe()
        try:
            terminal = os.ttyname(theirs)
            script = "tty >&3; tty <&1 >&3; tty <&2 >&3; cat /proc/$$/stat >&3; : >/dev/tty"
            spawned = await bench.sh(script, descriptors=(writing,), terminal=terminal)
            assert await spawned.ended == 0
            text = os.read(reading, 65_536)
            await (await bench.spawn("/bin/ls", "/proc/self/fd", descriptors=(), terminal=terminal)).ended
            assert os.read(ours, 65_536).split() == [b"0", b"1", b"2", b"3"]
        finally:
            for descriptor in (ours, theirs, reading, writing):
                os.close(descriptor)
        name = os.fsencode(terminal)
        assert text.startswith(b"%b\n%b\n%b\n" % (name, name, name))
        fields = text.rpartition(b") ")[2].split()
        assert int(fields[3]) == int(fields[2]) == spawned.pid
        assert int(fields[4]) != 0

    run(scenario)


def test_it_works_with_few_descriptors_allowed() -> None:
    """A program inherits the limit, so it cannot be raised for the spawner's sake."""

    async def scenario(bench: Bench) -> None:
        bench.spawner = Spawner(("/bin/sh", "-c", 'ulimit -n 24; exec "$@"', "sh", *bench.spawner._command))  # pyright: ignore[reportPrivateUsage]
        assert await bench.run("ulimit -n") == b"24\n"
        texts = await asyncio.gather(*(bench.run(f"echo {index}") for index in range(20)))
        assert texts == [b"%d\n" % index for index in range(20)]

    run(scenario)


# -- what cannot be started


@pytest.mark.parametrize(
    ("options", "step", "number"),
    [
        ({"cwd": "/nowhere"}, "cwd", errno.ENOENT),
        ({"cwd": "/etc/passwd"}, "cwd", errno.ENOTDIR),
        ({"cwd": "/nowhere", "path": "/nowhere/x"}, "cwd", errno.ENOENT),
        ({"cwd": "a\0b"}, "cwd", errno.EINVAL),
        ({"path": "/nowhere/x"}, "program", errno.ENOENT),
        ({"path": "/etc/passwd/x"}, "program", errno.ENOTDIR),
        ({"path": "/etc"}, "program", errno.EACCES),
        ({"path": "/etc/passwd"}, "program", errno.EACCES),
        ({"path": "/bin/true", "argv": [""]}, "program", errno.EINVAL),
        ({"path": "/bin/true", "argv": []}, "program", errno.EINVAL),
        ({"path": "/bin/true", "argv": ["a", "b\0"]}, "program", errno.EINVAL),
        ({"path": "/bin/true", "argv": ["a", "\ud800"]}, "program", errno.EINVAL),
        ({"path": "/bin/true", "environment": {"A=B": "x"}}, "program", errno.EINVAL),
        ({"path": "/bin/true", "argv": ["x" * 200_000]}, "program", errno.E2BIG),
        ({"path": "/bin/true", "terminal": "/nowhere/tty"}, "program", errno.ENOENT),
    ],
)
def test_what_cannot_be_started_is_told_by_step_and_nothing_else_suffers(
    options: dict[str, Any], step: str, number: int
) -> None:
    async def scenario(bench: Bench) -> None:
        other = await bench.sh("echo ready; exec sleep 60")
        await other.said(b"ready")
        with pytest.raises(SpawnFailed) as caught:
            await bench.spawn("/bin/true", **options)
        assert (caught.value.step, caught.value.errno) == (step, number)
        assert await bench.run("echo fine") == b"fine\n"
        assert is_running(other.pid)
        assert not bench.started[1].ended.done()

    run(scenario)


# -- the end


def test_an_end_is_told_as_subprocess_has_it() -> None:
    async def scenario(bench: Bench) -> None:
        for code in (0, 3, 255):
            assert await (await bench.sh(f"exit {code}")).ended == code
        for number in (1, 2, 9, 15, 31, 34):
            assert await (await bench.sh(f"ulimit -c 0; kill -{number} $$; sleep 60")).ended == -number

    run(scenario)


def test_many_at_once_with_large_environments_are_told_apart() -> None:
    async def one(bench: Bench, index: int) -> tuple[bytes, int | None]:
        environment = {**ENVIRONMENT, "ME": str(index), **{f"V{n}": "x" * 100_000 for n in range(3)}}
        spawned = await bench.sh('echo $ME ${#V2}; exit "$ME"', environment=environment)
        code = await spawned.ended
        return await spawned.everything(), code

    async def scenario(bench: Bench) -> None:
        found = await asyncio.gather(*(one(bench, index) for index in range(60)))
        assert found == [(b"%d 100000\n" % index, index) for index in range(60)]

    run(scenario)


def test_what_loses_its_parent_becomes_the_spawners_and_is_reaped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")

    async def scenario(bench: Bench) -> None:
        spawned = await bench.sh("(sh -c 'echo $$; read x < go' &) ; exit 0", cwd=str(tmp_path))
        orphan = int((await spawned.said(rb"(\d+)\n"))[1])
        await spawned.ended
        (spawner,) = spawners()
        await until(lambda: orphan in children(spawner))
        assert stat_of(spawned.pid) is None
        os.close(os.open(tmp_path / "go", os.O_WRONLY))
        await until(lambda: stat_of(orphan) is None)
        assert children(spawner) == set()

    run(scenario)


def test_a_signal_reaches_the_group_and_what_has_ended_is_left_alone() -> None:
    async def scenario(bench: Bench) -> None:
        spawned = await bench.sh("trap '' TERM; sleep 60 & echo $!; wait; wait; echo over; exec sleep 60")
        child = int((await spawned.said(rb"(\d+)\n"))[1])
        await bench.spawner.signal(spawned.id, signal.SIGTERM)  # the shell ignores it, and so does what it started
        assert is_running(child)
        await bench.spawner.signal(spawned.id, signal.SIGKILL)
        assert await spawned.ended == -signal.SIGKILL
        await until(lambda: not is_running(child))
        for target in (GROUP, INSIDE):
            await bench.spawner.signal(spawned.id, signal.SIGKILL, target)
        await bench.spawner.signal(12345, signal.SIGKILL)

    run(scenario)


def test_a_signal_that_makes_no_sense_is_an_error_and_nothing_else_suffers() -> None:
    async def scenario(bench: Bench) -> None:
        spawned = await bench.sh("exec sleep 60")
        with pytest.raises(OSError, match="Invalid argument"):
            await bench.spawner.signal(spawned.id, 200)
        assert is_running(spawned.pid)

    run(scenario)


def test_forgetting_says_whether_something_is_left_and_sweeping_ends_it() -> None:
    async def scenario(bench: Bench) -> None:
        nothing = await bench.sh("exit 0")
        await nothing.ended
        assert not await bench.spawner.forget(nothing.id)
        something = await bench.sh("(trap '' HUP TERM INT; echo ready; sleep 60) & exit 0")
        await something.said(b"ready")
        await something.ended
        assert await bench.spawner.forget(something.id)
        (spawner,) = spawners()
        await bench.spawner.sweep(something.id)
        await until(lambda: children(spawner) == set())
        assert not await bench.spawner.forget(something.id)

    run(scenario)


def test_sweeping_reaches_other_groups_of_the_session() -> None:
    async def scenario(bench: Bench) -> None:
        code = "import os, time; p = os.fork(); p or os.setpgid(0, 0); p and print(p, flush=True); time.sleep(60)"
        spawned = await bench.spawn(sys.executable, "-I", "-S", "-c", code)
        job = int((await spawned.said(rb"(\d+)\n"))[1])
        await until(lambda: (found := stat_of(job)) is not None and found.group == job)
        await bench.spawner.sweep(spawned.id)
        assert await spawned.ended == -signal.SIGKILL
        await until(lambda: stat_of(job) is None)

    run(scenario)


# -- the end of all

LEAVE_EVERYTHING = (
    "trap '' HUP TERM INT; sleep 60 & echo a$!; setsid sh -c 'echo b$$; exec sleep 60' & "
    "(setsid sh -c '(setsid sh -c \"echo c\\$\\$; exec sleep 60\" &)' &); wait"
)


async def left(spawned: Spawned) -> list[int]:
    return [spawned.pid, *[int((await spawned.said(rb"%b(\d+)\n" % mark))[1]) for mark in (b"a", b"b", b"c")]]


def test_closing_kills_and_reaps_everything_whatever_it_left() -> None:
    async def scenario(bench: Bench) -> None:
        spawned = await bench.sh(LEAVE_EVERYTHING)
        pids = await left(spawned)
        assert all(is_running(pid) for pid in pids)
        bench.spawner.close()
        assert [pid for pid in pids if stat_of(pid) is not None] == []
        bench.spawner.close()
        with pytest.raises(SpawnerLost):
            await bench.sh("exit 0")
        await bench.spawner.signal(spawned.id, signal.SIGKILL)
        await bench.spawner.sweep(spawned.id)
        assert not await bench.spawner.forget(spawned.id)

    run(scenario)


SERVER = f"""
import asyncio, os, sys
sys.path.insert(0, {str(Path(codex_py.__file__).parents[1])!r})
from codex_py.local.spawn import Child, Spawner
async def main():
    spawner = Spawner()
    child = Child("/bin/sh", ["sh", "-c", {LEAVE_EVERYTHING!r}], dict(os.environ), "/", (0, 1, 2))
    _, pid = await spawner.spawn(child, lambda code: None)
    os.write(1, b"leader%d\\n" % pid)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_a_server_that_is_killed_takes_everything_with_it() -> None:
    async def scenario(output: int) -> None:
        said = Spawned(output)
        pids = await left(said)
        pids[0] = int((await said.said(rb"leader(\d+)\n"))[1])
        (spawner,) = children(server.pid)
        assert all(is_running(pid) for pid in (*pids, spawner))
        server.kill()
        await until(lambda: not any(is_running(pid) for pid in (*pids, spawner)))

    server = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        os.set_blocking(server.stdout.fileno(), False)
        asyncio.run(asyncio.wait_for(scenario(server.stdout.fileno()), 30))
    finally:
        server.kill()
        server.communicate()


# -- the end of the spawner


def test_when_the_spawner_is_killed_what_it_started_is_and_the_next_start_works() -> None:
    async def scenario(bench: Bench) -> None:
        before = [await bench.sh("echo ready; exec sleep 60") for _ in range(3)]
        for spawned in before:
            await spawned.said(b"ready")
        (spawner,) = spawners()
        os.kill(spawner, signal.SIGKILL)
        assert [await spawned.ended for spawned in before] == [None] * 3
        await until(lambda: not any(is_running(spawned.pid) for spawned in before))
        assert await bench.run("echo again") == b"again\n"
        for spawned in before:
            await bench.spawner.signal(spawned.id, signal.SIGKILL)
            assert not await bench.spawner.forget(spawned.id)
            await bench.spawner.sweep(spawned.id)
        assert await (await bench.sh("exit 3")).ended == 3

    run(scenario)


def test_what_is_asked_of_a_killed_spawner_is_lost_or_done() -> None:
    """Much is asked at once, so that some is on its way, and some waits to be sent, when it dies."""

    async def scenario(bench: Bench) -> None:
        running = await bench.sh("exec sleep 60")
        (spawner,) = spawners()
        os.kill(spawner, signal.SIGSTOP)
        large = {f"V{n}": "x" * 100_000 for n in range(10)}
        starting = [asyncio.create_task(bench.sh("exit 0", environment=large)) for _ in range(5)]
        asking = asyncio.gather(
            bench.spawner.signal(running.id, signal.SIGINT),
            bench.spawner.forget(running.id),
            bench.spawner.sweep(running.id),
        )
        for _ in range(5):
            await asyncio.sleep(0)
        os.kill(spawner, signal.SIGKILL)
        results = await asyncio.gather(*starting, return_exceptions=True)
        assert all(isinstance(result, SpawnerLost | Spawned) for result in results), results
        assert isinstance(results[0], SpawnerLost)
        # What was started by the next one ends once, and nobody was told before that its end is unknown.
        assert {await result.ended for result in results if isinstance(result, Spawned)} <= {0}
        await asking
        await until(lambda: not is_running(running.pid))

    run(scenario)


def test_a_start_that_could_not_be_sent_is_its_own_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(*_: Any) -> int:
        raise OSError(errno.ETOOMANYREFS, "too many on their way")

    async def scenario(bench: Bench) -> None:
        running = await bench.sh("exec sleep 60")
        with monkeypatch.context() as patch:
            patch.setattr(socket, "send_fds", too_many)
            with pytest.raises(OSError, match="too many on their way"):
                await bench.sh("exit 0")
        assert is_running(running.pid)
        assert await bench.run("echo fine") == b"fine\n"

    run(scenario)


def test_a_spawner_that_cannot_be_launched_is_an_error_and_leaves_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        bench.spawner = Spawner(("/nowhere/program",))
        for _ in range(2):
            with pytest.raises(FileNotFoundError):
                await bench.sh("exit 0")

    run(scenario)


def test_signals_for_the_servers_group_are_not_for_the_spawner() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.run("exit 0")
        (spawner,) = spawners()
        assert os.getsid(spawner) == spawner
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(spawner, number)
        assert await bench.run("echo fine") == b"fine\n"
        assert spawners() == {spawner}

    run(scenario)
