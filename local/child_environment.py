"""The variables of a process: from the server's own, by a policy, step by step.

    1. inherit       all of the server's, none, or the core: home, user, language, PATH, shell, temporary folders
    2. default       unless told otherwise, drop what looks like a secret: *KEY*, *SECRET*, *TOKEN*
    3. exclude       drop what matches these patterns
    4. set           add these
    5. include only  where there are such patterns, keep only what matches one
    6. env           add the caller's own, which win and are never dropped

Patterns are whole names with `*` and `?`; letter case is ignored, brackets mean themselves.

Source: exec-server 0.169.0, observed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..protocol.process import EnvPolicy

CORE = frozenset({"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER"})
SECRETS = ("*KEY*", "*SECRET*", "*TOKEN*")
# The server's own switch; a server that is started in a process must not inherit it.
_NEVER = "CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE"


def child_environment(server: Mapping[str, str], policy: EnvPolicy | None, env: Mapping[str, str]) -> dict[str, str]:
    """Make the variables of a process.

    Args:
        server: The server's own variables.
        policy: How they are inherited; None: not at all.
        env: The caller's.
    """
    made = _sayable({**({} if policy is None else _inherited(server, policy)), **env})
    made.pop(_NEVER, None)
    return made


def _inherited(server: Mapping[str, str], policy: EnvPolicy) -> dict[str, str]:
    if policy.inherit == "none":
        made: dict[str, str] = {}
    elif policy.inherit == "core":
        made = {name: value for name, value in server.items() if name in CORE}
    else:
        made = dict(server)
    dropped = [*policy.exclude] if policy.ignore_default_excludes else [*SECRETS, *policy.exclude]
    drops = _matcher(dropped)
    made = {name: value for name, value in made.items() if not drops.fullmatch(name)} | policy.assign
    if not policy.include_only:
        return made
    keeps = _matcher(policy.include_only)
    return {name: value for name, value in made.items() if keeps.fullmatch(name)}


def _matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_expression, patterns)) or r"(?!)", re.IGNORECASE | re.DOTALL)


def _expression(pattern: str) -> str:
    """Write a pattern as an expression that takes the first place for each part and never tries another.

    With `.*` in between, a pattern of many stars would keep the server busy for ever.
    """
    first, *others = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>.*?{part})" for part in middle if part) + f".*{last}"


def _sayable(variables: dict[str, str]) -> dict[str, str]:
    """Name variables as a program reads them: `A=B` with the value `c` is A with `B=c`, and wins over a plain A.

    Differs: an empty name is left out, because no program can ask for it.
    """
    if all(name and "=" not in name for name in variables):
        return dict(variables)
    split = [f"{name}={value}".partition("=") for name, value in sorted(variables.items())]
    return {name: value for name, _, value in split if name}
