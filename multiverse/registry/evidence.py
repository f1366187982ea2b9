"""Evidence for and against whole numbers being raw counts, gathered block by block.

Whole, non-negative numbers are necessary, not sufficient: binary, normalised and rounded, and
damaged values are whole too. What is looked for here, and what real raw counts show (13 modalities
of 10 public datasets, 40 to 10,309 cells): library sizes with a robust spread of 0.23 to 0.89, no
RNA or ATAC cell without a value of 1, at most 7 values as large as the largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

#: Library sizes that spread less are nearly equal: raw counts 0.23 and more, rounded values at a
#: common depth 0.00 to 0.11, corrected counts as of SCTransform 0.12 to 0.21.
EVEN_SPREAD = 0.15
#: A share of RNA or ATAC cells without a value of 1: raw counts 0, rounded normalised 0.07 to 1.
GAPPED_CELLS = 0.05
#: A share of cells that have exactly the largest library size: raw counts 1 cell.
SAME_DEPTH = 0.2
#: Independent counts have a variance of their sum that is at least its mean (Poisson): raw counts
#: 12 to 2,656 times the mean, rounded normalised ones from 0.0 on.
UNDER_CHANCE = 0.5
#: Library sizes are judged where there are this many cells, of this many counts (median).
JUDGED_CELLS, JUDGED_DEPTH = 20, 100
#: The number of repeated counts to expect by chance from which their absence is no chance:
#: exp(-20) is 2e-9.
EXPECTED_REPEATS = 20.0
#: Above it half floats hold only even numbers.
HALF_FLOAT_EXACT = 2048
#: The largest values of narrow integer types, where larger counts are cut off.
NARROW_LIMITS = {127: "int8", 255: "uint8", 32767: "int16", 65535: "uint16"}
#: Values that share the largest one by then are cut off: raw counts at most 7.
SATURATED_VALUES = 10
_NORMALISED = "values that were normalised to one depth and rounded"


@dataclass(frozen=True)
class Doubt:
    """A reason to doubt that values are raw counts, as a clause whose subject is the matrix.

    ``consequence``: what that means for models, as sentences.
    ``grave``: such values are not taken for raw counts unless they are named.
    """

    text: str
    consequence: str = ""
    grave: bool = False

    def __str__(self) -> str:
        return ". ".join(filter(None, (self.text, self.consequence)))


class Evidence:
    """Facts about canonical counts. Memory: 16 bytes a cell, 8 a feature."""

    def __init__(self, n_vars: int) -> None:
        self.n_values = 0
        self.n_above_one = 0
        self.largest = 0
        self.n_largest = 0
        self.divisor = 0
        self.n_gapped_cells = 0
        self.n_past_half_float = 0
        self.n_odd_past_half_float = 0
        #: Cells with a count, (n_features,).
        self.per_feature = np.zeros(n_vars, dtype=np.int64)
        self._lengths: list[np.ndarray] = []
        self._totals: list[np.ndarray] = []

    def update(self, block: csr_array) -> None:
        """Add consecutive cells: counts without explicit zeros, (n_cells, n_features)."""
        lengths = np.diff(block.indptr).astype(np.int64)
        self._lengths.append(lengths)
        self.per_feature += np.bincount(block.indices, minlength=len(self.per_feature))
        self.n_values += len(block.data)
        totals = np.zeros(len(lengths))
        filled = np.flatnonzero(lengths)
        if len(filled):
            starts = block.indptr[filled]
            totals[filled] = np.add.reduceat(block.data, starts, dtype=np.float64)
            self.n_gapped_cells += int((np.minimum.reduceat(block.data, starts) > 1).sum())
            self._look_at(block.data)
        self._totals.append(totals)

    def _look_at(self, values: np.ndarray) -> None:
        self.n_above_one += int((values > 1).sum())
        largest = int(values.max())
        if largest > self.largest:
            self.largest, self.n_largest = largest, 0
        if largest == self.largest:
            self.n_largest += int((values == largest).sum())
        if self.divisor != 1:
            found = 1 if values.min() == 1 else int(np.gcd.reduce(values.astype(np.int64)))
            self.divisor = int(np.gcd(self.divisor, found))
        if largest > HALF_FLOAT_EXACT:
            past = values[values > HALF_FLOAT_EXACT]
            self.n_past_half_float += len(past)
            self.n_odd_past_half_float += int((past % 2 == 1).sum())

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of non-zero counts of each cell, (n_cells,)."""
        return _joined(self._lengths, np.int64)

    @property
    def totals(self) -> np.ndarray:
        """Return the library size of each cell, (n_cells,), float64."""
        return _joined(self._totals, np.float64)

    def expected_repeats(self) -> float:
        """Return how many values above 1 chance alone would make of counts as sparse as these.

        Each pair of counts in a cell meets in feature j with probability f_j², f_j being the
        share of the counts that lie there: Σ n(n - 1)/2 · Σ f². A lower bound, since cells differ.
        """
        lengths = self.lengths.astype(np.float64)
        share = self.per_feature / max(self.n_values, 1)
        return float((lengths * (lengths - 1) / 2).sum() * (share**2).sum())

    def doubts(self, modality: str) -> tuple[Doubt, ...]:
        """Return what speaks against these being raw counts of a modality, the gravest first."""
        if not self.n_values:
            return ()
        found = [self._binary(modality), *self._depths(modality), *self._numbers()]
        return tuple(sorted((one for one in found if one), key=lambda one: not one.grave))

    def _binary(self, modality: str) -> Doubt | None:
        if self.n_above_one:
            return None
        expected = self.expected_repeats()
        if expected < EXPECTED_REPEATS:
            return Doubt("holds 0 and 1 only; it is so sparse that this may be chance")
        if modality == "atac":
            return Doubt(
                "holds 0 and 1 only: peaks are open or not",
                "multivi uses no more than that; cobolt's likelihood is one of counts, and pca, "
                "mofa and mowgli weigh a peak by its share of the cell's counts: they see less "
                "than in counts of fragments",
            )
        return Doubt(
            "holds 0 and 1 only, where counts as many as these would have about "
            f"{expected:,.0f} values above 1 by chance: it was made binary",
            grave=True,
        )

    def _depths(self, modality: str) -> list[Doubt]:
        totals = self.totals
        totals = totals[totals > 0]
        if len(totals) < JUDGED_CELLS or (middle := float(np.median(totals))) < JUDGED_DEPTH:
            return []
        spread, gapped = robust_spread(totals), self.n_gapped_cells / len(totals)
        same = int((totals == totals.max()).sum())
        sizes = (
            f"has nearly the same number of counts in each cell (median {middle:,.0f}), a spread "
            f"of {spread:.1%}"
        )
        if spread < EVEN_SPREAD and modality != "adt" and gapped >= GAPPED_CELLS:
            text = f"{sizes}, and {gapped:.0%} of the cells have no value of 1: {_NORMALISED}"
            return [Doubt(text, grave=True)]
        if same >= SAME_DEPTH * len(totals):
            text = (
                f"has exactly {totals.max():,.0f} counts in {same:,} of {len(totals):,} cells, as "
                "after down-sampling to one depth"
            )
            return [Doubt(text)]
        if spread >= EVEN_SPREAD:
            return []
        if totals.var() < UNDER_CHANCE * totals.mean():
            text = f"{sizes}, less than chance alone makes them differ: {_NORMALISED}"
            return [Doubt(text, grave=True)]
        text = (
            f"{sizes}, where raw counts have 20 % and more: corrected or normalised counts look "
            "so, and simulated ones of one depth"
        )
        return [Doubt(text)]

    def _numbers(self) -> list[Doubt]:
        found = []
        if self.divisor > 1:
            found.append(
                Doubt(
                    f"holds multiples of {self.divisor:,} only: counts that were multiplied, or "
                    "counted more than once",
                )
            )
        if self.largest in NARROW_LIMITS and self.n_largest > SATURATED_VALUES:
            kind = NARROW_LIMITS[self.largest]
            found.append(
                Doubt(
                    f"ends at {self.largest:,}, which {self.n_largest:,} values are: the largest "
                    f"number of {kind}, so that larger counts seem to have been cut off",
                )
            )
        even_only = self.divisor == 1 and not self.n_odd_past_half_float
        if even_only and self.n_past_half_float > SATURATED_VALUES:
            found.append(
                Doubt(
                    f"has no odd number among its {self.n_past_half_float:,} values above "
                    f"{HALF_FLOAT_EXACT:,}, as float16 can't hold them: large counts are rounded",
                )
            )
        return found


def robust_spread(totals: np.ndarray) -> float:
    """Return 1.4826 · MAD / median of library sizes, (n_cells,): the CV of a normal sample."""
    middle = float(np.median(totals))
    return 1.4826 * float(np.median(np.abs(totals - middle))) / middle if middle else 0.0


def _joined(arrays: list[np.ndarray], kind: type[np.generic]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)
