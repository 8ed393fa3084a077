"""What the helper loads: its start is what a cold sandboxed operation costs, so every module counts."""

from __future__ import annotations

import subprocess
import sys

REQUEST = b'{"operation":"fs/getMetadata","params":{"path":"file:///"}}'

OURS = {
    "codex_py",
    "codex_py.helper",
    "codex_py.helper.decoding",
    "codex_py.helper.guarding",
    "codex_py.helper.main",
    "codex_py.helper.operations",
    "codex_py.helper.replies",
    "codex_py.local",
    "codex_py.local.descent",
    "codex_py.local.direct",
    "codex_py.local.direct_copy",
    "codex_py.local.direct_directory",
    "codex_py.local.direct_remove",
    "codex_py.local.direct_walk",
    "codex_py.local.guard",
    "codex_py.local.listing",
    "codex_py.local.opening",
    "codex_py.protocol",
    "codex_py.protocol.base64_text",
    "codex_py.protocol.errors",
    "codex_py.protocol.path_uri",
    "codex_py.protocol.uri_syntax",
}
FROM_THE_LIBRARY = {"__future__", "_json", "binascii", "errno"}


def loaded(*command: str, request: bytes = b"") -> set[str]:
    """The modules that a run of the interpreter imports."""
    done = subprocess.run(
        [sys.executable, "-I", "-X", "importtime", *command], input=request, capture_output=True, check=True
    )
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


def test_the_helper_loads_these_modules_and_no_others() -> None:
    code = "import sys; sys.argv[1:] = ['fs-helper']; from codex_py.__main__ import main; main()"
    extra = loaded("-c", code, request=REQUEST) - loaded("-c", "pass")
    assert extra == OURS | FROM_THE_LIBRARY | {"codex_py.__main__"}


def test_starting_it_as_a_module_adds_no_more_than_runpy_needs() -> None:
    extra = loaded("-m", "codex_py", "fs-helper", request=REQUEST) - loaded("-c", "import runpy")
    assert extra == OURS | FROM_THE_LIBRARY


def test_a_birth_time_is_what_loads_ctypes() -> None:
    request = b'{"operation":"fs/getMetadata","params":{"path":"file:///","followSymlinks":false}}'
    extra = loaded("-m", "codex_py", "fs-helper", request=request)
    assert {"codex_py.local.birth_time", "ctypes"} <= extra
