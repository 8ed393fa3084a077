"""`--guard`: what was planned is compared with what is there, before anything is done."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_py.helper.decoding import Undecodable
from codex_py.helper.guarding import Broken, GuardedRoots, from_arguments

from .test_main import failed, run


def guard(*roots: Path, reserved: tuple[str, ...] = (".git",)) -> str:
    status = [(root, os.stat(root)) for root in roots]
    return json.dumps(
        {
            "roots": [{"path": str(root), "device": found.st_dev, "inode": found.st_ino} for root, found in status],
            "reserved": [
                {"device": found.st_dev, "inode": found.st_ino, "name": name}
                for _, found in status
                for name in reserved
            ],
            "kept": [],
        }
    )


def write(path: Path) -> dict[str, Any]:
    return {"operation": "fs/writeFile", "params": {"path": f"file://{path}", "dataBase64": ""}}


def test_a_guarded_helper_refuses_reserved_names_and_nothing_else(tmp_path: Path) -> None:
    text = guard(tmp_path)
    assert json.loads(run(write(tmp_path / ".git"), "--guard", text).stdout)["payload"] == {
        "code": -32603,
        "message": "Read-only file system (os error 30)",
    }
    assert json.loads(run(write(tmp_path / "free"), "--guard", text).stdout)["status"] == "ok"
    assert os.listdir(tmp_path) == ["free"]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("fs/createDirectory", {"path": "{root}/.git/hooks"}),
        ("fs/copy", {"sourcePath": "{root}/source", "destinationPath": "{root}", "recursive": True}),
        ("fs/writeFile", {"path": "{root}/link", "dataBase64": ""}),
    ],
)
def test_every_operation_that_makes_names_is_guarded(tmp_path: Path, operation: str, params: dict[str, Any]) -> None:
    root = tmp_path / "ws"
    (root / "source").mkdir(parents=True)
    (tmp_path / "source/.git").mkdir(parents=True)
    (root / "link").symlink_to(".git")
    (root / "source/.git").touch()
    filled = {
        key: value.format(root=f"file://{root}") if isinstance(value, str) else value for key, value in params.items()
    }
    if operation == "fs/copy":
        filled["sourcePath"] = f"file://{tmp_path}/source"
    answer = json.loads(run({"operation": operation, "params": filled}, "--guard", guard(root)).stdout)
    assert answer["payload"]["message"] == "Read-only file system (os error 30)"
    assert not os.path.lexists(root / ".git")


def test_a_root_that_was_swapped_ends_the_helper(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    root.mkdir()
    text = guard(root)
    (tmp_path / "other").mkdir()
    root.rmdir()
    (tmp_path / "other").rename(root)
    reason = failed(write(root / "f"), "--guard", text)
    assert reason.startswith(f"sandbox root {root} is not what was planned")
    assert not list(root.iterdir())


@pytest.mark.parametrize("what", ["gone", "link"])
def test_a_root_that_is_no_directory_any_more_ends_the_helper(tmp_path: Path, what: str) -> None:
    root = tmp_path / "ws"
    root.mkdir()
    text = guard(root)
    root.rmdir()
    if what == "link":
        root.symlink_to(tmp_path)
    assert failed(write(root), "--guard", text).startswith(f"sandbox root {root} is not what was planned")


@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_a_reserved_name_that_appeared_ends_the_helper(tmp_path: Path, kind: str) -> None:
    text = guard(tmp_path)
    name = tmp_path / ".git"
    if kind == "directory":
        name.mkdir()
    elif kind == "file":
        name.touch()
    else:
        name.symlink_to("x")
    reason = failed(write(tmp_path / "f"), "--guard", text)
    assert reason == f"{tmp_path}/.git appeared while the sandbox was being built; try again"
    assert not (tmp_path / "f").exists()


def test_a_reserved_name_that_appeared_while_a_warm_helper_waited_ends_it(tmp_path: Path) -> None:
    script = (
        "import os, sys; from codex_py.helper import main\n"
        "read = os.read\n"
        "def told(descriptor, size):\n"
        "    os.write(2, b'waiting\\n')\n"
        "    return read(descriptor, size)\n"
        "os.read = told\n"
        "sys.exit(main.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-I", "-c", script, "--guard", guard(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as helper:
        assert isinstance(helper.stderr, io.BufferedReader)
        assert helper.stderr.readline() == b"waiting\n"
        (tmp_path / ".git").mkdir()
        output, errors = helper.communicate(json.dumps(write(tmp_path / ".git/config")).encode())
    assert (helper.returncode, output) == (1, b"")
    assert b".git appeared while the sandbox was being built; try again" in errors
    assert not list((tmp_path / ".git").iterdir())


def test_reserved_names_elsewhere_may_exist(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/.git").mkdir()
    planned = json.loads(guard(tmp_path / "ws"))
    planned["reserved"] += json.loads(guard(tmp_path / "other"))["reserved"]
    GuardedRoots(json.dumps(planned)).check()


def test_a_path_that_is_not_utf_8_survives_the_command_line(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"ws\xff")
    root.mkdir()
    GuardedRoots(guard(root)).check()
    done = run({"operation": "fs/getMetadata", "params": {"path": "file:///"}}, "--guard", guard(root))
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "--guard is not JSON: EOF while parsing a value at character 0"),
        ("{}", "missing field `roots`"),
        ('{"roots":[]}', "missing field `reserved`"),
        ('{"roots":[],"reserved":[]}', "missing field `kept`"),
        ('{"roots":{},"reserved":[]}', "`roots` of --guard: invalid type: map, expected an array"),
        ('{"roots":[1],"reserved":[]}', "invalid type: number for `roots[0]`, expected an object"),
        ('{"roots":[{"path":"/"}],"reserved":[]}', "missing field `device`"),
        (
            '{"roots":[],"reserved":[{"device":1,"inode":true,"name":""}]}',
            "`inode` of `reserved[0]`: invalid type: boolean `true`, expected an integer",
        ),
    ],
)
def test_a_guard_that_cannot_be_read_ends_the_helper(text: str, reason: str) -> None:
    assert failed(b"", "--guard", text) == reason


def test_a_guard_needs_a_value() -> None:
    assert failed(b"", "--guard") == "--guard needs a value"


def test_a_kept_directory_may_exist_and_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    told = json.loads(guard(tmp_path, reserved=()))
    found = tmp_path.stat()
    told["kept"] = [{"device": found.st_dev, "inode": found.st_ino, "name": "sub"}]
    text = json.dumps(told)
    assert json.loads(run(write(tmp_path / "sub" / "f"), "--guard", text).stdout)["status"] == "ok"
    (tmp_path / "sub" / "f").unlink()
    (tmp_path / "sub").rmdir()
    make = {"operation": "fs/createDirectory", "params": {"path": f"file://{tmp_path}/sub"}}
    assert "Read-only" in json.loads(run(make, "--guard", text).stdout)["payload"]["message"]
    assert not (tmp_path / "sub").exists()


def test_a_root_may_be_a_file_and_is_compared_too(tmp_path: Path) -> None:
    root = tmp_path / "f"
    root.touch()
    text = guard(root, reserved=())
    assert json.loads(run(write(root), "--guard", text).stdout)["status"] == "ok"
    root.rename(tmp_path / "old")
    root.symlink_to("old")
    assert failed(write(root), "--guard", text).startswith(f"sandbox root {root} is not what was planned")


def test_without_the_argument_there_is_no_guard() -> None:
    assert from_arguments(["x", "--guardian"]) is None


def test_the_reasons_are_of_two_kinds(tmp_path: Path) -> None:
    with pytest.raises(Undecodable):
        from_arguments(["--guard"])
    text = guard(tmp_path)
    (tmp_path / ".git").touch()
    roots = from_arguments(["x", "--guard", text, "y"])
    assert roots is not None
    with pytest.raises(Broken):
        roots.check()
