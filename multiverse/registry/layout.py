"""The layout of a source: its modalities, and the matrices that may hold their counts.

What reads a format (:mod:`multiverse.registry.formats`) makes a :class:`Layout`; nobody else
knows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.registry.matrix import Matrix

#: Matrices that are named as a layer is, where no layer has that name.
MATRICES = ("X", "raw")
#: Yields the matrices that may hold raw counts, best first; of a named layer or one of
#: ``MATRICES`` only that one, where it exists.
Candidates = Callable[[str | None], Iterator["Candidate"]]


@dataclass(frozen=True)
class Candidate:
    """A matrix that may hold the raw counts of a modality.

    ``open`` returns it, source cells × the features of ``var``; of these ``columns`` belong to the
    modality (None: all).
    """

    name: str
    var: pd.DataFrame
    columns: np.ndarray | None
    open: Callable[[], Matrix]

    @property
    def features(self) -> pd.Index:
        """Return the names of the modality's features in this matrix."""
        return self.var.index if self.columns is None else self.var.index[self.columns]


@dataclass(frozen=True)
class SourceModality:
    """One modality as it lies in the source.

    ``old_name`` is its name there; ``obs`` has a row for each cell that it was measured in.
    ``layers`` are the names of its layers, sorted.
    """

    modality: str
    old_name: str
    obs: pd.DataFrame
    n_vars: int
    layers: tuple[str, ...]
    candidates: Candidates


@dataclass(frozen=True)
class Layout:
    """The source's own table of cells, and its modalities in the canonical order."""

    obs: pd.DataFrame
    parts: tuple[SourceModality, ...]
    notes: tuple[str, ...]

    @property
    def is_multimodal(self) -> bool:
        """True if modalities have tables of their own."""
        return any(part.obs is not self.obs for part in self.parts)
