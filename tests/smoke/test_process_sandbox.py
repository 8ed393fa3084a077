"""With the real bubblewrap: what a confined process can and cannot do, seen from inside and on the machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codex_py.protocol import wire
from codex_py.protocol.sandbox import SandboxContext, workspace_write
from codex_py.sandbox.register import register_folder

from . import confined
from .confined import run, running

pytestmark = pytest.mark.real_bwrap

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
PYTHON = (sys.executable, "-I", "-c")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """ws: writable, with every protected name; out: not writable; sec: denied."""
    for name in ("ws/.git/hooks", "ws/.agents", "ws/.codex", "ws/.aws", "out", "sec"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ws/.git/config").write_text("[core]")
    (tmp_path / "out/file").write_text("outside")
    (tmp_path / "sec/key").write_text("secret")
    (tmp_path / "out/key").write_text("secret")
    return tmp_path


def rule(path: Path | str, access: str) -> dict[str, Any]:
    if str(path).startswith(":"):
        return {"path": {"type": "special", "value": {"kind": str(path)[1:]}}, "access": access}
    return {"path": {"type": "path", "path": Path(path).as_uri()}, "access": access}


def box(*rules: Mapping[str, Any], network: str = "restricted") -> dict[str, Any]:
    files = {"type": "restricted", "entries": list(rules)}
    return {
        "permissions": {"type": "managed", "file_system": files, "network": network},
        "windowsSandboxLevel": "disabled",
    }


READ_ONLY = box(rule(":root", "read"))


def usual(place: Path, network: str = "restricted") -> dict[str, Any]:
    return box(
        rule(":root", "read"),
        rule(place / "ws", "write"),
        rule(place / "sec", "deny"),
        rule(place / "out/key", "deny"),
        network=network,
    )


def shell(context: SandboxContext | Mapping[str, Any], script: str, **options: Any) -> confined.Result:
    return run(context, ["/bin/sh", "-c", script], **{"environment": ENVIRONMENT, **options})


def python(context: Mapping[str, Any], script: str, **options: Any) -> confined.Result:
    return run(context, [*PYTHON, script], **{"environment": ENVIRONMENT, **options})


# -- files


def test_inside_the_workspace_everything_works(place: Path) -> None:
    script = "echo hi > new && mkdir -p a/b && mv new a/b && ln a/b/new c && cat c"
    done = shell(usual(place), script, cwd=f"{place}/ws")
    assert (done.code, done.out, done.err) == (0, "hi\n", "")
    assert (place / "ws/a/b/new").read_text() == "hi\n"


@pytest.mark.parametrize(
    "script",
    [
        "echo x > ../out/new",
        "echo x > ../out/file",
        "ln -s ../out l; echo x > l/new",
        "ln ../out/file hard",
        "mv ../out/file .",
        "echo x > .git/hooks/pre-commit",
        "echo x > .git/config",
        "rm -rf .git",
        "mv .git elsewhere",
        "mv .codex elsewhere",
        "rmdir .aws",
        "chmod 777 ../out",
        "touch ../out/file",
        "cat ../sec/key",
        "ls ../sec",
        "cat ../out/key",
        "chmod 600 ../out/key",
        "rm ../out/key",
        "echo x > /proc/sys/kernel/hostname",
        "echo x > /proc/sysrq-trigger",
        "echo x > /dev/new",
        "mknod n c 1 5",
        "mount -t tmpfs none /mnt",
        "mount -o remount,rw /",
        "umount .git",
        "chroot . /bin/true",
        "kill -0 $PPID",
    ],
)
def test_what_the_policy_does_not_allow_fails_and_changes_nothing(place: Path, script: str) -> None:
    before, host = tree(place / "out") | tree(place / "ws/.git"), socket.gethostname()
    assert shell(usual(place), script, cwd=f"{place}/ws").code != 0 or "kill" in script
    assert tree(place / "out") | tree(place / "ws/.git") == before
    assert (place / "out/file").read_text() == "outside"
    assert socket.gethostname() == host


def tree(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def test_nothing_of_a_denied_file_is_in_what_can_be_read(place: Path) -> None:
    done = shell(usual(place), "cat sec/key out/key; ls -A sec; cat out/file", cwd=str(place))
    assert "secret" not in done.out
    assert done.out.endswith("outside")


def test_without_a_readable_root_only_the_rules_paths_are_there(place: Path) -> None:
    context = box(rule(place / "ws", "read"), rule(":minimal", "read"))
    done = shell(context, "ls -A /; cat .git/config", cwd=f"{place}/ws")
    assert (done.code, "[core]" in done.out) == (0, True)
    assert not {"home", "var", "mnt"} & set(done.out.split())


def test_shared_memory_is_private(place: Path) -> None:
    done = python(
        READ_ONLY,
        "from multiprocessing import Semaphore, shared_memory\n"
        "Semaphore(); shared_memory.SharedMemory(create=True, size=10, name='codex-py-test')\n"
        "import os; os.system('ls /dev/shm')",
    )
    assert "codex-py-test" in done.out
    assert not Path("/dev/shm/codex-py-test").exists()


def test_a_working_folder_that_is_not_visible_inside_is_an_error(place: Path) -> None:
    context = box(rule(place / "ws", "read"), rule(":minimal", "read"))
    done = shell(context, "pwd", cwd=f"{place}/out", environment={**ENVIRONMENT, "HOME": "/usr"})
    assert (done.code, done.out) == (1, "")
    assert "Can't chdir to" in done.err


def test_a_linked_working_folder_is_entered_where_it_leads(place: Path) -> None:
    (place / "link").symlink_to("ws")
    assert shell(usual(place), "/bin/pwd; echo $PWD", cwd=f"{place}/link").out == f"{place}/ws\n" * 2


def test_what_is_denied_cannot_be_moved_to_where_the_next_process_may_read_it(place: Path) -> None:
    (place / "ws/conf/deep").mkdir(parents=True)
    (place / "ws/conf/deep/key").write_text("secret")
    context = box(rule(":root", "read"), rule(place / "ws", "write"), rule(place / "ws/conf/deep/key", "deny"))
    script = "mv conf moved || mv conf/deep deep || rm -r conf; cat conf/deep/key moved/deep/key deep/key"
    for _ in range(2):
        done = shell(context, script, cwd=f"{place}/ws")
        assert "secret" not in done.out
        assert "Device or resource busy" in done.err
    assert (place / "ws/conf/deep/key").read_text() == "secret"
    assert shell(context, "echo x > conf/new && mkdir conf/deep/other", cwd=f"{place}/ws").code == 0


# -- names that do not exist

MISSING = (".git", ".agents", ".codex", ".aws")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A workspace without any protected name."""
    (folder := tmp_path / "bare").mkdir()
    return folder


def write_in(folder: Path) -> dict[str, Any]:
    return box(rule(":root", "read"), rule(folder, "write"))


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize(
    "script",
    [
        "mkdir {0}",
        "echo x > {0}",
        "echo x > {0}/hook",
        "rmdir {0} && mkdir {0}",
        "mv {0} away && mkdir {0}",
        "ln -s /tmp {0}/link",
        "mkdir other && touch other/hook && mv -T other {0}",
        "umount {0} && mkdir {0}/x",
        "chmod 777 {0} && touch {0}/hook",
        "mount -o remount,rw {0}",
        "unshare -Urm sh -c 'umount {0} || mount -o remount,rw {0} || mount -t tmpfs x {0}' && touch {0}/hook",
    ],
)
def test_a_protected_name_that_does_not_exist_cannot_be_created(bare: Path, name: str, script: str) -> None:
    assert shell(write_in(bare), f"touch works; {script.format(name)}", cwd=str(bare)).code != 0
    assert {path.name for path in bare.iterdir()} - {"other"} == {"works"}


def test_the_command_lines_own_workspace_write_policy_works(bare: Path, tmp_path: Path) -> None:
    (mine := tmp_path / "mine").mkdir()
    context = workspace_write([str(bare)])
    script = 'echo x > file && echo x > "$TMPDIR/file" && ls -A && git init -q 2>/dev/null || echo none'
    done = shell(context, script, cwd=str(bare), environment={**ENVIRONMENT, "TMPDIR": str(mine)})
    assert (sorted(done.out.split()), done.err) == (sorted([*MISSING, "file", "none"]), "")
    assert {path.name for path in (*bare.iterdir(), *mine.iterdir())} == {"file"}


def test_a_missing_path_of_a_rule_can_be_neither_created_nor_read(bare: Path) -> None:
    context = box(rule(":root", "read"), rule(bare, "write"), rule(bare / "later/secret", "deny"))
    done = shell(context, "mkdir -p later; cat later; rm -f later; mv later away; ls -A", cwd=str(bare))
    assert "Permission denied" in done.err
    assert "later" in done.out.split()
    assert list(bare.iterdir()) == []


def test_runs_beside_each_other_share_what_they_need(bare: Path) -> None:
    script = "echo up; read x; mkdir .git && echo made"
    with running(write_in(bare), ["/bin/sh", "-c", script], tty=True) as longer:
        longer.read_until(b"up")
        assert shell(write_in(bare), "mkdir .git", cwd=str(bare), within=confined.sandbox()).code != 0
        assert {path.name for path in bare.iterdir()} == set(MISSING)
        longer.type(b"go\n")
        assert longer.finish() != 0
    assert list(bare.iterdir()) == []


def test_whoever_is_left_inside_at_the_end_cannot_use_it(bare: Path) -> None:
    """Mount points go when everything inside is dead, which is a while after bubblewrap has ended."""
    script = "for i in 1 2 3 4; do (while :; do mkdir .git && touch .git/hook; done) 2>/dev/null & done; sleep 0.02"
    for _ in range(15):
        shell(write_in(bare), script, cwd=str(bare))
        assert list(bare.iterdir()) == []


def test_what_the_host_makes_meanwhile_is_the_hosts(bare: Path) -> None:
    with running(write_in(bare), ["/bin/sh", "-c", "echo up; read x; ls .git"], tty=True, cwd=str(bare)) as started:
        started.read_until(b"up")
        subprocess.run(["git", "init", "-q"], cwd=bare, check=True)
        started.type(b"go\n")
        assert started.finish() == 0
        assert b"HEAD" not in started.text()
    assert (bare / ".git/HEAD").exists()
    assert {path.name for path in bare.iterdir()} == {".git"}


def test_no_process_sees_what_servers_know_of_each_other(bare: Path) -> None:
    folder = register_folder()
    context = box(rule(":root", "read"), rule(bare, "write"), rule(Path(folder).parent, "write"))
    done = shell(context, f"ls -A {folder}; rmdir {folder}; mv {folder} away; chmod 777 {folder}; exec 9>{folder}/lock")
    assert (done.code != 0, done.out) == (True, "")


@pytest.mark.parametrize("name", [".git/hooks", ".codex/x"])
def test_a_file_operation_beside_a_process_finds_the_names_protected(bare: Path, name: str) -> None:
    helpers = confined.helpers()
    context = confined.decoded(write_in(bare))
    params = wire.encode({"path": (bare / name).as_uri(), "recursive": True})
    with running(write_in(bare), ["/bin/sh", "-c", "echo up; read x"], tty=True) as started:
        started.read_until(b"up")
        with pytest.raises(OSError, match="Read-only file system"):
            helpers.run("fs/createDirectory", params, context)
    with pytest.raises(OSError, match="Read-only file system"):
        helpers.run("fs/createDirectory", params, context)
    assert list(bare.iterdir()) == []


# -- the environment


def test_the_program_has_exactly_its_own_environment_and_where_it_is() -> None:
    environment = {"PATH": "/usr/bin:/bin", "FOO": "b a r", "EMPTY": "", "A": "B=c"}
    done = run(READ_ONLY, ["env"], environment=environment, cwd="/usr")
    assert sorted(done.out.splitlines()) == ["A=B=c", "EMPTY=", "FOO=b a r", "PATH=/usr/bin:/bin", "PWD=/usr"]


@pytest.mark.parametrize("tty", [False, True])
def test_what_a_variable_makes_a_program_load_is_loaded_inside_only(place: Path, tty: bool) -> None:
    library = build_library(place / "ws")
    environment = {**ENVIRONMENT, "LD_PRELOAD": str(library)}
    done = run(usual(place), ["/bin/true"], environment=environment, cwd=f"{place}/ws", tty=tty)
    assert done.code == 0, done
    assert (place / "ws/loaded").exists()
    assert not (place / "out/loaded").exists()


def build_library(folder: Path) -> Path:
    """Build a library that writes two files as soon as it is loaded, one of them where the policy forbids it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to build a hostile library with")
    source = folder / "evil.c"
    source.write_text(
        "#include <fcntl.h>\n__attribute__((constructor)) static void loaded(void) {\n"
        f'open("{folder}/loaded", O_CREAT, 0600); open("{folder.parent}/out/loaded", O_CREAT, 0600); }}\n'
    )
    library = folder / "evil.so"
    assert os.spawnl(os.P_WAIT, compiler, compiler, "-shared", "-fPIC", "-o", str(library), str(source)) == 0
    return library


def test_no_variable_and_no_rule_shows_in_the_list_of_processes(place: Path) -> None:
    environment = {**ENVIRONMENT, "TOKEN": "s3cret-value"}
    with running(usual(place), ["/bin/sh", "-c", "echo up; read x"], environment=environment, tty=True) as started:
        started.read_until(b"up")
        for pid in (started.pid, *children(started.pid)):
            shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            assert b"s3cret-value" not in shown
            assert str(place / "sec").encode() not in shown


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_nothing_is_inherited_but_the_standard_streams() -> None:
    script = "import os; print(len(os.listdir('/proc/self/fd')))"
    plain = subprocess.run([*PYTHON, script], stdout=subprocess.PIPE, text=True, close_fds=False).stdout
    for options in ({}, {"arg0": "name"}, {"tty": True}):
        assert int(python(READ_ONLY, script, **options).out) == int(plain)


# -- processes, signals, status


def test_no_other_process_is_there_and_a_lost_one_is_reaped() -> None:
    done = shell(READ_ONLY, "(sleep 0 &) ; ls /proc | grep -c '^[0-9]'; cat /proc/1/comm; echo $$")
    assert done.out.split()[1:] == ["bwrap", "2"]


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)])
@pytest.mark.parametrize("tty", [False, True])
def test_the_exit_code_is_the_programs(script: str, code: int, tty: bool) -> None:
    assert shell(READ_ONLY, script, tty=tty).code == code


def test_a_program_that_is_not_there_is_told_by_bwrap_or_by_the_stage(place: Path) -> None:
    (place / "ws/plain").write_text("x")
    assert run(READ_ONLY, ["nope"]).err == "bwrap: execvp nope: No such file or directory\n"
    assert run(READ_ONLY, ["nope"], tty=True).code == 127
    assert run(READ_ONLY, ["/nope/x"], arg0="x").code == 127
    staged = run(READ_ONLY, [f"{place}/ws/plain"], arg0="x")
    assert (staged.code, staged.err) == (126, f"{place}/ws/plain: Permission denied\n")


def test_everything_inside_ends_with_bwrap(place: Path) -> None:
    script = "trap '' TERM INT HUP; echo up; sleep 600 & exec sleep 600"
    with running(READ_ONLY, ["/bin/sh", "-c", script]) as started:
        started.read_until(b"up")
        started.kill()
        assert started.finish() == -signal.SIGKILL  # its pipes are closed: nobody inside holds them any more


@pytest.mark.parametrize("arg0", [None, "name"])
def test_the_signals_of_the_program_are_at_their_defaults(arg0: str | None) -> None:
    done = run(READ_ONLY, ["grep", "-E", "SigIgn|SigBlk", "/proc/self/status"], arg0=arg0)
    of_the_c_library = 0b11 << 31  # 32 and 33, which nobody can set to their defaults
    assert [int(line.split()[1], 16) & ~of_the_c_library for line in done.out.splitlines()] == [0, 0]


@pytest.mark.parametrize("arg0", [None, "grep"])
def test_it_has_no_rights_and_cannot_gain_any(arg0: str | None) -> None:
    done = run(READ_ONLY, ["grep", "-E", "^(Cap|NoNewPrivs|Seccomp:)", "/proc/self/status"], arg0=arg0)
    facts = dict(line.split(":\t") for line in done.out.splitlines())
    assert {facts.pop("NoNewPrivs"), facts.pop("Seccomp")} == {"1", "2"}
    assert set(facts.values()) == {"0" * 16}


def test_a_name_of_its_own_is_seen_by_the_program() -> None:
    assert run(READ_ONLY, ["/bin/sh", "-c", "echo $0"], arg0="other").out == "other\n"
    with_terminal = run(READ_ONLY, ["sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline"], arg0="other", tty=True)
    assert with_terminal.out.startswith("other -c")


def test_more_arguments_than_bwrap_takes_arrive(place: Path) -> None:
    assert run(READ_ONLY, ["/bin/echo", *["x"] * 12_000]).out == " ".join(["x"] * 12_000) + "\n"
    many = {**ENVIRONMENT, **{f"V{number}": str(number) for number in range(4_000)}}
    assert shell(READ_ONLY, "env | grep -c ^V", environment=many).out == "4000\n"


# -- a terminal


def test_an_interactive_shell_has_job_control() -> None:
    environment = {**ENVIRONMENT, "PS1": "ready> ", "TERM": "dumb"}
    with running(READ_ONLY, ["bash", "--norc", "-i"], environment=environment, tty=True) as started:
        assert b"job control" not in started.read_until(b"ready> ")
        started.type(b"sleep 600\n")
        started.read_until(b"sleep 600\r\n")
        while in_foreground(started) != "sleep\n":
            os.sched_yield()
        started.type(b"\x1a")
        started.read_until(b"Stopped", b"sleep 600\r\nready> ")
        started.type(b"bg; jobs; kill %1; wait; echo d'o'ne\n")
        started.read_until(b"Running", b"done")
        started.type(b"exit 5\n")
        assert started.finish() == 5


def in_foreground(started: confined.Running) -> str:
    assert started.terminal is not None
    return Path(f"/proc/{os.tcgetpgrp(started.terminal)}/comm").read_text()


def test_an_interrupt_from_the_keyboard_reaches_the_program_and_only_it() -> None:
    script = (
        "import signal\ntry:\n    print('ready', flush=True)\n    signal.pause()\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n    raise SystemExit(9)"
    )
    with running(READ_ONLY, [*PYTHON, script], tty=True, environment=ENVIRONMENT) as started:
        started.read_until(b"ready")
        started.type(b"\x03")
        started.read_until(b"interrupted")
        assert started.finish() == 9


def test_a_program_that_is_stopped_from_the_keyboard_goes_on_when_nobody_could_continue_it() -> None:
    with running(READ_ONLY, ["/bin/sh", "-c", "echo ready; read line; echo got $line"], tty=True) as started:
        started.read_until(b"ready")
        started.type(b"\x1aon\n")
        started.read_until(b"got on")
        assert started.finish() == 0


def test_without_the_stage_an_interrupt_would_end_bwrap_and_everything_with_it() -> None:
    with running(READ_ONLY, ["/bin/sh", "-c", "trap 'echo trapped; exit 3' INT; echo up; sleep 600"]) as started:
        started.read_until(b"up")
        os.kill(started.pid, signal.SIGINT)
        assert started.finish() == -signal.SIGINT


def test_a_terminal_that_is_closed_ends_the_program() -> None:
    with running(READ_ONLY, ["sleep", "600"], tty=True) as started:
        assert started.terminal is not None
        while not os.tcgetpgrp(started.terminal):
            os.sched_yield()
        os.close(started.ends.pop())
        assert started.wait() in (-signal.SIGHUP, 128 + signal.SIGHUP)


# -- the network and what else reaches out


@pytest.fixture
def listener(place: Path) -> Any:
    """A socket of the machine, such as docker.sock, in a folder that can be written."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        here = os.getcwd()
        os.chdir(place / "ws")
        listening.bind("stream.sock")
        receiving.bind("datagram.sock")
        os.chdir(here)
        listening.listen()
        listening.setblocking(False)
        receiving.setblocking(False)
        yield listening, receiving


REACHES = """
import errno, socket
def tried(what, *arguments):
    try:
        what(*arguments)
        return 'reached'
    except OSError as error:
        return errno.errorcode[error.errno]
def stream(path):
    socket.socket(socket.AF_UNIX).connect(path)
def datagram(kind, how):
    def send(path):
        one, other = socket.socketpair(socket.AF_UNIX, kind)
        one.sendto(b'x', path) if how == 'sendto' else one.sendmsg([b'x'], [], 0, path)
    return send
def alone(path):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, path)
def seqpacket(path):
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.sendmsg([b'x'], [], 0, path)
    if other.recv(1) == b'x': raise OSError(errno.EISCONN, 'went to its peer')
print(tried(stream, 'stream.sock'), tried(datagram(socket.SOCK_DGRAM, 'sendto'), 'datagram.sock'),
      tried(datagram(socket.SOCK_DGRAM, 'sendmsg'), 'datagram.sock'), tried(alone, 'datagram.sock'),
      tried(datagram(socket.SOCK_RAW, 'sendmsg'), 'datagram.sock'),
      tried(datagram(socket.SOCK_STREAM, 'sendto'), 'datagram.sock'),
      tried(datagram(socket.SOCK_STREAM, 'sendmsg'), 'datagram.sock'), tried(seqpacket, 'datagram.sock'),
      tried(socket.socket(socket.AF_UNIX).bind, 'mine') if True else '')
"""


def test_no_unix_socket_of_the_machine_is_reached(place: Path, listener: Any) -> None:
    done = python(usual(place), REACHES, cwd=f"{place}/ws")
    assert (done.err, "reached" in done.out) == ("", False)
    assert done.out.split() == ["EPERM"] * 6 + ["EISCONN", "EISCONN", "EPERM"]
    for sock in listener:
        with pytest.raises(BlockingIOError):
            sock.recv(1) if sock.type == socket.SOCK_DGRAM else sock.accept()


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_VSOCK", "AF_PACKET"])
def test_without_a_network_there_are_no_other_sockets(family: str) -> None:
    done = python(READ_ONLY, f"import socket; socket.socket(socket.{family}, socket.SOCK_DGRAM)")
    assert "PermissionError: [Errno 1] Operation not permitted" in done.err


def test_with_a_network_the_machine_is_reached_but_not_its_hypervisor() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = (
            f"import socket; print(socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).fileno() > 0)\n"
            "socket.socket(socket.AF_VSOCK)"
        )
        done = python(box(rule(":root", "read"), network="enabled"), script)
    assert done.out == "True\n"
    assert "PermissionError: [Errno 1]" in done.err


@pytest.mark.parametrize("network", ["restricted", "enabled"])
def test_keyrings_and_rings_of_calls_are_refused(network: str) -> None:
    numbers = {"x86_64": (250, 425), "aarch64": (219, 425)}[os.uname().machine]
    script = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
        f"for number in {numbers}: print(libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())"
    )
    assert python(box(rule(":root", "read"), network=network), script).out == "-1 1\n-1 1\n"


def test_asyncio_with_its_threads_and_children_works() -> None:
    script = """
import asyncio
async def main():
    print(await asyncio.to_thread(lambda: 'thread'))
    child = await asyncio.create_subprocess_exec('/bin/echo', 'child', stdout=asyncio.subprocess.PIPE)
    print((await child.communicate())[0].decode().strip())
    print('loop')
asyncio.run(main())
"""
    assert python(READ_ONLY, script).out == "thread\nchild\nloop\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_works(place: Path, method: str) -> None:
    script = f"""
import multiprocessing as mp
def double(number): return 2 * number
def answer(pipe): pipe.send('sent')
if __name__ == '__main__':
    mp.set_start_method({method!r})
    with mp.Pool(2) as pool: print(pool.map(double, [1, 2]))
    ours, theirs = mp.Pipe()
    child = mp.Process(target=answer, args=(theirs,)); child.start(); print(ours.recv()); child.join()
    queue = mp.Queue(); queue.put('queued'); print(queue.get())
"""
    (place / "ws/program.py").write_text(script)
    done = run(usual(place), [sys.executable, "-I", "program.py"], cwd=f"{place}/ws", environment=ENVIRONMENT)
    assert (done.out, done.err) == ("[2, 4]\nsent\nqueued\n", "")


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_node_talks_to_its_children(place: Path) -> None:
    (place / "ws/child.js").write_text("process.on('message', m => { process.send(m + 1); process.disconnect() })")
    script = "const c = require('child_process').fork('./child.js'); c.on('message', m => console.log(m)); c.send(1)"
    done = run(usual(place), ["node", "-e", script], cwd=f"{place}/ws", environment=ENVIRONMENT)
    assert (done.out, done.err) == ("2\n", "")


@pytest.mark.skipif(shutil.which("gcc") is None or shutil.which("make") is None, reason="no compiler")
def test_usual_tools_work_with_a_proc_that_is_read_only(place: Path) -> None:
    (place / "ws/Makefile").write_text("all: a b\na b:\n\tgcc -o $@ x.c && ./$@\n")
    (place / "ws/x.c").write_text("int main(void) { return 0; }")
    script = "make -s -j2 && cd sub && git init -q && git add -A && git -c user.name=a -c user.email=b commit -qm x"
    (place / "ws/sub").mkdir()
    (place / "ws/sub/file").write_text("x")
    environment = {**ENVIRONMENT, "TMPDIR": f"{place}/ws"}
    done = shell(usual(place), script + " && bash -c 'cat <(echo piped)'", cwd=f"{place}/ws", environment=environment)
    assert (done.code, done.out, done.err) == (0, "piped\n", "")
