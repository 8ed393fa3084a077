"""What tests share whatever folder they are in."""

from __future__ import annotations

import fcntl
from collections.abc import Generator

import pytest


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Generator[None]:
    """Run while no other test with this fixture runs, in whichever worker.

    For tests that start servers with many processes, or hold how long something takes: they would disturb each other.
    """
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    with (shared / "alone").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
