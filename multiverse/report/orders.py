"""Finds the usual choices of metrics under which the order of models is another.

Four of the seven metrics of biology judge clusters, two of Leiden's and two of k-means, so that
what is agreement of clusters weighs more than half. Benchmarks differ in which of them they take.
"""

from __future__ import annotations

from collections.abc import Mapping

from multiverse.report.summary import Comparison, compare_configurations
from multiverse.runs.scores import Weights
from multiverse.runs.totals import reweighted

_LEIDEN = {"leiden_nmi": 0.0, "leiden_ari": 0.0}
_KMEANS = {"kmeans_nmi": 0.0, "kmeans_ari": 0.0}
#: What a choice is called at the beginning of a sentence → the metrics that it leaves out.
CHOICES: Mapping[str, Mapping[str, float]] = {
    "With k-means clusters only": _LEIDEN,
    "With Leiden clusters only": _KMEANS,
    "Without metrics of clusters": {**_LEIDEN, **_KMEANS},
}


def other_orders(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Return each choice that changes the order of the ranked, with their labels in its order."""
    usual = order_of(comparison)
    runs = [run for item in comparison.configurations for run in item.runs]
    found = []
    for choice, left_out in CHOICES.items():
        weights = comparison.evaluation.weights
        chosen = Weights(
            bio=weights.bio, batch=weights.batch, metrics={**weights.metrics, **left_out}
        )
        again = compare_configurations(reweighted(comparison.evaluation, chosen), runs)
        order = order_of(again)
        if set(order) == set(usual) and order != usual:
            found.append((choice, order))
    return found


def order_of(comparison: Comparison) -> tuple[str, ...]:
    """Return the labels of the ranked, best value first."""
    return tuple(item.label for item in comparison.ranked)
