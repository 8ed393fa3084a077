"""Mount points are made where they were planned, and only what was made, and is still empty, is removed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from codex_py.sandbox.disk import Identity, RealDisk
from codex_py.sandbox.errors import UnenforceablePolicy
from codex_py.sandbox.mount_points import Changed, MountPoint, WithoutMountPoints, covered, is_there, make, remove
from codex_py.sandbox.plan import Mount, Op, Plan, Reserved


def missing(folder: Path, name: str = ".git") -> Reserved:
    facts = folder.stat()
    return Reserved(Identity(facts.st_dev, facts.st_ino), name, f"rule of {name}", f"{folder}/{name}")


def made(folder: Path, name: str = ".git") -> MountPoint:
    point = make(missing(folder, name))
    assert point is not None
    return point


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (folder := tmp_path / "ws").mkdir()
    return folder


def test_a_protected_name_becomes_a_directory_and_any_other_a_file(folder: Path) -> None:
    directory, file = made(folder, ".git"), made(folder, "secret")
    assert (directory.kind, file.kind) == ("directory", "file")
    assert is_there(directory)
    assert is_there(file)
    assert list((folder / ".git").iterdir()) == []
    assert (folder / "secret").read_bytes() == b""


@pytest.mark.parametrize("name", [".git", "secret"])
def test_what_was_made_is_removed(folder: Path, name: str) -> None:
    point = made(folder, name)
    remove(point)
    assert not is_there(point)
    remove(point)  # nothing is there any more: harmless
    assert list(folder.iterdir()) == []


def test_what_the_host_put_there_stays(folder: Path) -> None:
    directory, file = made(folder, ".git"), made(folder, "secret")
    (folder / ".git/HEAD").write_text("ref")
    (folder / "secret").chmod(0o600)
    (folder / "secret").write_text("x")
    remove(directory)
    remove(file)
    assert (folder / ".git/HEAD").read_text() == "ref"
    assert (folder / "secret").read_text() == "x"


def test_what_was_put_in_its_place_stays(folder: Path) -> None:
    directory, file, linked = made(folder, ".git"), made(folder, "secret"), made(folder, "linked")
    for name in (".git", "secret", "linked"):  # kept elsewhere, so that no number comes round again
        (folder / name).rename(folder / f"was {name}")
    (folder / ".git").mkdir()
    (folder / "secret").touch()
    (folder / "linked").symlink_to("was linked")
    for point in (directory, file, linked):
        remove(point)
    assert {path.name for path in folder.iterdir()} >= {".git", "secret", "linked", "was linked"}


def test_a_file_that_has_another_name_too_stays(folder: Path) -> None:
    point = made(folder, "secret")
    os.link(folder / "secret", folder / "other")
    remove(point)
    assert (folder / "secret").exists()


@pytest.mark.parametrize("what", ["directory", "file", "link", "dangling link"])
def test_a_name_that_appeared_is_not_taken_over(folder: Path, what: str) -> None:
    item = missing(folder)
    if what == "directory":
        (folder / ".git").mkdir()
    elif what == "file":
        (folder / ".git").touch()
    else:
        (folder / ".git").symlink_to("/etc" if what == "link" else "/nowhere")
    with pytest.raises(Changed):
        make(item)


@pytest.mark.parametrize("how", ["another directory", "a link", "nothing", "a link above"])
def test_nothing_is_made_where_the_parent_is_not_the_planned_one(folder: Path, tmp_path: Path, how: str) -> None:
    item, elsewhere = missing(folder), tmp_path / "elsewhere"
    folder.rename(elsewhere)
    if how == "another directory":
        folder.mkdir()
    elif how == "a link":
        folder.symlink_to(elsewhere)
    elif how == "a link above":
        (tmp_path / "above").symlink_to(tmp_path)
        item = Reserved(item.directory, item.name, item.reason, f"{tmp_path}/above/elsewhere/.git")
    with pytest.raises(Changed):
        make(item)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("how", ["a link", "a link above"])
def test_nothing_is_removed_through_a_link(folder: Path, tmp_path: Path, how: str) -> None:
    point = made(folder)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to("elsewhere")
    remove(point)
    assert (tmp_path / "elsewhere/.git").exists()


@pytest.mark.parametrize(("number", "owner"), [(errno.EROFS, os.geteuid()), (errno.EACCES, 12345)])
def test_where_nobody_could_create_it_none_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, owner: int
) -> None:
    refuse(monkeypatch, number)
    monkeypatch.setattr(os, "geteuid", lambda: owner)
    assert make(missing(folder)) is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT])
def test_where_it_might_be_created_later_a_failure_is_a_refusal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(UnenforceablePolicy, match=rf"cannot keep a process from creating {folder}/\.git"):
        make(missing(folder))


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", mkdir)


def test_covers_come_last_and_only_over_what_was_made(folder: Path) -> None:
    plan = Plan(
        (Mount(Op.READ, "/", ""),), reserved=tuple(missing(folder, name) for name in (".git", "secret", ".aws"))
    )
    points = {point.path: point for point in (made(folder, ".git"), made(folder, "secret"))}
    assert [(mount.op, mount.path) for mount in covered(plan, points).mounts] == [
        (Op.READ, "/"),
        (Op.COVER_DIRECTORY, f"{folder}/.git"),
        (Op.SEAL, f"{folder}/.git"),
        (Op.HIDE_FILE, f"{folder}/secret"),
    ]


def test_on_a_disk_without_them_they_are_missing_until_they_are_the_hosts(folder: Path) -> None:
    point = made(folder)
    disk = WithoutMountPoints(RealDisk(), {point.path: point})
    assert (disk.kind(point.path), disk.kind(str(folder))) == (None, "directory")
    (folder / ".git").rename(folder / "away")
    (folder / ".git").mkdir()
    assert disk.kind(point.path) == "directory"
