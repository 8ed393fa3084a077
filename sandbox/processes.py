"""Processes under bubblewrap: which need it, and how they are launched.

policy -> plan -> mount points -> filter -> bwrap's options, in a file in memory -> launch -> release

Everything the caller chose is met inside only: bubblewrap has the server's allowed variables and is looked up in the
server's PATH; the program's variables, its PATH and its LD_PRELOAD among them, are set once the sandbox stands.

Source: exec-server 0.169.0, observed, for which policies are confined
Differs: the reference gives bubblewrap the request's environment, and looks it up there; and it enforces a restricted
network alone, without a file policy, by the filter alone, which is refused here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import posixpath
import sys
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

from ..protocol import sandbox as said
from . import seccomp, stage
from .allowlist import helper_environment
from .bwrap import MOST_ARGUMENTS, PROCESS_OPTIONS, Setting, process_arguments, variables
from .departure import Departure
from .descriptors import Descriptors, nul_separated
from .disk import Disk, RealDisk
from .errors import SandboxError, UnenforceablePolicy
from .mount_points import Changed, WithoutMountPoints, covered
from .plan import Plan, Runtime, covers
from .planner import make_plan
from .policy import PROCESSES, Host, Policy, decide, way
from .register import Lease, Register, register_folder
from .roots import open_roots
from .search import Bwrap, BwrapSearch

# One message between processes carries 253; the spawner's carry the standard streams as well.
MOST_DESCRIPTORS = 240
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - what a policy may mean
_ATTEMPTS = 5
_DEPARTURE_S = 5.0
_MOST_OPTIONS = MOST_ARGUMENTS - 20  # bubblewrap's own name, what leads to the options, and the stage
_STAGE = (sys.executable, "-I", "-S", os.path.abspath(stage.__file__))

logger = logging.getLogger("codex_py.sandbox")


@dataclass(frozen=True, slots=True)
class Program:
    """A command as it would run without a sandbox.

    Attributes:
        argv: The program and its arguments; without a slash it is looked up inside, in its own PATH.
        environment: All its variables; no name is empty or holds `=`.
        cwd: Absolute native path of its working folder.
        arg0: What it sees as its own name.
        tty: Whether it has a terminal, as 0, 1 and 2, which is nobody's controlling one yet.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    arg0: str | None
    tty: bool


@dataclass(frozen=True, slots=True)
class ProcessLaunch:
    """What is executed instead: the first of `argv`, in the working folder of the program.

    Attributes:
        argv: bubblewrap and what it gets.
        environment: Complete; the program's own is not in it.
        descriptors: Open in this process, to be given to bubblewrap as 3, 4, 5 and so on, in this order.
        release: Call it once, when bubblewrap has ended, in a thread: it may wait, five seconds at most. It gives up
            what was made on the disk for this run. Where the block fails, everything is given up already. None: nothing
            was made.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...]
    release: Callable[[], None] | None


class _Run:
    """What one launch holds until its sandbox is empty."""

    def __init__(self, lease: Lease, descriptors: Descriptors) -> None:
        self._departure = Departure()
        self._lease = lease
        self.info = descriptors.add(self._departure.theirs)

    def release(self) -> None:
        """Give up the mount points; as long as something inside lives, they stay, and the next server removes them."""
        is_empty = self._departure.wait(_DEPARTURE_S)
        self._departure.close()
        if is_empty:
            self._lease.end()
        else:
            points = ", ".join(self._lease.points)
            logger.warning("a sandbox is not empty after its end; its mount points stay: %s", points)

    def undo(self) -> None:
        """Give up everything: nothing was started."""
        self._departure.close()
        self._lease.end()


class ProcessSandbox:
    """Confines processes.

    Args:
        environment: The server's variables; bubblewrap gets the allowed ones.
        runtime: What no process may change.
        search: Where bubblewrap is found.
        disk: What plans are made from; replaced in tests.
        register: Who needs which mount point; replaced in tests.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        runtime: Runtime,
        search: BwrapSearch,
        *,
        disk: Disk | None = None,
        register: Register | None = None,
    ) -> None:
        self._environment = helper_environment(environment)
        self._runtime = runtime
        self._search = search
        self._disk = disk or RealDisk()
        self._register = register or Register(register_folder())

    def confines(self, context: said.SandboxContext | None) -> bool:
        """Tell whether a process with this context is to be started by `prepared`, and not plainly. Pure.

        Raises:
            SandboxError: see `policy.decide`; and -32603 where files are not confined but the network is to be.
        """
        if context is None:
            return False
        if way(context, PROCESSES).is_confined:
            decide(context, Host(tmpdir=None), PROCESSES)
            return True
        if not _has_network(context):
            raise UnenforceablePolicy(
                "cannot enforce a restricted network for a process whose files are not restricted: not supported yet; "
                "restrict the files, too (read-only or workspace-write), or enable the network"
            )
        return False

    @contextlib.contextmanager
    def prepared(self, context: said.SandboxContext, program: Program) -> Generator[ProcessLaunch]:
        """Build the launch of a confined program; its descriptors are open inside the `with` block. Asks the disk.

        Args:
            context: One that `confines`.
            program: What is to run inside.

        Raises:
            SandboxError: see `policy.decide`, `search.find`, `planner.make_plan`, `register.lease` and
                `seccomp.instructions`.
        """
        self._register.ensure()
        host = Host(tmpdir=self._temporary(program), cwd=program.cwd)
        policy = decide(context, host, PROCESSES)
        network = _has_network(context)
        filtering = seccomp.packed_for(os.uname().machine, network=network)
        bwrap = self._search.find(policy, PROCESS_OPTIONS)
        with Descriptors() as descriptors, self._laid_out(policy, descriptors) as (plan, roots, run):
            setting = Setting(
                cwd=self._disk.canonical(program.cwd),
                network=network,
                seccomp=descriptors.add_text("seccomp", filtering),
                info=None if run is None else run.info,
            )
            options = process_arguments(plan, setting, descriptors.add_empty_file, roots)
            argv = _arguments(bwrap, options, program, descriptors)
            release = None if run is None else run.release
            yield ProcessLaunch(argv, self._environment, descriptors.numbers_here, release)

    def _temporary(self, program: Program) -> str | None:
        """Return the program's TMPDIR where it may be one: a variable must not choose what can be written.

        That is the server's own TMPDIR, /tmp and /var/tmp, and what lies below them.
        """
        given = program.environment.get("TMPDIR", "")
        if not given.startswith("/"):
            return None
        path = posixpath.normpath(given)
        folders = [folder for folder in (self._environment.get("TMPDIR"), *_TEMPORARY) if folder]
        named = any(covers(posixpath.normpath(folder), path) for folder in folders)
        real = any(covers(self._disk.canonical(folder), self._disk.canonical(path)) for folder in folders)
        return path if named and real else None

    @contextlib.contextmanager
    def _laid_out(
        self, policy: Policy, descriptors: Descriptors
    ) -> Generator[tuple[Plan, dict[str, int], _Run | None]]:
        """Plan, open the writable roots, and make the mount points; those are given up when the block fails."""
        plan, lease, opened = self._leased(policy)
        roots = {path: descriptors.add(descriptor) for path, descriptor in opened.items()}
        if lease is None:
            yield plan, roots, None
            return
        run = _Run(lease, descriptors)
        try:
            yield covered(plan, lease.points), roots, run
        except BaseException:
            run.undo()
            raise

    def _leased(self, policy: Policy) -> tuple[Plan, Lease | None, dict[str, int]]:
        if all(rule.access != "write" for rule in policy.rules):
            return self._plan(policy, self._disk), None, {}  # nothing can come into being
        for _ in range(_ATTEMPTS):
            plan = self._plan(policy, WithoutMountPoints(self._disk, self._register.known()))
            with contextlib.suppress(Changed), contextlib.ExitStack() as opened:
                roots = open_roots(plan, opened)
                lease = self._register.lease(plan)
                opened.pop_all()
                return plan, lease, roots
        raise SandboxError("the sandbox cannot be planned: the folders it is made of keep changing; try again")

    def _plan(self, policy: Policy, disk: Disk) -> Plan:
        try:
            return make_plan(policy, self._runtime, disk, for_process=True)
        except OSError as error:
            raise SandboxError(f"cannot plan the sandbox: {error.filename}: {error.strerror}") from error


def _has_network(context: said.SandboxContext) -> bool:
    return isinstance(context.permissions, said.Disabled) or context.permissions.network == "enabled"


def _arguments(bwrap: Bwrap, options: list[str], program: Program, descriptors: Descriptors) -> tuple[str, ...]:
    """Write bubblewrap's command line: which descriptor has its options, and what it runs inside."""
    inside = program.argv
    setting = variables(program.environment)
    if _needs_stage(program) or len(options) + len(setting) + len(inside) > _MOST_OPTIONS:
        inside = (*_STAGE, str(descriptors.add_text("program", _for_stage(program))))
        setting = []  # the stage brings them; until then none of them has an effect
    if len(options) > _MOST_OPTIONS or len(descriptors.numbers_here) > MOST_DESCRIPTORS:
        raise UnenforceablePolicy(
            f"cannot enforce a policy of this size for a process: it takes {len(options)} options of bubblewrap and "
            f"{len(descriptors.numbers_here)} files, of at most {_MOST_OPTIONS} and {MOST_DESCRIPTORS}; deny folders "
            "instead of the files in them"
        )
    number = descriptors.add_text("options", nul_separated([*options, *setting]))
    # In a file in memory, no variable and no rule shows in the list of processes.
    return (bwrap.path, "--args", str(number), "--", *inside)


def _needs_stage(program: Program) -> bool:
    return program.tty or program.arg0 is not None


def _for_stage(program: Program) -> bytes:
    argv = (program.argv[0] if program.arg0 is None else program.arg0, *program.argv[1:])
    pairs = (f"{name}={value}" for name, value in program.environment.items())
    return nul_separated([stage.TERMINAL if program.tty else "", program.argv[0], str(len(argv)), *argv, *pairs])
