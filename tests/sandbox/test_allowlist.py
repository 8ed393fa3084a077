"""The helper's environment: exactly the allowed variables, whatever else the server has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import codex_py
from codex_py.sandbox.allowlist import ALLOWED, helper_environment
from codex_py.sandbox.disk import Identity
from codex_py.sandbox.launch import helper_launch, sandboxed
from codex_py.sandbox.plan import Mount, Op, Plan, Reserved, Root
from codex_py.sandbox.search import Bwrap

# What a server may have and a helper must not: code that is loaded, secrets, proxies, names that only look allowed.
HOSTILE = {
    "LD_PRELOAD": "/tmp/evil.so",
    "LD_LIBRARY_PATH": "/tmp",
    "LD_AUDIT": "/tmp/evil.so",
    "PYTHONPATH": "/tmp",
    "PYTHONHOME": "/tmp",
    "PYTHONSTARTUP": "/tmp/evil.py",
    "PYTHONINSPECT": "1",
    "BASH_ENV": "/tmp/evil.sh",
    "ENV": "/tmp/evil.sh",
    "IFS": "/",
    "HTTP_PROXY": "http://evil",
    "https_proxy": "http://evil",
    "OPENAI_API_KEY": "sk-1",
    "AWS_SECRET_ACCESS_KEY": "s",
    "GIT_SSH_COMMAND": "evil",
    "HOME": "/root",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "C",
    "PWD": "/elsewhere",
    "Path": "/tmp",
    "path": "/tmp",
    "tmpdir": "/evil",
    "Temp": "/evil",
    "PATH ": "/evil",
    "TMPDIRS": "/evil",
    "": "x",
}
GOOD = {"PATH": "/usr/bin:/bin", "TMPDIR": "/var/tmp", "TMP": "", "TEMP": " \n=x"}

PLAN = Plan((Mount(Op.READ, "/", "test"),))
BWRAP = Bwrap("/usr/bin/bwrap", "system")


def no_files() -> int:
    raise AssertionError("this plan hides no file")


def test_the_allowed_names_are_path_and_the_temp_variables() -> None:
    assert ALLOWED == ("PATH", "TMPDIR", "TMP", "TEMP")


def test_values_are_kept_verbatim_even_odd_ones() -> None:
    assert helper_environment(GOOD) == GOOD


def test_a_variable_that_is_not_set_stays_unset() -> None:
    assert helper_environment({"PATH": "/bin"}) == {"PATH": "/bin"}
    assert helper_environment({}) == {}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_no_other_variable_gets_through(name: str) -> None:
    assert helper_environment({name: HOSTILE[name], **GOOD}) == GOOD


def test_the_launch_under_bwrap_has_exactly_the_allowed_environment() -> None:
    launch = sandboxed(helper_launch({**HOSTILE, **GOOD}), PLAN, BWRAP, no_files)
    assert launch.environment == GOOD
    assert not any(value in argument for value in ("evil", "sk-1") for argument in launch.argv)


def test_the_launch_is_bwrap_then_its_options_then_the_isolated_helper() -> None:
    launch = sandboxed(helper_launch(GOOD), PLAN, BWRAP, no_files)
    before, after = launch.argv[: launch.argv.index("--")], launch.argv[launch.argv.index("--") + 1 :]
    assert before[0] == "/usr/bin/bwrap"
    assert after == (sys.executable, "-I", "-S", str(Path(codex_py.__file__).with_name("__main__.py")), "fs-helper")
    assert launch.cwd == "/"


def test_nothing_is_told_to_bwrap_about_the_environment() -> None:
    launch = sandboxed(helper_launch({**HOSTILE, **GOOD}), PLAN, BWRAP, no_files)
    assert not {"--setenv", "--unsetenv", "--clearenv"} & set(launch.argv)


def test_the_guard_tells_the_helper_its_roots_and_reserved_names() -> None:
    reserved = Reserved(Identity(5, 6), ".git", "protected name .git", "/ws/.git")
    plan = Plan(PLAN.mounts, (Root("/ws", Identity(5, 6)),), (reserved,))
    launch = sandboxed(helper_launch(GOOD), plan, BWRAP, no_files)
    assert launch.argv[-2] == "--guard"
    assert json.loads(launch.argv[-1]) == {
        "roots": [{"path": "/ws", "device": 5, "inode": 6}],
        "reserved": [{"device": 5, "inode": 6, "name": ".git"}],
        "kept": [],
    }
