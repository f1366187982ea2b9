"""Admits jobs while there is room for them, repeats what may be repeated, waits for others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from multiverse.engines.protocol import Capacity, Engine
from multiverse.errors import DiskFull, EngineError, EngineUnavailable, MultiverseError
from multiverse.events import Finished, Held, Queued, Retried, Reused, Tell, Warned
from multiverse.facts import Cause, RunState
from multiverse.forecast.history import History, past_run_of
from multiverse.plan.job import Limits
from multiverse.runner.attempt import Attempts
from multiverse.runner.capacity import Room, Share, within
from multiverse.runner.engine_health import EngineDoubt
from multiverse.runner.guard import FreeSpace
from multiverse.runner.prepared import PreparedJob, owner_labels
from multiverse.runner.recovery import Recovery, Survivor
from multiverse.runner.resume import Resume
from multiverse.runner.retry import again
from multiverse.runner.waiting import Waiting, WaitingLine
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.lock import RunLocks
from multiverse.runs.results import Results
from multiverse.runs.run import Run

#: How often the queue is looked at when nothing happens (a plain wait would keep signals waiting).
TICK_SECONDS = 0.2
#: How often runs that another runner works on are looked at, and the disk.
SLOW_SECONDS = 2.0


@dataclass
class RunOutcome:
    """The outcome of a plan. ``results``: the whole folder when it had ended."""

    runs: list[Run] = field(default_factory=list)
    not_started: int = 0
    cancelled: bool = False
    error: BaseException | None = None
    results: Results | None = None

    def count(self, state: RunState) -> int:
        """Return the number of jobs that ended in this state."""
        return sum(run.record.state is state for run in self.runs)


@dataclass(frozen=True)
class _Ended:
    """The result that a thread hands back: an attempt's record, or the error that prevented it."""

    waiting: Waiting
    share: Share
    run: Run | None = None
    error: BaseException | None = None


@dataclass(frozen=True)
class RunContext:
    """The surroundings of a schedule: engine, results folder, locks, and who is told."""

    engine: Engine
    attempts: Attempts
    recovery: Recovery
    results: ResultsFolder
    found: Results
    locks: RunLocks
    tell: Tell
    cancelled: threading.Event


@dataclass(frozen=True)
class Bounds:
    """The bounds of a schedule. ``parallel``: at most so many jobs at a time, None: no bound.

    ``min_free``: bytes of disk below which nothing new is started.
    """

    capacity: Capacity
    jobs_per_gpu: int = 1
    parallel: int | None = None
    min_free: int = 0


class Schedule:
    """A line of jobs, the room that they need, and one thread for each that runs."""

    def __init__(self, site: RunContext, bounds: Bounds, history: History | None = None) -> None:
        self._site = site
        self._bounds = bounds
        self._history = history
        self._tell = site.tell
        self._room = Room(bounds.capacity, bounds.jobs_per_gpu)
        self._line = WaitingLine(self._room)
        self._disk = FreeSpace(site.results.folder, bounds.min_free)
        self._doubt = EngineDoubt(site.engine, owner_labels(site.results), site.tell)
        self._resume = Resume(site.found)
        self._elsewhere: dict[str, Waiting] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._outcome = RunOutcome()
        self._rerun = False
        self._short: str | None = None
        self._looked = float("-inf")

    def run(
        self,
        jobs: Sequence[PreparedJob],
        *,
        rerun: bool = False,
        survivors: Mapping[str, Survivor] | None = None,
    ) -> RunOutcome:
        """Run every job that is not complete yet, in the order given, while there is room.

        ``survivors`` are jobs that a killed runner left running, by run id; they are taken over.
        One failed job never stops the others; a full disk or a lost engine stops the queue.
        """
        taken = survivors or {}
        self._rerun = rerun
        warned: set[str | None] = {None}
        for job in jobs:
            survivor = taken.get(job.run_id)
            if survivor is None and not rerun and self._reuse(job):
                continue
            if job.warning not in warned:
                warned.add(job.warning)
                self._tell(Warned(f"{job.warning}"))
            self._tell(Queued(job.run_id, self._resume.reason(job)))
            if survivor is not None:
                self._take_over(Waiting(job, job.job.limits, survivor=survivor), survivor)
            else:
                self._line.add(Waiting(job, job.job.limits))
        while self._look_after():
            with suppress(queue.Empty):
                self._end(self._ended.get(timeout=TICK_SECONDS))
        self._outcome.not_started = self._left()
        self._outcome.cancelled = self._site.cancelled.is_set()
        return self._outcome

    def wait(self, seconds: float) -> None:
        """Give jobs that are being stopped that long to end."""
        deadline = time.monotonic() + seconds
        for thread in list(self._threads.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _look_after(self) -> bool:
        """Make one tick. What goes wrong in it stops the queue, and leaves alone what runs."""
        try:
            return self._tick()
        except (MultiverseError, OSError) as error:
            self._fail(error)
            return True

    def _tick(self) -> bool:
        """Look at everything once; return False when nothing is left to wait for."""
        running = bool(self._threads)
        if self._site.cancelled.is_set() or self._outcome.error is not None:
            return running
        self._slow_look()
        if self._short is not None:
            if not running:
                self._fail(self._disk_error())
        elif self._doubt.may_start():
            self._admit()
        elif self._doubt.given_up and not running:
            self._fail(EngineUnavailable(self._doubt.words, remedy=self._doubt.remedy))
        return bool(self._threads or self._left())

    def _left(self) -> int:
        """Return the number of jobs that have not been started."""
        return len(self._line) + len(self._elsewhere)

    def _admit(self) -> None:
        """Start what there is room for."""
        most = self._bounds.parallel
        while (most is None or len(self._threads) < most) and self._doubt.may_start():
            following = self._line.next()
            if following is None:
                return
            self._begin(*following)

    def _begin(self, waiting: Waiting, share: Share) -> None:
        """Start a job, unless another runner has it, or has just done it."""
        run_id = waiting.run_id
        if not self._site.locks.acquire(run_id):
            self._room.give_back(share)
            waiting.seen = self._resume.newest(waiting.prepared)
            self._elsewhere[run_id] = waiting
            self._tell(Held(run_id, self._site.locks.holder(run_id)))
            return
        if not (waiting.made or waiting.survivor or self._find_survivor(waiting)):
            self._room.give_back(share)
            self._line.add_first(waiting)
            return
        if waiting.survivor is not None:
            self._room.give_back(share)
            self._take_over(waiting, waiting.survivor)
            return
        if not (waiting.made or self._rerun) and self._reuse(waiting.prepared):
            self._room.give_back(share)
            self._site.locks.release(run_id)
            return
        self._start(waiting, share)

    def _take_over(self, waiting: Waiting, survivor: Survivor) -> None:
        """Watch what runs already: at once, whether there is room for it or not.

        After a signal too, so that it is stopped as the others are.
        """
        started = survivor.started
        self._start(waiting, self._room.force(Limits.of_plain(started.record.limits), started.gpu))

    def _start(self, waiting: Waiting, share: Share) -> None:
        run_id = waiting.run_id
        thread = threading.Thread(
            target=self._work, args=(waiting, share), name=f"run-{run_id}", daemon=True
        )
        self._threads[run_id] = thread
        thread.start()

    def _work(self, waiting: Waiting, share: Share) -> None:
        """Live one attempt, in a thread of its own; all that follows is the queue's."""
        try:
            self._ended.put(_Ended(waiting, share, run=self._attempt(waiting, share)))
        except BaseException as error:  # handed to whoever asked for the outcome
            self._ended.put(_Ended(waiting, share, error=error))

    def _attempt(self, waiting: Waiting, share: Share) -> Run:
        prepared = waiting.prepared
        if waiting.survivor is not None:
            survivor = waiting.survivor
            return self._site.attempts.adopt(survivor.attempt, survivor.started, survivor.orphan)
        if self._site.results.attempts_of(prepared.run_id):  # what a lost engine could not remove
            with suppress(EngineError):  # away again: the attempt will say so
                self._site.engine.sweep(owner_labels(self._site.results, prepared.run_id))
        return self._site.attempts.make(prepared, waiting.limits, share.gpu)

    def _end(self, ended: _Ended) -> None:
        """End an attempt: the job is done, or goes back to the queue."""
        waiting, prepared = ended.waiting, ended.waiting.prepared
        del self._threads[prepared.run_id]
        self._room.give_back(ended.share)
        if ended.run is not None:
            self._remember(prepared, ended.run)
            if self._repeat(waiting, ended.run):
                return
        try:
            self._site.locks.release(prepared.run_id)
        except (MultiverseError, OSError) as error:
            self._fail(error)
        if ended.run is not None:
            self._outcome.runs.append(ended.run)
            self._tell_finished(ended.run)
        if ended.error is not None:
            self._fail(ended.error)

    def _remember(self, prepared: PreparedJob, run: Run) -> None:
        """Record the resources that a run took, for the plans of later commands."""
        past = past_run_of(run.record, prepared.job.n_values)
        if self._history is not None and past is not None:
            self._history.append(past)

    def _repeat(self, waiting: Waiting, run: Run) -> bool:
        """Queue another attempt after a failure that allows it."""
        if run.record.cause in (Cause.ENGINE_LOST, Cause.ENGINE_ERROR):
            self._doubt.raise_()
        return self._queue_again(waiting, run)

    def _queue_again(self, waiting: Waiting, run: Run) -> bool:
        """Put a job back in the line if ``run``, its last attempt, is one to be repeated."""
        waiting.made += 1
        waiting.survivor = None
        # An earlier command may have allowed more of the machine than this one has.
        capacity = self._bounds.capacity
        limits = within(Limits.of_plain(run.record.limits), capacity)
        policy = waiting.prepared.job.retry
        following = again(run.record, limits, policy, waiting.made, capacity.memory)
        if following is None or self._site.cancelled.is_set() or self._outcome.error is not None:
            return False
        waiting.limits = following.limits
        self._line.add_first(waiting)
        self._tell(Retried(waiting.run_id, following.how, run.record.facts(run.folder)))
        return True

    def _slow_look(self) -> None:
        """Check now and then whether there is disk, and whether other runners are done."""
        now = time.monotonic()
        if now - self._looked < SLOW_SECONDS:
            return
        self._looked = now
        short = self._disk.short()
        if short is not None and self._short is None and (self._left()):
            self._tell(Warned(f"{short}: what runs may finish, and nothing new is started"))
        self._short = short if self._left() else None
        for run_id, waiting in list(self._elsewhere.items()):
            if self._site.locks.acquire(run_id):
                del self._elsewhere[run_id]
                self._after_another(waiting)

    def _after_another(self, waiting: Waiting) -> None:
        """Take what another runner has made of a run that it let go of, or make it ourselves."""
        prepared = waiting.prepared
        if not self._find_survivor(waiting):
            self._elsewhere[prepared.run_id] = waiting
            return
        if waiting.survivor is not None:
            self._take_over(waiting, waiting.survivor)
            return
        found = self._resume.settled(prepared, waiting.seen)
        if found is None:
            self._line.add_first(waiting)
            return
        if self._queue_again(waiting, found):  # it was stopped before it could repeat it
            return
        self._site.locks.release(prepared.run_id)
        self._outcome.runs.append(found)
        self._tell_finished(found)

    def _find_survivor(self, waiting: Waiting) -> bool:
        """See what an earlier runner left of a run that has just become ours.

        False if the engine is away; the run remains ours.
        """
        try:
            waiting.survivor = self._site.recovery.survivor(waiting.run_id)
        except EngineError:
            self._doubt.raise_()
            return False
        return True

    def _reuse(self, prepared: PreparedJob) -> bool:
        """Return whether nothing has to be done: complete, or known to be not applicable."""
        run = self._resume.done(prepared)
        if run is None:
            return False
        self._outcome.runs.append(run)
        self._tell(Reused(prepared.run_id, run.record.facts(run.folder)))
        return True

    def _tell_finished(self, run: Run) -> None:
        self._tell(Finished(run.record.run_id, run.record.facts(run.folder)))

    def _disk_error(self) -> DiskFull:
        left = self._left()
        return DiskFull(
            f"{self._short}, and {'1 job waits' if left == 1 else f'{left} jobs wait'}",
            remedy="Free some room (`multiverse clean` lists what can go), then run the same "
            "command again: it goes on from here.",
        )

    def _fail(self, error: BaseException) -> None:
        """Start nothing more, since something is wrong that no other job would escape."""
        self._outcome.error = self._outcome.error or error
