"""What can go wrong between a sandbox context and a helper's answer.

    SandboxError                    the sandbox is not there; nothing was run, or what ran is gone
    +-- InvalidPolicy               the caller's context makes no sense on this machine     -32600 / -32602
    +-- UnenforceablePolicy         understood, but cannot be enforced: refused, not weakened        -32603
    +-- BwrapNotFound               no usable bubblewrap                                             -32603
    +-- HelperFailed                the helper (or bwrap) ended without a valid answer               -32603
    +-- HelperTimedOut              the helper did not answer in time and was killed                 -32603

Each text says what, which value, and what to do.
"""

from __future__ import annotations

from ..protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, WireError


class SandboxError(WireError):
    """The operation was not carried out, because its sandbox could not be had."""

    def __init__(self, message: str, *, code: int = INTERNAL_ERROR) -> None:
        super().__init__(code, message)


class InvalidPolicy(SandboxError):
    """The context does not fit this machine. Correct the request; code -32600 unless stated."""

    def __init__(self, message: str, *, code: int = INVALID_REQUEST) -> None:
        super().__init__(message, code=code)


class UnenforceablePolicy(SandboxError):
    """The policy was understood and cannot be enforced. Change the policy; nothing was run."""


class BwrapNotFound(SandboxError):
    """There is no bubblewrap that can be used. The text lists each candidate and why it was refused."""


class HelperFailed(SandboxError):
    """The helper, or bwrap before it, ended without a valid answer. The operation may have happened."""


class HelperTimedOut(HelperFailed):
    """The helper did not answer in time and was killed. The operation may have happened."""
