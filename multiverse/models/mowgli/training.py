"""From prepared views to Mowgli's embedding, by the repaired class.

A cell without counts in a modality has no distribution over its features. The library would
make it a uniform one, a false statement about that cell. Such a cell gets the modality weight 0
there (the library's ``use_mod_weight``), so that its place comes from its other modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from multiverse.errors import NotApplicable
from multiverse.models.mowgli.factorisation import Factorisation

if TYPE_CHECKING:
    from mudata import MuData

    from multiverse.models.mowgli.settings import MowgliSettings
    from multiverse.worker import Job
    from multiverse.worker.preprocess import View

Matrix = NDArray[np.float32]
#: Entropies are divided by the logarithm of the number of features, so one feature is too few.
MIN_FEATURES = 2


@dataclass(frozen=True)
class MowgliFit:
    """A finished factorisation.

    ``embedding`` is (n_cells, n_factors): non-negative, each row sums to 1. ``transport`` has
    the part of ``loss`` that is each modality's transport cost.
    """

    embedding: NDArray[np.float32] | NDArray[np.float64]
    loss: float
    iterations: int
    inner_steps: int
    evaluations: int
    converged: bool
    transport: Mapping[str, float]
    unseen: Mapping[str, int]


def usable_views(views: Sequence[View], job: Job) -> list[View]:
    """Return views (n_cells, n_features) with two features or more.

    Raises :class:`NotApplicable` if there are none.
    """
    usable = [view for view in views if len(view.features) >= MIN_FEATURES]
    for view in views:
        if len(view.features) < MIN_FEATURES:
            job.warn(f"{view.name} is left out: mowgli needs 2 features, and it has 1")
    if not usable:
        raise NotApplicable("no modality has 2 features that were seen")
    return usable


def train(
    views: Sequence[View], settings: MowgliSettings, job: Job, device: torch.device
) -> MowgliFit:
    """Fit Mowgli to views (n_cells, n_features); every outer iteration is reported as an epoch.

    Raises :class:`LossNotFinite`.
    """
    data, unseen = library_data(views)
    for name, count in unseen.items():
        if count:
            job.log.info("%s: no weight for cells without counts in it: %d", name, count)
    model = Factorisation(**settings.for_class(list(data.mod)), use_mod_weight=True)

    def report(number: int, loss: float) -> None:
        parts = {f"transport_{name}": model.transport_loss(name) for name in data.mod}
        job.epoch(number, settings.max_iter, limit=True, loss=loss, **parts)

    torch.manual_seed(job.seed)
    dtype = torch.float32 if settings.dtype == "float32" else torch.float64
    model.fit(data, report, device=device, dtype=dtype, **settings.for_training())
    return MowgliFit(
        embedding=model.W.T.cpu().numpy(),
        loss=float(model.losses[-1]),
        iterations=len(model.losses) // 2,
        inner_steps=model.inner_steps,
        evaluations=model.evaluations,
        converged=model.converged,
        transport={name: model.transport_loss(name) for name in data.mod},
        unseen=unseen,
    )


def library_data(views: Sequence[View]) -> tuple[MuData, dict[str, int]]:
    """Return the MuData that the library takes, and how many cells of each modality are empty.

    Views are (n_cells, n_features).

    Values are dense; every feature is marked as highly variable (they were selected before);
    ``obs["rna:mod_weight"]`` is 1, or 0 for a cell without counts in the view.
    """
    import warnings

    from anndata import AnnData
    from mudata import MuData

    parts: dict[str, AnnData] = {}
    weights: dict[str, Matrix] = {}
    for view in views:
        values = _dense(view.values)
        part = AnnData(values)
        part.var["highly_variable"] = True
        parts[view.name] = part
        weights[view.name] = (values.sum(axis=1) > 0).astype(np.float32)
    with warnings.catch_warnings():
        # MuData announces a change of its own defaults on every construction.
        warnings.simplefilter("ignore")
        data = MuData(parts)
    for name, weight in weights.items():
        data.obs[f"{name}:mod_weight"] = weight
    return data, {name: int((weight == 0).sum()) for name, weight in weights.items()}


def _dense(values: Any) -> Matrix:
    dense = values if isinstance(values, np.ndarray) else values.toarray()
    matrix: Matrix = np.ascontiguousarray(dense, dtype=np.float32)
    return matrix
