"""Moving cells that lack a modality to where they would lie with all of them.

Gradient-boosted regression trees, one ensemble a topic, from the posterior mean by fewer
modalities to that by all (Gong et al. 2021, Methods). The paper uses XGBoost with its
defaults; here it is scikit-learn's histogram gradient boosting with the same settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: With fewer cells that have all modalities there is too little to learn from.
MIN_COMPLETE_CELLS = 50


@dataclass(frozen=True)
class Correction:
    """One fitted regressor a topic."""

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
        """(n_cells, n_topics) → (n_cells, n_topics)."""
        return np.column_stack([regressor.predict(source) for regressor in self.regressors])
