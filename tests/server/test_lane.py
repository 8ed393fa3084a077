"""File operations of one connection take effect in order, unless one of them blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from codex_py.server.lane import Lane


def test_operations_run_one_after_the_other_in_the_order_of_their_calls() -> None:
    async def scenario() -> list[str]:
        lane, trace = Lane(patience_s=60), list[str]()

        def work(name: str, turns: int) -> Callable[[], Awaitable[None]]:
            async def steps() -> None:
                trace.append(f"{name} begins")
                for _ in range(turns):
                    await asyncio.sleep(0)
                trace.append(f"{name} ends")

            return steps

        await asyncio.gather(*(lane.run(work(name, turns)) for name, turns in [("a", 9), ("b", 0), ("c", 3)]))
        return trace

    assert asyncio.run(scenario()) == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


def test_an_operation_that_blocks_holds_up_the_next_one_only_for_the_patience() -> None:
    async def scenario() -> list[str]:
        lane, trace, release = Lane(patience_s=0.01), list[str](), asyncio.Event()

        async def stuck() -> None:
            await release.wait()
            trace.append("stuck")

        async def quick() -> None:
            trace.append("quick")

        first = asyncio.create_task(lane.run(stuck))
        await asyncio.sleep(0)
        for _ in range(3):
            await lane.run(quick)
        release.set()
        await first
        return trace

    assert asyncio.run(scenario()) == ["quick", "quick", "quick", "stuck"]


def test_an_operation_that_fails_or_is_cancelled_lets_the_next_one_go() -> None:
    async def scenario() -> str:
        lane = Lane(patience_s=60)

        async def fail() -> None:
            raise OSError("no")

        async def wait() -> None:
            await asyncio.Event().wait()

        async def quick() -> str:
            return "done"

        failed = asyncio.create_task(lane.run(fail))
        waiting = asyncio.create_task(lane.run(wait))
        last = asyncio.create_task(lane.run(quick))
        await asyncio.wait((failed,))
        assert isinstance(failed.exception(), OSError)
        waiting.cancel()
        return await last

    assert asyncio.run(scenario()) == "done"
