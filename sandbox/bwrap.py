"""From a plan to bubblewrap's arguments. Every option has its reason; the plan decides the mounts.

Source: exec-server 0.169.0, observed, for what is unshared and dropped.
Differs: a process's own environment and the filter of its system calls are set by bubblewrap, inside, too; so a
variable of the caller's (LD_PRELOAD) never meets a program outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .plan import Mount, Op, Plan

# Options that a bwrap must know; asked of `bwrap --help` once per binary. --perms came with 0.5.0, together with
# --clearenv; --args, --chdir, --seccomp and --setenv are older.
NEEDED_OPTIONS = (
    "--as-pid-1",
    "--die-with-parent",
    "--new-session",
    "--perms",
    "--ro-bind-data",
    "--unshare-user",
)

# What a process's bwrap must know besides. With --bind-fd a writable root is the directory that was planned, whatever
# its path has come to mean meanwhile.
PROCESS_OPTIONS = ("--bind-fd", "--disable-userns")

# What bwrap takes at most, options and the program's own arguments together, when some come through --args.
MOST_ARGUMENTS = 9_000

_NO_NETWORK = "--unshare-net"

_CONFINED = (
    "--new-session",  # no controlling terminal to push keystrokes into (TIOCSTI); the stage takes the program's own
    "--die-with-parent",  # nothing inside outlives the server
    "--unshare-user",  # capabilities inside are none outside; the uid stays
    "--unshare-pid",  # processes outside can be neither seen nor signalled
    "--unshare-ipc",  # no shared memory or queues of the host
)

_BEFORE_HELPER = (
    "--as-pid-1",  # the helper is the only process there: no second one to reap for it
    *_CONFINED,
    _NO_NETWORK,  # a file operation never needs the network
)

_AFTER = (
    "--cap-drop",  # mounts, and whatever else a capability would allow, are over once the sandbox stands
    "ALL",
)

OpenEmpty = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a process finds besides its mounts.

    Attributes:
        cwd: Its working folder, canonical; bubblewrap fails where it cannot be entered inside.
        network: Whether it has the machine's network.
        seccomp: Number of the descriptor with the filter of its system calls.
        info: Number of the descriptor to which bubblewrap tells the first process inside; None: to nobody.
    """

    cwd: str
    network: bool
    seccomp: int
    info: int | None = None


def arguments(plan: Plan, open_empty: OpenEmpty) -> list[str]:
    """Write a helper's plan as bwrap's options, up to and including `--`.

    Args:
        plan: The mounts, in order.
        open_empty: Opens an empty file that bwrap will inherit, and returns its descriptor; called once
            for each hidden file. Keep the descriptors open until bwrap has started.
    """
    return [*_BEFORE_HELPER, *_mounts(plan, open_empty, {}), *_AFTER, "--"]


def process_arguments(plan: Plan, setting: Setting, open_empty: OpenEmpty, roots: Mapping[str, int]) -> list[str]:
    """Write a process's plan and setting as bwrap's options; no variable is set but those of `variables`.

    Not --as-pid-1: bubblewrap stays inside as the first process, and reaps for the program.

    Args:
        plan: The mounts, in order.
        setting: Everything else.
        open_empty: See `arguments`.
        roots: Numbers of the descriptors of what is mounted writable, by its path.
    """
    return [
        *_CONFINED,
        "--disable-userns",  # inside one it would have all capabilities, and more of the kernel to try
        *(() if setting.network else (_NO_NETWORK,)),
        *_mounts(plan, open_empty, roots),
        *("--chdir", setting.cwd),  # without it bwrap would go to HOME or / where the folder is not visible
        *_AFTER,
        *("--seccomp", str(setting.seccomp)),
        *(() if setting.info is None else ("--info-fd", str(setting.info))),  # see `departure.py`
        "--clearenv",  # what bwrap itself was given ends here
    ]


def variables(environment: Mapping[str, str]) -> list[str]:
    """Write a process's variables as bwrap's options: set inside, for what is executed there."""
    return [word for name, value in environment.items() for word in ("--setenv", name, value)]


def _mounts(plan: Plan, open_empty: OpenEmpty, roots: Mapping[str, int]) -> list[str]:
    return [argument for mount in plan.mounts for argument in _mount(mount, open_empty, roots)]


def _mount(mount: Mount, open_empty: OpenEmpty, roots: Mapping[str, int]) -> Iterator[str]:
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
        case Op.WRITE if path in roots:
            yield from ("--bind-fd", str(roots[path]), path)
        case Op.WRITE:
            yield from ("--bind", path, path)
        case Op.LINK:
            yield from ("--symlink", mount.target, path)
        case Op.HIDE_DIRECTORY:
            yield from ("--perms", "000", "--tmpfs", path)
        case Op.VEIL_DIRECTORY:
            yield from ("--perms", "111", "--tmpfs", path)
        case Op.COVER_DIRECTORY:
            yield from ("--perms", "555", "--tmpfs", path)
        case Op.HIDE_FILE:
            yield from ("--perms", "000", "--ro-bind-data", str(open_empty()), path)
        case Op.SEAL:
            yield from ("--remount-ro", path)
