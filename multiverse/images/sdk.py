"""The files of multiverse that run beside a model: contract, worker and the model itself.

Nothing of the host's side is among them, so that editing the runner changes neither an image nor
the identity of a run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import multiverse
from multiverse.contract.files import file_sha256
from multiverse.errors import BuildError
from multiverse.images.settle import time_of
from multiverse.specs.model import ModelSpec

PACKAGE = Path(multiverse.__file__).parent

#: By this label an image that was built here tells whether its sources have changed since.
SOURCES_LABEL = "multiverse.sources"

#: What every model gets, relative to the package.
SDK_PARTS = ("__init__.py", "errors.py", "py.typed", "contract", "worker", "models/__init__.py")

#: What stands in a model's folder for its author, not for the model.
_SKIPPED_FOLDERS = frozenset({"__pycache__", "tests"})
_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo", ".in"})
_SKIPPED_FILES = frozenset({"Dockerfile", "README.md"})


def sdk_files(model: ModelSpec | None) -> Mapping[PurePosixPath, Path]:
    """Return path below the SDK's root → source file, sorted by path.

    A model from anywhere lands in ``multiverse/models/<slug>/``, so that
    ``python -m multiverse.models.<slug>`` runs it. ``None``: the SDK without any model.
    Raises :class:`BuildError` for a link to nothing, a socket and the like.
    """
    files: dict[PurePosixPath, Path] = {}
    root = PurePosixPath("multiverse")
    for part in SDK_PARTS:
        source = PACKAGE / part
        found = _files_below(source) if source.is_dir() else iter([PurePosixPath()])
        files.update({root / part / relative: source / relative for relative in found})
    if model is not None:
        place = root / model.place
        for relative in _files_below(model.folder):
            files[place / relative] = model.folder / relative
    return dict(sorted(files.items()))


def sources_hash(model: ModelSpec) -> str:
    """Return the SHA-256 (hex) of an image's sources: the files that run, and the Dockerfile.

    A locked environment knows no Dockerfile, so that :func:`sdk_files` leaves it out.
    """
    files = dict(sdk_files(model))
    if model.dockerfile.is_file():
        files[PurePosixPath("multiverse") / model.place / "Dockerfile"] = model.dockerfile
    return content_hash(files)


def content_hash(files: Mapping[PurePosixPath, Path]) -> str:
    """Return the SHA-256 (hex) of names and contents; file times and modes don't count."""
    total = hashlib.sha256()
    for name, source in sorted(files.items()):
        content = file_sha256(source)
        total.update(f"{name.as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def copy_files(files: Mapping[PurePosixPath, Path], folder: Path) -> None:
    """Copy into ``folder``: readable for all, with times that follow from the contents."""
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o644)
        stamp = time_of(source.read_bytes())
        os.utime(target, (stamp, stamp))
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def is_built_in(model: ModelSpec) -> bool:
    """Return whether the model's folder lies inside the installed package."""
    return model.folder.resolve().is_relative_to(PACKAGE.resolve())


def _files_below(folder: Path) -> Iterator[PurePosixPath]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith(".")
        )
        for name in sorted(names):
            if (
                name.startswith(".")
                or name in _SKIPPED_FILES
                or Path(name).suffix in _SKIPPED_SUFFIXES
            ):
                continue
            if not Path(path, name).is_file():
                raise BuildError(
                    f"{Path(path, name)} is no regular file (a link to nothing, or a device)",
                    remedy="remove it, or put a file in its place",
                )
            yield PurePosixPath(Path(path, name).relative_to(folder).as_posix())
