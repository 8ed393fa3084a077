"""Start confined programs as the server does: descriptors at their numbers, pipes or a terminal of their own."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import codex_py
from codex_py.protocol import wire
from codex_py.protocol.sandbox import SandboxContext
from codex_py.sandbox.helpers import Helpers
from codex_py.sandbox.launch import helper_launch
from codex_py.sandbox.processes import ProcessSandbox, Program
from codex_py.sandbox.runtime import this_runtime
from codex_py.sandbox.search import BwrapSearch

PATIENCE_S = 30.0
_OUT_OF_THE_WAY = 300
PACKAGE = os.path.dirname(os.path.abspath(codex_py.__file__))


def bundled_bwrap() -> str:
    from codex_py.cli.assemble import bundled_bwrap as bundled

    found = bundled()
    assert found is not None, "no bwrap is bundled for this machine"
    return found


def sandbox(environment: Mapping[str, str] | None = None) -> ProcessSandbox:
    """A server's sandbox, with the machine's own bwrap or else the bundled one."""
    environment = dict(os.environ) if environment is None else environment
    bundled = bundled_bwrap()
    return ProcessSandbox(environment, this_runtime(PACKAGE, bundled), BwrapSearch(environment, bundled))


def helpers() -> Helpers:
    """A server's helpers, which run sandboxed file operations."""
    bundled, environment = bundled_bwrap(), dict(os.environ)
    return Helpers(helper_launch(environment), this_runtime(PACKAGE, bundled), BwrapSearch(environment, bundled))


def decoded(context: SandboxContext | Mapping[str, Any]) -> SandboxContext:
    return context if isinstance(context, SandboxContext) else wire.decode(wire.encode(context), SandboxContext)


@dataclass
class Running:
    """A confined program that was started.

    Attributes:
        pid: Of bubblewrap.
        ends: What its output comes from.
        terminal: Our side of its terminal, if it has one.
    """

    pid: int
    ends: list[int]
    terminal: int | None = None
    output: dict[int, bytearray] = field(default_factory=dict)
    code: int | None = None

    def type(self, text: bytes) -> None:
        assert self.terminal is not None
        os.write(self.terminal, text)

    def read_until(self, *wanted: bytes) -> bytes:
        """Read until all of `wanted` has come."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(word in self.text() for word in wanted):
            assert time.monotonic() < deadline, f"{wanted!r} did not come: {self.text()!r}"
            assert self._read_once() or all(word in self.text() for word in wanted), (
                f"it ended without {wanted!r}: {self.text()!r}"
            )
        return self.text()

    def text(self, end: int = 0) -> bytes:
        return bytes(self.output[self.ends[end]])

    def forget(self) -> None:
        for collected in self.output.values():
            collected.clear()

    def finish(self) -> int:
        """Read to the end, reap; return its exit code, negative for a signal."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read_once():
            assert time.monotonic() < deadline, f"it does not end: {self.text()!r}"
        return self.wait()

    def wait(self) -> int:
        if self.code is None:
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def kill(self) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _read_once(self) -> bool:
        """Read what has come; false at the end of everything."""
        still_open = [end for end in self.ends if end not in self._ended]
        if not still_open:
            return False
        for end in select.select(still_open, [], [], 1.0)[0]:
            try:
                piece = os.read(end, 65536)
            except OSError:  # EIO: the terminal's other side is closed
                piece = b""
            self.output[end] += piece
            if not piece:
                self._ended.add(end)
        return True

    def __post_init__(self) -> None:
        self._ended: set[int] = set()
        self.output = {end: bytearray() for end in self.ends}

    def close(self) -> None:
        self.kill()
        for end in self.ends:
            os.close(end)


@contextmanager
def running(
    context: SandboxContext | Mapping[str, Any],
    argv: Sequence[str],
    *,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    arg0: str | None = None,
    tty: bool = False,
    within: ProcessSandbox | None = None,
) -> Generator[Running]:
    """Start a confined program; it is killed when the block ends."""
    context = decoded(context)
    given = {"PATH": "/usr/bin:/bin"} if environment is None else environment
    program = Program(tuple(argv), given, cwd, arg0, tty)
    within = within or sandbox()
    assert within.confines(context)
    with within.prepared(context, program) as launch:
        started = _spawn(launch.argv, launch.environment, launch.descriptors, cwd, tty=tty)
    try:
        yield started
    finally:
        started.close()
        if launch.release is not None:
            launch.release()


@dataclass(frozen=True)
class Result:
    """How a program ended: its exit code, what it wrote to stdout (or its terminal) and to stderr."""

    code: int
    out: str
    err: str


def run(context: SandboxContext | Mapping[str, Any], argv: Sequence[str], **options: Any) -> Result:
    """Run a confined program to its end."""
    with running(context, argv, **options) as started:
        code = started.finish()
        texts = [started.text(end).decode() for end in range(len(started.ends))]
        return Result(code, texts[0], texts[1] if len(texts) > 1 else "")


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int], cwd: str, *, tty: bool
) -> Running:
    given = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for number in descriptors]
    further = [(os.POSIX_SPAWN_DUP2, source, 3 + number) for number, source in enumerate(given)]
    theirs: list[int]
    if tty:
        terminal, other = os.openpty()
        ends, theirs = [terminal], [other]
        streams: list[tuple[Any, ...]] = [
            (os.POSIX_SPAWN_DUP2, other, number)
            for number in (0, 1, 2)  # nobody's controlling one, as it is not opened
        ]
    else:
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        terminal, ends, theirs = None, [out, err], [their_out, their_err]
        streams = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, their_out, 1),
            (os.POSIX_SPAWN_DUP2, their_err, 2),
        ]
    defaults = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
    here = os.getcwd()
    os.chdir(cwd)
    try:
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            environment,
            file_actions=[*streams, *further],
            setsid=True,
            setsigmask=(),
            setsigdef=defaults,
        )
    finally:
        os.chdir(here)
        for number in (*given, *theirs):
            os.close(number)
    return Running(pid, ends, terminal)
