"""The correlation with depth, against scipy's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from multiverse.contract.scores import Group, Reason
from multiverse.evaluation.case import Case
from multiverse.evaluation.neighbours import Matrix
from tests.inside.evaluate.cases import METRICS, blobs, case_of, scored, view_of

N = 150
DEPTH = "depth_correlation"


def points_and_depth(share: float = 1.0) -> tuple[Matrix, NDArray[np.float64]]:
    """The third dimension is the counts per cell, with ties, and noise."""
    random = np.random.default_rng(0)
    depth = np.log1p(random.poisson(6, size=N))
    points = blobs(N).points.astype(np.float64)
    points[:, 2] = -share * depth + (1 - share) * random.normal(size=N)
    return points.astype(np.float32), depth


def by_scipy(points: Matrix, depth: NDArray[np.float64]) -> float:
    return max(abs(float(spearmanr(column, depth).statistic)) for column in points.T)


@pytest.mark.parametrize("share", [1.0, 0.6, 0.0])
def test_it_is_the_largest_of_any_dimension(share: float) -> None:
    points, depth = points_and_depth(share)
    case = case_of(points, views=[view_of("rna", points, depth=depth)])
    found = METRICS[DEPTH].compute(case)
    assert found.value == pytest.approx(by_scipy(points, depth), abs=1e-6)
    assert (found.remark != "") == (found.value > 0.75)


def test_each_modality_has_its_part_and_its_cells() -> None:
    points, depth = points_and_depth()
    cells = np.sort(np.random.default_rng(1).permutation(N)[:80])
    other = np.random.default_rng(2).normal(size=80)
    views = [view_of("rna", points, depth=depth), view_of("atac", points[:80], cells, depth=other)]
    found = METRICS[DEPTH].compute(case_of(points, views=views))
    assert found.parts["rna"] == pytest.approx(1, abs=1e-6)
    assert found.parts["atac"] == pytest.approx(by_scipy(points[cells], other), abs=1e-6)
    assert found.value == found.parts["rna"]
    assert found.remark == "a dimension follows the counts per cell of rna (1.00)"


def test_many_dimensions_and_constant_ones() -> None:
    random = np.random.default_rng(4)
    points = random.normal(size=(N, 150)).astype(np.float32)
    points[:, 7] = 3
    depth = random.normal(size=N)
    found = METRICS[DEPTH].compute(case_of(points, views=[view_of("rna", points, depth=depth)]))
    expected = [spearmanr(column, depth).statistic for column in np.delete(points, 7, axis=1).T]
    assert found.value == pytest.approx(np.abs(expected).max(), abs=1e-6)


def test_the_scale_of_an_axis_and_the_order_of_cells_do_not_matter() -> None:
    points, depth = points_and_depth(0.7)
    order = np.random.default_rng(5).permutation(N)
    values = [
        METRICS[DEPTH].compute(case_of(own, views=[view_of("rna", own, depth=deep)])).value
        for own, deep in ((points, depth), (-7 * points, depth), (points[order], depth[order]))
    ]
    assert values == pytest.approx([values[0]] * 3, abs=1e-6)


def test_where_all_cells_are_equally_deep_there_is_no_value(tmp_path: Path) -> None:
    points = blobs(N).points
    case = case_of(points, views=[view_of("adt", points, depth=np.full(N, 8.5))])
    line = scored(tmp_path, case, [DEPTH])[DEPTH]
    assert (line.value, line.reason) == (None, Reason.NOT_APPLICABLE)
    assert "as many counts" in line.detail


def test_a_line_has_a_remark_and_no_interval(tmp_path: Path) -> None:
    points, depth = points_and_depth(0.9)
    case: Case = case_of(points, views=[view_of("atac", points, depth=depth)])
    line = scored(tmp_path, case, [DEPTH])[DEPTH]
    assert line.value is not None
    assert line.replicates == ()
    assert line.detail.startswith("a dimension follows the counts per cell of atac (0.")


def test_less_is_better_and_it_enters_no_total() -> None:
    facts = METRICS[DEPTH].facts
    assert not facts.higher_is_better
    assert facts.group is Group.STRUCTURE
    assert facts.bounds == (0, 1)
