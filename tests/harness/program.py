"""A program of the tests that is both the exec-server and its fs-helper, without the installed command.

    python program.py exec-server ws://127.0.0.1:0     serves, and starts itself as the helper
    python program.py fs-helper [--guard JSON]         the helper

It finds the checkout by its own place, so nothing has to be installed for it but the dependencies.
"""

from __future__ import annotations

import os
import signal
import sys

HERE = os.path.abspath(__file__)
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "src")


def main(arguments: list[str]) -> int:
    """Be the one or the other."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever the tests were started by
    sys.path.insert(0, SOURCE)
    match arguments:
        case ["exec-server", url]:
            return _exec_server(url)
        case ["fs-helper", *rest]:
            from codex_py.helper.main import main as helper

            return helper(rest)
    raise SystemExit(f"{HERE}: expected `exec-server URL` or `fs-helper`, got {arguments}")


def _exec_server(url: str) -> int:
    import logging

    from codex_py.cli.assemble import build_helpers, build_machine
    from codex_py.cli.exec_server import serve, working_folder
    from codex_py.cli.listen_url import parse
    from codex_py.server.listener import Listener

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    variables = dict(os.environ)
    helpers = build_helpers(
        variables,
        timeout_s=float(os.environ.get("HARNESS_HELPER_TIMEOUT_S", "60")),
        command=(sys.executable, "-I", "-S", HERE, "fs-helper"),
        command_files=(HERE,),
    )
    machine = build_machine(
        variables,
        working_folder(),
        helpers,
        spool_folder=os.environ.get("HARNESS_SPOOL_DIR"),
        output_budget=int(os.environ.get("HARNESS_OUTPUT_BUDGET_BYTES", str(64 << 20))),
    )
    listener = Listener(
        machine.environment,
        concurrent_requests=int(os.environ.get("HARNESS_CONCURRENT_REQUESTS", "64")),
        session_ttl_s=float(os.environ.get("HARNESS_SESSION_TTL_S", "80")),
        process_retention_s=float(os.environ.get("HARNESS_PROCESS_RETENTION_S", "80")),
    )
    return serve(parse(url), listener, machine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
