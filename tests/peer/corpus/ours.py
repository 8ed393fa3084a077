"""Where ours differs on purpose in whole cases; single steps say so where they stand.

Each line is a promise of docs/DIFFERENCES.md or docs/decisions/0003, and still a check: the answers that are right for
ours are given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from ..cases import DENIED, DONE, NOT_FOUND, READ_ONLY, SAME, Accept, Case, Differs

_CLOSED = Accept(contains="closed")
_LOST = Differs("what is written beside the mounts is refused, not lost", (READ_ONLY, SAME))
_BOTH_NAMES = Differs(
    "a link that a rule names leads where it leads, also without a readable root",
    (READ_ONLY, DONE, Accept(holds='"QQ=="'), Accept(holds='"Uw=="'), Accept(holds='"Qg=="'), Accept(holds="link-ws"),
     Accept(holds="a.txt"), SAME),
)  # fmt: skip
_NOT_HTTP = Differs("decision 3: what is no plain GET or HEAD is dropped", (_CLOSED, SAME))
_LINK = Differs("a rule through a link that the sandbox could change is refused", (Accept(-32603, "cannot enforce"),))
_NETWORK_ALONE = Differs(
    "a restricted network without restricted files is refused for a process, so far",
    (Accept(-32603, "cannot enforce a restricted network"), Accept(contains="it was not started"),
     Accept(result={"status": "unknownProcess"})),
)  # fmt: skip
_LONG = Differs("a path URI has a limit", (Accept(-32602, "16384 characters at most"),))


@dataclass(frozen=True, slots=True)
class _Whole:
    """What is right for every step of a case, beside what the step says itself."""

    differs: Differs
    disk: Literal["same", "kept", "any"] = "same"


_ON_PURPOSE: Mapping[str, _Whole] = {
    "HTTP: GET /é": _Whole(_NOT_HTTP),
    "HTTP: an upgrade on /é": _Whole(_NOT_HTTP),
    "HTTP: a request with *": _Whole(_NOT_HTTP),
    "HTTP: a body on *": _Whole(_NOT_HTTP),
    "HTTP: two probes on one connection": _Whole(_NOT_HTTP),
    "HTTP: an upgrade in HTTP/1.0": _Whole(Differs("decision 3", (Accept(status=505),))),
    "HTTP: Origin with POST": _Whole(Differs("no Allow beside a 403", (Accept(status=403),))),
    "the URI 'file://localhos*t/x'": _Whole(Differs("a foreign host either way", (Accept(code=-32600), SAME))),
    "writeFile *with base64: a NUL": _Whole(
        Differs("the first bad symbol is named", (Accept(-32600, "Invalid symbol 0"),))
    ),
    "sandbox: useLegacyLandlock True, fs/writeFile": _Whole(
        Differs("row 17: one clear message", (Accept(-32603, "useLegacyLandlock"),))
    ),
    "sandbox: a special's kind 5, *": _Whole(Differs("our own words", (Accept(-32602, "kind"),))),
    "sandbox: a foreign entry, and another error": _Whole(
        Differs("the path itself is looked at first", (Accept(-32600, "is invalid on 'linux'"), SAME))
    ),
    "sandbox: names like .git are not protected": _Whole(
        Differs("letter case is folded, as file systems may", (READ_ONLY, SAME)), disk="any"
    ),
    "sandbox: a denied link inside the workspace": _Whole(_LINK),
    "sandbox: missing denied and read-only paths, ws/*/x": _Whole(
        Differs("row 9: no mount points", (NOT_FOUND, READ_ONLY, DENIED, SAME))
    ),
    "sandbox, slash_tmp read only: operations in ${TMPDIR}": _Whole(_LOST),
    "sandbox, restricted reads: *": _Whole(_LOST),
    "sandbox, root denied, workspace written: short writes": _Whole(_LOST),
    "sandbox, no entries: short changes": _Whole(_LOST),
    "sandbox, minimal alone: short changes": _Whole(_LOST),
    "sandbox, minimal written: short writes": _Whole(_LOST),
    "sandbox, the workspace read, nothing else: short *": _Whole(_LOST),
    "sandbox, a file read, nothing else: short *": _Whole(_LOST),
    "sandbox, a missing read root: short *": _Whole(_LOST),
    "sandbox, slash_tmp read alone: short changes": _Whole(_LOST),
    "sandbox, a symlinked read root: short *": _Whole(_BOTH_NAMES),
    "sandbox, a symlinked writable root, restricted: short *": _Whole(_BOTH_NAMES, disk="any"),
    **{
        f"{case}{box}, {mode}{rest}": _Whole(_NETWORK_ALONE, disk="kept")
        for box in ("external", "unrestricted")
        for mode in ("pipes", "a tty")
        for case, rest in (("process in a sandbox, ", ": *"), ("denial: ", ""))
    },
    "child, pipes*: its parent-death signal": _Whole(
        Differs("decision 7: the spawner ends what the server leaves", (Accept(but={"stdout": "0 0 1 0\n"}), SAME))
    ),
    "a path of 4 MiB of slashes": _Whole(_LONG),
    "a path of 1 MiB": _Whole(_LONG),
}


def on_purpose(case: Case) -> Case:
    """Put what is right for ours into a case that is listed here."""
    whole = next((whole for name, whole in _ON_PURPOSE.items() if _matches(case.name, name)), None)
    if whole is None:
        return case
    steps = tuple(replace(step, differs=_both(step.differs, whole.differs)) for step in case.steps)
    return replace(case, steps=steps, disk=case.disk if whole.disk == "same" else whole.disk)


def _both(own: Differs | None, whole: Differs) -> Differs:
    return whole if own is None else Differs(f"{own.why}; {whole.why}", own.accept + whole.accept)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))
