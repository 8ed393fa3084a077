"""One run of one helper: its request goes in, its answer comes out, within limits of time and size."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import IO

from .errors import HelperFailed, HelperTimedOut
from .launch import Launch

# The largest honest answer is a file of 512 MiB in base64; what is longer is no answer of ours.
ANSWER_LIMIT_BYTES = 768 * 1024 * 1024
STDERR_KEPT_BYTES = 16 * 1024
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """How a helper ended: its exit status as `subprocess` has it, and what it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


class HelperProcess:
    """A helper that is running. Call `exchange` once; `kill` may come from any thread at any time."""

    def __init__(self, launch: Launch, descriptors: Sequence[int] = ()) -> None:
        self._lock = threading.Lock()  # held to reap and to kill, so that no reaped pid is ever signalled
        self._popen = subprocess.Popen(
            launch.argv,
            env=dict(launch.environment),
            cwd=launch.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,  # the terminal's ^C is for the server, which then ends its helpers
            bufsize=0,
        )

    def exchange(self, request: bytes, timeout_s: float) -> Answer:
        """Write the request, read to the end, reap.

        Raises:
            HelperTimedOut: -32603; it was killed after `timeout_s`.
            HelperFailed: -32603; it was killed because it wrote more than an answer can be.
        """
        try:
            answer, complaint = self._converse(request, timeout_s)
        finally:
            self.kill()
            with self._lock:
                self._popen.wait()
            self._close_pipes()
        return Answer(self._popen.returncode, answer, complaint)

    def kill(self) -> None:
        """End it now, with everything it started; harmless when it has ended already."""
        with self._lock:
            if self._popen.returncode is None:
                os.killpg(self._popen.pid, signal.SIGKILL)

    def _converse(self, request: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        stdin, stdout, stderr = self._popen.stdin, self._popen.stdout, self._popen.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018 - PIPE above
        deadline = time.monotonic() + timeout_s
        answer, complaint, left = bytearray(), bytearray(), memoryview(request)
        with _descriptor_of_exit(self._popen.pid) as exited, selectors.DefaultSelector() as selector:
            os.set_blocking(stdin.fileno(), False)
            selector.register(stdin, selectors.EVENT_WRITE)
            for readable in (stdout, stderr, exited):
                selector.register(readable, selectors.EVENT_READ)
            while selector.get_map():
                events = selector.select(max(0.0, deadline - time.monotonic()))
                if not events and time.monotonic() >= deadline:
                    raise HelperTimedOut(
                        f"fs sandbox helper did not answer within {timeout_s:g} s and was killed; the "
                        "operation may have happened in part"
                    )
                for key, _ in events:
                    if key.fileobj is exited:
                        selector.unregister(exited)
                    elif key.fileobj is stdin:
                        left = self._feed(selector, stdin, left)
                    elif key.fileobj is stdout:
                        self._drain(selector, key, answer, ANSWER_LIMIT_BYTES + 1)
                    else:
                        self._drain(selector, key, complaint, STDERR_KEPT_BYTES)
                if len(answer) > ANSWER_LIMIT_BYTES:
                    raise HelperFailed(f"fs sandbox helper wrote more than {ANSWER_LIMIT_BYTES} bytes and was killed")
        return bytes(answer), bytes(complaint)

    @staticmethod
    def _feed(selector: selectors.BaseSelector, stdin: IO[bytes], left: memoryview) -> memoryview:
        try:
            left = left[os.write(stdin.fileno(), left[:_PIECE_BYTES]) :]
        except BrokenPipeError:
            left = left[:0]  # it will say why in its exit status
        if not left:
            selector.unregister(stdin)
            stdin.close()
        return left

    @staticmethod
    def _drain(selector: selectors.BaseSelector, key: selectors.SelectorKey, kept: bytearray, limit: int) -> None:
        piece = os.read(key.fd, _PIECE_BYTES)
        if piece:
            kept += piece[: limit - len(kept)]
        else:
            selector.unregister(key.fileobj)

    def _close_pipes(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def _descriptor_of_exit(pid: int) -> Generator[int]:
    """Open a descriptor that can be read once the process has ended; its status stays to be reaped."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
