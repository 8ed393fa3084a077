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

from ..environment.environment import Environment
from ..local.environment import describe
from ..local.filesystem import LocalFileSystem
from ..local.threads import BlockingCalls
from ..rpc.connection import CONCURRENT_REQUESTS
from ..sandbox.helpers import HELPER_TIMEOUT_S, Helpers
from ..server.listener import Address, Listener
from . import listen_url
from .assemble import build_helpers

_DAY_S = 86_400.0
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
    help="Requests of one connection that run at once; further ones wait.",
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
def command(listen: Address, concurrent_requests: int, helper_timeout: float, log_level: str) -> None:
    """Offer this machine's files to clients.

    Prints its URL as the only line on stdout, and logs to stderr. SIGTERM and SIGINT close all connections and end
    everything it started; the exit status is then 0. 1: the address cannot be bound. 2: wrong usage.
    """
    _fill_standard_descriptors()
    logging.basicConfig(
        stream=sys.stderr, level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # The library's own account of handshakes that failed is of interest only when debugging.
    logging.getLogger("websockets").setLevel(log_level.upper() if log_level == "debug" else logging.CRITICAL)
    sys.exit(serve(listen, build_helpers(dict(os.environ), timeout_s=helper_timeout), concurrent_requests))


def serve(address: Address, helpers: Helpers, concurrent_requests: int = CONCURRENT_REQUESTS) -> int:
    """Offer this machine until a signal comes; return the exit status."""
    calls = BlockingCalls()
    environment = Environment(describe(os.environ, _working_folder()), LocalFileSystem(helpers, calls))
    listener = Listener(environment, concurrent_requests=concurrent_requests)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(_run(listener, address, helpers))
    calls.close()
    return status


async def _run(listener: Listener, address: Address, helpers: Helpers) -> int:
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
        helpers.close()  # first: a connection's close waits for what runs for it
        with contextlib.suppress(TimeoutError):  # the runner then cancels what is left
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await listener.close()
    return 0


def _fill_standard_descriptors() -> None:
    """Open what of stdin, stdout and stderr was closed: uvloop takes the numbers for its own, and dies of that."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
