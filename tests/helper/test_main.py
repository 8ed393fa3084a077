"""The helper as a program: one request in, one line out, and how it ends when that cannot be."""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-I", "-m", "codex_py", "fs-helper"]


def run(request: bytes | str | dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    if isinstance(request, dict):
        request = json.dumps(request)
    raw = request.encode() if isinstance(request, str) else request
    return subprocess.run([*COMMAND, *arguments], input=raw, capture_output=True, check=False, timeout=50)


def reply(operation: str, **params: Any) -> dict[str, Any]:
    """Run one operation and give the decoded reply, having checked its form."""
    done = run({"operation": operation, "params": params})
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.endswith(b"\n")
    assert done.stdout.count(b"\n") == 1
    assert done.stdout.isascii()
    decoded: dict[str, Any] = json.loads(done.stdout)
    return decoded


def ok(operation: str, **params: Any) -> dict[str, Any]:
    answer = reply(operation, **params)
    assert answer["status"] == "ok"
    assert answer["payload"]["operation"] == operation
    response: dict[str, Any] = answer["payload"]["response"]
    return response


def failed(request: bytes | str | dict[str, Any], *arguments: str) -> str:
    """Run what cannot be replied to and give the reason."""
    done = run(request, *arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    line = done.stderr.decode()
    assert line.startswith("fs sandbox helper failed: ")
    assert line.count("\n") == 1
    return line.removeprefix("fs sandbox helper failed: ").removesuffix("\n")


def test_every_operation_works(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}"
    assert ok("fs/createDirectory", path=f"{uri}/a/b") == {}
    assert ok("fs/writeFile", path=f"{uri}/a/f", dataBase64=base64.b64encode(b"data").decode()) == {}
    assert ok("fs/copy", sourcePath=f"{uri}/a", destinationPath=f"{uri}/c", recursive=True) == {}
    assert ok("fs/readFile", path=f"{uri}/c/f") == {"dataBase64": base64.b64encode(b"data").decode()}
    assert ok("fs/canonicalize", path=f"{uri}/c/../a") == {"path": f"{uri}/a"}
    assert ok("fs/readDirectory", path=f"{uri}/c/b") == {"entries": []}
    assert ok("fs/remove", path=f"{uri}/c") == {}
    metadata = ok("fs/getMetadata", path=f"{uri}/a/f")
    assert metadata.pop("modifiedAtMs") > 0
    assert metadata == {"isDirectory": False, "isFile": True, "isSymlink": False, "size": 4, "createdAtMs": 0}
    options = {"maxDepth": 1, "maxDirectories": 9, "maxEntries": 9, "followDirectorySymlinks": False}
    assert ok("fs/walk", path=uri, options=options) == {
        "entries": [
            {"path": f"{uri}/a", "kind": "directory"},
            {"path": f"{uri}/a/b", "kind": "directory"},
            {"path": f"{uri}/a/f", "kind": "file"},
        ],
        "errors": [],
        "truncated": False,
    }


@pytest.mark.parametrize("size", [0, 1, 2, 3, 3 * 1024 * 1024 - 1, 3 * 1024 * 1024, 3 * 1024 * 1024 + 1, 7_000_000])
def test_a_file_of_any_size_is_encoded_without_seams(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "f").write_bytes(content)
    encoded = ok("fs/readFile", path=f"file://{tmp_path}/f")["dataBase64"]
    assert base64.b64decode(encoded, validate=True) == content
    assert len(encoded) == (size + 2) // 3 * 4


def test_a_large_file_is_not_held_twice(tmp_path: Path) -> None:
    megabyte = 1024 * 1024
    with open(tmp_path / "large", "wb") as large:
        large.truncate(200 * megabyte)
    request = json.dumps({"operation": "fs/readFile", "params": {"path": f"file://{tmp_path}/large"}})
    # All the room there is: the file once, and what an interpreter takes.
    limit = 200 * megabyte + 120 * megabyte
    done = subprocess.run(
        COMMAND,
        input=request.encode(),
        capture_output=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert len(done.stdout) > 200 * megabyte * 4 // 3


def test_a_failed_operation_is_a_reply_and_the_exit_code_is_zero(tmp_path: Path) -> None:
    assert reply("fs/readFile", path=f"file://{tmp_path}/missing") == {
        "status": "error",
        "payload": {"code": -32004, "message": "No such file or directory (os error 2)"},
    }


def test_a_foreign_path_is_a_reply(tmp_path: Path) -> None:
    assert reply("fs/readFile", path="file://host/x")["payload"] == {
        "code": -32600,
        "message": "'file://host/x' is invalid on 'linux'",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "Invalid input length: 1"),
        ("YQ", "Invalid padding"),
        ("Y!==", "Invalid symbol 33, offset 1."),
        ("YW Jj", "Invalid symbol 32, offset 2."),
        ("YR==", "Invalid last symbol 82, offset 1."),
    ],
)
def test_bad_base64_is_a_reply_and_writes_nothing(tmp_path: Path, text: str, reason: str) -> None:
    assert reply("fs/writeFile", path=f"file://{tmp_path}/f", dataBase64=text)["payload"] == {
        "code": -32600,
        "message": f"fs/writeFile requires valid base64 dataBase64: {reason}",
    }
    assert not list(tmp_path.iterdir())


def test_names_that_are_not_utf_8_do_not_break_the_reply(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"d\xff")).mkdir()
    (tmp_path / os.fsdecode(b'd\xff/\xfe\x01"')).touch()
    uri = f"file://{tmp_path}/d%FF"
    assert ok("fs/readDirectory", path=uri)["entries"][0]["fileName"] == '\ufffd\x01"'
    assert ok("fs/canonicalize", path=uri) == {"path": uri}
    assert reply("fs/readFile", path=uri)["payload"]["message"] == f"path `{tmp_path}/d\ufffd` is not a file"


def test_null_options_have_their_defaults(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}"
    assert ok("fs/createDirectory", path=f"{uri}/a/b", recursive=None, followSymlinks=None) == {}
    assert ok("fs/remove", path=f"{uri}/a", recursive=None, force=None, followSymlinks=None) == {}
    assert not list(tmp_path.iterdir())


KNOWN = (
    "readFile",
    "writeFile",
    "createDirectory",
    "getMetadata",
    "canonicalize",
    "readDirectory",
    "walk",
    "remove",
    "copy",
)
UNDECODABLE = [
    ("", "the request is not JSON: EOF while parsing a value at character 0"),
    ("  ", "the request is not JSON: EOF while parsing a value at character 2"),
    ("x", "the request is not JSON: expected a value at character 0"),
    ('{"a"', "the request is not JSON: Expecting ':' delimiter: line 1 column 5 (char 4)"),
    ("{}", "missing field `operation`"),
    ('{"operation":"fs/remove"}', "missing field `params`"),
    ('{"operation":"fs/remove","params":{}}', "missing field `path`"),
    ('{"operation":"fs/copy","params":{"sourcePath":"file:///a"}}', "missing field `destinationPath`"),
    ("[]", "invalid type: sequence for the request, expected an object"),
    ("null", "invalid type: null for the request, expected an object"),
    ('{"operation":1}', "`operation` of the request: invalid type: number, expected a string"),
    ('{"operation":"fs/remove","params":[]}', "invalid type: sequence for `params`, expected an object"),
    (
        '{"operation":"fs/remove","params":{"path":true}}',
        "`path` of `params`: invalid type: boolean `true`, expected a string",
    ),
    ('{"operation":"fs/remove","params":{"path":"/x"}}', "`path`: invalid URI: relative URL without a base"),
    ('{"operation":"fs/remove","params":{"path":"file:///a%00"}}', "`path`: 'file:///a%00' is invalid on 'linux'"),
    (
        '{"operation":"fs/remove","params":{"path":"file:///\\ud800"}}',
        "`path`: invalid URI: it holds half of a surrogate pair",
    ),
    (
        '{"operation":"fs/remove","params":{"path":"file:///a","force":1}}',
        "`force` of `params`: invalid type: number, expected a boolean",
    ),
    ('{"operation":"fs/remove","operation":"fs/copy","params":{}}', 'duplicate field "operation"'),
    ('{"operation":"fs/remove","params":{"path":NaN}}', "NaN is not JSON"),
    ('{"operation":"fs/remove","params":{}} x', "trailing characters after the request at character 37"),
    ('{"operation":"fs/remove","params":{}}{}', "trailing characters after the request at character 37"),
    (b'{"operation":"\xff"}', "the request is not UTF-8: invalid start byte at byte 14"),
    ("[" * 100_000, "the request is nested too deeply"),
    ('{"a":' * 100_000, "the request is nested too deeply"),
    (
        '{"operation":"fs/nope","params":{}}',
        "unknown variant `fs/nope`, expected one of " + ", ".join(f"`fs/{name}`" for name in KNOWN),
    ),
]


@pytest.mark.parametrize(("request_text", "reason"), UNDECODABLE, ids=[reason[:40] for _, reason in UNDECODABLE])
def test_what_cannot_be_decoded_is_named_on_stderr(request_text: str | bytes, reason: str) -> None:
    assert failed(request_text) == reason


OPTIONS = {"maxDepth": 1, "maxDirectories": 1, "maxEntries": 1, "followDirectorySymlinks": False}
BAD_OPTIONS = [
    ({"maxDepth": None}, "`maxDepth` of `options`: invalid type: null, expected an integer"),
    ({"maxDepth": True}, "`maxDepth` of `options`: invalid type: boolean `true`, expected an integer"),
    ({"maxDepth": 1.0}, "`maxDepth` of `options`: invalid type: number, expected an integer"),
    ({"maxDepth": -1}, "`maxDepth` of `options`: invalid number, expected 0 to 18446744073709551615"),
    ({"maxEntries": 2**64}, "`maxEntries` of `options`: invalid number, expected 0 to 18446744073709551615"),
    ({"maxEntries": "1"}, "`maxEntries` of `options`: invalid type: string, expected an integer"),
    (
        {"followDirectorySymlinks": None},
        "`followDirectorySymlinks` of `options`: invalid type: null, expected a boolean",
    ),
    ({"pruneHiddenDirectories": 0}, "`pruneHiddenDirectories` of `options`: invalid type: number, expected a boolean"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_OPTIONS, ids=[reason for _, reason in BAD_OPTIONS])
def test_the_options_of_a_walk_are_checked_one_by_one(bad: dict[str, object], reason: str) -> None:
    params = {"path": "file:///", "options": {**OPTIONS, **bad}}
    assert failed({"operation": "fs/walk", "params": params}) == reason


def test_a_number_of_a_million_digits_is_an_error_and_not_a_hang() -> None:
    digits = "9" * 1_000_000
    assert "not JSON" in failed('{"operation":"fs/remove","params":{"path":%s}}' % digits)  # noqa: UP031


def test_the_largest_number_is_left_to_the_limits_of_the_walk() -> None:
    params = {"path": "file:///", "options": {**OPTIONS, "maxEntries": 2**64 - 1}}
    answer = json.loads(run({"operation": "fs/walk", "params": params}).stdout)
    assert answer["payload"]["message"].startswith("filesystem walk limits exceed maximums")


def test_member_order_white_space_and_unknown_members_do_not_matter() -> None:
    text = ' \r\n\t{"x":[1.5e3,null],"params":{"sandbox":{},"path":"file:///"},"operation":"fs/getMetadata"}\n '
    assert json.loads(run(text).stdout)["status"] == "ok"


@pytest.mark.parametrize("arguments", [["--unknown"], ["a", "b"], ["--guard-not", "x"]])
def test_unknown_arguments_do_not_matter(arguments: list[str]) -> None:
    code = "import sys; from codex_py.helper.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *arguments],
        input=b'{"operation":"fs/getMetadata","params":{"path":"file:///"}}',
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "ok"


def test_a_reply_that_nobody_reads_ends_with_a_reason(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            COMMAND,
            input=b'{"operation":"fs/getMetadata","params":{"path":"file:///"}}',
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert done.stderr == b"fs sandbox helper failed: cannot read the request or write the reply: Broken pipe\n"


def test_a_full_disk_behind_stdout_ends_with_a_reason() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            COMMAND,
            input=b'{"operation":"fs/getMetadata","params":{"path":"file:///"}}',
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1


def test_a_reason_keeps_to_one_line_of_utf_8() -> None:
    reason = failed('{"operation":"a\\nb\\ud800","params":{}}')
    assert reason.startswith("unknown variant `a b\ufffd")
