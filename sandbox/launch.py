"""From a command to the same command under bwrap: argv, environment, working folder. Pure but for open files.

The helper is started by `sys.executable -I`: without it a `json.py` in the working folder would run inside.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .allowlist import helper_environment
from .bwrap import OpenEmpty, arguments
from .plan import Plan
from .search import Bwrap

HELPER_COMMAND = (sys.executable, "-I", "-m", "codex_py", "fs-helper")


@dataclass(frozen=True, slots=True)
class Launch:
    """What will be executed. `environment` is complete: nothing is inherited beside it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str


def helper_launch(environment: Mapping[str, str], command: tuple[str, ...] = HELPER_COMMAND) -> Launch:
    """Describe the helper as it would run without a sandbox, with the whole environment of the server."""
    return Launch(command, dict(environment), "/")


def sandboxed(launch: Launch, plan: Plan, bwrap: Bwrap, open_empty: OpenEmpty) -> Launch:
    """Put a helper launch under bwrap: allowed variables only, and the guard that completes the mounts.

    Args:
        launch: The helper without a sandbox.
        plan: What it may reach.
        bwrap: The bubblewrap to use.
        open_empty: See `bwrap.arguments`.
    """
    argv = (bwrap.path, *arguments(plan, open_empty), *launch.argv, *_guard(plan))
    # The working folder is `/`: it exists under every policy, and nothing in it can be imported.
    return Launch(argv, helper_environment(launch.environment), "/")


def _guard(plan: Plan) -> tuple[str, ...]:
    """Tell the helper which directories its roots must be and which names it must not create."""
    if not plan.roots and not plan.reserved:
        return ()
    roots = [{"path": root.path, **root.identity._asdict()} for root in plan.roots]
    reserved = [{**item.directory._asdict(), "name": item.name} for item in plan.reserved]
    return ("--guard", json.dumps({"roots": roots, "reserved": reserved}, separators=(",", ":")))


def open_empty_file() -> int:
    """Open an empty file for a child to inherit."""
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.set_inheritable(descriptor, True)
    return descriptor
