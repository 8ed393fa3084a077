"""The register: mount points are shared between runs and servers, and survive none of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codex_py.sandbox import register as module
from codex_py.sandbox.errors import SandboxError
from codex_py.sandbox.mount_points import Changed
from codex_py.sandbox.plan import Mount, Op, Plan
from codex_py.sandbox.register import Lease, Register, register_folder

from .test_mount_points import missing


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(str(tmp_path / "register"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (folder := tmp_path / "ws").mkdir()
    return folder


def plan(folder: Path, *names: str) -> Plan:
    return Plan((), reserved=tuple(missing(folder, name) for name in names or (".git",)))


def leased(register: Register, wanted: Plan) -> Lease:
    lease = register.lease(wanted)
    assert lease is not None
    return lease


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_lease_makes_what_is_missing_and_removes_it_at_its_end(register: Register, workspace: Path) -> None:
    lease = leased(register, plan(workspace, ".git", "secret"))
    assert names(workspace) == {".git", "secret"} == {os.path.basename(path) for path in register.known()}
    lease.end()
    lease.end()
    assert names(workspace) == set()
    assert register.known() == {}


def test_a_plan_that_needs_none_has_no_lease(register: Register, tmp_path: Path) -> None:
    assert register.lease(Plan(())) is None
    assert names(tmp_path / "register") == {"lock"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_last_of_several_removes_them(register: Register, workspace: Path, order: tuple[int, ...]) -> None:
    other = Register(register._folder)  # of another server
    leases = [leased(each, plan(workspace)) for each in (register, other, register)]
    for position in order[:-1]:
        leases[position].end()
        assert names(workspace) == {".git"}
    leases[order[-1]].end()
    assert names(workspace) == set()


def test_each_name_goes_when_nobody_needs_it(register: Register, workspace: Path) -> None:
    both, one = leased(register, plan(workspace, ".git", "secret")), leased(register, plan(workspace, ".git"))
    both.end()
    assert names(workspace) == {".git"}
    one.end()
    assert names(workspace) == set()


def test_one_that_the_host_removed_is_made_again(register: Register, workspace: Path) -> None:
    first = leased(register, plan(workspace))
    (workspace / ".git").rmdir()
    second = leased(register, plan(workspace))
    first.end()
    assert names(workspace) == {".git"}
    second.end()
    assert names(workspace) == set()


def test_what_the_host_filled_is_the_hosts(register: Register, workspace: Path) -> None:
    lease = leased(register, plan(workspace))
    (workspace / ".git/HEAD").write_text("ref")
    lease.end()
    assert names(workspace) == {".git"}
    with pytest.raises(Changed):
        register.lease(plan(workspace))


def test_a_plan_that_took_one_for_the_hosts_is_out_of_date(register: Register, workspace: Path) -> None:
    lease = leased(register, plan(workspace))
    with pytest.raises(Changed):
        register.lease(Plan((Mount(Op.READ, f"{workspace}/.git", ""),)))
    lease.end()


def test_when_one_cannot_be_made_the_others_are_removed_again(register: Register, workspace: Path) -> None:
    wanted = plan(workspace, ".git", ".aws")
    (workspace / ".aws").mkdir()
    with pytest.raises(Changed):
        register.lease(wanted)
    assert names(workspace) == {".aws"}
    assert register.known() == {}


KILLED = """
import os, signal, sys
from codex_py.sandbox.disk import Identity
from codex_py.sandbox.plan import Plan, Reserved
from codex_py.sandbox.register import Register
register, folder = sys.argv[1:]
facts = os.stat(folder)
reserved = Reserved(Identity(facts.st_dev, facts.st_ino), ".git", "", folder + "/.git")
lease = Register(register).lease(Plan((), reserved=(reserved,)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_a_server_with_a_lease(register: Register, workspace: Path) -> None:
    command = [sys.executable, "-c", KILLED, register._folder, str(workspace)]
    assert subprocess.run(command, timeout=30).returncode == -9
    assert names(workspace) == {".git"}


def test_what_a_killed_server_left_is_removed_by_the_next(register: Register, workspace: Path, tmp_path: Path) -> None:
    kill_a_server_with_a_lease(register, workspace)
    assert register.known() == {}
    assert names(workspace) == set()
    assert names(tmp_path / "register") == {"lock"}


def test_or_stays_as_long_as_somebody_alive_needs_it(register: Register, workspace: Path) -> None:
    lease = leased(register, plan(workspace))
    kill_a_server_with_a_lease(register, workspace)
    register.known()
    assert names(workspace) == {".git"}
    lease.end()
    assert names(workspace) == set()


@pytest.mark.parametrize("content", [b"", b"[", b'[{"path": "/x"}]', b"{}", b"\xff"])
def test_a_lease_that_was_cut_off_spoils_nothing(register: Register, tmp_path: Path, content: bytes) -> None:
    register.known()
    (tmp_path / "register/cut-off").write_bytes(content)
    assert register.known() == {}
    assert names(tmp_path / "register") == {"lock"}


def test_many_at_once_leave_nothing(register: Register, workspace: Path) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                leased(register, plan(workspace, ".git", ".aws")).end()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert names(workspace) == set()


def test_no_descriptor_is_left_open(register: Register, workspace: Path) -> None:
    before = os.listdir("/proc/self/fd")
    leased(register, plan(workspace)).end()
    register.known()
    assert os.listdir("/proc/self/fd") == before


# -- whose it is


def test_it_is_for_this_user_alone(register: Register, tmp_path: Path) -> None:
    register.known()
    assert (tmp_path / "register").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_one_that_others_may_use_is_refused(register: Register, tmp_path: Path, mode: int) -> None:
    (tmp_path / "register").mkdir()
    (tmp_path / "register").chmod(mode)
    with pytest.raises(SandboxError, match="is not this user's alone; remove it"):
        register.known()


def test_one_of_somebody_else_is_refused(register: Register, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "register").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SandboxError, match="is not this user's alone"):
        register.known()


@pytest.mark.parametrize("what", ["link", "file"])
def test_one_that_is_no_folder_is_refused(register: Register, tmp_path: Path, what: str) -> None:
    path = tmp_path / "register"
    if what == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        path.symlink_to("elsewhere")
    else:
        path.touch()
    with pytest.raises(SandboxError, match="cannot keep the register of mount points"):
        register.known()


def test_its_place_depends_on_the_machine_and_the_user_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = register_folder()
    for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert register_folder() == here
    assert here.endswith(f"-{os.geteuid()}")
    monkeypatch.setattr(module, "_FOLDERS", (str(tmp_path / "missing"), str(tmp_path)))
    assert register_folder().startswith(str(tmp_path))
