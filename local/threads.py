"""Threads for system calls that may block, and that nobody can interrupt.

A call that hangs (a dead NFS server, a device) keeps its thread; others get another one, and the process can end
all the same, because these threads are daemons. `ThreadPoolExecutor` would wait for them at exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

IDLE_THREADS = 4

_Tell = Callable[[], None]
_Job = Callable[[], _Tell]


class BlockingCalls:
    """Runs functions in threads of its own: as many as calls at once; a few stay for the next ones, until `close`.

    How many calls there are at once is bounded by who calls: a connection has a limited number of requests.
    """

    def __init__(self, idle: int = IDLE_THREADS) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0  # threads with nothing to do, less jobs that are queued for them
        self._idle_limit = idle

    async def run(self, function: Callable[[], T]) -> T:
        """Call `function` in a thread. When the awaiting task is cancelled, the call goes on unheard."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> _Tell:
            try:
                value, error = function(), None
            except BaseException as caught:  # noqa: BLE001 - handed to the task that awaits it
                value, error = None, caught
            return partial(_tell, loop, future, value, error)

        self._submit(job)
        return await future

    def close(self) -> None:
        """Let the threads that wait for work end; those that are stuck in a call are left to it."""
        with self._lock:
            waiting, self._waiting, self._idle_limit = self._waiting, 0, 0
        for _ in range(waiting):
            self._jobs.put(None)

    def _submit(self, job: _Job) -> None:
        with self._lock:
            start = self._waiting == 0
            if not start:
                self._waiting -= 1
        if start:
            threading.Thread(target=self._work, args=(job,), daemon=True, name="codex-py-blocking").start()
        else:
            self._jobs.put(job)

    def _work(self, job: _Job | None) -> None:
        while job is not None:
            tell = job()
            with self._lock:
                stays = self._waiting < self._idle_limit
                self._waiting += stays
            tell()  # after the count, so that whoever hears of it finds this thread free
            if not stays:
                return
            job = self._jobs.get()


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], value: object, error: BaseException | None
) -> None:
    # The loop may have ended, and with it whoever waited.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, future, value, error)


def _settle(future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)
