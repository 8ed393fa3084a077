"""write_file and create_directory without a guard."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_py.local import direct
from codex_py.protocol.errors import RequestRefused, to_wire

from .conftest import Unprivileged


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_has_the_usual_mode(tmp_path: Path, umask: None) -> None:
    direct.write_file(f"{tmp_path}/new", b"data")
    assert (tmp_path / "new").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_an_existing_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(b"much longer than before")
    path.chmod(0o751)
    direct.write_file(str(path), b"short")
    assert path.read_bytes() == b"short"
    assert stat.S_IMODE(path.stat().st_mode) == 0o751


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    direct.write_file(f"{tmp_path}/f", b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_written(tmp_path: Path, kind: type[bytes | bytearray | memoryview]) -> None:
    direct.write_file(f"{tmp_path}/f", kind(b"data"))
    assert (tmp_path / "f").read_bytes() == b"data"


@pytest.mark.parametrize("target", ["there", "not-there"])
def test_a_link_is_written_through_also_when_it_dangles(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "second").symlink_to(target)
    (tmp_path / "first").symlink_to(tmp_path / "second")
    direct.write_file(f"{tmp_path}/first", b"data")
    assert (tmp_path / target).read_bytes() == b"data"
    assert (tmp_path / "first").is_symlink()


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("missing/f", -32004, "No such file or directory (os error 2)"),
        ("file/f", -32603, "Not a directory (os error 20)"),
        ("dir", -32603, "Is a directory (os error 21)"),
        ("loop", -32603, "Symbolic link loop (os error 40)"),
        ("dirslash", -32603, "Is a directory (os error 21)"),
        ("n" * 256, -32603, "Filename too long (os error 36)"),
        ("/", -32603, "Is a directory (os error 21)"),
        ("/dev/full", -32603, "No space left on device (os error 28)"),
    ],
)
def test_what_the_kernel_says_of_writing_is_said(tmp_path: Path, path: str, code: int, message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dirslash").symlink_to("new/")
    with pytest.raises(OSError) as caught:
        direct.write_file(os.path.join(tmp_path, path), b"data")
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)


def test_the_null_device_takes_everything() -> None:
    direct.write_file("/dev/null", b"data")


@pytest.mark.parametrize("through", ["fifo", "link"])
def test_a_fifo_is_refused_at_once(tmp_path: Path, through: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with pytest.raises(RequestRefused, match="is not a file"):
        direct.write_file(f"{tmp_path}/{through}", b"data")


def test_the_reader_of_a_fifo_does_not_notice_a_refused_write(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    other = os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(RequestRefused):
            direct.write_file(f"{tmp_path}/fifo", b"data")
        with pytest.raises(BlockingIOError):  # not the end of file that a writer which came and went would leave
            os.read(reader, 1)
    finally:
        os.close(reader)
        os.close(other)


def test_a_fifo_that_takes_the_place_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").touch()
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    real_open = os.open

    def swap_and_open(path: str, flags: int, *args: int, **more: int) -> int:
        os.rename(tmp_path / "fifo", tmp_path / "f")
        return real_open(path, flags, *args, **more)

    try:
        monkeypatch.setattr(os, "open", swap_and_open)
        with pytest.raises(RequestRefused, match="is not a file"):
            direct.write_file(f"{tmp_path}/f", b"data")
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("link", -32603, "Symbolic link loop (os error 40)"),
        ("dangling", -32603, "Symbolic link loop (os error 40)"),
        ("dirlink/f", -32603, "Not a directory (os error 20)"),
        ("dir", -32603, "Is a directory (os error 21)"),
        ("fifo", -32600, "path is not a regular file"),
        ("/dev/null", -32600, "path is not a regular file"),
        ("missing/f", -32004, "No such file or directory (os error 2)"),
        ("/", -32600, "path must name an entry"),
    ],
)
def test_without_following_nothing_is_written_through_a_link(
    tmp_path: Path, path: str, code: int, message: str
) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("new")
    (tmp_path / "dirlink").symlink_to("dir")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises((OSError, RequestRefused)) as caught:
        direct.write_file(os.path.join(tmp_path, path), b"data", follow_symlinks=False)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert not (tmp_path / "new").exists()
    assert not list((tmp_path / "dir").iterdir())


def test_without_following_a_plain_path_is_written(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    direct.write_file(f"{tmp_path}/dir/f", b"long before", follow_symlinks=False)
    direct.write_file(f"{tmp_path}/dir/f", b"data", follow_symlinks=False)
    assert (tmp_path / "dir/f").read_bytes() == b"data"


LEASE_HOLDER = """
import fcntl, os, signal, sys
file = os.open(sys.argv[1], os.O_RDWR)
signal.signal(signal.SIGIO, lambda *_: (fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK), sys.exit(0)))
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("follow_symlinks", [True, False])
@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_leased_file_is_waited_for(tmp_path: Path, operation: str, follow_symlinks: bool) -> None:
    path = tmp_path / "leased"
    path.write_bytes(b"before")
    command = [sys.executable, "-c", LEASE_HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(BlockingIOError):  # the lease is real: this is what an open that cannot wait meets
                os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            if operation == "read":
                assert direct.read_file(str(path), follow_symlinks=follow_symlinks) == b"before"
            else:
                direct.write_file(str(path), b"after", follow_symlinks=follow_symlinks)
                assert path.read_bytes() == b"after"
        finally:
            holder.kill()


def test_a_directory_is_created_with_its_parents(tmp_path: Path, umask: None) -> None:
    direct.create_directory(f"{tmp_path}/a/b/c")
    assert (tmp_path / "a/b/c").is_dir()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750


@pytest.mark.parametrize("path", ["dir", "dirlink", "dirlink/new", "/"])
def test_a_directory_that_exists_is_no_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dirlink").symlink_to("dir")
    direct.create_directory(os.path.join(tmp_path, path))
    assert (tmp_path / path).is_dir()


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("file", errno.EEXIST),
        ("filelink", errno.EEXIST),
        ("dangling", errno.EEXIST),
        ("dangling/x", errno.EEXIST),
        ("loop", errno.EEXIST),
        ("loop/x", errno.ELOOP),
        ("file/x", errno.ENOTDIR),
        ("file/x/y", errno.ENOTDIR),
        ("n" * 256, errno.ENAMETOOLONG),
    ],
)
def test_a_directory_cannot_be_where_something_else_is(tmp_path: Path, path: str, number: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "filelink").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as caught:
        direct.create_directory(f"{tmp_path}/{path}")
    assert caught.value.errno == number


@pytest.mark.parametrize(("path", "number"), [("dir", errno.EEXIST), ("missing/x", errno.ENOENT), ("/", errno.EEXIST)])
def test_not_recursive_means_exactly_one_new_directory(tmp_path: Path, path: str, number: int) -> None:
    (tmp_path / "dir").mkdir()
    with pytest.raises(OSError) as caught:
        direct.create_directory(os.path.join(tmp_path, path), recursive=False)
    assert caught.value.errno == number
    direct.create_directory(f"{tmp_path}/one", recursive=False)
    assert (tmp_path / "one").is_dir()


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("path", ["dirlink/x", "dirlink/x/y"])
def test_without_following_no_directory_is_created_behind_a_link(tmp_path: Path, path: str, recursive: bool) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dirlink").symlink_to("dir")
    with pytest.raises(NotADirectoryError):
        direct.create_directory(f"{tmp_path}/{path}", recursive=recursive, follow_symlinks=False)
    assert not list((tmp_path / "dir").iterdir())


def test_without_following_plain_directories_are_created(tmp_path: Path) -> None:
    direct.create_directory(f"{tmp_path}/a/b", follow_symlinks=False)
    direct.create_directory(f"{tmp_path}/a/b", follow_symlinks=False)
    direct.create_directory(f"{tmp_path}/a/c", recursive=False, follow_symlinks=False)
    assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "a/c").is_dir()


def test_the_root_exists_already_without_following() -> None:
    direct.create_directory("/", follow_symlinks=False)
    with pytest.raises(OSError, match=r"^directory already exists$"):
        direct.create_directory("/", recursive=False, follow_symlinks=False)


def test_permission_to_create_is_the_kernels_to_give(unprivileged: Unprivileged) -> None:
    folder = unprivileged.folder / "readonly"
    folder.mkdir()
    folder.chmod(0o555)
    for call in (lambda: direct.write_file(f"{folder}/f", b""), lambda: direct.create_directory(f"{folder}/d")):
        with pytest.raises(PermissionError):
            unprivileged.run(call)
