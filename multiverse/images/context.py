"""What a build is given: a folder laid out like the repository, with only what an image needs.

A build from an installed package and one from a clone see the same files, and a Dockerfile can
also be built by hand from the root of the repository:
``docker build -f multiverse/models/pca/Dockerfile .``
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from multiverse.images.sdk import PACKAGE, copy_files, is_built_in, sdk_files
from multiverse.specs.model import ModelSpec

#: Files that builds use and images don't keep, relative to the package.
BUILD_FILES = (
    "images/install-environment.sh",
    "images/settle.py",
    "images/base/Dockerfile",
    "images/sdk/Dockerfile",
    "models/common.txt",
)


@dataclass(frozen=True)
class BuildContext:
    """The two places that ``docker build`` needs."""

    folder: Path
    dockerfile: Path


@contextmanager
def staged(model: ModelSpec | None, *, part: str = "base") -> Iterator[BuildContext]:
    """The context of a model, or of the ``base`` or ``sdk`` image when there is no model.

    A model outside the package is built from its own folder, which is not copied.
    """
    if model is not None and not is_built_in(model):
        yield BuildContext(model.folder, model.dockerfile)
        return
    files = dict(sdk_files(model))
    for name in BUILD_FILES:
        files[PurePosixPath("multiverse", name)] = PACKAGE / name
    dockerfile = PurePosixPath("multiverse/images", part, "Dockerfile")
    if model is not None:
        dockerfile = PurePosixPath("multiverse/models", model.name, "Dockerfile")
        files[dockerfile] = model.dockerfile
    with tempfile.TemporaryDirectory(prefix="multiverse-build-") as scratch:
        folder = Path(scratch)
        copy_files(files, folder)
        yield BuildContext(folder, folder / dockerfile)
