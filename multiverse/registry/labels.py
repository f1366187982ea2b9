"""``labels.h5ad``: what is known of the cells, kept apart from what models see."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from anndata import AnnData
from anndata.io import write_elem

from multiverse.registry.frames import as_text
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.tables import quiet


def write_labels(path: Path, table: pd.DataFrame) -> None:
    """Write a table of cells × columns as an AnnData file without a matrix."""
    columns = {str(name): _writable(values) for name, values in table.items()}
    labels = AnnData(obs=pd.DataFrame(columns, index=table.index))
    with quiet(), new_hdf5(path) as (file, _):
        write_elem(file, "/", labels, dataset_kwargs={"compression": "gzip"})


def _writable(values: pd.Series) -> pd.Series:
    """Return text as categories, which keep missing values apart from empty text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        if values.cat.categories.dtype.kind in "OifubU":
            return values
    elif values.dtype.kind in "ifub":
        return values
    return pd.Series(pd.Categorical(as_text(values)), index=values.index)
