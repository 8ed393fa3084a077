"""From a plan to bubblewrap's arguments. Every option has its reason; the plan decides the mounts.

Source: exec-server 0.169.0, observed, for what is unshared and dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .plan import Mount, Op, Plan

# Options that a bwrap must know; asked of `bwrap --help` once per binary. --perms came with 0.5.0.
NEEDED_OPTIONS = (
    "--as-pid-1",
    "--die-with-parent",
    "--new-session",
    "--perms",
    "--ro-bind-data",
    "--unshare-user",
)

_BEFORE = (
    "--as-pid-1",  # the helper is the only process there: no second one to reap for it
    "--new-session",  # no controlling terminal to push keystrokes into (TIOCSTI)
    "--die-with-parent",  # a helper never outlives its server
    "--unshare-user",  # capabilities inside are none outside; the uid stays
    "--unshare-pid",  # processes outside can be neither seen nor signalled
    "--unshare-ipc",  # no shared memory or queues of the host
    "--unshare-net",  # a file operation never needs the network
)

_AFTER = (
    "--cap-drop",  # mounts, and whatever else a capability would allow, are over once the sandbox stands
    "ALL",
)

OpenEmpty = Callable[[], int]


def arguments(plan: Plan, open_empty: OpenEmpty) -> list[str]:
    """Write a plan as bwrap's options, up to and including `--`.

    Args:
        plan: The mounts, in order.
        open_empty: Opens an empty file that bwrap will inherit, and returns its descriptor; called once
            for each hidden file. Keep the descriptors open until bwrap has started.
    """
    mounts = [argument for mount in plan.mounts for argument in _mount(mount, open_empty)]
    return [*_BEFORE, *mounts, *_AFTER, "--"]


def _mount(mount: Mount, open_empty: OpenEmpty) -> Iterator[str]:
    path = mount.path
    match mount.op:
        case Op.EMPTY:
            yield from ("--tmpfs", path)
        case Op.DEVICES:
            yield from ("--dev", path)
        case Op.PROCESSES:
            yield from ("--proc", path)
        case Op.READ:
            yield from ("--ro-bind", path, path)
        case Op.WRITE:
            yield from ("--bind", path, path)
        case Op.LINK:
            yield from ("--symlink", mount.target, path)
        case Op.HIDE_DIRECTORY:
            yield from ("--perms", "000", "--tmpfs", path)
        case Op.VEIL_DIRECTORY:
            yield from ("--perms", "111", "--tmpfs", path)
        case Op.HIDE_FILE:
            yield from ("--perms", "000", "--ro-bind-data", str(open_empty()), path)
        case Op.SEAL:
            yield from ("--remount-ro", path)
