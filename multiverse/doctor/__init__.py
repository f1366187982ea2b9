"""Checks whether this machine can run jobs: findings, each with what was seen and what to do.

May import specs, registry, images and engines.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.doctor.examination import is_well
    from multiverse.doctor.finding import MachineFinding, Severity
else:
    __getattr__ = lazily(
        __name__,
        examination="is_well",
        finding="MachineFinding Severity",
    )

__all__ = ["MachineFinding", "Severity", "is_well"]
