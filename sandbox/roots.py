"""The writable roots of a process, held open from before its mounts until they stand.

A path is looked up twice, by the plan and by bubblewrap, and a program in another sandbox may aim it elsewhere in
between. So a root is opened, compared with the plan, and mounted by its descriptor.
"""

from __future__ import annotations

import contextlib
import os

from .disk import Identity
from .mount_points import Changed
from .plan import Op, Plan

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def open_roots(plan: Plan, opened: contextlib.ExitStack) -> dict[str, int]:
    """Open whatever a plan mounts writable, by its path; `opened` closes them.

    Raises:
        Changed: one is no longer where it was, or no longer what it was; make a new plan.
    """
    planned = {root.path: root.identity for root in plan.roots}
    roots: dict[str, int] = {}
    for path in dict.fromkeys(mount.path for mount in plan.mounts if mount.op is Op.WRITE):
        try:
            roots[path] = os.open(path, _PATH)
        except OSError as error:
            raise Changed(path) from error
        opened.callback(os.close, roots[path])
        status = os.fstat(roots[path])
        found = Identity(status.st_dev, status.st_ino)
        # The kernel's own name of it: no link has been followed on the way.
        if found != planned.get(path, found) or os.readlink(f"/proc/self/fd/{roots[path]}") != path:
            raise Changed(path)
    return roots
