"""read_file, get_metadata, canonicalize and read_directory, on the real kernel."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_py.local import direct
from codex_py.protocol.errors import RequestRefused, to_wire

from .conftest import Unprivileged


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "file").write_bytes(b"hello")
    (tmp_path / "empty").touch()
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/inner").write_bytes(b"inner")
    for name, target in {
        "link": "file",
        "dirlink": "dir",
        "dangling": "nowhere",
        "loop": "loop",
        "chain": "link",
        "slash": "file/",
    }.items():
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path may have 107 bytes only
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        yield tmp_path


def test_a_file_is_read_whole(tree: Path) -> None:
    assert direct.read_file(f"{tree}/file") == b"hello"
    assert direct.read_file(f"{tree}/empty") == b""
    assert direct.read_file(f"{tree}/chain") == b"hello"


def test_a_file_that_does_not_say_its_size_is_read_whole() -> None:
    assert direct.read_file("/proc/self/status").startswith(b"Name:")
    assert os.stat("/proc/self/status").st_size == 0


def test_a_large_file_is_read_whole(tree: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 1)
    (tree / "large").write_bytes(content)
    assert direct.read_file(f"{tree}/large") == content


def test_short_reads_are_put_together(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: read(descriptor, min(size, 2)))
    assert direct.read_file(f"{tree}/file") == b"hello"


@pytest.mark.parametrize("follow_symlinks", [True, False])
def test_a_file_above_the_limit_is_refused_unread(tree: Path, follow_symlinks: bool) -> None:
    with open(tree / "huge", "wb") as huge:
        huge.truncate(512 * 1024 * 1024 + 1)
    with pytest.raises(RequestRefused, match=r"^file is too large to read: limit is 536870912 bytes$"):
        direct.read_file(f"{tree}/huge", follow_symlinks=follow_symlinks)


def test_a_file_that_outgrows_the_limit_while_it_is_read_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "MAX_READ_BYTES", 7)
    monkeypatch.setattr(os, "read", lambda _descriptor, _size: b"x" * 5)
    with pytest.raises(RequestRefused, match="too large"):
        direct.read_file(f"{tree}/file")


@pytest.mark.parametrize("path", ["dir", "dirlink", "fifo", "/dev/null", "/dev/zero", "/"])
def test_only_regular_files_are_read(tree: Path, path: str) -> None:
    path = os.path.join(tree, path)
    with pytest.raises(RequestRefused) as caught:
        direct.read_file(path)
    assert str(caught.value) == f"path `{path}` is not a file"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("missing", errno.ENOENT),
        ("dangling", errno.ENOENT),
        ("missing/x", errno.ENOENT),
        ("file/x", errno.ENOTDIR),
        ("slash", errno.ENOTDIR),
        ("loop", errno.ELOOP),
        ("loop/x", errno.ELOOP),
        ("n" * 256, errno.ENAMETOOLONG),
        ("socket", errno.ENXIO),
    ],
)
def test_what_the_kernel_says_of_a_path_is_said(tree: Path, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        direct.read_file(f"{tree}/{path}")
    assert caught.value.errno == number


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("link", -32603, "Symbolic link loop (os error 40)"),
        ("dangling", -32603, "Symbolic link loop (os error 40)"),
        ("dirlink/inner", -32603, "Not a directory (os error 20)"),
        ("dir", -32600, "path is not a regular file"),
        ("fifo", -32600, "path is not a regular file"),
        ("socket", -32603, "No such device or address (os error 6)"),
        ("missing", -32004, "No such file or directory (os error 2)"),
        ("/dev/null", -32600, "path is not a regular file"),
        ("/", -32600, "path must name an entry"),
    ],
)
def test_without_following_no_component_may_be_a_link(tree: Path, path: str, code: int, message: str) -> None:
    with pytest.raises((OSError, RequestRefused)) as caught:
        direct.read_file(os.path.join(tree, path), follow_symlinks=False)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)


def test_without_following_a_plain_path_is_read(tree: Path) -> None:
    assert direct.read_file(f"{tree}/dir/inner", follow_symlinks=False) == b"inner"


def test_permission_is_the_kernels_to_give(unprivileged: Unprivileged) -> None:
    path = unprivileged.folder / "secret"
    path.write_text("s")
    path.chmod(0)
    with pytest.raises(PermissionError):
        unprivileged.run(lambda: direct.read_file(str(path)))


@pytest.mark.parametrize(
    ("path", "is_directory", "is_file", "is_symlink"),
    [
        ("file", False, True, False),
        ("link", False, True, True),
        ("dir", True, False, False),
        ("dirlink", True, False, True),
        ("fifo", False, False, False),
        ("socket", False, False, False),
        ("/dev/null", False, False, False),
        ("/", True, False, False),
    ],
)
def test_metadata_tells_the_type_of_the_target_and_whether_it_was_a_link(
    tree: Path, path: str, is_directory: bool, is_file: bool, is_symlink: bool
) -> None:
    found = direct.get_metadata(os.path.join(tree, path))
    assert (found.is_directory, found.is_file, found.is_symlink) == (is_directory, is_file, is_symlink)


def test_metadata_tells_size_and_time_of_the_target(tree: Path) -> None:
    os.utime(tree / "file", ns=(0, 1_234_567_890_123_456_789))
    found = direct.get_metadata(f"{tree}/link")
    assert (found.size, found.modified_at_ms, found.created_at_ms) == (5, 1_234_567_890_123, 0)


def test_metadata_without_following_tells_the_birth_time(tree: Path) -> None:
    os.utime(tree / "file", ns=(0, 0))
    found = direct.get_metadata(f"{tree}/file", follow_symlinks=False)
    changed_ms = os.stat(tree / "file").st_ctime_ns // 1_000_000
    assert found.modified_at_ms == 0
    assert found.created_at_ms == 0 or changed_ms - 60_000 < found.created_at_ms <= changed_ms


def test_a_file_system_without_birth_times_has_zero() -> None:
    assert direct.get_metadata("/proc/version", follow_symlinks=False).created_at_ms == 0


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("link", -32600, "path contains a symbolic link"),
        ("dangling", -32600, "path contains a symbolic link"),
        ("dirlink/inner", -32603, "Not a directory (os error 20)"),
        ("missing", -32004, "No such file or directory (os error 2)"),
    ],
)
def test_metadata_without_following_refuses_links(tree: Path, path: str, code: int, message: str) -> None:
    with pytest.raises((OSError, RequestRefused)) as caught:
        direct.get_metadata(f"{tree}/{path}", follow_symlinks=False)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)


def test_metadata_of_the_root_needs_no_name() -> None:
    assert direct.get_metadata("/", follow_symlinks=False).is_directory


@pytest.mark.parametrize(("path", "number"), [("dangling", errno.ENOENT), ("loop", errno.ELOOP), ("x/y", errno.ENOENT)])
def test_metadata_of_what_leads_nowhere_is_an_error(tree: Path, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        direct.get_metadata(f"{tree}/{path}")
    assert caught.value.errno == number


def test_a_path_is_canonical_when_every_link_is_resolved(tree: Path) -> None:
    (tree / "dir/back").symlink_to("../chain")
    assert direct.canonicalize(f"{tree}/dirlink/back") == os.path.realpath(f"{tree}/file")
    assert direct.canonicalize("/") == "/"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("missing", errno.ENOENT),
        ("dangling", errno.ENOENT),
        ("loop", errno.ELOOP),
        ("file/x", errno.ENOTDIR),
        ("slash", errno.ENOTDIR),
        ("/".join(["p" * 200] * 25), errno.ENAMETOOLONG),
    ],
)
def test_what_does_not_exist_has_no_canonical_path(tree: Path, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        direct.canonicalize(f"{tree}/{path}")
    assert caught.value.errno == number


def _listed(path: str) -> dict[str, tuple[bool, bool]]:
    return {entry.file_name: (entry.is_directory, entry.is_file) for entry in direct.read_directory(path)}


def test_a_directory_lists_followed_types_and_leaves_out_links_to_nowhere(tree: Path) -> None:
    assert _listed(str(tree)) == {
        "file": (False, True),
        "empty": (False, True),
        "dir": (True, False),
        "link": (False, True),
        "chain": (False, True),
        "dirlink": (True, False),
        "fifo": (False, False),
        "socket": (False, False),
    }


def test_a_directory_is_listed_through_a_link(tree: Path) -> None:
    assert _listed(f"{tree}/dirlink") == {"inner": (False, True)}


def test_a_name_that_is_not_utf_8_is_listed_as_well_as_can_be(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff\xfe")).touch()
    assert _listed(str(tmp_path)) == {"bad\ufffd\ufffd": (False, True)}


@pytest.mark.parametrize(
    ("path", "number"), [("file", errno.ENOTDIR), ("missing", errno.ENOENT), ("fifo", errno.ENOTDIR)]
)
def test_only_directories_are_listed(tree: Path, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        direct.read_directory(f"{tree}/{path}")
    assert caught.value.errno == number


def test_a_directory_that_may_not_be_searched_is_listed_all_the_same(unprivileged: Unprivileged) -> None:
    folder = unprivileged.folder / "noexec"
    folder.mkdir()
    (folder / "name").touch()
    (folder / "link").symlink_to("name")
    folder.chmod(0o444)
    assert unprivileged.run(lambda: _listed(str(folder))) == {"name": (False, True)}
