"""Mosaic data: cells that were not measured in every modality, as masks over all cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from multiverse.errors import DatasetError, NotApplicable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Mask = NDArray[np.bool_]


def measured_cells(names: pd.Index, cells: pd.Index, modality: str) -> Mask:
    """Return a mask of the dataset's ``cells`` that a modality with ``names`` has, (n_cells,).

    Raises :class:`DatasetError` for a cell that the dataset does not have, or that comes twice.
    """
    if not (cells.is_unique and names.is_unique):
        raise DatasetError(f"modality {modality}, or the dataset, names a cell more than once")
    strangers = len(names) - int(names.isin(cells).sum())
    if strangers:
        raise DatasetError(
            f"modality {modality} does not have the same cells as the dataset: {strangers:,} of "
            f"its {len(names):,} are not there"
        )
    mask: Mask = cells.isin(names)
    return mask


def check_mosaic(measured: Mapping[str, Mask], *, allowed: bool) -> None:
    """Raise :class:`NotApplicable` for cells that can't be used.

    Without a mosaic ``allowed`` these are the cells that lack a modality, with one those that have
    none. ``measured`` maps each modality to (n_cells,).
    """
    import numpy as np

    if all(mask.all() for mask in measured.values()):
        return
    n_cells = len(next(iter(measured.values())))
    if not allowed:
        lacking = ", ".join(
            f"{int((~mask).sum()):,} of {n_cells:,} cells lack {name}"
            for name, mask in measured.items()
            if not mask.all()
        )
        raise NotApplicable(f"{lacking}, and every modality is needed in every cell")
    nowhere = int((~np.logical_or.reduce([*measured.values()])).sum())
    if nowhere:
        raise NotApplicable(f"{nowhere:,} of {n_cells:,} cells have no {' or '.join(measured)}")


def spread_rows(counts: csr_matrix, measured: Mask) -> csr_matrix:
    """Return rows of the measured cells as rows of all, (n_cells, n_features); others empty."""
    import numpy as np
    from scipy.sparse import csr_matrix

    lengths = np.zeros(len(measured), dtype=counts.indptr.dtype)
    lengths[measured] = np.diff(counts.indptr)
    pointer = np.concatenate([[0], lengths.cumsum()]).astype(counts.indptr.dtype)
    shape = (len(measured), counts.shape[1])
    return csr_matrix((counts.data, counts.indices, pointer), shape=shape)
