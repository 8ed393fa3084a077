"""A text is refused by its structure before anything is built from it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_py.rpc.limits import MAX_DEPTH, MAX_VALUES, JsonLimitError, check

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 1]), st.booleans())
def test_whatever_json_writes_within_the_limits_passes(value: object, indent: int | None, ascii_only: bool) -> None:
    check(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode())


@given(json_values, st.text(), st.booleans())
def test_a_duplicate_key_is_found_wherever_it_is(value: object, key: str, escaped: bool) -> None:
    name = json.dumps(key, ensure_ascii=escaped)
    inner = json.dumps(value)
    text = f'[{inner},{{"a":{{{name} : {inner} ,{json.dumps(key)}:1}}}}]'
    with pytest.raises(JsonLimitError, match="duplicate JSON object key"):
        check(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":{"a":2}}',
        '[{"a":1},{"a":2}]',
        r'{"a\"":1,"a":2}',
        r'{"a\\":1,"a":2}',
        '{"a":":","b":":"}',
        '{"a":"\\"b\\":1","b":2}',
        '{"":1," ":2}',
    ],
)
def test_keys_that_only_look_alike_are_no_duplicates(text: str) -> None:
    check(text.encode())


@pytest.mark.parametrize(
    "text", [r'{"a":1,"\u0061":2}', r'{"\u0061":1,"a":2}', '{"a" :1,\n"a"\t:2}', r'{"\/":1,"/":2}']
)
def test_keys_that_mean_the_same_are(text: str) -> None:
    with pytest.raises(JsonLimitError, match="duplicate JSON object key"):
        check(text.encode())


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_counted_in_arrays_and_objects(opening: str, closing: str) -> None:
    check((opening * MAX_DEPTH + "1" + closing * MAX_DEPTH).encode())
    with pytest.raises(JsonLimitError, match=f"nests deeper than {MAX_DEPTH}"):
        check((opening * (MAX_DEPTH + 1) + "1" + closing * (MAX_DEPTH + 1)).encode())


def test_brackets_in_strings_do_not_nest() -> None:
    check(json.dumps(["[" * 1000, '"[{' * 1000, "\\" * 1001]).encode())


def test_many_shallow_arrays_do_not_nest() -> None:
    check(("[" + "[],[1]," * 500 + "1]").encode())


@pytest.mark.parametrize("element", ["1", "[]", "{}", '""', '","', "null"])
def test_values_are_counted_whatever_they_are(element: str) -> None:
    check(("[" + ",".join([element] * (MAX_VALUES - 1)) + "]").encode())
    with pytest.raises(JsonLimitError, match=f"exceeds the limit of {MAX_VALUES} JSON values"):
        check(("[" + ",".join([element] * MAX_VALUES) + "]").encode())


@given(st.binary())
def test_any_bytes_are_judged_without_failing(data: bytes) -> None:
    with contextlib.suppress(JsonLimitError):
        check(data)
