"""What the helper needs, and what would be imported, is known, so that every plan can protect it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import codex_py
from codex_py.sandbox.plan import Runtime, covers
from codex_py.sandbox.policy import MINIMAL_ROOTS
from codex_py.sandbox.register import register_folder
from codex_py.sandbox.runtime import this_runtime

PACKAGE = str(Path(codex_py.__file__).parent)


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return this_runtime(PACKAGE, "/opt/bundled/_bin/bwrap")


def is_covered(runtime: Runtime, path: str) -> bool:
    return any(covers(os.path.realpath(known), os.path.realpath(path)) for known in runtime.paths)


def test_interpreter_library_and_package_are_there(runtime: Runtime) -> None:
    for path in (sys.executable, os.__file__, PACKAGE, f"{PACKAGE}/helper/main.py", f"{PACKAGE}/local/direct.py"):
        assert is_covered(runtime, path), path
    assert runtime.platform == MINIMAL_ROOTS


def test_what_another_path_covers_is_left_out_unless_a_link_leads_away(tmp_path: Path) -> None:
    (tmp_path / "package/sub").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "package/link").symlink_to(tmp_path / "elsewhere")
    package = str(tmp_path / "package")
    paths = this_runtime(package, None, f"{package}/sub", f"{package}/link").paths
    assert [path for path in paths if path.startswith(str(tmp_path))] == [
        package,
        str(tmp_path / "elsewhere"),
        f"{package}/link",
    ]


def test_what_servers_know_of_each_other_is_hidden(runtime: Runtime) -> None:
    assert runtime.hidden == (register_folder(),)


def test_everything_that_is_imported_from_is_there_also_what_does_not_exist_yet() -> None:
    program = (
        "import sys, os, codex_py\n"
        "from codex_py.sandbox.plan import covers\n"
        "from codex_py.sandbox.runtime import this_runtime\n"
        "paths = this_runtime(os.path.dirname(codex_py.__file__), None).paths\n"
        "print(*[entry for entry in sys.path[1:] if not any(covers(path, entry) for path in paths)])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, cwd="/")
    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr
    assert any(entry.endswith(".zip") for entry in sys.path)


def test_what_the_user_imports_from_by_choice_is_not_taken_over(tmp_path: Path) -> None:
    program = (
        "import os, codex_py\n"
        "from codex_py.sandbox.runtime import this_runtime\n"
        "print(*this_runtime(os.path.dirname(codex_py.__file__), None).paths, sep='\\n')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert str(tmp_path) not in result.stdout.splitlines()
