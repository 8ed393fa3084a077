"""Download the reference with `npm pack` into a directory, unless it is there, and print the path of its binary."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

PACKAGE = "@openai/codex@0.169.0-linux-x64"
BINARY = Path("package/vendor/x86_64-unknown-linux-musl/bin/codex")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m peer.fetch_reference DIRECTORY\n")
        return 2
    directory = Path(arguments[0]).expanduser().resolve()
    (directory / "home").mkdir(parents=True, exist_ok=True)
    if not (directory / BINARY).is_file() and (problem := fetch(directory)):
        sys.stderr.write(f"peer: {problem}\n")
        return 1
    sys.stdout.write(f"{directory / BINARY}\n")
    return 0


def fetch(directory: Path) -> str:
    """Give what went wrong, or nothing."""
    try:
        done = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=directory, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return f"npm is not installed; install it, or unpack {PACKAGE} into {directory} yourself"
    if done.returncode != 0:
        return f"npm pack {PACKAGE} failed: {done.stderr.strip()}"
    archive = directory / done.stdout.strip().splitlines()[-1]
    with tarfile.open(archive) as tar:
        tar.extractall(directory, filter="data")
    archive.unlink()
    return "" if (directory / BINARY).is_file() else f"{PACKAGE} holds no {BINARY}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
