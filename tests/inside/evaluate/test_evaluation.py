"""``python -m multiverse.evaluation``, whole: a request and files in, lines of scores out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import mudata
import numpy as np
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from multiverse.contract.evaluation import (
    EvaluationFiles,
    EvaluationRequest,
    EvaluationSettings,
    MemberLine,
    ScoreLine,
    SheetLine,
    UmapLine,
    parse_line,
)
from multiverse.contract.paths import INPUT_VARIABLE, OUTPUT_VARIABLE
from multiverse.contract.scores import Reason
from multiverse.demo.simulation import Simulation, simulate
from tests.inside.evaluate.cases import METRICS, write_embedding

N, SEED = 200, 4
SETTINGS = EvaluationSettings(replicates=5, lisi_neighbours=45, kbet_neighbours=30)
KILLED = "the process that computed it was killed, probably because memory ran out"


@dataclass(frozen=True)
class Finished:
    """What an evaluation left behind."""

    code: int
    output: str
    files: EvaluationFiles

    @property
    def lines(self) -> list[object]:
        return [parse_line(line) for line in self.files.scores.read_bytes().splitlines()]

    def scores(self, member: str) -> dict[str, ScoreLine]:
        """Metric → line; one each."""
        lines = [line for line in self.lines if isinstance(line, ScoreLine)]
        own = [line for line in lines if line.member == member]
        assert len({line.metric for line in own}) == len(own)
        return {line.metric: line for line in own}


def prepare(folder: Path) -> tuple[EvaluationFiles, list[str]]:
    """A registered dataset as the evaluator is given it; its cells. ``kind``: 10 have none."""
    files = EvaluationFiles(folder / "input", folder / "output")
    files.input.mkdir(parents=True)
    files.output.mkdir()
    data = simulate(N, Simulation(n_genes=200, n_peaks=0, n_proteins=12, n_types=3, seed=SEED))
    labels = data.obs[["cell_type"]].rename(columns={"cell_type": "kind"}).astype(str)
    labels.iloc[:10, 0] = "unknown"
    data.obs = data.obs[["batch"]]
    with mudata.set_options(pull_on_update=False):
        data.write_h5mu(files.data)
    AnnData(obs=labels.iloc[::-1]).write_h5ad(files.labels)
    return files, list(data.obs_names)


def start(files: EvaluationFiles, request: EvaluationRequest) -> Finished:
    files.request.write_text(request.model_dump_json())
    places = {INPUT_VARIABLE: str(files.data), OUTPUT_VARIABLE: str(files.output)}
    done = subprocess.run(
        [sys.executable, "-m", "multiverse.evaluation"],
        env={**os.environ, **places, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
    )
    return Finished(done.returncode, done.stdout + done.stderr, files)


def embedding(seed: int) -> NDArray[np.float32]:
    """Types are apart, with noise of the seed."""
    simulation = Simulation(n_genes=200, n_peaks=0, n_proteins=12, n_types=3, seed=SEED)
    kinds = simulation.cells(0, N)["cell_type"].cat.codes.to_numpy()
    points = np.random.default_rng(0).normal(size=(N, 5))
    points[np.arange(N), kinds] += 3
    points += 0.3 * np.random.default_rng(seed).normal(size=(N, 5))
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Two seeds of a model, one again with its rows in another order, and three odd ones."""
    files, cells = prepare(tmp_path_factory.mktemp("evaluation"))
    order = np.random.default_rng(1).permutation(N)
    renamed = [*cells[:-1], "foreign"]

    def write(run: str, points: NDArray[np.float32], names: Sequence[str]) -> None:
        write_embedding(files.embeddings(run), points, names)

    write("one", embedding(1), cells)
    write("two", embedding(2), cells)
    write("shuffled", embedding(1)[order], [cells[row] for row in order])
    write("foreign", embedding(1), renamed)
    write("partial", embedding(3), cells)
    request = EvaluationRequest(
        dataset="simulated",
        modalities=("rna", "adt"),
        label_key="kind",
        unlabelled=("unknown",),
        batch_key="batch",
        runs=("one", "two", "shuffled", "foreign", "partial"),
        models={"one": "pca"},
        controls=("random", "pca_adt"),
        seeds={"one": ("two",), "two": ("one",)},
        umaps=("one", "two"),
        only={"partial": ("clisi", "ilisi"), "pca_adt": ("clisi",)},
        skip=(("two", "kbet_per_label", KILLED), ("partial", "ilisi", KILLED)),
        settings=SETTINGS,
    )
    return start(files, request)


def test_it_ends_well_and_every_line_is_one(finished: Finished) -> None:
    assert finished.code == 0, finished.output
    assert len(finished.lines) > 50
    assert "Traceback" not in finished.output
    log = finished.files.log.read_text()
    assert "pca (one) is scored" in log
    assert "foreign" in log


def test_the_first_line_tells_what_is_known(finished: Finished) -> None:
    sheet = finished.lines[0]
    assert isinstance(sheet, SheetLine)
    assert (sheet.n_obs, sheet.n_unlabelled) == (N, 10)
    assert dict(sheet.modalities) == {"rna": 200, "adt": 12}
    assert sum(sheet.labels.values()) == N - 10
    assert set(sheet.labels) == {"type_1", "type_2", "type_3"}
    assert sum(sheet.batches.values()) == N
    assert [facts.name for facts in sheet.metrics] == list(METRICS)
    assert set(sheet.controls) == {
        "random", "batch_one_hot", "label_oracle", "pca_rna", "pca_adt",
    }  # fmt: skip
    assert sheet.versions["scib-metrics"]
    members = [line for line in finished.lines if isinstance(line, MemberLine)]
    layouts = [line for line in finished.lines if isinstance(line, UmapLine)]
    assert sheet.n_steps == len(members) + len(layouts) == 9


@pytest.mark.parametrize("member", ["one", "two", "shuffled", "foreign", "random"])
def test_every_member_has_every_metric_once(member: str, finished: Finished) -> None:
    assert set(finished.scores(member)) == set(METRICS)


def test_values_have_what_stands_behind_them(finished: Finished) -> None:
    for name, line in finished.scores("one").items():
        assert line.value is not None, line
        assert (line.reason, line.detail, line.approximate) == (None, "", ())
        assert len(line.replicates) == (5 if METRICS[name].in_halves else 0)
        assert line.n_cells in (N, N - 10)
        assert 0 <= line.value <= 1, name
    assert set(finished.scores("one")["seed_stability"].parts) == {"two"}
    assert set(finished.scores("one")["neighbourhood_preservation"].parts) == {"rna", "adt"}
    alone = finished.scores("shuffled")["seed_stability"]
    assert (alone.value, alone.reason) == (None, Reason.ONE_SEED)


def test_seeds_are_as_stable_seen_from_either(finished: Finished) -> None:
    one, two = (finished.scores(run)["seed_stability"].value for run in ("one", "two"))
    assert one == two
    assert one is not None
    assert 0.2 < one < 1


def test_rows_in_another_order_are_the_same_embedding(finished: Finished) -> None:
    ours, other = finished.scores("one"), finished.scores("shuffled")
    for name in set(METRICS) - {"seed_stability"}:
        assert ours[name].value == pytest.approx(other[name].value, abs=1e-9), name
        assert ours[name].replicates == pytest.approx(other[name].replicates, abs=1e-9)


def test_a_foreign_cell_fails_one_member_only(finished: Finished) -> None:
    for line in finished.scores("foreign").values():
        assert (line.value, line.reason) == (None, Reason.METRIC_FAILED)
        assert "200 cells are not those of the dataset" in line.detail


def test_only_what_is_asked_for(finished: Finished) -> None:
    partial = finished.scores("partial")
    assert set(partial) == {"clisi", "ilisi"}
    assert partial["clisi"].value is not None
    assert set(finished.scores("pca_adt")) == {"clisi"}
    members = {line.member for line in finished.lines if isinstance(line, ScoreLine)}
    assert members == {"one", "two", "shuffled", "foreign", "partial", "random", "pca_adt"}


def test_what_is_skipped_says_why(finished: Finished) -> None:
    for member, metric in (("two", "kbet_per_label"), ("partial", "ilisi")):
        line = finished.scores(member)[metric]
        assert (line.value, line.reason, line.detail) == (None, Reason.EVALUATOR_FAILED, KILLED)
    assert finished.scores("two")["ilisi"].value is not None


def test_layouts_are_of_all_cells(finished: Finished) -> None:
    with h5py.File(finished.files.umaps, "r") as file:
        assert set(file) == {"one", "two"}
        for name in file:
            points = file[name][...]
            assert points.shape == (N, 2)
            assert np.isfinite(points).all()
            assert points.std(axis=0).min() > 0


def test_a_dataset_that_lost_its_labels_is_one_sentence(tmp_path: Path) -> None:
    files, cells = prepare(tmp_path)
    write_embedding(files.embeddings("one"), embedding(1), cells)
    request = EvaluationRequest(
        dataset="simulated", modalities=("rna",), label_key="type", runs=("one",)
    )
    done = start(files, request)
    assert done.code == 1
    assert "labels.h5ad has no column 'type'" in files.log.read_text()
    assert "Traceback" not in done.output
    assert not files.scores.exists()


def test_within_no_time_every_score_has_that_as_its_reason(tmp_path: Path) -> None:
    """Of the controls as well: it ends all the same, with a line for each."""
    files, cells = prepare(tmp_path)
    write_embedding(files.embeddings("one"), embedding(1), cells)
    request = EvaluationRequest(
        dataset="simulated",
        modalities=("rna",),
        label_key="kind",
        batch_key="batch",
        runs=("one",),
        umaps=("one",),
        controls=("random",),
        settings=SETTINGS,
        step_seconds=1e-6,
    )
    done = start(files, request)
    assert done.code == 0, done.output
    for member in ("one", "random"):
        found = done.scores(member)
        assert set(found) == set(METRICS)
        for line in found.values():
            assert line.value is not None or "the longest that one step may take" in line.detail
    assert not done.files.umaps.exists()


def test_few_dimensions_come_first(tmp_path: Path) -> None:
    files, cells = prepare(tmp_path)
    for run, columns in (("wide", 300), ("narrow", 2), ("usual", 20)):
        points = np.random.default_rng(0).normal(size=(N, columns)).astype(np.float32)
        write_embedding(files.embeddings(run), points, cells)
    request = EvaluationRequest(
        dataset="simulated",
        modalities=("rna",),
        runs=("wide", "narrow", "unreadable", "usual"),
        controls=(),
        only=dict.fromkeys(("wide", "narrow", "unreadable", "usual"), ("seed_stability",)),
    )
    done = start(files, request)
    assert done.code == 0, done.output
    members = [line.member for line in done.lines if isinstance(line, MemberLine)]
    assert members.index("wide") > members.index("narrow")
    assert set(members) == {"wide", "narrow", "unreadable", "usual"}
