"""The files of multiverse that run beside a model: contract, worker and the model itself.

Nothing of the host's side is among them, so that editing the runner changes neither an image nor
the identity of a run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import multiverse
from multiverse.contract.files import file_sha256
from multiverse.images.settle import time_of_file
from multiverse.images.sources import read_text, source_files
from multiverse.specs.model import ModelSpec

PACKAGE = Path(multiverse.__file__).parent

#: By this label an image that was built here tells whether its sources have changed since.
SOURCES_LABEL = "multiverse.sources"
#: By this label it tells of which model it is.
MODEL_LABEL = "multiverse.model"

#: What every model gets, relative to the package.
SDK_PARTS = ("__init__.py", "errors.py", "py.typed", "contract", "worker", "models/__init__.py")


def sdk_files(model: ModelSpec | None) -> Mapping[PurePosixPath, Path]:
    """Return path below the SDK's root → source file, sorted by path.

    A model from anywhere lands in ``multiverse/models/<slug>/``, so that
    ``python -m multiverse.models.<slug>`` runs it. ``None``: the SDK without any model.
    Raises :class:`BuildError` as :func:`source_files` does.
    """
    files: dict[PurePosixPath, Path] = {}
    root = PurePosixPath("multiverse")
    for part in SDK_PARTS:
        source = PACKAGE / part
        found = source_files(source, ours=True) if source.is_dir() else {PurePosixPath(): source}
        files.update({root / part / relative: file for relative, file in found.items()})
    if model is not None:
        place = root / model.place
        found = source_files(model.folder, ours=model.built_in)
        files.update({place / relative: file for relative, file in found.items()})
    return dict(sorted(files.items()))


def sources_hash(model: ModelSpec) -> str:
    """Return the SHA-256 (hex) of an image's sources: the files that run, and the Dockerfile.

    A locked environment knows no Dockerfile, so that :func:`sdk_files` leaves it out.
    """
    files = dict(sdk_files(model))
    if os.path.lexists(model.dockerfile):
        read_text(model.dockerfile)  # what it is, and its size, before it is hashed
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
        stamp = time_of_file(target)
        os.utime(target, (stamp, stamp))
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
