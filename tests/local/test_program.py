"""Which file a command executes: the reference's table of names, folders and texts."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from codex_py.local.program import DEFAULT_PATH, find_program, folder_to_start_in
from codex_py.protocol.errors import INTERNAL_ERROR, WireError

from .conftest import Unprivileged


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Lay out what names may mean: `{}` in the tables below is this folder."""
    for name in ("ok", "d/okd", "d2/okd", "bad/noexec", "good/noexec"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "bad" / "noexec").chmod(0o644)
    (tmp_path / "file").write_text("")
    (tmp_path / "d" / "folder").mkdir()
    (tmp_path / "link").symlink_to("ok")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "x").symlink_to("x")
    return str(tmp_path)


def found(name: str, path: str | None, folder: str, *, tty: bool) -> str:
    """Return which file is executed, by its absolute path."""
    environment = {} if path is None else {"PATH": path.replace("{}", folder)}
    return os.path.normpath(os.path.join(folder, find_program(name, environment, folder, tty=tty)))


@pytest.mark.parametrize(
    ("name", "path", "program"),
    [
        ("okd", "{}/d", "d/okd"),
        ("okd", "/nowhere:{}/d2:{}/d", "d2/okd"),
        ("okd", "d", "d/okd"),
        ("ok", "", "ok"),
        ("ok", ".", "ok"),
        ("ok", "/nowhere::", "ok"),
        ("link", ".", "link"),
        ("noexec", "bad:good", "good/noexec"),
        ("okd", "file:d", "d/okd"),
        ("okd", "d/folder/..:", "d/okd"),
    ],
)
@pytest.mark.parametrize("tty", [False, True])
def test_a_bare_name_is_looked_up_in_the_childs_path(
    folder: str, name: str, path: str, program: str, tty: bool
) -> None:
    assert found(name, path, folder, tty=tty) == f"{folder}/{program}"


@pytest.mark.parametrize("name", ["d/okd", "./ok", "../x", "/anything", "./missing", "missing/x"])
def test_with_pipes_a_name_with_a_slash_is_a_path_that_is_left_to_the_system(folder: str, name: str) -> None:
    assert found(name, "/bin", folder, tty=False) == os.path.normpath(os.path.join(folder, name))


@pytest.mark.parametrize(
    ("name", "path", "number"),
    [
        ("nope", "{}/d:/nowhere", errno.ENOENT),
        ("nope", "", errno.ENOENT),
        ("noexec", "{}/bad", errno.EACCES),
        ("noexec", "{}/bad:/nowhere", errno.EACCES),
        ("folder", "{}/d", errno.EACCES),
        ("okd", "{}/file", errno.ENOTDIR),
        ("x", "{}/loop", errno.ELOOP),
        ("x" * 300, "{}/d", errno.ENAMETOOLONG),
        ("dangling", "", errno.ENOENT),
    ],
)
def test_with_pipes_what_is_not_found_is_an_error_of_the_system(folder: str, name: str, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        found(name, path, folder, tty=False)
    assert caught.value.errno == number


def test_without_a_path_there_is_a_default_one_with_pipes_and_none_with_a_terminal(folder: str) -> None:
    assert found("sh", None, folder, tty=False) in [f"{place}/sh" for place in DEFAULT_PATH.split(":")]
    assert text_of("sh", None, folder) == "Unable to spawn sh because:\nUnable to resolve the PATH"


def text_of(name: str, path: str | None, folder: str) -> str:
    with pytest.raises(WireError) as caught:
        found(name, path, folder, tty=True)
    assert caught.value.code == INTERNAL_ERROR
    return caught.value.message.replace(folder, "{}")


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("nope", "/nowhere:/", 'Unable to spawn nope because:\nNo viable candidates found in PATH "/nowhere:/"'),
        ("nope", "", 'Unable to spawn nope because:\nNo viable candidates found in PATH ""'),
        ("d/nope", "{}", 'Unable to spawn d/nope because:\nNo viable candidates found in PATH "{}"'),
        ("d/okd", "{}/d", 'Unable to spawn d/okd because:\nNo viable candidates found in PATH "{}/d"'),
        ("./nope", "{}", "Unable to spawn {}/./nope because it does not exist"),
        ("../nope", "{}", "Unable to spawn {}/../nope because it does not exist"),
        ("./file", "{}", "Unable to spawn {}/./file because it is not executable"),
        ("./d", "{}", "Unable to spawn {}/./d because it is a directory"),
        (".", "{}", "Unable to spawn {}/. because it is a directory"),
        ("..", "{}", "Unable to spawn {}/.. because it is a directory"),
        ("./file/x", "{}", "Unable to spawn {}/./file/x because it does not exist"),
        ("./ok/", "{}", "Unable to spawn {}/./ok/ because it does not exist"),
        (
            "noexec",
            "{}/bad",
            (
                "Unable to spawn noexec because:\n{}/bad/noexec exists but is not executable.\n"
                'No viable candidates found in PATH "{}/bad"'
            ),
        ),
        (
            "folder",
            "{}/d",
            (
                "Unable to spawn folder because:\n{}/d/folder exists but is a directory.\n"
                'No viable candidates found in PATH "{}/d"'
            ),
        ),
        (
            "",
            "/usr/bin:/bin",
            (
                "Unable to spawn  because:\n/usr/bin/ exists but is a directory.\n/bin/ exists but is a directory.\n"
                'No viable candidates found in PATH "/usr/bin:/bin"'
            ),
        ),
        ("nope", 'a"b\\\n', 'Unable to spawn nope because:\nNo viable candidates found in PATH "a\\"b\\\\\\n"'),
    ],
)
def test_with_a_terminal_what_is_not_found_is_said_in_words(folder: str, name: str, path: str, text: str) -> None:
    assert text_of(name, path, folder) == text


@pytest.mark.parametrize(
    ("name", "path", "program"), [("d/okd", "{}", "d/okd"), ("./d/okd", "/", "d/okd"), ("../{}/ok", "/", "ok")]
)
def test_with_a_terminal_only_names_that_begin_with_dots_are_beside_the_folder(
    folder: str, name: str, path: str, program: str
) -> None:
    name = name.replace("{}", os.path.basename(folder))
    assert found(name, path, folder, tty=True) == f"{folder}/{program}"


@pytest.mark.parametrize(
    ("cwd", "environment", "tty", "start"),
    [
        ("{}", {"HOME": "/h"}, True, "{}"),
        ("{}/missing", {"HOME": "/h"}, True, "/h"),
        ("{}/file", {"HOME": "/h"}, True, "/h"),
        ("{}/file", {}, True, "/home"),
        ("{}/missing", {"HOME": "/h"}, False, "{}/missing"),
        ("{}/file", {}, False, "{}/file"),
    ],
)
def test_a_terminal_whose_folder_is_none_starts_at_home(
    folder: str, cwd: str, environment: dict[str, str], tty: bool, start: str
) -> None:
    assert folder_to_start_in(cwd.format(folder), environment, "/home", tty=tty) == start.format(folder)


def test_a_folder_that_may_not_be_searched_hides_its_programs(unprivileged: Unprivileged) -> None:
    locked, unlocked = unprivileged.folder / "locked", unprivileged.folder / "unlocked"
    for place in (locked, unlocked):
        place.mkdir()
        (place / "prog").write_text("#!/bin/sh\n")
        (place / "prog").chmod(0o755)
    locked.chmod(0)

    def look(path: str, name: str, tty: bool) -> str:
        return find_program(name, {"PATH": path}, str(unprivileged.folder), tty=tty)

    for tty in (False, True):
        found = unprivileged.run(partial(look, "locked:unlocked", "prog", tty))
        assert found.endswith("unlocked/prog")
    with pytest.raises(PermissionError):
        unprivileged.run(lambda: look("locked", "prog", tty=False))
    with pytest.raises(WireError, match=r"because:\nNo viable"):
        unprivileged.run(lambda: look("locked", "prog", tty=True))
    with pytest.raises(WireError, match="it does not exist"):
        unprivileged.run(lambda: look("", "./locked/prog", tty=True))
