"""The helper decodes its requests by itself; the types in `protocol/` say what they must be. They agree by member."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from codex_py.helper import operations
from codex_py.helper.decoding import Undecodable, decode_object
from codex_py.protocol import filesystem as said
from codex_py.protocol import wire
from codex_py.protocol.errors import WireError
from codex_py.protocol.methods import Method

METHODS = {method.name: method for method in vars(said).values() if isinstance(method, Method)}

# Nothing of this exists, so that an operation that decodes ends with a clean error and no effect.
WHOLE: dict[str, Any] = {
    "path": "file:///codex-py-tests/nothing/here",
    "sourcePath": "file:///codex-py-tests/nothing/here",
    "destinationPath": "file:///codex-py-tests/nothing/there",
    "dataBase64": "aGk=",
    "recursive": False,
    "force": False,
    "followSymlinks": True,
    "options": {
        "maxDepth": 1,
        "maxDirectories": 1,
        "maxEntries": 1,
        "followDirectorySymlinks": False,
        "pruneHiddenDirectories": False,
    },
}


def members_of(kind: type) -> list[tuple[str, bool]]:
    """Name the members of a type, and whether each is required; a sandbox is the server's business."""
    fields = msgspec.structs.fields(kind)
    return [(field.encode_name, field.required) for field in fields if field.encode_name != "sandbox"]


def places(method: Method[Any, Any]) -> list[tuple[tuple[str, ...], bool]]:
    """Name every member of a method's params, those of `options` included."""
    found: list[tuple[tuple[str, ...], bool]] = [((name,), required) for name, required in members_of(method.params)]
    if method.params is said.WalkParams:
        found += [(("options", name), required) for name, required in members_of(said.WalkOptions)]
    return found


CASES = [(name, place, required) for name, method in METHODS.items() for place, required in places(method)]


def params_of(method: Method[Any, Any]) -> dict[str, Any]:
    names = [name for name, _ in members_of(method.params)]
    copied: dict[str, Any] = json.loads(json.dumps({name: WHOLE[name] for name in names}))
    return copied


def helper_refuses(operation: str, params: dict[str, Any]) -> str | None:
    """Return why the helper cannot decode params, or None when it can."""
    try:
        operations.find(operation)(decode_object(json.dumps(params).encode(), "`params`"), None)
    except Undecodable as error:
        return str(error)
    except (OSError, ValueError):
        return None  # it decoded, and the operation itself found nothing there
    return None


def server_refuses(method: Method[Any, Any], params: dict[str, Any]) -> str | None:
    try:
        wire.decode(json.dumps(params).encode(), method.params)
    except WireError as error:
        return str(error)
    return None


def put(params: dict[str, Any], place: tuple[str, ...], value: object) -> None:
    target = params if len(place) == 1 else params[place[0]]
    if value is None:
        del target[place[-1]]
    else:
        target[place[-1]] = value


def test_the_helper_knows_every_file_method_and_no_other() -> None:
    with pytest.raises(Undecodable) as caught:
        operations.find("nothing")
    known = set(str(caught.value).split("expected one of ")[1].replace("`", "").split(", "))
    assert known == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_both_take_the_whole_of_the_params(name: str) -> None:
    params = params_of(METHODS[name])
    assert server_refuses(METHODS[name], params) is None
    assert helper_refuses(name, params) is None


@pytest.mark.parametrize(("name", "place", "required"), CASES)
def test_both_miss_the_same_members(name: str, place: tuple[str, ...], required: bool) -> None:
    params = params_of(METHODS[name])
    put(params, place, None)
    expected = f"missing field `{place[-1]}`" if required else None
    assert server_refuses(METHODS[name], params) == expected
    assert helper_refuses(name, params) == expected


@pytest.mark.parametrize(("name", "place", "_"), CASES)
@pytest.mark.parametrize("wrong", [5.5, [], {"a": 1}])
def test_both_refuse_a_member_of_the_wrong_type(name: str, place: tuple[str, ...], _: bool, wrong: object) -> None:
    params = params_of(METHODS[name])
    put(params, place, wrong)
    if wrong == {"a": 1} and place == ("options",):
        return  # an object is what it should be
    assert server_refuses(METHODS[name], params) is not None
    assert helper_refuses(name, params) is not None
