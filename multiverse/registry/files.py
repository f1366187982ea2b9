"""The files of a dataset: one of any modalities, or one for each modality."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from multiverse.errors import UsageError
from multiverse.registry.modalities import known_modality
from multiverse.specs.dataset import MODALITIES
from multiverse.specs.names import make_slug
from multiverse.specs.source_names import slug_of_file, source_name

T = TypeVar("T")
#: A source: one file of any modalities, or modality → the file that holds it.
Files = Path | Mapping[str, Path]


def check_files(files: Path | Mapping[str, object]) -> None:
    """Raise :class:`UsageError` where a file is named for what is no modality of models.

    Among the files may be objects in memory.
    """
    if isinstance(files, Path):
        return
    if not files:
        raise UsageError("No file is named", remedy="Name one a modality: rna=a.h5ad adt=b.h5ad")
    for name, path in files.items():
        if name not in MODALITIES:
            known = known_modality(str(name))
            if not isinstance(path, Path):
                raise UsageError(
                    f"{name!r} is not a modality that models know",
                    remedy=f'Write {{"{known}": ...}}'
                    if known
                    else f'Use one of {", ".join(MODALITIES)}, as in {{"rna": ...}}',
                )
            raise UsageError(
                f"{name!r} is not a modality that models know: {name}={path}",
                remedy=f"Write {known}={path}"
                if known
                else f"Use one of {', '.join(MODALITIES)}, as in rna={path}",
            )


def slug_of(files: Files) -> str:
    """Return the slug of files that were given none: the words that all of their names begin with.

    Where there are none: all names, one after the other.
    """
    if isinstance(files, Path):
        return slug_of_file(files)
    stems = [source_name(path) for path in files.values()]
    words = [re.findall(r"[^\W_]+", stem) for stem in stems]
    alike = takewhile(lambda found: len({*found}) == 1, zip(*words, strict=False))
    return make_slug("_".join(found[0] for found in alike) or "-".join(stems))


def name_of(files: Files) -> str:
    """Return the names of the files without their folders, each with its modality."""
    if isinstance(files, Path):
        return files.name
    return ", ".join(f"{modality}={path.name}" for modality, path in in_order(files))


def joint_sha256(hashes: Mapping[str, str]) -> str:
    """Return the hash of several files: of each modality with the hash of its file."""
    return hashlib.sha256(json.dumps(dict(hashes), sort_keys=True).encode()).hexdigest()


def in_order(given: Mapping[str, T]) -> list[tuple[str, T]]:
    """Return what is given for modalities in their canonical order."""
    return sorted(given.items(), key=lambda item: MODALITIES.index(item[0]))
