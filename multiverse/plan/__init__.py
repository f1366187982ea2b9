"""Benchmark × registry → jobs. Pure: no I/O besides reading specs.

May import specs and registry.
"""

from multiverse.plan.expand import check, expand
from multiverse.plan.job import Identity, Limits, NotPlanned, Plan, PlannedJob, RetryPolicy

__all__ = [
    "Identity",
    "Limits",
    "NotPlanned",
    "Plan",
    "PlannedJob",
    "RetryPolicy",
    "check",
    "expand",
]
