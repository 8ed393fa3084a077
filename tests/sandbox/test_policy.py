"""A context becomes a policy: which rules, and when no helper is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_py.protocol import wire
from codex_py.protocol.errors import WireError
from codex_py.protocol.filesystem import CopyParams, ReadFileParams
from codex_py.protocol.sandbox import SandboxContext
from codex_py.sandbox.errors import InvalidPolicy, UnenforceablePolicy
from codex_py.sandbox.policy import DIRECTLY, PROCESSES, Host, decide, way

from .samples import NO_TMPDIR, context, context_json, policy


def rules_of(text: str, **members: object) -> list[tuple[str, str]]:
    return [(rule.path, rule.access) for rule in policy(text, **members).rules]


@pytest.mark.parametrize(
    ("rules", "reads_directly", "writes_directly"),
    [
        (":root=read", True, False),
        (":root=write", True, True),
        (":root=read :root=write", True, True),
        (":root=read /ws=write", True, False),
        (":root=write /ws=read", True, False),
        (":root=write /sec=deny", False, False),
        (":root=read /missing=deny", False, False),
        (":root=read :minimal=deny", False, False),
        (":root=read :unknown=deny", False, False),
        (":root=read /sec=none", False, False),
        ("/=write", False, False),
        ("/=read", False, False),
        ("/ws=write", False, False),
        ("", False, False),
    ],
)
def test_an_operation_needs_no_helper_when_the_special_root_grants_it_all(
    rules: str, reads_directly: bool, writes_directly: bool
) -> None:
    taken = way(context(rules))
    assert (taken.reads_directly, taken.writes_directly) == (reads_directly, writes_directly)
    assert taken.is_confined is not (reads_directly and writes_directly)


@pytest.mark.parametrize(
    "permissions",
    [
        {"type": "disabled"},
        {"type": "external", "network": "restricted"},
        {"type": "managed", "file_system": {"type": "unrestricted"}, "network": "restricted"},
    ],
)
def test_disabled_external_and_unrestricted_confine_nothing(permissions: object) -> None:
    assert way(context("", permissions=permissions)) == DIRECTLY
    with pytest.raises(InvalidPolicy, match="confines nothing"):
        decide(context("", permissions=permissions), NO_TMPDIR)


@pytest.mark.parametrize("order", [("deny", "write", "read"), ("read", "write", "deny"), ("write", "deny", "read")])
def test_of_rules_for_one_path_the_strongest_wins_in_any_order(order: tuple[str, ...]) -> None:
    assert rules_of(" ".join(f"/ws={access}" for access in order)) == [("/ws", "deny")]


def test_write_is_stronger_than_read() -> None:
    assert rules_of("/ws=read /ws=write") == [("/ws", "write")]


def test_project_roots_are_the_workspace_roots() -> None:
    members = {"cwd": "file:///ws", "workspaceRoots": ["file:///ws", "file:///other"]}
    assert rules_of(":project_roots=write :project_roots/sub=read", **members) == [
        ("/ws", "write"),
        ("/other", "write"),
        ("/ws/sub", "read"),
        ("/other/sub", "read"),
    ]


def test_project_roots_without_workspace_roots_grant_nothing() -> None:
    assert rules_of(":root=read :project_roots=write", cwd="file:///ws") == [("/", "read")]


def test_a_policy_context_replaces_the_flat_members() -> None:
    members = {
        "cwd": "file:///old",
        "workspaceRoots": ["file:///old"],
        "policyContext": {"cwd": "file:///new", "workspaceRoots": ["file:///new"]},
    }
    assert rules_of(":project_roots=write", **members) == [("/new", "write")]


@pytest.mark.parametrize("subpath", ["..", "../etc", ".", "./sub", "sub/..", "/etc", "a//b"])
def test_a_subpath_that_is_no_plain_place_below_its_root_grants_nothing_and_narrows_nothing_silently(
    subpath: str,
) -> None:
    members: dict[str, object] = {"cwd": "file:///ws", "workspaceRoots": ["file:///ws"]}
    assert rules_of(f":root=read :project_roots/{subpath}=write", **members) == [("/", "read")]
    for access in ("read", "deny"):
        with pytest.raises(InvalidPolicy, match="is not a plain path below a workspace root"):
            rules_of(f":root=read :project_roots/{subpath}={access}", **members)


@pytest.mark.parametrize(
    "rules", [":project_roots=write", "**/.env=deny", ":root=read :current_working_directory=write"]
)
def test_rules_that_depend_on_the_cwd_require_one_in_a_file_request(rules: str) -> None:
    text = "file system sandbox context with dynamic permissions requires cwd"
    for kind, paths in ((ReadFileParams, ["path"]), (CopyParams, ["sourcePath", "destinationPath"])):
        params = {"sandbox": context_json(rules), "recursive": False, **dict.fromkeys(paths, "file:///x")}
        with pytest.raises(WireError, match=text) as caught:
            wire.decode(wire.encode(params), kind)
        assert caught.value.code == -32602
        params["sandbox"] = context_json(rules, cwd="file:///ws")
        assert isinstance(wire.decode(wire.encode(params), kind), kind)


def test_they_do_not_where_a_process_has_a_working_folder(tmp_path: Path) -> None:
    decided = decide(context(":project_roots=write :root=read"), Host(None, cwd=str(tmp_path)), PROCESSES)
    assert [rule.path for rule in decided.rules] == ["/"]
    assert decided.workspace == (str(tmp_path),)


@pytest.mark.parametrize("given", [{}, {"cwd": "file:///other"}, {"cwd": None}])
def test_a_policy_context_without_workspace_roots_has_none(given: dict[str, object]) -> None:
    members = {"cwd": "file:///ws", "workspaceRoots": ["file:///ws"], "policyContext": given}
    assert rules_of(":project_roots=write", **members) == []


def test_a_foreign_entry_is_refused_whichever_way_the_operation_would_go() -> None:
    with pytest.raises(InvalidPolicy, match="invalid sandbox permission path URI"):
        way(context(":root=write /C:/x=write"))


def test_which_way_is_told_without_looking_at_what_only_a_sandbox_needs() -> None:
    foreign = {"cwd": "file:///C:/x", "workspaceRoots": ["file://host/x"], "windowsSandboxLevel": "mxc"}
    assert way(context(":root=read", **foreign)).reads_directly


def test_tmpdir_is_the_servers_tmpdir() -> None:
    decided = decide(context(":tmpdir=write :slash_tmp=write"), Host(tmpdir="/var/tmp/mine"))
    assert [(rule.path, rule.access) for rule in decided.rules] == [("/var/tmp/mine", "write"), ("/tmp", "write")]


@pytest.mark.parametrize("tmpdir", [None, "", "relative"])
def test_a_tmpdir_that_names_no_place_grants_nothing(tmpdir: str | None) -> None:
    assert decide(context(":tmpdir=write"), Host(tmpdir=tmpdir)).rules == ()


@pytest.mark.parametrize("place", [":current_working_directory", ":unknown", ":minimal"])
def test_places_that_grant_no_writing_in_the_reference_grant_none_here(place: str) -> None:
    assert rules_of(f"{place}=write", cwd="file:///ws") == []


@pytest.mark.parametrize("access", ["deny", "read", "write"])
@pytest.mark.parametrize("pattern", ["/ws/**/.env", "**/.env", "~/x*"])
def test_a_glob_is_refused_until_globs_are_enforced(pattern: str, access: str) -> None:
    with pytest.raises(UnenforceablePolicy, match=r"the sandbox policy has the glob .* not enforced yet"):
        policy(f":root=read {pattern}={access}", cwd="file:///ws")


def test_a_trailing_slash_changes_nothing() -> None:
    assert rules_of("/ws/=write /a//b/=read") == [("/ws", "write"), ("/a/b", "read")]


@pytest.mark.parametrize(
    ("members", "rules", "text"),
    [
        ({}, "/C:/x=read", "invalid sandbox permission path URI: 'file:///C:/x' is invalid on 'linux'"),
        ({"cwd": "file://host/x"}, ":root=read", "'file://host/x' is invalid on 'linux'"),
        (
            {"cwd": "file:///ws", "workspaceRoots": ["file:///C:/x"]},
            ":root=read",
            (
                "file system sandbox workspace root is not native to this exec-server host: "
                "'file:///C:/x' is invalid on 'linux'"
            ),
        ),
        (
            {"windowsSandboxLevel": "mxc"},
            ":root=read",
            "failed to prepare fs sandbox: failed to prepare MXC sandbox: native MXC is unavailable on this executor",
        ),
    ],
)
def test_what_does_not_fit_this_machine_is_refused_in_the_references_words(
    members: dict[str, object], rules: str, text: str
) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        policy(rules, **members)
    assert (caught.value.code, caught.value.message) == (-32600, text)


def test_legacy_landlock_is_refused_where_it_would_have_to_enforce_something() -> None:
    with pytest.raises(UnenforceablePolicy, match="useLegacyLandlock"):
        policy(":root=read", useLegacyLandlock=True)
    assert way(context(":root=write", useLegacyLandlock=True)) == DIRECTLY


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"permissions": None}, "`permissions`"),
        ({"permissions": {"type": "managed", "network": "restricted"}}, "missing field `file_system`"),
        ({"permissions": {}}, "missing field `type`"),
        ({"permissions": {"type": "external", "network": "some"}}, "`permissions.network`"),
        ({"cwd": "/native"}, "invalid URI: relative URL without a base"),
        ({"cwd": "http://x/"}, "unsupported path URI scheme `http`"),
        ({"windowsSandboxLevel": "low"}, "`windowsSandboxLevel`"),
        ({"useLegacyLandlock": 1}, "`useLegacyLandlock`"),
    ],
)
def test_a_context_that_does_not_decode_names_the_member(change: dict[str, object], text: str) -> None:
    with pytest.raises(WireError) as caught:
        context(":root=read", **change)
    assert caught.value.code == -32602
    assert text in caught.value.message


@pytest.mark.parametrize("missing", ["permissions", "windowsSandboxLevel"])
def test_a_required_member_that_is_missing_is_named_as_the_reference_names_it(missing: str) -> None:
    members = context_json(":root=read")
    del members[missing]
    with pytest.raises(WireError, match=f"^missing field `{missing}`$"):
        wire.decode(wire.encode(members), SandboxContext)


@pytest.mark.parametrize("old", ["sandboxPolicy", "fileSystemSandboxPolicy", "additionalPermissions"])
def test_members_of_older_versions_are_ignored(old: str) -> None:
    assert policy(":root=read", **{old: {"type": "read-only"}}) == policy(":root=read")


def test_more_rules_than_bubblewrap_can_carry_are_refused_while_they_are_read() -> None:
    roots = [f"file:///ws{number}" for number in range(100)]
    members = {"cwd": "file:///ws", "workspaceRoots": roots}
    rules = " ".join(f":project_roots/s{number}=write" for number in range(11))
    with pytest.raises(WireError, match="a sandbox policy may have 1000 rules at most") as caught:
        context(rules, **members)
    assert caught.value.code == -32602
