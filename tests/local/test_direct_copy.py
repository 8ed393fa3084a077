"""copy: files, links, trees, and what must not be copied onto itself."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_py.local import direct
from codex_py.protocol.errors import RequestRefused, to_wire

from .conftest import Unprivileged
from .test_direct_remove import make_deep


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/f").write_bytes(b"f")
    (tmp_path / "dir/sub/g").write_bytes(b"g")
    (tmp_path / "dir/link").symlink_to("../file")
    (tmp_path / "dir/gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "dir/fifo")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("created")
    return tmp_path


@pytest.fixture
def wide_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def copy(tree: Path, source: str, destination: str, *, recursive: bool = False) -> None:
    direct.copy(os.path.join(tree, source), os.path.join(tree, destination), recursive=recursive)


@pytest.mark.parametrize("recursive", [True, False])
def test_a_file_is_copied_with_its_mode_whatever_the_umask(tree: Path, wide_umask: None, recursive: bool) -> None:
    (tree / "file").chmod(0o754)
    copy(tree, "file", "new", recursive=recursive)
    assert (tree / "new").read_bytes() == b"data"
    assert stat.S_IMODE((tree / "new").stat().st_mode) == 0o754


def test_an_existing_destination_is_replaced_and_takes_the_mode(tree: Path) -> None:
    (tree / "old").write_bytes(b"much longer than data")
    (tree / "old").chmod(0o600)
    (tree / "file").chmod(0o644)
    copy(tree, "file", "old")
    assert (tree / "old").read_bytes() == b"data"
    assert stat.S_IMODE((tree / "old").stat().st_mode) == 0o644


def test_a_destination_link_is_followed_also_when_it_dangles(tree: Path) -> None:
    copy(tree, "dir/f", "dangling")
    copy(tree, "dir/sub/g", "link")
    assert (tree / "created").read_bytes() == b"f"
    assert (tree / "file").read_bytes() == b"g"


def test_a_large_file_is_copied_whole(tree: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 7)
    (tree / "large").write_bytes(content)
    copy(tree, "large", "new")
    assert (tree / "new").read_bytes() == content


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM])
def test_where_the_kernel_cannot_copy_it_is_done_by_hand(
    tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy(tree, "file", "new")
    assert (tree / "new").read_bytes() == b"data"


def test_a_full_disk_is_not_mistaken_for_a_kernel_that_cannot_copy(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    with pytest.raises(OSError) as caught:
        copy(tree, "file", "new")
    assert caught.value.errno == errno.ENOSPC


def test_a_file_that_does_not_say_its_size_is_copied(tree: Path) -> None:
    copy(tree, "/proc/version", "new")
    assert (tree / "new").read_bytes() == Path("/proc/version").read_bytes()


def test_the_null_device_takes_a_copy_and_keeps_its_mode(tree: Path) -> None:
    before = os.stat("/dev/null").st_mode
    copy(tree, "file", "/dev/null")
    assert os.stat("/dev/null").st_mode == before


@pytest.mark.parametrize("destination", ["file", "hard", "link"])
def test_a_file_is_not_copied_onto_itself(tree: Path, destination: str) -> None:
    os.link(tree / "file", tree / "hard")
    with pytest.raises(RequestRefused, match=r"^fs/copy cannot copy a file onto itself$"):
        copy(tree, "file", destination)
    assert (tree / "file").read_bytes() == b"data"


@pytest.mark.parametrize("recursive", [True, False])
def test_a_link_is_copied_as_a_link(tree: Path, recursive: bool) -> None:
    copy(tree, "dangling", "new", recursive=recursive)
    assert os.readlink(tree / "new") == "created"


@pytest.mark.parametrize("destination", ["file", "dir", "dangling", "link", "/"])
def test_a_link_replaces_nothing(tree: Path, destination: str) -> None:
    with pytest.raises(FileExistsError):
        copy(tree, "link", destination)


REFUSED = [
    ("dir", "new", False, -32600, "fs/copy requires recursive: true when sourcePath is a directory"),
    ("fifo", "new", True, -32600, "fs/copy only supports regular files, directories, and symlinks"),
    ("/dev/null", "new", True, -32600, "fs/copy only supports regular files, directories, and symlinks"),
    ("dir", "dir", True, -32600, "fs/copy cannot copy a directory to itself or one of its descendants"),
    ("dir", "dir/sub/new/er", True, -32600, "fs/copy cannot copy a directory to itself or one of its descendants"),
    ("dir", "dir/f", True, -32600, "fs/copy cannot copy a directory to itself or one of its descendants"),
    ("dir", "back/new", True, -32600, "fs/copy cannot copy a directory to itself or one of its descendants"),
    ("/", "new", True, -32600, "fs/copy cannot copy a directory to itself or one of its descendants"),
    ("file", "dir", False, -32603, "Is a directory (os error 21)"),
    ("file", "missing/new", False, -32004, "No such file or directory (os error 2)"),
    ("missing", "new", True, -32004, "No such file or directory (os error 2)"),
    ("dir", "file", True, -32603, "File exists (os error 17)"),
    ("dir", "dangling", True, -32603, "File exists (os error 17)"),
]


@pytest.mark.parametrize(("source", "destination", "recursive", "code", "message"), REFUSED)
def test_what_cannot_be_copied_is_refused_and_nothing_is_made(
    tree: Path, source: str, destination: str, recursive: bool, code: int, message: str
) -> None:
    (tree / "back").symlink_to("dir/sub")
    before = sorted(tree.rglob("*"))
    with pytest.raises((OSError, RequestRefused)) as caught:
        copy(tree, source, destination, recursive=recursive)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)
    assert sorted(tree.rglob("*")) == before


def test_a_copy_to_a_fifo_is_refused_at_once(tree: Path) -> None:
    with pytest.raises(RequestRefused, match="is not a file"):
        copy(tree, "file", "fifo")


def snapshot(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "directory"
        for path in root.rglob("*")
    }


COPIED = {"f": b"f", "sub": "directory", "sub/g": b"g", "link": "../file", "gone": "nowhere"}


def test_a_tree_is_copied_with_new_parents_and_without_special_files(tree: Path) -> None:
    copy(tree, "dir", "new/er/copy", recursive=True)
    assert snapshot(tree / "new/er/copy") == COPIED


def test_a_tree_merges_into_an_existing_one(tree: Path) -> None:
    (tree / "old/sub").mkdir(parents=True)
    (tree / "old/sub/g").write_bytes(b"old")
    (tree / "old/own").write_bytes(b"own")
    copy(tree, "dir", "old", recursive=True)
    assert snapshot(tree / "old") == {**COPIED, "own": b"own"}


def test_a_merge_goes_through_a_link_to_a_directory(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    (tree / "old").mkdir()
    (tree / "old/sub").symlink_to("../elsewhere")
    copy(tree, "dir", "old", recursive=True)
    assert (tree / "elsewhere/g").read_bytes() == b"g"
    assert (tree / "old/f").read_bytes() == b"f"


@pytest.mark.parametrize(
    ("in_the_way", "kind"), [("link", "link"), ("sub", "file"), ("sub", "link"), ("f", "directory")]
)
def test_a_merge_ends_at_what_is_in_the_way(tree: Path, in_the_way: str, kind: str) -> None:
    (tree / "old").mkdir()
    path = tree / "old" / in_the_way
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.touch()
    else:
        path.symlink_to("nothing")
    with pytest.raises((FileExistsError, IsADirectoryError)):
        copy(tree, "dir", "old", recursive=True)


def test_a_copy_does_not_feed_itself_through_a_link_in_the_destination(tree: Path) -> None:
    (tree / "dir/sub/inner").mkdir()
    (tree / "old").mkdir()
    (tree / "old/sub").symlink_to("../dir/sub/inner")
    with pytest.raises(RequestRefused, match="cannot copy a directory to itself"):
        copy(tree, "dir", "old", recursive=True)


def test_a_tree_deeper_than_any_path_is_copied(tmp_path: Path) -> None:
    make_deep(tmp_path, 1500)
    direct.copy(f"{tmp_path}/deep", f"{tmp_path}/copy", recursive=True)
    here = os.open(tmp_path / "copy", os.O_RDONLY)
    for _ in range(1499):
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    names = os.listdir(here)
    os.close(here)
    assert names == ["f"]
    direct.remove(f"{tmp_path}/deep")
    direct.remove(f"{tmp_path}/copy")


def test_setuid_survives_only_where_the_kernel_lets_it(unprivileged: Unprivileged) -> None:
    (unprivileged.folder / "suid").write_bytes(b"x")
    (unprivileged.folder / "suid").chmod(0o4755)
    if os.geteuid() == 0:
        os.chown(unprivileged.folder / "suid", 65534, 65534)
        os.chmod(unprivileged.folder / "suid", 0o4755)
    unprivileged.run(lambda: direct.copy(f"{unprivileged.folder}/suid", f"{unprivileged.folder}/new", recursive=False))
    assert stat.S_IMODE((unprivileged.folder / "new").stat().st_mode) == 0o755


def test_a_destination_that_may_not_be_changed_is_not_emptied(unprivileged: Unprivileged) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs a file of another user, which only root can make")
    (unprivileged.folder / "mine").write_bytes(b"mine")
    theirs = unprivileged.folder / "theirs"
    theirs.write_bytes(b"theirs")
    theirs.chmod(0o666)
    os.chown(unprivileged.folder / "mine", 65534, 65534)
    with pytest.raises(PermissionError):
        unprivileged.run(lambda: direct.copy(f"{unprivileged.folder}/mine", str(theirs), recursive=False))
    assert theirs.read_bytes() == b"theirs"
