"""Whether everything inside a sandbox is dead, by what bubblewrap told of its first process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator

import pytest

from codex_py.sandbox.departure import Departure


@pytest.fixture
def departure() -> Generator[Departure]:
    departure = Departure()
    yield departure
    departure.close()


@pytest.fixture
def child() -> Generator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def tell(departure: Departure, text: str) -> None:
    os.write(departure.theirs, text.encode())
    os.close(departure.theirs)


def namespace(pid: int) -> int:
    return os.stat(f"/proc/{pid}/ns/pid").st_ino


def test_a_bwrap_that_never_came_to_it_has_nothing_inside(departure: Departure) -> None:
    tell(departure, "")
    assert departure.wait(0)


def test_one_that_has_not_said_anything_yet_may_have(departure: Departure) -> None:
    assert not departure.wait(0)
    os.close(departure.theirs)


def test_as_long_as_the_first_process_lives_it_is_not_over(
    departure: Departure, child: subprocess.Popen[bytes]
) -> None:
    tell(departure, f'{{\n    "child-pid": {child.pid},\n    "pid-namespace": {namespace(child.pid)}\n}}\n')
    assert not departure.wait(0.01)


def test_it_waits_for_the_first_process_to_end(departure: Departure, child: subprocess.Popen[bytes]) -> None:
    tell(departure, f'{{"child-pid": {child.pid}, "mnt-namespace": 1, "pid-namespace": {namespace(child.pid)}}}')
    assert child.stdin is not None
    child.stdin.close()
    assert departure.wait(30)


def test_a_bwrap_that_does_not_tell_the_namespace_is_believed(
    departure: Departure, child: subprocess.Popen[bytes]
) -> None:
    tell(departure, f'{{"child-pid": {child.pid}}}')
    assert not departure.wait(0.01)


def test_a_number_that_came_round_again_is_somebody_else(departure: Departure, child: subprocess.Popen[bytes]) -> None:
    tell(departure, f'{{"child-pid": {child.pid}, "pid-namespace": 1}}')
    assert departure.wait(0)


@pytest.mark.parametrize("reaped", [False, True])
def test_one_that_is_dead_is_over_whether_reaped_or_not(
    departure: Departure, child: subprocess.Popen[bytes], reaped: bool
) -> None:
    inside = namespace(child.pid)
    child.kill()
    if reaped:
        child.wait()
    tell(departure, f'{{"child-pid": {child.pid}, "pid-namespace": {inside}}}')
    assert departure.wait(30)
