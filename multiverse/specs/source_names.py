"""The names that files and folders give to a dataset without a chosen one."""

from __future__ import annotations

import re
from pathlib import Path

from multiverse.specs.names import make_slug

_MATRIX = re.compile(r"(?P<stem>.+)\.mtx(?P<gz>\.gz)?", re.IGNORECASE)
#: Names of a matrix without a sample's; what stands before them is the sample's.
_PLAIN = re.compile(r"(?:(?P<sample>.*?)[._-]?)?(?:matrix|UniqueAndMult-\w+)", re.IGNORECASE)


def is_matrix_name(name: str) -> bool:
    """Return whether a file's name is one of a Matrix Market file."""
    return _MATRIX.fullmatch(name) is not None


def sample_of_matrix(name: str) -> str:
    """Return the sample that a matrix file is named after, ``GSM1_matrix.mtx.gz`` → ``GSM1``."""
    found = _MATRIX.fullmatch(name)
    stem = found["stem"] if found else name
    plain = _PLAIN.fullmatch(stem)
    return (plain["sample"] or "") if plain else stem


def source_name(path: Path) -> str:
    """Return what a source is called: ``pbmc.h5ad`` → ``pbmc``, ``cells.zarr.zip`` → ``cells``.

    A matrix without the name of a sample is called as its folder.
    """
    path = path.absolute()
    if is_matrix_name(path.name):
        return sample_of_matrix(path.name) or path.parent.name
    name = path.name
    for suffix in (".zip", ".gz"):
        name = name.removesuffix(suffix)
    return Path(name).stem


def slug_of_file(path: Path) -> str:
    """Make a slug from the name of a file or folder: ``My cells.zarr`` → ``my-cells``."""
    return make_slug(source_name(path))
