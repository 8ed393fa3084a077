"""A helper that answers badly, or not at all, is one clear error; nothing hangs and nothing is left."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from codex_py.protocol.errors import WireError
from codex_py.sandbox import helper_process
from codex_py.sandbox.errors import BwrapNotFound, HelperFailed, HelperTimedOut, SandboxError
from codex_py.sandbox.helper_process import HelperProcess
from codex_py.sandbox.helpers import Helpers
from codex_py.sandbox.launch import helper_launch
from codex_py.sandbox.plan import Runtime
from codex_py.sandbox.search import BwrapSearch

from .samples import context

READ_ONLY = context(":root=read")
OPTIONS = "--as-pid-1 --die-with-parent --new-session --perms --ro-bind-data --unshare-user"
HELP = f'[ "$1" = --help ] && {{ echo {OPTIONS}; exit; }}\n'
OK = '{"status":"ok","payload":{"operation":"fs/writeFile","response":{}}}'


def helpers(folder: Path, body: str | None, timeout_s: float = 20) -> Helpers:
    """Helpers whose bwrap is a script."""
    if body is not None:
        path = folder / "bwrap"
        path.write_text("#!/bin/sh\n" + HELP + body)
        path.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin" if body is not None else str(folder)}
    return Helpers(helper_launch(environment), Runtime(()), BwrapSearch(environment, None), timeout_s=timeout_s)


def run(helping: Helpers, params: bytes = b"{}") -> bytes:
    return helping.run("fs/writeFile", params, READ_ONLY)


def test_the_response_of_a_good_answer_is_returned_as_it_is(tmp_path: Path) -> None:
    body = 'cat >/dev/null; echo \'{"payload":{"response":{"a":[1, 2]},"operation":"fs/writeFile"},"status":"ok"}\''
    assert run(helpers(tmp_path, body)) == b'{"a":[1, 2]}'


def test_the_helper_gets_the_operation_and_its_params_to_the_end_of_stdin(tmp_path: Path) -> None:
    assert run(helpers(tmp_path, f"cat > {tmp_path}/seen; echo '{OK}'"), b'{"path":"file:///x"}') == b"{}"
    assert (tmp_path / "seen").read_text() == '{"operation":"fs/writeFile","params":{"path":"file:///x"}}'


def test_an_error_of_the_operation_is_raised_as_the_exception_it_was(tmp_path: Path) -> None:
    body = """cat >/dev/null
echo '{"status":"error","payload":{"code":-32603,"message":"Read-only file system (os error 30)"}}'"""
    with pytest.raises(OSError, match="Read-only file system") as caught:
        run(helpers(tmp_path, body))
    assert caught.value.errno == 30


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("exit 1", "fs sandbox helper failed with status exit status: 1: "),
        ("echo 'bwrap: No permissions' >&2; exit 1", "with status exit status: 1: bwrap: No permissions"),
        (f"echo '{OK}'; exit 4", "with status exit status: 4: "),
        ("kill -9 $$", "with status signal: 9 (SIGKILL): "),
        ("kill -11 $$", "with status signal: 11 (SIGSEGV): "),
        ("true", "failed to encode or decode fs sandbox helper message: Input data was truncated; it wrote ''"),
        ("echo rubbish", "it wrote 'rubbish\\n'"),
        ("echo '{}'", "missing required field `status`"),
        (f"echo '{OK}'; echo more", "trailing characters"),
        (
            f"echo '{OK.replace('writeFile', 'remove')}'",
            "unexpected fs sandbox helper response: expected fs/writeFile, got fs/remove",
        ),
    ],
)
def test_a_bad_end_is_one_error_that_says_how(tmp_path: Path, body: str, text: str) -> None:
    with pytest.raises(HelperFailed) as caught:
        run(helpers(tmp_path, body))
    assert caught.value.code == -32603
    assert text in caught.value.message


OUT_OF_DATE = (
    "echo 'fs sandbox helper failed: /ws/.git appeared while the sandbox was being built; try again' >&2; exit 1"
)


def test_one_whose_plan_was_out_of_date_is_followed_by_another(tmp_path: Path) -> None:
    body = f"[ -e {tmp_path}/tried ] || {{ touch {tmp_path}/tried; {OUT_OF_DATE}; }}; cat >/dev/null; echo '{OK}'"
    started: list[HelperProcess] = []
    assert helpers(tmp_path, body).run("fs/writeFile", b"{}", READ_ONLY, started.append) == b"{}"
    assert len(started) == 2


def test_a_plan_that_is_never_up_to_date_is_an_error_in_the_end(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed, match=r"\.git appeared while the sandbox was being built; try again"):
        run(helpers(tmp_path, OUT_OF_DATE))


def test_one_that_never_reads_its_request_is_reported_by_its_status(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed, match="exit status: 3"):
        run(helpers(tmp_path, "exit 3"), b'"' + b"x" * 5_000_000 + b'"')


def test_a_long_complaint_is_cut_and_does_not_block(tmp_path: Path) -> None:
    with pytest.raises(HelperFailed) as caught:
        run(helpers(tmp_path, "yes complaint | head -c 3000000 >&2; exit 1"))
    assert 1000 < len(caught.value.message) < 20_000


@pytest.mark.parametrize("body", ["exec sleep 1000", "exec >&- 2>&-; exec sleep 1000", "sleep 1000 & wait"])
def test_one_that_never_answers_is_killed_in_time_with_its_children(tmp_path: Path, body: str) -> None:
    pids = f"echo $$ > {tmp_path}/pid; "
    begun = time.monotonic()
    with pytest.raises(HelperTimedOut, match=r"did not answer within 0\.5 s and was killed"):
        run(helpers(tmp_path, pids + body, timeout_s=0.5))
    assert time.monotonic() - begun < 15
    group = int((tmp_path / "pid").read_text())
    while True:  # the group is gone once its last member is buried
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            break
        os.sched_yield()


def test_one_that_writes_without_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_process, "ANSWER_LIMIT_BYTES", 100_000)
    with pytest.raises(HelperFailed, match="wrote more than 100000 bytes"):
        run(helpers(tmp_path, "exec yes"))


def test_one_that_is_killed_from_elsewhere_fails_at_once(tmp_path: Path) -> None:
    started: list[HelperProcess] = []
    helping = helpers(tmp_path, "exec sleep 1000")
    failures: list[WireError] = []

    def work() -> None:
        try:
            helping.run("fs/writeFile", b"{}", READ_ONLY, started.append)
        except WireError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not started:
        os.sched_yield()
    helping.close()
    thread.join(15)
    assert not thread.is_alive()
    assert "SIGKILL" in failures[0].message
    started[0].kill()  # has ended already: harmless


def test_after_the_end_nothing_is_started(tmp_path: Path) -> None:
    helping = helpers(tmp_path, "exit 0")
    helping.close()
    with pytest.raises(SandboxError, match="shutting down"):
        run(helping)


def test_without_any_bwrap_nothing_is_run(tmp_path: Path) -> None:
    with pytest.raises(BwrapNotFound, match="no usable bubblewrap, so nothing was run"):
        run(helpers(tmp_path, None))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "denied").write_text("x")
    hiding = context(f":root=read {tmp_path}/denied=deny")
    helping = helpers(tmp_path, f"cat >/dev/null; echo '{OK}'")
    before = os.listdir("/proc/self/fd")
    for _ in range(5):
        helping.run("fs/writeFile", b"{}", hiding)
    assert os.listdir("/proc/self/fd") == before
