"""Several files, one a modality, as one layout: cells joined by name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.files import in_order
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import WHOLE, Layout, SourceModality, UnnamedKind
from multiverse.registry.modalities import known_modality
from multiverse.registry.options import RegistrationOptions

#: Reads the tables of one file: :func:`multiverse.registry.formats.read_layout`.
Reader = Callable[[Hdf5, RegistrationOptions], Layout]


def read_files(sources: Mapping[str, Hdf5], options: RegistrationOptions, read: Reader) -> Layout:
    """Read of each file the modality that it is named for, and join them.

    Raises :class:`DatasetError` where a file does not hold what it is named for.
    """
    parts, notes = [], []
    for modality, source in in_order(sources):
        layout = _read(source, modality, options, read)
        (part,) = [found for found in layout.parts if found.modality == modality]
        others = [found.modality for found in layout.parts if found is not part]
        notes += [f"{source.path.name}: {note}" for note in layout.notes]
        if others:
            notes.append(
                f"{source.path.name}: {', '.join(others)} left out, as the file is named for "
                f"{modality}"
            )
        parts.append(replace(part, old_name=modality))
    cells = pd.Index(dict.fromkeys(name for part in parts for name in part.obs.index), dtype=object)
    notes += _shared(parts)
    return Layout(pd.DataFrame(index=cells), tuple(parts), tuple(notes))


def _read(source: Hdf5, modality: str, options: RegistrationOptions, read: Reader) -> Layout:
    """Read the tables of a file that holds ``modality``, perhaps among others."""
    names = {old: new for old, new in options.modality_names.items() if new == modality}
    try:
        layout = read(source, replace(options, modality_names=names))
    except UnnamedKind as error:
        if error.modality == modality:
            return read(source, replace(options, modality_names={WHOLE: modality}))
        path = shlex.quote(f"{error.modality}={source.path}")
        raise DatasetError(
            f"{error}, but the file is named for {modality}",
            remedy=f"Name it for what it holds: --input {path} (or, if its features are "
            f"{modality}: --modality {WHOLE}={modality})",
        ) from error
    if not names and [part.old_name for part in layout.parts] == [WHOLE]:
        return read(source, replace(options, modality_names={WHOLE: modality}))
    if not any(part.modality == modality for part in layout.parts):
        unknown = [old for old in layout.left_out if old and known_modality(old) is None]
        ways = " or ".join(
            f"{old!r} is {modality}: --modality {shlex.quote(f'{old}={modality}')}"
            for old in unknown or [layout.parts[0].old_name]
        )
        raise DatasetError(
            f"{source.path} holds {', '.join(part.modality for part in layout.parts)}, and not "
            f"{modality}, for which it is named",
            remedy=f"If what it calls {ways}",
        )
    return layout


def _shared(parts: list[SourceModality]) -> Iterator[str]:
    """Yield for each pair of files how many cells they share."""
    for one, other in combinations(parts, 2):
        shared = int(one.obs.index.isin(other.obs.index).sum())
        yield (
            f"{one.modality} and {other.modality} share {shared:,} of {len(one.obs):,} and "
            f"{len(other.obs):,} cells"
        )
