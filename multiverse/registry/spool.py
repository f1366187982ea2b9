"""Putting the cells of a modality into another order without loading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from multiverse.registry.matrix import BLOCK_VALUES


def reordered(
    blocks: Iterable[csr_array], order: np.ndarray, n_vars: int, scratch: Path
) -> Iterator[csr_array]:
    """Yield the cells of ``blocks`` in the order ``order``.

    ``order``: positions in the stream of blocks, of shape (n_cells,). The counts
    are written to ``scratch`` uncompressed and gathered from there, so that memory holds one
    block at a time; 8 bytes of disk a value, given back at the end.
    """
    indices_file, data_file = scratch / "indices.bin", scratch / "data.bin"
    lengths = []
    with indices_file.open("wb") as indices, data_file.open("wb") as data:
        for block in blocks:
            indices.write(block.indices.astype(np.int32, copy=False).tobytes())
            data.write(block.data.astype(np.float32, copy=False).tobytes())
            lengths.append(np.diff(block.indptr))
    offsets = np.concatenate([[0], *lengths]).cumsum().astype(np.int64)
    try:
        yield from _gather(indices_file, data_file, offsets, order, n_vars)
    finally:
        indices_file.unlink()
        data_file.unlink()


def _gather(
    indices_file: Path, data_file: Path, offsets: np.ndarray, order: np.ndarray, n_vars: int
) -> Iterator[csr_array]:
    if offsets[-1] == 0:
        nothing = np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(len(order) + 1, np.int64)
        yield csr_array(nothing, shape=(len(order), n_vars))
        return
    lengths = np.diff(offsets)[order]
    ends = lengths.cumsum()
    start = 0
    while start < len(order):
        reach = np.searchsorted(ends, ends[start] - lengths[start] + BLOCK_VALUES, side="right")
        stop = max(int(reach), start + 1)
        indptr = np.concatenate([[0], lengths[start:stop].cumsum()]).astype(np.int64)
        places = np.repeat(offsets[order[start:stop]] - indptr[:-1], lengths[start:stop])
        places += np.arange(indptr[-1])
        # mapped anew for each block, so that pages of earlier ones do not stay
        indices = np.asarray(np.memmap(indices_file, dtype=np.int32, mode="r")[places])
        data = np.asarray(np.memmap(data_file, dtype=np.float32, mode="r")[places])
        gathered = (data, indices, indptr)
        yield csr_array(gathered, shape=(stop - start, n_vars))
        start = stop
