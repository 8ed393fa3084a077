"""Is ours right? Code, message, result, closed or alive, and the tree on disk; rows of DIFFERENCES.md as given."""

from __future__ import annotations

import json
import re
from itertools import zip_longest

from .cases import SAME, Absent, Accept, Case, Differs, Json, Params
from .runner import Outcome

_INVALID_PARAMS = -32602
_PARSE_ERROR = "failed to parse websocket JSON-RPC message"
_EXACT_PARTS = re.compile(r"\(os error [0-9]+\)|missing field `[^`]*`")
_SHOWN_CHARACTERS = 300


def differences(case: Case, reference: Outcome, ours: Outcome, strict: bool) -> list[str]:
    """One line for every difference; none when ours is right.

    Args:
        strict: both servers are the reference: what ours may do differently is of no interest.
    """
    if ours.left_out or (reference.left_out and (strict or not case.ours_only)):
        return []
    found: list[str] = []
    for number, step in enumerate(case.steps):
        expected = reference.answers[number] if number < len(reference.answers) else None
        differs = None if strict else step.differs
        if wrong := _answer(expected, ours.answers[number], differs):
            found.append(f"step {number + 1}: {wrong}")
    if case.disk != "any" and (strict or case.disk == "same"):
        found += _disk(reference.after, ours.after) if reference.after is not None else []
    elif case.disk == "kept":
        found += _disk(ours.before, ours.after)
    return found


def _answer(expected: list[Json] | None, got: list[Json], differs: Differs | None) -> str:
    if differs is not None:
        if any(_accepts(accept, got, expected) for accept in differs.accept if accept is not SAME):
            return ""
        if SAME not in differs.accept:
            return f"wanted {_wanted(differs)}\n        ours {show(got)}"
    if expected is None:
        return "" if differs is not None else f"no reference, ours {show(got)}"
    if all(_same(one, other) for one, other in zip_longest(_by_id(expected), _by_id(got))):
        return ""
    hint = f" [or {_wanted(differs)}]" if differs is not None else ""
    return f"reference {show(expected)}{hint}\n                  ours {show(got)}"


def _wanted(differs: Differs) -> str:
    return f"{' or '.join(_option(accept) for accept in differs.accept)} ({differs.why})"


def _option(accept: Accept) -> str:
    if accept.but is not None:
        return f"the reference's answer but {show(accept.but)}"
    if not isinstance(accept.result, Absent):
        return show(accept.result)
    return f"{accept.code or accept.status or ''} {accept.contains}{accept.holds}".strip()


def _accepts(accept: Accept, got: list[Json], expected: list[Json] | None) -> bool:
    if not got:
        return False
    last = got[-1]
    if accept.but is not None:
        return last == _but(accept.but, expected)
    if not isinstance(last, dict):
        return accept.code is None and bool(accept.contains) and last == accept.contains
    if accept.status is not None:
        return last.get("status") == accept.status
    if accept.holds:
        return accept.holds in json.dumps(last.get("result"))
    if not isinstance(accept.result, Absent):
        return last.get("result") == accept.result
    error = last.get("error")
    if not isinstance(error, dict) or (accept.code is not None and error.get("code") != accept.code):
        return False
    return accept.contains in str(error.get("message"))


def _but(members: Params, expected: list[Json] | None) -> Json:
    """The reference's last answer with some members of its result replaced."""
    last = expected[-1] if expected else None
    if not isinstance(last, dict) or not isinstance(result := last.get("result"), dict):
        return None
    return {**last, "result": {**result, **members}}


def _same(expected: Json, got: Json) -> bool:
    if expected == got:
        return _types(expected) == _types(got)
    if not isinstance(expected, dict) or not isinstance(got, dict):
        return False
    one, other = expected.get("error"), got.get("error")
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    if expected.get("id") != got.get("id") or one.get("code") != other.get("code") or one.keys() != other.keys():
        return False
    if str(one.get("message")).startswith(_PARSE_ERROR):
        return str(other.get("message")).startswith(_PARSE_ERROR)
    if one.get("code") == _INVALID_PARAMS:
        return _parts(one) == _parts(other)
    return False


def _by_id(answers: list[Json]) -> list[Json]:
    """Requests of one write may be answered in any order (row 2)."""
    return sorted(answers, key=lambda answer: str(answer.get("id")) if isinstance(answer, dict) else "")


def _types(value: Json) -> str:
    """`1 == 1.0 == True` in Python, not on the wire; the order of members is free."""
    return json.dumps(value, sort_keys=True)


def _parts(error: dict[str, Json]) -> list[str]:
    return _EXACT_PARTS.findall(str(error.get("message")))


def _disk(expected: Json, got: Json) -> list[str]:
    if expected == got or not isinstance(expected, dict) or not isinstance(got, dict):
        return [] if expected == got else [f"disk: wanted {show(expected)}, ours {show(got)}"]
    found: list[str] = []
    for place in sorted(expected.keys() | got.keys()):
        one, other = expected.get(place), got.get(place)
        if not isinstance(one, dict) or not isinstance(other, dict):
            found += [] if one == other else [f"disk {place}: wanted {show(one)}, ours {show(other)}"]
            continue
        for path in sorted(one.keys() | other.keys()):
            if one.get(path) != other.get(path):
                found.append(f"disk {path!a}: wanted {show(one.get(path))}, ours {show(other.get(path))}")
    return found


def show(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"
