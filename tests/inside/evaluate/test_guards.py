"""Silent wrong values: what the library gives where a need is not met, and that we give none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import scib_metrics

from multiverse.contract.evaluation import ScoreLine
from multiverse.contract.scores import Reason
from multiverse.evaluation.case import Case
from multiverse.evaluation.controls import controls
from multiverse.evaluation.metrics import all_metrics
from multiverse.evaluation.needs import unmet
from tests.inside.evaluate.cases import METRICS, SHORT, blobs, case_of, scored, view_of
from tests.inside.evaluate.library import LIBRARY

OF_LABELS = [
    "leiden_nmi", "leiden_ari", "kmeans_nmi", "kmeans_ari", "silhouette_label", "clisi",
    "isolated_labels", "bras", "kbet_per_label", "graph_connectivity",
]  # fmt: skip
OF_BATCH = ["isolated_labels", "bras", "ilisi", "kbet_per_label", "pcr_comparison"]
N = 120


def none_has_a_value(lines: dict[str, ScoreLine], reason: Reason, *words: str) -> None:
    """Every line has the reason, with a detail that holds the words and no code's jargon."""
    for line in lines.values():
        assert (line.value, line.reason) == (None, reason), line
        assert all(word in line.detail for word in words), line.detail
        assert "Error" not in line.detail
        assert line.detail.isprintable()
        assert not line.replicates
        assert not line.parts


def with_view(case: Case) -> Case:
    """The same with a modality, so that PCR is not left out for the lack of one."""
    other = blobs(case.sheet.n_cells, seed=9).points
    view = view_of("rna", other, reference=np.ascontiguousarray(other[:, :4]))
    return Case(case.name, case.points, case.sheet, {"rna": view}, case.settings)


def test_one_batch(tmp_path: Path) -> None:
    data = blobs(N)
    case = with_view(case_of(data.points, data.labels, ["only"] * N))
    near = case.whole.neighbours.nearest(30)
    assert scib_metrics.kbet(near, np.zeros(N))[0] == 0
    assert np.isnan(LIBRARY["kbet_per_label"](case))
    assert np.isnan(LIBRARY["ilisi"](case))
    # One batch explains nothing: it is divided by zero, or by what rounding makes of that, which
    # depends on the processor.
    with suppress(ZeroDivisionError):
        assert np.isfinite(LIBRARY["pcr_comparison"](case)), "a number that means nothing"
    with pytest.raises(ValueError, match="No objects to concatenate"):
        LIBRARY["bras"](case)
    none_has_a_value(scored(tmp_path, case, OF_BATCH), Reason.ONE_BATCH, "one batch")


def test_one_label(tmp_path: Path) -> None:
    data = blobs(N)
    case = case_of(data.points, ["T"] * N, data.batches)
    assert LIBRARY["kmeans_nmi"](case) == LIBRARY["kmeans_ari"](case) == 1
    assert LIBRARY["leiden_nmi"](case) == 0
    assert np.isnan(LIBRARY["clisi"](case))
    none_has_a_value(scored(tmp_path, case, OF_LABELS), Reason.ONE_CLASS, "'T'")


def test_all_cells_at_one_point(tmp_path: Path) -> None:
    data = blobs(N)
    points = np.full((N, 4), 1.5, dtype=np.float32)
    # Batches by turns, as they are in a shuffled dataset: neighbours are by index here.
    case = with_view(case_of(points, data.labels, np.arange(N) % 2))
    assert LIBRARY["bras"](case) == 1
    assert LIBRARY["ilisi"](case) == pytest.approx(1, abs=0.01)
    assert scib_metrics.kbet(case.whole.neighbours.nearest(30), np.arange(N) % 2)[0] == 1
    lines = scored(tmp_path, case, [name for name in METRICS if name != "seed_stability"])
    none_has_a_value(lines, Reason.CONSTANT_EMBEDDING, "same for all 120 cells")


def test_labelled_cells_at_one_point(tmp_path: Path) -> None:
    data = blobs(N)
    points, labels = data.points.copy(), data.labels.copy()
    points[:60], labels[60:] = 2.5, None
    lines = scored(tmp_path, case_of(points, labels, data.batches), OF_LABELS)
    none_has_a_value(lines, Reason.CONSTANT_EMBEDDING, "same for all 60 labelled cells")


def test_batch_equals_label(tmp_path: Path) -> None:
    data = blobs(N)
    case = with_view(case_of(data.points, data.labels, data.labels))
    assert np.isnan(LIBRARY["kbet_per_label"](case))
    with pytest.raises(ValueError, match="No objects to concatenate"):
        LIBRARY["bras"](case)
    lines = scored(tmp_path, case, [*OF_LABELS, *OF_BATCH])
    confounded = {name: lines.pop(name) for name in ("bras", "kbet_per_label")}
    none_has_a_value(confounded, Reason.CONFOUNDED, "batch and biology can't be told apart")
    assert all(line.value is not None for line in lines.values())


def test_a_batch_of_one_cell(tmp_path: Path) -> None:
    data = blobs(N, shift=0)
    well = LIBRARY["ilisi"](case_of(data.points, None, data.batches))
    batches = data.batches.copy()
    batches[5] = "lost"
    case = case_of(data.points, None, batches)
    assert well > 0.8
    assert LIBRARY["ilisi"](case) == pytest.approx(well / 2, abs=0.05)
    lines = scored(tmp_path, case, ["ilisi"])
    none_has_a_value(lines, Reason.TOO_FEW_CELLS, "'lost' has 1 cell", "10")


def test_cells_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    data = blobs(N)
    unknown = np.random.default_rng(1).permutation(N)[:30]
    known = np.setdiff1d(np.arange(N), unknown)
    labels = data.labels.copy()
    labels[unknown] = np.nan
    as_text = labels.astype(str)
    near = case_of(data.points, data.labels).whole.neighbours.nearest(45)
    accepted = [
        scib_metrics.silhouette_label(data.points, as_text),
        scib_metrics.isolated_labels(data.points, as_text, data.batches.astype(str)),
        scib_metrics.clisi_knn(near, as_text),
    ]
    labels[unknown[:10]] = "unassigned"
    case = case_of(data.points, labels, data.batches, unlabelled=["unassigned"])
    alone = case_of(data.points[known], data.labels[known], data.batches[known])
    assert case.sheet.n_unlabelled == 30
    lines = scored(tmp_path / "all", case, OF_LABELS)
    only = scored(tmp_path / "only", alone, OF_LABELS)
    for name, line in lines.items():
        assert line.value == pytest.approx(only[name].value, abs=1e-12), name
        assert line.n_cells == 90
        assert "nan" not in line.parts
    ours = [lines[name].value for name in ("silhouette_label", "isolated_labels", "clisi")]
    for value, wrong in zip(ours, accepted, strict=True):
        assert value is not None
        assert np.isfinite(wrong)
        assert abs(value - wrong) > 0.01, "NaN is a cell type to the library"


def test_cells_at_the_origin_have_no_cosine_distance(tmp_path: Path) -> None:
    """One of them a batch and label: the library takes the others for perfectly mixed, or not."""
    data = blobs(N, shift=4)
    points = data.points.copy()
    pairs = [f"{one} {other}" for one, other in zip(data.labels, data.batches, strict=True)]
    zero = np.unique(pairs, return_index=True)[1]
    points[zero] = 0
    rest = np.setdiff1d(np.arange(N), zero)
    case = case_of(points, data.labels, data.batches)
    true = LIBRARY["bras"](case_of(points[rest], data.labels[rest], data.batches[rest]))
    assert abs(LIBRARY["bras"](case) - true) > 0.1
    line = scored(tmp_path, case, ["bras"])["bras"]
    assert line.value == pytest.approx(true, abs=1e-6)
    assert line.n_cells == N - 6


def test_one_label_a_cell(tmp_path: Path) -> None:
    data = blobs(N)
    case = case_of(data.points, [f"cell {number}" for number in range(N)], data.batches)
    assert LIBRARY["kmeans_nmi"](case) == pytest.approx(1)
    assert LIBRARY["kmeans_ari"](case) == 1
    lines = scored(tmp_path, case, OF_LABELS)
    none_has_a_value(lines, Reason.TOO_FEW_CELLS, "120 labels for 120 cells")


@pytest.mark.parametrize("n_cells", [3, 29])
def test_few_cells(tmp_path: Path, n_cells: int) -> None:
    data = blobs(n_cells, n_labels=2)
    case = with_view(case_of(data.points, data.labels, data.batches))
    plausible = [LIBRARY[name](case) for name in ("kmeans_nmi", "silhouette_label")]
    assert all(0 <= value <= 1 for value in plausible)
    lines = scored(tmp_path, case)
    none_has_a_value(lines, Reason.TOO_FEW_CELLS, f"{n_cells} cells", "30")


def test_thirty_cells_are_enough(tmp_path: Path) -> None:
    data = blobs(30, n_labels=2)
    case = with_view(case_of(data.points, data.labels, data.batches))
    lines = scored(tmp_path, case, [name for name in METRICS if name != "seed_stability"])
    assert not [line for line in lines.values() if line.value is None]


def test_few_labelled_cells(tmp_path: Path) -> None:
    data = blobs(N)
    labels = data.labels.copy()
    labels[29:] = None
    lines = scored(tmp_path, case_of(data.points, labels, data.batches), OF_LABELS)
    none_has_a_value(lines, Reason.TOO_FEW_CELLS, "29 labelled cells")


def test_ten_thousand_labels_are_judged_before_anything_is_computed() -> None:
    n_cells = 10_000
    points = np.random.default_rng(0).normal(size=(n_cells, 3)).astype(np.float32)
    labels = [f"type {number}" for number in range(n_cells)]
    case = case_of(points, labels, np.arange(n_cells) % 2)
    for name in OF_LABELS:
        found = unmet(METRICS[name].needs, case)
        assert found is not None
        assert found.reason is Reason.TOO_FEW_CELLS
        assert "10,000 labels for 10,000 cells" in found.detail
    assert not {"neighbours", "leiden", "kmeans"} & vars(case.whole).keys()
    assert controls(case.sheet, {}, 0)["label_oracle"].shape[1] < 100, "no column for each label"


@pytest.mark.parametrize("labels", [None, [None] * N])
def test_no_labels(tmp_path: Path, labels: list[None] | None) -> None:
    data = blobs(N)
    lines = scored(tmp_path, case_of(data.points, labels, data.batches), OF_LABELS)
    none_has_a_value(lines, Reason.NO_LABELS, "no c")


def test_no_batch(tmp_path: Path) -> None:
    data = blobs(N)
    lines = scored(tmp_path, case_of(data.points, data.labels), OF_BATCH)
    none_has_a_value(lines, Reason.NO_BATCH, "no batch column")


def test_without_labels_and_batch_structure_is_left(tmp_path: Path) -> None:
    lines = scored(tmp_path, with_view(case_of(blobs(N).points)))
    assert [name for name, line in lines.items() if line.value is not None] == [
        "depth_correlation",
        "neighbourhood_preservation",
    ]
    none_has_a_value({"": lines["seed_stability"]}, Reason.ONE_SEED, "two seeds")


def test_no_label_in_two_batches_is_large_enough_for_kbet(tmp_path: Path) -> None:
    """Only the small label is in two batches: BRAS has a value, kBET would be NaN."""
    data = blobs(N)
    labels, batches = np.array(["big"] * N, dtype=object), np.array(["one"] * N, dtype=object)
    labels[:8] = "small"
    batches[:4] = "two"
    case = case_of(data.points, labels, batches)
    assert np.isnan(LIBRARY["kbet_per_label"](case))
    lines = scored(tmp_path, case, ["kbet_per_label", "bras"])
    assert lines["bras"].value is not None
    none_has_a_value({"": lines["kbet_per_label"]}, Reason.TOO_FEW_CELLS, "at least 10 cells")


def test_no_modality_with_components(tmp_path: Path) -> None:
    data = blobs(N)
    case = case_of(data.points, data.labels, data.batches)
    needing = ["pcr_comparison", "neighbourhood_preservation", "depth_correlation"]
    none_has_a_value(scored(tmp_path, case, needing), Reason.NOT_APPLICABLE, "no modality")


def test_names_are_only_names(tmp_path: Path) -> None:
    """Odd categories change no value, and stay what they are."""
    odd = {"type 0": "🧫🦠", "type 1": "<img src=x onerror=alert(1)>", "type 2": ""}
    data = blobs(N)
    labels = [odd[label] for label in data.labels]
    batches = ["' OR 1=1 --" if batch == "donor 0" else "\u202e\x1b[31m" for batch in data.batches]
    case = with_view(case_of(data.points, labels, batches))
    assert case.sheet.labels is not None
    assert set(case.sheet.labels.counts) == set(odd.values())
    names = [name for name in METRICS if name != "seed_stability"]
    plain = with_view(case_of(data.points, data.labels, data.batches))
    expected = scored(tmp_path / "plain", plain, names)
    for name, line in scored(tmp_path / "odd", case, names).items():
        assert line.value == pytest.approx(expected[name].value, abs=1e-9), name
        again = ScoreLine.model_validate_json(line.model_dump_json())
        assert again == line
    found = scored(tmp_path / "again", case, ["bras"])["bras"]
    assert set(found.parts) == set(odd.values())


def test_an_odd_name_is_quoted_and_cut_in_a_detail(tmp_path: Path) -> None:
    data = blobs(N)
    case = case_of(data.points, ["\x1b[31m" + "x" * 1000] * N, data.batches)
    (line,) = scored(tmp_path, case, ["clisi"]).values()
    none_has_a_value({"": line}, Reason.ONE_CLASS, "\\x1b[31mxxx")
    assert len(line.detail) < 100


def test_each_modality_in_a_batch_of_its_own(tmp_path: Path) -> None:
    """A mosaic in which nothing can be compared: the mean over no modality would be NaN."""
    data = blobs(N)
    batches = ["one"] * 60 + ["two"] * 60
    cells = np.arange(N)
    views = [
        view_of("rna", data.points[:60] ** 3, cells[:60]),
        view_of("adt", data.points[60:] ** 3, cells[60:]),
    ]
    case = case_of(data.points, None, batches, views=views)
    lines = scored(tmp_path, case, ["pcr_comparison"])
    none_has_a_value(lines, Reason.ONE_BATCH, "no modality was measured in cells of two batches")
    assert scored(tmp_path, case, ["neighbourhood_preservation"]).popitem()[1].value is not None


def test_labelled_cells_of_one_batch(tmp_path: Path) -> None:
    """A reference with labels and a query without: every label is isolated, and none is."""
    data = blobs(N)
    labels = data.labels.copy()
    labels[data.batches != "donor 0"] = None
    known = np.flatnonzero(data.batches == "donor 0")
    wrong = scib_metrics.isolated_labels(
        data.points[known], data.labels[known].astype(str), data.batches[known].astype(str)
    )
    assert 0 < wrong < 1
    lines = scored(tmp_path, case_of(data.points, labels, data.batches), ["isolated_labels"])
    none_has_a_value(lines, Reason.ONE_BATCH, "have a label are of one batch only")


def test_constant_in_the_cells_of_one_modality(tmp_path: Path) -> None:
    data = blobs(N)
    points = data.points.copy()
    points[60:] = 1.5
    cells = np.arange(N)
    views = [view_of("rna", data.points), view_of("adt", data.points[60:], cells[60:])]
    case = case_of(points, None, data.batches, views=views)
    needing = ["pcr_comparison", "neighbourhood_preservation", "depth_correlation"]
    lines = scored(tmp_path, case, needing)
    none_has_a_value(lines, Reason.CONSTANT_EMBEDDING, "all 60 cells that were measured in adt")


def test_neighbourhoods_of_nearly_all_cells(tmp_path: Path) -> None:
    """With as many neighbours as there are cells any embedding keeps them all."""
    settings = SHORT.model_copy(update={"structure_neighbours": 60})
    views = [view_of("rna", blobs(100).points, settings=settings)]
    case = case_of(blobs(100, seed=1).points, views=views, settings=settings)
    lines = scored(tmp_path, case, ["neighbourhood_preservation"])
    none_has_a_value(lines, Reason.TOO_FEW_CELLS, "60 neighbours need at least 120")


def test_every_metric_says_what_it_needs() -> None:
    for metric in all_metrics():
        assert metric.needs
        assert metric.facts.title
        assert metric.facts.description
