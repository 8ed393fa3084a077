"""What this machine says of itself.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

import hashlib
import os
import pwd
import socket
from collections.abc import Mapping

from ..protocol.environment import EXECUTOR_VERSION, EnvironmentInfo, Shell
from ..protocol.path_uri import PathUri

_FALLBACK_SHELLS = ("/usr/bin/bash", "/bin/bash", "/bin/sh")
_NO_LOGIN = frozenset({"nologin", "false"})
_MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


def describe(environment: Mapping[str, str], cwd: str | None) -> EnvironmentInfo:
    """Describe this machine and user.

    Args:
        environment: The server's environment variables.
        cwd: The server's working folder; None when it no longer exists.
    """
    tmpdir = environment.get("TMPDIR")
    base = cwd or "/"
    return EnvironmentInfo(
        shell=_login_shell(),
        executor_version=EXECUTOR_VERSION,
        provider_id=_provider_id(),
        cwd=None if cwd is None else PathUri.from_native(cwd),
        user_home_dir=PathUri.from_native(os.path.join(base, _home(environment))),
        platform_os="linux",
        temporary_directories=(PathUri.from_native(os.path.normpath(os.path.join(base, tmpdir))),) if tmpdir else (),
        temp_dir=PathUri.from_native(os.path.normpath(os.path.join(base, "/tmp" if tmpdir is None else tmpdir))),  # noqa: S108
    )


def _login_shell() -> Shell:
    """Return the shell of the password database; `$SHELL` may be whatever started us."""
    try:
        path = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        path = ""
    if not os.access(path, os.X_OK) or os.path.basename(path) in _NO_LOGIN:
        path = next((shell for shell in _FALLBACK_SHELLS if os.access(shell, os.X_OK)), "/bin/sh")
    return Shell(name=os.path.basename(path), path=path)


def _home(environment: Mapping[str, str]) -> str:
    if environment.get("HOME"):
        return environment["HOME"]
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"


def _provider_id() -> str:
    """Return an id of this host, the same for every user; the machine id itself is not given away."""
    return "sha256:" + hashlib.sha256(b"codex-py provider " + _machine_id()).hexdigest()


def _machine_id() -> bytes:
    for path in _MACHINE_ID_FILES:
        try:
            with open(path, "rb") as file:
                text = file.read(64).strip()
        except OSError:
            continue  # the next one, and in the end the host name
        if text:
            return text
    return socket.gethostname().encode("utf-8", "surrogateescape")
