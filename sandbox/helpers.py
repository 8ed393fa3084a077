"""The helpers of a server: an operation and a policy go in, the helper's answer comes out.

policy -> plan -> bwrap -> launch -> process -> answer
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Generator

import msgspec

from ..protocol.errors import from_wire
from ..protocol.sandbox import SandboxContext
from .disk import Disk, RealDisk
from .errors import HelperFailed, SandboxError
from .helper_process import Answer, HelperProcess
from .launch import Launch, open_empty_file, sandboxed
from .plan import Plan, Runtime
from .planner import make_plan
from .policy import Host, Policy, decide
from .search import BwrapSearch

HELPER_TIMEOUT_S = 600.0
_FURTHER_ATTEMPTS = 4
_OUT_OF_DATE = b"; try again\n"  # as `helper/guarding.py` says it

logger = logging.getLogger("codex_py.sandbox")


class _Payload(msgspec.Struct):
    operation: str | None = None
    response: msgspec.Raw = msgspec.Raw(b"{}")
    code: int = 0
    message: str = ""


class _Reply(msgspec.Struct):
    status: str
    payload: _Payload


class Helpers:
    """Runs file operations in helpers. One a server; `close` ends those that are running.

    Args:
        launch: A helper without a sandbox, with the server's environment; it gets the allowed part of it.
        runtime: Files of the interpreter.
        search: Where bubblewrap is found.
        timeout_s: A helper that has not answered by then is killed.
    """

    def __init__(
        self,
        launch: Launch,
        runtime: Runtime,
        search: BwrapSearch,
        *,
        disk: Disk | None = None,
        timeout_s: float = HELPER_TIMEOUT_S,
    ) -> None:
        self._host = Host(tmpdir=launch.environment.get("TMPDIR") or None)
        self._launch = launch
        self._runtime = runtime
        self._search = search
        self._disk = disk or RealDisk()
        self._timeout_s = timeout_s
        self._running: set[HelperProcess] = set()
        self._lock = threading.Lock()
        self._closed = False

    def _plan(self, policy: Policy) -> Plan:
        try:
            return make_plan(policy, self._runtime, self._disk)
        except OSError as error:
            raise SandboxError(f"cannot plan the sandbox: {error.filename}: {error.strerror}") from error

    @contextlib.contextmanager
    def prepared(self, context: SandboxContext) -> Generator[tuple[Launch, list[int]]]:
        """Build the launch for a context; the descriptors it names are open inside the `with` block.

        Raises:
            SandboxError: see `policy.decide`, `search.find` and `planner.make_plan`.
        """
        policy = decide(context, self._host)
        bwrap = self._search.find(policy)
        logger.info("sandboxed operation under %s (%s)", bwrap.path, bwrap.origin)
        descriptors: list[int] = []

        def open_empty() -> int:
            descriptors.append(open_empty_file())
            return descriptors[-1]

        try:
            yield sandboxed(self._launch, self._plan(policy), bwrap, open_empty), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def run(
        self,
        operation: str,
        params: bytes,
        context: SandboxContext,
        on_start: Callable[[HelperProcess], None] | None = None,
    ) -> bytes:
        """Carry out one operation in a helper of its own; blocks until it has answered.

        Args:
            operation: Method name, `fs/writeFile`.
            params: The method's params as JSON.
            context: What the caller sent, of a kind that confines (see `policy.way`).
            on_start: Called with the process, for a caller that may want to kill it; again with the next one.

        Returns:
            The `response` member of the helper's answer, as JSON.

        Raises:
            WireError: The operation's own error, or a `SandboxError` when there was no helper's answer.
        """
        request = b'{"operation":"%s","params":%s}' % (operation.encode(), params)
        answer = self._answer(request, context, on_start)
        for _ in range(_FURTHER_ATTEMPTS):
            if not _is_out_of_date(answer):
                break
            answer = self._answer(request, context, on_start)
        return _response(operation, answer)

    def _answer(
        self, request: bytes, context: SandboxContext, on_start: Callable[[HelperProcess], None] | None
    ) -> Answer:
        with self.prepared(context) as (launch, descriptors):
            process = self._start(launch, descriptors)
        try:
            if on_start is not None:
                on_start(process)
            return process.exchange(request, self._timeout_s)
        finally:
            with self._lock:
                self._running.discard(process)

    def close(self) -> None:
        """Kill the helpers that are running; further runs are refused."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            process.kill()

    def _start(self, launch: Launch, descriptors: list[int]) -> HelperProcess:
        with self._lock:
            if self._closed:
                raise SandboxError("the server is shutting down")
            try:
                process = HelperProcess(launch, descriptors)
            except OSError as error:
                raise HelperFailed(f"cannot start {launch.argv[0]}: {error.strerror}") from error
            self._running.add(process)
        return process


def _is_out_of_date(answer: Answer) -> bool:
    """Tell whether the helper ended before it did anything, because its plan was no longer that of the disk.

    It happens beside a process that starts or ends: protected names that do not exist have mount points as long as one
    runs. The next plan knows.
    """
    return answer.returncode == 1 and answer.stderr.endswith(_OUT_OF_DATE)


def _response(operation: str, answer: Answer) -> bytes:
    if answer.returncode != 0:
        raise HelperFailed(f"fs sandbox helper failed with status {_status(answer)}")
    try:
        reply = msgspec.json.decode(answer.stdout, type=_Reply)
    except msgspec.DecodeError as error:
        raise HelperFailed(
            f"failed to encode or decode fs sandbox helper message: {error}; it wrote {_excerpt(answer.stdout)}"
        ) from None
    if reply.status != "ok":
        raise from_wire(reply.payload.code, reply.payload.message)
    if reply.payload.operation != operation:
        raise HelperFailed(
            f"unexpected fs sandbox helper response: expected {operation}, got {reply.payload.operation}"
        )
    return bytes(reply.payload.response)


def _status(answer: Answer) -> str:
    complaint = answer.stderr.decode(errors="replace").strip()
    if answer.returncode >= 0:
        return f"exit status: {answer.returncode}: {complaint}"
    try:
        name = signal.Signals(-answer.returncode).name
    except ValueError:
        name = "unknown"
    return f"signal: {-answer.returncode} ({name}): {complaint}"


def _excerpt(raw: bytes, limit: int = 80) -> str:
    return repr(raw[:limit].decode(errors="replace")) + ("..." if len(raw) > limit else "")
