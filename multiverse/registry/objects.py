"""Registering an AnnData or MuData object that is in memory, for the Python interface."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from multiverse.contract.hdf5 import stamp
from multiverse.errors import DatasetError, UsageError
from multiverse.events import Tell, silent
from multiverse.registry.datasets import RegisteredDataset, checked_slug
from multiverse.registry.files import check_files
from multiverse.registry.guarded import new_hdf5
from multiverse.registry.hdf5_source import SourceFile
from multiverse.registry.home import home as default_home
from multiverse.registry.object_matrices import write_matrix
from multiverse.registry.options import DEFAULT_OPTIONS, RegistrationOptions
from multiverse.registry.registration import register
from multiverse.registry.tables import quiet, write_table
from multiverse.registry.versions import storage_errors

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: Names and lists of names in ``uns`` that are kept: those of the columns of an array in ``obsm``.
_MOST_NAMES, _MOST_DEPTH = 100_000, 4


def register_object(
    data: AnnData | MuData,
    *,
    slug: str,
    options: RegistrationOptions = DEFAULT_OPTIONS,
    home: Path | None = None,
    tell: Tell = silent,
) -> RegisteredDataset:
    """Register an object as if it were a file; the object itself is not changed.

    A view is not copied, a backed object not loaded, and what dask holds is computed by blocks of
    cells. Raises as :func:`multiverse.registry.registration.register`, and :class:`DatasetError`
    where a matrix of the object holds no numbers.
    """
    return _register({"": data}, slug=slug, options=options, home=home, tell=tell)


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
    return _register(data, slug=slug, options=options, home=home, tell=tell)


def _register(
    data: Mapping[str, Path | AnnData | MuData],
    *,
    slug: str,
    options: RegistrationOptions,
    home: Path | None,
    tell: Tell,
) -> RegisteredDataset:
    """Register modality → file or object; one of any modalities under an empty name."""
    for found in data.values():
        if not isinstance(found, Path):
            _check_kind(found)
    if "" not in data:
        check_files(data)
    root = home or default_home()
    options.check()
    checked_slug(slug)
    with storage_errors(root), ExitStack() as stack:
        (root / "datasets").mkdir(parents=True, exist_ok=True)
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix=".object-", dir=root / "datasets")
        )
        files: dict[str, Path] = {}
        opened: dict[Path, SourceFile] = {}
        for modality, found in data.items():
            if isinstance(found, Path):
                files[modality] = found
                continue
            suffix = "h5mu" if hasattr(found, "mod") else "h5ad"
            path = Path(folder) / f"object{len(files) or ''}.{suffix}"
            unread = write_object(found, path)
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            opened[path] = SourceFile(path, descriptor, stamp(descriptor), unread=unread)
            files[modality] = path
        source = files.get("", files)
        try:
            return register(source, opened=opened, slug=slug, options=options, home=home, tell=tell)
        except DatasetError as error:
            raise _of_objects(error, opened) from error


def _of_objects(error: DatasetError, paths: Iterable[Path]) -> DatasetError:
    """Return an error that speaks of the object, and of no file that is gone by then."""
    message, remedy = str(error), error.remedy or ""
    for path in paths:
        message = message.replace(str(path), "the object")
        step, command, rest = remedy.partition(": python -c ")
        if command and str(path) in rest:
            more = rest[rest.rindex(" If ") :] if " If " in rest else ""
            step = step.partition(", and register ")[0]  # which names the file made by the command
            remedy = f"{step}, and register it again.{more}"
        remedy = remedy.replace(str(path), "the object")
    return DatasetError(message, remedy=remedy or None)


def _check_kind(data: object) -> None:
    if not all(hasattr(data, name) for name in ("obs", "var", "obs_names", "uns")):
        raise UsageError(
            f"{type(data).__name__} is not a dataset",
            remedy="Pass the path of a file, an AnnData, or a MuData.",
        )


def write_object(data: AnnData | MuData, path: Path) -> dict[tuple[str, str], str]:
    """Write what registration reads; the libraries' own writers change the object.

    Returns the columns that can't be written, ``(table, column)`` → why. Raises
    :class:`DatasetError` where something that is read can't be.
    """
    with quiet():
        return _write(data, path)


def _write(data: AnnData | MuData, path: Path) -> dict[tuple[str, str], str]:
    unread: dict[tuple[str, str], str] = {}
    with new_hdf5(path, libver=("v108", "v110")) as (file, stream):
        if not hasattr(data, "mod"):
            _write_anndata(file, data, unread, stream.check)
            return unread
        _write_frame(file, "obs", data.obs, unread)
        file.attrs["axis"] = int(data.axis)
        _write_names(file, "uns", data.uns)
        for name, modality in data.mod.items():
            if hasattr(modality, "mod"):
                raise DatasetError(f"{name} is a MuData within a MuData, which is not read")
            if "/" in name or name in ("", ".", ".."):
                raise DatasetError(
                    f"A modality can't be named {name!r:.80}: HDF5 takes it as a path",
                    remedy="Give it another name.",
                )
            group = file.create_group(f"mod/{name}")
            _write_anndata(group, modality, unread, stream.check)
    return unread


def _write_anndata(
    group: h5py.Group,
    data: AnnData,
    unread: dict[tuple[str, str], str],
    check: Callable[[], None],
) -> None:
    _write_frame(group, "obs", data.obs, unread)
    _write_frame(group, "var", data.var, unread)
    _write_names(group, "uns", data.uns)
    shape = data.shape
    if _has_x(data):
        write_matrix(group, "X", partial(_x, data), shape, None if data.is_view else data.X)
        check()
    layers = group.create_group("layers")
    for name in data.layers:
        if _is_plain(name):
            held = None if data.is_view else data.layers[name]
            write_matrix(layers, name, partial(_layer, data, name), shape, held)
            check()
    if data.raw is not None:
        _write_raw(group.create_group("raw"), data, unread)
        check()
    _write_obsm(group.create_group("obsm"), data, unread)


def _has_x(data: AnnData) -> bool:
    whole = data._adata_ref if data.is_view else data
    return data.isbacked or whole.X is not None


def _x(data: AnnData, start: int, stop: int) -> Any:
    if data.is_view:
        return _block_of_view(data, start, stop).X
    return data[start:stop].X if data.isbacked else data.X[start:stop]


def _layer(data: AnnData, name: str, start: int, stop: int) -> Any:
    if data.is_view:
        return _block_of_view(data, start, stop).layers[name]
    return data.layers[name][start:stop]


def _block_of_view(data: AnnData, start: int, stop: int) -> AnnData:
    """Return some cells of a view; nothing but these is copied. No view of a file has views."""
    whole = data._adata_ref
    cells = np.arange(whole.n_obs)[data._oidx][start:stop]
    features = data._vidx
    if isinstance(features, slice) and features != slice(None):
        # scipy and anndata's reader of files take no slice with a step beside an array
        features = np.arange(whole.n_vars)[features]
    return whole[cells, features]


def _write_raw(group: h5py.Group, data: AnnData, unread: dict[tuple[str, str], str]) -> None:
    """Write ``raw`` of an object, for a view that of its own cells."""
    whole = data._adata_ref.raw if data.is_view else data.raw
    _write_frame(group, "var", whole.var, unread)
    if data.is_view:
        cells = np.arange(data._adata_ref.n_obs)[data._oidx]
        matrix = whole.X
        write_matrix(
            group,
            "X",
            lambda start, stop: matrix[cells[start:stop]],
            (data.n_obs, whole.n_vars),
        )
        return
    matrix = whole.X
    write_matrix(
        group, "X", lambda start, stop: matrix[start:stop], (data.n_obs, whole.n_vars), matrix
    )


def _write_obsm(group: h5py.Group, data: AnnData, unread: dict[tuple[str, str], str]) -> None:
    """Write frames and arrays of numbers that cells have; of other kinds nothing is read."""
    for name in data.obsm:
        if not _is_plain(name):
            continue
        value = data.obsm[name]
        if isinstance(value, pd.DataFrame):
            _write_frame(group, name, value.set_axis(data.obs_names), unread)
        elif getattr(value, "ndim", 0) == 2 and np.dtype(value.dtype).kind in "iufb":
            write_matrix(group, name, partial(_rows, value), value.shape, value)


def _rows(value: Any, start: int, stop: int) -> Any:
    return value[start:stop]


def _write_frame(
    group: h5py.Group, name: str, table: pd.DataFrame, unread: dict[tuple[str, str], str]
) -> None:
    where = f"{group.name.rstrip('/')}/{name}"

    def left_out(column: str, why: str) -> None:
        unread[where, column] = why

    write_table(group, name, table, left_out)


def _write_names(group: h5py.Group, name: str, value: object, depth: int = 0) -> None:
    """Write the texts and lists of texts of ``uns``; nothing else of it is read."""
    if isinstance(value, Mapping):
        place = group.create_group(name)
        for key, item in value.items():
            if depth < _MOST_DEPTH and isinstance(key, str) and _is_plain(key):
                _write_names(place, key, item, depth + 1)
        return
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple | np.ndarray | pd.Index | pd.Series):
        names = list(value)[:_MOST_NAMES]
        if names and all(isinstance(item, str) for item in names) and len(value) <= _MOST_NAMES:
            try:
                write_elem(group, name, np.array(names, dtype=object))
            except (UnicodeEncodeError, ValueError):
                return


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and "/" not in name and name not in ("", ".", "..")
