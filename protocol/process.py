"""The process methods: what is asked, what is answered, and what the server tells unasked.

A process is named by the client (`process_id`, any string, unique in its session); its output, its exit and its close
share one sequence of numbers from 1 on, without gaps, and the close has the last one.

Source: exec-server 0.169.0, observed.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from .environment import Shell
from .filesystem import Empty
from .methods import Method, Notice
from .path_uri import PathUri
from .sandbox import SandboxContext
from .wire import Base64, InvalidMember, Wire, require_u64

Stream = Literal["stdout", "stderr", "pty"]
SandboxType = Literal["none", "linuxSeccomp", "macosSeatbelt", "windowsRestrictedToken"]
WriteStatus = Literal["accepted", "unknownProcess", "stdinClosed", "starting"]

MAX_SCOPE_BYTES = 256
MAX_ID_BYTES = 16_384  # it comes with everything that the process says

_GROUPS = "-".join(f"[0-9a-f]{{{digits}}}" for digits in (8, 4, 4, 4, 12))
_UUID = re.compile(rf"[0-9a-f]{{32}}|{_GROUPS}|\{{{_GROUPS}\}}|(?-i:urn:uuid:){_GROUPS}", re.IGNORECASE)

Count = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class EnvPolicy(Wire):
    """How the variables of a process are made from the server's; `local/child_environment.py` has the steps.

    Patterns are whole names with `*` and `?`, letter case ignored.
    """

    inherit: Literal["all", "core", "none"]
    ignore_default_excludes: bool
    exclude: list[str]
    assign: dict[str, str] = field(name="set")
    include_only: list[str]


class ExecMetadata(Wire):
    """For telemetry of the caller; checked, and without effect."""

    thread_id: str | None = None
    tool_call_id: str | None = None

    def __post_init__(self) -> None:
        if self.thread_id is not None and not _UUID.fullmatch(self.thread_id):
            raise InvalidMember(f"`threadId`: `{self.thread_id:.80}` is no UUID")


class ShellSnapshotRequest(Wire):
    """Checked, and without effect: the capability `shellSnapshotV2` is false."""

    scope_id: str
    shell: Shell

    def __post_init__(self) -> None:
        if not 1 <= len(self.scope_id.encode()) <= MAX_SCOPE_BYTES:
            raise InvalidMember(f"shell snapshot scope must be non-empty and at most {MAX_SCOPE_BYTES} bytes")


class ManagedNetwork(Wire):
    """What a managed proxy would open; checked. There is no such proxy, and the sandbox's network stays closed."""

    loopback_ports: list[Port] = field(default_factory=list[Port])
    allow_local_binding: bool = False


class StartParams(Wire):
    """Start a process.

    Without `env_policy` the variables are exactly `env`. `arg0` is the name a program sees as its own; with `tty` it is
    the program that runs. With `tty` the process has a terminal of 24 rows and 80 columns of its own; else pipes, and
    stdin is `/dev/null` unless `pipe_stdin`.
    """

    process_id: str
    argv: list[str]
    cwd: PathUri
    env: dict[str, str]
    tty: bool
    metadata: ExecMetadata | None = None
    env_policy: EnvPolicy | None = None
    shell_snapshot: ShellSnapshotRequest | None = None
    pipe_stdin: bool = False
    arg0: str | None = None
    sandbox: SandboxContext | None = None
    enforce_managed_network: bool = False
    managed_network: ManagedNetwork | None = None
    network_proxy: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if len(self.process_id.encode()) > MAX_ID_BYTES:
            raise InvalidMember(f"`processId` may have {MAX_ID_BYTES} bytes at most")


class StartResult(Wire):
    """`sandbox_type` is `linuxSeccomp` whenever a sandbox context was given, also one that confines nothing."""

    process_id: str
    sandbox_type: SandboxType


class ReadParams(Wire):
    """Read what is retained of the output after a sequence number; see `environment/process.py`."""

    process_id: str
    after_seq: Count | None = None  # 0
    max_bytes: Count | None = None  # no limit
    wait_ms: Count | None = None  # 0

    def __post_init__(self) -> None:
        require_u64(afterSeq=self.after_seq or 0, maxBytes=self.max_bytes or 0, waitMs=self.wait_ms or 0)


class OutputChunk(Wire):
    """One piece of output."""

    seq: int
    stream: Stream
    chunk: Base64


class ReadResult(Wire):
    """Chunks in ascending order, and where the process stands now. A gap before the first chunk is output let go."""

    chunks: list[OutputChunk]
    next_seq: int
    exited: bool
    exit_code: int | None
    closed: bool
    failure: str | None
    sandbox_denied: bool


class WriteParams(Wire):
    """Write to stdin. The same `write_id` again is accepted and written once."""

    process_id: str
    chunk: Base64
    write_id: str


class WriteResult(Wire):
    """`accepted`: queued, or written before under this id."""

    status: WriteStatus


class SignalParams(Wire):
    process_id: str
    signal: Literal["interrupt"]


class TerminateParams(Wire):
    process_id: str


class TerminateResult(Wire):
    """Whether it had not exited yet."""

    running: bool


class OutputNotice(Wire):
    process_id: str
    seq: int
    stream: Stream
    chunk: Base64


class ExitedNotice(Wire):
    """`exit_code` is 128+N after signal N. Output may still come, with higher numbers."""

    process_id: str
    seq: int
    exit_code: int
    sandbox_denied: bool


class ClosedNotice(Wire):
    """The last word of a process: it has exited, and nothing holds its output open."""

    process_id: str
    seq: int


START = Method("process/start", StartParams, StartResult, "exec")
READ = Method("process/read", ReadParams, ReadResult, "exec")
WRITE = Method("process/write", WriteParams, WriteResult, "exec")
SIGNAL = Method("process/signal", SignalParams, Empty, "exec")
TERMINATE = Method("process/terminate", TerminateParams, TerminateResult, "exec")

OUTPUT = Notice("process/output", OutputNotice)
EXITED = Notice("process/exited", ExitedNotice)
CLOSED = Notice("process/closed", ClosedNotice)
