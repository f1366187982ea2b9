"""The results folder: the one place that names every file of a run, publishes and lists runs.

May import contract and specs.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.runs.listing import FoundRun, Listing, without_collection
    from multiverse.runs.record import Cause, GpuUsage, RunRecord, RunState, Usage
    from multiverse.runs.remaining import Remaining, job_remaining, total_remaining
    from multiverse.runs.status import FolderStatus, JobStatus, Standing
else:
    __getattr__ = lazily(
        __name__,
        listing="FoundRun Listing without_collection",
        record="Cause GpuUsage RunRecord RunState Usage",
        remaining="Remaining job_remaining total_remaining",
        status="FolderStatus JobStatus Standing",
    )

__all__ = [
    "Cause",
    "FolderStatus",
    "FoundRun",
    "GpuUsage",
    "JobStatus",
    "Listing",
    "Remaining",
    "RunRecord",
    "RunState",
    "Standing",
    "Usage",
    "job_remaining",
    "total_remaining",
    "without_collection",
]
