"""A connection answers, calls, and ends, over transports in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from harness.memory import MemoryTransport, pair

from codex_py.protocol.methods import Method
from codex_py.protocol.wire import Wire
from codex_py.rpc import connection
from codex_py.rpc.connection import PROTOCOL_ERROR, Connection, ProtocolViolation
from codex_py.rpc.router import Pool, Router


class Number(Wire):
    value: int


DOUBLE = Method("test/double", Number, Number, "test")
WAIT = Method("test/wait", type(None), Number, "test")
FIRST = Method("test/first", type(None), Number, "test")


class OpenPeer:
    """A peer that lets everything through and takes no notification."""

    def __init__(self, *, strict: bool = True) -> None:
        self.router = Router()
        self.strict = strict

    def admit(self, method: Method[Any, Any]) -> None:
        """Let it through."""

    def notified(self, method: str, params: bytes) -> None:
        raise ProtocolViolation(f"no notification `{method}` is known")

    def describe(self) -> str:
        return "memory"


class Wired:
    """A served connection and the bare transport at its other end."""

    def __init__(self, peer: OpenPeer, concurrent_requests: int = 64) -> None:
        served, self.transport = pair()
        self.served = served
        self.connection = Connection(served, peer, concurrent_requests=concurrent_requests)
        self.serving = asyncio.create_task(self.connection.serve())

    async def say(self, message: object) -> None:
        await self.transport.send(json.dumps(message).encode())

    async def hear(self) -> Any:
        async with asyncio.timeout(5):
            frame = await self.transport.incoming.get()
        return None if frame is None else json.loads(frame)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


async def double(number: Number) -> Number:
    return Number(value=2 * number.value)


def test_a_request_is_answered() -> None:
    async def scenario() -> None:
        peer = OpenPeer()
        peer.router.add(DOUBLE, double)
        wired = Wired(peer)
        await wired.say({"id": 7, "method": "test/double", "params": {"value": 21}})
        assert await wired.hear() == {"id": 7, "result": {"value": 42}}

    run(scenario)


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"method": "nope"}, -32601, "exec-server stub does not implement `nope` yet"),
        ({"method": "test/double"}, -32602, "Expected `object`, got `null`"),
        ({"method": "test/double", "params": {}}, -32602, "missing field `value`"),
        ({"method": "test/double", "params": {"value": "x"}}, -32602, "`value`: expected `int`, got `str`"),
    ],
)
def test_a_bad_request_is_answered_and_the_next_one_works(request_: dict[str, Any], code: int, text: str) -> None:
    async def scenario() -> None:
        peer = OpenPeer()
        peer.router.add(DOUBLE, double)
        wired = Wired(peer)
        await wired.say({"id": 1, **request_})
        assert await wired.hear() == {"id": 1, "error": {"code": code, "message": text}}
        await wired.say({"id": 2, "method": "test/double", "params": {"value": 1}})
        assert await wired.hear() == {"id": 2, "result": {"value": 2}}

    run(scenario)


def test_a_frame_that_is_no_message_is_answered_with_the_id_minus_one() -> None:
    async def scenario() -> None:
        wired = Wired(OpenPeer())
        await wired.say([1])
        answer = await wired.hear()
        assert (answer["id"], answer["error"]["code"]) == (-1, -32600)
        assert answer["error"]["message"].startswith(
            "failed to parse websocket JSON-RPC message from exec-server memory: "
        )

    run(scenario)


def test_a_handler_that_fails_unexpectedly_is_an_internal_error() -> None:
    async def scenario() -> None:
        async def broken(_: None) -> Number:
            raise ZeroDivisionError("by design")

        peer = OpenPeer()
        peer.router.add(FIRST, broken)
        wired = Wired(peer)
        await wired.say({"id": 1, "method": "test/first"})
        assert (await wired.hear())["error"] == {
            "code": -32603,
            "message": "internal error: ZeroDivisionError: by design",
        }

    run(scenario)


def test_a_request_that_waits_delays_no_other() -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        async def wait(_: None) -> Number:
            await release.wait()
            return Number(value=0)

        peer = OpenPeer()
        peer.router.add(WAIT, wait)
        peer.router.add(DOUBLE, double)
        wired = Wired(peer)
        await wired.say({"id": "slow", "method": "test/wait"})
        await wired.say({"id": "fast", "method": "test/double", "params": {"value": 1}})
        assert (await wired.hear())["id"] == "fast"
        release.set()
        assert (await wired.hear())["id"] == "slow"

    run(scenario)


class Gate:
    """A handler that waits until it is opened, and counts who came."""

    def __init__(self) -> None:
        self.came = 0
        self._open = asyncio.Event()

    async def wait(self, _: None) -> Number:
        self.came += 1
        await self._open.wait()
        return Number(value=self.came)

    def open(self) -> None:
        self._open.set()


async def everything_read(wired: Wired, left: int = 0) -> None:
    """Let the connection read until so many frames are left, and whatever it began come to rest."""
    while wired.served.incoming.qsize() > left:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)


def test_beyond_the_limit_of_its_pool_a_request_waits_its_turn() -> None:
    async def scenario() -> None:
        gate, peer = Gate(), OpenPeer()
        peer.router.add(WAIT, gate.wait)
        wired = Wired(peer, concurrent_requests=2)
        for identifier in range(4):
            await wired.say({"id": identifier, "method": "test/wait"})
        await everything_read(wired)
        assert gate.came == 2
        gate.open()
        assert [(await wired.hear())["id"] for _ in range(4)] == [0, 1, 2, 3]

    run(scenario)


@pytest.mark.parametrize("full", list(Pool))
def test_a_pool_that_is_full_holds_up_no_other(monkeypatch: pytest.MonkeyPatch, full: Pool) -> None:
    monkeypatch.setattr(connection, "WAITING_REQUESTS", 1)

    async def scenario() -> None:
        gate, peer = Gate(), OpenPeer()
        peer.router.add(WAIT, gate.wait, pool=full)
        for pool in Pool:
            peer.router.add(Method(f"test/{pool.value}", Number, Number, "test"), double, pool=pool)
        wired = Wired(peer, concurrent_requests=1)
        await wired.say({"id": "stuck", "method": "test/wait"})
        await wired.say({"id": full.value, "method": f"test/{full.value}", "params": {"value": 1}})
        others = [pool.value for pool in Pool if pool is not full]
        for name in others:
            await wired.say({"id": name, "method": f"test/{name}", "params": {"value": 1}})
        assert [(await wired.hear())["id"] for _ in others] == others
        gate.open()
        assert [(await wired.hear())["id"] for _ in range(2)] == ["stuck", full.value]

    run(scenario)


def test_what_has_no_pool_is_answered_before_the_next_message_is_looked_at() -> None:
    async def scenario() -> None:
        gate, peer = Gate(), OpenPeer()
        peer.router.add(WAIT, gate.wait, pool=None)
        peer.router.add(DOUBLE, double)
        wired = Wired(peer)
        await wired.say({"id": 1, "method": "test/wait"})
        await wired.say({"id": 2, "method": "test/double", "params": {"value": 1}})
        await everything_read(wired, left=1)
        assert wired.served.incoming.qsize() == 1
        gate.open()
        assert [(await wired.hear())["id"] for _ in range(2)] == [1, 2]

    run(scenario)


def test_beyond_the_limit_of_requests_in_all_no_frame_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELD_REQUESTS", 3)

    async def scenario() -> None:
        gate, peer = Gate(), OpenPeer()
        peer.router.add(WAIT, gate.wait)
        wired = Wired(peer, concurrent_requests=1)
        for identifier in range(6):
            await wired.say({"id": identifier, "method": "test/wait"})
        await everything_read(wired, left=2)  # three are held, and one waits in hand
        assert (gate.came, wired.served.incoming.qsize()) == (1, 2)
        gate.open()
        assert [(await wired.hear())["id"] for _ in range(6)] == list(range(6))

    run(scenario)


def test_beyond_the_limit_of_bytes_no_frame_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HELD_BYTES", 1000)

    async def scenario() -> None:
        started: list[int] = []
        release = asyncio.Event()

        async def wait(_: None) -> Number:
            started.append(1)
            await release.wait()
            return Number(value=0)

        peer = OpenPeer()
        peer.router.add(WAIT, wait)
        wired = Wired(peer)
        for identifier in range(3):
            await wired.say({"id": identifier, "method": "test/wait", "trace": {"tracestate": "x" * 600}})
        while not started or wired.served.incoming.qsize() > 1:
            await asyncio.sleep(0)
        assert len(started) == 1
        release.set()
        assert {(await wired.hear())["id"] for _ in range(3)} == {0, 1, 2}

    run(scenario)


def test_a_connection_whose_slots_are_all_stuck_still_ends() -> None:
    async def scenario() -> None:
        async def stuck(_: None) -> Number:
            await asyncio.Event().wait()
            raise AssertionError

        peer = OpenPeer()
        peer.router.add(WAIT, stuck)
        wired = Wired(peer, concurrent_requests=1)
        await wired.say({"id": 1, "method": "test/wait"})
        await wired.say({"id": 2, "method": "test/wait"})
        while wired.served.incoming.qsize():
            await asyncio.sleep(0)
        wired.transport.end()
        await wired.serving

    run(scenario)


def test_what_still_runs_when_the_connection_ends_is_cancelled() -> None:
    async def scenario() -> None:
        ended: list[str] = []
        running = asyncio.Event()

        async def wait(_: None) -> Number:
            running.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")
            raise AssertionError

        peer = OpenPeer()
        peer.router.add(WAIT, wait)
        wired = Wired(peer)
        await wired.say({"id": 1, "method": "test/wait"})
        await running.wait()
        wired.transport.end()
        await wired.serving
        assert ended == ["cancelled"]

    run(scenario)


@pytest.mark.parametrize("message", [{"method": "unknown"}, {"id": 5, "result": 1}])
def test_what_may_not_come_ends_a_strict_connection_with_a_reason(message: object) -> None:
    async def scenario() -> None:
        wired = Wired(OpenPeer(strict=True))
        await wired.say(message)
        await wired.serving
        assert wired.served.closed_with is not None
        assert wired.served.closed_with[0] == PROTOCOL_ERROR

    run(scenario)


def test_a_client_ignores_answers_nobody_waits_for() -> None:
    async def scenario() -> None:
        peer = OpenPeer(strict=False)
        peer.router.add(DOUBLE, double)
        wired = Wired(peer)
        await wired.say({"id": 5, "result": 1})
        await wired.say({"id": 6, "error": {"code": 1, "message": "x"}})
        await wired.say({"id": 1, "method": "test/double", "params": {"value": 1}})
        assert (await wired.hear())["id"] == 1

    run(scenario)


def joined(server: OpenPeer) -> tuple[Connection, Connection, MemoryTransport]:
    one, other = pair()
    client = Connection(one, OpenPeer(strict=False))
    serving = Connection(other, server)
    return client, serving, one


def test_a_call_returns_the_result_or_raises_the_error_as_a_builtin_exception() -> None:
    async def scenario() -> None:
        async def missing(_: None) -> Number:
            raise FileNotFoundError(2, "whatever")

        server = OpenPeer()
        server.router.add(DOUBLE, double)
        server.router.add(FIRST, missing)
        client, serving, transport = joined(server)
        tasks = [asyncio.create_task(client.serve()), asyncio.create_task(serving.serve())]
        assert await client.call(DOUBLE, Number(value=4)) == Number(value=8)
        with pytest.raises(FileNotFoundError):
            await client.call(FIRST, None)
        transport.end()
        await asyncio.gather(*tasks)

    run(scenario)


def test_a_call_whose_connection_ends_raises_and_so_does_the_next_one() -> None:
    async def scenario() -> None:
        async def wait(_: None) -> Number:
            transport.end()
            await asyncio.Event().wait()
            raise AssertionError

        server = OpenPeer()
        server.router.add(WAIT, wait)
        client, serving, transport = joined(server)
        tasks = [asyncio.create_task(client.serve()), asyncio.create_task(serving.serve())]
        with pytest.raises(ConnectionError):
            await client.call(WAIT, None)
        with pytest.raises(ConnectionError):
            await client.call(WAIT, None)
        await asyncio.gather(*tasks)

    run(scenario)
