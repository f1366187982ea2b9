"""A job that can start, and what an engine is asked to do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.job_spec import JobSpec, RunSettings
from multiverse.contract.paths import MEMORY_VARIABLE
from multiverse.engines.protocol import Runtime
from multiverse.facts import JobFacts
from multiverse.plan.job import Identity, Limits, PlannedJob
from multiverse.runs.folder import ResultsFolder

#: Libraries that start threads of their own read one of these.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
#: A thread of OpenMP that waits gives its core away. By default it spins, and two jobs on the
#: same cores, or one with a share of a core, then train ten times slower.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class PreparedJob:
    """A job that can start: with its dataset's file, its runtime and its identity."""

    job: PlannedJob
    data: Path
    runtime: Runtime
    identity: Identity
    experiment: str
    tags: Mapping[str, str]
    #: What the device is called where the job runs: a container sees only the GPU it is given.
    device_inside: str
    #: From past runs of the model; None where there are none.
    expected_seconds: float | None = None
    #: What will probably go wrong, from past runs and the size of the data.
    warning: str | None = None

    @property
    def run_id(self) -> str:
        return self.identity.run_id

    @property
    def facts(self) -> JobFacts:
        job = self.job
        return JobFacts(
            self.run_id,
            job.name,
            job.dataset.slug,
            job.model.name,
            job.seed,
            self.expected_seconds,
        )

    def spec(self) -> JobSpec:
        """Return the specification that the model reads."""
        job = self.job
        return JobSpec(
            seed=job.seed,
            dataset_id=job.dataset.fingerprint,
            dataset_name=job.dataset.slug,
            model_name=job.model.name,
            model_version=job.model.version,
            image=self.runtime.image,
            hyperparameters=dict(job.parameters),
            preprocessing=dict(job.preprocessing),
            modalities=job.modalities,
            batch_key=job.dataset.batch_key,
            device=self.device_inside,
            run_settings=RunSettings(experiment_name=self.experiment, tags=dict(self.tags)),
        )


def threads(limits: Limits) -> int:
    """Return the number of threads inside the container: its share of CPUs."""
    return max(1, int(limits.cpus))


def environment(limits: Limits) -> dict[str, str]:
    """Return the variables that tell a job its share of the machine."""
    return {
        **dict.fromkeys(THREAD_VARIABLES, str(threads(limits))),
        **WAITING,
        MEMORY_VARIABLE: str(limits.memory),
    }


def owner_labels(results: ResultsFolder, run_id: str | None = None) -> dict[str, str]:
    """Return the labels of all containers of one results folder, or of one run of it."""
    labels = {"multiverse.results": str(results.folder.resolve())}
    return labels if run_id is None else {**labels, "multiverse.run": run_id}
