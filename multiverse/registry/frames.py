"""Tables of a source file: ``obs`` and ``var``, with names that are text and checked."""

from __future__ import annotations

import warnings

import h5py
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.as_text import as_text
from multiverse.registry.elements import read_columns
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.records import read_records

#: Columns of ``var`` that say what a feature is, and can't say anything about a cell.
VAR_COLUMNS = ("feature_types", "gene_ids", "genome")


def read_frame(source: Hdf5, group: h5py.Group, name: str) -> pd.DataFrame:
    """Read the table ``name`` of an AnnData or MuData group, with text as its index.

    Columns of kinds that nothing here can use are left out, and noted by ``source``. Raises
    :class:`DatasetError` where the table is missing or damaged.
    """
    found = source.child(group, name)
    where = f"{group.name.rstrip('/')}/{name}"
    if found is None:
        raise source.error(f"{where} is missing")
    if isinstance(found, h5py.Group):
        frame = read_columns(source, found)
    else:
        apart = "raw.cat" if name == "raw.var" else "uns"
        frame = read_records(source, found, source.group(source.file, apart))
    frame.index = text_index(frame.index, f"{source.path}: {where}")
    frame.columns = frame.columns.map(str)
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DatasetError(
            f"{source.path}: {where} has two columns that are named {repeated[0]!r:.80}",
            remedy="Rename one of them, and write the file again.",
        )
    return frame


def text_index(index: pd.Index, where: str) -> pd.Index:
    """Return the names as text, without a name of their own."""
    names = [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in index
    ]
    for name in names:
        if not name.isascii() and not _encodable(name):
            raise DatasetError(f"{where} has a name that is not text: {name!r:.60}")
    return pd.Index(names, dtype=object)


def feature_table(var: pd.DataFrame, modality: str) -> tuple[pd.DataFrame, int]:
    """Return ``var`` with unique names and only what says what a feature is.

    Repeated names get ``-1``, ``-2``, … as ``AnnData.var_names_make_unique`` does. Returns the
    table and how many names had to be changed.
    """
    from anndata.utils import make_index_unique

    kept = pd.DataFrame(index=var.index)
    for column in VAR_COLUMNS:
        if column in var:
            kept[column] = as_text(var[column], missing="").to_numpy()
    repeated = int(kept.index.duplicated().sum())
    if repeated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about names that end in a number already
            kept.index = pd.Index(make_index_unique(kept.index), dtype=object)
    if not kept.index.is_unique:
        raise DatasetError(f"The feature names of {modality} can't be made unique")
    return kept, repeated


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
