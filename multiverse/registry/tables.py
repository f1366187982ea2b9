"""Writing tables of cells and features, whatever pandas holds them as."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from multiverse.errors import DatasetError

_TEXT = h5py.string_dtype()
#: Told of each column that can't be written, and why.
LeftOut = Callable[[str, str], None]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep warnings of libraries, which are for who wrote the code that calls them, from users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write_table(
    group: h5py.Group,
    name: str,
    table: pd.DataFrame,
    left_out: LeftOut,
    compression: str | None = None,
) -> None:
    """Write a table as anndata does, every column that can be; ``left_out`` hears of the others.

    Raises :class:`DatasetError` where two columns have one name, or a name of a row is no text.
    """
    names = [str(column) for column in table.columns]
    repeated = {column for column in names if names.count(column) > 1} if len(names) < 5000 else ()
    if repeated:
        raise DatasetError(
            f"{name} has two columns that are named {min(repeated)!r:.80}",
            remedy="Rename one of them.",
        )
    place = group.create_group(name)
    place.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
    index = next(word for word in ("_index", "index", "names of rows") if word not in names)
    settings = {} if compression is None else {"compression": compression}
    try:
        rows = np.array([_name(row) for row in table.index], dtype=object)
        write_elem(place, index, rows, dataset_kwargs=settings)
    except UnicodeEncodeError as error:
        raise DatasetError(f"{name} has a name that is not text: {error.object!r:.60}") from error
    written = [
        column
        for number, column in enumerate(names)
        if _write_column(place, column, table.iloc[:, number], left_out, settings)
    ]
    place.attrs["_index"] = index
    place.attrs.create("column-order", np.array(written, dtype=object), dtype=_TEXT)


def _name(row: object) -> str:
    return row.decode("utf-8", "replace") if isinstance(row, bytes) else str(row)


def _write_column(
    place: h5py.Group,
    name: str,
    values: pd.Series,
    left_out: LeftOut,
    settings: Mapping[str, Any],
) -> bool:
    try:
        if not name or any(part in ("", ".") for part in name.split("/")):
            raise ValueError("HDF5 takes its name as a path")
        with quiet():
            *folders, leaf = name.split("/")
            target = place.require_group("/".join(folders)) if folders else place
            write_elem(target, leaf, _writable(values), dataset_kwargs=settings)
    except Exception as error:  # each kind of values fails in its own way
        if not isinstance(error, OSError):
            left_out(name, (str(error).splitlines() or [type(error).__name__])[0])
            return False
        raise
    return True


def _writable(values: pd.Series) -> object:
    """Return values of a kind that a file can hold and that mean the same.

    Numbers, and categories of numbers or text, stay; text with missing values becomes categories,
    which keep them apart from empty text; dates, intervals and the like become text. Raises
    ValueError for what is no single value.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        categories = values.cat.categories
        if categories.dtype.kind in "iufb":
            return values.array
        return pd.Categorical.from_codes(
            values.cat.codes.to_numpy(),
            pd.Index([_scalar(item) for item in categories], dtype=object),
            ordered=bool(values.cat.ordered),
        )
    if isinstance(values.dtype, pd.SparseDtype):
        values = pd.Series(np.asarray(values), index=values.index)
    kind = values.dtype.kind
    if isinstance(values.dtype, np.dtype) and kind in "iufb":
        return values.to_numpy()
    if not isinstance(values.dtype, np.dtype) and kind in "iufb":
        return _nullable(values)
    missing = values.isna().to_numpy()
    text = [
        None if gone else _scalar(value)
        for value, gone in zip(values.astype(object), missing, strict=True)
    ]
    if missing.any():
        return pd.Categorical(text)
    return np.array(text, dtype=object)


def _nullable(values: pd.Series) -> object:
    """Return numbers of pandas' or pyarrow's own types as those that anndata writes."""
    kind = values.dtype.kind
    if kind == "f":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if not values.isna().any():
        return values.to_numpy(dtype=np.dtype({"b": "?", "u": "u8"}.get(kind, "i8")))
    masked: Any = {"b": "boolean", "u": "UInt64"}.get(kind, "Int64")
    return values.astype(masked).array


def _scalar(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) or pd.api.types.is_scalar(value):
        return str(value)
    raise ValueError(f"it holds a value of type {type(value).__name__}, {value!r:.40}")
