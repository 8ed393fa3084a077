"""The contract of processes: the same here and on another machine, sandboxed or not.

Everything a process says is an event, and events are numbered from 1 on without gaps: its output, chunk by chunk, its
exit, its close, which is last. Output may come after the exit, when something it started still holds its pipes. Reading
consumes nothing: whoever remembers the last number it saw can catch up.

What is retained is bounded. While somebody follows, a process whose output is not taken is slowed down, and nothing is
lost; while nobody does, it runs on, and what is beyond its budget is let go, the oldest first: a gap in the numbers.

What a method may raise:
  * `FileNotFoundError`, `PermissionError`, any `OSError` with its errno: what the system said when it was started
  * `StdinClosed`, of `write` alone: it has no stdin
  * `WireError`: it is nothing that can be started (-32602), or its sandbox was not there (-32603) or makes no sense
    (-32600, -32602)
  * `ConnectionError`, of a remote machine only: whether it was started is not known
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..protocol.process import EnvPolicy, SandboxType, Stream
from ..protocol.sandbox import SandboxContext

__all__ = [
    "Closed",
    "Command",
    "EnvPolicy",
    "Event",
    "Exited",
    "Output",
    "Process",
    "Processes",
    "Reading",
    "SandboxContext",
    "SandboxType",
    "Stream",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start.

    Attributes:
        argv: The program and its arguments. A program without a slash is looked up in the PATH of its own environment.
        cwd: Absolute native path of its working folder.
        env: Its variables; they win over whatever `env_policy` makes.
        env_policy: How it inherits the machine's variables; None: not at all.
        tty: Whether it gets a terminal, 24 rows and 80 columns, instead of pipes.
        pipe_stdin: Whether it can be written to without a terminal; else its stdin is empty. It never ends: the
            protocol knows no end of file.
        arg0: What it sees as its own name; with `tty` the program to run instead of the first of `argv`.
        sandbox: Where it may reach; None: wherever the machine's user may.
        enforce_managed_network: Whether it must not run without a managed proxy when it is sandboxed.
    """

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    env_policy: EnvPolicy | None = None
    tty: bool = False
    pipe_stdin: bool = False
    arg0: str | None = None
    sandbox: SandboxContext | None = None
    enforce_managed_network: bool = False


class Output(NamedTuple):
    """A piece of output, as it came from one read of the stream: 1 to 65,536 bytes."""

    seq: int
    stream: Stream
    data: bytes


class Exited(NamedTuple):
    """It has ended. `exit_code` is 128+N after signal N, -1 where it cannot be known.

    `sandbox_denied` guesses whether the sandbox was the reason: it failed, and its output speaks of a refusal.
    """

    seq: int
    exit_code: int
    sandbox_denied: bool


class Closed(NamedTuple):
    """It has ended and its output has, too. Nothing follows."""

    seq: int


Event = Output | Exited | Closed


# What one reading returns at most: it becomes one message, base64 with 75 bytes around a chunk, and the real client
# takes 64 MiB in a message. The reference retains no more chunks than that either.
READ_LIMIT_BYTES = 44 * 1024 * 1024
READ_LIMIT_CHUNKS = 50_000


class Reading(NamedTuple):
    """What `Process.read` found.

    Attributes:
        chunks: Retained output after the cursor, ascending.
        next_seq: The number of the next event; with `max_bytes`, or where the reading is cut, the one after the last
            chunk.
        exit_code: None while it runs.
        closed: Whether nothing more can come.
        sandbox_denied: See `Exited`.
        is_cut: Whether there is more than one reading returns. Exit and close are then told only if they come before
            `next_seq`: it is as if one had asked earlier.
    """

    chunks: list[Output]
    next_seq: int
    exit_code: int | None
    closed: bool
    sandbox_denied: bool
    is_cut: bool = False


class StdinClosed(Exception):
    """There is no stdin to write to: it was started with neither `tty` nor `pipe_stdin`."""

    def __init__(self) -> None:
        super().__init__("it has no stdin: it was started with neither tty nor pipe_stdin")


class Process(Protocol):
    """A process that was started. It runs on until it ends or is terminated, whoever forgets it."""

    @property
    def sandbox_type(self) -> SandboxType:
        """`none`, or what a sandbox on this machine is made of."""
        ...

    async def read(self, *, after_seq: int = 0, max_bytes: int | None = None, wait_s: float = 0.0) -> Reading:
        """Return retained output, waiting for some.

        It returns once there is output after `after_seq`, or the process has closed, or its exit is news (it comes
        after `after_seq`), or `wait_s` is over.

        Args:
            after_seq: The number of the last event that was seen; 0: none.
            max_bytes: Return chunks while their sum stays within this; the first one is returned whole in any case.
                More than `READ_LIMIT_BYTES` or `READ_LIMIT_CHUNKS` is returned to nobody at once.
            wait_s: How long to wait, in seconds; 0 does not wait.
        """
        ...

    def follow(self, after_seq: int = 0) -> AsyncGenerator[Event]:
        """Yield events as they come, up to `Closed`. While somebody follows, the process waits for the slowest.

        Close the generator (`contextlib.aclosing`) to stop following.

        Args:
            after_seq: The number of the last event before. What is no longer retained is left out.
        """
        ...

    async def write(self, data: bytes, write_id: str) -> None:
        """Queue bytes for its stdin, in the order of the calls; waits while too much is queued.

        Use a new id for each write, and the same one only to repeat it, when its answer was lost.

        An id that was accepted before (of the last 4,096) is accepted again without effect. What is written to a
        process that has ended, or closed its stdin, is lost.

        Raises:
            StdinClosed: it has no stdin.
            OSError: it was terminated, and this id is new (`failed to write to process stdin`, -32603).
        """
        ...

    async def interrupt(self) -> None:
        """Send SIGINT to its process group, as ^C does; harmless when it has ended."""
        ...

    async def terminate(self) -> bool:
        """Kill its process group with SIGKILL, and return true; return false, and do nothing, when it has ended.

        What it wrote stays readable. What left its group lives on, and does not hold up its close.
        """
        ...

    async def wait_closed(self) -> None:
        """Return once it has closed."""
        ...

    async def release(self) -> bool:
        """Let go of the output of a process that has closed; return whether something it started still runs."""
        ...

    async def discard(self) -> None:
        """Kill whatever is left of it, its descendants in its session included, and let go of its output."""
        ...


class Processes(Protocol):
    """Starts processes on one machine."""

    async def start(self, command: Command) -> Process:
        """Start a process; it has been executed when this returns.

        Of a sandboxed one its bubblewrap has: what is wrong with the program comes as its stderr and exit code, and ^C
        that is typed before it has its terminal is lost.

        When the caller is cancelled, whatever was started meanwhile is discarded.
        """
        ...
