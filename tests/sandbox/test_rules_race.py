"""A link that appears while rules are placed: what was checked is what is used."""

from __future__ import annotations

from pathlib import Path

from codex_py.sandbox.disk import Kind, RealDisk
from codex_py.sandbox.plan import Runtime
from codex_py.sandbox.policy import Policy, Rule
from codex_py.sandbox.rules import place_rules


class SwappingDisk(RealDisk):
    """Puts a link in the place of a directory as soon as it has been asked what is there."""

    def __init__(self, place: Path, victim: Path) -> None:
        self._place, self._victim = place, victim

    def kind(self, path: str) -> Kind | None:
        found = super().kind(path)
        if path == str(self._place) and not self._place.is_symlink():
            self._place.rmdir()
            self._place.symlink_to(self._victim)
        return found


def test_a_directory_that_becomes_a_link_while_it_is_looked_at_opens_nothing_else(tmp_path: Path) -> None:
    (place := tmp_path / "ws" / "t").mkdir(parents=True)
    (victim := tmp_path / "victim").mkdir()
    policy = Policy((Rule("/", "read", "root"), Rule(str(place), "write", "entry")))
    placed = place_rules(policy, Runtime(()), SwappingDisk(place, victim))
    assert place.is_symlink()
    assert {rule.path for rule in placed if rule.access == "write"} == {str(place)}
    assert not any(rule.path.startswith(str(victim)) for rule in placed)
