"""Every metric that scib-metrics has: the same number, on the same exact neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from multiverse.evaluation.case import Case
from multiverse.evaluation.metric import SCIB_METRICS
from tests.conftest import shared_dataset
from tests.inside.evaluate.cases import METRICS, SHORT, case_of, value_of
from tests.inside.evaluate.datasets import case_from, write_simulated
from tests.inside.evaluate.library import LIBRARY, pcr_as_called

TOLERANCE = 1e-6
#: Real data, and the column of labels. The library compiles BRAS anew for each size of a label,
#: so that the many fine types of the second would take most of the time.
REAL = {"pbmc_citeseq_2batch": "cell_type", "mop_snareseq_2k": "cell_type_coarse"}


@pytest.fixture(scope="module", params=["simulated", *REAL])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name: str = request.param
    if name in REAL:
        return case_from(shared_dataset(name), REAL[name])
    path: Path = tmp_path_factory.mktemp("simulated") / "data.h5mu"
    write_simulated(path)
    return case_from(path)


def test_every_metric_of_the_library_is_compared() -> None:
    ours = {name for name, metric in METRICS.items() if SCIB_METRICS in metric.source}
    assert ours == set(LIBRARY)


@pytest.mark.parametrize("metric", sorted(LIBRARY))
def test_the_value_is_the_librarys(metric: str, case: Case) -> None:
    expected = LIBRARY[metric](case)
    assert 0 <= expected <= 1
    found = METRICS[metric].compute(case)
    # Ten starts of k-means are better than the library's one, whose value is kept beside.
    value = found.variants.get("scib", found.value)
    assert value == pytest.approx(expected, abs=TOLERANCE, rel=0)


def test_pcr_differs_from_single_precision_by_its_rounding_only(case: Case) -> None:
    """R² is 1 minus a ratio near 1, to seven digits; where it is small the last ones are lost."""
    single = pcr_as_called(case, np.float32)
    assert value_of("pcr_comparison", case) == pytest.approx(single, abs=2e-5, rel=0)


def test_values_are_no_bounds(case: Case) -> None:
    """An embedding of real structure: agreement at 0 or 1 would show nothing."""
    values = {name: value_of(name, case) for name in LIBRARY}
    inside = [name for name, value in values.items() if 0.01 < value < 0.99]
    assert len(inside) >= 8, values


def test_kbet_of_labels_in_pieces() -> None:
    """One label of two large pieces and a small one, then a smaller label, then a large one.

    The first leaves cells out, the second cuts the number of diffusion components for the third.
    """
    random = np.random.default_rng(5)
    sizes = {"a": (150, 150, 20), "b": (60,), "c": (170,)}
    points, labels = [], []
    for place, (label, pieces) in enumerate(sizes.items()):
        for piece, size in enumerate(pieces):
            centre = 40.0 * np.array([place, piece, 0, 0])
            points.append(random.normal(size=(size, 4)) + centre)
            labels += [label] * size
    batches = random.integers(2, size=len(labels)).astype(str)
    joined = np.vstack(points).astype(np.float32)
    joined[batches == "1"] += 0.4
    case = case_of(
        joined, labels, batches, settings=SHORT.model_copy(update={"lisi_neighbours": 30})
    )
    found = METRICS["kbet_per_label"].compute(case)
    assert set(found.parts) == {"a", "b", "c"}
    assert found.value == pytest.approx(LIBRARY["kbet_per_label"](case), abs=TOLERANCE, rel=0)


def test_kbet_of_a_label_in_crumbs_is_rejected() -> None:
    """Where less than three quarters of a label are in large pieces, the library says 0."""
    random = np.random.default_rng(6)
    centres = 50.0 * np.repeat(np.arange(10), 20)[:, None]
    points = random.normal(size=(200, 3)) + centres
    labels = np.where(np.arange(200) < 180, "crumbs", "whole")
    batches = random.integers(2, size=200).astype(str)
    settings = SHORT.model_copy(update={"kbet_neighbours": 10, "lisi_neighbours": 15})
    case = case_of(points.astype(np.float32), labels, batches, settings=settings)
    found = METRICS["kbet_per_label"].compute(case)
    assert found.parts["crumbs"] == 0
    assert found.value == pytest.approx(LIBRARY["kbet_per_label"](case), abs=TOLERANCE, rel=0)
