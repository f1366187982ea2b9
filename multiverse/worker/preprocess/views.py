"""Each modality of a job as a family of methods wants it: Gaussian, counts, or non-negative.

All families select the same features by the same settings; they differ in what is done to the
values that remain. A setting that a model does not declare has its default of ``DEFAULTS``.

In a mosaic a modality is judged and transformed by the cells that were measured in it alone: a
cell that was not is no cell with zeros. Its row in the view is empty (``job.measured`` says which).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.errors import DatasetError, NotApplicable
from multiverse.worker.mosaic import spread_rows
from multiverse.worker.preprocess.accessibility import tfidf, variable_peaks
from multiverse.worker.preprocess.counts import as_counts, seen_features
from multiverse.worker.preprocess.expression import log_normalise
from multiverse.worker.preprocess.genes import variable_genes
from multiverse.worker.preprocess.proteins import clr, clr_non_negative

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.worker.job import Job

Settings = Mapping[str, Any]
Columns = NDArray[np.intp]

#: ``n_top_genes`` and ``n_top_peaks`` may be None: all features that are seen often enough.
DEFAULTS: Settings = {
    "min_cells": 3,
    "min_peak_share": 0.0,
    "n_top_genes": 2000,
    "n_top_peaks": 10_000,
    "target_sum": 1e4,
}


@dataclass(frozen=True)
class View:
    """One modality, prepared: ``values`` is cells × features, sparse (RNA, ATAC) or dense (ADT).

    Count views are sparse for every modality.
    """

    name: str
    values: csr_matrix | NDArray[np.float32]
    features: tuple[str, ...]


#: From the counts of all features that are seen, and the columns chosen, to the view's values.
Transform = Callable[[csr_matrix, Columns, Settings], Any]


def gaussian_views(job: Job, data: MuData) -> list[View]:
    """Prepare every modality for a Gaussian (linear) method: select and transform features.

    RNA is log-normalised, ATAC becomes TF-IDF, ADT its centred log-ratio. Reads the settings
    ``min_cells``, ``n_top_genes``, ``target_sum`` (RNA) and ``n_top_peaks``, ``min_peak_share``
    (ATAC). A modality in which nothing varies is left out with a warning; raises
    :class:`NotApplicable` if none is left or there are fewer than 2 cells.
    """
    return _views(job, data, {"rna": _log_normalised, "atac": _tfidf, "adt": _clr})


def non_negative_views(job: Job, data: MuData) -> list[View]:
    """Prepare every modality for a non-negative factorisation: ADT as log(1 + x/g).

    No value is negative, and a cell without counts in a modality is a row of zeros.
    """
    return _views(job, data, {"rna": _log_normalised, "atac": _tfidf, "adt": _clr_non_negative})


def count_views(job: Job, data: MuData) -> list[View]:
    """Prepare every modality for a count likelihood: raw counts (CSR) of selected features.

    Settings and errors as :func:`gaussian_views`; raises :class:`DatasetError` for counts that
    are negative or not whole.
    """
    for name in job.spec.modalities:
        _require_counts(data[name].X, name)
    return _views(job, data, dict.fromkeys(("rna", "atac", "adt"), _raw))


def _views(job: Job, data: MuData, transforms: Mapping[str, Transform]) -> list[View]:
    if data.n_obs < 2:
        raise NotApplicable("one cell has no neighbours: at least 2 cells are needed")
    settings = {**DEFAULTS, **job.preprocessing}
    views: list[View] = []
    left_out: list[str] = []
    for name in job.spec.modalities:
        measured = job.measured.get(name, np.ones(data.n_obs, dtype=bool))
        cells = _Cells(measured, job.batch)
        view = _view(name, data[name], settings, cells, transforms[name])
        if isinstance(view, str):
            left_out.append(f"{name}: {view}")
            job.warn(f"{name} is left out: {view}")
        else:
            job.log.info("%s: %d features used", name, len(view.features))
            views.append(view)
    if not views:
        raise NotApplicable(f"no modality can be used ({'; '.join(left_out)})")
    job.record(features={view.name: len(view.features) for view in views})
    return views


@dataclass(frozen=True)
class _Cells:
    """The cells that a modality was measured in, and the batch of every cell; both (n_cells,)."""

    measured: NDArray[np.bool_]
    all_batches: NDArray[np.str_] | None

    @property
    def batch(self) -> NDArray[np.str_] | None:
        """Return the batch of each measured cell."""
        return None if self.all_batches is None else self.all_batches[self.measured]

    def counts(self, matrix: Any) -> csr_matrix:
        """Return the rows of the measured cells."""
        counts = as_counts(matrix)
        return counts if self.measured.all() else counts[self.measured]

    def spread(self, values: Any) -> Any:
        """Return values of the measured cells as rows of all cells; the others are zero."""
        if self.measured.all():
            return values
        if not isinstance(values, np.ndarray):
            return spread_rows(values, self.measured)
        rows = np.zeros((len(self.measured), values.shape[1]), dtype=values.dtype)
        rows[self.measured] = values
        return rows


def _view(
    name: str, part: Any, settings: Settings, cells: _Cells, transform: Transform
) -> View | str:
    """Return the view, or why there is none."""
    counts = cells.counts(part.X)
    if counts.shape[0] < 2:
        return "it was measured in fewer than 2 cells"
    least = _least_cells(name, settings, counts.shape[0])
    kept = np.flatnonzero(seen_features(counts, least))
    if not len(kept):
        asked = "" if name == "adt" else " (settings min_cells, min_peak_share)"
        return f"no feature is seen in at least {least} cells{asked}"
    seen = counts[:, kept]
    chosen = np.flatnonzero(CHOICES[name](seen, settings, cells.batch))
    values = transform(seen, chosen, settings)
    if not _varies(values):
        return "no feature varies between cells"
    names = part.var_names.to_numpy()[kept[chosen]]
    return View(name, cells.spread(values), tuple(str(feature) for feature in names))


def _least_cells(name: str, settings: Settings, n_cells: int) -> int:
    """Return the number of cells in which a feature must be seen to be used."""
    if name == "adt":
        # A panel of proteins is small and chosen by hand; only one that was never seen is dropped.
        return 1
    least = int(settings["min_cells"])
    if name == "atac":
        least = max(least, int(np.ceil(float(settings["min_peak_share"]) * n_cells)))
    return least


def _genes(
    counts: csr_matrix, settings: Settings, batch: NDArray[np.str_] | None
) -> NDArray[np.bool_]:
    n_top = settings["n_top_genes"]
    if n_top is None or counts.shape[1] <= int(n_top):
        return np.ones(counts.shape[1], dtype=bool)
    return variable_genes(counts, int(n_top), batch)


def _peaks(
    counts: csr_matrix, settings: Settings, batch: NDArray[np.str_] | None
) -> NDArray[np.bool_]:
    del batch  # openness is judged over all cells
    n_top = settings["n_top_peaks"]
    return variable_peaks(counts, counts.shape[1] if n_top is None else int(n_top))


def _all_proteins(
    counts: csr_matrix, settings: Settings, batch: NDArray[np.str_] | None
) -> NDArray[np.bool_]:
    del settings, batch
    return np.ones(counts.shape[1], dtype=bool)


CHOICES = {"rna": _genes, "atac": _peaks, "adt": _all_proteins}


def _log_normalised(counts: csr_matrix, chosen: Columns, settings: Settings) -> csr_matrix:
    return log_normalise(counts, float(settings["target_sum"]))[:, chosen]


def _tfidf(counts: csr_matrix, chosen: Columns, settings: Settings) -> csr_matrix:
    del settings
    return tfidf(counts)[:, chosen]


def _clr(counts: csr_matrix, chosen: Columns, settings: Settings) -> NDArray[np.float32]:
    del settings
    return clr(counts)[:, chosen]


def _clr_non_negative(
    counts: csr_matrix, chosen: Columns, settings: Settings
) -> NDArray[np.float32]:
    del settings
    return clr_non_negative(counts)[:, chosen]


def _raw(counts: csr_matrix, chosen: Columns, settings: Settings) -> csr_matrix:
    del settings
    return counts[:, chosen]


def _require_counts(matrix: Any, name: str) -> None:
    values = as_counts(matrix).data
    whole = np.isfinite(values).all() and np.array_equal(values, np.rint(values))
    if (values < 0).any() or not whole:
        raise DatasetError(
            f"a likelihood of counts needs whole, non-negative numbers, and {name} has others",
            remedy="Register raw counts, not normalised values.",
        )


def _varies(values: csr_matrix | NDArray[np.float32]) -> bool:
    """Return True if any feature differs between two cells."""
    if 0 in values.shape:
        return False
    first = values[:1]
    if isinstance(values, np.ndarray):
        return bool((values != first).any())
    low = values.min(axis=0).toarray()
    high = values.max(axis=0).toarray()
    return bool((low != high).any())
