"""Processes of this machine: from a command to a process that runs.

    command -> variables, program, folder (child_environment, program)
            -> sandbox? (sandbox/processes) -> pipes or a terminal -> spawn -> RunningProcess

Source: exec-server 0.169.0, observed, for the order of checks, the texts, and what a child finds.
Differs: a managed network, which there is none of, is refused for sandboxed processes instead of failing inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
import struct
import termios
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from ..environment.process import Command, Process
from ..protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, WireError
from ..protocol.process import SandboxType, Stream
from ..sandbox.processes import ProcessLaunch, ProcessSandbox, Program
from .child_environment import child_environment
from .output_log import OUTPUT_BUDGET_BYTES, OutputLog
from .program import find_program, folder_to_start_in
from .running_process import Ends, RunningProcess
from .spawn import Child, Spawner, SpawnFailed
from .threads import BlockingCalls

logger = logging.getLogger("codex_py.local")

TERMINAL_ROWS, TERMINAL_COLUMNS = 24, 80


@dataclass(frozen=True, slots=True)
class Account:
    """Whom processes run as, and what they inherit.

    Attributes:
        environment: The server's variables.
        shell: The login shell; programs with a terminal are told of it.
        home: Where a terminal starts whose working folder is none.
    """

    environment: Mapping[str, str]
    shell: str
    home: str


class LocalProcesses:
    """The contract of processes, on this machine. Call `close` at the end: it kills everything that was started.

    Args:
        account: Whom processes run as.
        spawner: What starts them.
        sandbox: What confines those that have a policy.
        calls: For whatever may block.
        spool_folder: Where output goes that does not stay in memory; None: the system's temporary folder.
        output_budget: Bytes of output that are retained of each process.
    """

    def __init__(
        self,
        account: Account,
        spawner: Spawner,
        sandbox: ProcessSandbox,
        calls: BlockingCalls,
        *,
        spool_folder: str | None = None,
        output_budget: int = OUTPUT_BUDGET_BYTES,
    ) -> None:
        self._account = account
        self._spawner = spawner
        self._sandbox = sandbox
        self._calls = calls
        self._spool_folder = spool_folder
        self._output_budget = output_budget
        self._background: set[asyncio.Task[None]] = set()
        self._releases: set[_Once] = set()  # of what was made on the disk for sandboxes that are not gone yet

    async def start(self, command: Command) -> Process:
        _require_sense(command)
        starting = asyncio.ensure_future(self._start(command))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._discard_started)
            raise

    def close(self) -> None:
        """Kill everything that was started and wait until it is gone, five seconds at most."""
        self._spawner.close()
        try:
            for release in list(self._releases):
                release()  # where one cannot, none can: the register is the same, and each would wait for its lock
        except (OSError, WireError) as error:
            logger.warning("what sandboxes had on the disk could not be given up: %s", error)

    def _discard_started(self, starting: asyncio.Future[Process]) -> None:
        """Make an end of what was started after its caller had gone."""
        if not starting.cancelled() and starting.exception() is None:
            self._in_background(starting.result().discard())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _start(self, command: Command) -> Process:
        environment = child_environment(self._account.environment, command.env_policy, command.env)
        if command.tty:
            environment.setdefault("SHELL", self._account.shell)
        _require_no_nul(command, environment)
        if self._sandbox.confines(command.sandbox):
            return await self._start_confined(command, environment)
        path, cwd = await self._calls.run(partial(self._find, command, environment))
        name = path if command.tty and command.argv[0].startswith(".") else command.argv[0]
        argv = (name if command.arg0 is None else command.arg0, *command.argv[1:])
        return await self._spawn(command, Child(path, argv, environment, cwd, ()), is_confined=False)

    def _find(self, command: Command, environment: Mapping[str, str]) -> tuple[str, str]:
        cwd = self._folder(command, environment)
        os.stat(os.path.join(cwd, "."))  # a folder that is none is the first thing to say
        name = command.arg0 if command.tty and command.arg0 is not None else command.argv[0]
        path = find_program(name, environment, cwd, tty=command.tty)
        _wait_until_it_opens(os.path.join(cwd, path))
        return path, cwd

    def _folder(self, command: Command, environment: Mapping[str, str]) -> str:
        return folder_to_start_in(command.cwd, environment, self._account.home, tty=command.tty)

    async def _start_confined(self, command: Command, environment: Mapping[str, str]) -> Process:
        cwd = await self._calls.run(partial(self._folder, command, environment))
        program = Program(tuple(command.argv), environment, cwd, command.arg0, command.tty)
        async with self._prepared(command, program) as launch:
            child = Child(launch.argv[0], launch.argv, launch.environment, cwd, launch.descriptors)
            release = None if launch.release is None else _Once(launch.release)
            process = await self._spawn(command, child, is_confined=True, release=release)
            if release is not None and not release.is_done:
                self._releases.add(release)
            return process

    @contextlib.asynccontextmanager
    async def _prepared(self, command: Command, program: Program) -> AsyncGenerator[ProcessLaunch]:
        assert command.sandbox is not None  # noqa: S101 - without one nothing is confined
        with contextlib.ExitStack() as stack:
            prepared = self._sandbox.prepared(command.sandbox, program)
            yield await self._calls.run(partial(stack.enter_context, prepared))

    async def _spawn(
        self, command: Command, child: Child, *, is_confined: bool, release: _Once | None = None
    ) -> Process:
        sandbox_type: SandboxType = "none" if command.sandbox is None else "linuxSeccomp"
        log = OutputLog(self._calls, self._spool_folder, self._output_budget)
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            sides = Sides(ours, theirs)
            ends, descriptors, terminal = (
                _terminal(sides, is_controlling=not is_confined) if command.tty else _pipes(sides, command.pipe_stdin)
            )
            ours.pop_all()  # they belong to the process from here on
            process = RunningProcess(self._spawner, log, ends, sandbox_type, is_confined=is_confined)
            whole = Child(
                child.path, child.argv, child.environment, child.cwd, (*descriptors, *child.descriptors), terminal
            )

            exited = process.exited if release is None else self._released_first(release, process)
            try:
                spawned, _ = await self._spawner.spawn(whole, exited)
            except SpawnFailed as error:
                process.abandon()
                raise OSError(error.errno, error.strerror) from error  # which becomes FileNotFoundError and the like
            except BaseException:
                process.abandon()
                raise
        process.began(spawned)
        return process

    def _released_first(self, release: _Once, process: RunningProcess) -> Callable[[int | None], None]:
        """Give up what a sandbox had on the disk before its end is told: whoever hears of it may remove the folder."""

        async def end(code: int | None) -> None:
            try:
                await self._calls.run(release)
            except (OSError, WireError) as error:
                logger.warning("what a sandbox had on the disk could not be given up: %s", error)
            finally:
                self._releases.discard(release)
                process.exited(code)

        return lambda code: self._in_background(end(code))


def _wait_until_it_opens(path: str) -> None:
    """Wait in this thread while the kernel keeps a program from being opened, for a lease or a dead disk.

    The spawner would wait as well, and everybody with it. What else is wrong with the program, the start says.
    """
    with contextlib.suppress(OSError, ValueError):
        if stat.S_ISREG(os.stat(path).st_mode):
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))


def _require_sense(command: Command) -> None:
    if not command.argv:
        raise WireError(INVALID_PARAMS, "argv must not be empty")
    if not command.argv[0]:
        raise WireError(INTERNAL_ERROR, f"missing program for {'PTY' if command.tty else 'pipe'} spawn")
    if command.arg0 == "" and (command.sandbox is not None or not command.tty):
        raise WireError(INTERNAL_ERROR, "arg0 must not be empty: a program needs a name to see as its own")
    if command.sandbox is not None and command.enforce_managed_network:
        raise WireError(
            INTERNAL_ERROR,
            "enforceManagedNetwork: there is no managed network on this server, and a sandboxed process must not run "
            "without it; leave the member out, and the sandbox's own network rule holds",
        )


def _require_no_nul(command: Command, environment: Mapping[str, str]) -> None:
    words = [*command.argv, command.arg0 or "", *(environment if command.tty else ())]
    if any("\0" in word for word in words):
        raise WireError(INTERNAL_ERROR, "nul byte found in provided data")
    if any("\0" in name or "\0" in value for name, value in environment.items()):
        text = "nul byte found in provided data" if command.tty else "data provided contains a nul byte"
        raise WireError(INTERNAL_ERROR, text)


class _Once:
    """A function that is called once, whoever calls it; others wait until it has been."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function
        self._lock = threading.Lock()

    @property
    def is_done(self) -> bool:
        return self._function is None

    def __call__(self) -> None:
        with self._lock:
            function, self._function = self._function, None
            if function is not None:
                function()


class Sides(NamedTuple):
    """What closes our side of pipes and terminals, if it comes to that, and the process's side, once it has it."""

    ours: contextlib.ExitStack
    theirs: contextlib.ExitStack

    def keep(self, ours: int, theirs: int) -> tuple[int, int]:
        self.ours.callback(os.close, ours)
        self.theirs.callback(os.close, theirs)
        os.set_blocking(ours, False)
        return ours, theirs


def _pipes(sides: Sides, pipe_stdin: bool) -> tuple[Ends, tuple[int, int, int], str]:
    """Open a pipe for each stream."""
    out, their_out = sides.keep(*os.pipe())
    err, their_err = sides.keep(*os.pipe())
    stdin: int | None = None
    if pipe_stdin:
        stdin, their_in = sides.keep(*reversed(os.pipe()))
    else:
        their_in = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        sides.theirs.callback(os.close, their_in)
    outputs: dict[int, Stream] = {out: "stdout", err: "stderr"}
    return Ends(outputs, stdin, None), (their_in, their_out, their_err), ""


def _terminal(sides: Sides, *, is_controlling: bool) -> tuple[Ends, tuple[int, ...], str]:
    """Open a terminal. Its other side stays open until the process has opened it, or we would read its end at once.

    A sandbox's bubblewrap gets it as three descriptors: inside, the program makes it its own.
    """
    ours, theirs = sides.keep(*os.openpty())
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", TERMINAL_ROWS, TERMINAL_COLUMNS, 0, 0))
    stdin = os.dup(ours)
    sides.ours.callback(os.close, stdin)
    ends = Ends({ours: "pty"}, stdin, ours)
    return (ends, (), os.ttyname(theirs)) if is_controlling else (ends, (theirs, theirs, theirs), "")
