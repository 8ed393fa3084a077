"""The contract of processes, over every implementation: here, in memory, over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from harness.machines import IMPLEMENTATIONS, Host

from codex_py.environment.process import Closed, EnvPolicy, Event, Exited, Output, Process, StdinClosed
from codex_py.protocol.errors import WireError

# It takes ^C as something to read, so that no moment is too early for it.
AWAIT_INTERRUPT = (
    "import signal\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
    "print('ready', flush=True)\n"
    "signal.sigwait([signal.SIGINT])\n"
    "raise SystemExit(3)\n"
)
UNTIL_GO = "while [ ! -e go ]; do sleep 0.01; done"


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def runner_and_host(request: pytest.FixtureRequest) -> Generator[Host]:
    with asyncio.Runner() as runner, IMPLEMENTATIONS[request.param](runner) as environment:
        yield Host(runner, environment.processes)


@pytest.fixture
def host(runner_and_host: Host, tmp_path: Path) -> Generator[Host]:
    with runner_and_host.in_folder(tmp_path) as host:
        yield host


def data(events: list[Event], stream: str | None = None) -> bytes:
    outputs = [event for event in events if isinstance(event, Output)]
    return b"".join(event.data for event in outputs if stream in (None, event.stream))


def exit_code(events: list[Event]) -> int:
    (exited,) = [event for event in events if isinstance(event, Exited)]
    return exited.exit_code


def test_output_comes_by_stream_and_the_exit_with_its_code(host: Host) -> None:
    events = host.events(host.sh("echo out; echo err >&2; exit 7"))
    assert (data(events, "stdout"), data(events, "stderr"), exit_code(events)) == (b"out\n", b"err\n", 7)


@pytest.mark.parametrize("tty", [False, True])
def test_events_are_numbered_without_a_gap_and_the_close_is_last(host: Host, tty: bool) -> None:
    events = host.events(host.sh("for i in 1 2 3; do echo $i; echo $i >&2; done", tty=tty))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], Closed)
    assert sum(isinstance(event, Exited) for event in events) == 1


def test_what_says_nothing_has_an_exit_and_a_close(host: Host) -> None:
    assert host.events(host.sh("")) == [Exited(1, 0, False), Closed(2)]


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_an_exit_code_is_told_as_it_is(host: Host, code: int) -> None:
    assert exit_code(host.events(host.sh(f"exit {code}"))) == code


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 13, 14, 15, 24, 31, 34])
def test_death_by_a_signal_is_128_and_its_number(host: Host, number: int, tty: bool) -> None:
    events = host.events(host.sh(f"ulimit -c 0; kill -{number} $$; sleep 30", tty=tty))
    assert exit_code(events) == 128 + number


def test_a_process_without_a_sandbox_says_so(host: Host) -> None:
    process = host.sh("exit 1")
    assert process.sandbox_type == "none"
    assert not host.wait(process.read(wait_s=10)).sandbox_denied


def test_a_process_starts_in_its_working_folder(host: Host, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert data(host.events(host.sh("pwd -P", cwd=f"{tmp_path}/sub"))) == f"{tmp_path.resolve()}/sub\n".encode()


# -- terminals


def test_a_terminal_has_24_rows_and_80_columns_and_is_one_stream(host: Host) -> None:
    events = host.events(host.sh("stty size; echo err >&2", tty=True))
    assert data(events) == data(events, "pty") == b"24 80\r\nerr\r\n"


def test_a_terminal_controls_its_process(host: Host) -> None:
    script = "exec 3>/dev/tty; echo through >&3; ps -o tpgid= -o pgid= -p $$ | { read a b; [ $a = $b ] && echo front; }"
    assert data(host.events(host.sh(script, tty=True))) == b"through\r\nfront\r\n"


def test_a_terminal_echoes_and_edits_what_is_typed(host: Host) -> None:
    process = host.sh("read line; echo got:$line", tty=True)
    host.wait(process.write(b"wrong\x15right\n", "1"))
    events = host.events(process)
    assert b"got:right\r\n" in data(events)
    assert data(events).startswith(b"wrong")


def test_end_of_input_is_typed_in_a_terminal(host: Host) -> None:
    process = host.start("cat", tty=True)
    host.wait(process.write(b"x\n\x04", "1"))
    assert exit_code(host.events(process)) == 0


def test_the_shell_is_told_where_there_is_a_terminal_and_none_was_given(host: Host) -> None:
    assert data(host.events(host.start("printenv", "SHELL", tty=True))).startswith(b"/")
    assert data(host.events(host.start("printenv", "SHELL", tty=True, env={"SHELL": "mine"}))) == b"mine\r\n"
    assert exit_code(host.events(host.start("printenv", "SHELL"))) == 1


# -- stdin


@pytest.mark.parametrize("tty", [False, True])
def test_what_is_written_arrives_in_order(host: Host, tty: bool) -> None:
    lines = [b"line %d\n" % index for index in range(300)]
    process = host.sh(
        "stty -echo; echo ready; head -n 300" if tty else "echo ready; head -n 300", pipe_stdin=True, tty=tty
    )
    host.wait_for_output(process, b"ready")
    for index, line in enumerate(lines):
        host.wait(process.write(line, str(index)))
    written = data(host.events(process)).replace(b"\r\n", b"\n")
    assert written == b"ready\n" + b"".join(lines)


def test_a_write_id_is_written_once(host: Host) -> None:
    process = host.start("head", "-c", "4", pipe_stdin=True)
    for chunk, identifier in ((b"ab", "1"), (b"ab", "1"), (b"XX", "1"), (b"", "2"), (b"cd", "3")):
        host.wait(process.write(chunk, identifier))
    assert data(host.events(process)) == b"abcd"


def test_stdin_is_empty_and_closed_to_writers_unless_it_was_asked_for(host: Host) -> None:
    process = host.start("cat")
    events = host.events(process)
    assert (data(events), exit_code(events)) == (b"", 0)
    with pytest.raises(StdinClosed):
        host.wait(process.write(b"x", "1"))


def test_what_is_written_after_the_end_is_lost_without_an_error(host: Host) -> None:
    process = host.sh("exec <&-; exit 0", pipe_stdin=True)
    host.events(process)
    host.wait(process.write(b"x" * 100_000, "1"))


def test_writing_waits_for_a_process_that_does_not_read_until_it_ends(host: Host) -> None:
    process = host.start("sleep", "60", pipe_stdin=True)

    async def scenario() -> None:
        writing = asyncio.create_task(write_all())
        reading = await process.read(wait_s=0.2)
        assert reading.exit_code is None
        assert not writing.done()
        await process.terminate()
        await writing

    async def write_all() -> None:
        with contextlib.suppress(OSError):  # those that come after it was terminated
            for index in range(400):
                await process.write(bytes(10_000), str(index))

    host.wait(scenario())


def test_a_terminated_process_takes_no_new_write(host: Host) -> None:
    process = host.start("cat", pipe_stdin=True)
    host.wait(process.write(b"x", "known"))
    assert host.wait(process.terminate())
    host.wait(process.write(b"x", "known"))
    for _ in range(2):
        with pytest.raises(OSError, match="failed to write to process stdin"):
            host.wait(process.write(b"x", "new"))


# -- signals


@pytest.mark.parametrize("how", ["interrupt", "interrupt with a terminal", "typed"])
def test_an_interrupt_reaches_the_process(host: Host, how: str) -> None:
    process = host.start(sys.executable, "-I", "-S", "-c", AWAIT_INTERRUPT, tty=how != "interrupt")
    host.wait_for_output(process, b"ready")
    host.wait(process.write(b"\x03", "1") if how == "typed" else process.interrupt())
    assert exit_code(host.events(process)) == 3


def test_an_interrupt_reaches_the_whole_group(host: Host) -> None:
    process = host.sh(
        'trap "" INT; "$PYTHON" -I -S -c "$CODE"; echo code $?', env={"PYTHON": sys.executable, "CODE": AWAIT_INTERRUPT}
    )
    host.wait_for_output(process, b"ready")
    host.wait(process.interrupt())
    assert data(host.events(process)) == b"ready\ncode 3\n"


def test_an_interrupt_of_what_has_ended_is_harmless(host: Host) -> None:
    process = host.sh("")
    host.events(process)
    host.wait(process.interrupt())


@pytest.mark.parametrize("tty", [False, True])
def test_termination_kills_and_says_whether_it_ran(host: Host, tty: bool) -> None:
    process = host.sh("trap '' TERM HUP INT; echo before; while :; do sleep 1; done", tty=tty)
    host.wait_for_output(process, b"before")
    assert host.wait(process.terminate())
    events = host.events(process)
    assert exit_code(events) == 128 + signal.SIGKILL
    assert data(events).startswith(b"before")
    assert not host.wait(process.terminate())


def test_termination_takes_the_group_with_it(host: Host, tmp_path: Path) -> None:
    process = host.sh("sleep 60 & echo $!; wait")
    child = int(host.wait_for_output(process, b"\n"))
    host.wait(process.terminate())
    host.events(process)
    wait_until(lambda: not is_running(child))


def test_termination_of_what_has_ended_does_nothing(host: Host, tmp_path: Path) -> None:
    process = host.sh(f"({UNTIL_GO}; echo late) & exit 5")
    host.wait_for(process, Exited)
    assert not host.wait(process.terminate())
    (tmp_path / "go").touch()
    events = host.events(process)
    assert (data(events), exit_code(events)) == (b"late\n", 5)


def test_what_left_the_group_does_not_hold_up_the_close_after_a_termination(host: Host, tmp_path: Path) -> None:
    process = host.sh(f"setsid sh -c 'echo $$; {UNTIL_GO}' & wait; sleep 60")
    child = int(host.wait_for_output(process, b"\n"))
    host.wait(process.terminate())
    assert isinstance(host.events(process)[-1], Closed)
    assert is_running(child)
    (tmp_path / "go").touch()
    wait_until(lambda: not is_running(child))


# -- the end


def test_output_of_a_child_comes_after_the_exit_and_delays_the_close(host: Host, tmp_path: Path) -> None:
    process = host.sh(f"echo early; ({UNTIL_GO}; echo late) & exit 3")
    host.wait_for(process, Exited)
    reading = host.wait(process.read(after_seq=1, wait_s=0))
    assert (reading.exit_code, reading.closed, reading.next_seq) == (3, False, 3)
    (tmp_path / "go").touch()
    assert host.events(process) == [
        Output(1, "stdout", b"early\n"),
        Exited(2, 3, False),
        Output(3, "stdout", b"late\n"),
        Closed(4),
    ]


def test_who_waits_for_the_close_gets_it_while_it_runs_and_afterwards(host: Host, tmp_path: Path) -> None:
    process = host.sh(f"{UNTIL_GO}; echo x")

    async def scenario() -> None:
        waiting = asyncio.create_task(process.wait_closed())
        await process.read(wait_s=0.05)
        assert not waiting.done()
        (tmp_path / "go").touch()
        await waiting
        await process.wait_closed()

    host.wait(scenario())
    assert host.wait(process.read()).closed


def test_a_discarded_process_is_gone_at_once(host: Host) -> None:
    process = host.sh("echo $$; exec sleep 60")
    pid = int(host.wait_for_output(process, b"\n"))
    host.wait(process.discard())
    wait_until(lambda: not is_running(pid))


# -- reading


def three_chunks(host: Host, end: str = "") -> Process:
    """Write three chunks, each once the one before has been taken."""
    process = host.sh(f"echo one; read x; echo two; read x; echo three; read x; {end}", pipe_stdin=True)
    for number, text in enumerate((b"one", b"two", b"three"), 1):
        host.wait_for_output(process, text)
        if number < 3:
            host.wait(process.write(b"\n", str(number)))
    return process


def test_reading_starts_after_a_number_and_consumes_nothing(host: Host) -> None:
    process = three_chunks(host)
    for after in (0, 0, 1, 2, 3, 4, 2**64 - 1):
        reading = host.wait(process.read(after_seq=after))
        assert [chunk.seq for chunk in reading.chunks] == [1, 2, 3][after:]
        assert (reading.next_seq, reading.exit_code, reading.closed) == (4, None, False)


@pytest.mark.parametrize(
    ("after", "limit", "seqs", "next_seq"),
    [
        (0, 0, [1], 2),
        (0, 3, [1], 2),
        (0, 7, [1], 2),
        (0, 8, [1, 2], 3),
        (1, 0, [2], 3),
        (1, 10, [2, 3], 4),
        (0, 13, [1, 2], 3),
        (0, 14, [1, 2, 3], 4),
        (0, 2**64 - 1, [1, 2, 3], 4),
        (3, 0, [], 4),
        (2**64 - 1, 5, [], 4),
    ],
)
def test_a_limit_of_bytes_leaves_at_least_one_chunk_whole(
    host: Host, after: int, limit: int, seqs: list[int], next_seq: int
) -> None:
    reading = host.wait(three_chunks(host).read(after_seq=after, max_bytes=limit))
    assert ([chunk.seq for chunk in reading.chunks], reading.next_seq) == (seqs, next_seq)


def test_reading_waits_for_output_and_no_longer_than_it_was_told(host: Host) -> None:
    process = host.sh("read x; echo now; read x", pipe_stdin=True)
    began = time.monotonic()
    assert host.wait(process.read(wait_s=0.1)) == ([], 1, None, False, False, False)
    assert time.monotonic() - began > 0.09  # a loop counts in milliseconds

    async def scenario() -> list[Output]:
        reading = asyncio.create_task(process.read(wait_s=1e12))
        await process.write(b"\n", "1")
        return (await reading).chunks

    assert host.wait(scenario()) == [Output(1, "stdout", b"now\n")]


def test_reading_returns_for_an_exit_that_is_news_and_then_waits_for_the_close(host: Host, tmp_path: Path) -> None:
    process = host.sh(f"({UNTIL_GO}) & exit 4")
    news = host.wait(process.read(wait_s=60))
    assert news == ([], 2, 4, False, False, False)
    assert not host.wait(process.read(after_seq=1, wait_s=0.05)).closed
    (tmp_path / "go").touch()
    assert host.wait(process.read(after_seq=1, wait_s=60)) == ([], 3, 4, True, False, False)
    assert host.wait(process.read(after_seq=99, wait_s=60)).closed


# -- following


def test_whoever_follows_from_now_misses_what_was_before(host: Host) -> None:
    process = three_chunks(host)
    now = host.wait(process.read()).next_seq - 1
    host.wait(process.write(b"\n", "last"))
    assert [event.seq for event in host.events(process, now)] == [4, 5]
    assert [event.seq for event in host.events(process)] == [1, 2, 3, 4, 5]


def test_following_after_the_close_ends_at_once(host: Host) -> None:
    process = host.sh("")
    last = host.events(process)[-1].seq
    assert host.events(process, last) == []


def test_several_follow_at_once_and_each_gets_everything(host: Host) -> None:
    process = host.sh("read x; seq 20000", pipe_stdin=True)

    async def scenario() -> list[list[Event]]:
        following = [asyncio.create_task(collect(process)) for _ in range(3)]
        await process.write(b"\n", "1")
        return await asyncio.gather(*following)

    one, two, three = host.wait(scenario())
    assert one == two == three
    assert data(one) == b"".join(b"%d\n" % number for number in range(1, 20001))


async def collect(process: Process) -> list[Event]:
    return [event async for event in process.follow()]


@pytest.mark.parametrize("tty", [False, True])
def test_much_output_comes_whole_and_in_order(host: Host, tty: bool) -> None:
    expected = b"".join(b"%d\n" % number for number in range(1, 400_001))
    process = host.start("seq", "400000", tty=tty)
    events = host.events(process)
    assert data(events).replace(b"\r\n", b"\n") == expected
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert data(host.events(process)) == data(events)


def test_much_output_can_be_read_page_by_page(host: Host) -> None:
    process = host.start("seq", "200000")
    host.wait(process.wait_closed())
    pages: list[Output] = []
    while page := host.wait(process.read(after_seq=pages[-1].seq if pages else 0, max_bytes=100_000)).chunks:
        assert sum(len(chunk.data) for chunk in page) <= 100_000
        pages += page
    assert data([*pages]) == b"".join(b"%d\n" % number for number in range(1, 200_001))


# -- what cannot be started


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("name", "cwd", "kind"),
    [
        ("/nowhere/program", "", FileNotFoundError),
        ("{}/file", "", PermissionError),
        ("{}", "", PermissionError),
        ("{}/rubbish", "", OSError),
        ("{}/file/below", "", NotADirectoryError),
    ],
)
def test_what_is_no_program_is_a_builtin_exception(
    host: Host, tmp_path: Path, name: str, cwd: str, kind: type[OSError], tty: bool
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "rubbish").write_text("rubbish")
    (tmp_path / "rubbish").chmod(0o755)
    with pytest.raises(kind) as caught:
        host.start(name.format(tmp_path), tty=tty)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno


def test_a_name_that_is_nowhere_on_path_is_a_builtin_exception(host: Host) -> None:
    with pytest.raises(FileNotFoundError):
        host.start("no-such-program")
    with pytest.raises(WireError, match="No viable candidates found in PATH"):
        host.start("no-such-program", tty=True)


@pytest.mark.parametrize(("cwd", "kind"), [("missing", FileNotFoundError), ("file", NotADirectoryError)])
def test_a_working_folder_that_is_none_is_a_builtin_exception(
    host: Host, tmp_path: Path, cwd: str, kind: type[OSError]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(kind):
        host.start("true", cwd=f"{tmp_path}/{cwd}")


def test_a_terminal_whose_folder_is_none_starts_at_home(host: Host, tmp_path: Path) -> None:
    process = host.start("pwd", cwd=f"{tmp_path}/missing", tty=True, env={"HOME": "/usr"})
    assert data(host.events(process)) == b"/usr\r\n"
    with pytest.raises(FileNotFoundError):
        host.start("pwd", cwd=f"{tmp_path}/missing", tty=True, env={"HOME": "/nowhere"})


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("argv", [[], [""], ["a\0b"], ["true", "a\0b"]])
def test_an_impossible_command_is_refused(host: Host, argv: list[str], tty: bool) -> None:
    with pytest.raises(WireError):
        host.start(*argv, tty=tty)


@pytest.mark.parametrize("env", [{"A": "a\0b"}, {"A\0B": "x"}])
def test_an_impossible_variable_is_refused(host: Host, env: dict[str, str]) -> None:
    with pytest.raises(WireError, match="nul byte"):
        host.start("true", env=env)


def test_a_command_that_is_too_large_is_a_builtin_exception_and_harms_nothing(host: Host) -> None:
    other = host.start("cat", pipe_stdin=True)
    with pytest.raises(OSError, match="too long"):
        host.start("true", *["x" * 100_000] * 40)
    assert host.wait(other.read()).exit_code is None


@pytest.mark.parametrize("tty", [False, True])
def test_a_name_of_nothing_harms_no_other_process(host: Host, tty: bool) -> None:
    other = host.start("cat", pipe_stdin=True)
    with pytest.raises((OSError, WireError)):
        host.start("true", arg0="", tty=tty)
    assert host.events(host.sh("exit 0"))[-2:]
    assert host.wait(other.read()).exit_code is None


# -- names and variables


def test_with_pipes_arg0_is_what_a_program_sees_as_its_name(host: Host) -> None:
    assert data(host.events(host.sh("echo $0", arg0="another"))) == b"another\n"


def test_with_a_terminal_arg0_is_the_program_that_runs(host: Host) -> None:
    assert data(host.events(host.start("cat", "a", "b", arg0="echo", tty=True))) == b"a b\r\n"


def test_without_a_policy_variables_are_what_was_given(host: Host) -> None:
    events = host.events(host.start("/usr/bin/env", env={"B": "2", "A": ""}, default_env=False))
    assert sorted(data(events).splitlines()) == [b"A=", b"B=2"]
    assert data(host.events(host.start("/usr/bin/env", default_env=False))) == b""


def test_a_policy_makes_variables_from_those_of_the_machine(host: Host) -> None:
    policy = EnvPolicy(
        inherit="all",
        ignore_default_excludes=False,
        exclude=["home"],
        assign={"SET_TOKEN": "kept", "SET": "x", "OTHER": "x"},
        include_only=["path", "HOME", "set*", "OTH?R"],
    )
    command: dict[str, Any] = {"env_policy": policy, "env": {"OTHER": "mine", "X_KEY": "kept"}, "default_env": False}
    variables = dict(
        line.split("=", 1) for line in data(host.events(host.start("/usr/bin/env", **command))).decode().splitlines()
    )
    assert variables == {
        "PATH": os.environ["PATH"],
        "SET_TOKEN": "kept",
        "SET": "x",
        "OTHER": "mine",
        "X_KEY": "kept",
    }


def test_variables_and_arguments_may_hold_any_text(host: Host) -> None:
    text = 'ünï \U0001f600\n"new" line'
    assert data(host.events(host.sh('printf %s "$A$0"', arg0=text, env={"A": text}))) == text.encode() * 2


# -- starting


def test_many_start_at_once_and_none_is_mistaken_for_another(host: Host) -> None:
    async def one(index: int) -> tuple[bytes, int]:
        process = await host.starting(["sh", "-c", f"echo {index}; exit {index}"])
        events = await collect(process)
        return data(events), exit_code(events)

    async def scenario() -> list[tuple[bytes, int]]:
        return await asyncio.gather(*(one(index) for index in range(40)))

    assert host.wait(scenario()) == [(b"%d\n" % index, index) for index in range(40)]


def test_a_start_that_is_given_up_leaves_nothing_running(host: Host, tmp_path: Path) -> None:
    """What starts after them is started by the time that they were, if they were."""
    mark = str(tmp_path / "mark")

    async def scenario() -> None:
        for turns in range(12):
            starting = asyncio.ensure_future(host.starting(["sh", "-c", "sleep 60; :", mark]))
            for _ in range(turns):
                await asyncio.sleep(0)
            if not starting.cancel():
                await (await starting).discard()
                continue
            with pytest.raises(asyncio.CancelledError):
                await starting
        await (await host.starting(["true"])).wait_closed()

    host.wait(scenario())
    wait_until(lambda: not running_with(mark), host)


def running_with(word: str) -> list[int]:
    found: list[int] = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and word.encode() in Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] not in b"ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds: Callable[[], bool], host: Host | None = None) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        if host is not None:
            host.wait(asyncio.sleep(0.01))
        else:
            time.sleep(0.005)
