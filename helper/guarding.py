"""Build the guard from the command line, and check that it guards what was planned.

The planner saw directories on the host; between its look and the mounts somebody may have swapped one, or created a
name that was to stay absent and that no mount protects now. Either ends the helper before it touches anything.
"""

from __future__ import annotations

import os

from ..local.guard import Guard
from ..local.opening import DIRECTORY, Opened, exists
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
        text: `{"roots":[{"path","device","inode"}],"reserved":[{"device","inode","name"}]}`.
    """

    def __init__(self, text: str) -> None:
        members = decode_object(os.fsencode(text), "--guard")
        self._roots = [(root.string("path"), _identity(root)) for root in members.array("roots")]
        reserved = [(*_identity(entry), entry.string("name")) for entry in members.array("reserved")]
        self._reserved = reserved
        self.guard = Guard(reserved)

    def check(self) -> None:
        """Compare the roots with the plan.

        Raises:
            Broken: a root is another directory, or a reserved name exists.
        """
        for path, identity in self._roots:
            self._check_root(path, identity)

    def _check_root(self, path: str, identity: Identity) -> None:
        try:
            root = os.open(path, DIRECTORY)
        except OSError as error:
            raise Broken(f"sandbox root {path} is not the directory that was planned: {error.strerror}") from None
        with Opened(root):
            status = os.fstat(root)
            if (status.st_dev, status.st_ino) != identity:
                raise Broken(f"sandbox root {path} is not the directory that was planned: it was replaced; try again")
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
