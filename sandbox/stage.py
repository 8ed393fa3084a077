"""The last step before some sandboxed programs: it runs inside, takes the terminal, and becomes the program.

Needed where bubblewrap cannot do it: a terminal must be the controlling one of a session that the program leads (with
bubblewrap in it, ^C would end bubblewrap and with it everything), a program may want another name than its file's
(older bubblewraps have no --argv0), and bubblewrap takes 9,000 arguments, the environment among them.

Run as `python -I -S stage.py N`: N is a descriptor with NUL-separated bytes: `terminal` or nothing, the program, the
count of its arguments, these, its variables. It imports what every interpreter has loaded anyway, or nearly so.

Exit status: 127 the program was not found, 126 it cannot be executed.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal  # what `signal` is made of, without its enums: 4 ms less

TERMINAL = "terminal"
NOT_FOUND = 127
NOT_EXECUTABLE = 126

_DEFAULT_PATH = b"/bin:/usr/bin"  # the C library's own, where PATH is not set


def execute(program: bytes, argv: list[bytes], environment: dict[bytes, bytes]) -> NoReturn:
    """Become a program, looked up in its own PATH if its name has no slash.

    Raises:
        OSError: it cannot be executed.
    """
    if b"/" in program:
        os.execve(program, argv, environment)  # noqa: S606 - what the stage is for
    failure: OSError = FileNotFoundError(2, os.strerror(2))
    for folder in environment.get(b"PATH", _DEFAULT_PATH).split(b":"):
        try:
            os.execve((folder or b".") + b"/" + program, argv, environment)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = error
    raise failure


def main() -> int:
    """Become the program that the descriptor names."""
    for number in (_signal.SIGINT, _signal.SIGPIPE, _signal.SIGXFSZ):  # the interpreter has changed these
        _signal.signal(number, _signal.SIG_DFL)
    with open(int(sys.argv[1]), "rb") as given:
        terminal, program, count, *rest = given.read().split(b"\0")[:-1]
    argv, variables = rest[: int(count)], rest[int(count) :]
    # bubblewrap tells the working folder; nothing else of the environment it gave is the program's.
    environment = {b"PWD": os.environb[b"PWD"]} if b"PWD" in os.environb else {}
    environment = dict(variable.split(b"=", 1) for variable in variables) | environment
    try:
        if terminal.decode() == TERMINAL:
            os.login_tty(0)  # a session of its own, and stdin's terminal as the controlling one
        execute(program, argv, environment)
    except OSError as error:
        os.write(2, program + b": " + os.strerror(error.errno or 0).encode() + b"\n")
        return NOT_FOUND if isinstance(error, (FileNotFoundError, NotADirectoryError)) else NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main())
