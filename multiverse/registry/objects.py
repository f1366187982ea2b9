"""Registering an AnnData or MuData object that is in memory, for the Python interface."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from multiverse.errors import DatasetError
from multiverse.events import Tell, silent
from multiverse.registry.datasets import RegisteredDataset, checked_slug
from multiverse.registry.formats.proteins import is_counts_name
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
            write_object(data, path, {"counts", *options.layer_names})
            try:
                return register(path, slug=slug, options=options, home=home, tell=tell)
            except DatasetError as error:
                raise _of_object(error, path) from error


def _of_object(error: DatasetError, path: Path) -> DatasetError:
    """Return an error that speaks of the object, and of no file that is gone by then."""
    message, remedy = str(error).replace(str(path), "the object"), error.remedy or ""
    step, command, rest = remedy.partition(": python -c ")
    if command and str(path) in rest:
        remedy = (
            f"{step}, and register it again.{rest[rest.rindex(' If ') :] if ' If ' in rest else ''}"
        )
    return DatasetError(message, remedy=remedy.replace(str(path), "the object") or None)


def register_objects(
    data: Mapping[str, Path | AnnData | MuData],
    *,
    slug: str,
    options: RegistrationOptions = DEFAULT_OPTIONS,
    home: Path | None = None,
    tell: Tell = silent,
) -> RegisteredDataset:
    """Register modality → file or object, each as if it were a file.

    Raises as :func:`register_object`.
    """
    root = home or default_home()
    options.check()
    checked_slug(slug)
    with storage_errors(root):
        (root / "datasets").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".object-", dir=root / "datasets") as folder:
            files = {}
            for number, (modality, found) in enumerate(data.items()):
                if isinstance(found, Path):
                    files[modality] = found
                    continue
                suffix = "h5mu" if hasattr(found, "mod") else "h5ad"
                files[modality] = Path(folder) / f"object{number}.{suffix}"
                write_object(found, files[modality], {"counts", *options.layer_names})
            return register(files, slug=slug, options=options, home=home, tell=tell)


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
    _write_tables(group, data)
    if data.raw is not None:
        raw = group.create_group("raw")
        _write_element(raw, "X", data.raw.X)
        _write_element(raw, "var", data.raw.var)


def _write_tables(group: h5py.Group, data: AnnData) -> None:
    """Write what in ``obsm`` may be counts, and lists of names in ``uns``: nothing else is read."""
    obsm, uns = group.create_group("obsm"), group.create_group("uns")
    widths = set()
    for name, values in data.obsm.items():
        if not (is_counts_name(name) or _holds_numbers(values)):
            continue
        if "/" in name:
            raise DatasetError(
                f"obsm[{name!r}] of the object can't be written: its name is a path",
                remedy=f"Rename it: adata.obsm[{name.replace('/', '_')!r}] = "
                f"adata.obsm.pop({name!r})",
            )
        _write_element(obsm, name, values)
        widths.add(values.shape[1])
    for name, values in data.uns.items():
        if isinstance(values, list | tuple | np.ndarray | pd.Index) and len(values) in widths:
            names = np.asarray(values, dtype=object)
            if names.ndim == 1 and all(isinstance(item, str) for item in names):
                _write_element(uns, name, names)


def _holds_numbers(values: Any) -> bool:
    """Return whether a member of ``obsm`` is a table of numbers, or an array of whole ones."""
    if isinstance(values, pd.DataFrame):
        return all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in values.dtypes)
    kind = np.dtype(values.dtype).kind if hasattr(values, "dtype") else "O"
    return kind in "iu" and values.ndim == 2


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
