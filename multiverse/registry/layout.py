"""The layout of a source: its modalities, and the matrices that may hold their counts.

What reads a format (:mod:`multiverse.registry.formats`) makes a :class:`Layout`; nobody else
knows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from multiverse.registry.matrix import Matrix

#: Yields the matrices that may hold raw counts, best first; of a named layer only that one.
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
