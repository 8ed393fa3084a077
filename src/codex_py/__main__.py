"""`codex-py`, also as `python -m codex_py` and as the path of this file.

A helper is sent straight to its room: importing Click costs 30 ms. The exec-server starts its helpers by the path of
this file, with `-I -S`, so that nothing but the standard library and this package can be imported.
"""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; return the exit status."""
    match sys.argv[1:]:
        case ["fs-helper"] | ["fs-helper", "--guard", *_]:
            from codex_py.helper.main import main as helper

            return helper(sys.argv[2:])
        case _:
            from codex_py.cli.main import main as command_line

            return command_line()


if __name__ == "__main__":
    if not __package__:
        # Last, so that no file beside the package stands before the standard library.
        sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.exit(main())
