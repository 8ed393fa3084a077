"""The variables of a process, step by step."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_py.local.child_environment import CORE, child_environment
from codex_py.protocol.process import EnvPolicy

SERVER = {
    "HOME": "/root",
    "PATH": "/bin",
    "LANG": "C",
    "TERM": "xterm",
    "PWD": "/",
    "API_KEY": "1",
    "My_Secret": "2",
    "tokens": "3",
    "MONKEYS": "4",
    "É": "5",
}
SECRETS = {"API_KEY", "My_Secret", "tokens", "MONKEYS"}


def policy(**changes: Any) -> EnvPolicy:
    """Inherit everything, and change nothing, unless told otherwise."""
    steps = {"inherit": "all", "ignore_default_excludes": True, "exclude": [], "assign": {}, "include_only": []}
    return EnvPolicy(**{**steps, **changes})


def made(env: dict[str, str] | None = None, **changes: Any) -> dict[str, str]:
    return child_environment(SERVER, policy(**changes), env or {})


def test_without_a_policy_nothing_is_inherited() -> None:
    assert child_environment(SERVER, None, {"A": "1"}) == {"A": "1"}


def test_what_is_inherited_is_all_nothing_or_the_core() -> None:
    assert made() == SERVER
    assert made(inherit="none") == {}
    assert made(inherit="core") == {"HOME": "/root", "PATH": "/bin", "LANG": "C"}


def test_the_core_is_what_the_reference_calls_so() -> None:
    everything = dict.fromkeys([*CORE, "USERNAME", "TERM", "TZ", "PWD", "LC_MESSAGES", "path"], "x")
    names = ["HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER"]
    assert sorted(child_environment(everything, policy(inherit="core"), {})) == names


def test_what_looks_like_a_secret_is_dropped_unless_told_otherwise() -> None:
    assert made(ignore_default_excludes=False).keys() == SERVER.keys() - SECRETS


@pytest.mark.parametrize(
    ("pattern", "dropped"),
    [
        ("PATH", {"PATH"}),
        ("path", {"PATH"}),
        ("P*", {"PATH", "PWD"}),
        ("?WD", {"PWD"}),
        ("*T*H", {"PATH"}),
        ("PAT", set()),
        ("ATH", set()),
        ("[P]WD", set()),
        ("P.D", set()),
        ("P+WD|PWD", set()),
        ("", set()),
        ("é", {"É"}),
        ("**", set(SERVER)),
        ("??", set()),
        ("?", {"É"}),
    ],
)
def test_a_pattern_is_a_whole_name_with_stars_and_question_marks(pattern: str, dropped: set[str]) -> None:
    assert made(exclude=[pattern]).keys() == SERVER.keys() - dropped
    if pattern:
        assert made(include_only=[pattern]).keys() == dropped


def test_what_is_set_is_not_excluded_but_has_to_be_included() -> None:
    assert made(inherit="none", ignore_default_excludes=False, exclude=["*"], assign={"A_KEY": "1"}) == {"A_KEY": "1"}
    assert made(assign={"A": "1", "B": "2"}, include_only=["b", "home"]) == {"B": "2", "HOME": "/root"}
    assert made(assign={"HOME": "/other"}, include_only=["HOME"]) == {"HOME": "/other"}


def test_the_callers_own_win_and_are_never_dropped() -> None:
    env = {"HOME": "/mine", "X_TOKEN": "1"}
    changes: dict[str, Any] = {"ignore_default_excludes": False, "exclude": ["*"], "include_only": ["nothing"]}
    assert made(env, assign={"HOME": "/set"}, **changes) == env


@pytest.mark.parametrize("where", ["server", "set", "env"])
def test_the_servers_own_switch_is_never_inherited(where: str) -> None:
    switch = {"CODEX_EXEC_SERVER_EXIT_ON_STDIN_CLOSE": "1"}
    server, assign, env = ({**switch} if where == here else {} for here in ("server", "set", "env"))
    assert child_environment(server, policy(assign=assign), env) == {}
    assert child_environment({}, None, env) == {}
    lower = {name.lower(): value for name, value in switch.items()}
    assert child_environment(lower, policy(), {}) == lower


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"A=B": "c"}, {"A": "B=c"}),
        ({"A": "x", "A=B": "c"}, {"A": "B=c"}),
        ({"A=B": "c", "A": "x"}, {"A": "B=c"}),
        ({"": "e", "A": "x"}, {"A": "x"}),
        ({"=X": "1"}, {}),
        ({"A": "", "B": "=b="}, {"A": "", "B": "=b="}),
    ],
)
def test_names_that_no_program_can_ask_for_are_said_as_it_would_read_them(
    env: dict[str, str], said: dict[str, str]
) -> None:
    assert child_environment({}, None, env) == said


NAMES = st.text("aAbB_*?[.\\|", max_size=5)
PATTERNS = st.lists(st.text("aAbB_*?[.\\|", max_size=4), max_size=3)
VARIABLES = st.dictionaries(NAMES.filter(bool), st.sampled_from("123"), max_size=6)


def matches(pattern: str, name: str) -> bool:
    """Match letter by letter; the model of what a regular expression does in the code."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(matches(pattern[1:], name[cut:]) for cut in range(len(name) + 1))
    return bool(name) and pattern[0].lower() in ("?", name[0].lower()) and matches(pattern[1:], name[1:])


@settings(deadline=None)
@given(VARIABLES, PATTERNS, VARIABLES, PATTERNS, VARIABLES)
def test_every_policy_takes_the_steps_in_their_order(
    server: dict[str, str], exclude: list[str], assign: dict[str, str], include: list[str], env: dict[str, str]
) -> None:
    expected = {name: server[name] for name in server if not any(matches(pattern, name) for pattern in exclude)}
    expected |= assign
    if include:
        expected = {n: value for n, value in expected.items() if any(matches(pattern, n) for pattern in include)}
    steps = policy(exclude=exclude, assign=assign, include_only=include)
    assert child_environment(server, steps, env) == expected | env


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_pattern_that_matches_itself(text: str) -> None:
    name = re.sub("[=\0]", "x", text) or "x"
    assert child_environment({name: "1"}, policy(exclude=[name]), {}) == {}


@pytest.mark.timeout(10)
def test_a_pattern_of_many_stars_does_not_keep_the_server_busy() -> None:
    steps = policy(assign={"a" * 60: "x"}, include_only=["*a" * 25 + "b"])
    assert child_environment({}, steps, {}) == {}  # with a star tried at every place this would take years
