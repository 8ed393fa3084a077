"""Writable roots are mounted by descriptors of what was planned, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from codex_py.sandbox.disk import Identity
from codex_py.sandbox.mount_points import Changed
from codex_py.sandbox.plan import Mount, Op, Plan, Root
from codex_py.sandbox.roots import open_roots


def plan(path: Path, identity: Identity | None = None) -> Plan:
    status = path.stat()
    root = Root(str(path), identity or Identity(status.st_dev, status.st_ino))
    return Plan((Mount(Op.READ, "/", "root"), Mount(Op.WRITE, str(path), "workspace")), (root,))


def test_what_is_mounted_writable_is_opened_and_nothing_else(tmp_path: Path) -> None:
    with contextlib.ExitStack() as opened:
        roots = open_roots(plan(tmp_path), opened)
        assert list(roots) == [str(tmp_path)]
        assert os.path.samestat(os.fstat(roots[str(tmp_path)]), tmp_path.stat())
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(roots[str(tmp_path)])


def test_another_directory_in_its_place_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    planned = plan(tmp_path / "root")
    (tmp_path / "root").rename(tmp_path / "moved")
    (tmp_path / "root").mkdir()
    with contextlib.ExitStack() as opened, pytest.raises(Changed):
        open_roots(planned, opened)


@pytest.mark.parametrize("place", ["root", "parent"])
def test_a_link_in_its_place_or_on_the_way_is_noticed(tmp_path: Path, place: str) -> None:
    root = tmp_path / "parent" / "root"
    root.mkdir(parents=True)
    planned = plan(root)
    moved = root if place == "root" else root.parent
    moved.rename(tmp_path / "moved")
    moved.symlink_to(tmp_path / "moved")
    with contextlib.ExitStack() as opened, pytest.raises(Changed):
        open_roots(planned, opened)


def test_one_that_is_gone_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    planned = plan(tmp_path / "root")
    (tmp_path / "root").rmdir()
    with contextlib.ExitStack() as opened, pytest.raises(Changed):
        open_roots(planned, opened)
