"""The evaluator on each engine: scores of runs that the same engine has made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import read_h5ad
from docker import APIClient

from multiverse.api import Request, run_benchmark
from multiverse.contract.evaluation import EvaluationSettings
from multiverse.engines.choice import choose_engine
from multiverse.engines.protocol import Engine
from multiverse.events import Event, MetricScored, Progressed, silent
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation, Member, ScoresFile
from multiverse.scoring.evaluate import evaluate_results
from multiverse.scoring.outcome import ScoringOptions, ScoringOutcome
from multiverse.specs.benchmark import BenchmarkSource
from tests.conftest import TEST_MODELS
from tests.engine.conftest import ENGINES
from tests.unit.scoring.made import cells_of, files_below, register

OPTIONS = ScoringOptions(settings=EvaluationSettings(replicates=25))


def containers(label: str) -> list[dict[str, Any]]:
    """What the daemon knows of the containers that carry a label."""
    with APIClient() as client:
        found = client.containers(all=True, filters={"label": label})
        return [client.inspect_container(container["Id"]) for container in found]


class Watcher:
    """Keeps what the daemon says of model containers while they run."""

    def __init__(self, folder: Path) -> None:
        self.label = f"multiverse.results={folder.resolve()}"
        self.seen: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progressed) and not self.seen:
            self.seen = containers(self.label)


@dataclass
class Bench:
    """A dataset, runs of it, and what evaluations said and looked like."""

    engine: Engine
    dataset: RegisteredDataset
    results: ResultsFolder
    runs: list[Run] = field(default_factory=list)
    first: list[ScoringOutcome] = field(default_factory=list)
    evaluators: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)

    def run_model(self, seed: int, behaviour: str = "good") -> Run:
        content = {
            "datasets": [self.dataset.record.slug],
            "models": [{"model": "naughty", "parameters": [{"behaviour": behaviour, "amount": 3}]}],
            "seeds": [seed],
        }
        request = Request(
            source=BenchmarkSource.of(content),
            output=self.results.folder,
            engine=self.engine.name,
            models_dirs=[TEST_MODELS],
            registered=[self.dataset],
        )
        watcher = Watcher(self.results.folder)
        (run,) = run_benchmark(request, tell=watcher).runs
        self.models += watcher.seen
        self.runs.append(run)
        return run

    def evaluate(self) -> list[ScoringOutcome]:
        return evaluate_results(Results.open(self.results), self.engine, OPTIONS, tell=self._look)

    def _look(self, event: Event) -> None:
        if not isinstance(event, MetricScored):
            return
        if not self.evaluators and self.engine.name == "docker":
            folder = self.results.folder.resolve()
            self.evaluators = containers(f"multiverse.evaluation={folder}")

    @property
    def evaluation(self) -> Evaluation:
        path = self.results.scores(self.dataset.record.slug)
        (evaluation,) = ScoresFile.read(path).evaluations
        return evaluation


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn, once for all tests of this file."""
    if request.param == "docker":
        request.getfixturevalue("_naughty_image")
    else:
        request.getfixturevalue("_naughty_environment")
    return choose_engine(request.param, silent)


@pytest.fixture(scope="module")
def scored(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two runs of a model, and one evaluation of them."""
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIVERSE_HOME", str(folder / "home"))
        bench = Bench(engine, register(folder / "home"), ResultsFolder(folder / "results"))
        bench.run_model(0)
        bench.run_model(0, "sleep")
        bench.first = bench.evaluate()
    return bench


@pytest.fixture
def bench(scored: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("MULTIVERSE_HOME", str(scored.dataset.folder.parents[2]))
    return scored


def assert_whole(member: Member, evaluation: Evaluation) -> None:
    """Every metric is there, with a value within its bounds, or a reason that is of the data."""
    assert set(member.scores) == {metric.name for metric in evaluation.metrics}
    for metric in evaluation.metrics:
        score = member.scores[metric.name]
        if score.value is None:
            assert (metric.name, score.reason) == ("seed_stability", "one_seed")
        else:
            assert metric.bounds[0] - 1 <= score.value <= metric.bounds[1] + 1e-6
            assert score.n_cells == evaluation.n_obs
    bio, batch, total = member.bio.value, member.batch.value, member.total.value
    assert bio is not None
    assert batch is not None
    assert total is not None
    assert total == pytest.approx(0.6 * bio + 0.4 * batch)
    assert member.total.available == member.total.of
    interval = member.total.interval
    assert interval is not None
    assert interval.low < total < interval.high


def test_runs_and_controls_have_every_metric(bench: Bench) -> None:
    (outcome,) = bench.first
    assert (outcome.scored, outcome.known, outcome.problem) == (2, 0, "")
    found = bench.evaluation
    assert {run.record.run_id for run in bench.runs[:2]} <= set(found.members)
    assert set(found.controls) == {
        "random", "batch_one_hot", "label_oracle", "pca_rna", "pca_adt",
    }  # fmt: skip
    for run in bench.runs[:2]:
        assert_whole(found.members[run.record.run_id], found)
    for control in found.controls.values():
        assert_whole(control, found)
    oracle, random = found.controls["label_oracle"], found.controls["random"]
    assert (oracle.bio.value or 0) > 0.9 > 0.5 > (random.bio.value or 1)
    assert oracle.bio.scaled == pytest.approx(1)
    assert random.bio.scaled == pytest.approx(0)


def test_what_is_recorded(bench: Bench) -> None:
    found, record = bench.evaluation, bench.dataset.record
    assert (found.dataset_fingerprint, found.n_obs) == (record.fingerprint, record.n_obs)
    assert found.sheet.labels == dict(
        cells_of(bench.dataset)["cell_type"].astype(str).value_counts()
    )
    assert sum(found.sheet.batches.values()) == record.n_obs
    assert found.evaluator.settings["replicates"] == 25
    assert found.evaluator.versions["scib-metrics"] == found.evaluator.scib_metrics
    made = found.records[0]
    assert made.engine.name == bench.engine.name
    assert (made.image is None) == (bench.engine.name == "local")
    assert (made.environment_lock is None) == (bench.engine.name == "docker")
    if made.image is not None:
        assert made.image.tag == "multiverse-evaluate:1.0.0"
        assert made.image.digest.startswith("sha256:")
    for member in found.members.values():
        assert (member.image, member.environment_lock) == (made.image, made.environment_lock)
        assert member.seconds > 0
    assert made.limits["memory"]
    assert made.usage.wall_seconds > 0
    assert (made.usage.peak_memory_bytes or 0) > 100_000_000
    assert made.message == ""
    assert made.versions["multiverse"]
    assert set(made.members) >= {*found.controls, bench.runs[0].record.run_id}
    log = bench.results.evaluation_log(record.slug).read_text()
    assert "label_oracle is scored" in log


def test_the_embeddings_of_all_runs_open_in_a_notebook(bench: Bench) -> None:
    table = read_h5ad(bench.results.embeddings(bench.dataset.record.slug))
    cells = cells_of(bench.dataset)
    assert list(table.obs_names) == list(cells.index)
    for name in ("cell_type", "batch"):
        assert list(table.obs[name]) == list(cells[name])
    assert {"rna_depth", "adt_depth"} <= set(table.obs)
    keys = {run_id: key for key, run_id in table.uns["multiverse"]["keys"].items()}
    for run in bench.runs[:2]:
        key = keys[run.record.run_id]
        assert np.array_equal(table.obsm[f"X_{key}"], run.embedding())
        places = table.obsm[f"X_umap_{key}"]
        assert places.shape == (len(cells), 2)
        assert np.isfinite(places).all()
        assert len(np.unique(places, axis=0)) > len(cells) / 2


def test_a_second_evaluation_starts_nothing(bench: Bench) -> None:
    before = files_below(bench.results.folder)
    (outcome,) = bench.evaluate()
    assert (outcome.scored, outcome.problem) == (0, "")
    assert outcome.known == len(bench.evaluation.members)
    assert files_below(bench.results.folder) == before  # its log too: no evaluator was started
    assert not list(bench.results.evaluations.glob("*"))


def test_a_new_seed_is_scored_and_its_sibling_compared(bench: Bench) -> None:
    before = bench.evaluation
    first, second = bench.runs[0].record.run_id, bench.run_model(1).record.run_id
    (outcome,) = bench.evaluate()
    assert (outcome.scored, outcome.known, outcome.problem) == (1, 2, "")
    after = bench.evaluation
    assert set(after.records[-1].members) == {first, second}
    assert after.controls == before.controls
    for one, other in ((first, second), (second, first)):
        stability = after.members[one].scores["seed_stability"]
        assert set(stability.parts) == {other}
        assert stability.value == pytest.approx(stability.parts[other])
    assert after.members[first].scores["leiden_nmi"] == before.members[first].scores["leiden_nmi"]
    assert after.members[second].total.available == after.members[second].total.of
    table = read_h5ad(bench.results.embeddings(bench.dataset.record.slug))
    assert len(table.uns["multiverse"]["keys"]) == 3


@pytest.mark.parametrize("engine", ENGINES[:1], indirect=True)
def test_the_container_is_as_closed_as_a_models_and_sees_the_answer_sheet(bench: Bench) -> None:
    (evaluator,), (model, *_) = bench.evaluators, bench.models
    mounts = {mount["Destination"]: mount["RW"] for mount in evaluator["Mounts"]}
    runs = {f"/input/embeddings/{run.record.run_id}.h5": False for run in bench.runs[:2]}
    assert mounts == {
        "/input/data.h5mu": False, "/input/labels.h5ad": False, "/output": True,
        "/etc/resolv.conf": False, **runs,
    }  # fmt: skip
    places = {mount["Destination"] for mount in model["Mounts"]}
    assert places == {"/input/data.h5mu", "/output", "/etc/resolv.conf"}
    assert not any("labels" in str(mount) for mount in model["Mounts"])
    assert evaluator["HostConfig"]["NetworkMode"] == "none"
    assert evaluator["HostConfig"]["ReadonlyRootfs"] is True
    own = {"Memory", "MemorySwap", "NanoCpus", "Mounts", "Binds"}
    options = [
        {name: value for name, value in found["HostConfig"].items() if name not in own}
        for found in (evaluator, model)
    ]
    assert options[0] == options[1]
    assert evaluator["Config"]["User"] == model["Config"]["User"]
    assert not containers(f"multiverse.evaluation={bench.results.folder.resolve()}")
