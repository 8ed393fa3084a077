"""The handshake: `initialize` and `initialized`.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

from .environment import EnvironmentInfo
from .methods import Method, Notice
from .wire import Wire


class InitializeParams(Wire):
    """Open a session, or resume the one named by `resume_session_id`."""

    client_name: str
    resume_session_id: str | None = None


class InitializeResult(Wire):
    """The session this connection is attached to. Send `initialized` before any other request."""

    session_id: str
    environment_info: EnvironmentInfo | None = None


INITIALIZE = Method("initialize", InitializeParams, InitializeResult, "session")
INITIALIZED = Notice("initialized", object)
