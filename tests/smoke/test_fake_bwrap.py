"""With the fake bwrap first on PATH: both commands ask for the same sandbox, with exactly the allowed environment."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from harness.exec_server import ExecServer, exec_server

import codex_py
from codex_py.client.connect import connect
from codex_py.protocol.path_uri import PathUri
from codex_py.protocol.sandbox import SandboxContext, read_only, workspace_write

from .fake_bwrap import BIN, calls

COMMAND = [sys.executable, "-m", "codex_py"]
HELPER = [sys.executable, "-I", "-S", str(Path(codex_py.__file__).with_name("__main__.py")), "fs-helper"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / ".git").mkdir(parents=True)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A server's environment: the fake on PATH, all temp variables, and what must not get through."""
    return {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "TMPDIR": str(tmp_path),
        "TMP": "/tmp ",
        "TEMP": "",
        "HOME": str(tmp_path),
        "LD_LIBRARY_PATH": "/nowhere",
        "BASH_ENV": "/nowhere/evil.sh",
        "PYTHONSTARTUP": "/nowhere/evil.py",
        "OPENAI_API_KEY": "sk-secret",
        "https_proxy": "http://nowhere",
        "tmpdir": "/nowhere",
    }


ALLOWED = ("PATH", "TMPDIR", "TMP", "TEMP")


@pytest.fixture
def server(environment: dict[str, str]) -> Generator[ExecServer]:
    with exec_server(environment=environment, command=[*COMMAND, "exec-server"]) as running:
        yield running


def write(server: ExecServer, path: Path, sandbox: SandboxContext) -> None:
    async def remote() -> None:
        async with connect(server.url) as machine:
            await machine.filesystem.write_file(str(path), b"written by the helper", sandbox=sandbox)

    asyncio.run(remote())


def box(workspace: Path) -> SandboxContext:
    return workspace_write([PathUri.from_native(str(workspace))])


def test_a_sandboxed_write_goes_through_the_client_the_server_and_the_helper_under_this_bwrap(
    server: ExecServer, environment: dict[str, str], workspace: Path, tmp_path: Path
) -> None:
    write(server, workspace / "a.txt", box(workspace))
    assert (workspace / "a.txt").read_bytes() == b"written by the helper"
    (call,) = calls(tmp_path)
    assert call.argv[0] == str(BIN / "bwrap")
    assert call.command[:5] == HELPER
    assert call.environment == {name: environment[name] for name in ALLOWED}
    assert call.cwd == "/"


def test_bwrap_is_asked_for_exactly_this_sandbox(server: ExecServer, workspace: Path, tmp_path: Path) -> None:
    write(server, workspace / "a.txt", box(workspace))
    options = " ".join(calls(tmp_path)[0].options)
    begin, middle, end = options.partition(
        f"--bind {workspace} {workspace} --ro-bind {workspace}/.git {workspace}/.git"
    )
    assert middle
    assert begin.startswith(
        "--as-pid-1 --new-session --die-with-parent --unshare-user --unshare-pid --unshare-ipc --unshare-net "
        "--ro-bind / / --dev /dev --proc /proc --bind /tmp /tmp"
    )
    assert end.endswith("--remount-ro /dev --remount-ro /proc --cap-drop ALL")


def test_the_helper_is_told_the_roots_and_the_names_that_do_not_exist(
    server: ExecServer, workspace: Path, tmp_path: Path
) -> None:
    write(server, workspace / "a.txt", box(workspace))
    flag, guard = calls(tmp_path)[0].command[5:]
    assert flag == "--guard"
    told = json.loads(guard)
    facts = workspace.stat()
    assert {"path": str(workspace), "device": facts.st_dev, "inode": facts.st_ino} in told["roots"]
    names = {item["name"] for item in told["reserved"] if item["inode"] == facts.st_ino}
    assert names == {".agents", ".codex", ".aws"}


def test_a_read_that_the_policy_allows_everywhere_starts_no_helper(
    server: ExecServer, workspace: Path, tmp_path: Path
) -> None:
    async def read() -> bytes:
        async with connect(server.url) as machine:
            return await machine.filesystem.read_file("/etc/hostname", sandbox=read_only())

    assert asyncio.run(read()) == Path("/etc/hostname").read_bytes()
    assert not (tmp_path / "fake-bwrap.log").exists()


def test_both_commands_ask_for_the_same_sandbox_and_environment(
    server: ExecServer, environment: dict[str, str], workspace: Path, tmp_path: Path
) -> None:
    write(server, workspace / "from-server", box(workspace))
    request = {
        "operation": "fs/writeFile",
        "params": {"path": (workspace / "from-helper").as_uri(), "dataBase64": "aGk="},
    }
    result = subprocess.run(
        [*COMMAND, "fs-helper", "--sandbox", "workspace-write", "--root", str(workspace)],
        env=environment,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert json.loads(result.stdout)["status"] == "ok", result.stderr
    assert (workspace / "from-helper").read_bytes() == b"hi"
    by_server, by_helper = calls(tmp_path)
    assert by_server == by_helper


@pytest.mark.parametrize("missing", ["TMP", "TEMP"])  # without TMPDIR the fake would not know where to write
def test_a_variable_the_server_does_not_have_is_not_invented(
    environment: dict[str, str], workspace: Path, tmp_path: Path, missing: str
) -> None:
    del environment[missing]
    with exec_server(environment=environment, command=[*COMMAND, "exec-server"]) as server:
        write(server, workspace / "a.txt", box(workspace))
    assert calls(tmp_path)[0].environment == {name: environment[name] for name in ALLOWED if name != missing}


def test_a_fake_bwrap_in_the_workspace_is_not_used(
    environment: dict[str, str], workspace: Path, tmp_path: Path
) -> None:
    (workspace / "bin").mkdir()
    evil = workspace / "bin" / "bwrap"
    evil.write_text("#!/bin/sh\ntouch $TMPDIR/evil-ran\n")
    evil.chmod(0o755)
    environment["PATH"] = f"{workspace}/bin:{environment['PATH']}"
    with exec_server(environment=environment, command=[*COMMAND, "exec-server"]) as server:
        write(server, workspace / "a.txt", box(workspace))
    assert calls(tmp_path)[0].argv[0] == str(BIN / "bwrap")
    assert not (tmp_path / "evil-ran").exists()
