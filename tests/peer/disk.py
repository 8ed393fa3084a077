"""Make a case's tree, describe it afterwards, remove it. Names may be any bytes (surrogateescape)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable

from .cases import Dir, Entry, File, Json, Link, Special, Tree

_WHOLE_BYTES = 4096  # longer files are described by their hash
_HASHED_BYTES = 64 * 1024 * 1024  # longer ones by size alone
_DEVICES = {"null": (1, 3), "zero": (1, 5)}
_KINDS = {
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "block",
}


class CannotMakeError(Exception):
    """The tree needs a right that we do not have."""


def make(tree: Tree, places: dict[str, str]) -> None:
    """Make the tree; modes of directories come last, so that a read-only one can be filled."""
    modes: list[tuple[str, int]] = []
    for name, entry in tree.items():
        path = locate(name, places)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _make_one(path, entry, places)
        if isinstance(entry, Dir) and entry.mode != 0o755:
            modes.append((path, entry.mode))
    for path, mode in reversed(modes):
        os.chmod(path, mode)


def locate(name: str, places: dict[str, str]) -> str:
    if name.startswith("${"):
        return fill(name, places)
    return os.path.join(places["${ROOT}"], name)


def fill(text: str, places: dict[str, str]) -> str:
    for key, value in places.items():
        text = text.replace(key, value)
    return text


def _make_one(path: str, entry: Entry, places: dict[str, str]) -> None:
    if isinstance(entry, str):
        entry = File(fill(entry, places).encode())
    if isinstance(entry, File):
        with open(path, "wb") as file:
            file.write(entry.content)
            if entry.size is not None:
                file.truncate(entry.size)
        os.chmod(path, entry.mode)
    elif isinstance(entry, Dir):
        os.makedirs(path, exist_ok=True)
    elif isinstance(entry, Link):
        os.symlink(fill(entry.target, places), path)
    else:
        _make_special(path, entry)


def _make_special(path: str, entry: Special) -> None:
    if entry.kind == "fifo":
        os.mkfifo(path)
    elif entry.kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o755)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*_DEVICES[entry.kind]))
        except PermissionError as error:
            raise CannotMakeError(f"a device needs root: {path}") from error


def describe(root: str) -> dict[str, Json]:
    """Every path below `root` with its kind, mode and content or target; paths may be longer than the kernel takes."""
    found: dict[str, Json] = {}
    for directory, names, others, descriptor in os.fwalk(root):
        for name in names + others:
            path = os.path.relpath(os.path.join(directory, name), root)
            with contextlib.suppress(FileNotFoundError):  # a mount point that a sandbox has just given up (row 9)
                found[path] = _describe_one(name, descriptor)
    return dict(sorted(found.items()))


def _describe_one(name: str, directory: int) -> Json:
    info = os.stat(name, dir_fd=directory, follow_symlinks=False)
    mode = f"{stat.S_IMODE(info.st_mode):04o}"
    if stat.S_ISLNK(info.st_mode):
        return ["link", os.readlink(name, dir_fd=directory)]
    if stat.S_ISDIR(info.st_mode):
        return ["dir", mode]
    if stat.S_ISREG(info.st_mode):
        return ["file", mode, info.st_size, _content(name, directory, info.st_size)]
    return [_KINDS.get(stat.S_IFMT(info.st_mode), "?"), mode]


def _content(name: str, directory: int, size: int) -> str:
    if size > _HASHED_BYTES:
        return "large"
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
    except PermissionError:
        return "unreadable"
    with os.fdopen(descriptor, "rb") as file:
        data = file.read()
    return ascii(data) if size <= _WHOLE_BYTES else hashlib.sha256(data).hexdigest()


def remove(path: str) -> None:
    """Remove a tree whatever its modes are; a path that is not there is fine."""
    if not os.path.lexists(path):
        return
    if os.geteuid() != 0:
        _unlock(path)
    shutil.rmtree(path, onerror=_fail_unless_gone)


def _fail_unless_gone(_call: Callable[..., object], _path: str, raised: tuple[object, BaseException, object]) -> None:
    if not isinstance(raised[1], FileNotFoundError):
        raise raised[1]


def _unlock(path: str) -> None:
    for directory, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(directory, name)
            with contextlib.suppress(OSError):
                if not os.path.islink(inner):
                    os.chmod(inner, 0o700)
