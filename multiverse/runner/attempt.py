"""One attempt at one job: start it, watch it, judge it, publish it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from multiverse.contract.cells import CellNames
from multiverse.contract.job_spec import JobSpec, RunSettings
from multiverse.contract.output import read_warnings
from multiverse.contract.paths import MEMORY_VARIABLE
from multiverse.engines.protocol import Ending, Engine, Execution, Running, Runtime
from multiverse.errors import EngineError
from multiverse.plan.job import Identity, Job
from multiverse.runner.epochs import EpochFollower
from multiverse.runner.events import Listener, Task
from multiverse.runner.host import host_facts, versions
from multiverse.runner.verdict import Verdict, cancelled_verdict, judge, time_limit_verdict
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.listing import FoundRun
from multiverse.runs.publish import publish
from multiverse.runs.record import Cause, EngineFacts, RunRecord, RunState, Usage
from multiverse.runs.writing import disk_errors, write_atomic

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0
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

    job: Job
    data: Path
    runtime: Runtime
    identity: Identity
    experiment: str
    tags: Mapping[str, str]
    #: What the device is called where the job runs: a container sees only the GPU it is given.
    device_inside: str

    @property
    def run_id(self) -> str:
        return self.identity.run_id

    @property
    def task(self) -> Task:
        job = self.job
        return Task(self.run_id, job.name, job.dataset.slug, job.model.name, job.seed)

    @property
    def threads(self) -> int:
        """Threads inside the container: its share of CPUs."""
        return max(1, int(self.job.limits.cpus))

    def spec(self) -> JobSpec:
        """What the model is told."""
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


class Attempts:
    """Makes attempts on one engine into one results folder."""

    def __init__(
        self,
        engine: Engine,
        results: ResultsFolder,
        listener: Listener,
        cancelled: threading.Event,
        verbose: bool = False,
    ) -> None:
        self._engine = engine
        self._facts: EngineFacts = engine.facts()
        self._results = results
        self._listener = listener
        self._cancelled = cancelled
        self._verbose = verbose
        self._cells: dict[Path, Future[CellNames]] = {}
        self._cells_lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="cell-names")

    def make(self, prepared: PreparedJob) -> FoundRun:
        """One attempt, from an empty folder to a published run or a kept failure.

        Only what concerns the whole results folder is raised (:class:`DiskFull`, …); what
        concerns the job is in the record.
        """
        with disk_errors(self._results.folder):
            attempt = self._results.new_attempt(prepared.run_id)
            text = prepared.spec().to_json()
            write_atomic(attempt.output.job_spec, text)
        self._listener.started(prepared.task, attempt.number, prepared.job.limits.memory)
        started = datetime.now(UTC)
        verdict, ending = self._execute(prepared, attempt)
        record = self._record(prepared, attempt, verdict, ending, started)
        if record.state is not RunState.COMPLETE:
            write_atomic(attempt.record, record.to_json())
            return FoundRun(record, attempt.folder)
        job = prepared.job
        target = self._results.run(job.dataset.slug, job.model.name, prepared.run_id)
        return FoundRun(publish(attempt, target, record, text), target.folder)

    def _execute(self, prepared: PreparedJob, attempt: AttemptFolder) -> tuple[Verdict, Ending]:
        cells = self._cell_names(prepared.data)
        try:
            with self._engine.start(self._execution(prepared, attempt)) as running:
                stopped = self._watch(running, prepared, attempt)
                ending = running.ending()
        except EngineError as error:
            cause = Cause.ENGINE_ERROR
            return Verdict(RunState.FAILED, cause, str(error)), Ending(None, cause, Usage())
        if stopped is not None:
            return stopped(), ending
        return judge(ending, attempt, cells.result(), prepared.job.limits), ending

    def _execution(self, prepared: PreparedJob, attempt: AttemptFolder) -> Execution:
        limits = prepared.job.limits
        echo = partial(self._listener.output, prepared.task) if self._verbose else None
        return Execution(
            runtime=prepared.runtime,
            data=prepared.data,
            output=attempt.output.folder.resolve(),
            log=attempt.container_log,
            cpus=limits.cpus,
            memory=limits.memory,
            device=prepared.job.device,
            labels={
                **owner_labels(self._results),
                "multiverse.run": prepared.run_id,
                "multiverse.attempt": str(attempt.number),
                "multiverse.model": prepared.job.model.name,
                "multiverse.dataset": prepared.job.dataset.slug,
            },
            environment={
                **dict.fromkeys(THREAD_VARIABLES, str(prepared.threads)),
                **WAITING,
                MEMORY_VARIABLE: str(limits.memory),
            },
            echo=echo,
        )

    def _watch(
        self, running: Running, prepared: PreparedJob, attempt: AttemptFolder
    ) -> Callable[[], Verdict] | None:
        """Wait for the end; what stopped the job, if the runner did."""
        limits = prepared.job.limits
        epochs = EpochFollower(attempt.output.epochs)
        deadline = time.monotonic() + (limits.time_limit or float("inf"))
        while not running.wait(POLL_SECONDS):
            self._listener.progress(prepared.task, running.usage(), epochs.look())
            if self._cancelled.is_set():
                running.stop(GRACE_SECONDS)
                return cancelled_verdict
            if time.monotonic() > deadline:
                running.stop(GRACE_SECONDS)
                return partial(time_limit_verdict, limits, attempt)
        self._listener.progress(prepared.task, running.usage(), epochs.look())
        return None

    def _cell_names(self, data: Path) -> Future[CellNames]:
        """Read once a dataset, while the container is being started."""
        with self._cells_lock:
            if data not in self._cells:
                self._cells[data] = self._reader.submit(CellNames.read, data)
            return self._cells[data]

    def _record(
        self,
        prepared: PreparedJob,
        attempt: AttemptFolder,
        verdict: Verdict,
        ending: Ending,
        started: datetime,
    ) -> RunRecord:
        job = prepared.job
        return RunRecord(
            run_id=prepared.run_id,
            attempt=attempt.number,
            state=verdict.state,
            cause=verdict.cause,
            message=verdict.message,
            findings=verdict.findings,
            warnings=read_warnings(attempt.output.folder),
            exit_code=ending.exit_code,
            dataset=job.dataset.slug,
            dataset_fingerprint=job.dataset.fingerprint,
            n_obs=job.dataset.n_obs,
            model=job.model.name,
            model_version=job.model.version,
            seed=job.seed,
            device=job.device,
            parameters=dict(job.parameters),
            changed=job.changed,
            preprocessing=dict(job.preprocessing),
            modalities=job.modalities,
            identity=prepared.identity.plain(),
            image=prepared.runtime.image,
            environment_lock=prepared.runtime.environment_lock,
            engine=self._facts,
            limits=asdict(job.limits),
            threads=prepared.threads,
            usage=ending.usage,
            n_dims=_dimensions(attempt) if verdict.state is RunState.COMPLETE else None,
            started_at=started.isoformat(timespec="seconds"),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            experiment=prepared.experiment,
            tags=dict(prepared.tags),
            host=host_facts(),
            versions=versions(),
        )


def owner_labels(results: ResultsFolder) -> dict[str, str]:
    """What marks everything that was started for one results folder."""
    return {"multiverse.results": str(results.folder.resolve())}


def _dimensions(attempt: AttemptFolder) -> int:
    import h5py

    with h5py.File(attempt.output.embeddings, "r") as file:
        return int(file["latent"].shape[1])
