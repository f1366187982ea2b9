"""Recorded figures stand for a training only while everything that determines them is the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from mudata import MuData, read_h5mu

from benchmarks.models import evidence as evidence_module
from benchmarks.models.agreement import Agreement
from benchmarks.models.cases import CASES, CITE_2BATCH, MODELS, Case, Settings
from benchmarks.models.evidence import BUILD, Evidence, evidence, judge_hash
from benchmarks.models.quality import all_due, parser
from benchmarks.models.records import RESULT, Baseline, Judged, Records
from benchmarks.models.table import README, is_earlier, with_tables
from benchmarks.models.training import Training
from multiverse.images.sdk import PACKAGE
from multiverse.registry.models import BUILT_IN, MODELS_VARIABLE
from tests.conftest import shared_dataset, write_small


@dataclass(frozen=True)
class SmallCase(Case):
    """A generated set in a folder of the test."""

    folder: Path = Path()

    @property
    def path(self) -> Path:
        return self.folder / "small.h5mu"


@pytest.fixture
def case(tmp_path: Path) -> Case:
    rna = read_h5ad(write_small(tmp_path / "small.h5ad"))
    small = SmallCase("small", ("rna",), "donor", folder=tmp_path)
    MuData({"rna": rna}).write_h5mu(small.path)
    return small


@pytest.fixture
def pca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the model's folder, which is found in the place of the built-in one."""
    folder = tmp_path / "models" / "pca"
    shutil.copytree(BUILT_IN / "pca", folder)
    description = folder / "model.yaml"
    # A fork has an image of its own: the built-in model's stays what it is.
    description.write_text(description.read_text().replace("image: multiverse-", "image: fork-"))
    monkeypatch.setenv(MODELS_VARIABLE, str(folder.parent))
    return folder


def judged(training: Training, now: Evidence | None, ari: float = 0.5) -> Judged:
    return Judged(
        case=training.case.slug,
        model=training.model,
        seed=training.seed,
        ari=ari,
        nmi=0.5,
        purity=0.5,
        mixing=None,
        peak_memory_mib=None,
        warnings=(),
        settings=MODELS[training.model].plain(),
        batch=training.batch,
        evidence=now,
    )


def records_of(training: Training, now: Evidence | None, folder: Path) -> Records:
    """What is read again after a run with this evidence was recorded."""
    records = Records(runs=[judged(training, now)])
    records.write(folder / "quality.json")
    return Records.read(folder / "quality.json")


def edit(change: Callable[[AnnData], None], case: Case) -> None:
    data = read_h5mu(case.path)
    change(data["rna"])
    MuData({"rna": data["rna"].copy()}).write_h5mu(case.path)


def change_count(rna: AnnData) -> None:
    rna.X[0, 0] += 1


def change_label(rna: AnnData) -> None:
    values = rna.obs["cell_type"].astype(str).to_numpy(copy=True)
    values[0] = "unknown"
    rna.obs["cell_type"] = values


def change_batch(rna: AnnData) -> None:
    values = np.array(rna.obs["donor"].astype(str))
    values[0] = "d1" if values[0] == "d0" else "d0"
    rna.obs["donor"] = values


def add_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_recorded_figures_are_current_until_something_changes(case: Case, tmp_path: Path) -> None:
    training = Training(case, "pca")
    records = records_of(training, evidence(training), tmp_path)
    assert records.current(training, evidence(training)) == records.runs[0]


def test_figures_without_hashes_are_no_evidence(case: Case, tmp_path: Path) -> None:
    training = Training(case, "pca")
    records = records_of(training, None, tmp_path)
    assert records.seed(training) is not None
    assert records.current(training, evidence(training)) is None
    assert evidence(training).differences(None) == list(Evidence.__annotations__)


def test_half_of_the_hashes_are_no_evidence(case: Case) -> None:
    hashes = evidence(Training(case, "pca")).plain()
    assert Evidence.of_plain(hashes) is not None
    assert Evidence.of_plain({name: hashes[name] for name in list(hashes)[:-1]}) is None


@pytest.mark.parametrize(
    "name", ["__main__.py", "joint.py", "model.yaml", "requirements.txt", "Dockerfile"]
)
def test_one_byte_of_the_model_makes_it_train_again(
    name: str, case: Case, pca: Path, tmp_path: Path
) -> None:
    training = Training(case, "pca")
    records = records_of(training, evidence(training), tmp_path)
    assert records.current(training, evidence(training)) is not None
    add_byte(pca / name)
    now = evidence(training)
    assert now.differences(records.runs[0].evidence) == ["sources"]
    assert records.current(training, now) is None


def test_what_the_model_does_not_run_makes_nothing_train_again(case: Case, pca: Path) -> None:
    training = Training(case, "pca")
    before = evidence(training)
    add_byte(pca / "requirements.in")
    (pca / "README.md").write_text("For its author.\n")
    assert evidence(training) == before


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        (change_count, ["dataset"]),
        (change_label, ["labels"]),
        # What the model is told, and what the mixing is judged by.
        (change_batch, ["dataset", "labels"]),
    ],
)
def test_changed_data_make_it_train_again(
    change: Callable[[AnnData], None], differing: list[str], case: Case
) -> None:
    training = Training(case, "pca")
    before = evidence(training)
    edit(change, case)
    assert evidence(training).differences(before) == differing


def test_changed_settings_make_it_train_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(case, "mofa")
    before = evidence(training)
    monkeypatch.setitem(MODELS, "mofa", Settings({"max_iterations": 41}))
    assert evidence(training).differences(before) == ["job"]


def test_each_seed_and_each_choice_of_batches_is_a_training_of_its_own(case: Case) -> None:
    training = Training(case, "mofa")
    before = evidence(training)
    assert evidence(replace(training, seed=1)).differences(before) == ["job"]
    assert evidence(replace(training, batch=False)).differences(before) == ["dataset"]


def test_another_judge_makes_it_train_again(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(case, "pca")
    before = evidence(training)
    copied = tmp_path / "agreement.py"
    shutil.copyfile(evidence_module.JUDGE[0], copied)
    monkeypatch.setattr(evidence_module, "JUDGE", (copied,))
    assert evidence(training) == before
    add_byte(copied)
    assert evidence(training).differences(before) == ["judge"]


def test_another_library_that_judges_makes_it_train_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = judge_hash(evidence_module.JUDGE)
    monkeypatch.setattr("sklearn.__version__", "0.0.1")
    assert judge_hash(evidence_module.JUDGE) != before


def test_what_makes_an_image_is_where_the_hashes_look_for_it() -> None:
    assert all((PACKAGE / name).is_file() for name in BUILD)


def test_a_run_keeps_the_figures_that_it_replaces(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the worst seed, until they are replaced by a run of other evidence."""
    monkeypatch.setitem(CASES, case.slug, case)
    training = Training(case, "mofa")
    now = evidence(training)
    other = replace(now, sources="earlier")
    records = Records()
    seeds = [replace(training, seed=seed) for seed in (0, 1)]
    records.put(training, [judged(seeds[0], other, 0.8), judged(seeds[1], other, 0.7)])
    assert [run.before for run in records.runs] == [None, None]
    worst = Agreement(ari=0.7, nmi=0.5, purity=0.5)
    for ari in (0.6, 0.55):  # the second has the evidence of the first, so that it is no news
        records.put(training, [judged(training, now, ari)])
        assert [(run.seed, run.ari) for run in records.runs] == [(0, ari), (1, 0.7)]
        assert records.runs[0].before == worst


def test_a_baseline_is_current_until_something_changes(case: Case, pca: Path) -> None:
    training = Training(case, "pca")
    now = evidence(training)
    figures = Agreement(0.1, 0.2, 0.3)
    for recorded, current in ((now, True), (None, False), (replace(now, judge=""), False)):
        records = Records(baselines={"small": {"pca_rna": Baseline(figures, recorded)}})
        assert (records.baseline("small", "pca_rna", now) is not None) == current


def test_the_record_is_written_as_it_was_read(tmp_path: Path) -> None:
    records = Records.read(RESULT)
    records.write(tmp_path / "quality.json")
    assert Records.read(tmp_path / "quality.json") == records


def test_the_tables_are_those_of_the_record() -> None:
    page = README.read_text()
    assert with_tables(page) == page, "run python -m benchmarks.models.table"


def test_a_seed_of_other_sources_is_marked(case: Case) -> None:
    training = Training(case, "mofa")
    now = evidence(training)
    other = replace(now, sources="earlier")
    second, third = replace(training, seed=1), replace(training, seed=2)
    runs = [
        judged(training, now),
        judged(second, replace(now, job="of seed 1")),
        judged(third, other),
    ]
    assert [is_earlier(run, runs) for run in runs] == [False, False, True]
    assert is_earlier(judged(training, None), [judged(training, None)])


@pytest.mark.data
def test_stale_figures_are_due_for_the_seed_that_is_judged(tmp_path: Path) -> None:
    """By default; the others when all seeds are asked for. Without --stale all is due."""
    shared_dataset(CITE_2BATCH.slug)
    told = Training(CITE_2BATCH, "totalvi")
    chosen = ["--cases", CITE_2BATCH.slug, "--models", "totalvi", "--output", str(tmp_path)]

    def due(records: Records, *more: str) -> list[tuple[int, bool]]:
        found = all_due(records, parser().parse_args([*chosen, *more]))
        return [(item.training.seed, item.training.batch) for item in found]

    everything = [(0, True), (1, True), (2, True), (0, False)]
    assert due(Records(), "--stale") == [(0, True), (0, False)]
    assert due(Records(), "--stale", "--all-seeds") == everything
    records = Records()
    records.put(told, [judged(told, evidence(told))])
    assert due(records, "--stale") == [(0, False)]
    assert due(records, "--stale", "--all-seeds") == everything[1:]
    assert due(records) == everything
