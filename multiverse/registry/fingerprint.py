"""Hashes of content: equal for equal data, whatever file, compression or chunks hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from multiverse.registry.as_text import as_text


class CountsHash:
    """SHA-256 of a CSR matrix, taken block by block; where blocks begin does not matter."""

    def __init__(self) -> None:
        self._lengths = hashlib.sha256()
        self._indices = hashlib.sha256()
        self._data = hashlib.sha256()

    def update(self, block: csr_array) -> None:
        self._lengths.update(np.diff(block.indptr).astype("<i8").tobytes())
        self._indices.update(block.indices.astype("<i4", copy=False).tobytes())
        self._data.update(block.data.astype("<f4", copy=False).tobytes())

    def hexdigest(self) -> str:
        return _combined(h.hexdigest() for h in (self._lengths, self._indices, self._data))


def data_fingerprint(
    cells: pd.Index,
    batches: pd.Series | None,
    features: Mapping[str, pd.DataFrame],
    counts: Mapping[str, str],
    measured: Mapping[str, np.ndarray],
) -> str:
    """Hash what a model sees: names of cells, batches, each modality's features and counts.

    The order in which the source lists modalities does not matter; the name of the batch column
    does not either. ``measured`` says which cells each modality has, (n_cells,).
    """
    parts = [texts_sha256(cells), "" if batches is None else texts_sha256(batches)]
    for modality in sorted(counts):
        table = features[modality]
        parts += [modality, texts_sha256(table.index), counts[modality]]
        for column in sorted(table.columns):
            parts += [column, texts_sha256(table[column])]
        if not measured[modality].all():  # absent otherwise: complete data keep their fingerprint
            parts += ["measured", texts_sha256(cells[measured[modality]])]
    return _combined(parts)


def labels_fingerprint(labels: pd.DataFrame) -> str:
    """Hash the held-out labels: every column, by name, independent of how values are stored."""
    parts = []
    for column in sorted(labels.columns):
        values = labels[column]
        parts += [column, texts_sha256(as_text(values)), texts_sha256(values.isna())]
    return _combined(parts)


def texts_sha256(texts: Iterable[object]) -> str:
    """Return the SHA-256 of a list of texts, each preceded by its length."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = str(text).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def _combined(parts: Iterable[str]) -> str:
    return texts_sha256(parts)
