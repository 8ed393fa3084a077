"""A plan becomes arguments: the whole list, in order."""

from __future__ import annotations

import itertools

from codex_py.sandbox.bwrap import NEEDED_OPTIONS, arguments
from codex_py.sandbox.plan import Mount, Op, Plan

SETTING = "--as-pid-1 --new-session --die-with-parent --unshare-user --unshare-pid --unshare-ipc --unshare-net"


def written(*mounts: Mount) -> str:
    numbers = itertools.count(3)
    return " ".join(arguments(Plan(mounts), lambda: next(numbers)))


def test_every_kind_of_mount_has_its_options_and_the_order_stays() -> None:
    assert (
        written(
            Mount(Op.READ, "/", ""),
            Mount(Op.EMPTY, "/e", ""),
            Mount(Op.DEVICES, "/dev", ""),
            Mount(Op.PROCESSES, "/proc", ""),
            Mount(Op.WRITE, "/ws", ""),
            Mount(Op.LINK, "/bin", "", "usr/bin"),
            Mount(Op.HIDE_DIRECTORY, "/h", ""),
            Mount(Op.VEIL_DIRECTORY, "/v", ""),
            Mount(Op.HIDE_FILE, "/f", ""),
            Mount(Op.HIDE_FILE, "/g", ""),
            Mount(Op.SEAL, "/e", ""),
        )
        == f"{SETTING} --ro-bind / / --tmpfs /e --dev /dev --proc /proc --bind /ws /ws --symlink usr/bin /bin "
        "--perms 000 --tmpfs /h --perms 111 --tmpfs /v --perms 000 --ro-bind-data 3 /f --perms 000 --ro-bind-data 4 /g "
        "--remount-ro /e --cap-drop ALL --"
    )


def test_options_a_bwrap_must_know_are_those_that_old_ones_lack() -> None:
    everything = written(*(Mount(op, "/x", "") for op in Op)).split()
    assert set(NEEDED_OPTIONS) <= set(everything)


def test_argv0_is_never_used_because_older_bwraps_lack_it() -> None:
    assert "--argv0" not in written(*(Mount(op, "/x", "") for op in Op))
