"""The layout of a source: its modalities, and the matrices that may hold their counts.

What reads a format (:mod:`multiverse.registry.formats`) makes a :class:`Layout`; nobody else
knows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError

if TYPE_CHECKING:
    from multiverse.registry.matrix import Matrix


#: The name of a source as a whole in ``modality_names``, where its features are of one kind.
WHOLE = "X"
#: Matrices that are named as a layer is, where no layer has that name.
MATRICES = ("X", "raw")
#: Yields the matrices that may hold raw counts, best first; of a named layer or one of
#: ``MATRICES`` only that one, where it exists.
Candidates = Callable[[str | None], Iterator["Candidate"]]


class UnnamedKind(DatasetError):
    """The features are named as those of ``modality`` are, and nothing tells their kind."""

    def __init__(self, message: str, *, modality: str, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.modality = modality


@dataclass(frozen=True)
class Candidate:
    """A matrix that may hold the raw counts of a modality.

    ``open`` returns it, source cells × the features of ``var``; of these ``columns`` belong to the
    modality (None: all). ``notes`` are to be told where this matrix is the one that is taken.
    """

    name: str
    var: pd.DataFrame
    columns: np.ndarray | None
    open: Callable[[], Matrix]
    notes: tuple[str, ...] = ()

    @property
    def features(self) -> pd.Index:
        """Return the names of the modality's features in this matrix."""
        return self.var.index if self.columns is None else self.var.index[self.columns]


@dataclass(frozen=True)
class SourceModality:
    """One modality as it lies in the source.

    ``old_name`` is its name there; ``obs`` has a row for each cell that it was measured in.
    ``layers`` are the names of its layers, sorted; ``layer`` is the one that the user named.
    """

    modality: str
    old_name: str
    obs: pd.DataFrame
    n_vars: int
    layers: tuple[str, ...]
    candidates: Candidates
    layer: str | None = None


@dataclass(frozen=True)
class Layout:
    """The source's own table of cells, and its modalities in the canonical order.

    ``left_out``: names in the source that stand for no modality that models know. ``unread``: the
    columns of tables that can't be used, ``(table, column)`` → why.
    """

    obs: pd.DataFrame
    parts: tuple[SourceModality, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    unread: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_multimodal(self) -> bool:
        """True if modalities have tables of their own."""
        return any(part.obs is not self.obs for part in self.parts)
