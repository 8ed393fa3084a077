"""Processes: codex-py and peers, measured in alternating rounds of one run.

    python bench/processes.py 'codex-py=codex-py exec-server' 'reference=codex exec-server --listen ws://127.0.0.1:0'

Numbers are medians over all rounds; a ratio is the first command's number by the other's. Trust the ratios, machines
are noisy. `this machine` is what the same costs without a server, and `+` is how much more the server takes. Everything
is bounded in count and in time; what a server refuses is left out, and said below the table.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import workloads
from link import Link, Refused, Server, end_on_sigterm, limited
from rich.console import Console
from rich.table import Table

ROUNDS = 5
STARTS = 5
SESSIONS = 200
GROWTH_BATCHES = 32
FIGURE_LIMIT_S = 60.0

FAILURES = (Refused, OSError, ValueError)  # TimeoutError is an OSError


class Figure(NamedTuple):
    name: str
    unit: str


class Measure(NamedTuple):
    """A figure that is measured in rounds, over one connection.

    Attributes:
        measure: Returns samples of one round.
        plain: Returns samples of the same without a server.
        acknowledge: See `Link`: without it, a server that leaves Nagle's algorithm on waits for the client's kernel.
    """

    figure: Figure
    measure: Callable[[Link], list[float]]
    plain: Callable[[], list[float]] | None
    acknowledge: bool = False


MEASURES = (
    Measure(Figure("/bin/true to its close", "ms"), workloads.true_until_closed, workloads.plain_true),
    Measure(Figure("/bin/true in a terminal", "ms"), workloads.true_in_terminal, workloads.plain_true),
    Measure(Figure("/bin/true in a read-only sandbox", "ms"), workloads.true_in_sandbox, workloads.plain_true),
    Measure(
        Figure("/bin/true, acknowledged at once", "ms"),
        workloads.true_until_closed,
        workloads.plain_true,
        acknowledge=True,
    ),
    Measure(
        Figure("/bin/true in a sandbox, acknowledged at once", "ms"),
        workloads.true_in_sandbox,
        workloads.plain_true,
        acknowledge=True,
    ),
    Measure(Figure("echo of a write to /bin/cat", "ms"), workloads.echo, workloads.plain_echo),
    Measure(Figure("echo, acknowledged at once", "ms"), workloads.echo, workloads.plain_echo, acknowledge=True),
    Measure(
        Figure(f"output of {workloads.OUTPUT_BYTES >> 20} MiB", "MB/s"),
        workloads.output_rate,
        workloads.plain_output_rate,
    ),
    Measure(Figure(f"{workloads.AT_ONCE} of /bin/true at once", "/s"), workloads.at_once, workloads.plain_at_once),
    Measure(Figure("environment/status", "ms"), workloads.status, None),
)
STARTED = Figure("start of the server to its URL", "ms")
FIRST = Figure("first /bin/true of a server", "ms")
IDLE = Figure("memory with one idle session", "MiB")
SESSION = Figure(f"memory of each of {SESSIONS} idle sessions", "KiB")
SESSION_STATUS = Figure(f"environment/status on one of {SESSIONS}", "ms")
GROWTH = Figure(f"memory more after {GROWTH_BATCHES * workloads.AT_ONCE} processes", "MiB")
FIGURES = (*(one.figure for one in MEASURES), STARTED, FIRST, IDLE, SESSION, SESSION_STATUS, GROWTH)


@dataclass
class Subject:
    """A command, what was measured of it, and what it refused."""

    name: str
    command: str
    samples: dict[Figure, list[float]] = field(default_factory=dict[Figure, list[float]])
    refusals: dict[str, list[Figure]] = field(default_factory=dict[str, list[Figure]])

    def keep(self, figure: Figure, samples: list[float]) -> None:
        self.samples.setdefault(figure, []).extend(samples)

    def failed(self, figure: Figure) -> bool:
        return any(figure in figures for figures in self.refusals.values())

    @contextlib.contextmanager
    def trying(self, figure: Figure) -> Generator[None]:
        """Keep a failure of the block as a refusal."""
        try:
            with limited(FIGURE_LIMIT_S, "it did not end"):
                yield
        except FAILURES as error:
            self.refusals.setdefault(str(error) or type(error).__name__, []).append(figure)

    @contextlib.contextmanager
    def running(self) -> Generator[Server]:
        server = Server(self.name, self.command)
        try:
            yield server
        finally:
            server.stop()


def measure_starts(subjects: list[Subject]) -> None:
    for _ in range(STARTS):
        for subject in subjects:
            with subject.running() as server:
                subject.keep(STARTED, [server.start_s * 1e3])
                if not subject.failed(FIRST):
                    with subject.trying(FIRST), Link(server.url) as link:
                        subject.keep(FIRST, [workloads.true_once(link)])


def measure_rounds(subjects: list[Subject], machine: Subject) -> None:
    """Keep the servers running, and give each a round of each figure in turn."""
    with contextlib.ExitStack() as stack:
        pairs = [(subject, stack.enter_context(subject.running())) for subject in subjects]
        for _ in range(ROUNDS):
            for one in MEASURES:
                measure_round(one, pairs, machine)
            pairs.reverse()  # whoever came first warmed the machine


def measure_round(one: Measure, pairs: list[tuple[Subject, Server]], machine: Subject) -> None:
    if one.plain is not None:
        with machine.trying(one.figure):
            machine.keep(one.figure, one.plain())
    for subject, server in pairs:
        if subject.failed(one.figure):
            continue
        with subject.trying(one.figure), Link(server.url, acknowledge=one.acknowledge) as link:
            subject.keep(one.figure, one.measure(link))


def measure_sessions(subject: Subject) -> None:
    """Measure what an idle session weighs, and whether many of them slow one down."""
    with subject.running() as server, contextlib.ExitStack() as links, subject.trying(SESSION):
        link = links.enter_context(Link(server.url))
        workloads.status(link)
        idle = memory_kib(server.process.pid)
        subject.keep(IDLE, [idle / 1024])
        for _ in range(SESSIONS):
            workloads.ask_status(links.enter_context(Link(server.url)))
        subject.keep(SESSION, [(memory_kib(server.process.pid) - idle) / SESSIONS])
        subject.keep(SESSION_STATUS, workloads.status(link))


def measure_growth(subject: Subject) -> None:
    """Measure what a server has grown by after many processes, those included that it still has to know."""
    with subject.running() as server, subject.trying(GROWTH), Link(server.url) as link:
        workloads.ask_status(link)
        idle = memory_kib(server.process.pid)
        for _ in range(GROWTH_BATCHES):
            workloads.at_once(link)
        subject.keep(GROWTH, [(memory_kib(server.process.pid) - idle) / 1024])


def memory_kib(root: int) -> int:
    """Return the proportional set size of a process and all of its descendants."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def tree(root: int) -> list[int]:
    """Return a process and all of its descendants."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    pids = [root]
    for pid in pids:
        pids.extend(children.get(pid, ()))
    return pids


def report(subjects: list[Subject], machine: Subject) -> None:
    """Print medians, ratios of the first to the others, and what was refused."""
    first, *others = subjects
    table = Table("median", "this machine", first.name)
    for other in others:
        table.add_column(other.name)
        table.add_column(f"{first.name} / {other.name}")
    for figure in FIGURES:
        cells = [cell(figure, machine, machine), cell(figure, first, machine)]
        for other in others:
            cells += [cell(figure, other, machine), ratio(figure, first, other)]
        table.add_row(figure.name, *cells)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for subject in (*subjects, machine):
        for text, figures in subject.refusals.items():
            names = "; ".join(figure.name for figure in figures)
            console.print(f"{subject.name}: {text} ({names})", markup=False)


def cell(figure: Figure, subject: Subject, machine: Subject) -> str:
    if figure not in subject.samples:
        return "-"
    value = statistics.median(subject.samples[figure])
    text = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    if figure.unit == "ms" and subject is not machine and figure in machine.samples:
        text += f" (+{value - statistics.median(machine.samples[figure]):.3g})"
    return f"{text} {figure.unit}"


def ratio(figure: Figure, first: Subject, other: Subject) -> str:
    if figure not in first.samples or figure not in other.samples:
        return "-"
    return f"{statistics.median(first.samples[figure]) / statistics.median(other.samples[figure]):.3g}"


def main(arguments: list[str]) -> None:
    """Measure the commands, given as NAME=COMMAND."""
    if not arguments or not all("=" in argument for argument in arguments):
        raise SystemExit(__doc__)
    end_on_sigterm()
    subjects = [Subject(name, command) for name, _, command in (argument.partition("=") for argument in arguments)]
    machine = Subject("this machine", "")
    try:
        measure_starts(subjects)
        measure_rounds(subjects, machine)
        for subject in subjects:
            measure_sessions(subject)
        for subject in subjects:
            measure_growth(subject)
    except (Refused, OSError) as error:
        raise SystemExit(str(error)) from error
    report(subjects, machine)


if __name__ == "__main__":
    main(sys.argv[1:])
