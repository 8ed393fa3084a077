"""Shared by the tests of this machine."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

T = TypeVar("T")
NOBODY = 65534

uvloop.new_event_loop().close()  # the first one opens a pipe for signals, once for the whole process


class Unprivileged:
    """Runs calls as a user whom permission bits bind: root is bound by none.

    `folder` belongs to that user and can be reached by it, which pytest's tmp_path cannot.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, call: Callable[[], T]) -> T:
        """Call in a child process and give its result or raise its exception."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            _run_as_nobody(call, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            answer: tuple[T] | Exception = pickle.loads(stream.read())
        os.waitpid(child, 0)
        if isinstance(answer, Exception):
            raise answer
        return answer[0]


def _run_as_nobody(call: Callable[[], object], writing: int) -> None:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            answer: tuple[object] | Exception = (call(),)
        except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
            answer = error
        os.write(writing, pickle.dumps(answer))
    finally:
        os._exit(0)


@pytest.fixture
def unprivileged() -> Iterator[Unprivileged]:
    folder = Path(tempfile.mkdtemp(prefix="codex-py-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    try:
        yield Unprivileged(folder)
    finally:
        for path, names, _ in os.walk(folder):
            for name in names:
                os.chmod(os.path.join(path, name), 0o700, follow_symlinks=True)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    before = _open_descriptors()
    yield
    assert _open_descriptors() == before


def _open_descriptors() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:  # the one that listed the directory
            continue
    return found
