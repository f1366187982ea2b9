"""The subsets of modalities that a fit conditions on."""

from __future__ import annotations

from itertools import product

import numpy as np

Subset = tuple[int, ...]
#: Beyond this number of modalities not all subsets are used.
ALL_SUBSETS_UP_TO = 3
#: So many subsets besides the singletons and the full set are drawn then.
DRAWN = 5


def training_subsets(n_modalities: int, random: np.random.Generator) -> list[Subset]:
    """Non-empty subsets of modalities 0 … n−1, in the order of an epoch.

    The order is that of binary counting with the last modality fastest: {1}, {0}, {0, 1} for
    two. For four modalities and more: the singletons, the full set and 5 others, drawn once.
    """
    every = [
        tuple(number for number, present in enumerate(flags) if present)
        for flags in product((False, True), repeat=n_modalities)
    ][1:]
    if n_modalities <= ALL_SUBSETS_UP_TO:
        return every
    others = [number for number, subset in enumerate(every) if 1 < len(subset) < n_modalities]
    drawn = set(random.choice(others, size=DRAWN, replace=False).tolist())
    return [
        subset
        for number, subset in enumerate(every)
        if len(subset) in (1, n_modalities) or number in drawn
    ]
