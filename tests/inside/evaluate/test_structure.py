"""What is our own, against definitions that take one cell at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from multiverse.contract.scores import Reason
from multiverse.evaluation.case import Case
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.neighbours import Matrix, find_neighbours
from tests.inside.evaluate.cases import METRICS, SHORT, blobs, case_of, scored, value_of, view_of

N, K = 200, SHORT.structure_neighbours
PRESERVATION, STABILITY = "neighbourhood_preservation", "seed_stability"


def nearest_others(points: Matrix, cell: int, k: int) -> set[int]:
    apart = np.square(points.astype(np.float64) - points[cell]).sum(axis=1)
    order = [int(other) for other in np.argsort(apart, kind="stable") if other != cell]
    return set(order[:k])


def overlap(first: Matrix, second: Matrix, k: int = K) -> float:
    """The definition: mean over cells of the share of neighbours in both, one by one."""
    shares = [
        len(nearest_others(first, cell, k) & nearest_others(second, cell, k)) / k
        for cell in range(len(first))
    ]
    return float(np.mean(shares))


def neighbours_of(points: Matrix) -> NDArray[np.int64]:
    return find_neighbours(points, K + 1, exact=True).others(K)


def random_points(seed: int, n_cells: int = N) -> Matrix:
    return np.random.default_rng(seed).normal(size=(n_cells, 8)).astype(np.float32)


def preserved(points: Matrix, *views: ModalityView) -> Case:
    return case_of(points, views=views)


def stable(points: Matrix, **others: Matrix) -> Case:
    return case_of(points, siblings={name: neighbours_of(own) for name, own in others.items()})


def test_preservation_is_the_definition_in_each_modality() -> None:
    rna, adt = blobs(N, seed=1).points, random_points(2)
    points = np.hstack([rna, adt / 2]).astype(np.float32)
    case = preserved(points, view_of("rna", rna), view_of("adt", adt))
    found = METRICS[PRESERVATION].compute(case)
    assert found.parts == pytest.approx({"rna": overlap(rna, points), "adt": overlap(adt, points)})
    assert found.value == pytest.approx((found.parts["rna"] + found.parts["adt"]) / 2)
    assert 0.1 < found.parts["adt"] < found.parts["rna"] < 0.99


def test_stability_is_the_definition_with_each_other_seed() -> None:
    points = blobs(N).points
    near = (points + 0.1 * random_points(1)[:, :6]).astype(np.float32)
    far = (points + 1.0 * random_points(2)[:, :6]).astype(np.float32)
    found = METRICS[STABILITY].compute(stable(points, near=near, far=far))
    assert found.parts == pytest.approx(
        {"near": overlap(points, near), "far": overlap(points, far)}
    )
    assert found.value == pytest.approx(np.mean(list(found.parts.values())))
    assert found.parts["far"] < found.parts["near"] < 1


def test_stability_is_mutual() -> None:
    one, other = blobs(N).points, random_points(3)
    there, back = stable(one, other=other), stable(other, one=one)
    assert value_of(STABILITY, there) == pytest.approx(value_of(STABILITY, back))


def test_the_same_neighbourhoods_are_one() -> None:
    points = random_points(0)
    moved = (3 * points[:, ::-1] + 7).astype(np.float32)  # turned, stretched and shifted
    assert value_of(PRESERVATION, preserved(moved, view_of("rna", points))) == 1
    assert value_of(STABILITY, stable(points, again=points, moved=moved)) == 1


def test_what_is_the_reference_itself_has_no_value(tmp_path: Path) -> None:
    """Of all modalities or of one: a mean that holds a comparison with itself says nothing."""
    rna, adt = blobs(N).points, random_points(1)
    for views in ([view_of("rna", rna)], [view_of("adt", adt), view_of("rna", rna)]):
        line = scored(tmp_path, preserved(-rna, *views), [PRESERVATION])[PRESERVATION]
        assert (line.value, line.reason) == (None, Reason.NOT_APPLICABLE)
        assert "reference of rna" in line.detail
    near = rna + 0.01 * random_points(2)[:, :6]
    line = scored(tmp_path, preserved(near, view_of("rna", rna)), [PRESERVATION])[PRESERVATION]
    assert line.value is not None
    assert 0.9 < line.value < 1


def test_unrelated_neighbourhoods_are_as_by_chance() -> None:
    """k of n - 1 cells in expectation; over 900 cells the mean's deviation is about 0.0005."""
    n_cells = 900
    points, other = random_points(1, n_cells), random_points(2, n_cells)
    chance = K / (n_cells - 1)
    found = [
        value_of(PRESERVATION, preserved(points, view_of("rna", other))),
        value_of(STABILITY, stable(points, other=other)),
    ]
    assert found == pytest.approx([chance, chance], abs=0.004)


def test_the_order_of_cells_does_not_matter() -> None:
    points, rna = blobs(N).points, random_points(4)
    order = np.random.default_rng(5).permutation(N)
    assert value_of(PRESERVATION, preserved(points[order], view_of("rna", rna[order]))) == (
        pytest.approx(value_of(PRESERVATION, preserved(points, view_of("rna", rna))))
    )
    assert value_of(STABILITY, stable(points[order], other=rna[order])) == pytest.approx(
        value_of(STABILITY, stable(points, other=rna))
    )


def test_a_mosaic_modality_looks_at_its_own_cells_only() -> None:
    """The other cells lie among them in the embedding, and would take all their neighbours."""
    measured = np.sort(np.random.default_rng(6).permutation(N)[:80])
    adt = random_points(7, 80)
    points = np.repeat(random_points(8, 1), N, axis=0)
    points += 0.01 * random_points(9)
    points[measured] = adt
    rna = blobs(N).points
    case = preserved(points, view_of("rna", rna), view_of("adt", adt, measured))
    found = METRICS[PRESERVATION].compute(case)
    assert found.parts["adt"] == 1
    assert found.parts["rna"] == pytest.approx(overlap(rna, points))


def test_a_modality_of_too_few_cells_has_no_part() -> None:
    few = np.arange(29)
    rna = random_points(1)
    case = preserved(blobs(N).points, view_of("rna", rna), view_of("adt", rna[:29], few))
    assert set(METRICS[PRESERVATION].compute(case).parts) == {"rna"}
