"""Values that are missing (NaN): in which features, and in which batches."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

#: Features that a message names one by one, so that its command can be pasted whole.
MOST_NAMED = 200


@dataclass(frozen=True)
class MissingValues:
    """``per_feature`` counts the cells without a value, (n_features,); ``without_any`` marks those
    without any, (n_cells,); ``batches`` are those of cells that lack a value."""

    names: pd.Index
    per_feature: np.ndarray
    without_any: np.ndarray
    batches: tuple[str, ...]

    @classmethod
    def of(
        cls, blocks: Iterable[csr_array], names: pd.Index, batches: pd.Series | None
    ) -> MissingValues:
        """Count what is missing in blocks of (n_cells, n_features).

        ``batches`` is the batch of each cell, in their order.
        """
        per_feature = np.zeros(len(names), dtype=np.int64)
        lacking: list[np.ndarray] = []
        for block in blocks:
            gaps = np.isnan(block.data)
            per_feature += np.bincount(block.indices[gaps], minlength=len(names))
            rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            lacking.append(np.bincount(rows[gaps], minlength=block.shape[0]))
        per_cell = np.concatenate(lacking)
        found: tuple[str, ...] = ()
        if batches is not None:
            found = tuple(sorted(batches[per_cell > 0].astype(str).unique()))
        return cls(names, per_feature, per_cell == len(names), found)

    def remedy(self, modality: str) -> str:
        """Return what is missing where, and how to go on."""
        gone = [str(name) for name in self.names[self.per_feature > 0]]
        of_batches = f", of batch {', '.join(map(repr, self.batches[:10]))}" if self.batches else ""
        what = f"{len(gone):,} of {len(self.names):,} features have no value in some cells"
        if len(gone) == len(self.names):
            absent = int(self.without_any.sum())
            if absent == self.per_feature.max():
                return (
                    f"{absent:,} of {len(self.without_any):,} cells have no value at "
                    f"all{of_batches}: they were not measured in {modality}. Make them missing, "
                    "with all cells kept, with --mosaic – or leave those cells out with --intersect"
                )
            return (
                f"Each of the {len(gone):,} features lacks a value in some cells{of_batches}: a "
                "panel that all share does not exist. Register the batches as datasets of their "
                "own."
            )
        if len(gone) > MOST_NAMED:
            return (
                f"{what}{of_batches}, such as {gone[0]!r:.60}. Keep the features that every cell "
                "has, and write the file again."
            )
        words = " ".join(f"--exclude {shlex.quote(f'{modality}={glob.escape(n)}')}" for n in gone)
        common = len(self.names) - len(gone)
        return (
            f"{what}{of_batches}: panels differ. Keep the {common:,} features that every cell "
            f"has with {words}"
        )
