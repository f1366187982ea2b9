"""The formats that registration reads: one module a format, each of which makes a layout."""

from __future__ import annotations

from multiverse.errors import DatasetError
from multiverse.registry.formats.anndata_file import read_anndata
from multiverse.registry.formats.mudata_file import read_mudata
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import Layout
from multiverse.registry.options import RegistrationOptions


def read_layout(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read all tables (not the matrices). Raises :class:`DatasetError`."""
    if source.child(source.file, "mod") is not None:
        layout = read_mudata(source, options)
    elif source.child(source.file, "var") is not None:
        layout = read_anndata(source, options)
    else:
        raise DatasetError(
            f"{source.path} is an HDF5 file, but neither AnnData nor MuData",
            remedy="A 10x Genomics .h5 file is read by scanpy.read_10x_h5, which can write .h5ad.",
        )
    return layout
