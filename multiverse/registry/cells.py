"""Which cells a dataset has, and where each lies in each modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.frames import check_unique


@dataclass(frozen=True)
class Alignment:
    """The kept cells in the order of the source's own ``obs``, and their rows per modality."""

    cells: pd.Index
    rows: Mapping[str, np.ndarray]
    notes: tuple[str, ...]


def align(everyone: pd.Index, modalities: Mapping[str, pd.Index], *, intersect: bool) -> Alignment:
    """Match the cells of all modalities by name, in the order of ``everyone``.

    Raises :class:`DatasetError` where a name is repeated, where some cells lack a modality
    (unless ``intersect``), and where no cell has all.
    """
    check_unique(everyone, "The file's obs")
    places = {}
    for modality, names in modalities.items():
        check_unique(names, f"The obs of {modality}")
        strangers = len(names) - int(names.isin(everyone).sum())
        if strangers:
            raise DatasetError(
                f"{strangers:,} of the {len(names):,} cells of {modality} are not in the file's "
                "own obs",
                remedy="Open the file with mudata, call .update(), and write it again.",
            )
        places[modality] = names.get_indexer(everyone)
    complete = np.logical_and.reduce([place >= 0 for place in places.values()])
    notes = _judge_unpaired(places, complete, intersect=intersect)
    rows = {modality: place[complete].astype(np.int64) for modality, place in places.items()}
    return Alignment(everyone[complete], rows, notes)


def _judge_unpaired(
    places: Mapping[str, np.ndarray], complete: np.ndarray, *, intersect: bool
) -> tuple[str, ...]:
    if complete.all():
        return ()
    lacking = ", ".join(
        f"{int((place < 0).sum()):,} of {len(place):,} cells have no {modality}"
        for modality, place in places.items()
        if (place < 0).any()
    )
    if not complete.any():
        raise DatasetError(
            f"No cell has all of {', '.join(places)}: {lacking}",
            remedy="Check that the modalities name their cells in the same way.",
        )
    if not intersect:
        raise DatasetError(
            f"The modalities do not have the same cells: {lacking}",
            remedy=f"Keep the {int(complete.sum()):,} cells that have all with --intersect, or "
            "register a file with fewer modalities.",
        )
    kept = f"{int(complete.sum()):,} of {len(complete):,} cells were kept"
    return (f"{kept}, those that have every modality ({lacking})",)
