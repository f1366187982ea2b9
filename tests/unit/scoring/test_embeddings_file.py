"""``embeddings.h5ad``: what a notebook opens, and what is read of it again."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from mudata import MuData

from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.embedding_keys import embedding_keys
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.run import Run
from multiverse.scoring.embeddings_file import layouts_that_hold, write_embeddings
from tests.unit.scoring.made import TINY, cells_of, make_data, noise, publish_run, register


@pytest.fixture
def target(results: ResultsFolder) -> Path:
    path = results.embeddings("tiny")
    path.parent.mkdir()
    return path


def test_everything_that_is_known_of_the_cells(
    results: ResultsFolder, tiny: RegisteredDataset, target: Path
) -> None:
    points = noise(120)
    run = publish_run(results, tiny, points=points)
    laid = noise(120, 2)
    left_out = write_embeddings(target, tiny, [run], {run.record.run_id: laid})
    assert left_out == []
    table = read_h5ad(target)
    cells = cells_of(tiny)
    assert list(table.obs_names) == list(cells.index)
    assert list(table.obs["cell_type"]) == list(cells["cell_type"])
    assert list(table.obs["batch"]) == list(cells["batch"])
    for modality in ("rna", "adt"):
        counts = TINY.counts(modality, 0, 120).toarray().sum(axis=1)
        assert np.array_equal(table.obs[f"{modality}_depth"], counts)
    assert np.array_equal(table.obsm["X_pca"], points)
    assert np.array_equal(table.obsm["X_umap_pca"], laid)
    assert dict(table.uns["multiverse"]["keys"]) == {"pca": run.record.run_id}
    about = {key: value for key, value in table.uns["multiverse"].items() if key != "keys"}
    assert about == {
        "dataset": "tiny",
        "dataset_fingerprint": tiny.record.fingerprint,
        "label_key": "cell_type",
        "batch_key": "batch",
        "checksums": {"pca": run.record.checksums["embeddings.h5"]},
    }
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == [target.name]


def test_rows_are_joined_by_name(
    results: ResultsFolder, tiny: RegisteredDataset, target: Path
) -> None:
    names = list(cells_of(tiny).index)
    points = noise(120)
    order = np.random.default_rng(5).permutation(120)
    run = publish_run(results, tiny, points=points[order], cells=[names[index] for index in order])
    write_embeddings(target, tiny, [run], {})
    assert np.array_equal(read_h5ad(target).obsm["X_pca"], points)


@pytest.mark.parametrize("kind", ["foreign", "short", "twice", "rubbish", "other names", "shape"])
def test_what_is_no_embedding_of_these_cells_is_left_out(
    results: ResultsFolder, tiny: RegisteredDataset, target: Path, kind: str
) -> None:
    names = list(cells_of(tiny).index)
    cells = {
        "foreign": [f"x{name}" for name in names],
        "short": names[:-1],
        "twice": [*names[:-1], names[0]],
        "shape": names,
    }.get(kind)
    raw = b"\x89HDF\r\n\x1a\nnot really" if kind == "rubbish" else None
    points = noise(60) if kind == "shape" else None
    bad = publish_run(results, tiny, "bad", cells=cells, raw=raw, points=points)
    if kind == "other names":
        path = bad.folder / "embeddings.h5"
        path.chmod(0o644)
        with h5py.File(path, "r+") as file:
            file.move("latent", "hidden")
    good = publish_run(results, tiny, "good")
    assert write_embeddings(target, tiny, [bad, good], {}) == [bad.record.run_id]
    table = read_h5ad(target)
    assert list(table.obsm) == ["X_good"]
    assert dict(table.uns["multiverse"]["keys"]) == {"good": good.record.run_id}


def test_a_model_that_ran_more_than_once_has_the_runs_id_in_its_key(
    results: ResultsFolder, tiny: RegisteredDataset
) -> None:
    runs = [
        publish_run(results, tiny, model, seed) for model, seed in (("a", 0), ("a", 1), ("b", 0))
    ]
    ids = [run.record.run_id for run in runs]
    assert embedding_keys(run.record for run in runs) == {
        ids[0]: f"a_{ids[0]}",
        ids[1]: f"a_{ids[1]}",
        ids[2]: "b",
    }


def test_no_embedding_is_taken_for_the_layout_of_another_model(
    results: ResultsFolder, tiny: RegisteredDataset, target: Path
) -> None:
    """Models ``pca`` and ``umap_pca``."""
    runs = [publish_run(results, tiny, model) for model in ("pca", "umap_pca")]
    write_embeddings(target, tiny, runs, {run.record.run_id: noise(120, 2) for run in runs})
    shapes = {name: points.shape[1] for name, points in read_h5ad(target).obsm.items()}
    assert sorted(shapes.values()) == [2, 2, 5, 5]
    assert (shapes["X_pca"], shapes["X_umap_pca"]) == (5, 2)
    assert {points.shape for points in layouts_that_hold(target, runs).values()} == {(120, 2)}


def test_layouts_are_read_back(
    results: ResultsFolder, tiny: RegisteredDataset, target: Path
) -> None:
    runs = [publish_run(results, tiny, "pca", seed) for seed in range(3)]
    ids = [run.record.run_id for run in runs]
    laid = noise(120, 2)
    write_embeddings(target, tiny, runs, {ids[0]: laid, ids[1]: None})
    found = layouts_that_hold(target, runs)
    assert set(found) == {ids[0], ids[1]}
    assert np.array_equal(found[ids[0]], laid)
    assert np.isnan(found[ids[1]]).all(), "known to have none"
    # A run less: the keys change with it, and the layouts follow their runs.
    write_embeddings(target, tiny, runs[:1], found)
    assert set(layouts_that_hold(target, runs)) == {ids[0]}
    assert list(read_h5ad(target).obsm) == ["X_pca", "X_umap_pca"]
    # The run was made again: the layout is of another embedding.
    again = runs[0].record.model_copy(update={"checksums": {"embeddings.h5": "sha256:1"}})
    assert layouts_that_hold(target, [Run(again, runs[0].folder)]) == {}


def test_a_file_that_is_absent_or_damaged_has_no_layouts(tmp_path: Path) -> None:
    assert layouts_that_hold(tmp_path / "none.h5ad", []) == {}
    (tmp_path / "bad.h5ad").write_bytes(b"no HDF5")
    assert layouts_that_hold(tmp_path / "bad.h5ad", []) == {}
    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["uns/multiverse/keys/pca"] = [1, 2]
    assert layouts_that_hold(tmp_path / "other.h5ad", []) == {}


def test_cells_of_a_mosaic_have_no_depth_where_they_were_not_measured(
    results: ResultsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Path
) -> None:
    whole = make_data(90)
    rna: AnnData = whole.mod["rna"][:60].copy()
    adt: AnnData = whole.mod["adt"][30:].copy()
    mosaic = MuData({"rna": rna, "adt": adt})
    mosaic.obs["batch"] = whole.obs["batch"].reindex(mosaic.obs_names)
    mosaic.obs["cell_type"] = whole.obs["cell_type"].reindex(mosaic.obs_names)
    dataset = register(tmp_path / "own-home", data=mosaic, mosaic=True)
    run = publish_run(results, dataset)
    write_embeddings(target, dataset, [run], {})
    obs = read_h5ad(target).obs
    measured = {"rna": set(rna.obs_names), "adt": set(adt.obs_names)}
    for modality, names in measured.items():
        depth = obs[f"{modality}_depth"]
        assert set(depth.index[depth.notna()]) == names
        counts = whole.mod[modality][depth.index[depth.notna()]].X.toarray().sum(axis=1)
        assert np.array_equal(depth.dropna(), counts)


def test_columns_of_the_source_are_not_written_over(
    results: ResultsFolder, tmp_path: Path, target: Path
) -> None:
    own = [float(number) for number in range(120)]
    data = make_data(rna_depth=own, cell_type=["a/b", '<img src=x onerror="1">', "🦠"] * 40)
    dataset = register(tmp_path / "own-home", data=data)
    write_embeddings(target, dataset, [publish_run(results, dataset)], {})
    obs = read_h5ad(target).obs
    assert list(obs["rna_depth"]) == own
    assert set(obs["cell_type"]) == {"a/b", '<img src=x onerror="1">', "🦠"}


def test_without_labels_and_batch(results: ResultsFolder, tmp_path: Path, target: Path) -> None:
    data = make_data()
    data.obs = data.obs.iloc[:, :0]
    bare = register(tmp_path / "own-home", data=data, batch_key=None, label_key=None)
    assert not bare.labels.exists()
    write_embeddings(target, bare, [publish_run(results, bare)], {})
    table = read_h5ad(target)
    assert set(table.obs) == {"rna_depth", "adt_depth"}
    assert table.uns["multiverse"]["label_key"] == ""
