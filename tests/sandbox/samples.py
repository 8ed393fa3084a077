"""Contexts, written as a client writes them, and what their tests share."""

from __future__ import annotations

from typing import Any

from codex_py.protocol import wire
from codex_py.protocol.sandbox import SandboxContext
from codex_py.sandbox.plan import Plan, Runtime
from codex_py.sandbox.policy import Host, Policy, decide

NO_TMPDIR = Host(tmpdir=None)
NO_RUNTIME = Runtime(paths=())


def entry(place: str, access: str) -> dict[str, Any]:
    """Write `/a`, `:root`, `:project_roots/sub` or `*.env` as an entry."""
    if place.startswith("/") and "*" not in place:
        return {"path": {"type": "path", "path": f"file://{place}"}, "access": access}
    if not place.startswith(":"):
        return {"path": {"type": "glob_pattern", "pattern": place}, "access": access}
    kind, _, subpath = place[1:].partition("/")
    value = {"kind": kind, **({"subpath": subpath} if subpath else {}), **({"path": "x"} if kind == "unknown" else {})}
    return {"path": {"type": "special", "value": value}, "access": access}


def context_json(rules: str, **members: Any) -> dict[str, Any]:
    """Write `":root=read /ws=write"` as a restricted context."""
    entries = [entry(*rule.rsplit("=", 1)) for rule in rules.split()]
    return {
        "permissions": {
            "type": "managed",
            "file_system": {"type": "restricted", "entries": entries},
            "network": "restricted",
        },
        "windowsSandboxLevel": "disabled",
        **members,
    }


def context(rules: str, **members: Any) -> SandboxContext:
    return wire.decode(wire.encode(context_json(rules, **members)), SandboxContext)


def policy(rules: str, **members: Any) -> Policy:
    return decide(context(rules, **members), NO_TMPDIR)


def shown(plan: Plan) -> list[str]:
    """Write a plan as a golden table: one word and one path a mount, and what is reserved."""
    lines = [f"{m.op.name} {m.path}" + (f" -> {m.target}" if m.target else "") for m in plan.mounts]
    return [*lines, *(f"reserve {item.name} in {item.directory.inode}" for item in plan.reserved)]
