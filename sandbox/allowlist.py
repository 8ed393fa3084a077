"""The environment of a helper: PATH and the temp variables of the server, and nothing else.

Not the server's environment: it holds tokens, and variables that change what a program loads (LD_PRELOAD,
PYTHONPATH, BASH_ENV). Not an empty one either: bubblewrap is looked up in PATH, and `tmpdir` is TMPDIR.

Source: exec-server 0.169.0, observed
"""

from __future__ import annotations

from collections.abc import Mapping

ALLOWED = (
    "PATH",  # where bwrap was found
    "TMPDIR",  # the folder that the special place `tmpdir` names
    "TMP",  # the same, for programs that ask for it by this name
    "TEMP",
)


def helper_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return exactly those of the allowed variables that are set, values verbatim. Names are case-sensitive."""
    return {name: environment[name] for name in ALLOWED if name in environment}
