"""`codex-py exec-server`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys

import click
import uvloop

from ..local.output_log import OUTPUT_BUDGET_BYTES
from ..rpc.connection import CONCURRENT_REQUESTS
from ..sandbox.helpers import HELPER_TIMEOUT_S
from ..server.listener import Address, Listener
from ..server.process_table import RETENTION_S
from ..server.sessions import SESSION_TTL_S
from . import listen_url
from .assemble import Machine, build_helpers, build_machine

_DAY_S = 86_400.0
_MIB = 1024 * 1024
# A client that does not read holds its connection open; after this it is cut off.
_CLOSE_LIMIT_S = 3.0


def _address(ctx: click.Context, param: click.Parameter, value: str) -> Address:
    try:
        return listen_url.parse(value)
    except listen_url.ListenUrlError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _number(ctx: click.Context, param: click.Parameter, value: float) -> float:
    if math.isnan(value):  # it is in no range, and out of none
        raise click.BadParameter("nan is not a number of seconds", ctx, param)
    return value


def _spool_folder(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a folder that takes no files (/proc, a full disk), rather than lose output there later."""
    if value is not None:
        import tempfile  # 6 ms that a start without the option need not wait

        try:
            tempfile.TemporaryFile(dir=value).close()
        except OSError as error:
            raise click.BadParameter(f"no file can be made in {value}: {error.strerror}", ctx, param) from None
    return value


@click.command("exec-server")
@click.option(
    "--listen",
    metavar="ws://IP:PORT",
    callback=_address,
    default=listen_url.DEFAULT,
    show_default=True,
    help="Where to listen, on loopback only so far; with port 0 the system chooses one.",
)
@click.option(
    "--concurrent-requests",
    type=click.IntRange(min=1),
    default=CONCURRENT_REQUESTS,
    show_default=True,
    help="Requests of one connection that run at once: at most so many ordinary ones, and as many control requests "
    "(environment/*, signal, terminate); start, read and write of processes do not count. Further ones wait.",
)
@click.option(
    "--session-ttl",
    type=click.FloatRange(min=0, min_open=True, max=365 * _DAY_S),
    callback=_number,
    default=SESSION_TTL_S,
    show_default=True,
    metavar="SECONDS",
    help="How long a session without a connection can be resumed; after that it is gone and its processes are killed.",
)
@click.option(
    "--process-retention",
    type=click.FloatRange(min=0, min_open=True, max=365 * _DAY_S),
    callback=_number,
    default=RETENTION_S,
    show_default=True,
    metavar="SECONDS",
    help="How long output and exit code of a process that has ended can be read.",
)
@click.option(
    "--output-budget",
    type=click.IntRange(min=1, max=1_048_576),
    default=OUTPUT_BUDGET_BYTES // _MIB,
    show_default=True,
    metavar="MIB",
    help="Output of each process that is kept; beyond it the oldest goes.",
)
@click.option(
    "--spool-dir",
    type=click.Path(exists=True, file_okay=False, writable=True),
    callback=_spool_folder,
    metavar="DIR",
    help="Where output is kept that does not stay in memory, in files without a name.  [default: /var/tmp, or the "
    "system's temporary folder]",
)
@click.option(
    "--helper-timeout",
    type=click.FloatRange(min=0, min_open=True, max=_DAY_S),
    callback=_number,
    default=HELPER_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="A sandboxed operation that takes longer is ended.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    help="What is written to stderr.",
)
def command(
    listen: Address,
    concurrent_requests: int,
    session_ttl: float,
    process_retention: float,
    output_budget: int,
    spool_dir: str | None,
    helper_timeout: float,
    log_level: str,
) -> None:
    """Offer this machine's files and processes to clients.

    Prints its URL as the only line on stdout, and logs to stderr. SIGTERM and SIGINT close all connections and end
    everything it started; the exit status is then 0. 1: the address cannot be bound. 2: wrong usage.
    """
    _fill_standard_descriptors()
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # The library's own account of handshakes that failed is of interest only when debugging.
    logging.getLogger("websockets").setLevel(log_level.upper() if log_level == "debug" else logging.CRITICAL)
    variables = dict(os.environ)
    machine = build_machine(
        variables,
        working_folder(),
        build_helpers(variables, timeout_s=helper_timeout),
        spool_folder=spool_dir,
        output_budget=output_budget * _MIB,
    )
    listener = Listener(
        machine.environment,
        concurrent_requests=concurrent_requests,
        session_ttl_s=session_ttl,
        process_retention_s=process_retention,
    )
    sys.exit(serve(listen, listener, machine))


def serve(address: Address, listener: Listener, machine: Machine) -> int:
    """Offer a machine until a signal comes; return the exit status."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(listener, address, machine))
    finally:
        machine.close()


async def _run(listener: Listener, address: Address, machine: Machine) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        bound = await listener.start(address)
    except OSError as error:
        click.echo(f"Error: cannot listen on {address.url()}: {error.strerror or error}", err=True)
        return 1
    try:
        click.echo(bound.url())
        await stop.wait()
    except OSError as error:
        click.echo(f"Error: cannot print the URL: {error.strerror}", err=True)
        return 1
    finally:
        machine.helpers.close()  # first: a connection's close waits for what runs for it
        with contextlib.suppress(TimeoutError):  # the runner then cancels what is left
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await listener.close()
    return 0


def _fill_standard_descriptors() -> None:
    """Open what of stdin, stdout and stderr was closed: uvloop takes the numbers for its own, and dies of that."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def working_folder() -> str | None:
    """Return the working folder, unless it no longer exists."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
