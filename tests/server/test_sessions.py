"""The table of session states, with the clock in the test's hand."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from codex_py.protocol.errors import WireError
from codex_py.protocol.path_uri import PathUri
from codex_py.protocol.process import READ, START, WRITE, ReadParams, StartParams, WriteParams
from codex_py.protocol.session import INITIALIZE, INITIALIZED, InitializeParams
from codex_py.protocol.wire import Base64
from codex_py.server.client_peer import ClientPeer
from codex_py.server.process_table import ProcessTable
from codex_py.server.sessions import TRANSITIONS, Event, Session, SessionRegistry, State

from .fakes import COMMAND, Clock, FakeProcess, FakeProcesses, Hearer, machine, run, settle

TTL_S = 80.0


class Scene:
    """A registry, and everything it stands on."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.processes = FakeProcesses()
        self.buried: list[Session] = []
        self.sessions = SessionRegistry(self.clock, self.open_table, self.buried.append, TTL_S)

    def open_table(self) -> ProcessTable:
        return ProcessTable(self.processes, self.clock)

    def refused(self, identifier: str) -> tuple[int, str]:
        with pytest.raises(WireError) as caught:
            self.sessions.resume(identifier)
        return caught.value.code, caught.value.message


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_of_state_and_event_follows_the_table(state: State, event: Event) -> None:
    session = Session("id", Scene().open_table(), state)
    assert session.apply(event) is ((state, event) in TRANSITIONS)
    assert session.state is TRANSITIONS.get((state, event), state)


def test_the_table_is_the_documented_one() -> None:
    assert TRANSITIONS == {
        (State.ATTACHED, Event.DETACH): State.DETACHED,
        (State.DETACHED, Event.ATTACH): State.ATTACHED,
        (State.DETACHED, Event.EXPIRE): State.EXPIRED,
    }


def test_session_ids_are_random_uuids() -> None:
    sessions = Scene().sessions
    ids = {sessions.open().id for _ in range(50)}
    assert len(ids) == 50
    assert all(uuid.UUID(identifier).version == 4 for identifier in ids)


def test_an_attached_session_is_refused_to_others() -> None:
    scene = Scene()
    session = scene.sessions.open()
    text = f"session {session.id} is already attached to another connection"
    assert scene.refused(session.id) == (-32010, text)
    scene.sessions.detach(session)
    scene.sessions.resume(session.id)
    assert scene.refused(session.id) == (-32010, text)


def test_an_unknown_session_is_refused() -> None:
    assert Scene().refused("nobody") == (-32600, "unknown session id nobody")


@pytest.mark.parametrize(("after_s", "resumed"), [(0.0, True), (79.999, True), (80.0, False), (80.001, False)])
@pytest.mark.parametrize("ticked", [False, True])
def test_a_detached_session_can_be_resumed_until_its_time_is_up_and_not_at_that_instant(
    after_s: float, resumed: bool, ticked: bool
) -> None:
    scene = Scene()
    session = scene.sessions.open()
    scene.sessions.detach(session)
    scene.clock.now += after_s
    if ticked:
        scene.sessions.tick()
    if resumed:
        assert scene.sessions.resume(session.id) is session
        assert (session.state, session.expires_at, scene.buried) == (State.ATTACHED, None, [])
    else:
        assert scene.refused(session.id) == (-32600, f"unknown session id {session.id}")
        assert (session.state, scene.buried) == (State.EXPIRED, [session])


def test_each_detachment_starts_the_whole_time_again() -> None:
    scene = Scene()
    session = scene.sessions.open()
    for _ in range(3):
        scene.sessions.detach(session)
        scene.clock.now += TTL_S - 1
        scene.sessions.resume(session.id)
    scene.clock.now += 10 * TTL_S
    scene.sessions.tick()
    assert scene.buried == []


def test_a_session_that_is_detached_twice_keeps_its_time() -> None:
    scene = Scene()
    session = scene.sessions.open()
    scene.sessions.detach(session)
    scene.clock.now += 50
    scene.sessions.detach(session)
    assert scene.sessions.next_due() == 1000.0 + TTL_S


def test_what_is_due_next_is_the_earliest_end_of_a_session_or_of_a_retention() -> None:
    async def scenario() -> None:
        scene = Scene()
        one, other = scene.sessions.open(), scene.sessions.open()
        assert scene.sessions.next_due() is None
        scene.sessions.detach(one)
        scene.clock.now += 5
        scene.sessions.detach(other)
        assert scene.sessions.next_due() == 1000.0 + TTL_S
        scene.clock.now = 1000.0 + TTL_S
        scene.sessions.tick()
        assert scene.buried == [one]
        assert scene.sessions.next_due() == 1005.0 + TTL_S
        third = scene.sessions.open()
        await third.processes.start("a", COMMAND)
        scene.processes.started[0].end()
        await settle()
        scene.clock.now = 1005.0 + TTL_S
        scene.sessions.tick()
        assert scene.sessions.next_due() == 1000.0 + TTL_S + 80

    run(scenario)


def test_what_a_session_need_not_know_any_more_is_forgotten_while_it_is_detached() -> None:
    async def scenario() -> None:
        scene = Scene()
        session = scene.sessions.open()
        await session.processes.start("a", COMMAND)
        scene.processes.started[0].end()
        await settle()
        scene.clock.now += 10
        scene.sessions.detach(session)
        scene.clock.now += 70
        scene.sessions.tick()
        assert await session.processes.find("a") is None
        assert scene.sessions.resume(session.id) is session

    run(scenario)


def test_closing_gives_up_all_sessions_once_and_buries_none() -> None:
    scene = Scene()
    one, other = scene.sessions.open(), scene.sessions.open()
    scene.sessions.detach(other)
    assert scene.sessions.close() == [one, other]
    assert scene.sessions.close() == []
    scene.clock.now += 10 * TTL_S
    scene.sessions.tick()
    assert scene.buried == []
    assert scene.refused(other.id)[0] == -32600


class SessionsMachine(RuleBasedStateMachine):
    """Any order of opening, starting, detaching, resuming and time going by keeps to the table.

    A burial begins when the registry says so and takes until `finish_burials`; meanwhile processes are being killed,
    and whoever resumes must not see one of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.scene = Scene()
        self.attached: list[Session] = []
        self.detached: dict[str, float] = {}
        self.owned: dict[str, list[FakeProcess]] = {}

    def teardown(self) -> None:
        async def end() -> None:
            for session in [*self.scene.buried, *self.scene.sessions.close()]:
                await session.processes.destroy()

        self.runner.run(end())
        self.runner.close()

    @rule()
    def open(self) -> None:
        session = self.scene.sessions.open()
        self.attached.append(session)
        self.owned[session.id] = []

    @precondition(lambda self: self.attached)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        session = self.attached[data.draw(st.integers(0, len(self.attached) - 1))]
        self.runner.run(session.processes.start(str(len(self.owned[session.id])), COMMAND))
        self.owned[session.id].append(self.scene.processes.started[-1])

    @precondition(lambda self: self.attached)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        session = self.attached.pop(data.draw(st.integers(0, len(self.attached) - 1)))
        self.scene.sessions.detach(session)
        self.detached[session.id] = self.scene.clock.now + TTL_S

    @precondition(lambda self: self.detached)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        identifier = list(self.detached)[data.draw(st.integers(0, len(self.detached) - 1))]
        if self.scene.clock.now < self.detached.pop(identifier):
            session = self.scene.sessions.resume(identifier)
            assert not any(process.is_discarded for process in self.owned[identifier])
            self.attached.append(session)
        else:
            assert self.scene.refused(identifier) == (-32600, f"unknown session id {identifier}")

    @rule(seconds=st.sampled_from([0.0, 0.5, 40.0, 79.5, 79.999, 80.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.scene.clock.now += seconds

    @rule()
    def tick(self) -> None:
        self.scene.sessions.tick()
        assert all(session.expires_at is None for session in self.attached)

    @precondition(lambda self: self.scene.buried)
    @rule()
    def finish_burials(self) -> None:
        for session in self.scene.buried:
            self.runner.run(session.processes.destroy())
            assert all(process.is_discarded for process in self.owned[session.id])

    @invariant()
    def an_expired_session_is_buried_exactly_once(self) -> None:
        assert all(count == 1 for count in Counter(session.id for session in self.scene.buried).values())
        assert all(session.state is State.EXPIRED for session in self.scene.buried)

    @invariant()
    def nobody_who_is_attached_loses_a_process(self) -> None:
        assert all(session.state is State.ATTACHED for session in self.attached)
        assert not any(process.is_discarded for session in self.attached for process in self.owned[session.id])


test_any_order_of_events_keeps_to_the_table = SessionsMachine.TestCase


class Peers:
    """Clients of one registry, as the server sees them, without connections."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.environment = machine(self.scene.processes)

    async def connect(self, resume: str | None = None) -> tuple[ClientPeer, str]:
        peer = ClientPeer(self.environment, self.scene.sessions, "test")
        peer.speak_by(Hearer().tell)
        opened = await peer.router.route(INITIALIZE.name).handler(
            InitializeParams(client_name="test", resume_session_id=resume)
        )
        peer.notified(INITIALIZED.name, b"null")
        return peer, opened.session_id


async def answered(peer: ClientPeer, params: ReadParams) -> object:
    """Answer a reading as a connection does: wait, then read."""
    route = peer.router.route(READ.name)
    assert route.until is not None
    await route.until(params)
    return await route.handler(params)


START_PARAMS = StartParams(process_id="a", argv=["program"], cwd=PathUri.from_native("/"), env={}, tty=False)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        (START.name, START_PARAMS),
        (READ.name, ReadParams(process_id="a")),
        (WRITE.name, WriteParams(process_id="a", chunk=Base64(b"x"), write_id="1")),
    ],
)
def test_a_client_whose_session_was_resumed_elsewhere_is_refused(method: str, params: object) -> None:
    async def scenario() -> None:
        peers = Peers()
        first, session = await peers.connect()
        await first.router.route(START.name).handler(START_PARAMS)
        first.detach()
        await peers.connect(session)
        with pytest.raises(WireError) as caught:
            await first.router.route(method).handler(params)
        assert (caught.value.code, caught.value.message) == (
            -32600,
            "session has been resumed by another connection",
        )
        assert peers.scene.processes.started[0].writes == []

    run(scenario)


def test_a_long_poll_that_waited_while_its_session_was_resumed_elsewhere_is_refused_what_it_found() -> None:
    async def scenario() -> None:
        peers = Peers()
        first, session = await peers.connect()
        await first.router.route(START.name).handler(START_PARAMS)
        poll = asyncio.ensure_future(answered(first, ReadParams(process_id="a", after_seq=0, wait_ms=5000)))
        await settle()
        first.detach()
        second, _ = await peers.connect(session)
        peers.scene.processes.started[0].say(b"for the second one")
        with pytest.raises(WireError, match="session has been resumed by another connection"):
            await poll
        found = await second.router.route(READ.name).handler(ReadParams(process_id="a"))
        assert [chunk.chunk for chunk in found.chunks] == [b"for the second one"]

    run(scenario)


def test_the_late_end_of_a_connection_does_not_detach_a_session_that_another_one_has() -> None:
    async def scenario() -> None:
        peers = Peers()
        first, session = await peers.connect()
        first.detach()
        await peers.connect(session)
        first.detach()
        assert peers.scene.refused(session)[0] == -32010

    run(scenario)
