"""Processes that end in the middle lose what they were at, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
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
#: A bound that only something that hangs reaches.
PATIENCE_SECONDS = 120
End = Callable[[], None]


def ended_by(number: int) -> End:
    return lambda: os.kill(os.getpid(), number)


def never() -> None:
    while True:
        signal.pause()


def working(
    end: End, member: str = "b", metric: str | None = "two", seconds: float = float("inf")
) -> list[Emitted]:
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
    return list(Pool(1, work, LOG, seconds).run(tasks))


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


def test_a_metric_that_never_ends_costs_itself_and_comes_last() -> None:
    messages = working(never, seconds=1)
    found = scores(messages)
    lost = found.pop(("b", "two"))
    assert (lost.value, lost.reason) == (None, Reason.METRIC_FAILED)
    assert "was ended after 1 s, the longest that one step may take" in lost.detail
    assert len(found) == 8
    assert all(line.value == 1 for line in found.values())
    assert members_done(messages) == ["a", "c", "b"]
    assert any(isinstance(message, Laid) for message in messages)


def test_neighbours_that_never_end_cost_one_member() -> None:
    messages = working(never, metric=None, seconds=1)
    found = scores(messages)
    reasons = {member: {found[member, name].reason for name in NAMES} for member in "abc"}
    assert reasons == {"a": {None}, "b": {Reason.METRIC_FAILED}, "c": {None}}
    assert sorted(members_done(messages)) == ["a", "b", "c"]


def test_a_layout_that_never_ends_costs_no_score() -> None:
    def work(task: MetricTask) -> Iterator[Emitted]:
        if not task.metrics:
            never()
        for name in task.metrics:
            yield ScoreLine(member=task.member, metric=name, value=1.0)

    tasks = [MetricTask("a", ()), MetricTask("a", NAMES), MetricTask("b", NAMES)]
    messages = list(Pool(1, work, LOG, 1).run(tasks))
    assert len(scores(messages)) == 6
    assert not any(isinstance(message, Laid) for message in messages)


def test_between_two_metrics_nothing_is_lost(tmp_path: Path) -> None:
    def work(task: MetricTask) -> Iterator[Emitted]:
        for name in task.metrics:
            yield BeginLine(member=task.member, metric=name)
            yield ScoreLine(member=task.member, metric=name, value=1.0, detail=str(os.getpid()))
            if name == "two":
                os.kill(os.getpid(), signal.SIGKILL)
        yield MemberLine(member=task.member, neighbours_seconds=0.0)

    found = scores(list(Pool(1, work, LOG).run([MetricTask("a", NAMES)])))
    assert {line.value for line in found.values()} == {1.0}
    assert found["a", "one"].detail == found["a", "two"].detail != found["a", "three"].detail


def test_processes_end_with_the_one_that_made_them(tmp_path: Path) -> None:
    """It is killed: nobody is left to end them."""

    def work(task: MetricTask) -> Iterator[Emitted]:
        (tmp_path / task.member).write_text(str(os.getpid()))
        never()
        yield MemberLine(member=task.member, neighbours_seconds=0.0)

    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            list(Pool(2, work, LOG).run([MetricTask("a", NAMES), MetricTask("b", NAMES)]))
        os._exit(1)
    numbers = [int(until(partial(text_of, tmp_path / name))) for name in "ab"]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for number in numbers:
        until(partial(is_gone, number))


def text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def is_gone(number: int) -> str:
    """Something that is true once the process has ended; one that nobody waits for has too."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"
    return state if state == "Z" else ""


def until(found: Callable[[], str]) -> str:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if text := found():
            return text
        time.sleep(0.01)
    raise AssertionError("it never happened")


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
    silent = replace(METRICS["clisi"], compute=lambda case: Estimate(np.nan, np.arange(2)))
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


def test_without_memory_it_is_tried_again_with_more(tmp_path: Path) -> None:
    def starves(case: Case) -> Estimate:
        return Estimate(float(np.empty((2**24, 2**24)).sum()), np.arange(2))

    bench = bench_of(tmp_path, one_case())
    starving = replace(METRICS["bras"], compute=starves)
    found = [
        line for line in score_member(bench, "run", (starving,)) if isinstance(line, ScoreLine)
    ]
    (line,) = found
    assert line.reason is Reason.EVALUATOR_FAILED
    assert line.detail.startswith("memory ran out: ")
    small = replace(bench, memory=60 * 6 * 16 - 1)
    (line,) = [
        x for x in score_member(small, "run", (METRICS["bras"],)) if isinstance(x, ScoreLine)
    ]
    assert line.reason is Reason.EVALUATOR_FAILED
    assert "60 × 6 values takes 5,760 bytes of memory" in line.detail
    enough = replace(bench, memory=60 * 6 * 16)
    (line,) = [
        x for x in score_member(enough, "run", (METRICS["bras"],)) if isinstance(x, ScoreLine)
    ]
    assert line.value is not None


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
