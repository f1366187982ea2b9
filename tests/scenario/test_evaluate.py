"""``multiverse evaluate`` on folders with something wrong: each is clear, the rest is scored.

One command scores a folder with every kind of bad dataset and run; the tests look at what it left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from multiverse.contract.scores import Reason
from multiverse.demo.simulation import Simulation
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.scores import Evaluation, Member, ScoresFile
from tests.conftest import docker_or_skip
from tests.scenario.conftest import Finished
from tests.unit.scoring.made import make_data, publish_run, register, spoil

pytestmark = pytest.mark.docker
N_CELLS = 60
HOSTILE = ('<img src=x onerror="alert(1)">', "\x1b[31mred\x1b[0m", "[bold]T[/bold] 🦠")
MANY = 10_000
#: Every metric that looks at labels, and at the batch; only these may lack a value for that.
LABELS = {
    "leiden_nmi", "leiden_ari", "kmeans_nmi", "kmeans_ari", "clisi", "silhouette_label",
    "isolated_labels", "bras", "graph_connectivity", "kbet_per_label",
}  # fmt: skip
BATCH = {"isolated_labels", "bras", "kbet_per_label", "ilisi", "pcr_comparison"}


def command(home: Path, *arguments: object) -> Finished:
    """The real command with the datasets of ``home``."""
    done = subprocess.run(
        [sys.executable, "-m", "multiverse", *map(str, arguments)],
        env={**os.environ, "MULTIVERSE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Bad:
    """A results folder that was evaluated, and what the command said."""

    home: Path
    results: ResultsFolder
    runs: dict[str, str]
    finished: Finished

    def evaluations(self, slug: str) -> tuple[Evaluation, ...]:
        return ScoresFile.read(self.results.scores(slug)).evaluations

    def member(self, name: str) -> Member:
        """The scores of a run, by the name that it has here."""
        slug = name.split()[0]
        run_id = self.runs[name]
        return next(
            found.members[run_id] for found in self.evaluations(slug) if run_id in found.members
        )

    def reasons(self, name: str) -> dict[str, Reason]:
        """Metric → why the run has no value of it; its seeds are nobody's concern here."""
        return {
            metric: score.reason
            for metric, score in self.member(name).scores.items()
            if score.reason is not None and metric != "seed_stability"
        }


class Making:
    """Registers datasets and publishes runs, each under a name."""

    def __init__(self, folder: Path) -> None:
        self.home, self.results = folder / "home", ResultsFolder(folder / "results")
        self.results.folder.mkdir()
        self.runs: dict[str, str] = {}

    def everything(self) -> None:
        self._plain()
        bare = make_data(N_CELLS)
        bare.obs = bare.obs.iloc[:, :0]
        self._dataset("bare", bare, batch_key=None, label_key=None)
        types = [f"t{number % 3}" for number in range(N_CELLS)]
        self._dataset("confounded", make_data(N_CELLS, batch=types, cell_type=types))
        self._dataset("single", make_data(N_CELLS, batch=["b"] * N_CELLS, cell_type="t"))
        odd = pd.Categorical(
            [None if number % 6 == 0 else HOSTILE[number % 3] for number in range(N_CELLS)]
        )
        self._dataset("odd", make_data(N_CELLS, cell_type=odd))
        self._dataset("three", make_data(3, cell_type=["a", "b", "a"], batch=["x", "y", "x"]))
        small = Simulation(n_genes=20, n_peaks=0, n_proteins=0, n_types=3, n_batches=2)
        names = [f"class {number} of {MANY}" for number in range(MANY)]
        self._dataset("many", make_data(MANY, small, cell_type=names))
        self._stranger()

    def _dataset(self, slug: str, data: object, **options: object) -> RegisteredDataset:
        dataset = register(self.home, slug, data, **options)  # type: ignore[arg-type]
        self._run(slug, dataset)
        return dataset

    def _run(self, name: str, dataset: RegisteredDataset, model: str = "pca") -> Path:
        run = publish_run(self.results, dataset, model)
        self.runs[name] = run.record.run_id
        return run.folder

    def _plain(self) -> None:
        """Two fingerprints; of the first, runs that are spoilt in three ways."""
        older = self._dataset("plain", make_data(N_CELLS))
        tampered = publish_run(self.results, older, "tampered")
        spoil(tampered)
        self.runs["plain tampered"] = tampered.record.run_id
        (self._run("plain cut", older, "cut") / "embeddings.h5").unlink()
        (self._run("plain begun", older, "begun") / "run.json").unlink()
        newer = register(self.home, "plain", make_data(N_CELLS + 20), replace=True)
        self._run("plain newer", newer)

    def _stranger(self) -> None:
        dataset = register(self.home, "stranger", make_data(40))
        self._run("stranger", dataset)
        shutil.rmtree(dataset.folder.parent)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Bad:
    docker_or_skip()
    making = Making(tmp_path_factory.mktemp("bad"))
    making.everything()
    finished = command(
        making.home, "evaluate", making.results.folder, "--engine", "docker", "--replicates", 20
    )
    return Bad(making.home, making.results, making.runs, finished)


def test_it_ends_with_a_failure_that_names_what_was_not_scored(bad: Bad) -> None:
    assert bad.finished.code == 1, bad.finished.said
    said = " ".join(bad.finished.said.split())
    assert "plain: 2 runs are damaged (multiverse verify)" in said
    assert f"{bad.runs['plain tampered']} is not scored: embeddings.h5 is not the file" in said
    assert f"{bad.runs['plain cut']} is not scored: embeddings.h5 is missing" in said
    assert "stranger: the data of these runs" in said
    assert "multiverse register FILE --slug stranger" in said
    for slug in ("bare", "confounded", "single", "odd", "three", "many"):
        assert f"{slug}: 1 scored now, 0 known already" in said
    assert not list(bad.results.evaluations.glob("*"))


def test_runs_of_two_fingerprints_are_scored_apart(bad: Bad) -> None:
    older, newer = sorted(bad.evaluations("plain"), key=lambda item: item.n_obs)
    assert (older.n_obs, newer.n_obs) == (N_CELLS, N_CELLS + 20)
    assert set(newer.members) == {bad.runs["plain newer"]}
    assert set(older.members) == {
        bad.runs[name] for name in ("plain", "plain tampered", "plain cut")
    }
    for name in ("plain", "plain newer"):
        assert bad.reasons(name) == {}
        assert bad.member(name).total.value is not None
    tables = sorted(bad.results.embeddings("plain").parent.glob("embeddings*.h5ad"))
    assert sorted(read_h5ad(path).n_obs for path in tables) == [N_CELLS, N_CELLS + 20]


@pytest.mark.parametrize("name", ["plain tampered", "plain cut"])
def test_a_run_that_is_damaged_has_no_score(bad: Bad, name: str) -> None:
    member = bad.member(name)
    assert {score.reason for score in member.scores.values()} == {Reason.DAMAGED}
    assert member.total.value is None


def test_without_labels_and_batch_what_can_be_said_is_said(bad: Bad) -> None:
    reasons = bad.reasons("bare")
    assert set(reasons) == LABELS | BATCH
    assert {reasons[metric] for metric in LABELS - BATCH} == {Reason.NO_LABELS}
    assert {reasons[metric] for metric in BATCH - LABELS} == {Reason.NO_BATCH}
    member = bad.member("bare")
    assert member.scores["neighbourhood_preservation"].value is not None
    assert (member.total.value, member.total.available) == (None, 0)
    (found,) = bad.evaluations("bare")
    assert set(found.controls) == {"random", "pca_rna", "pca_adt"}


def test_one_class_and_one_batch(bad: Bad) -> None:
    reasons = bad.reasons("single")
    assert set(reasons) == LABELS | BATCH
    assert {reasons[metric] for metric in LABELS - BATCH} == {Reason.ONE_CLASS}
    assert {reasons[metric] for metric in BATCH - LABELS} == {Reason.ONE_BATCH}


def test_a_batch_that_is_the_label(bad: Bad) -> None:
    reasons = bad.reasons("confounded")
    assert {reasons[metric] for metric in ("bras", "kbet_per_label")} == {Reason.CONFOUNDED}
    assert not {"leiden_nmi", "clisi", "ilisi"} & set(reasons)


def test_cells_without_a_label_are_left_out_and_hostile_names_are_only_names(bad: Bad) -> None:
    (found,) = bad.evaluations("odd")
    assert set(found.sheet.labels) == set(HOSTILE)
    assert found.sheet.n_unlabelled == N_CELLS // 6
    scores = bad.member("odd").scores
    assert scores["kmeans_nmi"].n_cells == N_CELLS - N_CELLS // 6
    assert scores["neighbourhood_preservation"].n_cells == N_CELLS
    assert "\x1b" not in bad.finished.said
    labels = read_h5ad(bad.results.embeddings("odd")).obs["cell_type"]
    assert int(labels.isna().sum()) == N_CELLS // 6
    assert set(labels.dropna()) == set(HOSTILE)


def test_three_cells(bad: Bad) -> None:
    reasons = bad.reasons("three")
    assert set(reasons) >= LABELS | BATCH
    assert Reason.METRIC_FAILED not in reasons.values()
    assert Reason.TOO_FEW_CELLS in reasons.values()
    table = read_h5ad(bad.results.embeddings("three"))
    assert np.isnan(table.obsm["X_umap_pca"]).all()


def test_ten_thousand_classes(bad: Bad) -> None:
    reasons = bad.reasons("many")
    assert set(reasons) == LABELS
    assert set(reasons.values()) == {Reason.TOO_FEW_CELLS}
    scores = bad.member("many").scores
    assert scores["ilisi"].n_cells == MANY
    (found,) = bad.evaluations("many")
    assert len(found.sheet.labels) == MANY
    assert "label_oracle" in found.controls


def test_the_report_shows_all_of_it(bad: Bad) -> None:
    page = bad.results.report.read_text()
    for slug in ("plain", "bare", "confounded", "single", "odd", "three", "many", "stranger"):
        assert slug in page
    assert HOSTILE[0] not in page


def test_again_only_what_was_not_of_the_data_is_looked_at(bad: Bad) -> None:
    """Whole datasets need no evaluator: without one on this machine they are still known."""
    slugs = ("bare", "single", "three", "many")
    before = {slug: bad.results.scores(slug).read_bytes() for slug in slugs}
    done = command(
        bad.home, "evaluate", bad.results.folder, "--engine", "docker", "--replicates", 20,
        "--no-report", "--json", "--datasets", *slugs,
    )  # fmt: skip
    assert done.code == 0, done.said
    told = json.loads(done.out)["datasets"]
    assert {item["dataset"]: (item["scored"], item["known"]) for item in told} == dict.fromkeys(
        slugs, (0, 1)
    )
    assert {slug: bad.results.scores(slug).read_bytes() for slug in slugs} == before


def test_scores_that_are_damaged_are_said_to_be_and_made_anew(bad: Bad, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bad.results.folder, folder)
    path = ResultsFolder(folder).scores("three")
    path.write_text(path.read_text()[:200])
    done = command(
        bad.home, "evaluate", folder, "--engine", "docker", "--replicates", 20, "--no-report",
        "--datasets", "three",
    )  # fmt: skip
    assert done.code == 0, done.said
    assert "can't be read as scores" in done.said
    assert "1 scored now" in done.said
    (found,) = ScoresFile.read(path).evaluations
    assert set(found.members) == {bad.runs["three"]}


@pytest.mark.parametrize("kind", ["empty", "not there", "failures only", "a file"])
def test_a_folder_without_complete_runs_is_an_error_that_says_what_to_do(
    tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "results"
    if kind == "a file":
        folder.write_text("")
    elif kind != "not there":
        folder.mkdir()
    if kind == "failures only":
        attempt = ResultsFolder(folder).new_attempt("a" * 16)
        attempt.record.write_text("{")
    before = sorted(tmp_path.rglob("*"))
    done = command(tmp_path / "home", "evaluate", folder, "--engine", "docker")
    assert done.code == 5, done.said
    expected = "no complete run to score" if folder.is_dir() else "is not a results folder"
    assert expected in " ".join(done.said.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dataset_that_was_not_run_is_an_error_that_names_those_that_were(bad: Bad) -> None:
    done = command(bad.home, "evaluate", bad.results.folder, "--datasets", "other")
    assert done.code == 5
    assert "no complete run on other" in " ".join(done.said.split())
    assert "confounded" in done.said
