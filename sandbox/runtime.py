"""Which files this interpreter needs to run the helper, so that every plan can show and protect them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from .plan import Runtime, covers
from .policy import MINIMAL_ROOTS
from .register import register_folder

_ENVIRONMENT_NAMES = frozenset({"pyvenv.cfg", "bin", "lib", "lib64", "include", "share", "CACHEDIR.TAG"})


def this_runtime(package: str, bundled_bwrap: str | None, *further: str) -> Runtime:
    """Collect the runtime of the running interpreter.

    Args:
        package: Folder of the `codex_py` package.
        bundled_bwrap: The bundled bwrap, which must not be writable in a sandbox it might build next.
        further: What a helper command of another kind needs besides.
    """
    library = f"{sys.platlibdir}/python{sys.version_info.major}.{sys.version_info.minor}"
    existing = [
        sys.executable,
        os.path.dirname(os.__file__),
        os.path.join(sys.base_exec_prefix, library),
        *_environment_paths(),
        *_package_paths(package),
        *_mapped_libraries(),
        *further,
    ]
    if bundled_bwrap is not None:
        existing.append(os.path.dirname(bundled_bwrap))
    paths = [*_import_paths(), *(path for path in existing if os.path.exists(path))]
    return Runtime(tuple(_without_nested(paths)), MINIMAL_ROOTS, (register_folder(),))


def _without_nested(paths: list[str]) -> list[str]:
    """Leave out what another path covers, reached through no link: each one costs time in every plan."""
    distinct = dict.fromkeys(paths)
    return [path for path in distinct if os.path.realpath(path) != path or not _is_nested(path, distinct)]


def _is_nested(path: str, among: Iterable[str]) -> bool:
    return any(covers(other, path) for other in among if other != path)


def _import_paths() -> list[str]:
    """Return where this interpreter imports from, also what does not exist (yet), such as `python311.zip`.

    What a program inside could put there would run outside, when the next server starts. The first entry is left out
    (it is the folder of the script, or the working folder), and so is what the user has chosen by PYTHONPATH.
    """
    chosen = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    first = 0 if sys.flags.safe_path else 1
    return [entry for entry in sys.path[first:] if os.path.isabs(entry) and entry not in chosen]


def _environment_paths() -> list[str]:
    """Return the virtual environment, or, where its folder holds other things, too, the parts that are its own."""
    if sys.prefix == sys.base_prefix:
        return []
    names = {name for name in os.listdir(sys.prefix) if not name.startswith(".")}
    if names <= _ENVIRONMENT_NAMES:
        return [sys.prefix]
    return [os.path.join(sys.prefix, name) for name in sorted(_ENVIRONMENT_NAMES)]


def _package_paths(package: str) -> list[str]:
    # In an editable installation each layer is a link to a folder elsewhere.
    layers = sorted(entry.path for entry in os.scandir(package) if entry.is_dir())
    return [package, *(os.path.realpath(layer) for layer in layers if os.path.islink(layer))]


def _mapped_libraries() -> list[str]:
    """Return the shared libraries this process runs on: libpython and what it was linked with."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        fields = [line.rstrip("\n").split(maxsplit=5) for line in maps]
    return [field[5] for field in fields if len(field) == 6 and "x" in field[1] and field[5].startswith("/")]
