"""Which files this interpreter needs to run the helper, so that every plan can show and protect them."""

from __future__ import annotations

import os
import sys

from .plan import Runtime
from .policy import MINIMAL_ROOTS


def this_runtime(package: str, bundled_bwrap: str | None, *further: str) -> Runtime:
    """Collect the runtime of the running interpreter.

    Args:
        package: Folder of the `codex_py` package.
        bundled_bwrap: The bundled bwrap, which must not be writable in a sandbox it might build next.
        further: What a helper command of another kind needs besides.
    """
    library = f"{sys.platlibdir}/python{sys.version_info.major}.{sys.version_info.minor}"
    wanted = [
        sys.executable,
        os.path.dirname(os.__file__),
        os.path.join(sys.base_exec_prefix, library),
        *_environment_paths(),
        *_package_paths(package),
        *_mapped_libraries(),
        *further,
    ]
    if bundled_bwrap is not None:
        wanted.append(os.path.dirname(bundled_bwrap))
    existing = [path for path in dict.fromkeys(wanted) if os.path.exists(path)]
    return Runtime(tuple(existing), MINIMAL_ROOTS)


def _environment_paths() -> list[str]:
    """Return the parts of a virtual environment; not the folder itself, which may be the project's."""
    if sys.prefix == sys.base_prefix:
        return []
    return [os.path.join(sys.prefix, name) for name in ("pyvenv.cfg", "bin", "lib", "lib64")]


def _package_paths(package: str) -> list[str]:
    # In an editable installation each layer is a link to a folder elsewhere.
    layers = sorted(entry.path for entry in os.scandir(package) if entry.is_dir())
    return [package, *(os.path.realpath(layer) for layer in layers if os.path.islink(layer))]


def _mapped_libraries() -> list[str]:
    """Return the shared libraries this process runs on: libpython and what it was linked with."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        fields = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    return [field[5] for field in fields if len(field) == 6 and "x" in field[1] and field[5].startswith("/")]
