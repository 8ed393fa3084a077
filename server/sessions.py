"""Sessions: what of a client outlives its connection.

    state      event    becomes    otherwise
    -          open     ATTACHED
    ATTACHED   detach   DETACHED
    ATTACHED   attach              refused, -32010: it belongs to another connection
    DETACHED   attach   ATTACHED
    DETACHED   expire   EXPIRED    from the instant detached + TTL on
    EXPIRED    attach              refused, -32600: unknown

Expiry is decided when somebody asks, by the clock that is handed in: at the boundary itself the session is gone,
whether or not anybody has cleared it away yet. It is gone before the first of its processes is killed, so whoever
resumes finds all of them or is refused.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ..protocol.errors import INVALID_REQUEST, SESSION_ATTACHED, WireError
from .process_table import ProcessTable

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


class Attachment:
    """A connection's hold on a session; worth nothing once the session is detached.

    Attributes:
        ask_for_life: Ends the connection soon, unless the client at its other end is alive.
    """

    def __init__(self) -> None:
        self.ask_for_life: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Session:
    """One session, and the processes it owns.

    Attributes:
        expires_at: While it is detached: when it will be gone, on the registry's clock.
        attachment: While it is attached: by whom.
    """

    id: str
    processes: ProcessTable
    state: State = State.ATTACHED
    expires_at: float | None = None
    attachment: Attachment | None = field(default_factory=Attachment)

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
        open_table: Makes the table of processes of a new session.
        bury: Called with a session that has expired; its processes are to be killed.
        ttl_s: How long a detached session can be resumed.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        open_table: Callable[[], ProcessTable],
        bury: Callable[[Session], None],
        ttl_s: float = SESSION_TTL_S,
    ) -> None:
        self._clock = clock
        self._open_table = open_table
        self._bury = bury
        self._ttl_s = ttl_s
        self._sessions: dict[str, Session] = {}

    def open(self) -> Session:
        """Begin a session, attached to whoever asks. Its id cannot be guessed: it is all a resume has to show."""
        self.tick()
        session = Session(str(uuid.uuid4()), self._open_table())
        self._sessions[session.id] = session
        return session

    def resume(self, identifier: str) -> Session:
        """Attach a detached session.

        Raises:
            WireError: -32010 when it is attached elsewhere, -32600 when it is unknown or has expired.
        """
        self.tick()
        session = self._sessions.get(identifier)
        if session is None:
            raise WireError(INVALID_REQUEST, f"unknown session id {identifier}")
        if not session.apply(Event.ATTACH):
            # Who resumes has given up its old connection, whose end may never have reached us.
            if session.attachment is not None:
                session.attachment.ask_for_life()
            raise WireError(SESSION_ATTACHED, f"session {identifier} is already attached to another connection")
        session.expires_at = None
        session.attachment = Attachment()
        return session

    def detach(self, session: Session) -> None:
        """Let go of a session whose connection has ended; from now on it can be resumed for the TTL."""
        if session.apply(Event.DETACH):
            session.processes.detach()
            session.attachment = None
            session.expires_at = self._clock() + self._ttl_s

    def tick(self) -> None:
        """Bury the sessions whose time is up, and let the others forget what they need not know any more."""
        now = self._clock()
        for session in list(self._sessions.values()):
            if session.expires_at is None or now < session.expires_at:
                session.processes.tick()
            else:
                session.apply(Event.EXPIRE)
                del self._sessions[session.id]
                self._bury(session)

    def next_due(self) -> float | None:
        """Return when `tick` next has something to do, on the registry's clock."""
        times = [time for s in self._sessions.values() for time in (s.expires_at, s.processes.next_due())]
        return min((time for time in times if time is not None), default=None)

    def close(self) -> list[Session]:
        """Give up all sessions, and return them: their processes are to be killed."""
        sessions, self._sessions = list(self._sessions.values()), {}
        return sessions
