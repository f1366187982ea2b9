"""The metrics, each in a file of its own: a tuple ``METRICS`` of what the file defines.

To add one, add a file. Which files there are is what the evaluator computes.
"""

from __future__ import annotations

import importlib
import pkgutil

from multiverse.contract.scores import Group
from multiverse.evaluation.metric import Metric

_GROUPS = list(Group)


def all_metrics() -> tuple[Metric, ...]:
    """Return every metric of every file here: by group, then by file and as the file has them."""
    found: list[Metric] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        found += importlib.import_module(f"{__name__}.{module.name}").METRICS
    return tuple(sorted(found, key=lambda metric: _GROUPS.index(metric.group)))
