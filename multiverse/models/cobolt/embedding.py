"""The embedding of every cell: posterior means, corrected where a modality is missing, centred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from multiverse.models.cobolt.counts import CellCounts, Cells, Subset
from multiverse.models.cobolt.network import Network
from multiverse.models.cobolt.settings import CoboltSettings

Array = NDArray[np.float64]
#: Cells made dense at once.
CHUNK = 512
#: With fewer cells that have all modalities there is too little to learn a correction from.
MIN_COMPLETE_CELLS = 50


@dataclass(frozen=True)
class Latent:
    """The embedding and how it came about.

    ``values`` is (n_cells, n_topics) in the order of the cells, each row with mean 0, so that
    softmax of a row gives the cell's topic proportions. ``correction`` says what was done to
    the ``corrected`` cells, of ``incomplete`` ones that lack a modality; ``empty`` cells have
    no counts at all and lie at the prior's mean.
    """

    values: Array
    correction: str
    corrected: int
    incomplete: int
    empty: int


@dataclass(frozen=True)
class Correction:
    """Moves cells that lack a modality to where they would lie with all of them.

    Gradient-boosted regression trees, one ensemble a topic, from the posterior mean by fewer
    modalities to that by all (Gong et al. 2021, Methods). The paper uses XGBoost with its
    defaults; here it is scikit-learn's histogram gradient boosting with the same settings.
    """

    regressors: Sequence[Any]

    @classmethod
    def fit(cls, source: Array, target: Array, seed: int) -> Correction:
        """Learn ``target`` (n_cells, n_topics) of the same cells from all of ``source``.

        One thread: the order of parallel sums would not repeat.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        def fitted(column: Array) -> Any:
            regressor = HistGradientBoostingRegressor(
                loss="squared_error",
                learning_rate=0.3,
                max_iter=100,
                max_depth=6,
                l2_regularization=1.0,
                early_stopping=False,
                random_state=seed,
            )
            return regressor.fit(source, column)

        with threadpool_limits(limits=1):
            return cls([fitted(column) for column in target.T])

    def __call__(self, source: Array) -> Array:
        """Return corrected means: (n_cells, n_topics) → (n_cells, n_topics)."""
        return np.column_stack([regressor.predict(source) for regressor in self.regressors])


def posterior_means(
    network: Network, data: CellCounts, cells: Cells, subset: Subset, chunk: int = CHUNK
) -> Array:
    """Return means of q(z | the modalities of ``subset``), (n_cells, n_topics), not centred.

    The network must be in evaluation mode; then a cell's mean depends on that cell alone.
    """
    means = np.empty((len(cells), len(network.prior_mean)))
    with torch.no_grad():
        for start in range(0, len(cells), chunk):
            chosen = cells[start : start + chunk]
            posterior = network.posterior(data.minibatch(chosen, subset, network.device).counts)
            means[start : start + chunk] = posterior.mean.cpu().numpy()
    return means


def embed_cells(network: Network, data: CellCounts, settings: CoboltSettings) -> Latent:
    """Embed every cell by the modalities it has, corrected towards all of them, centred.

    A pattern of missing modalities is corrected if at least 50 cells have all modalities: on
    those cells it is learned where the means by the pattern alone belong.
    """
    patterns = data.patterns()
    empty = patterns.pop((), np.empty(0, dtype=np.intp))
    complete = patterns.pop(data.full_set, np.empty(0, dtype=np.intp))
    values = np.empty((data.n_cells, settings.n_latent))
    values[empty] = network.prior_mean.cpu().numpy()
    values[complete] = posterior_means(network, data, complete, data.full_set)
    possible = settings.correction == "gbm" and len(complete) >= MIN_COMPLETE_CELLS
    for subset, cells in patterns.items():
        means = posterior_means(network, data, cells, subset)
        if possible:
            source = posterior_means(network, data, complete, subset)
            means = Correction.fit(source, values[complete], settings.seed)(means)
        values[cells] = means
    incomplete = sum(len(cells) for cells in patterns.values())
    done = possible and incomplete > 0
    return Latent(
        values=centred(values),
        correction="gbm" if done else "none",
        corrected=incomplete if done else 0,
        incomplete=incomplete,
        empty=len(empty),
    )


def centred(values: Array) -> Array:
    """Return rows minus their means, (n_cells, n_topics): a row's level is arbitrary in softmax."""
    level: Array = values.mean(axis=1, keepdims=True)
    return values - level
