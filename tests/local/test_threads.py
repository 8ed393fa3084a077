"""Blocking calls run in daemon threads, as many at once as are asked for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from codex_py.local.threads import BlockingCalls


def test_a_result_and_an_error_come_back() -> None:
    async def scenario() -> None:
        calls = BlockingCalls()
        assert await calls.run(lambda: 42) == 42
        with pytest.raises(FileNotFoundError):
            await calls.run(lambda: open("/does/not/exist").close())

    asyncio.run(scenario())


def test_calls_that_block_do_not_hold_up_others() -> None:
    async def scenario() -> None:
        calls, release = BlockingCalls(), threading.Event()
        stuck = [asyncio.create_task(calls.run(release.wait)) for _ in range(20)]
        assert await calls.run(lambda: "through") == "through"
        release.set()
        assert await asyncio.gather(*stuck) == [True] * 20

    asyncio.run(scenario())


def working_threads() -> set[int]:
    return {thread.ident or 0 for thread in threading.enumerate() if thread.name == "codex-py-blocking"}


def test_threads_are_used_again_and_only_a_few_stay_until_the_end() -> None:
    async def scenario() -> None:
        others = working_threads()
        calls = BlockingCalls(idle=2)
        used = {await calls.run(threading.get_ident) for _ in range(50)}
        assert len(used) <= 2
        barrier = threading.Barrier(10)
        await asyncio.gather(*(calls.run(barrier.wait) for _ in range(10)))
        while len(working_threads() - others) > 2:
            await asyncio.sleep(0)
        calls.close()
        while working_threads() - others:
            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_call_that_nobody_awaits_any_more_ends_unheard() -> None:
    async def scenario() -> None:
        calls, begun, release, done = BlockingCalls(), threading.Event(), threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            release.wait()
            done.set()

        task = asyncio.create_task(calls.run(slow))
        assert await calls.run(lambda: begun.wait(10))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        assert await calls.run(lambda: done.wait(10))

    asyncio.run(scenario())


def test_a_call_that_never_returns_does_not_keep_the_process_alive() -> None:
    program = (
        "import asyncio, threading\n"
        "from codex_py.local.threads import BlockingCalls\n"
        "async def main():\n"
        "    begun = threading.Event()\n"
        "    def stuck():\n"
        "        begun.set()\n"
        "        threading.Event().wait()\n"
        "    calls = BlockingCalls()\n"
        "    task = asyncio.create_task(calls.run(stuck))\n"
        "    await calls.run(begun.wait)\n"
        "asyncio.run(main())\n"
        "print('ended')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert (result.returncode, result.stdout) == (0, "ended\n"), result.stderr
