"""remove: what goes, what stays, and what cannot lead it astray."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from codex_py.local import descent, direct
from codex_py.protocol.errors import RequestRefused, to_wire

from .conftest import Unprivileged


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/k").touch()
    (tmp_path / "dir/sub").mkdir(parents=True)
    (tmp_path / "dir/f").touch()
    (tmp_path / "dir/sub/g").touch()
    (tmp_path / "dir/out").symlink_to("../kept")
    os.mkfifo(tmp_path / "dir/fifo")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dirlink").symlink_to("kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("name", ["file", "link", "dirlink", "dangling", "empty"])
def test_files_links_and_empty_directories_go_either_way(tree: Path, name: str, recursive: bool) -> None:
    direct.remove(f"{tree}/{name}", recursive=recursive)
    assert not os.path.lexists(tree / name)
    assert (tree / "kept/k").exists()
    assert (tree / "file").exists() or name == "file"


def test_a_tree_goes_but_not_what_its_links_point_to(tree: Path) -> None:
    direct.remove(f"{tree}/dir")
    assert not (tree / "dir").exists()
    assert (tree / "kept/k").exists()


def test_a_link_among_the_parents_is_followed(tree: Path) -> None:
    direct.remove(f"{tree}/dirlink/k")
    assert not (tree / "kept/k").exists()


@pytest.mark.parametrize("path", ["missing", "missing/x"])
def test_force_makes_a_missing_path_no_error(tree: Path, path: str) -> None:
    direct.remove(f"{tree}/{path}", force=True)
    with pytest.raises(FileNotFoundError):
        direct.remove(f"{tree}/{path}", force=False)


def test_force_hides_nothing_else(tree: Path) -> None:
    with pytest.raises(NotADirectoryError):
        direct.remove(f"{tree}/file/x", force=True)


def test_not_recursive_keeps_a_full_directory(tree: Path) -> None:
    with pytest.raises(OSError) as caught:
        direct.remove(f"{tree}/dir", recursive=False)
    assert caught.value.errno == errno.ENOTEMPTY


@pytest.mark.parametrize("recursive", [True, False])
def test_the_root_directory_is_never_removed(recursive: bool) -> None:
    with pytest.raises(RequestRefused, match=r"^path must name an entry$"):
        direct.remove("/", recursive=recursive)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("link", -32600, "path contains a symbolic link"),
        ("dangling", -32600, "path contains a symbolic link"),
        ("dirlink/k", -32603, "Not a directory (os error 20)"),
        ("dir", -32603, "Directory not empty (os error 39)"),
    ],
)
def test_without_following_links_are_refused(tree: Path, path: str, code: int, message: str) -> None:
    with pytest.raises((OSError, RequestRefused)) as caught:
        direct.remove(f"{tree}/{path}", recursive=False, follow_symlinks=False)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (code, message)


@pytest.mark.parametrize("name", ["file", "empty", "missing"])
def test_without_following_plain_names_go(tree: Path, name: str) -> None:
    direct.remove(f"{tree}/{name}", recursive=False, follow_symlinks=False)
    assert not (tree / name).exists()


def test_without_following_there_is_no_recursion(tree: Path) -> None:
    with pytest.raises(OSError) as caught:
        direct.remove(f"{tree}/file", follow_symlinks=False)
    said = to_wire(caught.value)
    assert (said.code, said.message) == (-32603, "recursive no-follow removal is unsupported")


def test_a_directory_that_cannot_be_emptied_stays(unprivileged: Unprivileged) -> None:
    inner = unprivileged.folder / "dir/inner"
    inner.mkdir(parents=True)
    (inner / "f").touch()
    inner.chmod(0o555)
    with pytest.raises(PermissionError):
        unprivileged.run(lambda: direct.remove(f"{unprivileged.folder}/dir"))
    assert (inner / "f").exists()


def make_deep(root: Path, depth: int) -> None:
    """Make a chain of directories that no path can name, with a file in each."""
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_any_path_and_any_stack_goes(tmp_path: Path) -> None:
    make_deep(tmp_path, 3000)
    direct.remove(f"{tmp_path}/deep")
    assert not (tmp_path / "deep").exists()


def test_a_wide_and_deep_tree_goes(tmp_path: Path) -> None:
    for branch in range(3):
        (tmp_path / f"top/{branch}").mkdir(parents=True)
        make_deep(tmp_path / f"top/{branch}", 80)
    direct.remove(f"{tmp_path}/top")
    assert not (tmp_path / "top").exists()


def test_a_directory_swapped_for_a_link_does_not_lead_outside(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    down = descent.Descent.down

    def swap_and_enter(self: descent.Descent, name: str, *, follow_symlinks: bool = False) -> None:
        if name == "sub":
            os.rename(tree / "dir/sub", tree / "moved")
            os.symlink("../kept", tree / "dir/sub")
        down(self, name, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(descent.Descent, "down", swap_and_enter)
    direct.remove(f"{tree}/dir")
    assert not (tree / "dir").exists()
    assert (tree / "kept/k").exists()
    assert (tree / "moved/g").exists()


def test_a_directory_moved_away_meanwhile_ends_the_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_deep(tmp_path, 40)  # deep enough for the top to have been closed and to be looked for as `..`
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/kept").touch()
    rmdir = os.rmdir
    moved: list[str] = []

    def move_and_rmdir(name: str, *, dir_fd: int) -> None:
        if not moved:
            moved.append(name)
            os.rename(tmp_path / "deep/deep/deep", tmp_path / "elsewhere/deep")
        rmdir(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", move_and_rmdir)
    with pytest.raises(OSError) as caught:
        direct.remove(f"{tmp_path}/deep")
    assert caught.value.errno == errno.ESTALE
    assert (tmp_path / "elsewhere/kept").exists()


def test_what_disappears_meanwhile_is_no_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink = os.unlink

    def unlink_twice(name: str, *, dir_fd: int) -> None:
        unlink(name, dir_fd=dir_fd)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink_twice)
    direct.remove(f"{tree}/dir")
    assert not (tree / "dir").exists()
