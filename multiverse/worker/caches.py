"""Writable places for libraries that insist on one, filled with what the image has compiled.

A container has a read-only root and no home. numba then refuses to import umap at all, and
matplotlib complains. Compiled code that was baked into the image (``MULTIVERSE_NUMBA_CACHE``)
is copied to where numba may also write, because numba opens its index for writing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, MutableMapping
from pathlib import Path

BAKED_VARIABLE = "MULTIVERSE_NUMBA_CACHE"
#: The part of a baked cache that belongs to matplotlib: its list of fonts.
FONTS = "matplotlib"


@contextlib.contextmanager
def writable_caches(environment: MutableMapping[str, str] | None = None) -> Iterator[None]:
    """Set ``NUMBA_CACHE_DIR``, ``MPLCONFIGDIR`` and ``HOME`` to usable places for a while.

    Must be entered before numba or matplotlib are imported. A variable that already names a
    writable folder is left alone. What was made is removed at the end.
    """
    variables = os.environ if environment is None else environment
    scratch = Path(tempfile.mkdtemp(prefix="multiverse-"))
    changes = _choose(variables, scratch)
    before = {name: variables.get(name) for name in changes}
    variables.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = value
        shutil.rmtree(scratch, ignore_errors=True)


def _choose(variables: MutableMapping[str, str], scratch: Path) -> dict[str, str]:
    changes: dict[str, str] = {}
    numba = scratch / "numba"
    _copy_baked(variables.get(BAKED_VARIABLE), numba)
    if not _names_writable(variables, "NUMBA_CACHE_DIR") and (
        numba.is_dir() or not _packages_writable()
    ):
        # Where packages are writable numba keeps its cache beside them, for the next job too.
        numba.mkdir(exist_ok=True)
        changes["NUMBA_CACHE_DIR"] = str(numba)
    if not _names_writable(variables, "HOME"):
        changes["HOME"] = str(scratch)
    if not _names_writable(variables, "MPLCONFIGDIR"):
        fonts = numba / FONTS
        fonts.mkdir(parents=True, exist_ok=True)
        changes["MPLCONFIGDIR"] = str(fonts)
    return changes


def _copy_baked(baked: str | None, target: Path) -> None:
    """Copy a baked cache; a broken or absent one costs time, never the run."""
    if baked and Path(baked).is_dir():
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(baked, target, copy_function=shutil.copyfile)
            for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
                folder.chmod(0o700)


def _names_writable(variables: MutableMapping[str, str], name: str) -> bool:
    value = variables.get(name)
    if not value:
        return False
    folder = Path(value)
    with contextlib.suppress(OSError):
        if name != "HOME":
            folder.mkdir(parents=True, exist_ok=True)
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _packages_writable() -> bool:
    return os.access(sysconfig.get_path("purelib"), os.W_OK)
