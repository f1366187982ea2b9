"""Benchmark × registry → jobs. Pure: no I/O besides reading specs.

May import specs and registry.
"""

from multiverse.plan.expand import check, expand
from multiverse.plan.job import Identity, Job, Limits, NotPlanned, Plan, RetryPolicy

__all__ = ["Identity", "Job", "Limits", "NotPlanned", "Plan", "RetryPolicy", "check", "expand"]
