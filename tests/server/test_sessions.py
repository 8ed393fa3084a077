"""The table of session states, with the clock in the test's hand."""

from __future__ import annotations

import itertools
import uuid

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from codex_py.protocol.errors import WireError
from codex_py.server.sessions import TRANSITIONS, Event, Session, SessionRegistry, State

TTL_S = 80.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def registry() -> tuple[SessionRegistry, Clock]:
    clock = Clock()
    return SessionRegistry(clock, TTL_S), clock


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_of_state_and_event_follows_the_table(state: State, event: Event) -> None:
    session = Session("id", state)
    assert session.apply(event) is ((state, event) in TRANSITIONS)
    assert session.state is TRANSITIONS.get((state, event), state)


def test_session_ids_are_random_uuids() -> None:
    sessions, _ = registry()
    ids = {sessions.open().id for _ in range(50)}
    assert len(ids) == 50
    assert all(uuid.UUID(identifier).version == 4 for identifier in ids)


def test_an_attached_session_is_refused_to_others() -> None:
    sessions, _ = registry()
    session = sessions.open()
    with pytest.raises(WireError) as caught:
        sessions.resume(session.id)
    assert caught.value.code == -32010
    assert caught.value.message == f"session {session.id} is already attached to another connection"


def test_an_unknown_session_is_refused() -> None:
    sessions, _ = registry()
    with pytest.raises(WireError, match="unknown session id nobody") as caught:
        sessions.resume("nobody")
    assert caught.value.code == -32600


@pytest.mark.parametrize(("after_s", "resumed"), [(0.0, True), (79.999, True), (80.0, False), (80.001, False)])
def test_a_detached_session_can_be_resumed_until_its_time_is_up_and_not_at_that_instant(
    after_s: float, resumed: bool
) -> None:
    sessions, clock = registry()
    session = sessions.open()
    sessions.detach(session)
    clock.now += after_s
    if resumed:
        assert sessions.resume(session.id) is session
        assert session.expires_at is None
    else:
        with pytest.raises(WireError, match="unknown session id"):
            sessions.resume(session.id)
        assert session.state is State.EXPIRED


def test_each_detachment_starts_the_whole_time_again() -> None:
    sessions, clock = registry()
    session = sessions.open()
    for _ in range(3):
        sessions.detach(session)
        clock.now += TTL_S - 1
        sessions.resume(session.id)
    clock.now += 10 * TTL_S
    assert sessions.expire() == []


def test_the_next_expiry_is_the_earliest() -> None:
    sessions, clock = registry()
    one, other = sessions.open(), sessions.open()
    assert sessions.next_expiry() is None
    sessions.detach(one)
    clock.now += 5
    sessions.detach(other)
    assert sessions.next_expiry() == 1000.0 + TTL_S
    clock.now = 1000.0 + TTL_S
    assert sessions.expire() == [one]
    assert sessions.next_expiry() == 1005.0 + TTL_S


class SessionsMachine(RuleBasedStateMachine):
    """Any order of opening, detaching, resuming and time going by keeps to the table."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions, self.clock = registry()
        self.attached: list[Session] = []
        self.detached: dict[str, float] = {}

    @rule()
    def open(self) -> None:
        self.attached.append(self.sessions.open())

    @precondition(lambda self: self.attached)
    @rule(data=st.data())
    def detach(self, data: st.DataObject) -> None:
        session = self.attached.pop(data.draw(st.integers(0, len(self.attached) - 1)))
        self.sessions.detach(session)
        self.detached[session.id] = self.clock.now + TTL_S

    @precondition(lambda self: self.detached)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        identifier = list(self.detached)[data.draw(st.integers(0, len(self.detached) - 1))]
        expected = self.clock.now < self.detached.pop(identifier)
        if expected:
            self.attached.append(self.sessions.resume(identifier))
        else:
            with pytest.raises(WireError, match="unknown session id"):
                self.sessions.resume(identifier)

    @rule(seconds=st.sampled_from([0.0, 0.5, 40.0, 79.5, 80.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def clear(self) -> None:
        gone = {session.id for session in self.sessions.expire()}
        assert gone <= self.detached.keys()
        assert all(self.detached[identifier] <= self.clock.now for identifier in gone)

    @invariant()
    def attached_sessions_never_expire(self) -> None:
        assert all(session.state is State.ATTACHED for session in self.attached)


test_any_order_of_events_keeps_to_the_table = SessionsMachine.TestCase
