"""walk: order, limits, links; the expectations are the reference's answers to the same trees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from codex_py.local import direct, direct_walk
from codex_py.local.direct_walk import Walked
from codex_py.protocol.errors import RequestRefused

from .conftest import Unprivileged

if TYPE_CHECKING:
    from pyfakefs.fake_filesystem import FakeFilesystem

TREE = ["a", "b/x", "b/c/z", "b/y", ".dot", ".hid/in/deep", "z z%#?"]


def build(root: Path) -> None:
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    build(tmp_path)
    return tmp_path


def walk(
    root: object,
    depth: int = 64,
    directories: int = 10_000,
    entries: int = 50_000,
    *,
    follow: bool = False,
    prune: bool = False,
) -> Walked:
    return direct.walk(
        str(root),
        max_depth=depth,
        max_directories=directories,
        max_entries=entries,
        follow_directory_symlinks=follow,
        prune_hidden_directories=prune,
    )


def names(root: object, walked: Walked) -> list[str]:
    """The entries relative to the root, directories with a slash."""
    return [os.path.relpath(path, str(root)) + "/" * (kind == "directory") for path, kind in walked.entries]


WHOLE = [".dot", ".hid/", "a", "b/", "z z%#?", ".hid/in/", "b/c/", "b/x", "b/y", ".hid/in/deep", "b/c/z"]


def test_a_walk_goes_by_levels_and_sorts_within_each_directory(tree: Path) -> None:
    walked = walk(tree)
    assert names(tree, walked) == WHOLE
    assert not walked.errors
    assert not walked.truncated


@pytest.mark.parametrize(("depth", "listed"), [(0, 5), (1, 9), (2, 11), (64, 11)])
def test_the_depth_limit_cuts_without_truncating(tree: Path, depth: int, listed: int) -> None:
    walked = walk(tree, depth=depth)
    assert names(tree, walked) == WHOLE[:listed]
    assert not walked.truncated


@pytest.mark.parametrize("entries", [1, 5, 10, 11, 12])
def test_the_entry_limit_ends_the_walk(tree: Path, entries: int) -> None:
    walked = walk(tree, entries=entries)
    assert names(tree, walked) == WHOLE[:entries]
    assert walked.truncated == (entries < len(WHOLE))


@pytest.mark.parametrize(
    ("directories", "listed", "truncated"),
    [
        (1, WHOLE[:5], True),
        (2, [*WHOLE[:5], ".hid/in/"], True),
        (3, WHOLE[:9], True),
        (4, WHOLE[:10], True),
        (5, WHOLE, False),
    ],
)
def test_the_directory_limit_counts_the_root_and_goes_on_with_the_rest(
    tree: Path, directories: int, listed: list[str], truncated: bool
) -> None:
    walked = walk(tree, directories=directories)
    assert names(tree, walked) == listed
    assert walked.truncated == truncated


def test_names_that_are_not_listed_count_as_entries(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    (tmp_path / "b").symlink_to("c")
    (tmp_path / "c").touch()
    assert names(tmp_path, walk(tmp_path, entries=2)) == []
    assert names(tmp_path, walk(tmp_path, entries=3)) == ["c"]


def test_links_to_nowhere_do_not_count_as_entries(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / "b").symlink_to("b")
    (tmp_path / "c").touch()
    walked = walk(tmp_path, entries=1)
    assert names(tmp_path, walked) == ["c"]
    assert not walked.truncated


def test_pruned_directories_are_listed_but_not_entered(tree: Path) -> None:
    assert names(tree, walk(tree, prune=True)) == [name for name in WHOLE if not name.startswith(".hid/i")]


@pytest.mark.parametrize(("depth", "directories", "entries"), [(0, 0, 1), (0, 1, 0), (0, 0, 0)])
def test_limits_must_be_greater_than_zero(tree: Path, depth: int, directories: int, entries: int) -> None:
    with pytest.raises(RequestRefused, match=r"^filesystem walk limits must be greater than zero$"):
        walk(tree, depth, directories, entries)


@pytest.mark.parametrize(
    ("depth", "directories", "entries"), [(65, 1, 1), (1, 10_001, 1), (1, 1, 50_001), (2**64, 1, 1)]
)
def test_limits_have_maximums(tree: Path, depth: int, directories: int, entries: int) -> None:
    with pytest.raises(RequestRefused) as caught:
        walk(tree, depth, directories, entries)
    assert str(caught.value) == "filesystem walk limits exceed maximums: depth=64, directories=10000, entries=50000"


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/z").touch()
    for name, target in {"0c": "b/c", "lb": "b", "self": ".", "lfile": "b/c/z", "gone": "nowhere"}.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


def test_links_are_not_listed_unless_they_are_followed(linked: Path) -> None:
    assert names(linked, walk(linked)) == ["b/", "b/c/", "b/c/z"]


def test_a_followed_directory_is_entered_once_by_whatever_name_comes_first(linked: Path) -> None:
    assert names(linked, walk(linked, follow=True)) == ["0c/", "b/", "lb/", "self/", "0c/z", "b/c/"]


@pytest.mark.parametrize("follow", [True, False])
def test_a_root_that_is_no_directory_is_empty(linked: Path, follow: bool) -> None:
    for name in ("b/c/z", "lfile"):
        walked = walk(linked / name, follow=follow)
        assert (walked.entries, walked.errors, walked.truncated) == ([], [], False)


def test_a_root_that_is_a_link_is_walked_only_with_following(linked: Path) -> None:
    assert names(linked, walk(linked / "lb")) == []
    assert names(linked, walk(linked / "lb", follow=True)) == ["lb/c/", "lb/c/z"]


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(tmp_path / "missing")


def test_names_that_are_not_utf_8_become_errors(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff")).mkdir()
    (tmp_path / os.fsdecode(b"bad\xff/x")).touch()
    walked = walk(tmp_path)
    assert walked.entries == []
    assert walked.errors == [(f"{tmp_path}/bad\ufffd", "No such file or directory (os error 2)")]


def test_a_directory_that_cannot_be_read_becomes_an_error(unprivileged: Unprivileged) -> None:
    root = unprivileged.folder
    (root / "closed").mkdir(mode=0)
    (root / "open").mkdir()
    (root / "open/f").touch()
    walked = unprivileged.run(lambda: (lambda found: (found.entries, found.errors))(walk(root)))
    assert walked == (
        [(f"{root}/closed", "directory"), (f"{root}/open", "directory"), (f"{root}/open/f", "file")],
        [(f"{root}/closed", "Permission denied (os error 13)")],
    )


def test_an_unreadable_root_is_an_error_entry_too(unprivileged: Unprivileged) -> None:
    root = unprivileged.folder / "closed"
    root.mkdir(mode=0)
    assert unprivileged.run(lambda: walk(root).errors) == [(str(root), "Permission denied (os error 13)")]


def test_names_in_a_directory_that_may_not_be_searched_become_errors(unprivileged: Unprivileged) -> None:
    root = unprivileged.folder / "noexec"
    root.mkdir()
    (root / "f").touch()
    root.chmod(0o444)
    assert unprivileged.run(lambda: walk(root).errors) == [(f"{root}/f", "Permission denied (os error 13)")]


def test_a_directory_swapped_for_a_link_is_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/s").touch()
    real_open = os.open

    def swap_and_open(path: str, flags: int, *args: int, **more: int) -> int:
        if path.endswith("/sub"):
            os.rmdir(path)
            os.rename(tmp_path / "secret", path)
        return real_open(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", swap_and_open)
    walked = walk(tmp_path / "root")
    assert names(tmp_path, walked) == ["root/sub/"]
    assert walked.errors == [(f"{tmp_path}/root/sub", "No such file or directory (os error 2)")]


def test_the_reply_is_kept_below_four_mebibytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(10):
        (tmp_path / f"é{index}").touch()
    each = len(f"file://{tmp_path}/%C3%A90") + 64
    for budget, listed in ((each * 4 - 1, 3), (each * 4, 4), (each * 10, 10)):
        monkeypatch.setattr(direct_walk, "_MAX_REPLY_BYTES", budget)
        walked = walk(tmp_path)
        assert len(walked.entries) == listed
        assert walked.truncated == (listed < 10)


def test_the_root_directory_is_walked_without_doubling_slashes() -> None:
    assert all(path.count("/") == 1 for path, _ in walk("/", depth=0).entries)


def test_limits_do_not_depend_on_a_kernel(fs: FakeFilesystem) -> None:
    root = Path("/made/up")
    root.mkdir(parents=True)
    build(root)
    assert names(root, walk(root, entries=3)) == WHOLE[:3]
    assert names(root, walk(root, prune=True, depth=0)) == WHOLE[:5]
    assert names(root, walk(root)) == WHOLE
