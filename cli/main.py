"""The command line: `codex-py exec-server` and `codex-py fs-helper`."""

from __future__ import annotations

import importlib
import sys

import click

from codex_py import __version__

_COMMANDS = {
    "exec-server": ("exec_server", "Offer this machine's files and processes to clients."),
    "fs-helper": ("fs_helper", "Carry out one file operation, read from stdin."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: `--help` should cost no server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{_COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="codex-py")
def cli() -> None:
    """The Codex exec-server, its sandboxed file helper and a typed client, in Python."""


def main() -> int:
    """Run the command line; the exit status is the process's."""
    if not sys.platform.startswith("linux"):
        click.echo(f"codex-py runs on Linux only so far; this is {sys.platform}", err=True)
        return 1
    cli(prog_name="codex-py")
    return 0
