"""The formats that registration reads: one module a format, each of which makes a layout."""

from __future__ import annotations

from dataclasses import replace

from multiverse.registry.formats.anndata_file import read_anndata
from multiverse.registry.formats.foreign import foreign_hdf5
from multiverse.registry.formats.mudata_file import read_mudata
from multiverse.registry.formats.tenx_h5 import find_matrices, read_tenx
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import Layout
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.names import first_of

#: So many columns that can't be used are named.
MOST_COLUMNS = 50


def read_layout(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read all tables (not the matrices). Raises :class:`DatasetError`."""
    if source.child(source.file, "mod") is not None:
        layout = read_mudata(source, options)
    elif source.child(source.file, "var") is not None:
        layout = read_anndata(source, options)
    elif find_matrices(source):
        layout = read_tenx(source, options)
    else:
        raise foreign_hdf5(source)
    return replace(
        layout, notes=(*source.notes, *layout.notes, *_left_out(source)), unread=source.unread
    )


def _left_out(source: Hdf5) -> tuple[str, ...]:
    """Return a note for all columns of cells that can't be used; those of features count less."""
    columns = [
        f"{column!r:.60} ({why})"
        for (table, column), why in source.unread.items()
        if table.endswith("/obs")
    ]
    if not columns:
        return ()
    return (f"left out columns of obs: {first_of(columns, MOST_COLUMNS)}",)
