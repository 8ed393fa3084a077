"""Build the guard from the command line, and check that it guards what was planned.

The planner saw directories on the host; between its look and the mounts somebody may have swapped one, or created a
name that was to stay absent and that no mount protects now. Either ends the helper before it touches anything.
"""

from __future__ import annotations

import os
import stat

from ..local.guard import Guard
from ..local.opening import Opened, exists
from .decoding import Undecodable, decode_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decoding import Members

    Identity = tuple[int, int]


class Broken(Exception):
    """The sandbox is not the one that was planned; start again with a new plan."""


class GuardedRoots:
    """The roots and the reserved names of one sandbox.

    Args:
        text: `{"roots":[{"path","device","inode"}],"reserved":[{"device","inode","name"}],
            "kept":[{"device","inode","name"}]}`. Reserved names must not exist; kept ones may, and are not made anew.
    """

    def __init__(self, text: str) -> None:
        members = decode_object(os.fsencode(text), "--guard")
        self._roots = [(root.string("path"), _identity(root)) for root in members.array("roots")]
        self._reserved = [(*_identity(entry), entry.string("name")) for entry in members.array("reserved")]
        kept = [(*_identity(entry), entry.string("name")) for entry in members.array("kept")]
        self.guard = Guard([*self._reserved, *kept])

    def check(self) -> None:
        """Compare the roots with the plan.

        Raises:
            Broken: a root is another directory, or a reserved name exists.
        """
        for path, identity in self._roots:
            self._check_root(path, identity)

    def _check_root(self, path: str, identity: Identity) -> None:
        try:
            root = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise Broken(f"sandbox root {path} is not what was planned: {error.strerror}") from None
        with Opened(root):
            status = os.fstat(root)
            # A link that has just been made may have the number of the directory that has just been removed.
            if stat.S_ISLNK(status.st_mode) or (status.st_dev, status.st_ino) != identity:
                raise Broken(f"sandbox root {path} is not what was planned: it was replaced; try again")
            for device, inode, name in self._reserved:
                if (device, inode) == identity and exists(root, name):
                    raise Broken(f"{path}/{name} appeared while the sandbox was being built; try again")


def _identity(members: Members) -> Identity:
    return members.count("device"), members.count("inode")


def from_arguments(arguments: list[str]) -> GuardedRoots | None:
    """Find `--guard JSON`; everything else is ignored, as in the original.

    Raises:
        Undecodable: it has no value, or one that is no guard.
    """
    if "--guard" not in arguments:
        return None
    following = arguments[arguments.index("--guard") + 1 :]
    if not following:
        raise Undecodable("--guard needs a value")
    return GuardedRoots(following[0])
