"""The source of a simulation: the profile of every cell type in every batch.

Types come in pairs of neighbours: half of what marks a type marks its neighbour too, so that
telling them apart takes more than one feature. Everything here follows from the seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MARKED = 0.06  # share of features that mark a type
EFFECT = 0.9  # mean log fold change of a marking feature
RNA_BATCH, ATAC_BATCH, ADT_BATCH = 0.12, 0.2, 0.25  # sd of log batch factors
POSITIVE = 0.25  # chance that a type carries a protein


@dataclass(frozen=True)
class Programme:
    """Parameters of all modalities.

    ``rna`` and ``atac`` are (types, batches, features) and sum to 1 over features: the share of a
    cell's molecules or fragments. ``adt_background`` is (batches, proteins), mean counts of a cell
    that does not carry the protein; ``adt_fold`` (proteins,) how much more one has that does;
    ``adt_carries`` (types, proteins).
    """

    type_shares: np.ndarray
    rna: np.ndarray
    atac: np.ndarray
    adt_background: np.ndarray
    adt_fold: np.ndarray
    adt_carries: np.ndarray


def draw_programme(
    seed: int, n_types: int, n_batches: int, n_genes: int, n_peaks: int, n_proteins: int
) -> Programme:
    """Draw the parameters that belong to a seed and a size."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    return Programme(
        type_shares=rng.dirichlet(np.full(n_types, 4.0)),
        rna=_shares(rng, n_types, n_batches, n_genes, spread=1.6, batch=RNA_BATCH),
        atac=_shares(rng, n_types, n_batches, n_peaks, spread=0.7, batch=ATAC_BATCH),
        adt_background=rng.lognormal(np.log(8.0), 0.5, n_proteins)
        * rng.lognormal(0.0, ADT_BATCH, (n_batches, n_proteins)),
        adt_fold=rng.uniform(3.0, 10.0, n_proteins),
        adt_carries=_carriers(rng, n_types, n_proteins),
    )


def _shares(
    rng: np.random.Generator,
    n_types: int,
    n_batches: int,
    n_features: int,
    *,
    spread: float,
    batch: float,
) -> np.ndarray:
    base = rng.normal(0.0, spread, n_features)
    own, paired = (
        rng.normal(EFFECT, 0.4, (n_types, n_features))
        * (rng.random((n_types, n_features)) < MARKED / 2)
        for _ in range(2)
    )
    neighbour = np.arange(n_types) // 2 * 2
    by_type = base + own + paired[neighbour]
    by_batch = rng.normal(0.0, batch, (n_batches, n_features))
    shares = np.exp(by_type[:, None, :] + by_batch[None, :, :])
    return np.asarray(shares / shares.sum(axis=2, keepdims=True))


def _carriers(rng: np.random.Generator, n_types: int, n_proteins: int) -> np.ndarray:
    """Draw carriers so that every type has a protein of its own while there are enough."""
    carries = rng.random((n_types, n_proteins)) < POSITIVE
    for kind in range(min(n_types, n_proteins)):
        carries[:, kind] = np.arange(n_types) == kind
    return carries
