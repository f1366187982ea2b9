"""Mosaic data: every cell is kept, and what was not measured stays absent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mudata import MuData
from scipy.sparse import csr_matrix

from multiverse.api import Request, run_benchmark
from multiverse.cli.main import main
from multiverse.contract import CellNames
from multiverse.errors import DatasetError, UsageError
from multiverse.registry import matrix
from multiverse.registry.datasets import RegisteredDataset, find_dataset
from multiverse.registry.registration import RegistrationOptions, register
from multiverse.specs.benchmark import BenchmarkSource
from multiverse.specs.cell_groups import CellGroup
from tests.unit.registry.registry_sources import (
    cells,
    counts,
    dense,
    edited,
    make_anndata,
    make_mudata,
    read,
    shared,
    write,
)

MOSAIC = RegistrationOptions(mosaic=True)
BARE = pd.DataFrame(index=cells().index)


def part(names: list[str] | pd.Index, n_vars: int = 3, prefix: str = "p", seed: int = 1) -> AnnData:
    """A modality with these cells and no column of its own."""
    values = csr_matrix(counts(len(names), n_vars, seed))
    return make_anndata(values, prefix=prefix, obs=pd.DataFrame(index=pd.Index(names)))


def with_proteins(names: list[str] | pd.Index) -> MuData:
    """RNA of all 12 cells, 3 proteins of these."""
    return make_mudata(rna=make_anndata(obs=BARE), adt=part(names))


def registered(
    data: MuData, folder: Path, options: RegistrationOptions = MOSAIC
) -> RegisteredDataset:
    folder.mkdir(parents=True, exist_ok=True)
    return register(write(data, folder / "a.h5mu"), options=options, home=folder / "home")


@pytest.mark.data
def test_real_mosaic_is_kept_whole(tmp_path: Path) -> None:
    source = shared("pbmc_mosaic")
    options = RegistrationOptions(
        mosaic=True, batch_key="batch", label_key="cell_type", unlabelled=("unknown",)
    )
    dataset = register(source, options=options, home=tmp_path)
    before, after, record = read(source), read(dataset), dataset.record
    assert record.n_obs == 3000
    assert record.lacking == {"adt": 1500}
    assert record.groups == (
        CellGroup(modalities=("rna", "adt"), n_cells=1500),
        CellGroup(modalities=("rna",), n_cells=1500),
    )
    assert "a mosaic: 1,500 of 3,000 cells have no adt" in record.notes
    assert list(CellNames.read(dataset.data).names) == before.obs_names.tolist()
    assert after.obs["batch"].astype(str).tolist() == before.obs["batch"].astype(str).tolist()
    for name, modality in after.mod.items():
        assert modality.obs_names.tolist() == before[name].obs_names.tolist()
        assert abs(modality.X - before[name].X).sum() == 0
        measured = after.obs_names.isin(modality.obs_names)
        assert (after.obsm[name].ravel() == measured).all()
        assert (after.obsmap[name].ravel() > 0).tolist() == measured.tolist()
    labels = read_h5ad(dataset.labels)
    assert labels.obs_names.tolist() == before.obs_names.tolist()
    assert labels.obs["cell_type"].isna().sum() == 1500


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), n_rna=st.integers(1, 12), n_adt=st.integers(1, 12))
def test_any_pattern_of_cells_comes_back(
    seed: int, n_rna: int, n_adt: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each modality has its own cells in its own order, gathered in small blocks."""
    folder = tmp_path_factory.mktemp("mosaic")
    random = np.random.default_rng(seed)
    names = cells().index
    rna = part(names[random.permutation(12)[:n_rna]], 5, "g", 2)
    adt = part(names[random.permutation(12)[:n_adt]])
    data = make_mudata(rna=rna, adt=adt)
    common = set(rna.obs_names) & set(adt.obs_names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix, "BLOCK_VALUES", 6)
        patch.setattr("multiverse.registry.spool.BLOCK_VALUES", 6)
        if not common:
            with pytest.raises(DatasetError, match="No cell links adt to rna"):
                registered(data, folder)
            return
        dataset = registered(data, folder)
    after = read(dataset)
    assert after.obs_names.tolist() == data.obs_names.tolist()
    for name, original in {"rna": rna, "adt": adt}.items():
        expected = [cell for cell in data.obs_names if cell in set(original.obs_names)]
        assert after[name].obs_names.tolist() == expected
        assert (dense(after[name]) == dense(original[expected])).all()
        assert dataset.record.lacking.get(name, 0) == data.n_obs - len(expected)


def test_the_fingerprint_says_which_cells_were_measured(tmp_path: Path) -> None:
    names = cells().index
    first = registered(with_proteins(names[:9]), tmp_path / "one").record
    other = registered(with_proteins(names[3:]), tmp_path / "two").record
    turned = with_proteins(names[:9])
    turned = make_mudata(adt=turned["adt"][::-1].copy(), rna=turned["rna"].copy())
    turned = turned[list(names)].copy()
    assert other.modalities == first.modalities
    assert other.groups == first.groups
    assert other.fingerprint != first.fingerprint
    assert registered(turned, tmp_path / "three").record.fingerprint == first.fingerprint


def test_cells_without_proteins_are_not_cells_with_zeros(tmp_path: Path) -> None:
    names = cells().index
    zeros = part(names)
    zeros.X = csr_matrix(np.vstack([counts(9, 3, 1), np.zeros((3, 3), np.float32)]))
    filled = make_mudata(rna=make_anndata(obs=BARE), adt=zeros)
    mosaic = registered(with_proteins(names[:9]), tmp_path / "one").record
    measured = registered(filled, tmp_path / "two", RegistrationOptions()).record
    assert measured.fingerprint != mosaic.fingerprint
    assert measured.modalities["adt"].empty_cells == 3
    assert mosaic.modalities["adt"].empty_cells == 0
    assert measured.modalities["adt"].n_values == mosaic.modalities["adt"].n_values


def test_complete_data_keep_what_they_were_registered_as(tmp_path: Path) -> None:
    """Hashes as they were before mosaics could be registered; the option changes none of them."""
    for options in (
        RegistrationOptions(batch_key="donor", label_key="cell_type"),
        RegistrationOptions(batch_key="donor", label_key="cell_type", mosaic=True),
    ):
        dataset = registered(make_mudata(), tmp_path / str(options.mosaic), options)
        assert dataset.record.fingerprint == (
            "52dff708aaf0a93f886d3b806f9f85a08ae341f01bcd60fb8655cb0bfabf5034"
        )
        assert dataset.folder.name == "3653ca67764e447f"
        assert dataset.record.groups == ()
        assert dataset.record.lacking == {}
    assert RegistrationOptions().sha256() == (
        "be17d10419544735ed461ad4174f58a00a004b5f145a5aac9d2321c9b9fc16e3"
    )
    assert MOSAIC.sha256() != RegistrationOptions().sha256()


def test_the_refusal_names_both_ways(tmp_path: Path) -> None:
    data = with_proteins(cells().index[:9])
    with pytest.raises(DatasetError, match="3 of 12 cells have no adt") as refused:
        registered(data, tmp_path, RegistrationOptions())
    assert "drop the 3 cells" in str(refused.value.remedy).lower()
    assert "keep all 12 with --mosaic" in str(refused.value.remedy)


def test_modalities_linked_by_others_are_one_mosaic(tmp_path: Path) -> None:
    """No cell has all three, but RNA is measured with ATAC in some cells and with ADT in others."""
    names = cells().index
    data = make_mudata(
        rna=make_anndata(obs=BARE), atac=part(names[:6], 4, "peak", 3), adt=part(names[6:])
    )
    assert registered(data, tmp_path / "one").record.lacking == {"atac": 6, "adt": 6}
    with pytest.raises(DatasetError, match="do not have the same cells") as refused:
        registered(data, tmp_path / "two", RegistrationOptions())
    assert "--mosaic" in str(refused.value.remedy)
    assert "--intersect" not in str(refused.value.remedy)


def test_modalities_without_a_common_cell_are_refused(tmp_path: Path) -> None:
    adt = part([f"other{number}" for number in range(12)])
    data = make_mudata(rna=make_anndata(), adt=adt)
    with pytest.raises(DatasetError, match="No cell links adt to rna: 12 of 24 cells") as refused:
        registered(data, tmp_path)
    assert "name their cells in the same way" in str(refused.value.remedy)
    with pytest.raises(DatasetError, match="No cell has all of rna, adt") as refused:
        registered(data, tmp_path, RegistrationOptions())
    assert "--mosaic" not in str(refused.value.remedy)


def test_a_cell_measured_nowhere_is_refused(tmp_path: Path) -> None:
    names = cells().index
    data = make_mudata(
        rna=part(names[:10], 5, "g"), adt=part(names[:7]), hashtag=part(names, 2, "h")
    )
    with pytest.raises(DatasetError, match="2 of 12 cells were measured in none of rna, adt"):
        registered(data, tmp_path)
    with pytest.raises(DatasetError) as refused:
        registered(data, tmp_path, RegistrationOptions())
    assert "--mosaic" not in str(refused.value.remedy)


def test_cells_that_obs_does_not_have_are_refused(tmp_path: Path) -> None:
    def drop_cells(file: object) -> None:
        from anndata.io import write_elem

        del file["obs"]  # type: ignore[attr-defined]
        write_elem(file, "obs", cells().iloc[:8])

    source = write(with_proteins(cells().index[:9]), tmp_path / "a.h5mu")
    with pytest.raises(DatasetError, match="4 of the 12 cells of rna are not in the file's own"):
        register(edited(source, drop_cells), options=MOSAIC, home=tmp_path / "home")


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.filterwarnings("ignore:obs_names are not unique")
def test_repeated_cells_are_refused(tmp_path: Path) -> None:
    def repeat(file: object) -> None:
        names = file["mod/adt/obs/_index"]  # type: ignore[index]
        names[1] = names[0]

    source = write(with_proteins(cells().index[:9]), tmp_path / "a.h5mu")
    with pytest.raises(DatasetError, match="The obs of adt names 1 cells more than once"):
        register(edited(source, repeat), options=MOSAIC, home=tmp_path / "home")


def test_both_options_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="intersect drops"):
        RegistrationOptions(mosaic=True, intersect=True).check()


def test_the_commands_say_which_cells_lack_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(write(with_proteins(cells().index[:9]), tmp_path / "a.h5mu"))
    assert main(["register", source]) == 3
    assert "--mosaic" in capsys.readouterr().err
    assert main(["register", source, "--mosaic", "--slug", "small"]) == 0
    said = capsys.readouterr().out
    assert "note: a mosaic: 3 of 12 cells have no adt" in said
    assert "--models cobolt --dataset small" in said
    assert main(["datasets"]) == 0
    assert "rna 7, adt 3 (in 9 cells)" in capsys.readouterr().out
    assert main(["datasets", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["groups"] == [
        {"modalities": ["rna", "adt"], "n_cells": 9},
        {"modalities": ["rna"], "n_cells": 3},
    ]
    assert main(["register", source, "--mosaic", "--intersect"]) == 2


def test_a_benchmark_registers_a_mosaic_and_starts_nothing_that_can_not_use_it(
    tmp_path: Path,
) -> None:
    source = write(with_proteins(cells().index[:9]), tmp_path / "a.h5mu")
    entry = {"path": str(source), "mosaic": True}
    benchmark = BenchmarkSource.of({"datasets": [entry], "models": ["pca", "totalvi"]})
    request = Request(benchmark, tmp_path / "results", engine="local")
    with pytest.raises(UsageError, match="pca: 3 of 12 cells lack adt, and pca needs every"):
        run_benchmark(request)
    assert not (tmp_path / "results").exists()
    assert find_dataset("a").record.lacking == {"adt": 3}


def test_what_modalities_say_of_their_cells_is_joined(tmp_path: Path) -> None:
    """The batch is told by the modalities alone, each of its own cells; numbers stay whole."""
    names = cells().index
    data = make_mudata(rna=part(names[:8], 5, "g"), adt=part(names[4:]))
    data.obs = pd.DataFrame(index=data.obs_names)
    for modality in data.mod.values():
        modality.obs["donor"] = cells().loc[modality.obs_names, "donor"]
    data["adt"].obs["lane"] = np.arange(8)
    data["adt"].obs["doublet"] = np.arange(8) % 2 == 0
    options = RegistrationOptions(mosaic=True, batch_key="donor")
    dataset = registered(data, tmp_path / "one", options)
    assert read(dataset).obs["donor"].tolist() == cells()["donor"].tolist()
    labels = read_h5ad(dataset.labels).obs
    assert labels["adt:lane"].isna().sum() == 4
    assert labels["adt:lane"].dropna().astype(int).tolist() == list(range(8))
    assert labels["adt:doublet"].isna().sum() == 4
    data["adt"].obs["donor"] = "another"
    with pytest.raises(DatasetError, match="'donor' differs between rna:donor and adt:donor"):
        registered(data, tmp_path / "two", options)
