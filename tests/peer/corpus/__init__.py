"""The corpus: envelope to sandboxed files, and processes. Every module gives its cases from `cases()`."""

from __future__ import annotations

from ..cases import Case
from . import (
    envelope,
    files_change,
    files_copy,
    files_read,
    frames,
    handshake,
    http_surface,
    limits,
    names,
    ours,
    processes_child,
    processes_env,
    processes_life,
    processes_read,
    processes_sandbox,
    processes_session,
    processes_start,
    processes_types,
    processes_write,
    sandbox_battery,
    sandbox_errors,
    sandbox_policies,
    sandbox_protected,
    types,
    uris,
    walks,
)

_MODULES = (
    http_surface,
    handshake,
    envelope,
    frames,
    types,
    uris,
    names,
    files_read,
    files_change,
    files_copy,
    walks,
    sandbox_errors,
    sandbox_protected,
    sandbox_policies,
    sandbox_battery,
    limits,
    processes_child,
    processes_env,
    processes_life,
    processes_read,
    processes_sandbox,
    processes_session,
    processes_start,
    processes_types,
    processes_write,
)


def all_cases() -> list[Case]:
    """Every case; names are unique, since recorded answers are kept by name."""
    found = [ours.on_purpose(case) for module in _MODULES for case in module.cases()]
    seen: set[str] = set()
    for case in found:
        if case.name in seen:
            raise ValueError(f"two cases are named {case.name!r}")
        seen.add(case.name)
    return found
