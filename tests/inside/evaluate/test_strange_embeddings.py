"""Embeddings that the contract allows and nobody writes in earnest: a number or a reason each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from multiverse.contract.embeddings import check_embeddings
from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import Reason
from multiverse.evaluation.embeddings import of_ordinary_size, read_embedding
from multiverse.evaluation.member import MemberContext, score_member
from tests.inside.evaluate.cases import METRICS, bench_of, blobs, case_of, view_of

N = 60
Values = NDArray[np.floating]
DATA = blobs(N)
BOUNDS = {name: metric.facts.bounds for name, metric in METRICS.items()}


def _one_apart(points: Values) -> Values:
    points[1:] = points[1]
    return points


def _one_far(points: Values) -> Values:
    points[0] *= 1e36
    return points


def _beside(points: Values, value: float) -> Values:
    points[:, 0] = value
    return points


STRANGE: dict[str, Callable[[Values], Values]] = {
    "half precision": lambda points: points.astype("<f2"),
    "big-endian": lambda points: points.astype(">f4"),
    "big-endian double": lambda points: points.astype(">f8"),
    "huge": lambda points: points / np.abs(points).max() * 3e38,
    "huge doubles": lambda points: points.astype("f8") * 1e300,
    "tiny doubles": lambda points: points.astype("f8") * 1e-300,
    "denormal": lambda points: points * np.float32(1e-42),
    "denormal doubles": lambda points: points.astype("f8") * 1e-320,
    "duplicates of all but one": _one_apart,
    "one far away": _one_far,
    "equal columns": lambda points: np.repeat(points[:, :1], 6, axis=1),
    "a huge constant column": lambda points: _beside(points, 1e38),
    "a large constant column": lambda points: _beside(points, 1e9),
    "one dimension": lambda points: points[:, :1],
    "zeros but one": lambda points: np.where(np.arange(N * 6).reshape(N, 6) == 7, 1, 0 * points),
    "a lattice": lambda points: np.sign(points),
    "more dimensions than cells": lambda points: np.tile(points, (1, 50)),
}


def bench(tmp_path: Path, points: Values) -> MemberContext:
    """The embedding as a model writes it, in the type that it has."""
    case = case_of(DATA.points, DATA.labels, DATA.batches, views=[view_of("rna", DATA.points)])
    made = bench_of(tmp_path, case)
    with h5py.File(made.files.embeddings("run"), "r+") as file:
        del file["latent"]
        file["latent"] = points
    return made


@pytest.mark.parametrize("kind", STRANGE)
def test_what_passes_the_check_has_a_number_or_a_reason_for_each_score(
    kind: str, tmp_path: Path
) -> None:
    made = bench(tmp_path, STRANGE[kind](DATA.points.copy()))
    assert check_embeddings(made.files.embeddings("run"), made.sheet.cells) == []
    lines = [
        line
        for line in score_member(made, "run", tuple(METRICS.values()))
        if isinstance(line, ScoreLine)
    ]
    assert [line.metric for line in lines] == list(METRICS)
    for line in lines:
        low, high = BOUNDS[line.metric]
        assert line.value is None or low <= line.value <= high, line
        assert line.value is not None or line.detail, line
        if line.reason is Reason.METRIC_FAILED:
            assert line.detail == "the result is nan", line
        assert line.reason is not Reason.EVALUATOR_FAILED, line


@pytest.mark.parametrize("kind", ["half precision", "huge doubles", "tiny doubles", "huge"])
def test_size_changes_no_neighbour(kind: str, tmp_path: Path) -> None:
    exact = DATA.points.astype("<f2").astype(np.float32)
    made = bench(tmp_path, STRANGE[kind](exact.copy()))
    found = made.points("run")
    scale = np.abs(found).max() / np.abs(exact).max()
    assert np.allclose(found, exact * scale, rtol=1e-5)


def test_ordinary_values_are_as_they_were(tmp_path: Path) -> None:
    for dtype in ("f4", "f8", ">f4"):
        points = np.random.default_rng(0).normal(size=(N, 6)).astype(dtype)
        made = bench(tmp_path / dtype, points)
        read = read_embedding(made.files.embeddings("run"), made.sheet)
        assert np.array_equal(read, points.astype(np.float32))
        assert of_ordinary_size(read) is read


@pytest.mark.parametrize("value", [1e9, 1e38])
def test_what_is_lost_in_rounding_is_no_perfect_mixing(value: float, tmp_path: Path) -> None:
    made = bench(tmp_path, _beside(DATA.points.copy(), value))
    chosen = tuple(METRICS[name] for name in ("bras", "kmeans_nmi", "ilisi"))
    for line in score_member(made, "run", chosen):
        if isinstance(line, ScoreLine):
            assert line.reason is Reason.CONSTANT_EMBEDDING
            assert "lost in rounding" in line.detail
