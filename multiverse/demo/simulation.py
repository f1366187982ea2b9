"""A seeded simulation of RNA, ATAC and proteins in the same cells, with types and batches.

The model, for a cell of type t in batch b (profiles: :mod:`multiverse.demo.programme`):

RNA
    library size L ~ LogNormal(log(0.4 · genes), 0.4); mean of gene g: L · share[t, b, g];
    counts ~ negative binomial with dispersion 1/2, drawn as Poisson of Gamma.
ATAC
    fragments N ~ Poisson(D), D ~ LogNormal(log(0.05 · peaks), 0.4), each in a peak drawn from
    share[t, b, ·]: the counts of the peaks are then independent Poisson (its splitting
    property), mostly 0 and 1, and cost only what is not zero.
ADT
    a cell shows a protein with probability 0.8 if its type carries it, else 0.1; mean:
    background[b, p] · S, times fold[p] where shown; S ~ LogNormal(0, 0.3); counts ~ negative
    binomial with dispersion 1/8.

Cells are drawn in units of 256, each with a random stream of its own: a cell's counts depend on
the seed, the numbers of features, types and batches, and the cell's position; not on how many cells
are drawn besides, nor in what pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import mudata
import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData
from scipy.sparse import csr_matrix, vstack

from multiverse.contract.files import written_aside
from multiverse.demo.programme import Programme, draw_programme
from multiverse.errors import UsageError

#: Counts up when the same seed starts to give other counts.
MODEL_VERSION = 1
UNIT = 256
_RNA_DEPTH, _ATAC_DEPTH, _DEPTH_SPREAD = 0.4, 0.05, 0.4
_RNA_SHAPE, _ADT_SHAPE = 2.0, 8.0
_ADT_SIZE_SPREAD = 0.3
_SHOWN_IF_CARRIED, _SHOWN_OTHERWISE = 0.8, 0.1
_STREAMS = {"cells": 1, "rna": 2, "atac": 3, "adt": 4}
_FEATURES = {"rna": "Gene Expression", "atac": "Peaks", "adt": "Antibody Capture"}

Modality = Literal["rna", "atac", "adt"]


@dataclass(frozen=True)
class Simulation:
    """An endless row of cells. ``n_genes``, ``n_peaks`` or ``n_proteins`` 0 leaves one out."""

    n_genes: int = 2000
    n_peaks: int = 4000
    n_proteins: int = 30
    n_types: int = 5
    n_batches: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.n_genes, self.n_peaks, self.n_proteins, self.seed) < 0 or not self.features:
            raise UsageError("A simulation needs features, and no number of them can be negative")
        if min(self.n_types, self.n_batches) < 1:
            raise UsageError("A simulation needs at least one cell type and one batch")

    @property
    def features(self) -> dict[Modality, int]:
        """The number of features of each modality that there is."""
        sizes: dict[Modality, int] = {
            "rna": self.n_genes,
            "atac": self.n_peaks,
            "adt": self.n_proteins,
        }
        return {modality: size for modality, size in sizes.items() if size}

    @cached_property
    def programme(self) -> Programme:
        return draw_programme(
            self.seed,
            self.n_types,
            self.n_batches,
            max(self.n_genes, 1),
            max(self.n_peaks, 1),
            max(self.n_proteins, 1),
        )

    def cells(self, start: int, stop: int) -> pd.DataFrame:
        """Return ``cell_type`` and ``batch`` of the cells from ``start`` up to ``stop``."""
        units = [self._unit_cells(unit) for unit in _units(start, stop)]
        skip = start // UNIT * UNIT
        types, batches = (
            np.concatenate([part[i] for part in units])[start - skip : stop - skip]
            for i in range(2)
        )
        index = pd.Index([f"cell_{number:07d}" for number in range(start, stop)], dtype=object)
        return pd.DataFrame(
            {
                "cell_type": pd.Categorical([f"type_{kind + 1}" for kind in types]),
                "batch": pd.Categorical([f"batch_{number + 1}" for number in batches]),
            },
            index=index,
        )

    def counts(self, modality: Modality, start: int, stop: int) -> csr_matrix:
        """Return counts of cells ``start`` up to ``stop``: CSR, float32, features in columns."""
        draw = {"rna": self._draw_rna, "atac": self._draw_atac, "adt": self._draw_adt}[modality]
        units = []
        for unit in _units(start, stop):
            counts = draw(self._stream(modality, unit), *self._unit_cells(unit))
            first = unit * UNIT
            units.append(counts[max(start - first, 0) : stop - first])
        joined: csr_matrix = vstack(units, format="csr", dtype=np.float32)
        return joined

    def _stream(self, what: str, unit: int) -> np.random.Generator:
        key = (_STREAMS[what], unit)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _unit_cells(self, unit: int) -> tuple[np.ndarray, np.ndarray]:
        rng = self._stream("cells", unit)
        types = rng.choice(self.n_types, UNIT, p=self.programme.type_shares)
        return types, rng.integers(self.n_batches, size=UNIT)

    def _draw_rna(
        self, rng: np.random.Generator, types: np.ndarray, batches: np.ndarray
    ) -> csr_matrix:
        sizes = rng.lognormal(np.log(_RNA_DEPTH * self.n_genes), _DEPTH_SPREAD, UNIT)
        means = self.programme.rna[types, batches] * sizes[:, None]
        return csr_matrix(_negative_binomial(rng, means, _RNA_SHAPE))

    def _draw_atac(
        self, rng: np.random.Generator, types: np.ndarray, batches: np.ndarray
    ) -> csr_matrix:
        depths = rng.lognormal(np.log(_ATAC_DEPTH * self.n_peaks), _DEPTH_SPREAD, UNIT)
        fragments = rng.poisson(depths)
        where = rng.random(int(fragments.sum()))
        cells = np.repeat(np.arange(UNIT), fragments)
        peaks = np.empty(len(where), dtype=np.int32)
        kinds = types * self.n_batches + batches
        for kind in np.unique(kinds):
            shares = self.programme.atac[kind // self.n_batches, kind % self.n_batches]
            chosen = np.isin(cells, np.flatnonzero(kinds == kind))
            peaks[chosen] = np.searchsorted(shares.cumsum(), where[chosen], side="right")
        np.minimum(peaks, self.n_peaks - 1, out=peaks)  # the shares' sum may round below 1
        ones = np.ones(len(where), dtype=np.float32)
        return csr_matrix((ones, (cells, peaks)), shape=(UNIT, self.n_peaks))

    def _draw_adt(
        self, rng: np.random.Generator, types: np.ndarray, batches: np.ndarray
    ) -> csr_matrix:
        programme = self.programme
        chance = np.where(programme.adt_carries[types], _SHOWN_IF_CARRIED, _SHOWN_OTHERWISE)
        shown = rng.random(chance.shape) < chance
        sizes = rng.lognormal(0.0, _ADT_SIZE_SPREAD, UNIT)
        means = programme.adt_background[batches] * np.where(shown, programme.adt_fold, 1.0)
        return csr_matrix(_negative_binomial(rng, means * sizes[:, None], _ADT_SHAPE))


def simulate(n_cells: int = 1000, simulation: Simulation | None = None) -> MuData:
    """Simulate the first ``n_cells`` cells, as MuData with ``cell_type`` and ``batch``.

    Memory is that of the counts that are not zero (8 bytes each, twice for a moment). Raises
    :class:`UsageError` for a size that makes no sense.
    """
    if n_cells < 1:
        raise UsageError(f"A simulation needs at least one cell, not {n_cells}")
    simulation = simulation or Simulation()
    obs = simulation.cells(0, n_cells)
    parts = {}
    for modality, n_features in simulation.features.items():
        names = pd.Index([f"{modality}_{number + 1}" for number in range(n_features)], dtype=object)
        var = pd.DataFrame({"feature_types": _FEATURES[modality]}, index=names)
        counts = simulation.counts(modality, 0, n_cells)
        parts[modality] = AnnData(X=counts, obs=pd.DataFrame(index=obs.index), var=var)
    with mudata.set_options(pull_on_update=False):
        data = MuData(parts)
        data.obs = obs
    return data


def write_simulation(
    path: Path,
    *,
    n_cells: int = 1000,
    n_genes: int = 2000,
    n_peaks: int = 4000,
    n_proteins: int = 30,
    n_types: int = 5,
    n_batches: int = 2,
    seed: int = 0,
) -> Path:
    """Write a simulation as ``.h5mu``; raises as :func:`simulate`."""
    simulation = Simulation(n_genes, n_peaks, n_proteins, n_types, n_batches, seed)
    data = simulate(n_cells, simulation)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside, mudata.set_options(pull_on_update=False):
        data.write_h5mu(aside, compression="gzip", compression_opts=1)
    return path


def _units(start: int, stop: int) -> range:
    return range(start // UNIT, -(-stop // UNIT))


def _negative_binomial(rng: np.random.Generator, means: np.ndarray, shape: float) -> np.ndarray:
    """Draw Poisson of Gamma: mean ``means``, variance ``means + means² / shape``."""
    rates = rng.standard_gamma(shape, means.shape) * (means / shape)
    return rng.poisson(rates).astype(np.float32)
