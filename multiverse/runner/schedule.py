"""Admits jobs while there is room for them, repeats what may be repeated, waits for others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from multiverse.engines.protocol import Capacity, Engine
from multiverse.errors import DiskFull, EngineUnavailable
from multiverse.plan.job import Limits
from multiverse.runner.attempt import Attempts, limits_of
from multiverse.runner.capacity import Room, Share
from multiverse.runner.engine_doubt import EngineDoubt
from multiverse.runner.events import Listener
from multiverse.runner.guard import FreeSpace
from multiverse.runner.prepared import PreparedJob, owner_labels
from multiverse.runner.recovery import Recovery, Survivor
from multiverse.runner.resume import Resume
from multiverse.runner.retry import again
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.history import History, past_run_of
from multiverse.runs.listing import FoundRun
from multiverse.runs.lock import RunLocks
from multiverse.runs.record import Cause, RunState

#: How often the queue is looked at when nothing happens (a plain wait would keep signals waiting).
TICK_SECONDS = 0.2
#: How often runs that another runner works on are looked at, and the disk.
SLOW_SECONDS = 2.0
#: So many jobs may overtake one that finds no room; then it is waited for.
MOST_OVERTAKEN = 16


@dataclass
class Outcome:
    """What became of a plan."""

    runs: list[FoundRun] = field(default_factory=list)
    not_started: int = 0
    cancelled: bool = False
    error: BaseException | None = None

    def count(self, state: RunState) -> int:
        """How many jobs ended that way."""
        return sum(run.record.state is state for run in self.runs)


@dataclass
class _Waiting:
    """A job of the queue: with the limits of its next attempt."""

    prepared: PreparedJob
    limits: Limits
    made: int = 0
    overtaken: int = 0
    survivor: Survivor | None = None


@dataclass(frozen=True)
class _Ended:
    """What a thread hands back: an attempt's record, or what made it impossible."""

    waiting: _Waiting
    share: Share
    run: FoundRun | None = None
    error: BaseException | None = None


class Schedule:
    """A queue of jobs, the room that they need, and one thread for each that runs."""

    def __init__(
        self,
        engine: Engine,
        attempts: Attempts,
        recovery: Recovery,
        results: ResultsFolder,
        locks: RunLocks,
        listener: Listener,
        cancelled: threading.Event,
        *,
        capacity: Capacity,
        jobs_per_gpu: int = 1,
        parallel: int | None = None,
        reserve_bytes: int = 0,
        history: History | None = None,
    ) -> None:
        self._engine = engine
        self._attempts = attempts
        self._recovery = recovery
        self._results = results
        self._locks = locks
        self._listener = listener
        self._cancelled = cancelled
        self._capacity = capacity
        self._room = Room(capacity, jobs_per_gpu)
        self._parallel = parallel
        self._history = history
        self._disk = FreeSpace(results.folder, reserve_bytes)
        self._doubt = EngineDoubt(engine, owner_labels(results), listener)
        self._resume = Resume(results)
        self._queue: list[_Waiting] = []
        self._elsewhere: dict[str, _Waiting] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._outcome = Outcome()
        self._rerun = False
        self._short: str | None = None
        self._looked = 0.0

    def run(
        self,
        jobs: Sequence[PreparedJob],
        *,
        rerun: bool = False,
        survivors: Mapping[str, Survivor] | None = None,
    ) -> Outcome:
        """Run every job that is not complete yet, in the order given, while there is room.

        ``survivors`` are jobs that a killed runner left running, by run id; they are taken over.
        One failed job never stops the others; a full disk or a lost engine stops the queue.
        """
        taken = survivors or {}
        self._rerun = rerun
        for job in jobs:
            survivor = taken.get(job.run_id)
            if survivor is None and not rerun and self._reuse(job):
                continue
            self._listener.queued(job.task, self._resume.reason(job))
            self._queue.append(_Waiting(job, job.job.limits, survivor=survivor))
        self._queue.sort(key=lambda waiting: waiting.survivor is None)
        while self._tick():
            with suppress(queue.Empty):
                self._end(self._ended.get(timeout=TICK_SECONDS))
        self._outcome.not_started = len(self._queue) + len(self._elsewhere)
        self._outcome.cancelled = self._cancelled.is_set()
        return self._outcome

    def wait(self, seconds: float) -> None:
        """Give jobs that are being stopped that long to end."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _tick(self) -> bool:
        """One look at everything; False when nothing is left to wait for."""
        running = bool(self._threads)
        if self._cancelled.is_set() or self._outcome.error is not None:
            return running
        self._slow_look()
        if self._short is not None:
            if not running:
                self._fail(self._disk_error())
        elif self._doubt.may_start():
            self._admit()
        elif self._doubt.given_up and not running:
            self._fail(EngineUnavailable(self._doubt.words, remedy=self._doubt.remedy))
        return bool(self._threads or self._queue or self._elsewhere)

    def _admit(self) -> None:
        """Start, in the order of the queue, what there is room for."""
        passed: list[_Waiting] = []
        no_room: set[tuple[float, int, str]] = set()
        for waiting in list(self._queue):
            if self._parallel is not None and len(self._threads) >= self._parallel:
                return
            need = (waiting.limits.cpus, waiting.limits.memory, waiting.prepared.job.device)
            share = None if need in no_room else self._share(waiting)
            if share is None:
                if waiting.overtaken >= MOST_OVERTAKEN:
                    return
                no_room.add(need)
                passed.append(waiting)
                continue
            self._queue.remove(waiting)
            if self._begin(waiting, share):
                for item in passed:
                    item.overtaken += 1

    def _share(self, waiting: _Waiting) -> Share | None:
        if waiting.survivor is not None:
            started = waiting.survivor.started
            return self._room.force(limits_of(started.record), started.gpu)
        return self._room.take(waiting.limits, waiting.prepared.job.device)

    def _begin(self, waiting: _Waiting, share: Share) -> bool:
        """Start a job, unless another runner has it, or has just done it."""
        run_id = waiting.prepared.run_id
        if not self._locks.acquire(run_id):
            self._room.give_back(share)
            self._elsewhere[run_id] = waiting
            self._listener.held(waiting.prepared.task, self._locks.holder(run_id))
            return False
        if not (waiting.made or waiting.survivor):
            waiting.survivor = self._recovery.survivor(run_id)
        first = not (waiting.made or waiting.survivor or self._rerun)
        if first and self._reuse(waiting.prepared):
            self._room.give_back(share)
            self._locks.release(run_id)
            return False
        thread = threading.Thread(
            target=self._work, args=(waiting, share), name=f"run-{run_id}", daemon=True
        )
        self._threads[run_id] = thread
        thread.start()
        return True

    def _work(self, waiting: _Waiting, share: Share) -> None:
        """The life of one attempt, in a thread of its own; all that follows is the queue's."""
        try:
            self._ended.put(_Ended(waiting, share, run=self._attempt(waiting, share)))
        except BaseException as error:  # handed to whoever asked for the outcome
            self._ended.put(_Ended(waiting, share, error=error))

    def _attempt(self, waiting: _Waiting, share: Share) -> FoundRun:
        prepared = waiting.prepared
        if waiting.survivor is not None:
            survivor = waiting.survivor
            return self._attempts.adopt(survivor.attempt, prepared.task, survivor.orphan)
        if waiting.made:  # what a lost engine could not remove
            self._engine.sweep(owner_labels(self._results, prepared.run_id))
        return self._attempts.make(prepared, waiting.limits, share.gpu)

    def _end(self, ended: _Ended) -> None:
        """An attempt has ended: the job is done, or goes back to the queue."""
        waiting, prepared = ended.waiting, ended.waiting.prepared
        del self._threads[prepared.run_id]
        self._room.give_back(ended.share)
        if ended.run is not None:
            self._remember(prepared, ended.run)
            if self._repeat(waiting, ended.run):
                return
        self._locks.release(prepared.run_id)
        if ended.run is not None:
            self._outcome.runs.append(ended.run)
            self._listener.finished(prepared.task, ended.run)
        if ended.error is not None:
            self._fail(ended.error)

    def _remember(self, prepared: PreparedJob, run: FoundRun) -> None:
        """What it took, for the plans of later commands."""
        past = past_run_of(run.record, prepared.job.n_values)
        if self._history is not None and past is not None:
            self._history.append(past)

    def _repeat(self, waiting: _Waiting, run: FoundRun) -> bool:
        """Queue another attempt after a failure that allows it."""
        if run.record.cause in (Cause.ENGINE_LOST, Cause.ENGINE_ERROR):
            self._doubt.raise_()
        waiting.made += 1
        waiting.survivor = None
        limits = limits_of(run.record)
        most = max(self._capacity.memory, limits.memory)
        following = again(run.record, limits, waiting.prepared.job.retry, waiting.made, most)
        if following is None or self._cancelled.is_set() or self._outcome.error is not None:
            return False
        waiting.limits, waiting.overtaken = following.limits, 0
        self._queue.insert(0, waiting)
        self._listener.retried(waiting.prepared.task, run, following.how)
        return True

    def _slow_look(self) -> None:
        """Now and then: is there disk, and are the others done?"""
        now = time.monotonic()
        if now - self._looked < SLOW_SECONDS:
            return
        self._looked = now
        short = self._disk.short()
        if short is not None and self._short is None and (self._queue or self._elsewhere):
            self._listener.noted(f"{short}: what runs may finish, and nothing new is started")
        self._short = short if self._queue or self._elsewhere else None
        for run_id, waiting in list(self._elsewhere.items()):
            if self._locks.acquire(run_id):
                del self._elsewhere[run_id]
                self._after_another(waiting)

    def _after_another(self, waiting: _Waiting) -> None:
        """Another runner has let go of a run: take what it made of it, or make it ourselves."""
        prepared = waiting.prepared
        waiting.survivor = self._recovery.survivor(prepared.run_id)
        found = None if waiting.survivor else self._resume.settled(prepared)
        if found is None:
            self._queue.insert(0, waiting)
            return
        self._locks.release(prepared.run_id)
        self._outcome.runs.append(found)
        self._listener.finished(prepared.task, found)

    def _reuse(self, prepared: PreparedJob) -> bool:
        """Whether nothing has to be done: complete, or known to be not applicable."""
        run = self._resume.done(prepared)
        if run is None:
            return False
        self._outcome.runs.append(run)
        self._listener.reused(prepared.task, run)
        return True

    def _disk_error(self) -> DiskFull:
        return DiskFull(
            f"{self._short}, and {len(self._queue) + len(self._elsewhere)} jobs wait",
            remedy="Free some room (`multiverse clean` lists what can go), then run the same "
            "command again: it goes on from here.",
        )

    def _fail(self, error: BaseException) -> None:
        """Something is wrong that no other job would escape: start nothing more."""
        self._outcome.error = self._outcome.error or error
