"""From a request on disk to lines of scores: the whole of an evaluation."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
from pydantic import BaseModel

from multiverse.contract.evaluation import (
    EvaluationFiles,
    EvaluationRequest,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
)
from multiverse.contract.paths import MEMORY_VARIABLE, ContainerPaths
from multiverse.contract.scores import Reason
from multiverse.errors import MultiverseError
from multiverse.evaluation.controls import controls
from multiverse.evaluation.embeddings import n_dimensions
from multiverse.evaluation.forked import computed_apart
from multiverse.evaluation.member import MemberContext, score_member
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.metrics import all_metrics
from multiverse.evaluation.modalities import ModalityView, read_modalities, sizes
from multiverse.evaluation.pool import Emitted, Laid, MetricTask, Pool
from multiverse.evaluation.sheet import AnswerSheet, read_sheet
from multiverse.worker.log import readable, run_log
from multiverse.worker.umap_layout import MIN_CELLS, layout

#: Packages whose versions can change a value.
PACKAGES = (
    "scib-metrics", "jax", "scikit-learn", "scipy", "numpy", "igraph", "umap-learn", "pynndescent",
)  # fmt: skip
#: Memory of one process: the libraries, and for each cell its place in points and graphs.
PROCESS_BYTES = 1024 * 1024**2
CELL_BYTES = 30 * 1024


def evaluate(scratch: Path) -> int:
    """Run the evaluation that the engine has prepared, and return the exit status.

    ``scratch``: a folder of this evaluation, in memory or on disk.
    """
    paths = ContainerPaths.from_environment()
    files = EvaluationFiles(paths.data.parent, paths.output.folder)
    with run_log(files.log) as log:
        try:
            signal.signal(signal.SIGTERM, _terminated)
            _Evaluation(files, scratch, log).run()
        except (MultiverseError, ValueError, OSError) as error:
            log.error("%s", readable(error))
            return 1
    return 0


def _terminated(_number: int, _frame: Any) -> None:
    sys.exit(128 + signal.SIGTERM)


class _Evaluation:
    """One request at work."""

    def __init__(self, files: EvaluationFiles, scratch: Path, log: logging.Logger) -> None:
        self._files = files
        self._log = log
        self._request = EvaluationRequest.read(files.request)
        self._metrics = {metric.name: metric for metric in all_metrics()}
        self._scratch = scratch

    def run(self) -> None:
        began = time.monotonic()
        request = self._request
        # Everything that computes is done in other processes: this one stays fit to be copied.
        sheet, modalities = computed_apart(self._prepare)
        bench = MemberContext(
            self._files,
            sheet,
            modalities,
            request.settings,
            request.seeds,
            self._scratch,
            _memory(),
        )
        members = [*self._controls(bench), *computed_apart(self._narrow_first)]
        tasks = [task for task in map(self._task, members) if task.metrics]
        tasks += [MetricTask(member, ()) for member in request.umaps if sheet.n_cells >= MIN_CELLS]
        with self._files.scores.open("w", encoding="utf-8") as stream:
            _write(stream, self._sheet_line(bench, len(tasks)))
            for line in self._skipped():
                _write(stream, line)
            self._score(bench, tasks, stream)
        self._log.info("%d members in %.1f s", len(members), time.monotonic() - began)

    def _prepare(self) -> tuple[AnswerSheet, dict[str, ModalityView]]:
        request, files = self._request, self._files
        sheet = read_sheet(
            files.data,
            files.labels,
            batch_key=request.batch_key,
            label_key=request.label_key,
            unlabelled=request.unlabelled,
        )
        modalities = read_modalities(
            files.data, request.modalities, request.batch_key, request.settings, self._log
        )
        return sheet, modalities

    def _narrow_first(self) -> list[str]:
        """Return the runs that are asked for, those of few dimensions first: the others take long.

        Equals in the order of the request.
        """
        runs = self._request.runs
        return sorted(runs, key=lambda run: n_dimensions(self._files.embeddings(run)))

    def _controls(self, bench: MemberContext) -> list[str]:
        there = list(controls(bench.sheet, bench.modalities, bench.settings.seed))
        wanted = self._request.controls
        return there if wanted is None else [name for name in there if name in wanted]

    def _task(self, member: str) -> MetricTask:
        skipped = {metric for name, metric, _ in self._request.skip if name == member}
        wanted = self._request.only.get(member, tuple(self._metrics))
        names = (name for name in self._metrics if name in wanted and name not in skipped)
        return MetricTask(member, tuple(names))

    def _skipped(self) -> Iterator[ScoreLine]:
        for member, metric, detail in self._request.skip:
            yield ScoreLine(
                member=member,
                metric=metric,
                value=None,
                reason=Reason.EVALUATOR_FAILED,
                detail=detail,
            )

    def _sheet_line(self, bench: MemberContext, n_tasks: int) -> SheetLine:
        sheet = bench.sheet
        return SheetLine(
            n_obs=sheet.n_cells,
            modalities=dict(sizes(self._files.data, self._request.modalities)),
            labels=sheet.labels.counts if sheet.labels else {},
            n_unlabelled=sheet.n_unlabelled,
            batches=sheet.batches.counts if sheet.batches else {},
            metrics=tuple(metric.facts for metric in self._metrics.values()),
            controls=tuple(controls(sheet, bench.modalities, bench.settings.seed)),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
            notes=_notes(bench, self._request),
            n_steps=n_tasks,
        )

    def _score(self, bench: MemberContext, tasks: list[MetricTask], stream: IO[str]) -> None:
        lanes = _lanes(len(tasks), bench.sheet.n_cells)
        seconds = self._request.step_seconds or float("inf")
        pool = Pool(lanes, _Work(bench, self._metrics), self._log, seconds)
        with contextlib.closing(pool.run(tasks)) as messages:
            for message in messages:
                if isinstance(message, Laid):
                    self._keep_layout(message, stream)
                    continue
                _write(stream, message)
                self._tell(message)

    def _tell(self, line: Emitted) -> None:
        if isinstance(line, MemberLine):
            self._log.info("%s is scored", self._name(line.member))
        elif isinstance(line, ScoreLine) and line.reason is Reason.METRIC_FAILED:
            self._log.warning("%s, %s: %s", self._name(line.member), line.metric, line.detail)

    def _name(self, member: str) -> str:
        model = self._request.models.get(member)
        return member if model is None else f"{model} ({member[:8]})"

    def _keep_layout(self, laid: Laid, stream: IO[str]) -> None:
        points = np.frombuffer(laid.points, dtype=np.float32).reshape(-1, 2)
        with h5py.File(self._files.umaps, "a") as file:
            file.create_dataset(laid.member, data=points)
        _write(stream, UmapLine(member=laid.member, seconds=laid.seconds))


class _Work:
    """One process's way to do a task."""

    def __init__(self, bench: MemberContext, metrics: dict[str, Metric]) -> None:
        self._bench = bench
        self._metrics = metrics

    def __call__(self, task: MetricTask) -> Iterator[Emitted]:
        if task.metrics:
            chosen = tuple(self._metrics[name] for name in task.metrics)
            yield from score_member(self._bench, task.member, chosen)
            return
        began = time.monotonic()
        points = self._bench.points(task.member)
        if (points == points[0]).all():
            return
        placed = layout(points, seed=self._bench.settings.seed)
        yield Laid(task.member, placed.tobytes(), time.monotonic() - began)


def _lanes(n_tasks: int, n_cells: int) -> int:
    """Return how many processes to use: one a core, as far as the memory goes."""
    cores = int(os.environ.get("OMP_NUM_THREADS", "1"))
    memory = _memory()
    room = memory // (PROCESS_BYTES + n_cells * CELL_BYTES) if memory else cores
    return max(1, min(cores, room, n_tasks))


def _memory() -> int:
    """Return the bytes of memory that there are for the evaluation, 0 where nobody says."""
    return int(os.environ.get(MEMORY_VARIABLE, "0"))


def _notes(bench: MemberContext, request: EvaluationRequest) -> tuple[str, ...]:
    notes = []
    lost = [name for name in request.modalities if name not in bench.modalities]
    if lost:
        notes.append(
            f"{', '.join(lost)} has no components of its own: nothing varies, or there are too few "
            "cells"
        )
    if bench.sheet.n_cells > bench.settings.max_cells:
        notes.append(
            f"more than {bench.settings.max_cells:,} cells: neighbours are approximate, and "
            "silhouettes are of a stratified subsample"
        )
    return tuple(notes)


def _write(stream: IO[str], line: BaseModel) -> None:
    """Write one line, on disk at once: whoever follows sees it, and it outlives this process."""
    stream.write(line.model_dump_json() + "\n")
    stream.flush()
