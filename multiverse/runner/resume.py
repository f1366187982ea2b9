"""Tells the jobs that are done already from the others, and why those have to run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from multiverse.contract.folders import is_file
from multiverse.errors import ResultsError
from multiverse.facts import RunState
from multiverse.runner.prepared import PreparedJob
from multiverse.runs.folder import RunFolder
from multiverse.runs.publish import is_intact
from multiverse.runs.results import Results
from multiverse.runs.run import Run

#: A job is compared with at most so many earlier runs to say what changed.
MOST_COMPARED = 50
#: The reason of a job that nothing is known of.
NEW = "new"


class Resume:
    """Compares prepared jobs with what a results folder holds. The run id decides."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._identities: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def done(self, prepared: PreparedJob) -> Run | None:
        """Return the run, if nothing has to be done: complete, or known to be not applicable."""
        job = prepared.job
        place = self._results.paths.run(job.dataset.slug, job.model.name, prepared.run_id)
        if is_file(place.record):
            run = self._results.read(place.record)
            if is_intact(run):
                return run
        found = self._last(prepared)
        if found is not None and found.record.state is RunState.NOT_APPLICABLE:
            return found
        return None

    def newest(self, prepared: PreparedJob) -> str | None:
        """Return a token that tells the newest record of a run from one that comes later."""
        found = self.done(prepared) or self._last(prepared)
        return None if found is None else f"{found.record.started_at} {found.record.attempt}"

    def settled(self, prepared: PreparedJob, seen: str | None) -> Run | None:
        """Return the run, if another runner has ended it since :meth:`newest` was ``seen``.

        That is: done, or failed for good.
        """
        found = self.done(prepared) or self._last(prepared)
        if found is None or found.record.state is RunState.CANCELLED:
            return None
        return None if self.newest(prepared) == seen else found

    def failed(self, prepared: PreparedJob) -> bool:
        """Return whether its last attempt failed."""
        found = self._last(prepared)
        return found is not None and found.record.state is RunState.FAILED

    def reason(self, prepared: PreparedJob) -> str:
        """Return the reason for running a job: how its last attempt ended, or what changed."""
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
        """Return the differences from the published run that is most like this job."""
        nearest: list[str] | None = None
        for identity in self._earlier(prepared.job.dataset.slug, prepared.job.model.name):
            changes = prepared.identity.differences(identity)
            if nearest is None or len(changes) < len(nearest):
                nearest = changes
            if len(nearest) <= 1:
                break
        return nearest or []

    def _last(self, prepared: PreparedJob) -> Run | None:
        attempt = self._results.paths.last_attempt(prepared.run_id)
        return None if attempt is None else self._results.read(attempt.record)

    def _runs(self, prepared: PreparedJob) -> list[RunFolder]:
        return self._results.paths.runs_of(prepared.job.dataset.slug, prepared.job.model.name)

    def _earlier(self, dataset: str, model: str) -> list[Mapping[str, Any]]:
        """Return identities of the model's published runs, one of those that differ only in seed.

        Read once: there may be thousands, and thousands of jobs to compare with them. A few are
        enough to say what changed.
        """
        key = (dataset, model)
        if key not in self._identities:
            found: dict[str, Mapping[str, Any]] = {}
            for run in self._results.paths.runs_of(dataset, model):
                try:
                    identity = self._results.read(run.record).record.identity
                except ResultsError:  # it is named where it is asked for
                    continue
                found.setdefault(json.dumps({**identity, "seed": None}, sort_keys=True), identity)
                if len(found) == MOST_COMPARED:
                    break
            self._identities[key] = list(found.values())
        return self._identities[key]
