"""Start codex-py. The helper goes straight to its own code: what the command line needs would double its start."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program and give its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["fs-helper"] and (len(arguments) == 1 or (arguments[1] == "--guard" and len(arguments) <= 3)):
        from .helper.main import main as helper_main

        return helper_main(arguments[1:])
    from .cli.main import main as cli_main

    return cli_main()


if __name__ == "__main__":
    sys.exit(main())
