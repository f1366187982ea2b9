"""Each modality as a Gaussian (linear) method wants it, from the settings of a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from multiverse.errors import NotApplicable
from multiverse.worker.preprocess.accessibility import tfidf, variable_peaks
from multiverse.worker.preprocess.counts import as_counts, seen_features
from multiverse.worker.preprocess.expression import log_normalise
from multiverse.worker.preprocess.genes import variable_genes
from multiverse.worker.preprocess.proteins import clr

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.worker.job import Job


@dataclass(frozen=True)
class View:
    """One modality, prepared: ``values`` is cells × features, sparse (RNA, ATAC) or dense (ADT)."""

    name: str
    values: csr_matrix | NDArray[np.float32]
    features: tuple[str, ...]


Step = Callable[[csr_matrix, Mapping[str, Any], NDArray[np.str_] | None], tuple[Any, Any]]


def gaussian_views(job: Job, data: MuData) -> list[View]:
    """Every modality of the job, filtered, transformed and cut to its variable features.

    RNA is log-normalised, ATAC becomes TF-IDF, ADT its centred log-ratio. Reads the settings
    ``min_cells``, ``n_top_genes``, ``target_sum`` (RNA) and ``n_top_peaks`` (ATAC). A modality
    in which nothing varies is left out with a warning; :class:`NotApplicable` if none is left.
    """
    if data.n_obs < 2:
        raise NotApplicable("one cell has no neighbours: at least 2 cells are needed")
    views = []
    for name in job.spec.modalities:
        view = _view(name, data[name], job)
        if view is None:
            job.log.warning("%s is left out: no feature varies between cells", name)
        else:
            job.log.info("%s: %d features used", name, len(view.features))
            views.append(view)
    if not views:
        raise NotApplicable("no modality has a feature that varies between cells")
    return views


def _view(name: str, part: Any, job: Job) -> View | None:
    counts = as_counts(part.X)
    # A panel of proteins is small and chosen by hand; only one that was never seen is dropped.
    least = 1 if name == "adt" else int(job.preprocessing["min_cells"])
    kept = np.flatnonzero(seen_features(counts, least))
    values, chosen = STEPS[name](counts[:, kept], job.preprocessing, job.batch)
    if not _varies(values):
        return None
    names = part.var_names.to_numpy()[kept[chosen]]
    return View(name, values, tuple(str(feature) for feature in names))


def _rna(
    counts: csr_matrix, settings: Mapping[str, Any], batch: NDArray[np.str_] | None
) -> tuple[Any, Any]:
    if counts.shape[1] > int(settings["n_top_genes"]):
        chosen = np.flatnonzero(variable_genes(counts, int(settings["n_top_genes"]), batch))
    else:
        chosen = np.arange(counts.shape[1])
    return log_normalise(counts, float(settings["target_sum"]))[:, chosen], chosen


def _atac(
    counts: csr_matrix, settings: Mapping[str, Any], batch: NDArray[np.str_] | None
) -> tuple[Any, Any]:
    del batch  # openness is judged over all cells
    chosen = np.flatnonzero(variable_peaks(counts, int(settings["n_top_peaks"])))
    return tfidf(counts)[:, chosen], chosen


def _adt(
    counts: csr_matrix, settings: Mapping[str, Any], batch: NDArray[np.str_] | None
) -> tuple[Any, Any]:
    del settings, batch  # the ratio is within a cell
    return clr(counts) if counts.shape[1] else counts.toarray(), np.arange(counts.shape[1])


STEPS: dict[str, Step] = {"rna": _rna, "atac": _atac, "adt": _adt}


def _varies(values: csr_matrix | NDArray[np.float32]) -> bool:
    """Whether any feature differs between two cells."""
    if 0 in values.shape:
        return False
    first = values[:1]
    if isinstance(values, np.ndarray):
        return bool((values != first).any())
    low = values.min(axis=0).toarray()
    high = values.max(axis=0).toarray()
    return bool((low != high).any())
