"""What the models of scvi-tools share and what they decide without it: the host has no torch."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from multiverse.contract import JobSpec
from multiverse.errors import MultiverseError, NotApplicable
from multiverse.models.multivi import training as multivi
from multiverse.models.totalvi import training as totalvi
from multiverse.models.totalvi.panels import report_unmeasured, unmeasured
from multiverse.specs.model import ModelSpec
from multiverse.worker.epochs import EpochLog
from multiverse.worker.job import Job
from multiverse.worker.preprocess import View
from multiverse.worker.scvi_posterior import Posterior, metrics_of, warn_if_collapsed
from multiverse.worker.scvi_training import TrainingSummary, as_mudata, require_cells
from tests.unit.worker.worker_jobs import MODELS, simulate, write_job


def make_job(folder: Path, modalities: tuple[str, ...], **fields: Any) -> Job:
    spec: JobSpec = write_job(folder, modalities=modalities, **fields)
    log = logging.getLogger("test")
    return Job(spec, None, threads=1, log=log, epochs=EpochLog(folder / "epochs", log))


def view(name: str, values: Any) -> View:
    matrix = csr_matrix(np.asarray(values, dtype=np.float32))
    return View(name, matrix, tuple(f"f{column}" for column in range(matrix.shape[1])))


def posterior(mean: Any, variance: Any) -> Posterior:
    return Posterior.of_gaussians(np.asarray(mean, dtype=np.float32), mean, variance)


PROGRESS = TrainingSummary(3, False, 9, 1, (100.0, 99.0, 99.5))


@pytest.mark.parametrize(
    ("name", "kind"), [("multivi", multivi.MultiviSettings), ("totalvi", totalvi.TotalviSettings)]
)
def test_every_declared_parameter_reaches_the_library_or_decides_something(
    name: str, kind: Any
) -> None:
    defaults = ModelSpec.load(MODELS / name).defaults("parameters")
    marked = {key: f"value of {key}" for key in defaults}
    settings = kind.from_parameters(marked)
    passed = settings.network() | (
        settings.training(n_batches=2) if name == "multivi" else settings.training()
    )
    options = settings.options()
    own = {
        "max_epochs": options.max_epochs,
        "batch_size": options.batch_size,
        "early_stopping_patience": options.patience,
    }
    decided = {"early_stopping", "use_adt", "adversarial_mixing"}
    given = {key: value for key, value in (passed | own).items() if key not in decided}
    assert given == {key: marked[key] for key in defaults.keys() - decided}


@pytest.mark.parametrize(
    ("name", "kind"), [("multivi", multivi.MultiviSettings), ("totalvi", totalvi.TotalviSettings)]
)
def test_without_early_stopping_there_is_no_patience(name: str, kind: Any) -> None:
    defaults = ModelSpec.load(MODELS / name).defaults("parameters")
    settings = kind.from_parameters({**defaults, "early_stopping": False})
    assert settings.options().patience is None


def test_one_batch_has_nothing_to_mix() -> None:
    settings = multivi.MultiviSettings(**ModelSpec.load(MODELS / "multivi").defaults("parameters"))
    assert settings.training(n_batches=1)["adversarial_mixing"] is False
    assert settings.training(n_batches=2)["adversarial_mixing"] is True


def test_proteins_without_a_count_in_a_batch_are_named(tmp_path: Path) -> None:
    proteins = view("adt", [[1, 0, 2], [0, 0, 1], [3, 1, 0]])
    batch = np.array(["a", "a", "b"])
    assert unmeasured(proteins, batch) == {"a": ["f1"], "b": ["f2"]}
    assert unmeasured(proteins, None) == {}
    job = make_job(tmp_path, ("adt",))
    report_unmeasured(job, proteins, batch, override=False)
    assert job.notes.used == {"unmeasured_proteins": {"a": ["f1"], "b": ["f2"]}}
    assert [line.partition(":")[0] for line in job.notes.warnings] == ["batch a", "batch b"]
    assert "taken as not measured there" in job.notes.warnings[0]


def test_counts_keep_their_values_and_order() -> None:
    views = [view("rna", [[1, 0], [0, 5]]), view("adt", [[7, 0, 1], [2, 2, 2]])]
    data = as_mudata(views, np.array(["y", "x"]), dense=("adt",))
    rna: Any = data["rna"].X
    assert isinstance(rna, csr_matrix)
    assert isinstance(data["adt"].X, np.ndarray)
    assert data["adt"].X.tolist() == [[7, 0, 1], [2, 2, 2]]
    assert rna.toarray().tolist() == [[1, 0], [0, 5]]
    assert list(data.obs["batch"]) == ["y", "x"]
    assert list(data["rna"].var_names) == ["rna:f0", "rna:f1"]
    assert set(as_mudata(views, None).obs["batch"]) == {"all"}


def test_too_few_cells_are_not_applicable() -> None:
    require_cells(10, "totalVI")
    with pytest.raises(NotApplicable, match="at least 10 cells; these data have 9"):
        require_cells(9, "totalVI")


@pytest.mark.parametrize(
    ("module", "name", "modalities"),
    [(multivi, "MultiVI", ("rna", "adt")), (totalvi, "totalVI", ("rna", "atac"))],
)
def test_a_missing_modality_is_not_applicable(
    tmp_path: Path, module: Any, name: str, modalities: tuple[str, ...]
) -> None:
    job = make_job(tmp_path, modalities)
    arguments = [multivi_settings()] if module is multivi else []
    with pytest.raises(NotApplicable, match=f"{name} needs RNA and .* the data have no a"):
        module.views_of(job, simulate(30, modalities), *arguments)


def multivi_settings(**changes: Any) -> multivi.MultiviSettings:
    defaults = ModelSpec.load(MODELS / "multivi").defaults("parameters")
    return multivi.MultiviSettings.from_parameters({**defaults, **changes})


def test_a_modality_without_variation_is_not_applicable(tmp_path: Path) -> None:
    data = simulate(30)
    data["atac"].X = csr_matrix(data["atac"].X.shape, dtype=np.float32)
    with pytest.raises(NotApplicable, match="there is no usable feature in atac"):
        multivi.views_of(make_job(tmp_path, ("rna", "atac")), data, multivi_settings())


def test_proteins_are_used_only_where_asked_for(tmp_path: Path) -> None:
    everything, data = ("rna", "atac", "adt"), simulate(30)
    for use_adt, names in ((False, everything[:2]), (True, everything)):
        job = make_job(tmp_path, everything)
        views = multivi.views_of(job, data, multivi_settings(use_adt=use_adt))
        assert tuple(found.name for found in views) == names
        assert tuple(job.notes.used["features"]) == names


def test_peaks_of_too_few_cells_are_dropped(tmp_path: Path) -> None:
    data = simulate(100)
    openness = np.zeros((100, 4), dtype=np.float32)
    openness[:50, 0] = openness[:11, 1] = openness[:9, 2] = openness[:1, 3] = 1
    data.mod["atac"] = data["atac"][:, :4].copy()
    data["atac"].X = csr_matrix(openness)
    share = {"min_peak_share": 0.1}
    job = make_job(tmp_path, ("rna", "atac"), preprocessing=share)
    views = multivi.views_of(job, data, multivi_settings())
    assert len(views[1].features) == 2


def test_an_empirical_prior_of_one_protein_is_refused(tmp_path: Path) -> None:
    defaults = ModelSpec.load(MODELS / "totalvi").defaults("parameters")
    asked = totalvi.TotalviSettings(**{**defaults, "empirical_protein_background_prior": True})
    views = [view("rna", np.eye(12)), view("adt", np.arange(12)[:, None])]
    with pytest.raises(MultiverseError, match="only one protein") as caught:
        totalvi.fit(views, asked, make_job(tmp_path, ("rna", "adt")))
    assert "empirical_protein_background_prior" in str(caught.value.remedy)


def test_a_posterior_at_the_prior_is_called_collapsed(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    job = make_job(tmp_path, ("rna",))
    told = posterior(random.normal(size=(50, 3)), np.full((50, 3), 0.2))
    assert told.active == 3
    assert not warn_if_collapsed(job, told, PROGRESS)
    assert job.notes.warnings == []
    silent = posterior(random.normal(0, 0.01, size=(50, 3)), np.full((50, 3), 0.99))
    assert silent.active == 0
    assert warn_if_collapsed(job, silent, PROGRESS)
    (line,) = job.notes.warnings
    assert "0 of 3 dimensions are active" in line
    assert "tells at most 0.00 nats about a cell (two kinds of cells take 0.69)" in line
    assert "fell by 1.0% in 3 epochs" in line


def test_a_certain_posterior_that_is_the_same_for_every_cell_tells_nothing(tmp_path: Path) -> None:
    """Its KL divergence is large: what a network looks like that was hardly trained."""
    random = np.random.default_rng(0)
    same = posterior(random.normal(0, 0.02, size=(50, 6)), np.full((50, 6), 0.04))
    assert same.kl.sum() > 6
    assert warn_if_collapsed(make_job(tmp_path, ("rna",)), same, PROGRESS)


def test_information_bounds_what_two_kinds_of_cells_need() -> None:
    """Two well separated kinds are log 2 nats; the bound must not be below that."""
    mean = np.repeat([[-2.0], [2.0]], 50, axis=0)
    assert posterior(mean, np.full((100, 1), 0.1)).information.sum() > np.log(2)


def test_metrics_tell_the_divergence_of_a_known_gaussian() -> None:
    """KL(N(1, 1) ‖ N(0, 1)) is half a nat."""
    metrics = metrics_of(posterior([[1.0], [-1.0]], [[1.0], [1.0]]), PROGRESS)
    assert metrics["kl_z"] == pytest.approx(0.5)
    assert metrics["information"] == pytest.approx(np.log(2) / 2)
    assert metrics["active_dimensions"] == 1
    assert metrics["elbo_validation_gain"] == pytest.approx(0.01)
    assert metrics["elbo_validation"] == 99.5
