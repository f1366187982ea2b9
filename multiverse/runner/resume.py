"""What of a job is done already, and why the rest has to run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from multiverse.runner.prepared import PreparedJob
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.listing import FoundRun, earlier_runs, last_attempt
from multiverse.runs.publish import is_intact
from multiverse.runs.record import RunRecord, RunState

#: A job is compared with at most so many earlier runs to say what changed.
MOST_COMPARED = 50
#: The reason of a job that nothing is known of.
NEW = "new"


class Resume:
    """Compares prepared jobs with what a results folder holds. The run id decides."""

    def __init__(self, results: ResultsFolder) -> None:
        self._results = results
        self._identities: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def done(self, prepared: PreparedJob) -> FoundRun | None:
        """The run, if nothing has to be done: complete, or known to be not applicable."""
        job = prepared.job
        run = self._results.run(job.dataset.slug, job.model.name, prepared.run_id)
        if is_intact(run):
            return FoundRun(RunRecord.read(run.record), run.folder)
        found = self._last(prepared)
        if found is not None and found.record.state is RunState.NOT_APPLICABLE:
            return found
        return None

    def newest(self, prepared: PreparedJob) -> str | None:
        """What tells the newest record of a run from one that comes later."""
        found = self.done(prepared) or self._last(prepared)
        return None if found is None else f"{found.record.started_at} {found.record.attempt}"

    def settled(self, prepared: PreparedJob, seen: str | None) -> FoundRun | None:
        """The run, if another runner has brought it to an end since :meth:`newest` was ``seen``.

        That is: done, or failed for good.
        """
        found = self.done(prepared) or self._last(prepared)
        if found is None or found.record.state is RunState.CANCELLED:
            return None
        return None if self.newest(prepared) == seen else found

    def failed(self, prepared: PreparedJob) -> bool:
        """Whether its last attempt failed."""
        found = self._last(prepared)
        return found is not None and found.record.state is RunState.FAILED

    def reason(self, prepared: PreparedJob) -> str:
        """Why a job has to run: how its last attempt ended, or what changed."""
        found = self._last(prepared)
        if found is not None:
            record = found.record
            cause = (record.cause or "unknown cause").replace("_", " ")
            return f"attempt {record.attempt} {record.state.replace('_', ' ')}: {cause}"
        nearest = self._nearest(prepared)
        if not nearest and prepared.run_id in {run.run_id for run in self._runs(prepared)}:
            return "its files are not all there"
        return "; ".join(nearest) or NEW

    def _nearest(self, prepared: PreparedJob) -> list[str]:
        """What changed since the published run that is most like this job."""
        nearest: list[str] | None = None
        for identity in self._earlier(prepared.job.dataset.slug, prepared.job.model.name):
            changes = prepared.identity.differences(identity)
            if nearest is None or len(changes) < len(nearest):
                nearest = changes
            if len(nearest) <= 1:
                break
        return nearest or []

    def _last(self, prepared: PreparedJob) -> FoundRun | None:
        attempt = last_attempt(self._results, prepared.run_id)
        if attempt is None:
            return None
        return FoundRun(RunRecord.read(attempt.record), attempt.folder)

    def _runs(self, prepared: PreparedJob) -> Any:
        return earlier_runs(self._results, prepared.job.dataset.slug, prepared.job.model.name)

    def _earlier(self, dataset: str, model: str) -> list[Mapping[str, Any]]:
        """Identities of the model's published runs, one of those that differ in the seed only.

        Read once: there may be thousands, and thousands of jobs to compare with them. A few are
        enough to say what changed.
        """
        key = (dataset, model)
        if key not in self._identities:
            found: dict[str, Mapping[str, Any]] = {}
            for run in earlier_runs(self._results, dataset, model):
                identity = RunRecord.read_identity(run.record)
                found.setdefault(json.dumps({**identity, "seed": None}, sort_keys=True), identity)
                if len(found) == MOST_COMPARED:
                    break
            self._identities[key] = list(found.values())
        return self._identities[key]
