"""``python -m multiverse.models.pca`` as a container runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mudata import read_h5mu

from multiverse.contract import JobSpec
from tests.conftest import shared_dataset
from tests.unit.worker.worker_jobs import (
    Finished,
    neighbour_purity,
    run_builtin,
    run_here,
    simulate,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5mu"
    simulate().write_h5mu(path)
    return path


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., Finished]:
    def start(name: str = "out", modalities: tuple[str, ...] = ("rna",), **more: Any) -> Finished:
        done = run_here("pca", data, tmp_path / name, modalities=modalities, **more)
        assert done.code == 0, done.output
        assert done.findings() == []
        return done

    return start


def test_as_a_process_it_gives_the_same(run: Callable[..., Finished], tmp_path: Path) -> None:
    here = run(modalities=("rna", "adt"))
    done = run_builtin("pca", here.data, tmp_path / "process", modalities=("rna", "adt"))
    assert (done.code, done.findings()) == (0, []), done.output
    # The number of BLAS threads may differ from this process.
    np.testing.assert_allclose(done.latent, here.latent, atol=1e-4)


@pytest.mark.parametrize(
    "modalities",
    [("rna",), ("adt",), ("atac",), ("rna", "adt"), ("rna", "atac"), ("rna", "atac", "adt")],
)
def test_every_combination_of_modalities(
    run: Callable[..., Finished], modalities: tuple[str, ...]
) -> None:
    done = run(modalities=modalities, batch_key="donor")
    assert done.latent.shape == (90, 9 if modalities == ("adt",) else 50)
    metrics = done.metrics["model_metrics"]
    for name in modalities:
        assert 0 < metrics[f"explained_variance_{name}"] <= 1 + 1e-9
    kinds = np.arange(90) % 3
    # Cells 0 and 1 are empty in the first modality: no kind can be told from it alone.
    assert neighbour_purity(done.latent[2:, :5], kinds[2:]) > 0.7


def test_runs_repeat_and_the_seed_changes_only_the_picture(run: Callable[..., Finished]) -> None:
    one, two, other = run("1", seed=3), run("2", seed=3), run("3", seed=4)
    for name in ("embeddings.h5", "umap.png", "metrics.json"):
        contents = [(done.files.folder / name).read_bytes() for done in (one, two)]
        assert contents[0] == contents[1]
    assert np.array_equal(one.latent, other.latent)
    assert one.files.umap.read_bytes() != other.files.umap.read_bytes()


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("parameters", {"n_components": 4}),
        ("parameters", {"weighting": "none"}),
        ("parameters", {"weighting": "mfa"}),
        ("preprocessing", {"min_cells": 60}),
        ("preprocessing", {"n_top_genes": 50}),
        ("preprocessing", {"target_sum": 100}),
        ("preprocessing", {"n_top_peaks": 30}),
    ],
)
def test_every_setting_changes_the_result(
    run: Callable[..., Finished], part: str, change: dict[str, Any]
) -> None:
    usual = run("usual", ("rna", "atac"))
    changed = run("changed", ("rna", "atac"), **{part: change})
    if change == {"n_components": 4}:
        assert changed.latent.shape == (90, 4)
    else:
        assert not np.array_equal(usual.latent, changed.latent)
    recorded = changed.metrics["settings"]
    where = "hyperparameters" if part == "parameters" else "preprocessing"
    assert change.items() <= recorded[where].items()


@pytest.mark.data
def test_depth_is_reported_and_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    path = shared_dataset("mop_snareseq_2k")
    usual, dropped = (
        run_here(
            "pca", path, tmp_path / str(drop), modalities=("atac",), parameters={"drop_depth": drop}
        )
        for drop in (False, True)
    )
    assert usual.metrics["model_metrics"]["depth_correlation_atac"] > 0.9
    assert dropped.metrics["model_metrics"]["depth_correlation_atac"] < 0.2
    counted = [
        done.metrics["model_metrics"]["dropped_components_atac"] for done in (usual, dropped)
    ]
    assert counted == [0, 1]
    (warning,) = usual.metrics["warnings"]
    assert "component 1 follows the sequencing depth of atac" in warning
    assert "drop_depth" in warning
    assert dropped.metrics["warnings"] == []
    assert dropped.latent.shape == usual.latent.shape == (2000, 50)
    np.testing.assert_allclose(dropped.latent[:, :20], usual.latent[:, 1:21], atol=1e-3)
    for done in (usual, dropped):
        own = done.metrics["history"]["depth_correlation_per_component_atac"]
        assert abs(own[0]) > 0.9 > 0.3 > abs(own[1])
        axes = done.metrics["history_axes"]["depth_correlation_per_component_atac"]
        assert axes == {"per": "component"}


def test_data_without_anything_to_see_are_not_applicable(tmp_path: Path) -> None:
    data = simulate(20, ("rna",))
    data["rna"].X = data["rna"].X * 0
    data.write_h5mu(tmp_path / "empty.h5mu")
    done = run_here("pca", tmp_path / "empty.h5mu", tmp_path / "out")
    assert done.code == 99
    assert "no modality can be used (rna: no feature is seen" in done.files.reason.read_text()


@pytest.mark.data
@pytest.mark.parametrize(
    ("slug", "modalities", "least"),
    [("pbmc_citeseq_2batch", ("rna", "adt"), 0.7), ("mop_snareseq_2k", ("rna", "atac"), 0.4)],
)
def test_real_cells_lie_among_their_kind(
    tmp_path: Path, slug: str, modalities: tuple[str, ...], least: float
) -> None:
    """Chance is 0.22 and 0.13."""
    path = shared_dataset(slug)
    done = run_builtin("pca", path, tmp_path, modalities=modalities, batch_key="batch")
    assert done.code == 0, done.output
    assert done.findings() == []
    labels = read_h5mu(path).obs["cell_type"].astype(str).to_numpy()
    assert neighbour_purity(done.latent, labels) > least
    assert JobSpec.read(done.files.job_spec).model_name == "pca"
