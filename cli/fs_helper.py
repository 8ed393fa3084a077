"""`codex-py fs-helper`, as a command for people and CI: the helper as it stands, or under bwrap first.

The exec-server starts its helpers without this module: `__main__` sends them straight to `helper/`.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from ..protocol import sandbox as said
from ..protocol import wire
from ..protocol.errors import WireError
from ..protocol.path_uri import PathUri
from ..sandbox.policy import way
from .assemble import build_helpers

PRESETS = ("read-only", "workspace-write")


@click.command("fs-helper")
@click.option(
    "--sandbox",
    metavar="read-only|workspace-write|FILE",
    help="Run under bubblewrap with this policy; FILE holds a sandbox context as JSON.",
)
@click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False),
    help="Folder of the project, writable under workspace-write; may be repeated. Default: the working folder.",
)
def command(sandbox: str | None, roots: tuple[str, ...]) -> None:
    """Carry out one file operation, read from stdin.

    stdin holds one JSON object, {"operation": "fs/readFile", "params": {"path": "file:///etc/hostname"}}; stdout gets
    one JSON line, {"status": "ok", ...} or {"status": "error", ...}. Exit status 0 in both cases. 1: the request
    cannot be read or the sandbox cannot be built; stderr says why. 2: wrong usage.
    """
    if sandbox is None:
        if roots:
            raise click.UsageError("--root goes with --sandbox")
        _run_here()
    try:
        context = _context(sandbox, roots)
        if not way(context).is_confined:
            _run_here()
        _replace_process(context)
    except (WireError, OSError) as error:
        reason = error if isinstance(error, WireError) else f"{error.strerror}: {error.filename}"
        click.echo(f"fs sandbox helper failed: {reason}", err=True)
        sys.exit(1)


def _run_here() -> NoReturn:
    from ..helper.main import main

    sys.exit(main([]))


def _context(sandbox: str, roots: tuple[str, ...]) -> said.SandboxContext:
    if sandbox in PRESETS:
        folders = [PathUri.from_native(os.path.abspath(root)) for root in roots or (_working_folder(),)]
        return said.read_only(cwd=folders[0]) if sandbox == "read-only" else said.workspace_write(folders)
    if roots:
        raise click.UsageError("--root goes with read-only and workspace-write; a FILE names its own folders")
    try:
        with open(sandbox, "rb", opener=_open_without_waiting) as file:
            text = file.read()
    except FileNotFoundError:
        raise click.BadParameter(
            f"`{sandbox}` is neither {' nor '.join(PRESETS)} nor a file", param_hint="--sandbox"
        ) from None
    except OSError as error:
        raise click.BadParameter(f"cannot read {sandbox}: {error.strerror}", param_hint="--sandbox") from None
    try:
        return wire.decode(text, said.SandboxContext)
    except WireError as error:
        raise WireError(error.code, f"the policy in {sandbox} cannot be read: {error}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO that nobody writes to reads as empty


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise click.UsageError("the working folder does not exist any more; name one by --root") from None


def _replace_process(context: said.SandboxContext) -> NoReturn:
    helpers = build_helpers(dict(os.environ))
    with helpers.prepared(context) as (launch, _):
        sys.stdout.flush()
        os.chdir(launch.cwd)
        os.execve(launch.argv[0], launch.argv, launch.environment)  # noqa: S606 - no shell is wanted
