"""From a command to the same command under bwrap: argv, environment, working folder. Pure but for open files.

The helper is started by `python -I -S .../codex_py/__main__.py`. Without -I a `json.py` in the working folder would run
inside; without -S so would whatever a `.pth` file or a `sitecustomize` names, before the guard has looked (decision 6).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .allowlist import helper_environment
from .bwrap import OpenEmpty, arguments
from .plan import Plan, Reserved
from .search import Bwrap

_MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "__main__.py")
HELPER_COMMAND = (sys.executable, "-I", "-S", _MAIN, "fs-helper")


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
    told = {
        "roots": [{"path": root.path, **root.identity._asdict()} for root in plan.roots],
        "reserved": [_told(item) for item in plan.reserved],
        "kept": [_told(item) for item in plan.kept],
    }
    return ("--guard", json.dumps(told, separators=(",", ":")))


def _told(item: Reserved) -> dict[str, object]:
    return {**item.directory._asdict(), "name": item.name}


def open_empty_file() -> int:
    """Open an empty file for a child to inherit."""
    descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.set_inheritable(descriptor, True)
    return descriptor
