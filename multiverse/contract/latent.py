"""What ``embeddings.h5`` holds: the latent space and the names of its cells.

Whoever reads an embedding reads it here, from a file of which every node was checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.contract.hdf5 import HDF5_ERRORS, UnsafeHdf5, first_line, opened

if TYPE_CHECKING:
    import h5py
    from numpy import float32
    from numpy.typing import NDArray


def read_latent(path: Path) -> NDArray[float32]:
    """Return the latent space, of shape (n_cells, n_dims), as it was written.

    Raises :class:`UnsafeHdf5` where it is not one, OSError where no file is.
    """
    with _dataset(path, "latent", 2) as dataset:
        latent: NDArray[float32] = dataset[...]
    return latent


def count_dimensions(path: Path) -> int:
    """Return the dimensions of the latent space. Raises as :func:`read_latent`."""
    with _dataset(path, "latent", 2) as dataset:
        return int(dataset.shape[1])


def read_cell_names(path: Path) -> list[str]:
    """Return the names of the cells, in the order of the rows. Raises as :func:`read_latent`."""
    with _dataset(path, "obs_names", 1) as dataset:
        return [name.decode("utf-8", "replace") for name in dataset[...].tolist()]


@contextmanager
def _dataset(path: Path, name: str, dimensions: int) -> Iterator[h5py.Dataset]:
    import h5py

    with opened(path) as file:
        try:
            dataset = file[name]
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim != dimensions:
                raise UnsafeHdf5(f"{path.name}: {name!r} is no array of {dimensions} dimensions")
            if dimensions == 2 and dataset.dtype.kind != "f":
                raise UnsafeHdf5(f"{path.name}: {name!r} is {dataset.dtype}, not a float type")
            if dimensions == 1 and h5py.check_string_dtype(dataset.dtype) is None:
                raise UnsafeHdf5(f"{path.name}: {name!r} is not a list of texts")
            yield dataset
        except UnsafeHdf5:
            raise
        except HDF5_ERRORS as error:
            raise UnsafeHdf5(f"{path.name}: {name!r}: {first_line(error)}") from error
