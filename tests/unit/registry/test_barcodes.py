"""Cells that modalities name differently, and names that stand for several cells."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat
from mudata import MuData
from scipy.io import mmwrite
from scipy.sparse import csr_array, csr_matrix

from multiverse.cli.main import main
from multiverse.errors import DatasetError
from multiverse.registry.barcodes import recognise
from multiverse.registry.datasets import find_dataset
from multiverse.registry.objects import register_object
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.registration import register
from tests.unit.registry.registry_sources import (
    cells,
    counts,
    dense,
    make_anndata,
    make_mudata,
    read,
    write,
)
from tests.unit.registry.tenx_sources import write_h5

MATCH = RegistrationOptions(match_barcodes=True)
BARCODES = ["".join("ACGT"[n >> 2 * i & 3] for i in range(8)) * 2 for n in range(12)]


def part(names: list[str], n_vars: int = 3, prefix: str = "p", seed: int = 1) -> AnnData:
    obs = cells(len(names)).set_axis(pd.Index(names))
    return make_anndata(csr_matrix(counts(len(names), n_vars, seed)), prefix=prefix, obs=obs)


def files(tmp_path: Path, rna: list[str], adt: list[str], order: int = -1) -> dict[str, Path]:
    """RNA and proteins of the same cells, the proteins in another order."""
    return {
        "rna": write(part(rna, 7, "g", 0), tmp_path / "x_rna.h5ad"),
        "adt": write(part(adt)[::order].copy(), tmp_path / "x_adt.h5ad"),
    }


def each(change: Callable[[str], str]) -> list[str]:
    return [change(name) for name in BARCODES]


@pytest.mark.parametrize(
    ("rna", "adt"),
    [
        (lambda name: f"{name}-1", lambda name: name),
        (lambda name: name, lambda name: f"{name}-1"),
        (lambda name: f"{name}_rna", lambda name: f"{name}_adt"),
        (lambda name: f"{name}-1", lambda name: f"{name}.1"),
        (lambda name: f"sample1#{name}-1", lambda name: f"sample1_{name}-1"),
        (lambda name: f"sample1#{name}-1", lambda name: name),
        (lambda name: f"{name}-1", lambda name: f"s3_lane2_{name}"),
        (lambda name: name, lambda name: name.lower()),
        (lambda name: f"{name}-1_GSM1234", lambda name: f"{name}-1_GSM5678"),
        (lambda name: f"GEX_{name}", lambda name: f"ADT:{name}-1"),
        (
            lambda name: f"cell{BARCODES.index(name)}_rna",
            lambda name: f"cell{BARCODES.index(name)}",
        ),
        (lambda name: f"P1-{BARCODES.index(name)}", lambda name: f"{BARCODES.index(name)}"),
    ],
)
def test_names_that_differ_in_writing_are_shown_and_joined_if_asked(
    rna: Callable[[str], str], adt: Callable[[str], str], tmp_path: Path
) -> None:
    given = files(tmp_path, each(rna), each(adt))
    with pytest.raises(DatasetError, match="12 names of rna and adt agree but for") as refused:
        register(given)
    assert refused.value.remedy == "Join them with --match-barcodes."
    assert repr(each(rna)[0]) in str(refused.value) or repr(each(rna)[-1]) in str(refused.value)
    dataset = register(given, options=RegistrationOptions(match_barcodes=True, batch_key="donor"))
    after = read(dataset)
    assert after.obs_names.tolist() == each(rna)
    np.testing.assert_array_equal(dense(after["rna"]), counts())
    np.testing.assert_array_equal(dense(after["adt"]), counts(12, 3, 1))
    assert after.obs["donor"].tolist() == cells()["donor"].tolist()
    assert [note for note in dataset.record.notes if note.startswith("matched: 12 names")]


def test_within_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal's option, followed, joins; without it neither choice makes twice the cells."""
    data = make_mudata(
        rna=part(each(lambda name: f"{name}-1"), 7, "g", 0), adt=part(BARCODES)[::-1].copy()
    )
    path = str(write(data, tmp_path / "a.h5mu"))
    for words in ([], ["--intersect"], ["--mosaic"]):
        assert main(["register", path, *words]) == 3
        assert "Join them with --match-barcodes." in capsys.readouterr().err
    assert main(["register", path, "--match-barcodes", "--batch-key", "donor"]) == 0
    after = read(find_dataset("a"))
    assert after.obs_names.tolist() == each(lambda name: f"{name}-1")
    np.testing.assert_array_equal(dense(after["adt"]), counts(12, 3, 1))


def test_what_obs_says_under_either_name_is_kept(tmp_path: Path) -> None:
    data = make_mudata(
        rna=part(each(lambda name: f"{name}-1"), 7, "g", 0)[:, :], adt=part(BARCODES)
    )
    for modality in data.mod.values():
        modality.obs = modality.obs[[]]
    data.obs = pd.DataFrame(index=data.obs_names)
    data.obs["from_adt"] = pd.Categorical(
        [None if name.endswith("-1") else name[:3] for name in data.obs_names]
    )
    data.obs["both"] = ["r" if name.endswith("-1") else "a" for name in data.obs_names]
    path = write(data, tmp_path / "a.h5mu")
    options = RegistrationOptions(match_barcodes=True, batch_key="from_adt")
    dataset = register(path, options=options, home=tmp_path / "home")
    assert read(dataset).obs["from_adt"].tolist() == [name[:3] for name in BARCODES]
    assert [note for note in dataset.record.notes if "columns both of obs" in note]


def test_some_cells_in_one_modality_only(tmp_path: Path) -> None:
    given = files(tmp_path, each(lambda name: f"{name}-1"), BARCODES[:9])
    with pytest.raises(DatasetError, match="9 names of rna and adt agree") as refused:
        register(given)
    assert "Join them with --match-barcodes, and drop the 3 cells" in str(refused.value.remedy)
    both = RegistrationOptions(match_barcodes=True, intersect=True)
    paired = read(register(given, options=both))
    np.testing.assert_array_equal(dense(paired["adt"]), counts(9, 3, 1))
    np.testing.assert_array_equal(dense(paired["rna"]), counts()[:9])
    mosaic = RegistrationOptions(match_barcodes=True, mosaic=True)
    assert register(given, options=mosaic, slug="m").record.lacking == {"adt": 3}
    with pytest.raises(DatasetError, match="do not have the same cells: 3 of 12"):
        register(given, options=MATCH, slug="n")


def test_a_choice_that_passes_over_cells_says_so(tmp_path: Path) -> None:
    """Three cells agree to the letter: --intersect keeps them, and tells of the other nine."""
    names = [f"{name}-1" if place < 3 else name for place, name in enumerate(BARCODES)]
    given = files(tmp_path, each(lambda name: f"{name}-1"), names)
    dataset = register(given, options=RegistrationOptions(intersect=True))
    assert dataset.record.n_obs == 3
    assert [note for note in dataset.record.notes if "--match-barcodes joins them" in note]


def test_a_barcode_of_two_lanes_is_joined_with_neither(tmp_path: Path) -> None:
    lanes = [f"lane{number}_{name}" for number in (1, 2) for name in BARCODES]
    given = files(tmp_path, lanes, BARCODES)
    with pytest.raises(DatasetError, match="No cell has all") as refused:
        register(given)
    assert "--match-barcodes" not in str(refused.value.remedy)
    with pytest.raises(DatasetError, match="two cells of rna, would be one") as refused:
        register(given, options=MATCH)
    assert "'lane1_AAAAAAAAAAAAAAAA' and 'lane2_AAAAAAAAAAAAAAAA'" in str(refused.value)


def test_lanes_written_in_two_ways_are_joined_lane_by_lane(tmp_path: Path) -> None:
    lanes = [f"lane{number}#{name}-1" for number in (1, 2) for name in BARCODES]
    given = files(tmp_path, lanes, [name.replace("#", "_") for name in lanes])
    after = read(register(given, options=MATCH))
    assert after.obs_names.tolist() == lanes
    np.testing.assert_array_equal(dense(after["adt"]), counts(24, 3, 1))


def test_names_that_have_nothing_in_common(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides are shown, and each modality can be registered alone as told."""
    others = [f"{name[::-1]}" for name in each(lambda name: f"TTTTTTTT{name}")]
    given = files(tmp_path, BARCODES, others)
    with pytest.raises(DatasetError, match="can't be matched"):
        register(given, options=MATCH)
    named = [f"{name}={path}" for name, path in given.items()]
    assert main(["register", *named]) == 3
    said = capsys.readouterr().err
    assert f"{BARCODES[0]!r} in rna and" in said
    assert "--without adt for rna, --without rna for adt" in said
    assert main(["register", *named, "--without", "adt", "--slug", "one"]) == 0
    assert main(["register", *named, "--without", "rna", "--slug", "two"]) == 0
    assert read(find_dataset("two"))["adt"].obs_names.tolist() == others[::-1]


def test_few_barcodes_that_agree_by_chance_are_no_relation() -> None:
    names = [f"{number:016b}".replace("0", "A").replace("1", "C") for number in range(1000)]
    other = [f"{name}-2" for name in names[:60]] + [name.replace("A", "G") for name in names[60:]]
    found, ambiguous = recognise({"rna": pd.Index(names), "adt": pd.Index(other)})
    assert not found
    assert not ambiguous


def test_three_modalities_are_each_joined_to_an_earlier_one(tmp_path: Path) -> None:
    given = files(tmp_path, each(lambda name: f"{name}-1"), each(lambda name: f"s#{name}-1"))
    given["atac"] = write(part(BARCODES, 4, "chr", 2), tmp_path / "x_atac.h5ad")
    after = read(register(given, options=MATCH))
    assert after.obs_names.tolist() == each(lambda name: f"{name}-1")
    np.testing.assert_array_equal(dense(after["atac"]), counts(12, 4, 2))
    np.testing.assert_array_equal(dense(after["adt"]), counts(12, 3, 1))


def lane(number: int, n_vars: int, prefix: str, *, column: str = "lane") -> AnnData:
    found = part(BARCODES, n_vars, prefix, seed=10 * number + n_vars)
    found.obs = found.obs[["donor"]].assign(**{column: f"L{number}"})
    return found


def two_lanes(*, column: str = "lane") -> tuple[AnnData, AnnData]:
    """The same barcodes in both lanes; the proteins hold the lanes the other way round."""
    return (
        concat([lane(1, 7, "g", column=column), lane(2, 7, "g", column=column)]),
        concat([lane(2, 3, "p", column=column), lane(1, 3, "p", column=column)]),
    )


def follow(remedy: str) -> None:
    """Run the command that a message ends with."""
    commands = remedy[remedy.index("python -c ") :].split(" && ")
    for command in commands:
        program, option, code = shlex.split(command)
        assert (program, option) == ("python", "-c")
        exec(code, {})  # noqa: S102 - a process of its own would load anndata anew


def check_lanes(words: list[str]) -> None:
    """The RNA and the proteins of a cell are of the same lane."""
    assert main(["register", *words, "--batch-key", "lane", "--slug", "named"]) == 0
    after = read(find_dataset("named"))
    assert after.n_obs == 24
    for number in (1, 2):
        names = [f"L{number}_{name}" for name in BARCODES]
        assert set(after.obs.loc[names, "lane"]) == {f"L{number}"}
        for name, n_vars in (("rna", 7), ("adt", 3)):
            expected = counts(12, n_vars, 10 * number + n_vars)
            np.testing.assert_array_equal(dense(after[name][names]), expected)


@pytest.mark.filterwarnings("ignore")
def test_repeated_names_in_lanes_of_another_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rna, adt = two_lanes()
    path = write(MuData({"rna": rna, "adt": adt}), tmp_path / "it's $HOME.h5mu")
    assert main(["register", str(path)]) == 3
    said = capsys.readouterr().err
    assert "12 cells more than once" in said
    assert "The column 'lane' tells them apart" in said
    assert "make_unique" not in said
    follow(said)
    check_lanes([str(tmp_path / "it's $HOME_named.h5mu")])


@pytest.mark.filterwarnings("ignore")
def test_repeated_names_in_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rna, adt = two_lanes()
    given = [
        f"rna={write(rna, tmp_path / 'a.h5ad')}",
        f"adt={write(adt, tmp_path / 'b.h5ad')}",
    ]
    assert main(["register", *given]) == 3
    said = capsys.readouterr().err
    follow(said)
    told = said[said.index("--input ") : said.index(": python")]
    check_lanes(shlex.split(told))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("hide", ["no column", "another column in each", "a column that differs"])
def test_repeated_names_that_nothing_tells_apart(hide: str, tmp_path: Path) -> None:
    rna, adt = two_lanes()
    if hide == "no column":
        rna.obs, adt.obs = rna.obs[["donor"]], adt.obs[["donor"]]
    elif hide == "another column in each":
        adt.obs = adt.obs.rename(columns={"lane": "well"})
    else:
        adt.obs["lane"] = adt.obs["lane"].map({"L1": "1", "L2": "2"})
    path = write(MuData({"rna": rna, "adt": adt}), tmp_path / "a.h5mu")
    with pytest.raises(DatasetError, match="more than once") as refused:
        register(path)
    assert "can't be known from this file" in str(refused.value.remedy)
    assert "python" not in str(refused.value.remedy)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("told_apart", [True, False])
def test_repeated_names_in_one_table(told_apart: bool, tmp_path: Path) -> None:
    """Both kinds are in one row, so that any new names are right; a column makes better ones."""
    data = concat([lane(1, 7, "g"), lane(2, 7, "g")])
    data.var["feature_types"] = ["Gene Expression"] * 4 + ["Antibody Capture"] * 3
    if not told_apart:
        data.obs = data.obs[["donor"]]
    path = write(data, tmp_path / "a.h5ad")
    with pytest.raises(DatasetError, match="12 cells more than once") as refused:
        register(path)
    assert ("'lane'" in str(refused.value.remedy)) == told_apart
    follow(str(refused.value.remedy))
    after = read(register(tmp_path / "a_named.h5ad"))
    assert after.n_obs == 24
    assert ("L2_" + BARCODES[0] in after.obs_names) == told_apart
    both = np.vstack([counts(12, 7, 17), counts(12, 7, 27)])
    np.testing.assert_array_equal(dense(after["rna"]), both[:, :4])
    np.testing.assert_array_equal(dense(after["adt"]), both[:, 4:])


def write_zarr(data: AnnData | MuData, path: Path) -> Path:
    data.write_zarr(path)
    return path


def write_tenx(data: AnnData, path: Path) -> Path:
    """A file of Cell Ranger, or a folder where the name has no suffix."""
    values, kinds = dense(data), [*data.var["feature_types"]]
    if path.suffix:
        write_h5(path, kinds, values)
        with h5py.File(path, "r+") as file:
            del file["matrix/barcodes"]
            file["matrix/barcodes"] = np.array([*data.obs_names], dtype="S")
        return path
    path.mkdir()
    with gzip.open(path / "matrix.mtx.gz", "wb") as stream:
        mmwrite(cast("IO[bytes]", stream), csr_array(values.T.astype(int)))
    lines = {
        "barcodes": data.obs_names,
        "features": [f"E{i}\t{name}\t{kinds[i]}" for i, name in enumerate(data.var_names)],
    }
    for name, found in lines.items():
        with gzip.open(path / f"{name}.tsv.gz", "wt") as text:
            text.writelines(f"{line}\n" for line in found)
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["it's.zarr", "cells.h5", "cells"])
def test_repeated_names_in_one_table_of_other_formats(name: str, tmp_path: Path) -> None:
    data = concat([lane(1, 7, "g"), lane(2, 7, "g")])
    data.var["feature_types"] = ["Gene Expression"] * 4 + ["Antibody Capture"] * 3
    data.obs = data.obs[["donor"]]
    make = write_zarr if name.endswith("zarr") else write_tenx
    path = make(data, tmp_path / name)
    with pytest.raises(DatasetError, match="12 cells more than once") as refused:
        register(path)
    remedy = str(refused.value.remedy)
    follow(remedy)
    target = shlex.split(remedy[remedy.index("register ") : remedy.index(": python")])[1]
    after = read(register(Path(target)))
    both = np.vstack([counts(12, 7, 17), counts(12, 7, 27)])
    np.testing.assert_array_equal(dense(after["rna"]), both[:, :4])
    np.testing.assert_array_equal(dense(after["adt"]), both[:, 4:])


@pytest.mark.filterwarnings("ignore")
def test_repeated_names_in_a_store_of_mudata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rna, adt = two_lanes()
    path = write_zarr(MuData({"rna": rna, "adt": adt}), tmp_path / "a.zarr")
    assert main(["register", str(path)]) == 3
    follow(capsys.readouterr().err)
    check_lanes([str(tmp_path / "a_named.h5mu")])


@pytest.mark.filterwarnings("ignore")
def test_repeated_names_in_an_object_are_told_without_a_path(tmp_path: Path) -> None:
    data = concat([lane(1, 7, "g"), lane(2, 7, "g")])
    with pytest.raises(DatasetError, match="12 cells more than once") as refused:
        register_object(data, slug="a", home=tmp_path)
    assert str(tmp_path) not in str(refused.value.remedy)
    assert str(refused.value.remedy).endswith("name the cells by it, and register it again.")
