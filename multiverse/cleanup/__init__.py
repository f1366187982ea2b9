"""Cleaning: what can go from a results folder and from this machine, and its removal.

May import specs, registry, plan, images, runs, engines, runner and exclusive.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.cleanup.clean import USUAL, CleanupOutcome, CleanupPlan, CleanupRequest
    from multiverse.cleanup.removable import CleanupGroup, Item, Kept
else:
    __getattr__ = lazily(
        __name__,
        clean="USUAL CleanupOutcome CleanupPlan CleanupRequest",
        removable="CleanupGroup Item Kept",
    )

__all__ = [
    "USUAL",
    "CleanupGroup",
    "CleanupOutcome",
    "CleanupPlan",
    "CleanupRequest",
    "Item",
    "Kept",
]
