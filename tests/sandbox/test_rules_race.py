"""A link that appears while rules are placed: what was checked is what is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_py.sandbox.disk import Kind, RealDisk
from codex_py.sandbox.errors import UnenforceablePolicy
from codex_py.sandbox.plan import Runtime
from codex_py.sandbox.policy import Policy, Rule
from codex_py.sandbox.rules import place_rules


class SwappingDisk(RealDisk):
    """Puts a link in the place of a directory once it has been asked so many times what is there."""

    def __init__(self, place: Path, victim: Path, looks: int) -> None:
        self._place, self._victim, self._looks = place, victim, looks

    def kind(self, path: str) -> Kind | None:
        found = super().kind(path)
        if path == str(self._place):
            self._looks -= 1
            if self._looks == 0:
                self._place.rmdir()
                self._place.symlink_to(self._victim)
        return found


@pytest.mark.parametrize("looks", range(1, 6))
def test_a_directory_that_becomes_a_link_while_it_is_looked_at_opens_nothing_else(tmp_path: Path, looks: int) -> None:
    (place := tmp_path / "ws" / "t").mkdir(parents=True)
    (victim := tmp_path / "victim").mkdir()
    rules = (Rule("/", "read", "root"), Rule(str(place.parent), "write", "outer"), Rule(str(place), "write", "inner"))
    try:
        placed = place_rules(Policy(rules), Runtime(()), SwappingDisk(place, victim, looks))
    except UnenforceablePolicy as refusal:
        assert "leads through the link" in str(refusal)  # noqa: PT017 - whether it is seen depends on the moment
    else:
        assert not any(rule.path.startswith(str(victim)) for rule in placed)
