"""The build context: a folder laid out like the repository, with only what an image needs.

A build from an installed package and one from a clone see the same files, and a Dockerfile can
also be built by hand from the root of the repository:
``docker build -f multiverse/models/pca/Dockerfile .``
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from multiverse.images.sdk import PACKAGE, copy_files, sdk_files
from multiverse.images.stacks import Stack
from multiverse.specs.model import ModelSpec

#: What a model's Dockerfile uses and its image doesn't keep, relative to the package.
BUILD_FILES = ("images/install-environment.sh", "images/settle.py")


@dataclass(frozen=True)
class BuildContext:
    """The two places that ``docker build`` needs."""

    folder: Path
    dockerfile: Path


@contextmanager
def staged(model: ModelSpec) -> Iterator[BuildContext]:
    """Stage the context of a model. One outside the package is its own folder, uncopied."""
    if not model.built_in:
        yield BuildContext(model.folder, model.dockerfile)
        return
    dockerfile = model.place / "Dockerfile"
    with _copied(sdk_files(model), [*BUILD_FILES, str(dockerfile)], dockerfile) as context:
        yield context


@contextmanager
def staged_sdk() -> Iterator[BuildContext]:
    """Stage the context of the image that holds the SDK alone."""
    dockerfile = PurePosixPath("images/sdk/Dockerfile")
    with _copied(sdk_files(None), ["images/settle.py", str(dockerfile)], dockerfile) as context:
        yield context


@contextmanager
def staged_stack(stack: Stack) -> Iterator[BuildContext]:
    """Stage the context of a shared stack: its own lock and nothing that changes more often."""
    part = "stack" if stack.parent else "base"
    dockerfile = PurePosixPath("images", part, "Dockerfile")
    names = [*BUILD_FILES, "worker/umap_layout.py", stack.lock, str(dockerfile)]
    with _copied({}, names, dockerfile) as context:
        yield context


@contextmanager
def _copied(
    files: Mapping[PurePosixPath, Path], names: Sequence[str], dockerfile: PurePosixPath
) -> Iterator[BuildContext]:
    """Make a folder with ``files`` and those of the package called ``names``."""
    root = PurePosixPath("multiverse")
    wanted = {**files, **{root / name: PACKAGE / name for name in names}}
    with tempfile.TemporaryDirectory(prefix="multiverse-build-") as scratch:
        folder = Path(scratch)
        copy_files(wanted, folder)
        yield BuildContext(folder, folder / root / dockerfile)
