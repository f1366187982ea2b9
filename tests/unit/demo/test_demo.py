"""Demo data: the real cells are exactly right, the simulation is what it says."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import mudata
import numpy as np
import pytest
from anndata import read_h5ad
from hypothesis import given, settings
from hypothesis import strategies as st
from mudata import MuData
from scipy.sparse import csr_matrix, vstack
from scipy.sparse.linalg import svds

from multiverse.demo import make_demo
from multiverse.demo.real_rna import write_pbmc68k
from multiverse.demo.simulation import Modality, Simulation, simulate, write_simulation
from multiverse.errors import ResultsError, UsageError
from tests.told import notes_into

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
MODALITIES: tuple[Modality, ...] = ("rna", "atac", "adt")
SMALL = Simulation(n_genes=50, n_peaks=60, n_proteins=7, n_types=3, seed=4)
needs_scanpy = pytest.mark.skipif(
    importlib.util.find_spec("scanpy") is None, reason="scanpy, with the packaged data, is missing"
)


def equal(one: csr_matrix, other: csr_matrix) -> bool:
    return one.shape == other.shape and abs(one - other).sum() == 0


@pytest.fixture(scope="module")
def simulated() -> MuData:
    return simulate(700, Simulation(seed=1))


@needs_scanpy
@pytest.mark.data
def test_real_cells_equal_the_published_counts(tmp_path: Path) -> None:
    reference = SHARED / "pbmc68k_rna" / "pbmc68k_rna.h5mu"
    if not reference.is_file():
        pytest.skip(f"{reference} is absent")
    cells = read_h5ad(write_pbmc68k(tmp_path / "cells.h5ad"))
    with mudata.set_options(pull_on_update=False):
        expected = mudata.read_h5mu(reference)
    assert cells.shape == (700, 765)
    assert equal(cells.X, expected["rna"].X)
    assert cells.obs_names.tolist() == expected.obs_names.tolist()
    assert cells.var_names.tolist() == expected["rna"].var_names.tolist()
    for column in ("cell_type", "cluster"):
        assert cells.obs[column].astype(str).tolist() == expected.obs[column].astype(str).tolist()


def test_real_cells_without_scanpy_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scanpy", None)  # as if it were not there
    with pytest.raises(UsageError, match="scanpy") as failure:
        write_pbmc68k(tmp_path / "cells.h5ad")
    assert "pip install scanpy" in str(failure.value.remedy)
    assert list(tmp_path.iterdir()) == []


@needs_scanpy
def test_real_cells_do_not_import_scanpy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from multiverse.demo.real_rna import write_pbmc68k;"
        f"write_pbmc68k(Path({str(tmp_path / 'x.h5ad')!r})); assert 'scanpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_demo_package_is_cheap_to_import() -> None:
    code = "import sys, multiverse.demo; assert not {'numpy', 'anndata'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("modality", MODALITIES)
@settings(max_examples=15, deadline=None)
@given(bounds=st.tuples(st.integers(0, 600), st.integers(0, 600)).map(sorted))
def test_any_piece_equals_the_same_rows_of_the_whole(modality: Modality, bounds: list[int]) -> None:
    start, stop = bounds[0], bounds[1] + 1
    whole = SMALL.counts(modality, 0, 601)
    assert equal(SMALL.counts(modality, start, stop), whole[start:stop])
    assert SMALL.cells(start, stop).astype(str).equals(SMALL.cells(0, 601)[start:stop].astype(str))


def test_pieces_of_any_size_join_to_the_same_counts() -> None:
    whole = SMALL.counts("rna", 0, 500)
    for size in (100, 256, 333):
        pieces = [SMALL.counts("rna", at, min(at + size, 500)) for at in range(0, 500, size)]
        assert equal(vstack(pieces, format="csr"), whole)


def test_the_seed_decides() -> None:
    again = Simulation(n_genes=50, n_peaks=60, n_proteins=7, n_types=3, seed=4)
    other = Simulation(n_genes=50, n_peaks=60, n_proteins=7, n_types=3, seed=5)
    for modality in MODALITIES:
        assert equal(SMALL.counts(modality, 0, 300), again.counts(modality, 0, 300))
        assert not equal(SMALL.counts(modality, 0, 300), other.counts(modality, 0, 300))


def test_counts_are_sparse_raw_counts(simulated: MuData) -> None:
    for name, density in {"rna": 0.4, "atac": 0.15}.items():
        counts = simulated[name].X
        assert counts.dtype == np.float32
        assert (counts.data == np.round(counts.data)).all()
        assert counts.data.min() >= 0
        assert 0.01 < counts.nnz / np.prod(counts.shape) < density
    assert simulated.obs["batch"].nunique() == 2
    assert simulated.obs["cell_type"].nunique() == 5


def neighbours_alike(counts: csr_matrix, groups: np.ndarray, k: int = 15) -> float:
    """Share of the k nearest cells (10 principal components of logs) of the same group."""
    dense = counts.toarray().astype(np.float64)
    sizes = dense.sum(axis=1, keepdims=True)
    logs = np.log1p(dense / sizes * np.median(sizes))
    left, values, _ = svds(logs - logs.mean(axis=0), k=10, rng=np.random.default_rng(0))
    scores = left * values
    squares = (scores**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * scores @ scores.T
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, k, axis=1)[:, :k]
    return float((groups[nearest] == groups[:, None]).mean())


@pytest.mark.parametrize("modality", MODALITIES)
def test_types_can_be_found_but_not_for_nothing(simulated: MuData, modality: Modality) -> None:
    types = simulated.obs["cell_type"].to_numpy(dtype=str)
    chance = float(((np.unique(types, return_counts=True)[1] / len(types)) ** 2).sum())
    purity = neighbours_alike(simulated[modality].X, types)
    assert chance + 0.3 < purity < 0.99
    shuffled = np.random.default_rng(0).permutation(types)
    assert neighbours_alike(simulated[modality].X, shuffled) == pytest.approx(chance, abs=0.05)


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_batch_is_visible(simulated: MuData, modality: Modality) -> None:
    batches = simulated.obs["batch"].to_numpy(dtype=str)
    assert neighbours_alike(simulated[modality].X, batches) > 0.57


def test_a_proteins_counts_are_background_and_foreground(simulated: MuData) -> None:
    """Overdispersed within a type and batch, as counts of one mean would not be."""
    own = simulated.obs["cell_type"].eq("type_1") & simulated.obs["batch"].eq("batch_1")
    values = simulated["adt"].X.toarray()[own.to_numpy()]
    assert (values.var(axis=0) > 2 * values.mean(axis=0)).mean() > 0.9


@pytest.mark.parametrize(
    ("sizes", "modalities"),
    [({"n_peaks": 0}, ["rna", "adt"]), ({"n_peaks": 0, "n_proteins": 0}, ["rna"])],
)
def test_a_modality_can_be_left_out(
    tmp_path: Path, sizes: dict[str, int], modalities: list[str]
) -> None:
    path = write_simulation(tmp_path / "s.h5mu", n_cells=20, n_genes=30, **sizes)
    with mudata.set_options(pull_on_update=False):
        assert list(mudata.read_h5mu(path).mod) == modalities


@pytest.mark.parametrize(
    "wrong", [{"n_genes": -1}, {"n_types": 0}, {"n_genes": 0, "n_peaks": 0, "n_proteins": 0}]
)
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="simulation needs"):
        Simulation(**wrong)


def test_no_cells_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one cell"):
        write_simulation(tmp_path / "s.h5mu", n_cells=0)
    assert list(tmp_path.iterdir()) == []


@needs_scanpy
def test_demo_is_written_once(tmp_path: Path) -> None:
    said: list[str] = []
    datasets = make_demo(tmp_path / "demo", n_cells=60, tell=notes_into(said))
    assert [d.name for d in datasets] == ["demo-pbmc68k", "demo-simulated"]
    before = {d.path: d.path.stat().st_mtime_ns for d in datasets}
    assert make_demo(tmp_path / "demo", n_cells=60) == datasets
    assert {d.path: d.path.stat().st_mtime_ns for d in datasets} == before
    with mudata.set_options(pull_on_update=False):
        written = mudata.read_h5mu(datasets[1].path)
    assert written.n_obs == 60
    assert {datasets[1].batch_key, datasets[1].label_key} <= set(written.obs)
    assert datasets[0].label_key in read_h5ad(datasets[0].path).obs


@needs_scanpy
def test_demo_is_written_again_when_it_does_not_match(tmp_path: Path) -> None:
    real, simulated = make_demo(tmp_path, n_cells=40)
    content = simulated.path.read_bytes()
    simulated.path.write_bytes(content[: len(content) // 2])
    make_demo(tmp_path, n_cells=40)
    with mudata.set_options(pull_on_update=False):
        assert mudata.read_h5mu(simulated.path).n_obs == 40
        make_demo(tmp_path, n_cells=41)
        assert mudata.read_h5mu(simulated.path).n_obs == 41
    assert {path.name for path in tmp_path.iterdir()} == {
        real.path.name,
        simulated.path.name,
        "demo.json",
    }


def test_demo_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(ResultsError, match="can't be written"):
        make_demo(tmp_path / "taken")
    assert os.listdir(tmp_path) == ["taken"]  # noqa: PTH208
