"""Open names so that nothing blocks, no device is woken, and no link is followed that should not be.

Every creation goes through an open parent directory: the guard looks at that descriptor and the name is created
relative to it, so the parent cannot be swapped in between.
"""

from __future__ import annotations

import errno
import os
import stat

from ..protocol.errors import RequestRefused
from .guard import read_only

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .guard import Guard

# O_NONBLOCK: a FIFO or a device must never stop us. O_NOCTTY: a terminal must not become ours.
_COMMON = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
READ = os.O_RDONLY | _COMMON
WRITE = os.O_WRONLY | _COMMON
# O_PATH asks for search permission only, as a path does.
DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_LINKS = 40  # the kernel's own limit


class Opened:
    """A descriptor that a `with` block closes."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def split(path: str) -> tuple[str, str]:
    """Split an absolute, normalised path into the parent and the last name.

    Raises:
        RequestRefused: it is the root, which has no name.
    """
    parent, _, name = path.rpartition("/")
    if not name:
        raise RequestRefused("path must name an entry")
    return parent or "/", name


def open_directory(path: str, *, follow_symlinks: bool) -> int:
    """Open a directory as a place (O_PATH).

    Without following, each component is opened in the one before it, and a link among them is ENOTDIR.
    """
    if follow_symlinks:
        return os.open(path, DIRECTORY)
    here = os.open("/", DIRECTORY)
    for name in path.split("/"):
        if name:
            with Opened(here):
                here = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
    return here


def open_for_reading(path: str, *, follow_symlinks: bool) -> int:
    """Open a regular file for reading.

    Raises:
        RequestRefused: it is something else.
    """
    if follow_symlinks:
        refusal = f"path `{path}` is not a file"
        return _open_checked(path, READ, directory=None, refusal=refusal)
    parent, name = split(path)
    with Opened(open_directory(parent, follow_symlinks=False)) as directory:
        return open_child_for_reading(directory, name)


def open_child_for_reading(directory: int, name: str) -> int:
    """Open a regular file in a directory for reading; a link is ELOOP."""
    return _open_checked(name, READ | os.O_NOFOLLOW, directory=directory, refusal="path is not a regular file")


def open_for_writing(path: str, *, directory: int | None = None, guard: Guard | None = None, mode: int = 0o666) -> int:
    """Open a file for writing, following links, and create it if there is none; nothing is truncated yet.

    A character device is opened too: writing to /dev/null is what people do. Other special files are refused.

    Args:
        directory: where a relative path starts.
        mode: permission bits of a new file, before the umask.
    """
    refusal = f"path `{path}` is not a file"
    status = _status(path, directory)
    if status is not None:
        _refuse_special(status, refusal, writing=True)
    if guard is None:
        descriptor = _open(path, WRITE | os.O_CREAT, directory=directory, mode=mode)
    else:
        descriptor = _open_guarded(path, directory, guard, mode)
    return _checked(descriptor, refusal, writing=True)


def open_without_following(path: str, *, guard: Guard | None = None) -> int:
    """Open a regular file for writing where no component is a link; create it if there is none."""
    parent, name = split(path)
    refusal = "path is not a regular file"
    with Opened(open_directory(parent, follow_symlinks=False)) as directory:
        status = _status(name, directory, follow_symlinks=False)
        # A link and a directory have errors of their own, which opening gives.
        if status is not None and not (stat.S_ISLNK(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            _refuse_special(status, refusal)
        descriptor = _create(directory, name, guard, 0o666)
    return _checked(descriptor, refusal)


def is_regular(descriptor: int) -> bool:
    """Tell a regular file from a device."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def exists(directory: int, name: str) -> bool:
    """Tell whether a name is taken in a directory, if only by a dangling link."""
    return _status(name, directory, follow_symlinks=False) is not None


def _status(path: str, directory: int | None, *, follow_symlinks: bool = True) -> os.stat_result | None:
    try:
        return os.stat(path, dir_fd=directory, follow_symlinks=follow_symlinks)
    except (FileNotFoundError, NotADirectoryError):
        return None  # if it is more than a missing name, opening says so


def _open_guarded(path: str, directory: int | None, guard: Guard, mode: int) -> int:
    try:
        return _open(path, WRITE, directory=directory)
    except FileNotFoundError:
        return _create_through_links(path, directory, guard, mode, _MAX_LINKS)


def _create_through_links(path: str, directory: int | None, guard: Guard, mode: int, links_left: int) -> int:
    """Create a file by hand where the kernel would: a dangling link may lead to a reserved name."""
    head, slash, name = path.rstrip("/").rpartition("/")
    with Opened(os.open(head or slash or ".", DIRECTORY, dir_fd=directory)) as parent:
        if path.endswith("/") or name in {"", ".", ".."}:  # a link that says it names a directory
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            return _create(parent, name, guard, mode)
        except OSError as error:
            if error.errno != errno.ELOOP or not links_left:
                raise
        return _create_through_links(os.readlink(name, dir_fd=parent), parent, guard, mode, links_left - 1)


def _create(directory: int, name: str, guard: Guard | None, mode: int) -> int:
    """Open a name that is no link for writing; O_CREAT is left out where the guard says no."""
    refused = guard is not None and guard.refuses(directory, name)
    flags = WRITE | os.O_NOFOLLOW | (0 if refused else os.O_CREAT)
    try:
        return _open(name, flags, directory=directory, mode=mode)
    except FileNotFoundError:
        if refused:
            raise read_only() from None
        raise


def _open_checked(path: str, flags: int, *, directory: int | None, refusal: str) -> int:
    """Open what must be a regular file, without so much as touching anything else."""
    follow = not flags & os.O_NOFOLLOW
    status = os.stat(path, dir_fd=directory, follow_symlinks=follow)
    if not stat.S_ISLNK(status.st_mode):  # a link that is not followed is ELOOP, and open says so
        _refuse_special(status, refusal)
    return _checked(_open(path, flags, directory=directory), refusal)


def _checked(descriptor: int, refusal: str, *, writing: bool = False) -> int:
    """Look again at what was opened: it may have been swapped since it was looked at."""
    try:
        _refuse_special(os.fstat(descriptor), refusal, writing=writing)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_special(status: os.stat_result, refusal: str, *, writing: bool = False) -> None:
    # Before opening, because opening alone wakes the other end of a FIFO and rewinds a tape.
    mode = status.st_mode
    if stat.S_ISREG(mode) or (writing and (stat.S_ISCHR(mode) or stat.S_ISDIR(mode))):
        return  # opening a directory for writing is EISDIR
    if stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))  # what open would say
    raise RequestRefused(refusal)


def _open(path: str, flags: int, *, directory: int | None, mode: int = 0o666) -> int:
    try:
        return os.open(path, flags, mode, dir_fd=directory)
    except BlockingIOError as busy:
        return _open_leased(path, flags, directory, busy)
    except PermissionError:
        if flags & os.O_ACCMODE != os.O_RDONLY and _is_on_read_only_mount(path, flags, directory):
            raise read_only() from None  # what the original meets first, because it truncates while it opens
        raise


def _is_on_read_only_mount(path: str, flags: int, directory: int | None) -> bool:
    pin_flags = os.O_PATH | os.O_CLOEXEC | (flags & os.O_NOFOLLOW)
    try:
        pinned = os.open(path, pin_flags, dir_fd=directory)
    except OSError:
        return False  # a parent that cannot be entered: the first error stands
    with Opened(pinned):
        return bool(os.fstatvfs(pinned).f_flag & os.ST_RDONLY)


def _open_leased(path: str, flags: int, directory: int | None, busy: BlockingIOError) -> int:
    """Wait for another process to give up its lease on a file: only a blocking open makes the kernel do so.

    The file is pinned and looked at first, so that the blocking open can meet nothing but a regular file.
    """
    pin_flags = os.O_PATH | os.O_CLOEXEC | (flags & os.O_NOFOLLOW)
    with Opened(os.open(path, pin_flags, dir_fd=directory)) as pinned:
        if not is_regular(pinned):
            raise busy
        blocking = flags & ~(os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CREAT)
        return os.open(f"/proc/self/fd/{pinned}", blocking)
