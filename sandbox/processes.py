"""Processes under bubblewrap: which need it, and how they are launched."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass

from ..protocol.sandbox import SandboxContext
from .disk import Disk
from .errors import UnenforceablePolicy
from .plan import Runtime
from .policy import way
from .search import BwrapSearch


@dataclass(frozen=True, slots=True)
class Program:
    """A command as it would run without a sandbox."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    arg0: str | None
    tty: bool


@dataclass(frozen=True, slots=True)
class ProcessLaunch:
    """What is executed instead. The descriptors are open, and become 3, 4 and so on."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...]


class ProcessSandbox:
    """Confines processes."""

    def __init__(
        self, environment: Mapping[str, str], runtime: Runtime, search: BwrapSearch, *, disk: Disk | None = None
    ) -> None:
        self._environment = environment

    def confines(self, context: SandboxContext | None) -> bool:
        """Tell whether a process with this context needs a sandbox."""
        return way(context).is_confined

    @contextlib.contextmanager
    def prepared(self, context: SandboxContext, program: Program) -> Generator[ProcessLaunch]:
        """Build the launch."""
        raise UnenforceablePolicy("sandboxed processes are not supported yet; nothing was run")
        yield
