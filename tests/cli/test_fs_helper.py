"""`codex-py fs-helper` as a command for people: where it stands, and under bwrap."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "codex_py", "fs-helper"]


def run(*arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, text=True, timeout=30, cwd=cwd)


def writing(path: Path) -> str:
    return json.dumps({"operation": "fs/writeFile", "params": {"path": path.as_uri(), "dataBase64": "aGk="}})


def reply(result: subprocess.CompletedProcess[str]) -> Any:
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def test_without_a_sandbox_it_acts_where_it_stands(tmp_path: Path) -> None:
    assert reply(run(stdin=writing(tmp_path / "a")))["status"] == "ok"
    assert (tmp_path / "a").read_text() == "hi"


@pytest.mark.real_bwrap
def test_read_only_reads_and_does_not_write(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("hi")
    read = json.dumps({"operation": "fs/readFile", "params": {"path": (tmp_path / "there").as_uri()}})
    assert reply(run("--sandbox", "read-only", stdin=read))["payload"]["response"] == {"dataBase64": "aGk="}
    answer = reply(run("--sandbox", "read-only", stdin=writing(Path("/etc/codex-py-test"))))
    assert answer == {
        "status": "error",
        "payload": {"code": -32603, "message": "Read-only file system (os error 30)"},
    }


@pytest.mark.real_bwrap
def test_workspace_write_writes_below_its_roots_and_the_working_folder_is_the_default(tmp_path: Path) -> None:
    for name in ("one", "two", "here"):
        (tmp_path / name).mkdir()
    roots = ("--root", str(tmp_path / "one"), "--root", str(tmp_path / "two"))
    assert reply(run("--sandbox", "workspace-write", *roots, stdin=writing(tmp_path / "two/a")))["status"] == "ok"
    here = tmp_path / "here"
    assert reply(run("--sandbox", "workspace-write", stdin=writing(here / "a"), cwd=here))["status"] == "ok"
    refused = reply(run("--sandbox", "workspace-write", *roots, stdin=writing(Path("/var/codex-py-test"))))
    assert refused["payload"]["message"] == "Read-only file system (os error 30)"


@pytest.mark.real_bwrap
def test_a_file_holds_any_policy(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    rules = [{"path": {"type": "path", "path": (tmp_path / "ws").as_uri()}, "access": "write"}]
    context = {
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": rules},
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
    }
    (tmp_path / "policy.json").write_text(json.dumps(context))
    sandbox = ("--sandbox", str(tmp_path / "policy.json"))
    assert reply(run(*sandbox, stdin=writing(tmp_path / "ws/a")))["status"] == "ok"
    missing = reply(run(*sandbox, stdin=writing(tmp_path / "elsewhere/a")))
    assert missing["payload"]["code"] == -32004


def test_a_policy_without_a_sandbox_acts_where_it_stands(tmp_path: Path) -> None:
    context = {"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled"}
    (tmp_path / "policy.json").write_text(json.dumps(context))
    answer = reply(run("--sandbox", str(tmp_path / "policy.json"), stdin=writing(tmp_path / "a")))
    assert answer["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--root", "."], "--root goes with --sandbox"),
        (["--sandbox", "no-such-thing"], "`no-such-thing` is neither read-only nor workspace-write nor a file"),
        (["--sandbox", "."], "cannot read .: Is a directory"),
        (["--sandbox", "policy.json", "--root", "."], "a FILE names its own folders"),
        (["--sandbox", "read-only", "--root", "missing"], "'missing' does not exist"),
        (["--bogus"], "--bogus"),
    ],
)
def test_wrong_usage_is_refused_with_status_2_and_a_reason(tmp_path: Path, arguments: list[str], text: str) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert text in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("context", "text"),
    [
        ("{", "truncated"),
        ("{}", "missing field `permissions`"),
        ('{"permissions":{"type":"nope"},"windowsSandboxLevel":"disabled"}', "nope"),
    ],
)
def test_a_policy_that_cannot_be_read_is_status_1_and_nothing_is_run(tmp_path: Path, context: str, text: str) -> None:
    (tmp_path / "policy.json").write_text(context)
    result = run("--sandbox", str(tmp_path / "policy.json"), stdin=writing(tmp_path / "a"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("fs sandbox helper failed: ")
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "a").exists()
