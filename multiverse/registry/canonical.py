"""Writing ``data.h5mu``: a MuData file of raw counts, block by block.

The format is MuData 0.1.0 (https://mudata.readthedocs.io/stable/io/spec.html): tables are written
by anndata, matrices are streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from scipy.sparse import csr_array

from multiverse import __version__
from multiverse.registry.counts import NotCounts
from multiverse.registry.evidence import Evidence
from multiverse.registry.fingerprint import CountsHash
from multiverse.registry.guarded import GuardedStream, new_hdf5
from multiverse.specs.dataset import ModalitySummary

_FORMAT = "0.1.0"
_USER_BLOCK = 512
_CHUNK = 128 * 1024
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class WrittenCounts:
    """Facts gathered while a matrix was streamed."""

    summary: ModalitySummary
    sha256: str
    evidence: Evidence


class CanonicalFile:
    """A new MuData file. First the counts of each modality, then the tables around them."""

    def __init__(self, file: h5py.File, stream: GuardedStream) -> None:
        self._file = file
        self._stream = stream
        self._file.create_group("mod")

    @classmethod
    @contextmanager
    def create(cls, path: Path) -> Iterator[CanonicalFile]:
        """Create a new file at ``path``; OSError where it can't be written."""
        with new_hdf5(path, userblock_size=_USER_BLOCK, libver=("v108", "v110")) as (file, stream):
            yield cls(file, stream)
        text = f"MuData (format-version={_FORMAT};creator=multiverse;creator-version={__version__})"
        with path.open("r+b") as signed:  # the text by which MuData files are known
            signed.write(text.encode().ljust(_USER_BLOCK, b"\0"))

    def write_counts(
        self, modality: str, blocks: Iterable[csr_array], n_obs: int, n_vars: int
    ) -> WrittenCounts:
        """Stream one matrix; if ``blocks`` finds no counts, nothing of it stays in the file."""
        group = self._file["mod"].create_group(modality)
        try:
            place = group.create_group("X")
            return _write_blocks(place, blocks, (n_obs, n_vars), self._stream.check)
        except NotCounts:
            del self._file["mod"][modality]
            raise

    def write_tables(
        self,
        obs: pd.DataFrame,
        features: Mapping[str, pd.DataFrame],
        measured: Mapping[str, np.ndarray],
    ) -> None:
        """Write everything but the counts. ``features`` is in the order of the modalities.

        ``measured`` says which cells of ``obs`` each modality has, (n_cells,): its rows, in order.
        """
        for modality, var in features.items():
            group = self._file["mod"][modality]
            write_elem(group, "obs", obs[measured[modality]])
            write_elem(group, "var", var)
            _write_empty(group, "obsm", "varm", "obsp", "varp", "layers", "uns")
            _mark(group, "anndata")
        self._write_shared(obs, features, measured)
        self._file["mod"].attrs["mod-order"] = list(features)
        self._file.attrs["axis"] = 0
        _mark(self._file, "MuData")

    def _write_shared(
        self,
        obs: pd.DataFrame,
        features: Mapping[str, pd.DataFrame],
        measured: Mapping[str, np.ndarray],
    ) -> None:
        names = np.concatenate([var.index.to_numpy() for var in features.values()])
        write_elem(self._file, "obs", obs)
        write_elem(self._file, "var", pd.DataFrame(index=pd.Index(names, dtype=object)))
        members = {}
        start = 0
        for modality, var in features.items():
            members[modality] = np.zeros((len(names), 1), dtype=bool)
            members[modality][start : start + len(var)] = True
            start += len(var)
        cells = {modality: measured[modality].reshape(-1, 1) for modality in features}
        write_elem(self._file, "obsm", cells)
        write_elem(self._file, "varm", members)
        write_elem(self._file, "obsmap", {name: _positions(is_in) for name, is_in in cells.items()})
        write_elem(
            self._file, "varmap", {name: _positions(is_in) for name, is_in in members.items()}
        )
        _write_empty(self._file, "obsp", "varp", "uns")


def _write_blocks(
    group: h5py.Group,
    blocks: Iterable[csr_array],
    shape: tuple[int, int],
    check: Callable[[], None],
) -> WrittenCounts:
    n_obs, n_vars = shape
    data, indices = _growing(group, "data", np.float32), _growing(group, "indices", np.int32)
    evidence = Evidence(n_vars)
    content = CountsHash()
    done = 0
    for block in blocks:
        for dataset, values in ((data, block.data), (indices, block.indices)):
            dataset.resize((done + block.nnz,))
            dataset[done:] = values
        done += block.nnz
        evidence.update(block)
        content.update(block)
        check()
    lengths = evidence.lengths
    if len(lengths) != n_obs:
        raise AssertionError(f"{len(lengths)} of {n_obs} cells were streamed")
    pointer = (
        np.concatenate([[0], lengths]).cumsum().astype(np.int32 if done <= _INT32_MAX else np.int64)
    )
    group.create_dataset(
        "indptr", data=pointer, compression="gzip", compression_opts=1, shuffle=True
    )
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    group.attrs["shape"] = np.array([n_obs, n_vars], dtype=np.int64)
    summary = ModalitySummary(
        n_vars=n_vars,
        n_values=done,
        empty_cells=int((lengths == 0).sum()),
        empty_features=int((evidence.per_feature == 0).sum()),
    )
    return WrittenCounts(summary, content.hexdigest(), evidence)


def _growing(group: h5py.Group, name: str, kind: type[np.generic]) -> h5py.Dataset:
    """Make a growing dataset. Byte-shuffled counts are mostly zeros: fast deflate is enough."""
    return group.create_dataset(
        name,
        shape=(0,),
        maxshape=(None,),
        chunks=(_CHUNK,),
        dtype=kind,
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )


def _positions(is_in: np.ndarray) -> np.ndarray:
    """Return MuData's map from shared names to rows of a modality: from 1, 0 for none."""
    return np.where(is_in[:, 0], is_in[:, 0].cumsum(), 0).astype(np.uint32)


def _write_empty(group: h5py.Group, *names: str) -> None:
    for name in names:
        write_elem(group, name, {})


def _mark(group: h5py.Group, kind: str) -> None:
    group.attrs.update({"encoding-type": kind, "encoding-version": _FORMAT})
    group.attrs.update({"encoder": "multiverse", "encoder-version": __version__})
