"""One attempt at one job: start it or take it over, watch it, judge it, publish it."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from multiverse.contract.cells import CellNames
from multiverse.contract.epochs import EpochFollower
from multiverse.contract.files import MAX_FILE_BYTES
from multiverse.contract.folders import remove_file
from multiverse.contract.latent import count_dimensions
from multiverse.contract.output import read_libraries, read_warnings
from multiverse.engines.protocol import (
    Ending,
    Engine,
    Execution,
    Orphan,
    Running,
    heed,
)
from multiverse.errors import Cancelled, ChecksUnavailable, EngineError, EngineUnavailable
from multiverse.events import AttemptStarted, Printed, Progressed, Tell
from multiverse.facts import Cause, EngineFacts, EpochFacts, RunState, Usage
from multiverse.plan.job import Limits
from multiverse.runner.host import host_facts, versions
from multiverse.runner.prepared import PreparedJob, environment, owner_labels, threads
from multiverse.runner.supervise import seconds_before, supervise
from multiverse.runner.verdict import Verdict, device_verdict, gpu_usage, judge
from multiverse.runs.clock import Moment
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.publish import publish, take_back
from multiverse.runs.record import RunRecord
from multiverse.runs.remaining import EpochPace
from multiverse.runs.run import Run
from multiverse.runs.started import Ended, Started
from multiverse.runs.writing import disk_errors, write_atomic

#: Follows the reason for which an output could not be checked.
CHECKED_LATER = "its output is kept, and the next run checks it without training again"


class Attempts:
    """Makes attempts on one engine into one results folder."""

    def __init__(
        self,
        engine: Engine,
        results: ResultsFolder,
        tell: Tell,
        cancelled: threading.Event,
        verbose: bool = False,
    ) -> None:
        self._engine = engine
        heed(engine, cancelled)
        self._facts: EngineFacts = engine.facts()
        self._results = results
        self._tell = tell
        self._cancelled = cancelled
        self._verbose = verbose
        self._cells: dict[Path, Future[CellNames]] = {}
        self._cells_lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="cell-names")

    def make(
        self, prepared: PreparedJob, limits: Limits | None = None, gpu: str | None = None
    ) -> Run:
        """Make one attempt, from an empty folder to a published run or a kept failure.

        ``limits`` and the id of a ``gpu`` are those of this attempt. Only what concerns the
        whole results folder is raised (:class:`DiskFull`, …); what concerns the job is in the
        record.
        """
        limits = limits or prepared.job.limits
        device = prepared.job.device if gpu is None else f"cuda:{gpu}"
        with disk_errors(self._results.folder):
            attempt = self._results.new_attempt(prepared.run_id)
            started = self._started(prepared, attempt, limits, gpu)
            write_atomic(attempt.started, started.to_json())
            write_atomic(attempt.output.job_spec, started.job_spec)
        self._tell_start(attempt, started, limits)
        execution = self._execution(prepared, attempt, limits, device)
        self._cell_names(started.data)
        try:
            with self._engine.start(execution) as running:
                return self._end(running, attempt, started, limits)
        except EngineError as error:
            return self._lost(attempt, started, error)

    def adopt(self, attempt: AttemptFolder, started: Started, orphan: Orphan) -> Run:
        """End an attempt that another runner began and did not live to end.

        Raises :class:`ResultsError` if what it left is damaged, and what :meth:`make` raises.
        """
        limits = Limits.of_plain(started.record.limits)
        take_back(attempt)
        if orphan.running:  # of one that has ended meanwhile there is nothing to watch
            self._tell_start(attempt, started, limits, adopted=True)
        seconds = seconds_before(orphan, started.moment, started.record.started_at)
        echo = self._echo(started.record.run_id)
        try:
            with self._engine.adopt(orphan, attempt.container_log, echo) as running:
                return self._end(running, attempt, started, limits, seconds)
        except EngineError as error:
            return self._lost(attempt, started, error)

    def give_up(self, attempt: AttemptFolder, started: Started, reason: str) -> Run:
        """Record that nobody knows how an attempt ended; it was interrupted."""
        verdict = Verdict(RunState.CANCELLED, Cause.INTERRUPTED, reason)
        return self._keep(attempt, started, verdict, Ending(None, None, Usage()))

    def _end(
        self,
        running: Running,
        attempt: AttemptFolder,
        started: Started,
        limits: Limits,
        elapsed: float = 0.0,
    ) -> Run:
        """Watch a job to its end, and publish or keep what it left.

        The job is removed from its engine after that, so that a runner that is killed in
        between leaves what it takes to do it again.
        """
        epochs, pace = EpochFollower(attempt.output.epochs), EpochPace()
        ending = supervise(
            running,
            attempt.output.folder,
            limits,
            cancelled=self._cancelled,
            look=partial(self._tell_progress, started.record.run_id, running, epochs, pace),
            elapsed=elapsed,
        )
        return self._conclude(attempt, started, limits, ending)

    def judge_again(self, attempt: AttemptFolder, started: Started) -> Run:
        """Judge the output of an attempt that ended before its runner was stopped.

        Raises :class:`ResultsError` if what it left is damaged, and what :meth:`make` raises.
        """
        ended = Ended.read(attempt.ended)
        take_back(attempt)
        limits = Limits.of_plain(started.record.limits)
        return self._conclude(attempt, started, limits, Ending(ended.exit_code, None, ended.usage))

    def _conclude(
        self, attempt: AttemptFolder, started: Started, limits: Limits, ending: Ending
    ) -> Run:
        """Publish or keep what an attempt has left that has ended, by itself or not."""
        read_cells = partial(self._read_cells, started.data)
        try:
            verdict = judge(ending, attempt, read_cells, limits, self._cancelled)
        except Cancelled:
            words = "stopped on request before its output was checked: the next run checks it"
            verdict = Verdict(RunState.CANCELLED, Cause.CANCELLED, words)
            return self._put_off(attempt, started, verdict, ending)
        except ChecksUnavailable as error:
            verdict = Verdict(RunState.FAILED, Cause.NOT_CHECKED, f"{error}: {CHECKED_LATER}")
            return self._put_off(attempt, started, verdict, ending)
        if verdict.state is RunState.COMPLETE:
            gpu = gpu_usage(attempt.output.folder)
            verdict = device_verdict(started.record.device, gpu) or verdict
        if verdict.state is not RunState.COMPLETE:
            return self._keep(attempt, started, verdict, ending)
        record = self._record(attempt, started, verdict, ending)
        target = self._results.run(record.dataset, record.model, record.run_id)
        published = publish(attempt, target, record, started.job_spec)
        return Run(published, target.folder)

    def _tell_progress(
        self, run_id: str, running: Running, epochs: EpochFollower, pace: EpochPace
    ) -> None:
        newest, usage = epochs.look(), running.usage()
        facts = None
        if newest is not None:
            facts = EpochFacts(
                number=newest.number,
                total=newest.total,
                values=dict(newest.values),
                limit=newest.limit,
                pace=pace.see(newest.number, usage.wall_seconds),
            )
        self._tell(Progressed(run_id, usage, facts))

    def _lost(self, attempt: AttemptFolder, started: Started, error: EngineError) -> Run:
        gone = isinstance(error, EngineUnavailable)
        cause = Cause.ENGINE_LOST if gone else Cause.ENGINE_ERROR
        verdict = Verdict(RunState.FAILED, cause, str(error))
        return self._keep(attempt, started, verdict, Ending(None, cause, Usage()))

    def _put_off(
        self, attempt: AttemptFolder, started: Started, verdict: Verdict, ending: Ending
    ) -> Run:
        """Leave the judgement to the next command: this one is to end at once, or can't judge."""
        record = self._record(attempt, started, verdict, ending)
        ended = Ended(exit_code=ending.exit_code, usage=ending.usage)
        write_atomic(attempt.ended, ended.to_json())
        write_atomic(attempt.record, record.to_json())
        remove_file(attempt.live)
        return Run(record, attempt.folder)

    def _keep(
        self, attempt: AttemptFolder, started: Started, verdict: Verdict, ending: Ending
    ) -> Run:
        record = self._record(attempt, started, verdict, ending)
        write_atomic(attempt.record, record.to_json())
        for path in (attempt.ended, attempt.started, attempt.live):
            remove_file(path)
        return Run(record, attempt.folder)

    def _execution(
        self, prepared: PreparedJob, attempt: AttemptFolder, limits: Limits, device: str
    ) -> Execution:
        job = prepared.job
        return Execution(
            runtime=prepared.runtime,
            data=prepared.data,
            output=attempt.output.folder.absolute(),
            log=attempt.container_log,
            cpus=limits.cpus,
            memory=limits.memory,
            max_file_bytes=min(limits.disk, MAX_FILE_BYTES),
            device=device,
            labels={
                **owner_labels(self._results, prepared.run_id),
                "multiverse.attempt": str(attempt.number),
                "multiverse.model": job.model.name,
                "multiverse.dataset": job.dataset.slug,
            },
            environment=environment(limits),
            echo=self._echo(prepared.run_id),
        )

    def _tell_start(
        self, attempt: AttemptFolder, started: Started, limits: Limits, *, adopted: bool = False
    ) -> None:
        self._tell(
            AttemptStarted(
                run_id=started.record.run_id,
                attempt=attempt.number,
                cpus=limits.cpus,
                memory=limits.memory,
                gpu=started.gpu,
                adopted=adopted,
            )
        )

    def _echo(self, run_id: str) -> Callable[[bytes], None] | None:
        """Return what tells the output of one attempt; a character may come in two chunks."""
        if not self._verbose:
            return None
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

        def echo(chunk: bytes) -> None:
            self._tell(Printed(run_id, decoder.decode(chunk)))

        return echo

    def _cell_names(self, data: Path) -> Future[CellNames]:
        """Read once a dataset, while the container is being started."""
        with self._cells_lock:
            if data not in self._cells:
                self._cells[data] = self._reader.submit(CellNames.read, data)
            return self._cells[data]

    def _read_cells(self, data: Path) -> CellNames:
        try:
            return self._cell_names(data).result()
        except Exception:
            with self._cells_lock:
                self._cells.pop(data, None)  # another job may find it there again
            raise

    def _started(
        self, prepared: PreparedJob, attempt: AttemptFolder, limits: Limits, gpu: str | None
    ) -> Started:
        """Return everything about the attempt that is known before it begins."""
        job = prepared.job
        record = RunRecord(
            run_id=prepared.run_id,
            attempt=attempt.number,
            state=RunState.RUNNING,
            dataset=job.dataset.slug,
            dataset_fingerprint=job.dataset.fingerprint,
            n_obs=job.dataset.n_obs,
            model=job.model.name,
            model_version=job.model.version,
            built_in=job.model.built_in,
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
            limits=limits.plain(),
            threads=threads(limits),
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            experiment=prepared.experiment,
            tags=dict(prepared.tags),
            host=host_facts(),
            versions=versions(),
        )
        return Started(
            moment=Moment.now(),
            record=record,
            data=prepared.data.resolve(),
            job_spec=prepared.spec().to_json(),
            gpu=gpu,
        )

    def _record(
        self, attempt: AttemptFolder, started: Started, verdict: Verdict, ending: Ending
    ) -> RunRecord:
        complete = verdict.state is RunState.COMPLETE
        return started.record.model_copy(
            update={
                "state": verdict.state,
                "cause": verdict.cause,
                "message": verdict.message,
                "findings": verdict.findings,
                "warnings": read_warnings(attempt.output.folder),
                "libraries": read_libraries(attempt.output.folder),
                "exit_code": ending.exit_code,
                "usage": ending.usage,
                "gpu": gpu_usage(attempt.output.folder),
                "n_dims": count_dimensions(attempt.output.embeddings) if complete else None,
                "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
