"""Sessions: what of a client outlives its connection.

    state      event    becomes    otherwise
    -          open     ATTACHED
    ATTACHED   detach   DETACHED
    ATTACHED   attach              refused, -32010: it belongs to another connection
    DETACHED   attach   ATTACHED
    DETACHED   expire   EXPIRED    from the instant detached + TTL on
    EXPIRED    attach              refused, -32600: unknown

Expiry is decided when somebody asks, by the clock that is handed in: at the boundary itself the session is gone,
whether or not anybody has cleared it away yet.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ..protocol.errors import INVALID_REQUEST, SESSION_ATTACHED, WireError

SESSION_TTL_S = 80.0


class State(Enum):
    ATTACHED = "attached"
    DETACHED = "detached"
    EXPIRED = "expired"


class Event(Enum):
    ATTACH = "attach"
    DETACH = "detach"
    EXPIRE = "expire"


TRANSITIONS = {
    (State.ATTACHED, Event.DETACH): State.DETACHED,
    (State.DETACHED, Event.ATTACH): State.ATTACHED,
    (State.DETACHED, Event.EXPIRE): State.EXPIRED,
}


@dataclass(slots=True)
class Session:
    """One session. `expires_at` counts on the registry's clock, in seconds, while it is detached."""

    id: str
    state: State = State.ATTACHED
    expires_at: float | None = None

    def apply(self, event: Event) -> bool:
        """Follow the table; false when it has no such step."""
        following = TRANSITIONS.get((self.state, event))
        if following is None:
            return False
        self.state = following
        return True


class SessionRegistry:
    """All sessions of a server.

    Args:
        clock: Seconds that only grow, `time.monotonic`.
        ttl_s: How long a detached session can be resumed.
    """

    def __init__(self, clock: Callable[[], float], ttl_s: float = SESSION_TTL_S) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._sessions: dict[str, Session] = {}

    def open(self) -> Session:
        """Begin a session, attached to whoever asks. Its id cannot be guessed: it is all a resume has to show."""
        self.expire()
        session = Session(str(uuid.uuid4()))
        self._sessions[session.id] = session
        return session

    def resume(self, identifier: str) -> Session:
        """Attach a detached session.

        Raises:
            WireError: -32010 when it is attached elsewhere, -32600 when it is unknown or has expired.
        """
        self.expire()
        session = self._sessions.get(identifier)
        if session is None:
            raise WireError(INVALID_REQUEST, f"unknown session id {identifier}")
        if not session.apply(Event.ATTACH):
            raise WireError(SESSION_ATTACHED, f"session {identifier} is already attached to another connection")
        session.expires_at = None
        return session

    def detach(self, session: Session) -> None:
        """Let go of a session whose connection has ended; from now on it can be resumed for the TTL."""
        if session.apply(Event.DETACH):
            session.expires_at = self._clock() + self._ttl_s

    def expire(self) -> list[Session]:
        """Forget the sessions whose time is up, and return them."""
        now = self._clock()
        gone = [
            session
            for session in self._sessions.values()
            if session.expires_at is not None and now >= session.expires_at
        ]
        for session in gone:
            session.apply(Event.EXPIRE)
            del self._sessions[session.id]
        return gone

    def next_expiry(self) -> float | None:
        """Return when `expire` next has something to do, on the registry's clock."""
        return min((s.expires_at for s in self._sessions.values() if s.expires_at is not None), default=None)
