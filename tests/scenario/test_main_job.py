"""Dataset in, models in their containers, checked results out: on real data, by the command."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import mudata
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import multiverse
from multiverse.errors import JobsFailed
from multiverse.registry.datasets import find_dataset
from multiverse.runs.record import RunRecord
from multiverse.specs.names import make_slug
from tests.conftest import shared_dataset
from tests.scenario.conftest import Command


def knn_purity(embedding: np.ndarray, labels: np.ndarray, k: int = 15) -> float:
    """Mean share of a cell's k nearest neighbours that carry its label."""
    neighbours = (
        NearestNeighbors(n_neighbors=k + 1).fit(embedding).kneighbors(return_distance=False)
    )
    return float((labels[neighbours] == labels[:, None]).mean())


REAL = ("pbmc_citeseq_2batch", "mop_snareseq_2k")


@pytest.mark.data
def test_real_data_end_to_end(
    engine_name: str, multiverse_command: Command, tmp_path: Path
) -> None:
    """RNA + ADT and RNA + ATAC, by a benchmark file. MOFA is kept short: it is a long method."""
    sources = {slug: shared_dataset(slug) for slug in REAL}
    output = tmp_path / "results"
    (tmp_path / "benchmark.yaml").write_text(
        "datasets:\n"
        + "".join(
            f"  - {{path: {path}, batch_key: batch, label_key: cell_type}}\n"
            for path in sources.values()
        )
        + "models:\n"
        "  - {model: pca, parameters: {n_components: 20}}\n"
        "  - model: mofa\n"
        "    parameters: {max_iterations: 15}\n"
        "    preprocessing: {n_top_genes: 500, n_top_peaks: 1000}\n"
    )
    done = multiverse_command(
        "run", tmp_path / "benchmark.yaml", "--output", output, "--engine", engine_name, "-j", 2
    )
    assert done.code == 0, done.said
    results = multiverse.open_results(output)
    for slug, source in sources.items():
        original = mudata.read_h5mu(source)
        _check_embeddings(results, slug, original)
        assert f"{original.n_obs:,} × 20" in done.out
    _check_record(results.find(model="pca")[0].folder)
    rows = list(csv.DictReader((output / "runs.csv").open()))
    assert {row["state"] for row in rows} == {"complete"}


def _check_embeddings(results: multiverse.Results, slug: str, original: mudata.MuData) -> None:
    """Cells as the user has them, and neighbours that agree with labels no model has seen."""
    labels = original.obs["cell_type"].to_numpy().astype(str)
    shuffled = np.random.default_rng(0).permutation(labels)
    for model, width in (("pca", 20), ("mofa", 15)):
        (run,) = results.find(model=model, dataset=make_slug(slug))
        latent = run.embedding()
        assert latent.shape == (original.n_obs, width)
        assert run.obs_names() == list(original.obs_names)
        assert knn_purity(latent, labels) > knn_purity(latent, shuffled) + 0.15
    table = results.to_anndata(make_slug(slug))
    assert sorted(table.obsm) == ["X_mofa", "X_pca"]
    assert list(table.obs_names) == list(original.obs_names)


def _check_record(folder: Path) -> None:
    """The record holds what a stranger needs, and its checksums are true."""
    record = RunRecord.read(folder / "run.json")
    assert (record.image is not None) != (record.environment_lock is not None)
    for name, checksum in record.checksums.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert checksum == f"sha256:{digest}"
    job = json.loads((folder / "job_spec.json").read_text())
    assert job["dataset_id"] == record.dataset_fingerprint
    assert job["hyperparameters"]["n_components"] == 20
    assert "cell_type" not in (folder / "job_spec.json").read_text()


@pytest.mark.data
def test_engines_agree_and_repeat_themselves(
    multiverse_command: Command, tmp_path: Path, engine_name: str
) -> None:
    """The same seed gives the same embedding, bit for bit; another seed another one (mofa)."""
    source = shared_dataset("pbmc68k_rna")
    for place, seeds in (("a", (0, 1)), ("b", (0,))):
        done = multiverse_command(
            "run", "--models", "pca", "mofa", "--input", source, "--output", tmp_path / place,
            "--engine", engine_name, "--seeds", *seeds, "-p", "mofa.max_iterations=10", "-j", 2,
        )  # fmt: skip
        assert done.code == 0, done.said
    first, second = (multiverse.open_results(tmp_path / place) for place in ("a", "b"))
    for twin in second:
        (run,) = first.find(model=twin.record.model, seed=twin.record.seed)
        np.testing.assert_array_equal(run.embedding(), twin.embedding())
    zero, one = (first.find(model="mofa", seed=seed)[0].embedding() for seed in (0, 1))
    assert not np.array_equal(zero, one)


def test_a_benchmark_file_and_what_it_leaves(
    small_h5ad: Path, multiverse_command: Command, tmp_path: Path, engine_name: str
) -> None:
    """Several parameter sets and seeds; the resolved file repeats it; nothing runs twice."""
    benchmark = tmp_path / "benchmark.yaml"
    benchmark.write_text(
        "name: small\nseeds: [0, 1]\noutput: out\n"
        "datasets:\n  - {path: small.h5ad, slug: tiny, batch_key: donor, label_key: cell_type}\n"
        "models:\n  - model: pca\n    parameters: [{n_components: 3}, {n_components: 4}]\n"
    )
    first = multiverse_command("run", benchmark, "--engine", engine_name, "-j", 2)
    assert first.code == 0, first.said
    assert "4 of 4 runs complete" in first.out
    again = multiverse_command(
        "run", tmp_path / "out" / "benchmark.yaml", "--output", tmp_path / "out",
        "--engine", engine_name,
    )  # fmt: skip
    assert again.code == 0, again.said
    assert again.out.count("already complete") == 4
    assert "started" not in again.out
    changed = multiverse_command(
        "run", "--models", "pca", "--dataset", "tiny", "--output", tmp_path / "out",
        "--engine", engine_name, "-p", "pca.n_components=5",
    )  # fmt: skip
    assert changed.code == 0, changed.said
    assert "to run because parameter n_components" in changed.out
    listed = multiverse_command("runs", tmp_path / "out", "--json")
    records = json.loads(listed.out)
    assert sorted(record["parameters"]["n_components"] for record in records) == [3, 3, 4, 4, 5]
    shown = multiverse_command("show", records[0]["run_id"][:10], "--results", tmp_path / "out")
    assert shown.code == 0
    assert records[0]["dataset_fingerprint"] in shown.out


def test_register_list_and_run_by_slug(
    small_h5ad: Path, multiverse_command: Command, tmp_path: Path
) -> None:
    registered = multiverse_command(
        "register", small_h5ad, "--slug", "pbmc", "--batch-key", "donor",
        "--label-key", "cell_type",
    )  # fmt: skip
    assert registered.code == 0, registered.said
    (listed,) = json.loads(multiverse_command("datasets", "--json").out)
    assert (listed["slug"], listed["n_obs"], listed["n_batches"], listed["n_labels"]) == (
        "pbmc", 30, 2, 3,
    )  # fmt: skip
    assert "pbmc" in multiverse_command("datasets").out
    dataset = find_dataset("pbmc")
    assert b"secret-type" not in dataset.data.read_bytes()
    models = json.loads(multiverse_command("models", "--json").out)
    assert {"pca", "mofa"} <= {model["name"] for model in models}
    assert "n_factors" in multiverse_command("models", "mofa").out


def test_the_short_form_kept_for_scripts(
    small_h5ad: Path, multiverse_command: Command, tmp_path: Path
) -> None:
    done = multiverse_command(
        "--models", "pca", "--input", small_h5ad, "--output", tmp_path / "results",
        "--engine", "local", "-v", module="multiverse.runner.cli",
    )  # fmt: skip
    assert done.code == 0, done.said
    assert "pca | " in done.out, "with -v the model's log is seen"


def test_from_python_with_objects_in_memory(
    small_h5ad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import anndata

    cells = anndata.read_h5ad(small_h5ad)[::-1].copy()
    results = multiverse.run("pca", cells, tmp_path / "results", name="mine", engine="local")
    assert results["pca"].obs_names() == list(cells.obs_names)
    assert results.to_anndata().obsm["X_pca"].shape[0] == cells.n_obs
    with pytest.raises(JobsFailed, match="memory"):
        multiverse.run(
            "pca", cells, tmp_path / "b", name="mine", engine="local", resources={"memory": "1MB"}
        )
    monkeypatch.delenv("MULTIVERSE_NO_REPORT")
    (tmp_path / "results" / "report.html").mkdir()
    with pytest.warns(RuntimeWarning, match="was not written"):
        again = multiverse.run("pca", cells, tmp_path / "results", name="mine", engine="local")
    assert again["pca"].complete, "a step that fails costs no run"


def test_the_demo_makes_its_own_data(multiverse_command: Command, tmp_path: Path) -> None:
    done = multiverse_command("demo", tmp_path / "demo", "--cells", 120)
    assert done.code == 0, done.said
    assert {".h5ad", ".h5mu"} <= {path.suffix for path in (tmp_path / "demo").iterdir()}
