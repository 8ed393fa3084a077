"""A program of the tests that is both the exec-server and its fs-helper, without the installed command.

    python program.py exec-server ws://127.0.0.1:0     serves, and starts itself as the helper
    python program.py fs-helper [--guard JSON]         the helper

It finds the checkout by its own place, so nothing has to be installed for it but the dependencies.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.abspath(__file__)
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "src")


def main(arguments: list[str]) -> int:
    """Be the one or the other."""
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

    from codex_py.cli.assemble import build_helpers
    from codex_py.cli.exec_server import serve
    from codex_py.cli.listen_url import parse

    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    helpers = build_helpers(
        dict(os.environ),
        timeout_s=float(os.environ.get("HARNESS_HELPER_TIMEOUT_S", "60")),
        command=(sys.executable, "-I", "-S", HERE, "fs-helper"),
        command_files=(HERE,),
    )
    return serve(parse(url), helpers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
