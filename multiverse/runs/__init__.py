"""The results folder: the one place that names every file of a run, publishes and lists runs.

May import contract, specs and exclusive.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.runs.aggregate import AGGREGATES
    from multiverse.runs.folder import RunFolder
    from multiverse.runs.record import RunRecord
    from multiverse.runs.remaining import Remaining, job_remaining, total_remaining
    from multiverse.runs.run import Run, without_collection
    from multiverse.runs.status import FolderStatus, JobStatus, Standing
    from multiverse.runs.warned import RunWarnings, warnings_of
else:
    __getattr__ = lazily(
        __name__,
        folder="RunFolder",
        record="RunRecord",
        remaining="Remaining job_remaining total_remaining",
        run="Run without_collection",
        status="FolderStatus JobStatus Standing",
        aggregate="AGGREGATES",
        warned="RunWarnings warnings_of",
    )

__all__ = [
    "AGGREGATES",
    "FolderStatus",
    "JobStatus",
    "Remaining",
    "Run",
    "RunFolder",
    "RunRecord",
    "RunWarnings",
    "Standing",
    "job_remaining",
    "total_remaining",
    "warnings_of",
    "without_collection",
]
