"""A metric: facts about it, its needs, and a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from multiverse.contract.scores import Group, MetricFacts
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.needs import Need

LUECKEN = "Luecken et al. 2022, doi:10.1038/s41592-021-01336-8"
SCIB_METRICS = "scib-metrics"


@dataclass(frozen=True)
class Metric:
    """One metric. ``compute`` is called only where all ``needs`` are met.

    ``quadratic``: it looks at all pairs of cells, so that past the size limit it is given a
    subsample (:attr:`Case.sample`). ``by_neighbours``: past the limit its neighbours are
    approximate. ``in_halves``: it is computed for random halves of the cells as well, from which
    its interval follows.
    """

    name: str
    title: str
    group: Group
    description: str
    source: str
    needs: tuple[Need, ...]
    compute: Callable[[Case], Estimate]
    quadratic: bool = False
    by_neighbours: bool = False
    in_halves: bool = True
    higher_is_better: bool = True

    @property
    def facts(self) -> MetricFacts:
        return MetricFacts(
            name=self.name,
            title=self.title,
            group=self.group,
            description=self.description,
            source=self.source,
            needs=tuple(need.value for need in self.needs),
            higher_is_better=self.higher_is_better,
        )
