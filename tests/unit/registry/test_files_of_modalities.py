"""One file a modality, through the command, the benchmark file and Python."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy.sparse import csr_matrix

import multiverse
from multiverse.api import Request, short_benchmark
from multiverse.api.plan import make_plan, resolved_yaml
from multiverse.api.request import Overrides, file_entry
from multiverse.api.settings import request_of
from multiverse.cli.main import main
from multiverse.errors import DatasetError, SpecError, UsageError
from multiverse.events import silent
from multiverse.registry.datasets import find_dataset
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.registration import register
from multiverse.specs.benchmark import BenchmarkSource
from tests.unit.registry.registry_sources import (
    LABELS,
    cells,
    counts,
    dense,
    make_anndata,
    make_mudata,
    read,
    write,
)


def proteins(names: pd.Index | None = None, seed: int = 1) -> AnnData:
    obs = cells()[["donor"]] if names is None else pd.DataFrame(index=names)
    return make_anndata(csr_matrix(counts(len(obs), 3, seed)), prefix="p", obs=obs)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """RNA and proteins of the same cells, the proteins in the reverse order."""
    monkeypatch.chdir(tmp_path)
    return {
        "rna": write(make_anndata(), tmp_path / "pbmc_rna.h5ad"),
        "adt": write(proteins()[::-1].copy(), tmp_path / "pbmc_adt.h5ad"),
    }


def check_values(dataset: Any) -> None:
    """The RNA and the proteins of each cell are those of its name."""
    after = read(dataset)
    assert after.obs_names.tolist() == cells().index.tolist()
    np.testing.assert_array_equal(dense(after["rna"]), counts())
    np.testing.assert_array_equal(dense(after["adt"]), counts(12, 3, 1))


def test_the_command_joins_files_by_the_names_of_the_cells(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--batch-key", "donor", "--label-key", "cell_type"]
    assert main(["register", *(f"{name}={path}" for name, path in files.items()), *words]) == 0
    said = capsys.readouterr().out
    assert "rna and adt share 12 of 12 and 12 cells" in said
    dataset = find_dataset("pbmc")
    check_values(dataset)
    assert dataset.record.source_name == "rna=pbmc_rna.h5ad, adt=pbmc_adt.h5ad"
    assert dataset.record.settings == {"batch_key": "donor", "label_key": "cell_type"}
    assert read(dataset).obs["donor"].tolist() == cells()["donor"].tolist()
    assert set(read_h5ad(dataset.labels).obs["cell_type"]) == set(LABELS)
    named = ["--input", f"adt={files['adt']}", "--input", f"rna={files['rna']}"]
    assert main(["register", *named, *words]) == 0
    assert "already registered from these files" in capsys.readouterr().out


def test_python_takes_paths_and_objects(files: dict[str, Path]) -> None:
    by_path = multiverse.register({name: str(path) for name, path in files.items()})
    assert by_path.record.slug == "pbmc"
    check_values(by_path)
    mixed = multiverse.register({"rna": make_anndata(), "adt": files["adt"]}, slug="mixed")
    assert mixed.record.fingerprint == by_path.record.fingerprint
    request = request_of("pca", dict(files), "results", {"batch_key": "donor"}, silent)
    (entry,) = request.source.benchmark.datasets
    assert entry.path == files


def test_the_hash_of_a_source_is_that_of_all_its_files(files: dict[str, Path]) -> None:
    first = register(files).record.source_sha256
    again = register(dict(reversed(files.items()))).record.source_sha256
    swapped = {"rna": files["adt"], "adt": files["rna"]}
    other = register(swapped, slug="other").record.source_sha256
    assert first == again != other


def test_a_benchmark_names_files_relative_to_itself(files: dict[str, Path]) -> None:
    folder = files["rna"].parent / "deep"
    folder.mkdir()
    path = folder / "benchmark.yaml"
    path.write_text(
        "datasets:\n  - path: {rna: ../pbmc_rna.h5ad, adt: ../pbmc_adt.h5ad}\n"
        "    exclude: {adt: p0, rna: ['g1', 'g[23]']}\n    layer: {}\nmodels: [pca]\n"
    )
    with pytest.raises(SpecError, match=r"benchmark.yaml:4: datasets.0.layer"):
        BenchmarkSource.load(path)
    path.write_text(path.read_text().replace("    layer: {}\n", ""))
    source = BenchmarkSource.load(path)
    work = make_plan(Request(source, folder / "results", engine="local"), silent)
    (dataset,) = work.datasets
    assert dataset.record.slug == "pbmc"
    assert read(dataset)["adt"].var_names.tolist() == ["p1", "p2"]
    assert read(dataset)["rna"].n_vars == 4
    resolved = folder / "resolved.yaml"
    resolved.write_text(resolved_yaml(source.benchmark, work.datasets))
    assert 'of "rna=pbmc_rna.h5ad, adt=pbmc_adt.h5ad", read with' in resolved.read_text()
    again = BenchmarkSource.load(resolved).benchmark.datasets[0]
    assert again.path == {name: path.resolve() for name, path in files.items()}
    assert again.exclude == source.benchmark.datasets[0].exclude


def test_a_benchmark_refuses_names_that_are_no_modalities(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.yaml"
    path.write_text("datasets:\n  - path: {rna: a.h5ad, prot: b.h5ad}\nmodels: [pca]\n")
    with pytest.raises(SpecError, match=r"datasets.0.path.prot.*write rna or atac or adt"):
        BenchmarkSource.load(path)


@pytest.mark.parametrize("twice", [False, True])
def test_files_of_which_nothing_says_what_they_hold(
    files: dict[str, Path], twice: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """None is dropped, and none is taken for genes; the way that is named joins them."""
    between = ["--input"] if twice else []
    words = ["--input", files["rna"].name, *between, files["adt"].name]
    for command in (["register"], ["run", "--models", "pca", "--dry-run"]):
        assert main([*command, *words]) == 2
        said = capsys.readouterr().err
        assert "nothing says what pbmc_adt.h5ad holds" in said
    told = said[said.index("--input ") :].split(" (rna, atac or adt)")[0]
    assert main(["register", *shlex.split(told)]) == 0
    check_values(find_dataset("pbmc"))


def test_files_that_do_not_say_what_they_are_by_name(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", "one.h5ad", "pbmc_adt.h5ad"]) == 2
    assert "--input MODALITY=one.h5ad adt=pbmc_adt.h5ad" in capsys.readouterr().err
    assert main(["register", "rna=pbmc_rna.h5ad", "rna=pbmc_adt.h5ad"]) == 2
    assert "gives rna two values" in capsys.readouterr().err
    odd = files["rna"].rename("rna=x.h5ad")
    assert main(["register", odd.name, "--slug", "odd"]) == 0, "a file of that very name"
    assert list(find_dataset("odd").record.modalities) == ["rna"]


def test_a_modality_by_another_name_is_refused_with_the_right_one(files: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="'prot' is not a modality") as refused:
        register({"rna": files["rna"], "prot": files["adt"]})
    assert refused.value.remedy == f"Write adt={files['adt']}"


def test_a_file_of_several_kinds_gives_the_one_it_is_named_for(
    files: dict[str, Path], tmp_path: Path
) -> None:
    both = write(make_mudata(), tmp_path / "both.h5mu")
    dataset = register({"rna": both, "adt": files["adt"]})
    check_values(dataset)
    assert "both.h5mu: adt left out, as the file is named for rna" in dataset.record.notes


def test_a_file_that_says_it_is_another_modality(files: dict[str, Path], tmp_path: Path) -> None:
    data = proteins()
    data.var["feature_types"] = "Antibody Capture"
    adt = write(data, tmp_path / "b.h5ad")
    check_values(register({"rna": files["rna"], "adt": adt}))
    data.var["feature_types"] = "Peaks"
    wrong = write(data, tmp_path / "c.h5ad")
    with pytest.raises(DatasetError, match="holds atac, and not adt") as refused:
        register({"rna": files["rna"], "adt": wrong}, slug="wrong")
    option, value = shlex.split(str(refused.value.remedy).split(": ", 1)[1])
    assert option == "--modality"
    assert (
        main(["register", f"rna={files['rna']}", f"adt={wrong}", option, value, "--slug", "w"]) == 0
    )
    check_values(find_dataset("w"))


def test_cells_that_one_file_lacks(files: dict[str, Path], tmp_path: Path) -> None:
    some = write(proteins()[:9].copy(), tmp_path / "some.h5ad")
    given = {"rna": files["rna"], "adt": some}
    with pytest.raises(DatasetError, match="3 of 12 cells have no adt") as refused:
        register(given)
    assert "--intersect (keeps 9)" in str(refused.value.remedy)
    assert "--mosaic" in str(refused.value.remedy)
    paired = register(given, options=RegistrationOptions(intersect=True))
    assert read(paired).obs_names.tolist() == cells().index[:9].tolist()
    assert "rna and adt share 9 of 12 and 9 cells" in paired.record.notes
    kept = register(given, options=RegistrationOptions(mosaic=True), slug="mosaic")
    assert kept.record.lacking == {"adt": 3}


def test_three_files(tmp_path: Path) -> None:
    peaks = make_anndata(csr_matrix(counts(12, 5, 2)), prefix="chr", obs=cells()[["donor"]])
    given = {
        "atac": write(peaks, tmp_path / "x1.h5ad"),
        "rna": write(make_anndata(), tmp_path / "y2.h5ad"),
        "adt": write(proteins(), tmp_path / "z3.h5ad"),
    }
    dataset = register(given)
    assert dataset.record.slug == "x1-y2-z3"
    assert list(dataset.record.modalities) == ["rna", "atac", "adt"]
    assert len([note for note in dataset.record.notes if "share 12 of 12" in note]) == 3
    np.testing.assert_array_equal(dense(read(dataset)["atac"]), counts(12, 5, 2))


def test_a_batch_that_differs_between_the_files(files: dict[str, Path], tmp_path: Path) -> None:
    data = proteins()
    data.obs["donor"] = "another"
    given = {"rna": files["rna"], "adt": write(data, tmp_path / "other.h5ad")}
    with pytest.raises(DatasetError, match="'donor' differs between rna:donor and adt:donor") as no:
        register(given, options=RegistrationOptions(batch_key="donor"))
    assert "rna:donor or adt:donor" in str(no.value.remedy)
    dataset = register(given, options=RegistrationOptions(batch_key="rna:donor"))
    assert read(dataset).obs["donor"].tolist() == cells()["donor"].tolist()


def test_two_files_of_one_name_need_slugs(tmp_path: Path) -> None:
    entries = []
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        data = make_anndata(csr_matrix(counts(12 + number)))
        entries.append({"path": str(write(data, tmp_path / folder / "filtered.h5ad"))})
    source = BenchmarkSource.of({"datasets": entries, "models": ["pca"]})
    with pytest.raises(SpecError, match="slug: two-filtered"):
        make_plan(Request(source, tmp_path / "results", engine="local"), silent)
    entries[1]["slug"] = "two-filtered"
    source = BenchmarkSource.of({"datasets": entries, "models": ["pca"]})
    work = make_plan(Request(source, tmp_path / "results", engine="local"), silent)
    assert [item.record.n_obs for item in work.datasets] == [12, 13]


def test_a_file_that_is_missing_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    entry = file_entry({"rna": files["rna"], "adt": Path("no.h5ad")}, RegistrationOptions())
    source = short_benchmark({"pca": {}}, entry, Overrides())
    with pytest.raises(SpecError, match=r"no\.h5ad does not exist"):
        make_plan(Request(source, tmp_path / "results", engine="local"), silent)


@pytest.mark.parametrize("modality", ["atac", "adt"])
def test_the_option_tells_the_kind_that_the_names_do_not(
    modality: str, files: dict[str, Path], tmp_path: Path
) -> None:
    data = proteins()
    peaks = [f"chr1:{i}00-{i}50" for i in range(1, 4)]
    data.var_names = peaks if modality == "atac" else [f"CD{i}-ACGTACGTACGT" for i in range(3)]
    odd = write(data, tmp_path / "odd.h5ad")
    dataset = register({"rna": files["rna"], modality: odd})
    np.testing.assert_array_equal(dense(read(dataset)[modality]), counts(12, 3, 1))
    other = {"atac": "adt", "adt": "atac"}[modality]
    with pytest.raises(DatasetError, match=f"but the file is named for {other}") as refused:
        register({"rna": files["rna"], other: odd}, slug="other")
    words = shlex.split(str(refused.value.remedy).split(": ", 1)[1].split(" (or")[0])
    assert main(["register", f"rna={files['rna']}", words[1], "--slug", "named"]) == 0
    assert list(find_dataset("named").record.modalities) == ["rna", modality]
    words = shlex.split(str(refused.value.remedy).rpartition(": ")[2].removesuffix(")"))
    inputs = [f"rna={files['rna']}", f"{other}={odd}"]
    assert main(["register", *inputs, *words, "--slug", "kept"]) == 0
    assert list(find_dataset("kept").record.modalities) == sorted(["rna", other], reverse=True)


def test_the_name_that_nobody_knows_is_offered(files: dict[str, Path], tmp_path: Path) -> None:
    data = make_mudata(gex=make_anndata(), surface=proteins())
    both = write(data, tmp_path / "both.h5mu")
    with pytest.raises(DatasetError, match="holds rna, and not adt") as refused:
        register({"rna": files["rna"], "adt": both}, slug="both")
    words = shlex.split(str(refused.value.remedy).split(": ", 1)[1])
    assert words == ["--modality", "surface=adt"]
    assert main(["register", f"rna={files['rna']}", f"adt={both}", *words, "--slug", "b"]) == 0
    check_values(find_dataset("b"))


def test_what_a_chosen_name_displaces_is_said(tmp_path: Path) -> None:
    data = make_mudata(rna=make_anndata(), prot=proteins(), hto=proteins(), odd=proteins())
    path = write(data, tmp_path / "a.h5mu")
    notes = register(path, options=RegistrationOptions(modality_names={"hto": "adt"})).record.notes
    assert "left out, as 'hto' was named as adt: 'prot'" in notes
    assert "left out, as no model knows it: 'odd'" in notes
