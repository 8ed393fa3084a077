"""With the real bubblewrap: what a sandboxed operation can and cannot do, seen by the caller and on the disk."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from harness.client import Client, RequestFailed
from harness.exec_server import exec_server

pytestmark = pytest.mark.real_bwrap

EROFS = (-32603, "Read-only file system (os error 30)")
EACCES = (-32600, "Permission denied (os error 13)")
ENOENT = (-32004, "No such file or directory (os error 2)")
BUSY = (-32603, "Resource busy (os error 16)")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[Client]:
    # TMPDIR names a folder that does not exist: it must not matter.
    environment = {**os.environ, "TMPDIR": str(tmp_path_factory.getbasetemp() / "missing")}
    with exec_server(environment=environment) as server, server.session() as connected:
        yield connected


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """ws: writable; out: not; sec: denied; links from ws to out, and from out to ws."""
    for name in ("ws/.git/hooks", "ws/sub/.git", "out", "sec"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ws/.git/config").write_text("[core]")
    (tmp_path / "out/file").write_text("outside")
    (tmp_path / "sec/key").write_text("secret")
    (tmp_path / "ws/link-out").symlink_to("../out")
    (tmp_path / "ws/link-file").symlink_to("../out/file")
    (tmp_path / "ws/link-git").symlink_to(".git/hooks")
    (tmp_path / "out/link-in").symlink_to("../ws")
    return tmp_path


def rule(path: Path | str, access: str) -> dict[str, Any]:
    place = {"type": "special", "value": {"kind": path[1:]}} if str(path).startswith(":") else None  # type: ignore[index]
    return {"path": place or {"type": "path", "path": Path(path).as_uri()}, "access": access}


def box(*rules: dict[str, Any], cwd: Path | None = None) -> dict[str, Any]:
    return {
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": list(rules)},
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
        **({"cwd": cwd.as_uri()} if cwd else {}),
    }


def usual(place: Path) -> dict[str, Any]:
    return box(rule(":root", "read"), rule(place / "ws", "write"), rule(place / "sec", "deny"))


def call(client: Client, method: str, path: Path, sandbox: dict[str, Any], **params: Any) -> Any:
    return client.request(f"fs/{method}", {"path": path.as_uri(), "sandbox": sandbox, **params})


def write(client: Client, path: Path, sandbox: dict[str, Any], text: bytes = b"hi") -> Any:
    return call(client, "writeFile", path, sandbox, dataBase64=base64.b64encode(text).decode())


def refused(client: Client, method: str, path: Path, sandbox: dict[str, Any], **params: Any) -> tuple[int, str]:
    with pytest.raises(RequestFailed) as caught:
        call(client, method, path, sandbox, **params)
    return caught.value.code, caught.value.message


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_inside_the_workspace_everything_works(client: Client, place: Path) -> None:
    sandbox = usual(place)
    write(client, place / "ws/new", sandbox, b"content")
    assert (place / "ws/new").read_bytes() == b"content"
    assert call(client, "readFile", place / "ws/new", sandbox) == {"dataBase64": "Y29udGVudA=="}
    call(client, "createDirectory", place / "ws/a/b", sandbox)
    client.request(
        "fs/copy",
        {
            "sourcePath": (place / "ws/new").as_uri(),
            "destinationPath": (place / "ws/a/b/copy").as_uri(),
            "recursive": False,
            "sandbox": sandbox,
        },
    )
    assert call(client, "getMetadata", place / "ws/a/b/copy", sandbox)["size"] == 7
    call(client, "remove", place / "ws/a", sandbox)
    assert not (place / "ws/a").exists()
    assert write(client, place / "out/link-in/through", sandbox) == {}


@pytest.mark.parametrize("name", ["out/new", "out/file", "ws/link-out/new", "ws/link-file", "ws/../out/new", "new"])
def test_outside_nothing_is_written(client: Client, place: Path, name: str) -> None:
    before = tree(place)
    assert refused(client, "writeFile", place / name, usual(place), dataBase64="aGk=") == EROFS
    assert tree(place) == before
    assert (place / "out/file").read_text() == "outside"


@pytest.mark.parametrize(
    "name", ["ws/.git/hooks/pre-commit", "ws/.git/config", "ws/link-git/pre-commit", "ws/sub/../.git/hooks/x"]
)
def test_nothing_is_written_into_git(client: Client, place: Path, name: str) -> None:
    before = tree(place)
    assert refused(client, "writeFile", place / name, usual(place), dataBase64="aGk=") == EROFS
    assert tree(place) == before
    assert (place / "ws/.git/config").read_text() == "[core]"


def test_git_can_be_neither_removed_nor_emptied(client: Client, place: Path) -> None:
    for name in ("ws/.git", "ws/.git/config", "ws/.git/hooks"):
        code, _ = refused(client, "remove", place / name, usual(place))
        assert code == -32603
    assert (place / "ws/.git/config").exists()


def test_a_git_folder_further_down_is_not_protected(client: Client, place: Path) -> None:
    assert write(client, place / "ws/sub/.git/config", usual(place)) == {}


@pytest.mark.parametrize("name", [".codex", ".agents", ".aws", ".CODEX"])
@pytest.mark.parametrize("how", ["file", "folder", "folder below", "copy", "dangling link", "merge"])
def test_protected_names_that_do_not_exist_cannot_be_created(client: Client, place: Path, name: str, how: str) -> None:
    target, sandbox = place / "ws" / name, usual(place)
    (place / "ws/to-it").symlink_to(name)
    (place / "ws/source" / name).mkdir(parents=True)
    (place / "ws/source" / name / "hook").write_text("evil")
    attempts: dict[str, tuple[str, dict[str, Any]]] = {
        "file": ("writeFile", {"path": target.as_uri(), "dataBase64": "aGk="}),
        "folder": ("createDirectory", {"path": target.as_uri(), "recursive": False}),
        "folder below": ("createDirectory", {"path": (target / "a/b").as_uri()}),
        "copy": (
            "copy",
            {
                "sourcePath": (place / "out").as_uri(),
                "destinationPath": target.as_uri(),
                "recursive": True,
            },
        ),
        "dangling link": ("writeFile", {"path": (place / "ws/to-it").as_uri(), "dataBase64": "aGk="}),
        "merge": (
            "copy",
            {
                "sourcePath": (place / "ws/source").as_uri(),
                "destinationPath": (place / "out/link-in").as_uri(),
                "recursive": True,
            },
        ),
    }
    method, params = attempts[how]
    with pytest.raises(RequestFailed) as caught:
        client.request(f"fs/{method}", {**params, "sandbox": sandbox})
    if how != "merge":  # copying a folder into its own parent is refused for that reason first
        assert (caught.value.code, caught.value.message) == EROFS
    assert not os.path.lexists(target)


def test_no_stub_of_a_protected_name_appears_or_is_seen(client: Client, place: Path) -> None:
    sandbox = usual(place)
    write(client, place / "ws/new", sandbox)
    names = {entry["fileName"] for entry in call(client, "readDirectory", place / "ws", sandbox)["entries"]}
    assert names == set(os.listdir(place / "ws"))
    assert not {".codex", ".agents", ".aws"} & names


@pytest.mark.parametrize("name", ["sec/key", "sec"])
def test_denied_paths_cannot_be_read(client: Client, place: Path, name: str) -> None:
    method = "readFile" if name == "sec/key" else "readDirectory"
    assert refused(client, method, place / name, usual(place)) == EACCES


def test_a_denied_file_cannot_be_read_replaced_or_copied(client: Client, place: Path) -> None:
    (place / "ws/.env").write_text("TOKEN")
    sandbox = box(rule(":root", "read"), rule(place / "ws", "write"), rule(place / "ws/.env", "deny"))
    assert refused(client, "readFile", place / "ws/.env", sandbox) == EACCES
    assert refused(client, "writeFile", place / "ws/.env", sandbox, dataBase64="")[0] in (-32600, -32603)
    assert refused(client, "remove", place / "ws/.env", sandbox) == BUSY
    with pytest.raises(RequestFailed) as caught:
        client.request(
            "fs/copy",
            {
                "sourcePath": (place / "ws/.env").as_uri(),
                "destinationPath": (place / "ws/stolen").as_uri(),
                "recursive": False,
                "sandbox": sandbox,
            },
        )
    assert (caught.value.code, caught.value.message) == EACCES
    assert (place / "ws/.env").read_text() == "TOKEN"


def test_a_denied_path_that_is_missing_cannot_be_created(client: Client, place: Path) -> None:
    sandbox = box(rule(":root", "read"), rule(place / "ws", "write"), rule(place / "ws/later/secret", "deny"))
    assert refused(client, "createDirectory", place / "ws/later/secret", sandbox) == EROFS
    assert not (place / "ws/later").exists()


def test_a_writable_folder_below_a_denied_one_works_and_the_rest_stays_hidden(client: Client, place: Path) -> None:
    (place / "sec/open").mkdir()
    sandbox = box(rule(":root", "read"), rule(place / "sec", "deny"), rule(place / "sec/open", "write"))
    assert write(client, place / "sec/open/new", sandbox) == {}
    assert (place / "sec/open/new").exists()
    assert refused(client, "readFile", place / "sec/key", sandbox) == ENOENT
    assert refused(client, "readDirectory", place / "sec", sandbox) == EACCES


def test_nested_denies_and_a_file_as_writable_root_work(client: Client, place: Path) -> None:
    (place / "sec/deep").mkdir()
    sandbox = box(
        rule(":root", "read"),
        rule(place / "sec/deep", "deny"),
        rule(place / "sec", "deny"),
        rule(place / "out/file", "write"),
    )
    assert refused(client, "readFile", place / "sec/key", sandbox) == EACCES
    assert write(client, place / "out/file", sandbox, b"new") == {}
    assert (place / "out/file").read_bytes() == b"new"
    assert refused(client, "writeFile", place / "out/other", sandbox, dataBase64="") == EROFS


def test_without_a_readable_root_only_the_rules_paths_are_there(client: Client, place: Path) -> None:
    sandbox = box(rule(place / "ws", "write"), rule(place / "out", "read"))
    assert call(client, "readFile", place / "out/file", sandbox) == {"dataBase64": "b3V0c2lkZQ=="}
    assert write(client, place / "ws/new", sandbox) == {}
    assert refused(client, "readFile", place / "sec/key", sandbox) == ENOENT
    assert refused(client, "writeFile", place / "out/file", sandbox, dataBase64="") == EROFS
    assert refused(client, "createDirectory", Path("/new-at-the-root"), sandbox) == EROFS


@pytest.mark.parametrize("path", ["/proc/sys/kernel/hostname", "/proc/self/oom_score_adj", "/dev/shm/x", "/sys/x"])
def test_nothing_of_the_kernel_can_be_written_even_by_root(client: Client, place: Path, path: str) -> None:
    before = socket.gethostname()
    code, _ = refused(client, "writeFile", Path(path), usual(place), dataBase64=base64.b64encode(b"x").decode())
    assert code in (-32603, -32600, -32004)
    assert socket.gethostname() == before
    assert not Path("/dev/shm/x").exists()


def test_processes_outside_are_not_there(client: Client, place: Path) -> None:
    listed = call(client, "readDirectory", Path("/proc"), usual(place))["entries"]
    assert {entry["fileName"] for entry in listed if entry["fileName"].isdigit()} == {"1"}
    assert refused(client, "readFile", Path(f"/proc/{os.getpid()}/status"), usual(place)) == ENOENT


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_special_files_are_refused_at_once(client: Client, place: Path, kind: str) -> None:
    path = place / "ws" / kind
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(place / "ws")
            server.bind(kind)
    for method, params in (("writeFile", {"dataBase64": ""}), ("readFile", {})):
        code, _ = refused(client, method, path, usual(place), **params)
        assert code in (-32600, -32603)


def test_a_policy_that_cannot_be_enforced_runs_nothing_and_the_connection_goes_on(client: Client, place: Path) -> None:
    sandbox = usual(place)
    sandbox["permissions"]["file_system"]["entries"].append(
        {"path": {"type": "glob_pattern", "pattern": f"{place}/ws/*.env"}, "access": "deny"}
    )
    code, message = refused(client, "writeFile", place / "ws/new", sandbox, dataBase64="")
    assert code == -32603
    assert "not enforced yet" in message
    assert not (place / "ws/new").exists()
    assert write(client, place / "ws/new", usual(place)) == {}
