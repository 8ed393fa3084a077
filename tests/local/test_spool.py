"""The spool: a ring on disk, compared with a list in memory, and a disk that says no."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_py.environment.process import Output
from codex_py.local.spool import Spool
from codex_py.protocol.process import Stream

RECORD_BYTES = 13  # what a chunk costs besides its data
ALL = 1 << 40


def chunk(seq: int, size: int, stream: Stream = "stdout") -> Output:
    return Output(seq, stream, bytes((seq + index) % 251 for index in range(size)))


def block(first: int, *sizes: int) -> list[Output]:
    return [chunk(first + index, size) for index, size in enumerate(sizes)]


@pytest.fixture
def spool(tmp_path: Path) -> Generator[Spool]:
    spool = Spool(str(tmp_path), 1000)
    yield spool
    spool.close()


def seqs(chunks: list[Output]) -> list[int]:
    return [chunk.seq for chunk in chunks]


def descriptor_of_file(folder: Path) -> int:
    """Find the file that has no name, by where it lies."""
    for path in Path("/proc/self/fd").iterdir():
        if path.is_symlink() and os.readlink(path).startswith(f"{folder}/"):
            return int(path.name)
    raise AssertionError("there is none")


def test_what_was_written_is_read_with_numbers_and_streams(spool: Spool) -> None:
    assert spool.is_empty
    assert spool.read(0, ALL) == []
    chunks = [chunk(7, 1, "stdout"), chunk(9, 100, "stderr"), chunk(10, 3, "pty")]
    spool.append(chunks)
    assert not spool.is_empty
    assert spool.read(0, ALL) == spool.read(6, ALL) == chunks
    assert spool.read(7, ALL) == spool.read(8, ALL) == chunks[1:]
    assert spool.read(10, ALL) == []


def test_the_file_has_no_name(spool: Spool, tmp_path: Path) -> None:
    spool.append(block(1, 10))
    assert os.listdir(tmp_path) == []


def test_a_file_is_made_only_when_there_is_something_to_keep(tmp_path: Path) -> None:
    Spool(str(tmp_path / "missing"), 1000).close()


def test_reading_ends_with_the_block_that_exceeds_the_limit(spool: Spool) -> None:
    for first in (1, 3, 5):
        spool.append(block(first, 50, 50))
    assert seqs(spool.read(0, 100)) == [1, 2, 3, 4]
    assert seqs(spool.read(0, 99)) == [1, 2]
    assert seqs(spool.read(1, 0)) == [2]


def test_the_oldest_block_goes_when_there_is_no_room(spool: Spool) -> None:
    for first in range(1, 11):
        spool.append(block(first, 300 - RECORD_BYTES))
    assert spool.read(0, ALL) == [chunk(seq, 300 - RECORD_BYTES) for seq in (8, 9, 10)]


def test_a_block_may_fill_the_ring_exactly_and_wherever_it_begins(spool: Spool) -> None:
    spool.append(block(1, 123))
    for first in (2, 3, 4):
        spool.append(block(first, 1000 - RECORD_BYTES))
        assert spool.read(0, ALL) == block(first, 1000 - RECORD_BYTES)


def test_a_block_that_is_larger_than_the_ring_is_let_go_with_what_was_before(spool: Spool) -> None:
    spool.append(block(1, 100))
    spool.append(block(2, 1000 - RECORD_BYTES + 1))
    assert spool.read(0, ALL) == []
    spool.append(block(3, 100))
    assert seqs(spool.read(0, ALL)) == [3]


def test_the_file_does_not_grow_beyond_its_capacity(spool: Spool, tmp_path: Path) -> None:
    for first in range(1, 50):
        spool.append(block(first, 321))
    assert os.fstat(descriptor_of_file(tmp_path)).st_size <= 1000


def test_a_folder_that_takes_no_file_is_an_error_and_a_later_block_may_do(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    spool = Spool(str(folder), 1000)
    with pytest.raises(FileNotFoundError):
        spool.append(block(1, 10))
    assert spool.is_empty
    folder.mkdir()
    spool.append(block(2, 10))
    assert seqs(spool.read(0, ALL)) == [2]
    spool.close()


def test_a_full_disk_keeps_nothing_of_a_block_and_all_of_the_others(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(block(1, 400))
    write = os.pwrite

    def full(descriptor: int, data: bytes, place: int) -> int:
        if place > 600:
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data[:200], place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="full"):
            spool.append(block(2, 500))
    assert spool.read(0, ALL) == block(1, 400)
    spool.append(block(3, 500))
    assert spool.read(0, ALL) == [*block(1, 400), *block(3, 500)]


def test_what_was_cut_off_is_an_error_and_not_something_else(spool: Spool, tmp_path: Path) -> None:
    spool.append(block(1, 100))
    os.ftruncate(descriptor_of_file(tmp_path), 50)
    with pytest.raises(OSError, match="the spool ends at 50"):
        spool.read(0, ALL)


def test_it_can_be_closed_twice_and_gives_its_file_back(spool: Spool) -> None:
    spool.append(block(1, 100))
    spool.close()
    spool.close()
    assert spool.is_empty


STEP = st.one_of(
    st.lists(st.integers(1, 120), min_size=1, max_size=5),
    st.tuples(st.integers(0, 60), st.integers(0, 400)),
)


@settings(deadline=None)
@given(st.integers(50, 400), st.lists(STEP, max_size=25))
def test_it_keeps_the_newest_blocks_that_fit_in_order(capacity: int, steps: list[list[int] | tuple[int, int]]) -> None:
    """The model is a list of blocks, of which the oldest go until the rest is within the capacity."""
    spool, model, next_seq = Spool(None, capacity), list[list[Output]](), 1
    try:
        for step in steps:
            if isinstance(step, list):
                spool.append(block(next_seq, *step))
                model.append(block(next_seq, *step))
                next_seq += len(step)
                while sum(len(one.data) + RECORD_BYTES for run in model for one in run) > capacity:
                    model.pop(0)
            else:
                check_reading(spool, [one for run in model for one in run], *step)
        check_reading(spool, [one for run in model for one in run], 0, ALL)
        assert spool.is_empty == (not model)
    finally:
        spool.close()


def check_reading(spool: Spool, kept: list[Output], after: int, limit: int) -> None:
    wanted = [one for one in kept if one.seq > after]
    found = spool.read(after, limit)
    assert found == wanted[: len(found)]
    if len(found) < len(wanted):
        assert sum(len(one.data) for one in found) > limit
