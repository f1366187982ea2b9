"""Rounding values that are counts but for a fraction, and recording what that changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from multiverse.specs.dataset import RoundedCounts


@dataclass
class Rounding:
    """Rounds blocks to the nearest whole number (halves to even) and adds up the changes."""

    n_changed: int = 0
    largest: float = 0.0
    moved: float = 0.0
    before: float = 0.0
    after: float = 0.0

    def apply(self, counts: csr_array) -> csr_array:
        """Return the block with whole numbers, (n_cells, n_features); it itself stays."""
        values = counts.data
        if values.dtype.kind != "f":
            self.before += float(values.sum(dtype=np.float64))
            self.after += float(values.sum(dtype=np.float64))
            return counts
        whole = np.rint(values)
        change = np.abs(whole.astype(np.float64) - values)
        self.n_changed += int((change > 0).sum())
        self.largest = max(self.largest, float(change.max(initial=0.0)))
        self.moved += float(change.sum())
        self.before += float(values.sum(dtype=np.float64))
        self.after += float(whole.sum(dtype=np.float64))
        return csr_array((whole, counts.indices, counts.indptr), shape=counts.shape)

    def record(self) -> RoundedCounts:
        """Return what the dataset's record says of it."""
        return RoundedCounts(
            n_changed=self.n_changed,
            largest_change=self.largest,
            moved=self.moved,
            total_before=self.before,
            total_after=self.after,
        )

    def __str__(self) -> str:
        share = self.moved / self.before if self.before else 0.0
        return (
            f"{self.n_changed:,} values were rounded to the nearest whole number, by "
            f"{self.largest:.3g} at most; the changes add up to {share:.2%} of the total, which "
            f"was {self.before:,.1f} and is {self.after:,.0f}"
        )
