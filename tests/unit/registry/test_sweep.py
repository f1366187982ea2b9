"""Every kind of value that anndata, mudata and pandas have, in every place, in every form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import dask.array as dask
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from mudata import MuData
from scipy import sparse

from multiverse.errors import DatasetError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.objects import register_object
from multiverse.registry.registration import RegistrationOptions, register
from tests.unit.registry.registry_sources import counts, dense, make_anndata, make_mudata, read

N = 12
KEYS = RegistrationOptions(batch_key="donor", label_key="cell_type")
Form = Callable[[Any, Path], RegisteredDataset]


def as_object(data: Any, place: Path) -> RegisteredDataset:
    return register_object(data, slug="x", options=KEYS, home=place / "home")


def as_file(data: Any, place: Path) -> RegisteredDataset:
    path = place / ("a.h5mu" if isinstance(data, MuData) else "a.h5ad")
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        data.write(path)
    return register(path, slug="x", options=KEYS, home=place / "home")


def as_store(data: Any, place: Path) -> RegisteredDataset:
    with warnings.catch_warnings(), ad.settings.override(allow_write_nullable_strings=True):
        warnings.simplefilter("ignore")
        data.write_zarr(place / "a.zarr")
    return register(place / "a.zarr", slug="x", options=KEYS, home=place / "home")


FORMS = (as_object, as_file, as_store)
#: Columns by kind: values as they are put in, and the text that is to be registered of each.
TEXTS = ["a", "b", "", "é", "a", "b", "nan", "None", "x/y", "'; echo", "<b>", "z" * 300]
COLUMNS: dict[str, tuple[Any, list[str | None]]] = {
    "text": (TEXTS, list(TEXTS)),
    "text with missing": ([None, *TEXTS[1:]], [None, *TEXTS[1:]]),
    "categories": (pd.Categorical(TEXTS), list(TEXTS)),
    "categories with missing": (pd.Categorical([None, *TEXTS[1:]]), [None, *TEXTS[1:]]),
    "ordered": (pd.Categorical(["lo", "hi"] * 6, ["lo", "hi"], ordered=True), ["lo", "hi"] * 6),
    "numbers as categories": (pd.Categorical([3, 1] * 6), ["3", "1"] * 6),
    "new strings": (pd.array(["a", None] * 6, dtype="string"), ["a", None] * 6),
    "nullable integers": (pd.array([1, None] * 6, dtype="Int64"), ["1", None] * 6),
    "nullable booleans": (pd.array([True, None] * 6, dtype="boolean"), ["True", None] * 6),
    "nullable floats": (pd.array([1.5, None] * 6, dtype="Float64"), ["1.5", None] * 6),
    "int8": (np.arange(N, dtype="i1"), [str(i) for i in range(N)]),
    "uint64": (np.full(N, 2**63, dtype="u8"), [str(2**63)] * N),
    "bool": ([True, False] * 6, ["True", "False"] * 6),
    "float16": (np.full(N, 0.5, dtype="f2"), ["0.5"] * N),
    "NaN": ([1.5, np.nan] * 6, ["1.5", None] * 6),
    "bytes": ([b"a", b"b"] * 6, ["a", "b"] * 6),
    "dates": (pd.to_datetime(["2020-01-01", "2021-02-03"] * 6), ["2020-01-01", "2021-02-03"] * 6),
    "dates of a zone": (
        pd.to_datetime(["2020-01-01"] * N).tz_localize("UTC"), ["2020-01-01"] * N
    ),
    "durations": (pd.to_timedelta([1, 2] * 6, unit="D"), ["1 day", "2 day"] * 6),
    "periods": (pd.period_range("2020-01", periods=N, freq="M"), ["2020-"] * N),
    "intervals": (pd.cut(np.arange(N), 2), ["(", "("] * 6),
    "complex": (np.full(N, 1 + 2j), ["(1+2j)"] * N),
    "sparse": (pd.arrays.SparseArray([0, 1] * 6), ["0", "1"] * 6),
    "mixed": ([1, "a", 2.5, None] * 3, ["1", "a", "2.5", None] * 3),
}  # fmt: skip
#: What their libraries write to no file.
ONLY_OBJECTS = {
    "nullable floats", "dates", "dates of a zone", "durations", "periods", "intervals",
    "complex", "sparse", "mixed", "bytes",
}  # fmt: skip


def labels_of(dataset: RegisteredDataset) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        obs: pd.DataFrame = read_h5ad(dataset.labels).obs
    return obs


def all_columns(kinds: list[str]) -> pd.DataFrame:
    obs: pd.DataFrame = make_anndata().obs
    for kind in kinds:
        obs[kind] = pd.Series(COLUMNS[kind][0], index=obs.index)
    return obs


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("multimodal", [False, True])
def test_columns_of_cells(
    form: Form, multimodal: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kinds = [kind for kind in COLUMNS if form is as_object or kind not in ONLY_OBJECTS]
    obs = all_columns(kinds)
    data: Any = make_mudata() if multimodal else make_anndata()
    if multimodal:
        data.obs = obs
    else:
        data.obs = obs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = form(data, tmp_path)
    assert not [note for note in dataset.record.notes if "left out" in note]
    found = labels_of(dataset)
    for kind in kinds:
        wanted = COLUMNS[kind][1]
        values = [None if pd.isna(value) else value for value in found[kind]]
        for value, text in zip(values, wanted, strict=True):
            assert (value is None) == (text is None), kind
            shown = str(int(value)) if isinstance(value, float) and value.is_integer() else value
            assert text is None or str(shown).startswith(text), (kind, value, text)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", COLUMNS)
def test_any_kind_is_a_batch_or_is_refused_by_its_name(kind: str, tmp_path: Path) -> None:
    data = make_anndata()
    values, wanted = COLUMNS[kind]
    data.obs["batch"] = pd.Series(values, index=data.obs.index)
    options = RegistrationOptions(batch_key="batch")
    if None in wanted:
        with pytest.raises(DatasetError, match="'batch'"):
            register_object(data, slug="x", options=options, home=tmp_path)
        return
    found = read(register_object(data, slug="x", options=options, home=tmp_path))
    for value, text in zip(found.obs["batch"], wanted, strict=True):
        assert str(value).startswith(str(text))


NAMES: dict[str, list[Any]] = {
    "slashes": ["G1/S", "a/b/c"],
    "numbers": [0, 1.5],
    "an empty name": [""],
    "paths": ["..", "/etc"],
    "long": ["x" * 3000],
    "unicode": ["α β", "名"],
    "a tuple": [("a", 1)],
    "None": [None],
    "the index's": ["_index"],
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_columns_of_objects(kind: str, tmp_path: Path) -> None:
    data = make_anndata()
    obs = data.obs.copy()
    for name in NAMES[kind]:
        obs[name] = np.arange(N)
    data._obs = obs  # what its setter refuses, notebooks have all the same
    dataset = as_object(data, tmp_path)
    told = " ".join(dataset.record.notes)
    found = labels_of(dataset)
    for name in NAMES[kind]:
        assert str(name) in found or repr(str(name)) in told
        if str(name) in found:
            assert list(found[str(name)]) == list(range(N))


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs = pd.concat([data.obs, data.obs[["age"]]], axis=1)
    with pytest.raises(DatasetError, match="'age'"):
        as_object(data, tmp_path)


@pytest.mark.parametrize("values", [[["x"]] * N, [{"a": 1}] * N, [np.ones(2)] * N])
def test_what_is_no_value_is_left_out_and_named(values: list[Any], tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["tags"] = pd.Series(values, index=data.obs_names)
    assert "'tags'" in " ".join(as_object(data, tmp_path).record.notes)
    with pytest.raises(DatasetError, match="'tags'"):
        register_object(
            data, slug="y", options=RegistrationOptions(label_key="tags"), home=tmp_path
        )


MATRICES: dict[str, Callable[[np.ndarray], Any]] = {
    "dense": lambda values: values,
    "column order": np.asfortranarray,
    "float16": lambda values: values.astype("f2"),
    "int64": lambda values: values.astype("i8"),
    "uint8": lambda values: values.astype("u1"),
    "bool": lambda values: values.astype(bool),
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "int32 csr": lambda values: sparse.csr_matrix(values.astype("i4")),
    "int64 indices": lambda values: wide(sparse.csr_matrix(values)),
    "masked": np.ma.MaskedArray,
    "matrix": np.matrix,
}


def wide(matrix: Any) -> Any:
    matrix.indices, matrix.indptr = matrix.indices.astype("i8"), matrix.indptr.astype("i8")
    return matrix


ELSEWHERE = ("csr_matrix", "csc_array", "int64", "dense")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kind", "place"),
    [*((kind, "X") for kind in MATRICES if kind not in ("masked", "matrix")),
     *((kind, place) for kind in ELSEWHERE for place in ("layer", "raw"))],
)  # fmt: skip
def test_matrices(kind: str, place: str, form: Form, tmp_path: Path) -> None:
    values = (counts() > 0).astype("f4") if kind == "bool" else counts()
    data = make_anndata()
    if place == "X":
        data.X = MATRICES[kind](values)
    elif place == "layer":
        data.X = None
        data.layers["counts"] = MATRICES[kind](values)
    else:
        full = make_anndata()
        full.X = MATRICES[kind](values)
        data.raw = full
        data.X = None
    found = read(form(data, tmp_path))
    np.testing.assert_array_equal(dense(found["rna"]), values)


@pytest.mark.parametrize("kind", ["masked", "matrix"])
def test_matrices_that_no_file_has(kind: str, tmp_path: Path) -> None:
    data = make_anndata()
    data.X = MATRICES[kind](counts())
    np.testing.assert_array_equal(dense(read(as_object(data, tmp_path))["rna"]), counts())


def views(data: AnnData) -> AnnData:
    return data[::-1][1:, ["g2", "g0", "g5", "g1"]]


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "dense"])
@pytest.mark.parametrize("backed", [False, True])
def test_views_and_backed_objects(kind: str, backed: bool, tmp_path: Path) -> None:
    data = make_anndata()
    data.X = MATRICES[kind](counts())
    if backed:
        data.write_h5ad(tmp_path / "b.h5ad")
        data = read_h5ad(tmp_path / "b.h5ad", backed="r")
    whole = read(as_object(data, tmp_path))
    np.testing.assert_array_equal(dense(whole["rna"]), counts())
    part = data[1:9]
    found = read(register_object(part, slug="part", options=KEYS, home=tmp_path))
    np.testing.assert_array_equal(dense(found["rna"]), counts()[1:9])
    assert part.is_view
    if not backed:
        view = views(data)
        found = read(register_object(view, slug="view", options=KEYS, home=tmp_path))
        np.testing.assert_array_equal(dense(found["rna"]), counts()[::-1][1:][:, [2, 0, 5, 1]])


def test_raw_of_a_view_is_that_of_its_cells(tmp_path: Path) -> None:
    data = make_anndata()
    data.raw = data.copy()
    data.X = data.X * 0.5
    view = data[::2, :3]
    found = read(register_object(view, slug="view", options=KEYS, home=tmp_path))
    np.testing.assert_array_equal(dense(found["rna"]), counts()[::2])


def test_an_object_is_not_changed(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["text"] = ["a", None] * 6
    before = data.obs.dtypes.copy()
    as_object(data, tmp_path)
    assert (data.obs.dtypes == before).all()
    assert list(data.uns) == []


def test_dask_is_computed_by_blocks(tmp_path: Path) -> None:
    data = make_anndata()
    data.X = dask.from_array(counts(), chunks=(3, 7))
    np.testing.assert_array_equal(dense(read(as_object(data, tmp_path))["rna"]), counts())
    data.X = dask.from_array(counts(), chunks=(3, 7)).map_blocks(sparse.csr_matrix)
    found = register_object(data, slug="y", options=KEYS, home=tmp_path)
    np.testing.assert_array_equal(dense(read(found)["rna"]), counts())


def test_surrogates_are_refused_by_name(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs.index = pd.Index(["\ud800", *data.obs_names[1:]], dtype=object)
    with pytest.raises(DatasetError, match="not text"):
        as_object(data, tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_no_matrix_anywhere_is_said(form: Form, tmp_path: Path) -> None:
    data = make_anndata()
    data.X = None
    with pytest.raises(DatasetError, match="has no matrix"):
        form(data, tmp_path)


def test_what_else_there_is_is_no_hindrance(tmp_path: Path) -> None:
    data = make_anndata()
    data.uns.update({"a": {"b": {"c": None, 1: "x"}}, "names": ["p", "q"], "f": print, "n/m": "x"})
    data.obsm["X_pca"] = np.ones((N, 2))
    data.obsm["frame"] = pd.DataFrame({"x/y": range(N)}, index=data.obs_names)
    data.obsm["s"] = sparse.csr_matrix(np.ones((N, 3)))
    data.obsp["distances"] = sparse.csr_matrix(np.ones((N, N)))
    assert as_object(data, tmp_path).record.n_obs == N
