"""``embeddings.h5ad``, as much of it as a picture needs: UMAPs and columns of cells.

Whose they are is written in a file; its name may be that of another fingerprint.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata.io import read_elem
from numpy.typing import NDArray

from multiverse.contract.folders import exists, names_in
from multiverse.contract.hdf5 import opened_whole
from multiverse.contract.hdf5_tables import RECORD, TABLE, check_element
from multiverse.errors import ResultsError
from multiverse.runs.folder import ResultsFolder, check_name

#: Of a key in ``obsm``, before the key of the embedding that it is a layout of.
PREFIX = "X_umap_"


@dataclass(frozen=True)
class Layouts:
    """The UMAPs of one fingerprint of a dataset.

    ``umaps``: run id → float array of shape (n_cells, 2), rows without a place are NaN.
    ``checksums``: run id → checksum of the embedding that it is the layout of, where it is known.
    ``cells``: a column a fact, a row a cell, in the same order.
    """

    dataset: str
    fingerprint: str
    label_key: str | None
    batch_key: str | None
    umaps: Mapping[str, NDArray[np.float64]]
    checksums: Mapping[str, str]
    cells: pd.DataFrame

    def column(self, name: str | None, missing: Collection[str] = ()) -> list[str | None] | None:
        """Return a column as text, None where a cell has no value or one as good as ``missing``.

        None if there is no such column.
        """
        if name is None or name not in self.cells:
            return None
        values = self.cells[name]
        gaps = (values.isna() | values.astype(str).isin(list(missing))).to_numpy()
        return [None if gap else str(value) for value, gap in zip(values, gaps, strict=True)]


def find_layouts(
    results: ResultsFolder, dataset: str, fingerprint: str
) -> tuple[Layouts | None, list[ResultsError]]:
    """Return the layouts of one fingerprint, if any, and the errors of files on the way."""
    newest = results.embeddings(dataset)
    others = [
        newest.with_name(name)
        for name in names_in(newest.parent)
        if name.startswith(f"{newest.stem}-") and name.endswith(newest.suffix)
    ]
    damaged: list[ResultsError] = []
    for path in (newest, *others):
        if exists(path):
            try:
                found = read_layouts(path)
            except ResultsError as error:
                damaged.append(error)
                continue
            if found.fingerprint == fingerprint:
                return found, damaged
    return None, damaged


def read_layouts(path: Path) -> Layouts:
    """Read one file; :class:`ResultsError` if it is damaged or not of this kind."""
    try:
        with opened_whole(path) as found:
            file = found.file
            check_element(found, file["uns/multiverse"], RECORD)
            check_element(found, file["obs"], TABLE)
            about: Mapping[str, Any] = read_elem(file["uns/multiverse"])
            cells: pd.DataFrame = read_elem(file["obs"])
            if str(about["dataset"]) != path.parent.name:
                raise ValueError("it is of another dataset")
            keys = {check_name(str(key)): str(run_id) for key, run_id in about["keys"].items()}
            umaps = {
                run_id: _places(file["obsm"][f"{PREFIX}{key}"], len(cells))
                for key, run_id in keys.items()
                if "/" not in key and f"{PREFIX}{key}" in file["obsm"]
            }
            return Layouts(
                dataset=str(about["dataset"]),
                fingerprint=str(about["dataset_fingerprint"]),
                label_key=_key(about, "label_key"),
                batch_key=_key(about, "batch_key"),
                umaps=umaps,
                checksums={
                    keys[str(key)]: str(checksum)
                    for key, checksum in about.get("checksums", {}).items()
                },
                cells=cells,
            )
    except Exception as error:  # damaged HDF5 raises whatever it likes
        raise ResultsError(
            f"{path.parent.name}/{path.name} can't be read as embeddings: "
            f"{type(error).__name__}: {str(error)[:200]}",
            remedy="Make it anew: multiverse evaluate RESULTS",
        ) from error


def _places(dataset: Any, cells: int) -> NDArray[np.float64]:
    places = np.asarray(dataset[...], dtype=np.float64)
    if places.shape != (cells, 2):
        raise ValueError(f"a UMAP has the shape {places.shape}, not ({cells}, 2)")
    return places


def _key(about: Mapping[str, Any], name: str) -> str | None:
    value = about.get(name)
    return str(value) if isinstance(value, str) and value else None
