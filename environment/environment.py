"""A machine: what it says of itself and what can be done on it."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocol.environment import EnvironmentInfo
from .filesystem import FileSystem
from .process import Processes


@dataclass(frozen=True, slots=True)
class Environment:
    """One machine, this one or another: whoever holds it need not know which."""

    info: EnvironmentInfo
    filesystem: FileSystem
    processes: Processes
