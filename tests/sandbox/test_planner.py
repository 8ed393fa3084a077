"""A policy becomes a plan: golden tables, compared whole. The disk is pyfakefs, so no kernel is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem

from codex_py.sandbox.disk import RealDisk
from codex_py.sandbox.errors import UnenforceablePolicy
from codex_py.sandbox.plan import Plan, Runtime
from codex_py.sandbox.planner import make_plan

from .samples import NO_RUNTIME, policy, shown

# What every plan over a readable root has besides its own rules.
FIRST = ["READ /", "DEVICES /dev", "PROCESSES /proc"]
LAST = ["SEAL /dev", "SEAL /proc"]
NAMES = (".git", ".agents", ".codex", ".aws")


@pytest.fixture
def disk(fs: FakeFilesystem) -> FakeFilesystem:
    """A disk on which /ws and /other are empty folders."""
    for path in ("/ws", "/other", "/proc", "/dev"):
        if not fs.exists(path):
            fs.create_dir(path)
    return fs


def plan(rules: str, runtime: Runtime = NO_RUNTIME, **members: object) -> Plan:
    return make_plan(policy(rules, **members), runtime, RealDisk())


def reserved(*directories: str, names: tuple[str, ...] = NAMES) -> list[str]:
    return [f"reserve {name} in {Path(folder).stat().st_ino}" for folder in directories for name in names]


def test_a_read_only_root_is_one_mount(disk: FakeFilesystem) -> None:
    assert shown(plan(":root=read /missing=deny")) == FIRST + LAST


def test_a_writable_root_reserves_the_protected_names_that_do_not_exist(disk: FakeFilesystem) -> None:
    made = plan(":root=read /ws=write")
    assert shown(made) == [*FIRST, "WRITE /ws", *LAST, *reserved("/ws")]
    assert [root.path for root in made.roots] == ["/ws"]


def test_protected_names_that_exist_are_read_only_whether_empty_or_not(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    disk.create_dir("/ws/.codex")
    disk.create_file("/ws/.aws")
    assert shown(plan(":root=read /ws=write")) == [
        *FIRST,
        "WRITE /ws",
        "READ /ws/.git",
        "READ /ws/.codex",
        "READ /ws/.aws",
        *LAST,
        *reserved("/ws", names=(".agents",)),
    ]


def test_names_below_the_first_level_are_not_protected(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/sub/.git/HEAD")
    assert shown(plan(":root=read /ws=write")) == [*FIRST, "WRITE /ws", *LAST, *reserved("/ws")]


def test_the_command_lines_own_workspace_write_policy(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    rules = ":root=read :project_roots=write " + " ".join(f":project_roots/{name}=read" for name in NAMES)
    made = plan(rules, cwd="file:///ws", workspaceRoots=["file:///ws"])
    assert shown(made) == [
        *FIRST,
        "WRITE /ws",
        "READ /ws/.git",
        *LAST,
        *reserved("/ws", names=(".agents", ".codex", ".aws")),
    ]


def test_an_explicit_write_entry_opens_a_protected_name(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    assert shown(plan(":root=read /ws=write /ws/.git=write /ws/.codex=write")) == [
        *FIRST,
        "WRITE /ws",
        "WRITE /ws/.git",
        *LAST,
        *reserved("/ws", names=(".agents", ".aws")),
    ]


def test_an_explicit_deny_entry_hides_a_protected_name(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    assert shown(plan(":root=read /ws=write /ws/.git=deny"))[:5] == [
        *FIRST,
        "WRITE /ws",
        "HIDE_DIRECTORY /ws/.git",
    ]


def test_the_git_directory_of_a_worktree_is_read_only_too(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git", contents="  gitdir:   real/worktrees/one  \n\n")
    disk.create_file("/ws/real/worktrees/one/commondir", contents="../..\n")
    made = plan(":root=read /ws=write")
    assert shown(made)[3:7] == ["WRITE /ws", "READ /ws/.git", "READ /ws/real", "SEAL /dev"]


def test_it_is_also_when_the_client_protects_git_by_an_entry_of_its_own(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git", contents="gitdir: /ws/real.git\n")
    disk.create_dir("/ws/real.git")
    assert "READ /ws/real.git" in shown(plan(":root=read /ws=write /ws/.git=read"))


def test_a_git_directory_that_is_not_writable_anyway_needs_no_mount(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git", contents="gitdir: /other/wt\n")
    disk.create_dir("/other/wt")
    assert not any("/other" in line for line in shown(plan(":root=read /ws=write")))


@pytest.mark.parametrize(
    "contents", ["", "garbage", "gitdir:", "gitdir: \n", "gitdir: /missing/one", "x\ngitdir: /ws/sub"]
)
def test_a_git_file_that_points_nowhere_is_just_read_only(disk: FakeFilesystem, contents: str) -> None:
    disk.create_file("/ws/.git", contents=contents)
    made = shown(plan(":root=read /ws=write"))
    assert [line for line in made if "/ws" in line] == ["WRITE /ws", "READ /ws/.git"]


def test_denied_paths_are_hidden_by_kind(disk: FakeFilesystem) -> None:
    disk.create_file("/sec/dir/key")
    disk.create_file("/sec/file")
    assert shown(plan(":root=read /sec/dir=deny /sec/file=deny /sec/missing=deny")) == [
        *FIRST,
        "HIDE_DIRECTORY /sec/dir",
        "SEAL /sec/dir",
        "HIDE_FILE /sec/file",
        *LAST,
    ]


def test_nested_denies_need_one_mask(disk: FakeFilesystem) -> None:
    disk.create_dir("/sec/a/b")
    assert shown(plan(":root=read /sec/a/b=deny /sec=deny /sec/a=read")) == [
        *FIRST,
        "HIDE_DIRECTORY /sec",
        "SEAL /sec",
        *LAST,
    ]


def test_a_writable_root_below_a_denied_path_is_reached_through_a_veil(disk: FakeFilesystem) -> None:
    disk.create_dir("/sec/a/ws")
    assert shown(plan(":root=read /sec=deny /sec/a/ws=write")) == [
        *FIRST,
        "VEIL_DIRECTORY /sec",
        "WRITE /sec/a/ws",
        *LAST,
        "SEAL /sec",
        *reserved("/sec/a/ws"),
    ]


def test_read_below_write_and_write_below_that(disk: FakeFilesystem) -> None:
    disk.create_dir("/ws/ro/w")
    assert shown(plan(":root=read /ws/ro/w=write /ws/ro=read /ws=write")) == [
        *FIRST,
        "WRITE /ws",
        "READ /ws/ro",
        "WRITE /ws/ro/w",
        *LAST,
        *reserved("/ws", "/ws/ro/w"),
    ]


@pytest.mark.parametrize("access", ["read", "deny"])
def test_a_missing_path_below_a_writable_root_is_reserved_at_its_first_missing_component(
    disk: FakeFilesystem, access: str
) -> None:
    disk.create_dir("/ws/a")
    made = shown(plan(f":root=read /ws=write /ws/a/m/n={access}"))
    assert reserved("/ws/a", names=("m",))[0] in made


def test_a_missing_writable_root_is_left_out(disk: FakeFilesystem) -> None:
    assert shown(plan(":root=read /missing=write")) == FIRST + LAST


def test_a_file_can_be_a_writable_root(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/a.txt")
    made = plan(":root=read /ws/a.txt=write")
    assert shown(made) == [*FIRST, "WRITE /ws/a.txt", *LAST]
    assert [root.path for root in made.roots] == ["/ws/a.txt"]


def test_a_symlinked_writable_root_is_mounted_where_it_leads(disk: FakeFilesystem) -> None:
    disk.create_symlink("/lnk", "/ws")
    assert shown(plan(":root=read /lnk=write")) == [*FIRST, "WRITE /ws", *LAST, *reserved("/ws")]


def test_a_denied_symlink_hides_what_it_leads_to(disk: FakeFilesystem) -> None:
    disk.create_dir("/real")
    disk.create_symlink("/lnk", "real")
    assert shown(plan(":root=read /lnk=deny")) == [*FIRST, "HIDE_DIRECTORY /real", "SEAL /real", *LAST]


@pytest.mark.parametrize("access", ["read", "write", "deny"])
def test_a_rule_through_a_link_that_the_sandbox_could_change_is_refused(disk: FakeFilesystem, access: str) -> None:
    disk.create_symlink("/ws/link", "/other")
    with pytest.raises(UnenforceablePolicy, match=r"/ws/link/x leads through the link /ws/link, which lies in"):
        plan(f":root=read /ws=write /ws/link/x={access}")


def test_a_protected_name_that_is_a_link_is_refused(disk: FakeFilesystem) -> None:
    disk.create_symlink("/ws/.git", "/other")
    with pytest.raises(UnenforceablePolicy, match=r"protected name \.git of the writable root /ws"):
        plan(":root=read /ws=write")


def test_an_empty_base_shows_only_what_rules_name(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/a.txt")
    assert shown(plan("/ws=read /missing=read")) == [
        "EMPTY /",
        "DEVICES /dev",
        "PROCESSES /proc",
        "READ /ws",
        "SEAL /",
        *LAST,
    ]


def test_in_an_empty_base_the_links_of_named_paths_are_made_again(disk: FakeFilesystem) -> None:
    disk.create_dir("/run/data")
    disk.create_symlink("/var/run", "../run")
    assert "LINK /var/run -> ../run" in shown(plan("/var/run/data=read"))


def test_a_denied_root_is_an_empty_base(disk: FakeFilesystem) -> None:
    assert shown(plan(":root=deny /ws=write"))[:4] == ["EMPTY /", "DEVICES /dev", "PROCESSES /proc", "WRITE /ws"]


def test_the_platform_is_shown_in_an_empty_base_unless_denied(disk: FakeFilesystem) -> None:
    disk.create_file("/usr/lib/x")
    disk.create_file("/etc/passwd")
    runtime = Runtime(paths=(), platform=("/usr", "/etc", "/nix/store"))
    made = shown(plan("/ws=read /etc=deny", runtime))
    assert "READ /usr" in made
    assert not any("/etc" in line or "/nix" in line for line in made)


def test_a_denied_file_of_the_platform_stays_hidden(disk: FakeFilesystem) -> None:
    disk.create_file("/etc/secret")
    made = shown(plan("/etc/secret=deny", Runtime(paths=(), platform=("/etc",))))
    assert made.index("READ /etc") < made.index("HIDE_FILE /etc/secret")


def test_the_helpers_files_are_read_only_in_a_writable_root(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.venv/bin/python")
    made = shown(plan(":root=read /ws=write", Runtime(paths=("/ws/.venv/bin",))))
    assert made.index("WRITE /ws") < made.index("READ /ws/.venv/bin")


def test_they_are_shown_in_an_empty_base(disk: FakeFilesystem) -> None:
    disk.create_file("/opt/python/bin/python3")
    assert "READ /opt/python/bin" in shown(plan("", Runtime(paths=("/opt/python/bin",))))


@pytest.mark.parametrize("rules", ["/opt/python=deny", "/opt=deny", "/opt/python=write", "/opt/python/lib=write"])
def test_a_rule_that_would_open_or_hide_the_helpers_files_is_refused(disk: FakeFilesystem, rules: str) -> None:
    disk.create_dir("/opt/python/lib")
    with pytest.raises(UnenforceablePolicy, match="helper's own files"):
        plan(f":root=read {rules}", Runtime(paths=("/opt/python",)))


@pytest.mark.parametrize("path", ["/proc", "/proc/sys", "/proc/self"])
def test_nothing_in_proc_can_be_made_writable(disk: FakeFilesystem, path: str) -> None:
    if not disk.exists(path):
        disk.create_dir(path)
    with pytest.raises(UnenforceablePolicy, match="/proc inside a sandbox"):
        plan(f":root=read {path}=write")


def test_a_writable_base_keeps_devices_and_processes_apart(disk: FakeFilesystem) -> None:
    disk.create_dir("/dev/shm")
    made = plan(":root=write /ws=deny")
    assert shown(made)[:5] == ["WRITE /", "DEVICES /dev", "PROCESSES /proc", "WRITE /dev/shm", "HIDE_DIRECTORY /ws"]
    assert made.roots[0].path == "/"


def for_process(rules: str) -> list[str]:
    return shown(make_plan(policy(rules), NO_RUNTIME, RealDisk(), for_process=True))


def test_a_process_has_shared_memory_of_its_own(disk: FakeFilesystem) -> None:
    assert for_process(":root=read") == [*FIRST, "EMPTY /dev/shm", *LAST]
    disk.create_dir("/dev/shm/host")
    assert "READ /dev/shm/host" not in for_process(":root=read /dev/shm/host=read")
    assert not any("missing" in line for line in for_process(":root=read /dev/shm/missing=deny"))


def test_a_process_that_may_write_everything_has_the_hosts(disk: FakeFilesystem) -> None:
    disk.create_dir("/dev/shm")
    assert "EMPTY /dev/shm" not in for_process(":root=write /other=read")
    assert for_process(":root=read /dev/shm=write").index("WRITE /dev/shm") > 3


def test_for_a_process_every_folder_on_the_way_to_a_rule_stays_where_it_is(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/a/b/key")
    disk.create_dir("/ws/a/ws")
    disk.create_dir("/ws/c")
    assert for_process(":root=read /ws=write /ws/a/b/key=deny /ws/a/ws=write /ws/c/missing=read")[4:] == [
        "WRITE /ws",
        "WRITE /ws/a",
        "WRITE /ws/a/ws",
        "WRITE /ws/c",
        "WRITE /ws/a/b",
        "HIDE_FILE /ws/a/b/key",
        *LAST,
        *reserved("/ws"),
        *reserved("/ws/c", names=("missing",)),
        *reserved("/ws/a/ws"),
    ]


def test_a_rule_below_a_file_keeps_the_file(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/file")
    made = for_process(":root=read /ws=write /ws/file/below=deny")
    assert "WRITE /ws/file" in made
    assert not any("below" in line for line in made)


def test_nothing_is_kept_in_place_where_nothing_can_be_moved(disk: FakeFilesystem) -> None:
    disk.create_file("/sec/a/key")
    assert for_process(":root=read /sec/a/key=deny")[4:] == ["HIDE_FILE /sec/a/key", *LAST]
    assert "WRITE /sec/a" not in shown(plan(":root=read /sec=write /sec/a/key=deny"))


def test_what_is_read_only_or_hidden_is_not_made_anew_by_a_helper(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    disk.create_file("/ws/a/key")
    made = plan(":root=read /ws=write /ws/a/key=deny")
    assert {(item.directory.inode, item.name) for item in made.kept} == {kept("/ws", ".git"), kept("/ws/a", "key")}


@pytest.mark.parametrize("rules", [":root=read", ":root=read /srv=write", ":root=write /ws=read"])
def test_what_servers_know_of_each_other_is_hidden_from_every_sandbox(disk: FakeFilesystem, rules: str) -> None:
    disk.create_dir("/srv/register")
    made = shown(plan(rules, Runtime(paths=(), hidden=("/srv/register",))))
    assert made[made.index("HIDE_DIRECTORY /srv/register") + 1] == "SEAL /srv/register"


def test_it_is_not_shown_where_nothing_else_is(disk: FakeFilesystem) -> None:
    disk.create_dir("/srv/register")
    assert not any(
        "register" in line for line in shown(plan("/ws=write", Runtime(paths=(), hidden=("/srv/register",))))
    )


@pytest.mark.parametrize("path", ["/srv/register", "/srv/register/lease"])
def test_it_cannot_be_made_writable(disk: FakeFilesystem, path: str) -> None:
    disk.create_dir("/srv/register/lease")
    with pytest.raises(UnenforceablePolicy, match="/srv/register is where servers keep what no sandbox may see"):
        plan(f":root=read {path}=write", Runtime(paths=(), hidden=("/srv/register",)))


def test_a_folder_that_is_made_writable_on_top_is_not_sealed(disk: FakeFilesystem) -> None:
    made = shown(plan(":root=read /dev=write"))
    assert "SEAL /dev" not in made
    assert made.index("DEVICES /dev") < made.index("WRITE /dev")


def test_every_mount_has_a_reason(disk: FakeFilesystem) -> None:
    disk.create_file("/ws/.git/HEAD")
    disk.create_dir("/sec")
    reasons = [mount.reason for mount in plan(":root=read /ws=write /sec=deny").mounts]
    assert "write entry /ws" in reasons
    assert "protected name .git of the writable root /ws" in reasons
    assert all(reasons)


def kept(directory: str, name: str) -> tuple[int, str]:
    return Path(directory).stat().st_ino, name


def test_directories_on_the_way_to_a_reserved_name_are_not_made_anew(disk: FakeFilesystem) -> None:
    disk.create_dir("/ws/a/b")
    made = plan(":root=read /ws=write /ws/a/b/hooks=deny")
    assert {(item.directory.inode, item.name) for item in made.kept} == {kept("/ws", "a"), kept("/ws/a", "b")}
    assert ("reserve", Path("/ws/a/b").stat().st_ino) in {
        ("reserve", item.directory.inode) for item in made.reserved if item.name == "hooks"
    }


@pytest.mark.parametrize("pointer", ["gitdir: lnk", "gitdir: lnk/../gd", "gitdir: ./lnk/x"])
def test_a_git_pointer_through_a_link_that_the_sandbox_could_change_is_refused(
    disk: FakeFilesystem, pointer: str
) -> None:
    disk.create_dir("/ws/deep/er/x")
    disk.create_dir("/ws/deep/gd")
    disk.create_symlink("/ws/lnk", "deep/er")
    disk.create_file("/ws/.git", contents=pointer)
    with pytest.raises(UnenforceablePolicy, match="leads through the link /ws/lnk"):
        plan(":root=read /ws=write")


def test_dots_of_a_git_pointer_are_resolved_as_the_kernel_does(disk: FakeFilesystem) -> None:
    disk.create_dir("/other/deep/er")
    disk.create_dir("/other/deep/gd")
    disk.create_symlink("/lnk", "/other/deep/er")
    disk.create_file("/ws/.git", contents="gitdir: /lnk/../gd")
    assert "READ /other/deep/gd" in shown(plan(":root=read /ws=write /other=write"))


@pytest.mark.parametrize("contents", ["gitdir: a\0b", "gitdir: " + "a" * 300, "gitdir: " + "../" * 2000])
def test_a_hostile_git_file_spoils_nothing_else(disk: FakeFilesystem, contents: str) -> None:
    disk.create_file("/ws/.git", contents=contents)
    made = plan(":root=read /ws=write")
    assert "READ /ws/.git" in shown(made)
    assert all(len(item.name) <= 255 for item in (*made.reserved, *made.kept))


def test_a_rule_for_a_path_that_the_kernel_cannot_take_is_refused(disk: FakeFilesystem) -> None:
    with pytest.raises(UnenforceablePolicy, match="longer than 4095 bytes"):
        plan(f":root=read /ws=write /ws/{'a/' * 2500}=deny")


def test_a_missing_file_that_would_be_imported_first_is_reserved(disk: FakeFilesystem) -> None:
    disk.create_dir("/ws/lib/python3.11")
    made = plan(":root=read /ws=write", Runtime(paths=("/ws/lib/python311.zip", "/ws/lib/python3.11")))
    assert (Path("/ws/lib").stat().st_ino, "python311.zip") in {
        (item.directory.inode, item.name) for item in made.reserved
    }


@pytest.mark.parametrize("rules", [":root=read /ws=write", ":root=write /sec=deny"])
@pytest.mark.parametrize("contents", ["gitdir: /", "gitdir: .", "gitdir:"])
def test_a_git_file_cannot_make_a_writable_root_read_only(disk: FakeFilesystem, rules: str, contents: str) -> None:
    for pointer in ("/ws/.git", "/.git"):
        disk.create_file(pointer, contents=contents)
    made = shown(plan(rules))
    assert made[0] in ("READ /", "WRITE /")
    assert "READ /" not in made[1:]
    assert "READ /ws" not in made
