"""Which processes are confined, and what exactly is launched then."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from codex_py.protocol.errors import WireError
from codex_py.sandbox import stage
from codex_py.sandbox.bwrap import NEEDED_OPTIONS, PROCESS_OPTIONS
from codex_py.sandbox.errors import BwrapNotFound, InvalidPolicy, UnenforceablePolicy
from codex_py.sandbox.plan import Runtime
from codex_py.sandbox.processes import ProcessLaunch, ProcessSandbox, Program
from codex_py.sandbox.register import Register
from codex_py.sandbox.search import BwrapSearch
from codex_py.sandbox.seccomp import instructions, packed

from .samples import context, context_json

SERVER = {"PATH": "/server/bin", "TMPDIR": "/server/tmp", "HOME": "/root", "OPENAI_API_KEY": "sk-1"}
BWRAP = "/bundled/bwrap"


def search_of(folder: Path) -> BwrapSearch:
    """A search that finds a bwrap which knows every option."""
    bwrap = folder / "bwrap"
    bwrap.write_text("")
    bwrap.chmod(0o755)
    return BwrapSearch(SERVER, str(bwrap), lambda _: " ".join((*NEEDED_OPTIONS, *PROCESS_OPTIONS)))


@pytest.fixture
def confining(tmp_path: Path) -> ProcessSandbox:
    return ProcessSandbox(SERVER, Runtime(()), search_of(tmp_path), register=Register(str(tmp_path / "register")))


def program(
    *argv: str, environment: Mapping[str, str] | None = None, cwd: str = "/", arg0: str | None = None, tty: bool = False
) -> Program:
    return Program(argv or ("prog", "arg"), {} if environment is None else environment, cwd, arg0, tty)


def content_of(descriptor: int) -> bytes:
    try:
        return os.pread(descriptor, 1_000_000, 0)
    except OSError:  # a pipe
        return b""


class Launched:
    """A launch, taken apart while its descriptors are open."""

    def __init__(self, launch: ProcessLaunch) -> None:
        self.argv = launch.argv
        self.environment = launch.environment
        self.contents = [content_of(number) for number in launch.descriptors]
        self.release = launch.release or (lambda: None)
        assert launch.argv[1] == "--args"
        self.options = self.words(int(launch.argv[2]))
        self.inside = launch.argv[launch.argv.index("--") + 1 :]

    def words(self, number: int) -> list[str]:
        return [word.decode() for word in self.contents[number - 3].split(b"\0")[:-1]]

    def after(self, option: str) -> str:
        return self.options[self.options.index(option) + 1]


@contextmanager
def prepared(confining: ProcessSandbox, rules: str, given: Program, **members: object) -> Generator[Launched]:
    with confining.prepared(context(rules, **members), given) as launch:
        yield Launched(launch)


def permissions(kind: str, network: str = "restricted") -> dict[str, object]:
    if kind == "unrestricted":
        return {"type": "managed", "file_system": {"type": "unrestricted"}, "network": network}
    return {"type": kind, **({"network": network} if kind == "external" else {})}


def with_network(rules: str) -> dict[str, object]:
    return {**context_json(rules)["permissions"], "network": "enabled"}


# -- which are confined


@pytest.mark.parametrize("rules", [":root=read", "/ws=write", "/=write", ":root=write /sec=deny", ""])
def test_whoever_may_not_do_everything_to_files_is_confined(confining: ProcessSandbox, rules: str) -> None:
    assert confining.confines(context(rules))
    assert confining.confines(context(rules, permissions=with_network(rules)))


@pytest.mark.parametrize(
    "given",
    [
        permissions("disabled"),
        permissions("external", "enabled"),
        permissions("unrestricted", "enabled"),
        with_network(":root=write"),
    ],
)
def test_who_may_do_everything_is_started_plainly(confining: ProcessSandbox, given: dict[str, object]) -> None:
    assert not confining.confines(context("", permissions=given))
    assert not confining.confines(None)


@pytest.mark.parametrize(
    "given", [permissions("external"), permissions("unrestricted"), context_json(":root=write")["permissions"]]
)
def test_a_restricted_network_alone_is_refused(confining: ProcessSandbox, given: dict[str, object]) -> None:
    with pytest.raises(UnenforceablePolicy, match="cannot enforce a restricted network for a process whose files"):
        confining.confines(context("", permissions=given))


@pytest.mark.parametrize(
    ("members", "rules", "text"),
    [
        (
            {},
            "/C:/x=read",
            "failed to prepare process sandbox: invalid sandbox permission path: 'file:///C:/x' is invalid on 'linux'",
        ),
        (
            {"cwd": "file:///C:/x"},
            ":root=read",
            "failed to prepare process sandbox: invalid sandbox policy cwd: 'file:///C:/x' is invalid on 'linux'",
        ),
        ({"windowsSandboxLevel": "mxc"}, ":root=read", "native MXC is unavailable on this executor"),
    ],
)
def test_what_does_not_fit_this_machine_is_refused_in_the_references_words(
    confining: ProcessSandbox, members: dict[str, object], rules: str, text: str
) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        confining.confines(context(rules, **members))
    assert (caught.value.code, caught.value.message) == (-32602, text)


@pytest.mark.parametrize("rules", [":root=read *.env=deny", ":root=read /ws/**/x=read"])
def test_what_is_not_enforced_is_refused_before_anything_is_prepared(confining: ProcessSandbox, rules: str) -> None:
    with pytest.raises(UnenforceablePolicy, match="not enforced yet"):
        confining.confines(context(rules))


# -- what is launched


def test_the_command_line_is_bwrap_where_its_options_are_and_the_program(
    confining: ProcessSandbox, tmp_path: Path
) -> None:
    given = program("prog", "-x", "--", environment={"SECRET": "s3cret"})
    with prepared(confining, ":root=read", given) as launched:
        assert launched.argv == (f"{tmp_path}/bwrap", "--args", "4", "--", "prog", "-x", "--")


@pytest.mark.parametrize("tty", [False, True])
def test_bwrap_itself_has_the_servers_allowed_variables_and_none_of_the_programs(
    confining: ProcessSandbox, tty: bool
) -> None:
    hostile = {"LD_PRELOAD": "/tmp/evil.so", "PATH": "/evil", "TMPDIR": "/evil", "LD_AUDIT": "x", "PYTHONPATH": "/evil"}
    with prepared(confining, ":root=read", program(environment=hostile, tty=tty)) as launched:
        assert launched.environment == {"PATH": "/server/bin", "TMPDIR": "/server/tmp"}
        assert not any("evil" in word for word in launched.argv)


def test_the_programs_environment_is_set_inside_and_nothing_else_is(confining: ProcessSandbox) -> None:
    environment = {"PATH": "/usr/bin", "LD_PRELOAD": "/tmp/evil.so", "EMPTY": "", "ODD": "a b\n=c"}
    with prepared(confining, ":root=read", program(environment=environment)) as launched:
        after = launched.options[launched.options.index("--clearenv") + 1 :]
        words = iter(after)
        assert [(word, next(words), next(words)) for word in words] == [
            ("--setenv", name, value) for name, value in environment.items()
        ]


def test_all_options_of_a_read_only_policy(confining: ProcessSandbox) -> None:
    with prepared(confining, ":root=read", program(environment={"A": "b"}, cwd="/usr")) as launched:
        assert " ".join(launched.options) == (
            "--new-session --die-with-parent --unshare-user --unshare-pid --unshare-ipc --disable-userns "
            "--unshare-net "
            "--ro-bind / / --dev /dev --proc /proc --tmpfs /dev/shm --remount-ro /dev --remount-ro /proc "
            "--chdir /usr --cap-drop ALL --seccomp 3 --clearenv --setenv A b"
        )


def test_the_filter_is_the_one_for_this_machine_and_the_policys_network(confining: ProcessSandbox) -> None:
    machine = os.uname().machine
    with prepared(confining, ":root=read", program()) as launched:
        assert launched.contents[int(launched.after("--seccomp")) - 3] == packed(instructions(machine, network=False))
    with prepared(confining, "", program(), permissions=with_network(":root=read")) as launched:
        assert launched.contents[int(launched.after("--seccomp")) - 3] == packed(instructions(machine, network=True))
        assert "--unshare-net" not in launched.options


def test_a_machine_without_a_filter_runs_nothing(confining: ProcessSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "n", "r", "v", "riscv64")))
    with pytest.raises(UnenforceablePolicy, match="riscv64"), prepared(confining, ":root=read", program()):
        pass


def test_the_working_folder_is_canonical(confining: ProcessSandbox, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with prepared(confining, ":root=read", program(cwd=f"{tmp_path}/link")) as launched:
        assert launched.after("--chdir") == f"{tmp_path}/real"


def test_hidden_files_are_further_descriptors_in_the_order_of_their_numbers(
    confining: ProcessSandbox, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).write_text("secret")
    with prepared(confining, f":root=read {tmp_path}/a=deny {tmp_path}/b=deny", program()) as launched:
        assert [word for word in launched.options if word == "--ro-bind-data"] == ["--ro-bind-data"] * 2
        assert [launched.after("--seccomp"), launched.argv[2]] == ["3", "6"]
        assert [bool(content) for content in launched.contents] == [True, False, False, True]


def test_tmpdir_is_that_of_the_programs_environment(confining: ProcessSandbox, tmp_path: Path) -> None:
    (folder := tmp_path / "mine").mkdir()
    with prepared(confining, ":root=read :tmpdir=write", program(environment={"TMPDIR": str(folder)})) as launched:
        assert launched.options[launched.options.index("--bind-fd") + 2] == str(folder)
    with prepared(confining, ":root=read :tmpdir=write", program()) as launched:
        assert "--bind-fd" not in launched.options


@pytest.mark.parametrize("chosen", ["/", "/etc", "/tmp/../etc/", "/tmpfoo", "relative", "", "{}/link"])
def test_a_variable_cannot_choose_what_can_be_written(confining: ProcessSandbox, tmp_path: Path, chosen: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    given = program(environment={"TMPDIR": chosen.format(tmp_path)})
    with prepared(confining, ":root=read :tmpdir=write", given) as launched:
        assert "--bind-fd" not in launched.options


@pytest.mark.parametrize(
    "given",
    [
        program(environment={"A": "x\0--bind\0/\0/"}),
        program(environment={"A\0--bind\0/\0/": "x"}),
        program(cwd="/x\0--bind"),
        program("prog", "x\0y", tty=True),
    ],
)
def test_a_nul_cannot_smuggle_an_option_in(confining: ProcessSandbox, given: Program) -> None:
    with pytest.raises((WireError, ValueError)), prepared(confining, ":root=read", given):
        pass


def test_without_any_bwrap_nothing_is_launched() -> None:
    confining = ProcessSandbox({}, Runtime(()), BwrapSearch({}, None))
    with pytest.raises(BwrapNotFound), prepared(confining, ":root=read", program()):
        pass


def test_a_bwrap_in_the_programs_own_path_or_folder_is_not_used(tmp_path: Path) -> None:
    evil = tmp_path / "bwrap"
    evil.write_text("")
    evil.chmod(0o755)
    confining = ProcessSandbox(
        {}, Runtime(()), BwrapSearch({}, None, lambda _: " ".join((*NEEDED_OPTIONS, *PROCESS_OPTIONS)))
    )
    with (
        pytest.raises(BwrapNotFound, match="no `bwrap` on PATH"),
        prepared(confining, ":root=read", program(environment={"PATH": str(tmp_path)})),
    ):
        pass
    server = {"PATH": str(tmp_path)}
    confining = ProcessSandbox(
        server, Runtime(()), BwrapSearch(server, None, lambda _: " ".join((*NEEDED_OPTIONS, *PROCESS_OPTIONS)))
    )
    with (
        pytest.raises(BwrapNotFound, match="lies in the project folder"),
        prepared(confining, ":root=read", program(cwd=str(tmp_path))),
    ):
        pass


def test_no_descriptor_is_left_open(confining: ProcessSandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("secret")
    before = os.listdir("/proc/self/fd")
    for given in (program(), program(tty=True), program(environment={"A": "\0"})):
        try:
            with prepared(confining, f":root=read {tmp_path}/a=deny", given) as launched:
                assert launched.contents
        except WireError:
            pass
    assert os.listdir("/proc/self/fd") == before


def test_more_files_than_can_be_handed_over_are_refused(confining: ProcessSandbox, tmp_path: Path) -> None:
    for number in range(245):
        (tmp_path / str(number)).write_text("secret")
    rules = " ".join(f"{tmp_path}/{number}=deny" for number in range(245))
    with (
        pytest.raises(UnenforceablePolicy, match="deny folders instead"),
        prepared(confining, f":root=read {rules}", program()),
    ):
        pass


# -- mount points

PROTECTED = {".git", ".agents", ".codex", ".aws"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (folder := tmp_path / "ws").mkdir()
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_protected_names_that_do_not_exist_are_made_covered_and_removed(
    confining: ProcessSandbox, workspace: Path
) -> None:
    with prepared(confining, f":root=read {workspace}=write", program()) as launched:
        assert names(workspace) == PROTECTED
        options = " ".join(launched.options)
        for name in PROTECTED:
            assert f"--perms 555 --tmpfs {workspace}/{name} --remount-ro {workspace}/{name}" in options
        assert launched.after("--info-fd") == "4"
    assert names(workspace) == PROTECTED
    launched.release()
    assert names(workspace) == set()


def test_a_missing_path_of_a_rule_becomes_an_empty_file_that_is_hidden(
    confining: ProcessSandbox, workspace: Path
) -> None:
    rules = f":root=read {workspace}=write {workspace}/later/secret=deny"
    with prepared(confining, rules, program()) as launched:
        assert (workspace / "later").read_bytes() == b""
        assert f"--ro-bind-data 6 {workspace}/later" in " ".join(launched.options)
    launched.release()
    assert names(workspace) == set()


def test_a_policy_that_writes_nothing_makes_nothing_and_needs_no_register(tmp_path: Path) -> None:
    confining = ProcessSandbox({}, Runtime(()), search_of(tmp_path), register=Register("/nonexistent/register"))
    with prepared(confining, ":root=read", program()) as launched:
        assert "--info-fd" not in launched.options
    launched.release()


def test_two_runs_share_their_mount_points_and_the_last_one_removes_them(
    confining: ProcessSandbox, workspace: Path
) -> None:
    rules = f":root=read {workspace}=write"
    with prepared(confining, rules, program()) as first, prepared(confining, rules, program()) as second:
        assert first.options.count("555") == second.options.count("555") == 4
    first.release()
    assert names(workspace) == PROTECTED
    second.release()
    assert names(workspace) == set()


def test_what_exists_is_not_made_and_stays(confining: ProcessSandbox, workspace: Path) -> None:
    (workspace / ".git").mkdir()
    with prepared(confining, f":root=read {workspace}=write", program()) as launched:
        assert f"--ro-bind {workspace}/.git {workspace}/.git" in " ".join(launched.options)
    launched.release()
    assert names(workspace) == {".git"}


def test_a_launch_that_fails_leaves_nothing(confining: ProcessSandbox, workspace: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ZeroDivisionError), prepared(confining, f":root=read {workspace}=write", program()):
        raise ZeroDivisionError
    hostile = program(environment={"A": "\0"})
    with pytest.raises(WireError), prepared(confining, f":root=read {workspace}=write", hostile):
        pass
    assert names(workspace) == set()
    assert os.listdir("/proc/self/fd") == before


# -- the stage


def staged(launched: Launched) -> list[str]:
    assert launched.inside[:-1] == (sys.executable, "-I", "-S", os.path.abspath(stage.__file__))
    assert launched.options[-1] == "--clearenv"
    return launched.words(int(launched.inside[-1]))


def test_another_name_goes_through_the_stage_with_the_program_as_it_was(confining: ProcessSandbox) -> None:
    given = program("/bin/prog", "a", arg0="name", environment={"A": "b", "C": "d=e"})
    with prepared(confining, ":root=read", given) as launched:
        assert staged(launched) == ["", "/bin/prog", "2", "name", "a", "A=b", "C=d=e"]


@pytest.mark.parametrize(("arg0", "name"), [(None, "prog"), ("other", "other")])
def test_with_a_terminal_the_stage_takes_it(confining: ProcessSandbox, arg0: str | None, name: str) -> None:
    with prepared(confining, ":root=read", program("prog", "a", arg0=arg0, tty=True)) as launched:
        assert staged(launched) == ["terminal", "prog", "2", name, "a"]
        assert "--new-session" in launched.options


@pytest.mark.parametrize(
    "given",
    [
        program("prog", *["x"] * 9_000),
        program(environment={f"V{number}": "x" for number in range(3_000)}),
    ],
)
def test_what_is_too_much_for_bwrap_goes_through_the_stage(confining: ProcessSandbox, given: Program) -> None:
    with prepared(confining, ":root=read", given) as launched:
        assert len(staged(launched)) == 3 + len(given.argv) + len(given.environment)
