"""One run of the evaluator on an engine: given its inputs, followed, and ended."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.contract.evaluation import (
    EvaluationFiles,
    EvaluationRequest,
    MemberLine,
    ScoreLine,
    UmapLine,
)
from multiverse.engines.protocol import Ending, Engine, Execution, Running, Runtime
from multiverse.errors import Cancelled, EvaluationFailed
from multiverse.events import MetricScored, Tell
from multiverse.plan.job import Limits
from multiverse.runner.prepared import environment
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.writing import write_atomic
from multiverse.scoring.collected import Collected

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0


def owner_labels(results: ResultsFolder) -> dict[str, str]:
    """What marks the evaluations of one results folder. The runner's own jobs don't carry it."""
    return {"multiverse.evaluation": str(results.folder.resolve())}


@dataclass(frozen=True)
class Inputs:
    """The files that the evaluator reads. ``more``: by their path below ``/input``."""

    data: Path
    more: Mapping[str, Path]


class EvaluatorRun:
    """One start of the evaluator. Its folder is new and is the caller's to remove."""

    def __init__(
        self,
        engine: Engine,
        runtime: Runtime,
        results: ResultsFolder,
        folder: Path,
        log: Path,
        limits: Limits,
    ) -> None:
        self._engine = engine
        self._runtime = runtime
        self._results = results
        self._output = folder
        self._log = log
        self._limits = limits

    @property
    def files(self) -> EvaluationFiles:
        return EvaluationFiles(self._output, self._output)

    def run(
        self,
        request: EvaluationRequest,
        inputs: Inputs,
        collected: Collected,
        tell: Tell,
        cancelled: threading.Event,
    ) -> Ending:
        """Start it and take in its lines until it ends; :class:`Cancelled` after a signal."""
        write_atomic(self.files.request, request.model_dump_json())
        execution = Execution(
            runtime=self._runtime,
            data=inputs.data,
            more_inputs=inputs.more,
            output=self._output.resolve(),
            log=self._log,
            cpus=self._limits.cpus,
            memory=self._limits.memory,
            device="cpu",
            labels={**owner_labels(self._results), "multiverse.run": uuid.uuid4().hex},
            environment=environment(self._limits),
        )
        follower = _Follower(self.files.scores, collected, request, tell)
        with self._engine.start(execution) as running:
            self._wait(running, follower, cancelled)
            follower.look()
            return running.ending()

    def _wait(self, running: Running, follower: _Follower, cancelled: threading.Event) -> None:
        while not running.wait(POLL_SECONDS):
            follower.look()
            if cancelled.is_set():
                running.stop(GRACE_SECONDS)
                raise Cancelled(
                    "the evaluation was stopped on request",
                    remedy="Run it again: multiverse evaluate. Runs are complete without it.",
                )


class _Follower:
    """Reads lines as they are written, and says how far the evaluator is."""

    def __init__(
        self, path: Path, collected: Collected, request: EvaluationRequest, tell: Tell
    ) -> None:
        self._path = path
        self._collected = collected
        self._names = request.models
        self._tell = tell
        self._place = 0
        self._rest = b""
        self._done = 0

    def look(self) -> None:
        """Take in whole lines that were added since the last look."""
        if not self._path.is_file() or self._path.is_symlink():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._place)
            added = stream.read()
            self._place = stream.tell()
        *lines, self._rest = (self._rest + added).split(b"\n")
        for text in filter(None, lines):
            self._take_in(text)

    def _take_in(self, text: bytes) -> None:
        try:
            line = self._collected.add(text)
        except ValueError as error:
            raise EvaluationFailed(
                f"the evaluator wrote {error}",
                remedy="Its image is of another version. Build it: multiverse build evaluate",
            ) from error
        sheet = self._collected.sheet
        total = sheet.n_steps if sheet else 0
        if isinstance(line, MemberLine | UmapLine):
            self._done += 1
        if isinstance(line, MemberLine | UmapLine | ScoreLine):
            what = "layout" if isinstance(line, UmapLine) else getattr(line, "metric", "scored")
            member = self._names.get(line.member, line.member)
            self._tell(MetricScored(f"{member} · {what}", self._done, total))
