"""The contract of files, over every implementation: here, sandboxed, in memory, over a WebSocket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from harness.machines import IMPLEMENTATIONS, Machine, box
from msgspec import structs

from codex_py.environment.filesystem import FileSystem
from codex_py.protocol.errors import RequestRefused
from codex_py.protocol.filesystem import DirectoryEntry, WalkOptions


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def files(request: pytest.FixtureRequest) -> Generator[tuple[asyncio.Runner, FileSystem]]:
    with asyncio.Runner() as runner, IMPLEMENTATIONS[request.param](runner) as environment:
        yield runner, environment.filesystem


@pytest.fixture(params=["direct", pytest.param("sandboxed", marks=pytest.mark.real_bwrap)])
def machine(request: pytest.FixtureRequest, files: tuple[asyncio.Runner, FileSystem], tmp_path: Path) -> Machine:
    return Machine(*files, box(tmp_path) if request.param == "sandboxed" else None)


def test_what_is_written_is_read(machine: Machine, tmp_path: Path) -> None:
    for content in (b"", b"text\n", bytes(range(256)) * 40):
        machine.write_file(f"{tmp_path}/a", content)
        assert machine.read_file(f"{tmp_path}/a") == content == (tmp_path / "a").read_bytes()


def test_a_large_file_goes_through(machine: Machine, tmp_path: Path) -> None:
    content = os.urandom(20 * 1024 * 1024)  # more than one frame may hold
    machine.write_file(f"{tmp_path}/large", content)
    assert machine.read_file(f"{tmp_path}/large") == content


@pytest.mark.parametrize(
    "name", ["with space", "per%cent", "hash#?", "ünïcode", "new\nline", "\udcff\udcfe", "a" * 255]
)
def test_every_name_the_kernel_allows_is_kept(machine: Machine, tmp_path: Path, name: str) -> None:
    path = f"{tmp_path}/{name}"
    machine.write_file(path, b"x")
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
    assert machine.read_file(path) == b"x"
    assert machine.canonicalize(path) == path
    machine.remove(path)
    assert not os.path.lexists(path)


def test_errors_are_builtin_exceptions_with_their_errno(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    expectations: list[tuple[type[Exception], str]] = [
        (FileNotFoundError, "missing"),
        (NotADirectoryError, "file/below"),
        (OSError, "loop"),
        (OSError, "n" * 256),
    ]
    for kind, name in expectations:
        with pytest.raises(kind) as caught:
            machine.read_file(f"{tmp_path}/{name}")
        assert isinstance(caught.value, OSError)
        with pytest.raises(OSError) as native:
            (tmp_path / name).read_bytes()
        assert caught.value.errno == native.value.errno
    with pytest.raises(IsADirectoryError):
        machine.write_file(str(tmp_path), b"")
    with pytest.raises(FileExistsError):
        machine.create_directory(f"{tmp_path}/file", recursive=False)


@pytest.mark.parametrize("special", ["/dev/null", "/dev/zero", "{}/fifo", "{}"])
def test_only_regular_files_are_read(machine: Machine, tmp_path: Path, special: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = special.format(tmp_path)
    with pytest.raises(RequestRefused, match=f"path `{path}` is not a file"):
        machine.read_file(path)


def test_writing_to_a_fifo_is_refused_at_once(machine: Machine, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RequestRefused):
        machine.write_file(f"{tmp_path}/fifo", b"x")


def test_links_are_followed_unless_told_not_to(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "to-folder").symlink_to("folder")
    assert machine.read_file(f"{tmp_path}/link") == b"content"
    with pytest.raises(OSError, match=r"(?i)symbolic link") as caught:
        machine.read_file(f"{tmp_path}/link", follow_symlinks=False)
    assert caught.value.errno == 40
    with pytest.raises(NotADirectoryError):
        machine.write_file(f"{tmp_path}/to-folder/x", b"", follow_symlinks=False)
    machine.write_file(f"{tmp_path}/link", b"through")
    assert (tmp_path / "file").read_text() == "through"


def test_metadata_tells_of_the_target_and_of_the_link(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("12345")
    os.utime(tmp_path / "file", ns=(0, 1_700_000_000_123_000_000))
    (tmp_path / "link").symlink_to("file")
    plain, link = machine.get_metadata(f"{tmp_path}/file"), machine.get_metadata(f"{tmp_path}/link")
    assert (plain.is_file, plain.is_directory, plain.is_symlink, plain.size) == (True, False, False, 5)
    assert plain.modified_at_ms == 1_700_000_000_123
    assert (link.is_file, link.is_symlink, link.size) == (True, True, 5)
    assert machine.get_metadata(str(tmp_path)).is_directory
    with pytest.raises(RequestRefused, match="path contains a symbolic link"):
        machine.get_metadata(f"{tmp_path}/link", follow_symlinks=False)


def test_directories_are_created_and_listed(machine: Machine, tmp_path: Path) -> None:
    machine.create_directory(f"{tmp_path}/a/b/c")
    machine.create_directory(f"{tmp_path}/a/b/c")
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "a" / "dangling").symlink_to("nowhere")
    assert sorted(machine.read_directory(f"{tmp_path}/a"), key=lambda entry: str(entry.file_name)) == [
        DirectoryEntry(file_name="b", is_directory=True, is_file=False),
        DirectoryEntry(file_name="file", is_directory=False, is_file=True),
    ]
    with pytest.raises(FileNotFoundError):
        machine.create_directory(f"{tmp_path}/x/y", recursive=False)


def test_a_walk_is_breadth_first_sorted_and_bounded(machine: Machine, tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/x/deep", ".hidden/h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    options = WalkOptions(max_depth=64, max_directories=100, max_entries=100, follow_directory_symlinks=False)
    found = machine.walk(str(tmp_path), options)
    assert [(os.path.relpath(path, tmp_path), kind) for path, kind in found.entries] == [
        (".hidden", "directory"),
        ("a", "directory"),
        ("b", "directory"),
        (".hidden/h", "file"),
        ("a/x", "directory"),
        ("b/1", "file"),
        ("b/2", "file"),
        ("a/x/deep", "file"),
    ]
    assert not found.truncated
    few = WalkOptions(max_depth=64, max_directories=100, max_entries=3, follow_directory_symlinks=False)
    assert machine.walk(str(tmp_path), few).truncated


@pytest.mark.parametrize(("option", "value"), [("max_entries", 0), ("max_directories", 0), ("max_depth", 65)])
def test_bounds_beyond_the_limits_are_refused(machine: Machine, tmp_path: Path, option: str, value: int) -> None:
    options = WalkOptions(max_depth=1, max_directories=1, max_entries=1, follow_directory_symlinks=False)
    with pytest.raises(RequestRefused, match="filesystem walk limits"):
        machine.walk(str(tmp_path), structs.replace(options, **{option: value}))


def test_remove_takes_files_links_and_trees(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "tree" / "link").symlink_to("../kept")
    with pytest.raises(OSError, match="not empty"):
        machine.remove(f"{tmp_path}/tree", recursive=False)
    machine.remove(f"{tmp_path}/tree")
    machine.remove(f"{tmp_path}/tree")
    with pytest.raises(FileNotFoundError):
        machine.remove(f"{tmp_path}/tree", force=False)
    assert (tmp_path / "kept").read_text() == "kept"


def test_copy_takes_files_links_and_trees(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_text("x")
    (tmp_path / "tree" / "sub" / "file").chmod(0o751)
    (tmp_path / "tree" / "link").symlink_to("sub/file")
    machine.copy(f"{tmp_path}/tree", f"{tmp_path}/copy", recursive=True)
    assert (tmp_path / "copy" / "sub" / "file").read_text() == "x"
    assert (tmp_path / "copy" / "sub" / "file").stat().st_mode & 0o777 == 0o751
    assert os.readlink(tmp_path / "copy" / "link") == "sub/file"
    with pytest.raises(RequestRefused, match="requires recursive"):
        machine.copy(f"{tmp_path}/tree", f"{tmp_path}/other", recursive=False)
    with pytest.raises(RequestRefused, match="itself or one of its descendants"):
        machine.copy(f"{tmp_path}/tree", f"{tmp_path}/tree/sub/new", recursive=True)


@pytest.mark.parametrize("how", ["same path", "symlink", "hard link"])
def test_a_file_copied_onto_itself_is_refused_and_untouched(machine: Machine, tmp_path: Path, how: str) -> None:
    (tmp_path / "file").write_text("precious")
    other = tmp_path / ("file" if how == "same path" else "other")
    if how == "symlink":
        other.symlink_to("file")
    if how == "hard link":
        other.hardlink_to(tmp_path / "file")
    with pytest.raises(RequestRefused):
        machine.copy(f"{tmp_path}/file", str(other), recursive=False)
    assert (tmp_path / "file").read_text() == "precious"


def test_paths_may_be_path_objects_and_must_be_absolute(machine: Machine, tmp_path: Path) -> None:
    machine.write_file(tmp_path / "sub" / ".." / "a", b"x")
    assert machine.read_file(tmp_path / "a") == b"x"
    with pytest.raises(ValueError, match="`a` is not an absolute path"):
        machine.read_file("a")


def test_an_error_names_the_path(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        machine.read_file(tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
