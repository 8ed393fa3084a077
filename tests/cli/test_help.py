"""The command line explains itself, and does it cheaply."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from codex_py import __version__
from codex_py.cli.main import cli

HEAVY = {"asyncio", "websockets", "uvloop", "msgspec", "rich"}


def test_help_lists_every_command_with_a_summary() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in cli.commands if hasattr(cli, "commands") and cli.commands else ("exec-server", "fs-helper"):
        assert name in result.output


@pytest.mark.parametrize("name", ["exec-server", "fs-helper"])
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    import click

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Option)
        assert parameter.help, parameter.name
    assert CliRunner().invoke(cli, [name, "-h"]).exit_code == 0


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"codex-py, version {__version__}\n"


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.output


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_nothing_that_a_server_needs(arguments: list[str]) -> None:
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('LOADED', *sorted({name.split('.')[0] for name in sys.modules})))\n"
        f"sys.argv = ['codex-py', *{arguments!r}]\n"
        "from codex_py.__main__ import main\n"
        "main()\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20).stdout
    loaded = set(output.partition("LOADED ")[2].split())
    assert "click" in loaded
    assert not loaded & HEAVY
