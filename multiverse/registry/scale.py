"""The scale of values that are no counts: logarithms, a common depth, fractions of counts.

Nothing is said that was not checked on the values: of cells whose counts were multiplied by one
number each, the values, taken back to that scale, are whole multiples of the smallest one in the
cell; at a common depth they add up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.sparse import csr_array, vstack

from multiverse.registry.evidence import robust_spread

#: The cells that are looked at: so many of each of the first blocks.
BLOCKS, CELLS = 4, 500
#: Logarithms of counts are smaller: log2 of 2^24, the largest count.
LARGEST_LOGARITHM = 24.0
#: Cells at a common depth differ by rounding only.
COMMON_DEPTH = 0.01
#: Relative distance from a whole multiple, and the share of values that must lie within it.
NEAR, MOSTLY = 0.005, 0.95
#: Multiples of the smallest value up to which they can be told from others.
MULTIPLES = 20.0
#: Values taken back from a logarithm are told from whole ones up to here: single precision.
LARGEST_TOLD = 1000.0
#: Mean distance from the nearest whole number: 0.25 where values have nothing to do with those.
NEAR_WHOLE = 0.2
#: Small values tell how near they are to whole numbers, if they are this share of all.
SMALL = 0.25


def _as_it_is(values: np.ndarray) -> np.ndarray:
    return values


def _exp2m1(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.expm1(values * np.log(2.0)))


#: How a scale is called, and how to get back from it. Logarithms are tried first.
_SCALES: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("log(1 + x) of ", np.expm1),
    ("log2(1 + x) of ", _exp2m1),
    ("", _as_it_is),
    ("square roots of ", np.square),
)


@dataclass(frozen=True)
class Scale:
    """What values look like; ``spread_counts`` if like counts that a tool made fractional.

    ``too_large`` is True where they are too large for logarithms, so that nothing but their
    fractions speaks against counts.
    """

    text: str
    spread_counts: bool = False
    too_large: bool = False

    @property
    def may_be_rounded(self) -> bool:
        """True unless rounding would make counts of something else."""
        return self.spread_counts or self.too_large


def scale_of(blocks: Iterable[csr_array]) -> Scale:
    """Judge the first cells of a matrix of finite values by blocks of (n_cells, n_features)."""
    sample = [block[:CELLS].astype(np.float64) for block in islice(blocks, BLOCKS)]
    values = csr_array(vstack(sample))
    values.data[~np.isfinite(values.data)] = 0.0
    values.eliminate_zeros()
    values = csr_array(values[np.diff(values.indptr) > 0])
    if not values.nnz:
        return Scale("it holds nothing else")
    if values.data.min() < 0:
        low, high = values.data.min(), values.data.max()
        return Scale(f"values from {low:.3g} to {high:.3g}: scaled, centred or residuals")
    for name, back in _SCALES:
        if "log" in name and values.data.max() > LARGEST_LOGARITHM:
            continue
        counts = csr_array((back(values.data), values.indices, values.indptr), shape=values.shape)
        found = _common_scale(counts) or (_whole(counts) if name else None)
        if found is not None:
            return Scale(f"the values are {name}{found}")
    return _fractions(values)


def _common_scale(counts: csr_array) -> str | None:
    """Return how the cells were scaled; None if they were not."""
    starts = counts.indptr[:-1]
    totals = np.add.reduceat(counts.data, starts)
    least = np.minimum.reduceat(counts.data, starts)
    if len(totals) >= 3 and robust_spread(totals) < COMMON_DEPTH:
        return f"counts per {float(f'{np.median(totals):.2g}'):,.10g}"
    if len(np.unique(np.round(least, 6))) <= max(2, 0.2 * len(least)):
        return None  # one smallest value for all, such as 1 or 0.5, is no scale of a cell
    multiples = counts.data / np.repeat(least, np.diff(counts.indptr))
    told = (multiples > 1 + NEAR) & (multiples < MULTIPLES)
    off = np.abs(multiples - np.rint(multiples)) / multiples
    if told.sum() >= 3 * len(totals) ** 0.5 and (off[told] < NEAR).mean() >= MOSTLY:
        return "counts that were divided by one number in each cell"
    return None


def _whole(counts: csr_array) -> str | None:
    small = counts.data[counts.data < LARGEST_TOLD]
    if len(small) <= SMALL * counts.nnz:
        return None
    return "counts" if (np.abs(small - np.rint(small)) < NEAR).mean() >= MOSTLY else None


def _fractions(values: csr_array) -> Scale:
    data = values.data
    totals = np.add.reduceat(data, values.indptr[:-1])
    whole = float((data == np.rint(data)).mean())
    vanish = float((data < 0.5).mean())
    small = data[(data >= 0.5) & (data < 10)]
    distance = (
        float(np.abs(small - np.rint(small)).mean()) if len(small) > SMALL * len(data) else 0.25
    )
    spread = robust_spread(totals) if len(totals) >= 3 else 1.0
    like = vanish <= 0.5 and spread > 0.05 and (whole >= 0.1 or distance <= NEAR_WHOLE)
    low, high = totals.min(), totals.max()
    numbers = (
        f"{whole:.0%} of the values are whole, the largest is {data.max():,.5g}, and cells add up "
        f"to {low:,.5g} to {high:,.5g}"
    )
    if data.max() < 2 or not like:
        too_large = bool(vanish <= 0.5 and data.max() > LARGEST_LOGARITHM)
        return Scale(f"no scale of counts was recognised: {numbers}", too_large=too_large)
    return Scale(
        "the values look like counts that became fractional by removal of ambient RNA (SoupX, "
        "decontX, CellBender) or by sharing out reads (STARsolo EM, alevin, RSEM, kallisto): "
        f"{numbers}",
        spread_counts=True,
    )
