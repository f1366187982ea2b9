"""An engine that plays the evaluator's part by a script: what happens when, and how it ends.

The real evaluator on the real engines is in ``tests/engine`` and ``tests/scenario``; here it can
end in the middle of a line as often as a test likes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np

from multiverse.contract.evaluation import (
    BeginLine,
    EvaluationFiles,
    EvaluationRequest,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
    parse_line,
)
from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Group, MetricFacts, Reason
from multiverse.engines.protocol import (
    Capacity,
    Echo,
    Ending,
    Execution,
    Orphan,
    Running,
    Runtime,
)
from multiverse.events import Tell
from multiverse.facts import Cause, EngineFacts, Usage
from multiverse.specs.model import ModelSpec

GIB = 1024**3
METRICS = tuple(
    MetricFacts(name=name, title=name, group=group, description=name)
    for name, group in (
        ("first_bio", Group.BIO),
        ("second_bio", Group.BIO),
        ("mixing", Group.BATCH),
        ("kept", Group.STRUCTURE),
        ("seed_stability", Group.STRUCTURE),
    )
)
CONTROLS = {"random": 0.1, "label_oracle": 0.9}
DONE = Ending(0, None, Usage())
KILLED = Ending(137, Cause.KILLED, Usage())
NO_MEMORY = Ending(137, Cause.OUT_OF_MEMORY, Usage())


@dataclass(frozen=True)
class Start:
    """One start of the evaluator: what it was asked and given."""

    request: EvaluationRequest
    execution: Execution

    @property
    def files(self) -> EvaluationFiles:
        return EvaluationFiles(self.execution.output, self.execution.output)

    def write(self, *lines: object) -> None:
        with self.files.scores.open("a") as stream:
            stream.writelines(line.model_dump_json() + "\n" for line in lines)  # type: ignore[attr-defined]

    def sheet(self) -> SheetLine:
        return SheetLine(
            n_obs=120,
            modalities={"rna": 60, "adt": 12},
            labels={"type_1": 60, "unknown": 60},
            batches={"batch_1": 60, "batch_2": 60},
            metrics=METRICS,
            controls=tuple(CONTROLS),
            versions={"scib-metrics": "0"},
            n_steps=1,
        )

    @property
    def members(self) -> tuple[str, ...]:
        asked = self.request.controls
        controls = tuple(CONTROLS) if asked is None else asked
        return (*controls, *self.request.runs)

    def metrics_of(self, member: str) -> list[str]:
        wanted = self.request.only.get(member, tuple(metric.name for metric in METRICS))
        skipped = {metric for name, metric, _ in self.request.skip if name == member}
        return [name for name in wanted if name not in skipped]

    def score(self, member: str, metric: str) -> ScoreLine:
        """0.5 for a run; seed stability as the evaluator gives it, a part for each sibling."""
        value = CONTROLS.get(member, 0.5)
        siblings = self.request.seeds.get(member, ())
        if metric == "seed_stability" and not siblings:
            return ScoreLine(member=member, metric=metric, value=None, reason=Reason.ONE_SEED)
        parts = dict.fromkeys(siblings, value) if metric == "seed_stability" else {}
        return ScoreLine(
            member=member, metric=metric, value=value, parts=parts, replicates=(value,) * 30
        )

    def skipped(self) -> list[ScoreLine]:
        return [
            ScoreLine(
                member=member,
                metric=metric,
                value=None,
                reason=Reason.EVALUATOR_FAILED,
                detail=detail,
            )
            for member, metric, detail in self.request.skip
        ]

    def lay_out(self) -> None:
        for run_id in self.request.umaps:
            with h5py.File(self.files.umaps, "a") as file:
                file[run_id] = np.full((120, 2), 7.0, dtype=np.float32)
            self.write(UmapLine(member=run_id, seconds=0.0))


#: Returns None where the evaluator hangs.
Script = Callable[[Start], Ending | None]


def everything(start: Start) -> Ending:
    """What is asked for, to the end."""
    start.write(start.sheet(), *start.skipped())
    for member in start.members:
        for metric in start.metrics_of(member):
            start.write(BeginLine(member=member, metric=metric), start.score(member, metric))
        start.write(MemberLine(member=member, neighbours_seconds=1.0))
    start.lay_out()
    return DONE


def without_layouts(start: Start) -> Ending:
    """As for an embedding of so few cells that there is nothing to lay out."""
    return everything(Start(start.request.model_copy(update={"umaps": ()}), start.execution))


def ends_at(metric: str, ending: Ending) -> Script:
    """Ends while it computes the metric of the first run, if it is asked to."""

    def script(start: Start) -> Ending:
        start.write(start.sheet(), *start.skipped())
        for member in start.members:
            for name in start.metrics_of(member):
                start.write(BeginLine(member=member, metric=name))
                if name == metric and member in start.request.runs:
                    return ending
                start.write(start.score(member, name))
        start.lay_out()
        return DONE

    return script


def loses(metric: str) -> Script:
    """Goes to the end, but one of its processes was killed at the metric, as when memory is short.

    Only with less than 10 GiB of memory.
    """

    def script(start: Start) -> Ending:
        if start.execution.memory > 10 * GIB:
            return everything(start)
        start.write(start.sheet())
        for member in start.members:
            for name in start.metrics_of(member):
                line = start.score(member, name)
                if name == metric and member in start.request.runs:
                    lost = {"value": None, "reason": Reason.EVALUATOR_FAILED, "replicates": ()}
                    detail = (
                        "the process that computed it was killed, probably because memory ran out"
                    )
                    line = line.model_copy(update={**lost, "detail": detail})
                start.write(line)
        start.lay_out()
        return DONE

    return script


def one_line_a_start(start: Start) -> Ending:
    """Is killed after each score, before the next one begins."""
    start.write(start.sheet())
    member = start.members[0]
    start.write(start.score(member, start.metrics_of(member)[0]))
    return KILLED


def the_sheet_only(start: Start) -> Ending:
    """Is killed before any score, but not before it knows what there is to do."""
    start.write(start.sheet())
    return KILLED


def hangs_at(metric: str) -> Script:
    """Scores until it comes to the metric of the first run, and then never ends by itself."""

    def script(start: Start) -> None:
        ends_at(metric, KILLED)(start)

    return script


def floods(start: Start) -> None:
    """Begins, and fills its output folder with more files than it may."""
    start.write(start.sheet())
    for number in range(10_001):
        (start.files.output / f"{number}").touch()


def goes_on(start: Start) -> Ending:
    """Comes to its end from wherever it was."""
    found = [parse_line(text) for text in start.files.scores.read_bytes().splitlines()]
    done = {(line.member, line.metric) for line in found if isinstance(line, ScoreLine)}
    for member in start.members:
        for metric in start.metrics_of(member):
            if (member, metric) not in done:
                start.write(start.score(member, metric))
    start.lay_out()
    return DONE


def says_nothing(ending: Ending) -> Script:
    """Ends before its first line."""
    return lambda start: ending


class ScriptedRunning:
    """An evaluator that has ended already, or (``ending`` None) never does by itself."""

    def __init__(self, ending: Ending | None) -> None:
        self._ending = ending
        self.stopped = False
        self.removed = False

    def wait(self, seconds: float) -> bool:
        return self._ending is not None

    def usage(self) -> Usage:
        return Usage()

    def stop(self, grace: float) -> None:
        self.stopped = True
        self._ending = self._ending or KILLED

    def ending(self) -> Ending:
        if self._ending is None:
            raise AssertionError("asked for the ending of what has not ended")
        return self._ending

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.removed = True


@dataclass
class ScriptedEngine:
    """Plays the scripts in turn, the last one for ever. ``memory``: of the machine, in bytes.

    ``left``: an evaluator that a killed command left, and how it ends once it is followed; None
    where it hangs. It can be taken over unless ``adopts`` is false.
    """

    scripts: tuple[Script, ...] = (everything,)
    memory: int = 64 * GIB
    hangs: bool = False
    name: str = "scripted"
    starts: list[Start] = field(default_factory=list)
    running: list[ScriptedRunning] = field(default_factory=list)
    swept: list[Mapping[str, str]] = field(default_factory=list)
    left: tuple[Start, Script] | None = None
    adopts: bool = True
    adopted: int = 0

    def facts(self) -> EngineFacts:
        return EngineFacts(name=self.name, version="1", isolation="none: a function")

    def prepare(self, model: ModelSpec, *, build: bool, tell: Tell) -> Runtime:
        digest = "sha256:" + "e" * 64
        return Runtime(model=model, image=ImageReference(tag=model.image_tag, digest=digest))

    def check_device(self, device: str) -> None:
        """Any."""

    def device_inside(self, device: str) -> str:
        return device

    def capacity(self) -> Capacity:
        return Capacity(4.0, self.memory)

    def start(self, execution: Execution) -> Running:
        request = EvaluationRequest.read(execution.output / "request.json")
        start = Start(request, execution)
        self.starts.append(start)
        script = self.scripts[min(len(self.starts), len(self.scripts)) - 1]
        self.running.append(ScriptedRunning(None if self.hangs else script(start)))
        return self.running[-1]

    def orphans(self, labels: Mapping[str, str]) -> list[Orphan]:
        if self.left is None:
            return []
        start, _ = self.left
        own = start.execution.labels
        assert labels.items() <= own.items()
        return [Orphan(labels=own, running=True, adoptable=self.adopts, handle=None)]

    def adopt(self, orphan: Orphan, log: Path, echo: Echo | None) -> Running:
        assert self.left is not None
        start, script = self.left
        self.adopted += 1
        self.running.append(ScriptedRunning(script(start)))
        return self.running[-1]

    def sweep(self, labels: Mapping[str, str]) -> int:
        self.swept.append(labels)
        return 0
