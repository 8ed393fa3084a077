"""The main job, on this machine and for real: sandboxed files and commands through an exec-server.

It starts `codex-py exec-server`, connects, and works in a temporary folder with a repository in it:

    demo/workspace     the sandbox may write here
    demo/workspace/.git/hooks   but not here: what lies here runs later with the user's rights
    demo/outside       nor here
    demo/secret        and this it may not even read

Exit status 0 when every step did what it should.
"""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from rich.console import Console
from rich.table import Table

from codex_py.client.connect import connect
from codex_py.environment.environment import Environment
from codex_py.environment.process import Closed, Command, Exited, Output, Process
from codex_py.protocol.errors import WireError
from codex_py.protocol.path_uri import PathUri
from codex_py.protocol.sandbox import (
    Entry,
    Managed,
    PathPlace,
    Restricted,
    Root,
    SandboxContext,
    SpecialPlace,
)

INPUT = Path(__file__).resolve().parent.parent / "README.md"


class Report:
    """What was done, what was expected, what happened."""

    def __init__(self) -> None:
        self.table = Table(
            "step", "expected", "what happened", "", title="Sandboxed files and commands through codex-py"
        )
        self.failed = 0

    def add(self, step: str, expected: str, happened: str, *, right: bool) -> None:
        self.failed += not right
        self.table.add_row(step, expected, happened, "[green]ok[/]" if right else "[bold red]WRONG[/]")

    async def refused(self, step: str, work: Awaitable[object], *, unharmed: Path | None = None) -> None:
        """Expect an error, and that the disk shows no trace of the attempt."""
        try:
            await work
        except OSError as error:
            trace = unharmed is not None and unharmed.exists()
            happened = f"{type(error).__name__}: {error.strerror}" + (", but it was written" if trace else "")
            self.add(step, "refused", happened, right=not trace)
        else:
            self.add(step, "refused", "it was carried out", right=False)


def policy(folder: Path) -> SandboxContext:
    """Read everything but `secret`, write below `workspace` only."""
    rules = [
        Entry(path=SpecialPlace(value=Root()), access="read"),
        Entry(path=PathPlace(path=PathUri.from_native(f"{folder}/workspace")), access="write"),
        Entry(path=PathPlace(path=PathUri.from_native(f"{folder}/secret")), access="deny"),
    ]
    return SandboxContext(
        permissions=Managed(file_system=Restricted(entries=rules), network="restricted"),
        windows_sandbox_level="disabled",
    )


async def run(environment: Environment, folder: Path, report: Report) -> None:
    """Carry out the steps."""
    files, box, workspace = environment.filesystem, policy(folder), folder / "workspace"
    content = INPUT.read_bytes()

    await files.write_file(f"{workspace}/notes.md", content, sandbox=box)
    written = (workspace / "notes.md").read_bytes() == content
    report.add("write workspace/notes.md in the sandbox", "written", f"{len(content)} bytes on disk", right=written)

    back = await files.read_file(f"{workspace}/notes.md", sandbox=box)
    digest = hashlib.sha256(back).hexdigest()[:12]
    report.add("read it back in the sandbox", "the same bytes", f"sha256 {digest}...", right=back == content)

    await report.refused(
        "write outside/escape.txt",
        files.write_file(f"{folder}/outside/escape.txt", b"out", sandbox=box),
        unharmed=folder / "outside/escape.txt",
    )
    await report.refused(
        "the same through a link inside the workspace",
        files.write_file(f"{workspace}/link/escape.txt", b"out", sandbox=box),
        unharmed=folder / "outside/escape.txt",
    )
    await report.refused(
        "write a hook into workspace/.git/hooks",
        files.write_file(f"{workspace}/.git/hooks/pre-commit", b"#!/bin/sh\n", sandbox=box),
        unharmed=workspace / ".git/hooks/pre-commit",
    )
    await report.refused(
        "create workspace/.codex, which does not exist yet",
        files.create_directory(f"{workspace}/.codex", sandbox=box),
        unharmed=workspace / ".codex",
    )
    await report.refused("read secret/token", files.read_file(f"{folder}/secret/token", sandbox=box))

    plain = await files.read_file(f"{folder}/secret/token")
    report.add("read secret/token without a sandbox", "allowed", f"{len(plain)} bytes", right=plain == b"s3cret")


async def run_commands(environment: Environment, folder: Path, report: Report) -> None:
    """Run commands in the same sandbox, and one in a terminal."""
    box, workspace = policy(folder), folder / "workspace"

    counted = await result(environment, workspace, ["sh", "-c", "wc -c < notes.md | tee count"], box)
    size = str(INPUT.stat().st_size)
    right = counted.text.strip() == size == (workspace / "count").read_text().strip()
    report.add("run `wc -c < notes.md | tee count`", f"{size}, also on disk", counted.told(), right=right)

    script = "echo out > ../outside/escape.txt"
    refused = await result(environment, workspace, ["sh", "-c", script], box)
    right = refused.code != 0 and refused.denied and not (folder / "outside/escape.txt").exists()
    report.add(f"run `{script}`", "refused, and told as the sandbox's doing", refused.told(), right=right)

    script = "mkdir .codex || mv .git gone"
    refused = await result(environment, workspace, ["sh", "-c", script], box)
    right = refused.code != 0 and not (workspace / ".codex").exists() and (workspace / ".git").exists()
    report.add(f"run `{script}`", "refused", refused.told(), right=right)

    process = await environment.processes.start(command(workspace, ["sh", "-c", "stty size; cat"], None, tty=True))
    await process.write(b"typed\n\x04", "1")
    spoken = await heard(process)
    right = "24 80" in spoken.text and spoken.text.count("typed") == 2  # the terminal's echo, and cat's answer
    report.add("type into `stty size; cat` in a terminal", "24 80, echo and answer", spoken.told(), right=right)


@dataclass
class Heard:
    """What a command said, and how it ended."""

    text: str
    code: int
    denied: bool

    def told(self) -> str:
        return f"{shorten(self.text, 60, placeholder='...')} (exit {self.code}{', denied' if self.denied else ''})"


def command(cwd: Path, argv: list[str], box: SandboxContext | None, *, tty: bool = False) -> Command:
    """Describe a command; it gets PATH and nothing else."""
    return Command(argv=argv, cwd=str(cwd), env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, sandbox=box, tty=tty)


async def result(environment: Environment, cwd: Path, argv: list[str], box: SandboxContext | None) -> Heard:
    """Run a command to its end."""
    return await heard(await environment.processes.start(command(cwd, argv, box)))


async def heard(process: Process) -> Heard:
    """Collect what a process says."""
    text, code, denied = b"", -1, False
    async for event in process.follow():
        match event:
            case Output(data=data):
                text += data
            case Exited(exit_code=code, sandbox_denied=denied):
                pass
            case Closed():
                pass
    return Heard(text.decode(errors="replace"), code, denied)


def prepare(folder: Path) -> None:
    """Make the folders of the demo."""
    for name in ("workspace/.git/hooks", "outside", "secret"):
        (folder / name).mkdir(parents=True)
    (folder / "workspace/link").symlink_to("../outside")
    (folder / "secret/token").write_bytes(b"s3cret")


def main() -> int:
    """Run the demo; return the exit status."""
    console, report = Console(), Report()
    command = [sys.executable, "-m", "codex_py", "exec-server", "--log-level", "info"]
    with (
        tempfile.TemporaryDirectory(prefix="codex-py-demo-") as name,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None and server.stderr is not None  # noqa: PT018 - PIPE above
        log: list[str] = []
        reader = threading.Thread(target=log.extend, args=(server.stderr,))
        reader.start()
        try:
            url = server.stdout.readline().strip()
            if not url:
                server.wait()
                reader.join()
                console.print("the server did not start:\n" + "".join(log), markup=False)
                return 1
            console.print(f"exec-server listens on {url}")
            prepare(Path(name).resolve())
            asyncio.run(_connected(url, Path(name).resolve(), report))
        except WireError as error:
            console.print(f"the sandbox cannot run here: {error}", markup=False, soft_wrap=True)
            console.print("what it may mean, and the remedy: docs/SANDBOX.md, «When it cannot run»")
            return 1
        finally:
            server.terminate()
            status = server.wait()
            reader.join()
    console.print(report.table)
    for line in sorted({line.partition("sandboxed operation under ")[2].strip() for line in log} - {""}):
        console.print(f"bubblewrap that ran: {line}", soft_wrap=True, highlight=False)
    console.print(f"the server ended with status {status}")
    return 1 if report.failed or status != 0 else 0


async def _connected(url: str, folder: Path, report: Report) -> None:
    async with connect(url) as environment:
        await run(environment, folder, report)
        await run_commands(environment, folder, report)


if __name__ == "__main__":
    sys.exit(main())
