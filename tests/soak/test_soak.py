"""Short runs of the long ones; see the package for how to run those."""

from __future__ import annotations

import pytest

from . import cuts, short

pytestmark = pytest.mark.usefixtures("alone")


def test_no_line_is_lost_doubled_or_moved_however_often_the_connection_is_cut() -> None:
    report = cuts.run(25)
    assert report.lines_in > 0
    assert report.lines_out > 0


def test_many_short_processes_leave_nothing_behind() -> None:
    short.run(300, retention_s=0.2).check(growth_kib=4 * 1024)
