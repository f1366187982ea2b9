"""Layers, modalities and features that the user names, and options that change nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import mudata
import numpy as np
import pytest
from mudata import MuData
from scipy.sparse import csr_matrix

import multiverse
from multiverse.cli import run as run_command
from multiverse.cli.main import main
from multiverse.cli.parser import make_parser
from multiverse.errors import DatasetError, UsageError
from multiverse.registry.datasets import RegisteredDataset, find_dataset
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


def registered(
    data: MuData, place: Path, options: RegistrationOptions, slug: str = "a"
) -> RegisteredDataset:
    place.mkdir(exist_ok=True)
    return register(write(data, place / "a.h5mu"), slug=slug, options=options, home=place / "home")


def converted() -> MuData:
    """Counts lie in a layer of another name in each modality."""
    data = make_mudata()
    for name, layer in (("rna", "counts_RNA"), ("adt", "counts_ADT")):
        data[name].layers[layer] = data[name].X.copy()
        data[name].X = np.log1p(data[name].X.toarray())
    return data


def told(error: Exception | str, option: str) -> list[str]:
    """The option with all of its values, as a message tells it; the rest is prose."""
    text = str(getattr(error, "remedy", error))
    words = shlex.split(text[text.rindex(f"{option} ") :].replace("(or", "(").replace("–", "-"))
    values = []
    for word in words[1:]:
        if not re.fullmatch(r"[a-z]+=\S+|rna|adt|atac", word):
            break
        values.append(word)
    return [option, *values]


def test_each_refusal_names_the_layers_so_that_the_next_try_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write(converted(), tmp_path / "a.h5mu"))
    words = ["register", path]
    for _ in range(2):
        assert main(words) == 3
        words = ["register", path, *told(capsys.readouterr().err, "--layer")]
    assert words[2:] == ["--layer", "rna=counts_RNA", "adt=counts_ADT"]
    assert main(words) == 0
    dataset = find_dataset("a")
    np.testing.assert_array_equal(dense(read(dataset)["rna"]), counts())
    np.testing.assert_array_equal(dense(read(dataset)["adt"]), counts(12, 3, 1))
    for one, other in (("counts_ADT", "counts_RNA"), ("counts_RNA", "counts_ADT")):
        assert main(["register", path, "--layer", one]) == 3
        again = told(capsys.readouterr().err, "--layer")
        assert {*again[1:]} == {"rna=counts_RNA", "adt=counts_ADT"}, other
    assert main(["register", path, "--layer", "counts_RNA", "--layer", "counts_ADT"]) == 2
    assert told(capsys.readouterr().err, "--layer")[1:] == ["rna=counts_RNA", "adt=counts_ADT"]


def test_layers_by_the_names_of_the_source(tmp_path: Path) -> None:
    data = make_mudata()
    data = make_mudata(GEX=data["rna"], prot=data["adt"])
    data["prot"].layers["umi"] = csr_matrix(counts(12, 3, 5))
    options = RegistrationOptions(layer={"prot": "umi"})
    dataset = registered(data, tmp_path, options)
    np.testing.assert_array_equal(dense(read(dataset)["adt"]), counts(12, 3, 5))
    assert dataset.record.settings == {"layer": {"prot": "umi"}}
    both = RegistrationOptions(layer={"prot": "umi", "adt": "umi"})
    with pytest.raises(DatasetError, match="speaks twice of adt"):
        registered(data, tmp_path, both)
    with pytest.raises(DatasetError, match=r"no layer 'ums' in adt; did you mean 'umi'"):
        registered(data, tmp_path, RegistrationOptions(layer={"adt": "ums"}))
    with pytest.raises(DatasetError, match="there is no modality 'atac'; known: adt, rna"):
        registered(data, tmp_path, RegistrationOptions(layer={"atac": "umi"}))
    with pytest.raises(DatasetError, match="--layer speaks of prot, which --without leaves out"):
        registered(data, tmp_path, RegistrationOptions(layer={"prot": "umi"}, without=("prot",)))


def test_a_layer_that_is_what_would_be_taken_anyway(tmp_path: Path) -> None:
    data = make_mudata()
    data["rna"].layers["umi"] = data["rna"].X.copy()
    data["adt"].layers["umi"] = csr_matrix(counts(12, 3, 5))
    dataset = registered(data, tmp_path, RegistrationOptions(layer="umi"))
    assert "layer 'umi' has no effect for rna: X is the same" in dataset.record.notes
    assert not [note for note in dataset.record.notes if "for adt" in note]


@pytest.mark.parametrize("name", ["adt", "prot"])
def test_a_modality_is_left_out(name: str, tmp_path: Path) -> None:
    data = make_mudata()
    data = make_mudata(rna=data["rna"], prot=data["adt"])
    dataset = registered(data, tmp_path, RegistrationOptions(without=(name,)))
    assert list(dataset.record.modalities) == ["rna"]
    assert "left out, as asked: adt (3 features)" in dataset.record.notes
    np.testing.assert_array_equal(dense(read(dataset)["rna"]), counts())


def test_the_way_out_of_values_that_are_no_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_mudata()
    data["adt"].X = data["adt"].X.toarray() - 1.5
    path = str(write(data, tmp_path / "a.h5mu"))
    assert main(["register", path]) == 3
    assert main(["register", path, *told(capsys.readouterr().err, "--without")]) == 0
    assert list(find_dataset("a").record.modalities) == ["rna"]


def test_an_empty_modality_can_be_left_out(tmp_path: Path) -> None:
    data = make_mudata(
        rna=make_anndata(), adt=make_anndata(csr_matrix(np.zeros((12, 0), np.float32)), prefix="p")
    )
    with pytest.raises(DatasetError, match="adt has no features") as refused:
        registered(data, tmp_path, RegistrationOptions())
    option, name = told(refused.value, "--without")
    dataset = registered(data, tmp_path, RegistrationOptions(without=(name,)))
    assert option == "--without"
    assert list(dataset.record.modalities) == ["rna"]


def test_cells_that_only_the_left_out_modality_has_go_with_it(tmp_path: Path) -> None:
    names = cells().index
    adt = make_anndata(csr_matrix(counts(12, 3, 1)), prefix="p", obs=cells()[[]])
    data = make_mudata(rna=make_anndata(csr_matrix(counts(9)), obs=cells()[:9][[]]), adt=adt)
    dataset = registered(data, tmp_path, RegistrationOptions(without=("adt",)))
    assert read(dataset).obs_names.tolist() == names[:9].tolist()
    assert "3 cells were left out that only adt has" in dataset.record.notes


def test_what_can_not_be_left_out(tmp_path: Path) -> None:
    data = make_mudata()
    data = make_mudata(rna=data["rna"], adt=data["adt"], hto=make_anndata(prefix="h"))
    with pytest.raises(DatasetError, match="no modality 'atac' that could be left out"):
        registered(data, tmp_path, RegistrationOptions(without=("atac",)))
    with pytest.raises(DatasetError, match="Without rna and adt no modality is left"):
        registered(data, tmp_path, RegistrationOptions(without=("rna", "adt")))
    dataset = registered(data, tmp_path, RegistrationOptions(without=("hto",)))
    assert [note for note in dataset.record.notes if "without 'hto' has no effect" in note]


def with_hashtags() -> MuData:
    data = make_mudata()
    adt = make_anndata(csr_matrix(counts(12, 6, 1)), prefix="p", obs=cells()[[]])
    adt.var_names = ["CD3", "HTO1", "CD4", "HTO2", "IgG [x]", "HTO3"]
    return make_mudata(rna=data["rna"], adt=adt)


def test_features_are_left_out_by_patterns(tmp_path: Path) -> None:
    options = RegistrationOptions(exclude={"adt": ("HTO*", "IgG [x]")})
    dataset = registered(with_hashtags(), tmp_path, options)
    assert read(dataset)["adt"].var_names.tolist() == ["CD3", "CD4"]
    np.testing.assert_array_equal(dense(read(dataset)["adt"]), counts(12, 6, 1)[:, [0, 2]])
    assert (
        "adt: 4 features were left out, as asked: HTO1, HTO2, IgG [x], HTO3" in dataset.record.notes
    )
    assert dataset.record.settings == {"exclude": {"adt": ["HTO*", "IgG [x]"]}}


def test_features_of_an_h5ad_of_two_kinds_are_left_out(tmp_path: Path) -> None:
    data = make_anndata()
    data.var["feature_types"] = ["Gene Expression"] * 4 + ["Antibody Capture"] * 3
    path = write(data, tmp_path / "a.h5ad")
    options = RegistrationOptions(exclude={"adt": ("g5",), "Gene Expression": ("g[01]",)})
    after = read(register(path, options=options, home=tmp_path / "home"))
    np.testing.assert_array_equal(dense(after["rna"]), counts()[:, [2, 3]])
    np.testing.assert_array_equal(dense(after["adt"]), counts()[:, [4, 6]])


def test_patterns_that_match_nothing(tmp_path: Path) -> None:
    for pattern, problem, remedy in (
        ("hto*", "but for upper and lower case: HTO1, HTO2, HTO3", "as the features are written"),
        ("g*", "matches 'g*'; 7 features of rna do", "--exclude 'rna=g*'"),
        ("CD33", "did you mean 'CD3'", "CD3, HTO1, CD4, HTO2, IgG [x] and 1 more"),
    ):
        with pytest.raises(DatasetError, match=re.escape(problem)) as refused:
            registered(with_hashtags(), tmp_path, RegistrationOptions(exclude={"adt": (pattern,)}))
        assert remedy in str(refused.value.remedy)
    with pytest.raises(DatasetError, match="leaves no feature in adt") as refused:
        registered(with_hashtags(), tmp_path, RegistrationOptions(exclude={"adt": ("*",)}))
    assert told(refused.value, "--without") == ["--without", "adt"]


def test_features_that_only_raw_has_can_be_left_out(tmp_path: Path) -> None:
    data = make_anndata()
    data.raw = data.copy()
    data = data[:, :3].copy()
    data.X = np.log1p(data.X.toarray())
    options = RegistrationOptions(exclude={"rna": ("g6",)})
    dataset = register(write(data, tmp_path / "a.h5ad"), options=options, home=tmp_path / "home")
    np.testing.assert_array_equal(dense(read(dataset)["rna"]), counts()[:, :6])
    assert "rna: 1 features were left out, as asked: g6" in dataset.record.notes


def test_every_option_of_the_command_is_one_of_python(tmp_path: Path) -> None:
    path = str(write(with_hashtags(), tmp_path / "a.h5mu"))
    words = ["--exclude", "adt=HTO1", "--exclude", "adt=HTO2", "rna=g0", "--without", "atac"]
    given = run_command.read(
        make_parser().parse_args(["run", "--models", "pca", "--input", path, *words])
    )
    assert given.dataset == {
        "path": path, "without": ["atac"], "exclude": {"adt": ["HTO1", "HTO2"], "rna": ["g0"]}
    }  # fmt: skip
    one = multiverse.register(path, slug="one", exclude={"adt": "HTO*"}, without="rna")
    assert (
        main(["register", path, "--slug", "two", "--exclude", "adt=HTO*", "--without", "rna"]) == 0
    )
    two = find_dataset("two")
    assert one.record.fingerprint == two.record.fingerprint
    assert one.record.options_sha256 == two.record.options_sha256
    plain = RegistrationOptions().sha256()
    for options in (
        RegistrationOptions(without=("adt",)),
        RegistrationOptions(exclude={"adt": ("x",)}),
        RegistrationOptions(match_barcodes=True),
        RegistrationOptions(layer={"adt": "x"}),
    ):
        assert options.sha256() != plain


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mosaic": True}, "mosaic has no effect: all 12 cells have every modality"),
        ({"intersect": True}, "intersect has no effect: all 12 cells have every modality"),
        ({"modality_names": {"rna": "rna"}}, "modality rna=rna has no effect"),
        ({"match_barcodes": True}, "match_barcodes has no effect"),
        ({"label_key": "cell_type", "unlabelled": ("odd",)}, "unlabelled has no effect for 'odd'"),
    ],
)
def test_options_without_effect_say_so(
    options: dict[str, object], said: str, tmp_path: Path
) -> None:
    dataset = registered(make_mudata(), tmp_path, RegistrationOptions(**options))  # type: ignore[arg-type]
    assert [note for note in dataset.record.notes if said in note], dataset.record.notes


def test_a_name_that_tells_two_modalities_apart_has_an_effect(tmp_path: Path) -> None:
    data = make_mudata()
    data = make_mudata(adt=data["adt"], prot=make_anndata(prefix="q"))
    with pytest.raises(DatasetError, match="Both 'adt' and 'prot' stand for adt"):
        registered(data, tmp_path, RegistrationOptions())
    dataset = registered(data, tmp_path, RegistrationOptions(modality_names={"adt": "adt"}))
    assert not [note for note in dataset.record.notes if "no effect" in note]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batch-key", "a", "--batch-key", "b"], "--batch-key: is given twice, as a and as b"),
        (["--slug", "a", "--slug", "b"], "--slug: is given twice"),
        (["--modality", "x=rna", "--modality", "x=adt"], "--modality gives x two values"),
        (["--layer", "rna=a", "--layer", "rna=b"], "--layer gives rna two values"),
        (["--layer", "a", "rna=b"], "nothing says for which modality 'a' is"),
        (["--exclude", "HTO*"], "--exclude 'adt=HTO*'"),
    ],
)
def test_a_repeated_option_never_drops_a_value(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["register", "a.h5ad", *words]) == 2
    assert said in capsys.readouterr().err


def test_options_that_say_the_same_twice_are_one(small_h5ad: Path) -> None:
    words = ["run", "--models", "pca", "--models", "mofa", "--seeds", "1", "--seeds", "2",
             "--input", str(small_h5ad), "--batch-key", "donor", "--batch-key", "donor",
             "--output", "x", "--output", "x"]  # fmt: skip
    given = run_command.read(make_parser().parse_args(words))
    assert list(given.models) == ["pca", "mofa"]
    assert given.how.overrides.seeds == (1, 2)


def test_a_file_after_options_that_take_several_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["register", "--layer", "counts", "data.h5ad"]) == 2
    assert "with the file before the options" in capsys.readouterr().err


def test_python_says_what_is_wrong_with_a_setting(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not both"):
        multiverse.register("a.h5ad", options=RegistrationOptions(), without="adt")


@pytest.mark.filterwarnings("ignore")
def test_what_is_told_of_cells_that_obs_lacks_or_nothing_has(tmp_path: Path) -> None:
    data = make_mudata(
        rna=make_anndata(csr_matrix(counts(8)), obs=cells()[:8][[]]),
        adt=make_anndata(csr_matrix(counts(8, 3, 1)), prefix="p", obs=cells()[:8][[]]),
    )
    data.mod["rna"] = make_anndata(obs=cells()[[]])  # and no update()
    source = write(data, tmp_path / "a.h5mu")
    with pytest.raises(DatasetError, match=r"call .update\(\)|not in the file's") as refused:
        register(source)
    assert ".update(), and write it again" in str(refused.value.remedy)
    data = mudata.read_h5mu(source)
    data.update()
    data.write_h5mu(tmp_path / "again.h5mu")
    after = read(register(tmp_path / "again.h5mu", options=RegistrationOptions(mosaic=True)))
    np.testing.assert_array_equal(dense(after["rna"]), counts())
    names = cells().index
    data = make_mudata(
        rna=make_anndata(csr_matrix(counts(10)), obs=cells()[:10][[]]),
        adt=make_anndata(csr_matrix(counts(10, 3, 1)), prefix="p", obs=cells()[:10][[]]),
        hashtag=make_anndata(csr_matrix(counts(12, 2, 2)), prefix="h", obs=cells()[[]]),
    )
    with pytest.raises(DatasetError, match="2 of 12 cells") as refused:
        registered(data, tmp_path, RegistrationOptions(mosaic=True))
    assert "--intersect" in str(refused.value.remedy)
    dataset = registered(data, tmp_path, RegistrationOptions(intersect=True))
    assert read(dataset).obs_names.tolist() == names[:10].tolist()
