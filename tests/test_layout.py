"""The house: folders, links and packaging agree, and imports point downward only."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "codex_py"

# A layer may import from those of a lower rank, never sideways; `docs/ARCHITECTURE.md` draws it.
RANKS = {
    "protocol": 0,
    "environment": 1,
    "rpc": 1,
    "sandbox": 1,
    "local": 2,
    "client": 2,
    "server": 2,
    "helper": 3,
    "cli": 4,
}

# The helper runs inside every sandbox: these and what they import must stay light; tests/helper counts the modules.
HELPER_MAY_IMPORT = {"local", "protocol"}


def imported_layers(path: Path) -> set[str]:
    """Return the layers that a module names in its imports, whether relative or absolute."""
    layers: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            layers.add((node.module or "").partition(".")[0] or node.names[0].name)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codex_py."):
            layers.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            layers |= {name.name.split(".")[1] for name in node.names if name.name.startswith("codex_py.")}
    return layers & RANKS.keys()


@pytest.mark.parametrize("layer", RANKS)
def test_imports_point_downward_only(layer: str) -> None:
    for module in sorted((ROOT / layer).rglob("*.py")):
        upward = {other for other in imported_layers(module) if other != layer and RANKS[other] >= RANKS[layer]}
        assert not upward, f"{module.relative_to(ROOT)} imports {upward}"


def test_the_server_knows_neither_local_nor_sandbox() -> None:
    for module in (ROOT / "server").rglob("*.py"):
        assert not imported_layers(module) & {"local", "sandbox", "client"}, module.name


def test_the_helper_stands_on_local_and_protocol() -> None:
    for module in (ROOT / "helper").rglob("*.py"):
        assert imported_layers(module) <= HELPER_MAY_IMPORT, module.name


def test_modules_inside_import_relatively_and_tests_absolutely() -> None:
    for layer in RANKS:
        for module in (ROOT / layer).rglob("*.py"):
            assert "from codex_py." not in module.read_text(), module


def test_links_folders_and_wheel_sources_are_the_same_set() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    links = {path.name for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == RANKS.keys()
    assert set(hatch["sources"]) == links | {"src/codex_py"}
    assert {path for path in hatch["only-include"] if "/" not in path} == links
    assert all(hatch["sources"][layer] == f"codex_py/{layer}" for layer in links)


def test_every_link_is_relative_and_leads_to_its_folder() -> None:
    for layer in RANKS:
        link = PACKAGE / layer
        assert str(link.readlink()) == f"../../{layer}"
        assert link.resolve() == ROOT / layer


def test_every_module_says_what_it_is() -> None:
    for layer in RANKS:
        for module in (ROOT / layer).rglob("*.py"):
            assert ast.get_docstring(ast.parse(module.read_text())), module


def test_the_version_is_told_once_and_the_changelog_knows_it() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f'__version__ = "{version}"' in (PACKAGE / "__init__.py").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
