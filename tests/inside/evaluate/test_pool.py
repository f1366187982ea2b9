"""Processes that end in the middle lose what they were at, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiverse.contract.evaluation import BeginLine, MemberLine, ScoreLine
from multiverse.contract.scores import Reason
from multiverse.errors import DatasetError, MultiverseError
from multiverse.evaluation.case import Case
from multiverse.evaluation.estimate import Estimate
from multiverse.evaluation.forked import computed_apart
from multiverse.evaluation.member import score_member
from multiverse.evaluation.pool import Emitted, Laid, MetricTask, Pool
from tests.inside.evaluate.cases import METRICS, bench_of, blobs, case_of, write_embedding

LOG = logging.getLogger(__name__)
#: Other tests have used JAX in this process, which no copy of it may do again: none does.
pytestmark = pytest.mark.filterwarnings(r"ignore:os.fork\(\) was called:RuntimeWarning")
NAMES = ("one", "two", "three")
End = Callable[[], None]


def ended_by(number: int) -> End:
    return lambda: os.kill(os.getpid(), number)


def working(end: End, member: str = "b", metric: str | None = "two") -> list[Emitted]:
    """Three members at work; at one metric of one (None: before its first) a process ends.

    Every score has the number of its process for a detail.
    """

    def work(task: MetricTask) -> Iterator[Emitted]:
        if (task.member, metric) == (member, None):
            end()
        for name in task.metrics:
            yield BeginLine(member=task.member, metric=name)
            if (task.member, name) == (member, metric):
                end()
            yield ScoreLine(member=task.member, metric=name, value=1.0, detail=str(os.getpid()))
        if task.metrics:
            yield MemberLine(member=task.member, neighbours_seconds=0.0)
        else:
            yield Laid(task.member, b"", 0.0)

    tasks = [
        MetricTask("a", NAMES),
        MetricTask("b", NAMES),
        MetricTask("c", NAMES),
        MetricTask("c", ()),
    ]
    return list(Pool(1, work, LOG).run(tasks))


def scores(messages: list[Emitted]) -> dict[tuple[str, str], ScoreLine]:
    lines = [message for message in messages if isinstance(message, ScoreLine)]
    assert len({(line.member, line.metric) for line in lines}) == len(lines), "one each"
    return {(line.member, line.metric): line for line in lines}


def members_done(messages: list[Emitted]) -> list[str]:
    return [message.member for message in messages if isinstance(message, MemberLine)]


def test_a_killed_process_loses_one_metric() -> None:
    messages = working(ended_by(signal.SIGKILL))
    found = scores(messages)
    lost = found.pop(("b", "two"))
    assert (lost.value, lost.reason) == (None, Reason.EVALUATOR_FAILED)
    assert "was killed, probably because memory ran out" in lost.detail
    assert len(found) == 8
    assert all(line.value == 1 for line in found.values())
    assert members_done(messages) == ["a", "b", "c"]
    assert any(isinstance(message, Laid) for message in messages)
    before, after = found["b", "one"].detail, found["b", "three"].detail
    assert found["a", "three"].detail == before, "a process does one task after another"
    assert before != after == found["c", "one"].detail, "a new one went on"


def test_before_its_first_metric_a_member_is_lost_and_the_next_follows() -> None:
    messages = working(ended_by(signal.SIGKILL), metric=None)
    found = scores(messages)
    reasons = {member: {found[member, name].reason for name in NAMES} for member in "abc"}
    assert reasons == {"a": {None}, "b": {Reason.EVALUATOR_FAILED}, "c": {None}}
    assert members_done(messages) == ["a", "b", "c"]


def test_a_lost_layout_costs_no_score() -> None:
    def work(task: MetricTask) -> Iterator[Emitted]:
        if not task.metrics:
            os.kill(os.getpid(), signal.SIGKILL)
        for name in task.metrics:
            yield ScoreLine(member=task.member, metric=name, value=1.0)

    tasks = [
        MetricTask("a", ()),
        MetricTask("a", NAMES),
        MetricTask("b", ()),
        MetricTask("b", NAMES),
    ]
    found = scores(list(Pool(2, work, LOG).run(tasks)))
    assert len(found) == 6
    assert all(line.value == 1 for line in found.values())


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (ended_by(signal.SIGTERM), "was ended by SIGTERM"),
        (lambda: os._exit(3), "ended with exit code 3"),
    ],
)
def test_the_detail_says_how_it_ended(end: End, words: str) -> None:
    assert words in scores(working(end))["b", "two"].detail


def test_every_metric_may_kill_its_process() -> None:
    def work(task: MetricTask) -> Iterator[Emitted]:
        yield BeginLine(member=task.member, metric=task.metrics[0])
        os.kill(os.getpid(), signal.SIGKILL)

    messages = list(Pool(2, work, LOG).run([MetricTask("a", NAMES), MetricTask("b", NAMES)]))
    assert {line.reason for line in scores(messages).values()} == {Reason.EVALUATOR_FAILED}
    assert len(scores(messages)) == 6
    assert sorted(members_done(messages)) == ["a", "b"]


def test_whoever_stops_listening_leaves_no_process() -> None:
    def work(task: MetricTask) -> Iterator[Emitted]:
        yield ScoreLine(member=task.member, metric="one", value=1.0, detail=str(os.getpid()))
        signal.pause()

    with contextlib.closing(Pool(2, work, LOG).run([MetricTask("a", NAMES)])) as messages:
        first = next(messages)
    assert isinstance(first, ScoreLine)
    with pytest.raises(ProcessLookupError):
        os.kill(int(first.detail), 0)


def one_case() -> Case:
    data = blobs(60)
    return case_of(data.points, data.labels, data.batches)


def test_an_exception_in_a_metric_is_its_reason(tmp_path: Path) -> None:
    def fails(case: Case) -> Estimate:
        raise ZeroDivisionError("the label\n 'T cell' " + "x" * 5000)

    broken = replace(METRICS["bras"], compute=fails)
    silent = replace(METRICS["clisi"], compute=lambda case: Estimate(np.nan, np.arange(2), len))
    metrics = (broken, silent, METRICS["silhouette_label"])
    lines = list(score_member(bench_of(tmp_path, one_case()), "run", metrics))
    failed, nan, scored = (line for line in lines if isinstance(line, ScoreLine))
    assert (failed.value, failed.reason) == (None, Reason.METRIC_FAILED)
    assert failed.detail.startswith("ZeroDivisionError: the label 'T cell' xxx")
    assert len(failed.detail) <= 500
    assert (nan.value, nan.reason, nan.detail) == (
        None,
        Reason.METRIC_FAILED,
        "the result is nan",
    )
    assert scored.value is not None
    assert isinstance(lines[-1], MemberLine)


def test_an_embedding_that_cannot_be_read_fails_every_metric(tmp_path: Path) -> None:
    case = one_case()
    bench = bench_of(tmp_path, case)
    metrics = tuple(METRICS.values())
    points = case.points.copy()
    points[3, 1] = np.nan
    cells = case.sheet.cells
    broken = {
        "values that are not finite": (points, cells),
        "not those of the dataset": (case.points, (*cells[:-1], "stranger")),
        "59 cells": (case.points[:-1], cells[:-1]),
        "60 cells": (case.points, (*cells[:-1], cells[0])),
    }
    for words, (latent, names) in broken.items():
        write_embedding(bench.files.embeddings("run"), latent, names)
        *lines, last = score_member(bench, "run", metrics)
        assert isinstance(last, MemberLine)
        assert len(lines) == len(metrics)
        for line in lines:
            assert isinstance(line, ScoreLine)
            assert line.reason is Reason.METRIC_FAILED
            assert words in line.detail
    bench.files.embeddings("run").write_bytes(b"no HDF5")
    first = next(score_member(bench, "run", metrics))
    assert isinstance(first, ScoreLine)
    assert "can't be read" in first.detail


def test_apart_the_result_or_the_message() -> None:
    def refuses() -> None:
        raise DatasetError("labels.h5ad has no column 'kind'")

    def breaks() -> None:
        raise KeyError("x")

    assert computed_apart(lambda: np.arange(3).sum()) == 3
    with pytest.raises(MultiverseError, match="no column 'kind'"):
        computed_apart(refuses)
    with pytest.raises(MultiverseError, match="KeyError: 'x'"):
        computed_apart(breaks)
    with pytest.raises(MultiverseError, match="exit code -9"):
        computed_apart(ended_by(signal.SIGKILL))
