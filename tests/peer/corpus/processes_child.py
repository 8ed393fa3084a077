"""What a process finds when it looks at itself: its place in the system, signals, descriptors, limits.

Numbers that differ from run to run are shown as relations: a session is `own` when it is the process's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ..cases import Case, Dir, Tree
from .commands import MODES, run, sh
from .zoo import ROOT

PLACE = sh(
    "read pid name state parent group session terminal foreground rest </proc/self/stat;"
    " [ $pid = $$ ] && echo shell; [ $group = $pid ] && echo own group; [ $session = $pid ] && echo own session;"
    " [ $terminal = 0 ] && echo no terminal; [ $foreground = $pid ] && echo in front;"
    ' [ $pid -lt 9 ] && echo $pid of $parent in $session; echo "state $state"'
)
_STREAMS = sh("for i in 0 1 2; do readlink /proc/$$/fd/$i | sed 's/[0-9][0-9]*/N/'; head -n 2 /proc/$$/fdinfo/$i; done")
_SAME_PIPE = sh('[ "$(readlink /proc/$$/fd/1)" = "$(readlink /proc/$$/fd/2)" ] && echo one || echo two')
_PRCTL = """
import ctypes
c, signal, subreaper = ctypes.CDLL(None), ctypes.c_int(-1), ctypes.c_int(-1)
c.prctl(2, ctypes.byref(signal), 0, 0, 0)
c.prctl(37, ctypes.byref(subreaper), 0, 0, 0)
print(signal.value, subreaper.value, c.prctl(3, 0, 0, 0, 0), c.prctl(39, 0, 0, 0, 0))
"""
_FACTS: dict[str, tuple[str, ...]] = {
    "its signals": ("grep", "-E", "^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):", "/proc/self/status"),
    "its privileges": ("grep", "-E", "^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):", "/proc/self/status"),
    "its umask": sh("umask; grep Umask /proc/self/status"),
    "its place": PLACE,
    "its streams": _STREAMS,
    "its descriptors": ("ls", "/proc/self/fd"),
    "its stdout and stderr": _SAME_PIPE,
    "its stdin": sh("cat </dev/null; if [ -p /dev/stdin ]; then echo pipe; fi; ls -l /proc/$$/fd/0 | cut -c1-10"),
    "its limits": ("cat", "/proc/self/limits"),
    "its out-of-memory score": ("cat", "/proc/self/oom_score_adj"),
    "its niceness and schedule": sh("nice; cut -d' ' -f18,19,40,41 /proc/self/stat"),
    "its parent-death signal": (sys.executable, "-IS", "-c", _PRCTL),
    "its command line": sh("tr '\\0' '|' </proc/$$/cmdline; cat /proc/$$/comm"),
    "its folder": sh("pwd -P; echo $PWD"),
    "its namespaces": sh('for i in mnt net ipc uts user; do [ "$(readlink /proc/$$/ns/$i)" ] && echo $i; done'),
    "its root": ("ls", "-d", "/proc/self/root/etc"),
    "its children and threads": sh("read x </proc/$$/task/$$/children; echo $x; ls /proc/$$/task | wc -l"),
    "its personality": sh("cat /proc/$$/personality /proc/$$/timerslack_ns"),
    "its core pattern filter": ("cat", "/proc/self/coredump_filter"),
}
_FOLDERS: Tree = {"d/e": Dir(), "a b": Dir(), "é": Dir(), "100%": Dir()}


def cases() -> Iterator[Case]:
    for mode, members in MODES:
        for label, argv in _FACTS.items():
            yield Case(f"child, {mode}: {label}", run(argv, members))
            yield Case(f"child, {mode} with stdin: {label}", run(argv, {**members, "pipeStdin": True}))
        for folder in ("d", "d/e", "a%20b", "%C3%A9", "100%25", "d/../d", "d/"):
            yield Case(
                f"child, {mode}: in {folder}", run(("pwd", "-P"), {**members, "cwd": f"{ROOT}/{folder}"}), _FOLDERS
            )
