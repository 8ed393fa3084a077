"""Which bubblewrap is used, and what is said when there is none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_py.sandbox.bwrap import NEEDED_OPTIONS
from codex_py.sandbox.errors import BwrapNotFound
from codex_py.sandbox.search import Bwrap, BwrapSearch

from .samples import policy

GOOD_HELP = " ".join(NEEDED_OPTIONS)
READ_ONLY = policy(":root=read")


def program(folder: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bwrap"
    path.write_text(text)
    path.chmod(mode)
    return path


def search(
    *folders: Path | str, bundled: Path | None = None, ask_help: Callable[[str], str] = lambda _: GOOD_HELP
) -> BwrapSearch:
    environment = {"PATH": os.pathsep.join(map(str, folders))}
    return BwrapSearch(environment, None if bundled is None else str(bundled), ask_help)


def test_the_first_suitable_one_on_path_is_used(tmp_path: Path) -> None:
    first, second = program(tmp_path / "a"), program(tmp_path / "b")
    assert search(tmp_path / "none", first.parent, second.parent).find(READ_ONLY) == Bwrap(str(first), "system")


def test_without_one_on_path_the_bundled_one_is_used(tmp_path: Path) -> None:
    bundled = program(tmp_path / "bundled")
    assert search(tmp_path / "empty", bundled=bundled).find(READ_ONLY) == Bwrap(str(bundled), "bundled")
    assert BwrapSearch({}, str(bundled), lambda _: GOOD_HELP).find(READ_ONLY).origin == "bundled"


def test_relative_and_empty_entries_of_path_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "here")
    program(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BwrapNotFound, match="no `bwrap` on PATH and none bundled"):
        search("here", "", ".", "./here").find(READ_ONLY)


def test_what_is_no_executable_file_is_skipped(tmp_path: Path) -> None:
    plain = program(tmp_path / "plain", mode=0o644)
    (tmp_path / "folder" / "bwrap").mkdir(parents=True)
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "bwrap").symlink_to("nowhere")
    good = program(tmp_path / "good")
    found = search(plain.parent, tmp_path / "folder", tmp_path / "dangling", good.parent).find(READ_ONLY)
    assert found.path == str(good)


def test_one_that_lacks_an_option_is_skipped_and_the_text_says_which(tmp_path: Path) -> None:
    old = program(tmp_path / "old")
    searching = search(old.parent, ask_help=lambda _: GOOD_HELP.replace("--perms", ""))
    with pytest.raises(BwrapNotFound, match=r"old/bwrap: too old: it lacks --perms"):
        searching.find(READ_ONLY)


def test_one_that_does_not_answer_is_skipped(tmp_path: Path) -> None:
    def hang(path: str) -> str:
        raise subprocess.TimeoutExpired(path, 5)

    hanging = program(tmp_path / "hanging")
    with pytest.raises(BwrapNotFound, match=r"`--help` did not answer within 5 s"):
        search(hanging.parent, ask_help=hang).find(READ_ONLY)


def test_one_that_cannot_be_run_is_skipped(tmp_path: Path) -> None:
    broken = program(tmp_path / "broken", "no program at all")
    with pytest.raises(BwrapNotFound, match=r"cannot be run: Exec format error"):
        BwrapSearch({"PATH": str(broken.parent)}, None).find(READ_ONLY)


def test_a_binary_is_asked_once_and_again_when_it_changed(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(path: str) -> str:
        asked.append(path)
        return GOOD_HELP

    path = program(tmp_path / "bin")
    searching = search(path.parent, ask_help=ask)
    for _ in range(3):
        searching.find(READ_ONLY)
    assert len(asked) == 1
    path.write_text("#!/bin/sh\n# longer\n")
    searching.find(READ_ONLY)
    assert len(asked) == 2


@pytest.mark.parametrize("rule", ["{}=write", "{}/bin=write", ":root=write {}/other=deny"])
def test_one_that_the_sandbox_could_write_is_not_trusted(tmp_path: Path, rule: str) -> None:
    path = program(tmp_path / "bin")
    decided = policy(f":root=read {rule.format(tmp_path)}" if ":root" not in rule else rule.format(tmp_path))
    with pytest.raises(BwrapNotFound, match="the policy lets the sandbox write there"):
        search(path.parent).find(decided)


def test_one_below_a_read_rule_inside_a_writable_folder_is_trusted_again(tmp_path: Path) -> None:
    path = program(tmp_path / "bin")
    decided = policy(f":root=read {tmp_path}=write {path.parent}=read")
    assert search(path.parent).find(decided).path == str(path)


@pytest.mark.parametrize("direction", ["link in", "link out"])
def test_a_link_into_or_out_of_a_writable_folder_is_not_trusted(tmp_path: Path, direction: str) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.mkdir()
    program(real)
    (link / "bwrap").symlink_to(real / "bwrap")
    writable = real if direction == "link in" else link
    with pytest.raises(BwrapNotFound, match="the policy lets the sandbox write there"):
        search(link).find(policy(f":root=read {writable}=write"))


def test_a_writable_folder_that_was_named_through_a_link_is_recognised(tmp_path: Path) -> None:
    path = program(tmp_path / "real")
    (tmp_path / "lnk").symlink_to("real")
    with pytest.raises(BwrapNotFound, match="the policy lets the sandbox write there"):
        search(path.parent).find(policy(f":root=read {tmp_path}/lnk=write"))


@pytest.mark.parametrize("members", ["cwd", "roots"])
def test_one_in_the_project_is_not_trusted_even_when_nothing_is_writable(tmp_path: Path, members: str) -> None:
    path = program(tmp_path / "node_modules" / ".bin")
    uri = f"file://{tmp_path}"
    given = {"cwd": uri} if members == "cwd" else {"cwd": "file:///", "workspaceRoots": [uri]}
    with pytest.raises(BwrapNotFound, match="it lies in the project folder"):
        search(path.parent).find(policy(":root=read", **given))


def test_the_error_names_every_candidate_and_the_remedy(tmp_path: Path) -> None:
    one, other = program(tmp_path / "a", mode=0o644), program(tmp_path / "b", mode=0o644)
    with pytest.raises(BwrapNotFound) as caught:
        search(one.parent, bundled=other).find(READ_ONLY)
    assert caught.value.code == -32603
    for part in (f"{one}: not an executable file", f"{other} (bundled): not an executable file", "install bubblewrap"):
        assert part in caught.value.message


def test_one_that_talks_without_end_is_heard_for_a_while_only(tmp_path: Path) -> None:
    talker = program(tmp_path / "talker", "#!/bin/sh\nexec yes rubbish\n")
    with pytest.raises(BwrapNotFound, match="too old: it lacks"):
        BwrapSearch({"PATH": f"{talker.parent}:/usr/bin:/bin"}, None).find(policy(":root=read /usr=write /bin=write"))


def test_one_that_says_nothing_is_given_up_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codex_py.sandbox.search.PROBE_TIMEOUT_S", 0.3)
    silent = program(tmp_path / "silent", "#!/bin/sh\nexec sleep 1000\n")
    with pytest.raises(BwrapNotFound, match="did not answer within"):
        BwrapSearch({"PATH": f"{silent.parent}:/usr/bin:/bin"}, None).find(policy(":root=read /usr=write /bin=write"))
