"""One client as the server sees it: the handshake, the guards, and the routes it may call.

    connected --initialize--> opened --initialized--> ready

Before `ready` every other request is refused; what may not come at all ends the connection.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..environment.environment import Environment
from ..protocol.errors import INVALID_REQUEST, WireError
from ..protocol.methods import Method, Notice
from ..protocol.session import INITIALIZE, INITIALIZED, InitializeParams, InitializeResult
from ..protocol.wire import Wire
from ..rpc.connection import ProtocolViolation
from ..rpc.router import Router
from . import environment as environment_routes
from . import filesystem as filesystem_routes
from . import process as process_routes
from .lane import Lane
from .process_table import ProcessTable, Tell
from .sessions import Attachment, Session, SessionRegistry


class ClientPeer:
    """The peer of one connection. Call `speak_by` before it is served, and `detach` when it has ended."""

    strict = True

    def __init__(self, environment: Environment, sessions: SessionRegistry, address: str) -> None:
        self.router = Router()
        self._environment = environment
        self._sessions = sessions
        self._address = address
        self._session: Session | None = None
        self._attachment: Attachment | None = None
        self._tell: Tell = _nobody_hears
        self._ask_for_life: Callable[[], None] = lambda: None
        self._ready = False
        self.router.add(INITIALIZE, self._initialize, pool=None)
        environment_routes.add_routes(self.router, environment)
        filesystem_routes.add_routes(self.router, environment.filesystem, Lane())
        process_routes.add_routes(self.router, self._processes)

    def speak_by(self, tell: Tell, ask_for_life: Callable[[], None] = lambda: None) -> None:
        """Say how the client is told what it did not ask for, and asked whether it is there at all."""
        self._tell = tell
        self._ask_for_life = ask_for_life

    def admit(self, method: Method[Any, Any]) -> None:
        """Refuse what comes before its time."""
        if method is INITIALIZE or self._ready:
            return
        step = "call initialize" if self._session is None else "send initialized"
        raise WireError(INVALID_REQUEST, f"client must {step} before using {method.family} methods")

    def notified(self, method: str, params: bytes) -> None:  # noqa: ARG002 - params of `initialized` are ignored
        """Take `initialized`; nothing else may come."""
        if method != INITIALIZED.name:
            raise ProtocolViolation(f"the notification {method!r:.80} is not one a client may send")
        if self._session is None:
            raise ProtocolViolation("`initialized` came before a successful `initialize`")
        self._ready = True

    def describe(self) -> str:
        """Name the client for error texts."""
        return f"websocket {self._address}"

    def detach(self) -> None:
        """Let go of the session; it can be resumed on another connection."""
        if self._session is not None and self._session.attachment is self._attachment:
            self._sessions.detach(self._session)

    def _processes(self) -> ProcessTable:
        session = self._session
        if session is None or session.attachment is not self._attachment:
            raise WireError(INVALID_REQUEST, "session has been resumed by another connection")
        return session.processes

    async def _initialize(self, params: InitializeParams) -> InitializeResult:
        if self._session is not None:
            raise WireError(INVALID_REQUEST, "initialize may only be sent once per connection")
        if params.resume_session_id is None:
            session = self._sessions.open()
        else:
            session = self._sessions.resume(params.resume_session_id)
        self._session, self._attachment = session, session.attachment
        if self._attachment is not None:
            self._attachment.ask_for_life = self._ask_for_life
        session.processes.attach(self._tell)
        return InitializeResult(session_id=session.id, environment_info=self._environment.info)


async def _nobody_hears(notice: Notice[Any], params: Wire) -> None:  # noqa: ARG001 - it stands for `notify`
    raise ConnectionResetError("there is no connection to tell anything by")
