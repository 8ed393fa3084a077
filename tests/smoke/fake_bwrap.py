"""The fake bwrap's log: what was asked of bubblewrap."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BIN = Path(__file__).resolve().parent.parent.parent / "fixtures" / "bin"
LOG_NAME = "fake-bwrap.log"
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Call:
    """One run of the fake."""

    argv: list[str]
    environment: dict[str, str]
    cwd: str

    @property
    def options(self) -> list[str]:
        return self.argv[1 : self.argv.index("--")]

    @property
    def command(self) -> list[str]:
        return self.argv[self.argv.index("--") + 1 :]


def calls(folder: Path) -> list[Call]:
    """Read the log that the fake wrote into TMPDIR, `folder`."""
    lines = [line.split(SEPARATOR) for line in (folder / LOG_NAME).read_text().splitlines()]
    found: list[Call] = []
    for argv, environment, cwd in zip(*[iter(lines)] * 3, strict=True):
        assert (argv[0], environment[0], cwd[0]) == ("argv", "env", "cwd")
        pairs = dict(variable.split("=", 1) for variable in environment[1:] if variable)
        found.append(Call(argv[1:], pairs, cwd[1]))
    return found
