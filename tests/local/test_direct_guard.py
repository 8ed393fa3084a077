"""The guard: no way to create a reserved name, by whatever path, link or race."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_py.local import direct
from codex_py.local.guard import Guard
from codex_py.protocol.errors import to_wire

NAMES = (".git", ".agents", ".codex", ".aws")


def guard_of(*roots: Path, names: tuple[str, ...] = NAMES) -> Guard:
    return Guard([(os.stat(root).st_dev, os.stat(root).st_ino, name) for root in roots for name in names])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A writable root at `ws`, with ways into it from outside."""
    (tmp_path / "ws/sub").mkdir(parents=True)
    (tmp_path / "ws/file").write_bytes(b"data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/ws").symlink_to("../ws")
    return tmp_path / "ws"


def refused(call: Callable[[], None]) -> None:
    with pytest.raises(OSError) as caught:
        call()
    said = to_wire(caught.value)
    assert (said.code, said.message) == (-32603, "Read-only file system (os error 30)")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("follow_symlinks", [True, False])
def test_a_reserved_name_is_not_written(root: Path, name: str, follow_symlinks: bool) -> None:
    path = f"{root}/{name}"
    refused(lambda: direct.write_file(path, b"x", follow_symlinks=follow_symlinks, guard=guard_of(root)))
    assert not os.path.lexists(path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"recursive": False}, {"follow_symlinks": False}], ids=str)
def test_no_directory_is_created_by_a_reserved_name(root: Path, name: str, options: dict[str, bool]) -> None:
    path = f"{root}/{name}"
    refused(lambda: direct.create_directory(path, guard=guard_of(root), **options))
    assert not os.path.lexists(path)


@pytest.mark.parametrize("follow_symlinks", [True, False])
def test_no_directory_is_created_below_a_reserved_name(root: Path, follow_symlinks: bool) -> None:
    path = f"{root}/.git/hooks/x"
    refused(lambda: direct.create_directory(path, follow_symlinks=follow_symlinks, guard=guard_of(root)))
    assert not os.path.lexists(root / ".git")


@pytest.mark.parametrize(
    ("source", "destination"), [("file", ".git"), ("link", ".git"), ("sub", ".git"), ("sub", ".git/x/y")]
)
def test_no_copy_creates_a_reserved_name(root: Path, source: str, destination: str) -> None:
    (root / "link").symlink_to("file")
    (root / "sub/f").touch()
    guard = guard_of(root)
    refused(lambda: direct.copy(f"{root}/{source}", f"{root}/{destination}", recursive=True, guard=guard))
    assert not os.path.lexists(root / ".git")


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_a_merge_onto_the_root_does_not_bring_a_reserved_name(root: Path, kind: str) -> None:
    source = root.parent / "source"
    source.mkdir()
    name = source / ".git"
    if kind == "directory":
        name.mkdir()
    elif kind == "file":
        name.touch()
    else:
        name.symlink_to("x")
    refused(lambda: direct.copy(str(source), str(root), recursive=True, guard=guard_of(root)))
    assert not os.path.lexists(root / ".git")


def test_a_merge_through_a_link_does_not_bring_a_reserved_name(root: Path) -> None:
    (root.parent / "source/inner/.git").mkdir(parents=True)
    (root / "sub/inner").symlink_to(root)
    refused(lambda: direct.copy(f"{root.parent}/source", f"{root}/sub", recursive=True, guard=guard_of(root)))
    assert not os.path.lexists(root / ".git")


LINKS: list[dict[str, str]] = [
    {"l": ".git"},
    {"l": "{root}/.git"},
    {"l": "sub/../.git"},
    {"l": "./.git"},
    {"l": ".//.git"},
    {"l": "sub/up/.git", "sub/up": ".."},
    {"l": "{root}/../out/ws/.git"},
    {"l": "l2", "l2": "l3", "l3": ".git"},
    {"l": "sub/l2", "sub/l2": "../.git"},
    {"l": "sub/l2", "sub/l2": "{root}/l3", "l3": "sub/../sub/l4", "sub/l4": "up/.codex", "sub/up": "../."},
    {"l": "/proc/self/root/{root}/.git"},
]


@pytest.mark.parametrize("links", LINKS, ids=[" -> ".join(links.values()) for links in LINKS])
def test_a_dangling_link_does_not_lead_to_a_reserved_name(root: Path, links: dict[str, str]) -> None:
    for name, target in links.items():
        (root / name).symlink_to(target.format(root=root))
    guard = guard_of(root)
    refused(lambda: direct.write_file(f"{root}/l", b"x", guard=guard))
    refused(lambda: direct.copy(f"{root}/file", f"{root}/l", recursive=False, guard=guard))
    (root.parent / "source").mkdir()
    (root.parent / "source/l").touch()
    refused(lambda: direct.copy(f"{root.parent}/source", str(root), recursive=True, guard=guard))
    assert not [name for name in NAMES if os.path.lexists(root / name)]


@pytest.mark.parametrize("path", ["out/ws/.git", "ws/sub/../.git", "out/../ws/.git"])
def test_the_directory_counts_and_not_the_path(root: Path, path: str) -> None:
    guard = guard_of(root)
    refused(lambda: direct.write_file(f"{root.parent}/{path}", b"x", guard=guard))
    refused(lambda: direct.create_directory(f"{root.parent}/{path}/hooks", guard=guard))
    assert not os.path.lexists(root / ".git")


@pytest.mark.parametrize("name", [".GIT", ".Git", ".g\u200cit", ".agent\u017f"])
def test_names_that_some_file_system_takes_for_reserved_are_refused_too(root: Path, name: str) -> None:
    refused(lambda: direct.write_file(f"{root}/{name}", b"x", guard=guard_of(root)))


@pytest.mark.parametrize("path", [".gitignore", "git", ".gi", "sub/.git", ".github", "sub/new/.codex", "é", ".é"])
def test_other_names_and_other_directories_are_free(root: Path, path: str) -> None:
    guard = guard_of(root)
    (root / "sub/new").mkdir()
    direct.write_file(f"{root}/{path}", b"x", guard=guard)
    assert (root / path).read_bytes() == b"x"
    direct.remove(f"{root}/{path}")
    direct.create_directory(f"{root}/{path}/x", guard=guard)
    assert (root / path / "x").is_dir()


def test_everything_else_works_as_without_a_guard(root: Path) -> None:
    guard = guard_of(root)
    (root / "there").symlink_to("file")
    (root / "not-there").symlink_to("sub/new")
    direct.write_file(f"{root}/there", b"through", guard=guard)
    direct.write_file(f"{root}/not-there", b"created", guard=guard)
    direct.create_directory(f"{root}/a/b/c", guard=guard)
    direct.copy(f"{root}/a", f"{root}/z/y", recursive=True, guard=guard)
    assert (root / "file").read_bytes() == b"through"
    assert (root / "sub/new").read_bytes() == b"created"
    assert (root / "z/y/b/c").is_dir()


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("missing/x", errno.ENOENT),
        ("file/x", errno.ENOTDIR),
        ("new/", errno.EISDIR),
        ("new/.", errno.ENOENT),
        ("l", errno.ELOOP),
    ],
)
def test_a_link_that_cannot_be_created_through_fails_as_without_a_guard(root: Path, target: str, number: int) -> None:
    (root / "l").symlink_to(target)
    for guard in (guard_of(root), None):
        with pytest.raises(OSError) as caught:
            direct.write_file(f"{root}/l", b"x", guard=guard)
        assert caught.value.errno == number


@pytest.mark.parametrize(("links", "works"), [(39, True), (41, False)])
def test_as_many_links_are_followed_as_the_kernel_follows(root: Path, links: int, works: bool) -> None:
    for index in range(links):
        (root / f"l{index}").symlink_to(f"l{index + 1}")
    if works:
        direct.write_file(f"{root}/l0", b"x", guard=guard_of(root))
        assert (root / f"l{links}").read_bytes() == b"x"
        return
    with pytest.raises(OSError) as caught:
        direct.write_file(f"{root}/l0", b"x", guard=guard_of(root))
    assert caught.value.errno == errno.ELOOP


def test_what_exists_already_is_left_to_the_mounts(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".codex").write_bytes(b"before")
    guard = guard_of(root)
    direct.write_file(f"{root}/.git/config", b"x", guard=guard)
    direct.write_file(f"{root}/.codex", b"x", guard=guard)
    direct.create_directory(f"{root}/.git", guard=guard)
    direct.create_directory(f"{root}/.git/hooks", follow_symlinks=False, guard=guard)
    assert (root / ".codex").read_bytes() == b"x"


def test_a_parent_swapped_for_the_root_after_the_check_is_not_created_in(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the parent and the creation, the parent's name comes to lead to the root."""
    refuses = Guard.refuses

    def swap_after_looking(self: Guard, directory: int, name: str) -> bool:
        answer = refuses(self, directory, name)
        os.rename(root / "sub", root / "moved")
        os.symlink(".", root / "sub")
        return answer

    monkeypatch.setattr(Guard, "refuses", swap_after_looking)
    direct.write_file(f"{root}/sub/.git", b"x", guard=guard_of(root))
    assert not os.path.lexists(root / ".git")
    assert (root / "moved/.git").read_bytes() == b"x"


def test_any_reserved_pair_is_guarded_not_only_those_of_roots(root: Path) -> None:
    guard = guard_of(root / "sub", names=("secret",))
    refused(lambda: direct.create_directory(f"{root}/sub/secret/x", guard=guard))
    direct.create_directory(f"{root}/secret", guard=guard)
    assert (root / "secret").is_dir()


def test_a_reserved_name_outside_ascii_is_guarded_exactly(root: Path) -> None:
    guard = guard_of(root, names=("é",))
    refused(lambda: direct.write_file(f"{root}/é", b"x", guard=guard))
    direct.write_file(f"{root}/ü", b"x", guard=guard)
