"""Copy files, links and trees.

Source: codex exec-server 0.169.0, observed.
Differs: a file is not copied onto itself (the original truncates it); a FIFO or block device as destination is refused.
"""

from __future__ import annotations

import errno
import os
import stat

from ..protocol.errors import RequestRefused
from .descent import Descent, identify
from .direct_directory import create_missing, make_unless_there, open_nearest
from .listing import LIST, own_types
from .opening import DIRECTORY, Opened, is_regular, open_child_for_reading, open_directory, open_for_writing, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .descent import Identity
    from .guard import Guard
    from .listing import Kind

_CHUNK_BYTES = 1024 * 1024
_BELOW_ITSELF = "fs/copy cannot copy a directory to itself or one of its descendants"
# What copy_file_range says where it cannot do it: between file systems, for odd files, on old kernels, in a sandbox.
_NO_RANGE_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EIO})


def copy(source: str, destination: str, *, recursive: bool, guard: Guard | None = None) -> None:
    """Copy a regular file, a link as a link, or with `recursive` a directory, which merges into one that exists.

    Raises:
        RequestRefused: the source is something else, or the destination is the source or below it.
    """
    mode = os.lstat(source).st_mode
    if stat.S_ISDIR(mode):
        if not recursive:
            raise RequestRefused("fs/copy requires recursive: true when sourcePath is a directory")
        _copy_tree(source, destination, guard)
        return
    parent, name = split(source)
    with Opened(open_directory(parent, follow_symlinks=True)) as directory:
        if stat.S_ISLNK(mode):
            _copy_link(directory, name, destination, guard)
        elif stat.S_ISREG(mode):
            _copy_file(directory, name, None, destination, guard)
        else:
            raise RequestRefused("fs/copy only supports regular files, directories, and symlinks")


def _copy_link(directory: int, name: str, destination: str, guard: Guard | None) -> None:
    parent, new_name = ("/", ".") if destination == "/" else split(destination)
    with Opened(open_directory(parent, follow_symlinks=True)) as target:
        _make_link(os.readlink(name, dir_fd=directory), target, new_name, guard)


def _make_link(link: str, directory: int, name: str, guard: Guard | None) -> None:
    if guard is not None:
        guard.check(directory, name)
    os.symlink(link, name, dir_fd=directory)


def _copy_file(source: int, name: str, target: int | None, destination: str, guard: Guard | None) -> None:
    """Copy a regular file in the open directory `source` to a path which starts at `target`."""
    with Opened(open_child_for_reading(source, name)) as reading:
        mode = stat.S_IMODE(os.fstat(reading).st_mode)
        # Created no wider than the source is, so that nobody can read what they could not read before.
        descriptor = open_for_writing(destination, directory=target, guard=guard, mode=mode & 0o777)
        with Opened(descriptor) as writing:
            if identify(reading) == identify(writing):
                raise RequestRefused("fs/copy cannot copy a file onto itself")
            _copy_contents(reading, writing, mode)


def _copy_contents(reading: int, writing: int, mode: int) -> None:
    if not is_regular(writing):
        _copy_by_reading(reading, writing)
        return
    # Before anything is lost or written: whoever may not do this may not copy either. Only root keeps setuid this way.
    os.fchmod(writing, mode)
    os.ftruncate(writing, 0)
    _copy_in_kernel(reading, writing)
    _copy_by_reading(reading, writing)


def _copy_in_kernel(reading: int, writing: int) -> None:
    """Copy as much as the kernel copies by itself; both offsets tell how far it came."""
    try:
        while os.copy_file_range(reading, writing, 2**30):
            pass
    except OSError as error:
        if error.errno not in _NO_RANGE_COPY:
            raise


def _copy_by_reading(reading: int, writing: int) -> None:
    """Copy what is left: nothing as a rule, all of it for files that do not say their size, like those in /proc."""
    while chunk := os.read(reading, _CHUNK_BYTES):
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(writing, rest) :]


def _copy_tree(source: str, destination: str, guard: Guard | None) -> None:
    with Opened(os.open(source, DIRECTORY | os.O_NOFOLLOW)) as pinned:
        identity = identify(pinned)
        _refuse_below(identity, destination)
        nearest, missing = open_nearest(destination)
        # Only now is the source read, as in the original: what is wrong with the destination is said first.
        with (
            Descent(create_missing(nearest, missing, guard), DIRECTORY) as writing,
            Descent(os.open(source, LIST | os.O_NOFOLLOW), LIST) as reading,
        ):
            if reading.identity != identity:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            _copy_entries(reading, writing, guard)


def _refuse_below(source: Identity, destination: str) -> None:
    """Refuse a destination that is the source or below it; what does not exist lies where its parent does."""
    while True:
        try:
            nearest = os.open(destination, DIRECTORY)
            break
        except OSError:
            destination = split(destination)[0]
    with Opened(nearest):
        if _is_within(nearest, source):
            raise RequestRefused(_BELOW_ITSELF)


def _is_within(directory: int, ancestor: Identity) -> bool:
    """Tell whether an open directory is the given one or below it, whatever paths lead there."""
    here = os.dup(directory)
    while True:
        with Opened(here):
            identity = identify(here)
            if identity == ancestor:
                return True
            parent = os.open("..", DIRECTORY, dir_fd=here)
        if identify(parent) == identity:
            os.close(parent)
            return False
        here = parent


def _copy_entries(reading: Descent, writing: Descent, guard: Guard | None) -> None:
    """Copy all that is in one directory into another; not recursive, for trees deeper than the stack."""
    written = {writing.identity}
    left = [own_types(reading.here)[::-1]]  # what is still to do, at each depth
    while left:
        if not left[-1]:
            left.pop()
            if left:
                reading.up()
                writing.up()
            continue
        name, kind = left[-1].pop()
        if kind != "directory":
            _copy_entry(reading.here, writing.here, name, kind, guard)
            continue
        reading.down(name)
        if reading.identity in written:  # a link in the destination leads back here: the copy would feed itself
            raise RequestRefused(_BELOW_ITSELF)
        _enter_copy(writing, name, guard)
        written.add(writing.identity)
        left.append(own_types(reading.here)[::-1])


def _copy_entry(source: int, target: int, name: str, kind: Kind, guard: Guard | None) -> None:
    if kind == "file":
        _copy_file(source, name, target, name, guard)
    elif kind == "link":
        _make_link(os.readlink(name, dir_fd=source), target, name, guard)
    # Special files are left out without a word, as in the original.


def _enter_copy(writing: Descent, name: str, guard: Guard | None) -> None:
    make_unless_there(writing.here, name, guard)
    try:  # what is there already is merged into, also through a link
        writing.down(name, follow_symlinks=True)
    except (FileNotFoundError, NotADirectoryError):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
