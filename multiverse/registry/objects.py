"""Registering an AnnData or MuData object that is in memory, for the Python interface."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pandas as pd
from anndata.io import write_elem

from multiverse.errors import DatasetError
from multiverse.events import Tell, silent
from multiverse.registry.datasets import RegisteredDataset, checked_slug
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.home import home as default_home
from multiverse.registry.options import DEFAULT_OPTIONS, RegistrationOptions
from multiverse.registry.registration import register
from multiverse.registry.versions import storage_errors

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


def register_object(
    data: AnnData | MuData,
    *,
    slug: str,
    options: RegistrationOptions = DEFAULT_OPTIONS,
    home: Path | None = None,
    tell: Tell = silent,
) -> RegisteredDataset:
    """Register an object as if it were a file; the object itself is not changed.

    Raises as :func:`multiverse.registry.registration.register`, and :class:`DatasetError` where a
    table of the object can't be written.
    """
    root = home or default_home()
    options.check()
    checked_slug(slug)
    with storage_errors(root):
        (root / "datasets").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".object-", dir=root / "datasets") as folder:
            path = Path(folder) / ("object.h5mu" if hasattr(data, "mod") else "object.h5ad")
            write_object(data, path, {"counts", options.layer or "counts"})
            return register(path, slug=slug, options=options, home=home, tell=tell)


def write_object(data: AnnData | MuData, path: Path, layers: Collection[str] | None = None) -> None:
    """Write what registration reads, of layers only these (None: all).

    The libraries' own writers change the object. Raises :class:`DatasetError`.
    """
    with new_hdf5(path) as (file, _):
        if not hasattr(data, "mod"):
            _write_anndata(file, data, layers)
            return
        _write_element(file, "obs", data.obs)
        file.attrs["axis"] = int(data.axis)
        for name, modality in data.mod.items():
            _write_anndata(file.create_group(f"mod/{name}"), modality, layers)


def _write_anndata(group: h5py.Group, data: AnnData, layers: Collection[str] | None) -> None:
    _write_element(group, "obs", data.obs)
    _write_element(group, "var", data.var)
    if data.X is not None:
        _write_element(group, "X", data.X)
    kept = group.create_group("layers")
    for name in data.layers if layers is None else set(layers) & set(data.layers):
        _write_element(kept, name, data.layers[name])
    if data.raw is not None:
        raw = group.create_group("raw")
        _write_element(raw, "X", data.raw.X)
        _write_element(raw, "var", data.raw.var)


def _write_element(group: h5py.Group, name: str, value: object) -> None:
    if isinstance(value, pd.DataFrame):
        value = _writable(value)
    try:
        write_elem(group, name, value)
    except (TypeError, ValueError, NotImplementedError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise DatasetError(
            f"{name} of the object can't be written: {reason}",
            remedy="A column with values of several types is the usual cause: make it text.",
        ) from error


def _writable(table: pd.DataFrame) -> pd.DataFrame:
    """Return text with missing values as categories, as anndata's own writer has them."""
    found = table.copy(deep=False)
    for column, values in table.items():
        text = values.dtype == object and values.hasnans
        if text and all(isinstance(value, str) for value in values.dropna()):
            found[column] = pd.Categorical(values)
    return found
