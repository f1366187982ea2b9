"""``labels.h5ad``: what is known of the cells, kept apart from what models see."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from anndata import AnnData
from anndata.io import write_elem

from multiverse.errors import DatasetError
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.tables import quiet, write_table


def write_labels(path: Path, table: pd.DataFrame) -> None:
    """Write a table of cells × columns as an AnnData file without a matrix.

    Raises :class:`DatasetError` where a column can't be written.
    """
    with quiet(), new_hdf5(path, libver=("v108", "v110")) as (file, _):
        write_elem(file, "/", AnnData(obs=pd.DataFrame(index=table.index)))
        del file["obs"]
        write_table(file, "obs", table, _refuse, compression="gzip")


def _refuse(column: str, why: str) -> None:
    raise DatasetError(
        f"The column {column!r:.80} of obs can't be kept: {why}", remedy="Rename it, or remove it."
    )
