"""Which file a command executes, and where: looked up with the command's own variables and working folder.

With pipes a name without a slash is looked up in PATH, as the C library does. With a terminal, so is any name that is
neither absolute nor begins with `./` or `../`, and a folder that is none is replaced by home.

Source: exec-server 0.169.0, observed, for what is looked up where, and every text.
Differs: with a terminal, a file on PATH that is no program is an error of the start, not a process that ends with 1.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

from ..protocol.errors import INTERNAL_ERROR, WireError

# Where the C library of the reference looks when there is no PATH.
DEFAULT_PATH = "/usr/local/bin:/bin:/usr/bin"

_MISSING = "does not exist"

# How the reference quotes a PATH in a text.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"})

# The C library goes on to the next entry of PATH after these; the last one, or a refusal, is what it says in the end.
_GOES_ON = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES})


def find_program(name: str, environment: Mapping[str, str], cwd: str, *, tty: bool) -> str:
    """Return the path to execute, absolute or relative to `cwd`; it may block on the disk.

    Raises:
        OSError: there is nothing to execute by this name.
        WireError: -32603, the same with a terminal, in the words of the reference.
    """
    if name.startswith("/"):
        return name
    if tty:
        return _beside(cwd, name) if name.split("/")[0] in (".", "..") else _on_path(name, environment, cwd)
    if "/" in name:
        return name
    return _look_up(name, environment.get("PATH", DEFAULT_PATH), cwd)


def folder_to_start_in(cwd: str, environment: Mapping[str, str], home: str, *, tty: bool) -> str:
    """Return the working folder; it may block on the disk."""
    return environment.get("HOME", home) if tty and not os.path.isdir(cwd) else cwd


def _look_up(name: str, path: str, cwd: str) -> str:
    failure, is_refused = errno.ENOENT, False
    for folder in path.split(":"):
        candidate = f"{folder}/{name}" if folder else name  # as it stands in PATH: a script sees it
        try:
            mode = os.stat(os.path.join(cwd, candidate)).st_mode
        except OSError as error:
            failure = error.errno or errno.EIO
        else:
            if stat.S_ISREG(mode) and os.access(os.path.join(cwd, candidate), os.X_OK):
                return candidate
            failure = errno.EACCES
        is_refused |= failure == errno.EACCES
        if failure not in _GOES_ON:
            break
    number = errno.EACCES if is_refused and failure in _GOES_ON else failure
    raise OSError(number, os.strerror(number))


def _beside(cwd: str, name: str) -> str:
    path = os.path.join(cwd, name)
    trouble = _trouble(path)
    if trouble:
        raise WireError(INTERNAL_ERROR, f"Unable to spawn {path} because it {trouble}")
    return path


def _on_path(name: str, environment: Mapping[str, str], cwd: str) -> str:
    seen = [f"Unable to spawn {name} because:"]
    if "PATH" not in environment:
        raise WireError(INTERNAL_ERROR, "\n".join([*seen, "Unable to resolve the PATH"]))
    for folder in environment["PATH"].split(":"):
        candidate = os.path.join(cwd, folder, name)
        trouble = _trouble(candidate)
        if not trouble:
            return candidate
        if trouble != _MISSING:
            seen.append(f"{candidate} exists but {trouble}.")
    path = environment["PATH"].translate(_ESCAPES)
    raise WireError(INTERNAL_ERROR, "\n".join([*seen, f'No viable candidates found in PATH "{path}"']))


def _trouble(path: str) -> str:
    if os.path.isdir(path):
        return "is a directory"
    if not os.path.exists(path):
        return _MISSING
    return "" if os.access(path, os.X_OK) else "is not executable"
