"""Expects duration and memory of a job from past runs of its model."""

from __future__ import annotations

from collections.abc import Iterable

from multiverse.forecast.extrapolate import Known
from multiverse.forecast.history import PastRun
from multiverse.forecast.memory_estimate import MemoryEstimate, estimate_memory
from multiverse.forecast.similar_runs import PastRuns, Subject
from multiverse.forecast.time_estimate import TimeEstimate, estimate_time
from multiverse.plan.job import PlannedJob
from multiverse.specs.quantity import format_bytes

#: A stored count in memory, as the worker reads it: float32 and the int32 index of its feature.
VALUE_BYTES = 4 + 4
REMEDY = "allow more with --job-memory, or `resources: memory:` in the benchmark file"


class Expectations:
    """Made of past runs, oldest first.

    Of the runs of the same model on the same kind of device, those with the same settings and
    version count; where there are none, those with the same settings, then the same version, then
    all. Answers are kept: jobs that differ in their seed only are asked once.
    """

    def __init__(self, past: Iterable[PastRun]) -> None:
        past = list(past)
        self._with_seconds = PastRuns(run for run in past if not run.out_of_memory)
        self._with_memory = PastRuns(
            run for run in past if run.out_of_memory or run.peak_memory_bytes
        )
        self._subjects: dict[tuple[object, ...], tuple[PlannedJob, Subject]] = {}
        self._time: dict[Subject, TimeEstimate | None] = {}
        self._memory: dict[Subject, MemoryEstimate | None] = {}

    def seconds(self, job: PlannedJob) -> float | None:
        """Return expected wall seconds; None without a completed run of the model on that device.

        As :meth:`time` has them.
        """
        found = self.time(job)
        return None if found is None else found.expected

    def time(self, job: PlannedJob) -> TimeEstimate | None:
        """Return the expected wall time, with what it rests on; None where nothing is known."""
        subject = self._subject(job)
        if subject not in self._time:
            self._time[subject] = estimate_time(self._with_seconds, subject)
        return self._time[subject]

    def memory(self, job: PlannedJob) -> MemoryEstimate | None:
        """Return the expected peak of memory; None without a run that says anything about it.

        It grows with the stored counts of the modalities in use rather than with cells: raw
        counts are held sparse and whole, a cell of two modalities takes more than a cell of one,
        and what is dense (selected features × cells) grows with them in the same proportion.
        """
        subject = self._subject(job)
        if subject not in self._memory:
            self._memory[subject] = estimate_memory(self._with_memory, subject, least_memory(job))
        return self._memory[subject]

    def warning(self, job: PlannedJob) -> str | None:
        """Return a warning for a job with too little memory; None if it has enough.

        The same for jobs that differ in nothing that matters here, such as their seed.
        """
        limit, estimate = job.limits.memory, self.memory(job)
        if estimate is None:
            return _too_little_for_counts(job)
        likelihood = _likelihood(estimate, limit)
        if likelihood is None:
            return None
        return (
            f"{job.model.name} on {job.dataset.slug} {likelihood} run out of memory: "
            f"{estimate.words}, and it has {format_bytes(limit)}: {REMEDY}"
        )

    def order(self, jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
        """Sort the longest expected first, so that the last ones are short; else as given.

        Jobs of which nothing is known come before all: each may be the longest, and the first
        of a model to end tells how long the others will take.
        """
        return sorted(jobs, key=lambda job: -_or_forever(self.seconds(job)))

    def _subject(self, job: PlannedJob) -> Subject:
        """Return the subject of a job; jobs that differ in seed share the objects of settings.

        A job of them is kept, so that the identity of an object remains its own.
        """
        objects = (job.model, job.dataset, job.parameters, job.preprocessing)
        key = (*map(id, objects), job.modalities, job.device, job.limits.cpus)
        if key not in self._subjects:
            self._subjects[key] = job, Subject.of(job)
        return self._subjects[key][1]


def least_memory(job: PlannedJob) -> int:
    """Return the bytes of the raw counts alone, of the modalities in use, as the worker reads them.

    CSR of float32 values and int32 indices, held once. Every model needs more: its libraries,
    what it makes of the counts, its parameters.
    """
    pointers = 4 * (job.dataset.n_obs + 1) * len(job.modalities)
    return VALUE_BYTES * job.n_values + pointers


def _likelihood(estimate: MemoryEstimate, limit: int) -> str | None:
    """Return how likely a job runs out of its ``limit``; None if it should not."""
    probable, possible = {
        Known.ABOUT: (estimate.expected > limit, (estimate.high or 0) > limit),
        Known.AT_MOST: (estimate.low > limit, estimate.expected > limit),
        Known.AT_LEAST: (estimate.expected >= limit, False),
    }[estimate.known]
    if probable:
        return "will probably"
    return "may" if possible else None


def _too_little_for_counts(job: PlannedJob) -> str | None:
    """Return the warning about a model without past runs: only what is beyond doubt."""
    least, limit = least_memory(job), job.limits.memory
    if least < limit:
        return None
    return (
        f"{job.model.name} on {job.dataset.slug} will probably run out of memory: the counts of "
        f"{', '.join(job.modalities)} alone are {format_bytes(least)} when they have been read, "
        f"and it has {format_bytes(limit)}: {REMEDY}"
    )


def _or_forever(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds
