"""What can't be registered: a clear error, and nothing is left over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csc_matrix, csr_matrix

from multiverse.errors import DatasetError, UsageError
from multiverse.registry.datasets import list_datasets
from multiverse.registry.registration import RegistrationOptions, register
from tests.unit.registry.registry_sources import (
    counts,
    edited,
    make_anndata,
    make_mudata,
    write,
)


def refused(source: Path, options: RegistrationOptions | None = None) -> DatasetError:
    """The error; fails where registration succeeds or leaves something."""
    home = source.parent / "home"
    with pytest.raises(DatasetError) as failure:
        register(source, slug="bad", options=options or RegistrationOptions(), home=home)
    left = [path for path in home.rglob("*") if path.suffix != ".lock" and path.name != "datasets"]
    assert left == []
    assert list_datasets(home) == ()
    assert "\n" not in str(failure.value)
    return failure.value


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in str(refused(tmp_path / "none.h5ad"))


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="does not exist"):
        register(tmp_path / "file" / "x.h5ad", home=tmp_path / "home")


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").mkdir()
    assert "is a folder" in str(refused(tmp_path / "a.h5ad"))


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5ad")
    assert "not a regular file" in str(refused(tmp_path / "a.h5ad"))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").touch()
    assert "is empty" in str(refused(tmp_path / "a.h5ad"))


def test_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").symlink_to("nowhere")
    assert "does not exist" in str(refused(tmp_path / "a.h5ad"))


@pytest.mark.parametrize("content", [b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_a_file_that_is_not_hdf5(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.h5mu").write_bytes(content)
    assert "not an HDF5 file, or is damaged" in str(refused(tmp_path / "a.h5mu"))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file(share: float, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * share)])
    assert "is cut off" in str(refused(source))


FLIP_BYTES = """
import collections, os, sys
from pathlib import Path
import numpy as np
from multiverse.errors import DatasetError
from multiverse.registry.registration import register

good, folder = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
random = np.random.default_rng(0)
outcomes = collections.Counter()
for trial in range(100):
    content = bytearray(good)
    for place in random.integers(0, len(content), 40):
        content[place] ^= int(random.integers(1, 256))
    source = folder / f"t{trial}.h5ad"
    source.write_bytes(content)
    child = os.fork()
    if not child:
        try:
            register(source, home=folder / "home")
        except DatasetError:
            os._exit(3)
        except BaseException:
            os._exit(4)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    outcomes["crashed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)] += 1
    if status:
        assert not (folder / "home" / "datasets" / f"t{trial}" / "current").exists()
print(outcomes[0], outcomes[3], outcomes[4], outcomes["crashed"])
"""


def test_flipped_bytes_end_in_an_error_or_a_success(tmp_path: Path) -> None:
    """In processes of their own: a broken file can crash the HDF5 library itself, if rarely."""
    source = write(make_anndata(), tmp_path / "a.h5ad")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FLIP_BYTES, str(source), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    succeeded, errors, surprised, crashed = map(int, ended.stdout.split())
    assert surprised == 0
    assert crashed <= 2
    assert errors > 50
    assert succeeded + errors + crashed == 100


def test_hdf5_that_is_neither_anndata_nor_mudata(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["matrix/data"] = [1, 2]
    assert "neither AnnData nor MuData" in str(refused(tmp_path / "a.h5ad"))


@pytest.mark.parametrize(("shape", "what"), [((0, 5), "cells"), ((5, 0), "features")])
def test_nothing_in_it(shape: tuple[int, int], what: str, tmp_path: Path) -> None:
    data = make_anndata(csr_matrix(np.zeros(shape, dtype=np.float32)))
    assert f"has no {what}" in str(refused(write(data, tmp_path / "a.h5ad")))


def test_only_zeros(tmp_path: Path) -> None:
    data = make_anndata(csr_matrix(np.zeros((4, 3), dtype=np.float32)))
    assert "no count at all" in str(refused(write(data, tmp_path / "a.h5ad")))


def test_no_matrix(tmp_path: Path) -> None:
    data = make_anndata()
    del data.X
    assert "has no matrix" in str(refused(write(data, tmp_path / "a.h5ad")))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.5, "is not a whole number"),
        (-1, "is negative"),
        (np.nan, "is missing (NaN)"),
        (np.inf, "is not a finite number"),
        (2**24 + 2, "more than float32 can hold"),
    ],
)
@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, np.asarray])
def test_values_that_are_no_counts(value: float, problem: str, kind: Any, tmp_path: Path) -> None:
    values = counts().astype(np.float64)
    values[7, 4] = value
    data = make_anndata()
    data.X = kind(values)
    data.layers["smoothed"] = data.X.copy()
    error = refused(write(data, tmp_path / "a.h5ad"))
    assert problem in str(error)
    assert "'cell7'" in str(error)
    assert "'g4'" in str(error)
    assert "smoothed" not in str(error.remedy)  # it holds no counts either


def test_negative_integers(tmp_path: Path) -> None:
    data = make_anndata()
    data.X = csr_matrix(-counts().astype(np.int32))
    assert "is negative" in str(refused(write(data, tmp_path / "a.h5ad")))


def test_normalised_values_everywhere_are_all_named(tmp_path: Path) -> None:
    data = make_anndata(csr_matrix(counts() * 0.5))
    data.raw = data.copy()
    data.layers["counts"] = data.X.copy()
    error = str(refused(write(data, tmp_path / "a.h5ad")))
    assert [place in error for place in ("in X,", "in layers['counts'],", "in raw,")] == [True] * 3


def test_a_named_layer_that_is_no_counts_does_not_fall_back(tmp_path: Path) -> None:
    data = make_anndata()
    data.layers["logs"] = data.X.log1p()
    error = refused(write(data, tmp_path / "a.h5ad"), RegistrationOptions(layer="logs"))
    assert "in layers['logs']" in str(error)
    assert "in X" not in str(error)


def test_a_layer_that_is_not_there(tmp_path: Path) -> None:
    data = make_anndata()
    data.layers["umi"] = data.X.copy()
    error = refused(write(data, tmp_path / "a.h5ad"), RegistrationOptions(layer="umis"))
    assert "'umi'" in str(error) or "umi" in str(error.remedy)


def test_repeated_cell_names(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs_names = ["a", "b", "b", "c", "d", "b", *"efghij"]
    error = refused(write(data, tmp_path / "a.h5ad"))
    assert "2 cells more than once" in str(error)
    assert "'b'" in str(error)


@pytest.mark.parametrize("name", ["donr", "nothing like it"])
@pytest.mark.parametrize("which", ["batch_key", "label_key"])
def test_a_missing_column(which: str, name: str, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    error = refused(source, RegistrationOptions(**{which: name}))  # type: ignore[arg-type]
    assert f"{which.removesuffix('_key')} column {name!r}" in str(error)
    assert all(column in str(error.remedy) for column in ("donor", "cell_type", "age"))
    assert ("did you mean 'donor'" in str(error)) == (name == "donr")


def test_cells_without_a_batch(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["donor"] = ["a", None, None, "b"] * 3
    error = refused(write(data, tmp_path / "a.h5ad"), RegistrationOptions(batch_key="donor"))
    assert "6 of 12 cells have no value" in str(error)


def test_no_cell_has_a_label(tmp_path: Path) -> None:
    data = make_anndata()
    data.obs["cell_type"] = "unknown"
    options = RegistrationOptions(label_key="cell_type", unlabelled=("unknown",))
    assert "No cell has a label" in str(refused(write(data, tmp_path / "a.h5ad"), options))


def test_a_batch_that_differs_between_modalities(tmp_path: Path) -> None:
    data = make_mudata()
    data.obs = pd.DataFrame(index=data.obs_names)
    data["rna"].obs["donor"] = ["a", "b"] * 6
    data["adt"].obs["donor"] = ["a", "c"] * 6
    error = refused(write(data, tmp_path / "a.h5mu"), RegistrationOptions(batch_key="donor"))
    assert "rna:donor and adt:donor" in str(error)


@pytest.mark.parametrize(
    "options",
    [
        RegistrationOptions(batch_key="donor", label_key="donor"),
        RegistrationOptions(modality_names={"X": "protein"}),
        RegistrationOptions(unlabelled=("unknown",)),
    ],
)
def test_options_that_contradict_each_other(options: RegistrationOptions, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    with pytest.raises(UsageError):
        register(source, options=options, home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("slug", ["../x", "a b", "a'; echo x", '"', "x" * 300, "", "A"])
def test_bad_slugs_write_nothing(slug: str, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    with pytest.raises(UsageError, match="is not a slug"):
        register(source, slug=slug, home=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_modalities_that_nothing_is_known_of(tmp_path: Path) -> None:
    source = write(
        make_mudata(hto=make_anndata(), foo=make_anndata(prefix="f")), tmp_path / "a.h5mu"
    )
    error = refused(source)
    assert "'foo', 'hto'" in str(error)
    assert "--modality foo=rna" in str(error.remedy)


def test_two_modalities_of_one_kind(tmp_path: Path) -> None:
    source = write(
        make_mudata(rna=make_anndata(), gex=make_anndata(prefix="f")), tmp_path / "a.h5mu"
    )
    assert "Both 'gex' and 'rna' stand for rna" in str(refused(source))


@pytest.mark.parametrize("kind", ["h5ad", "h5mu"])
def test_a_modality_that_is_not_there(kind: str, tmp_path: Path) -> None:
    data = make_anndata() if kind == "h5ad" else make_mudata()
    options = RegistrationOptions(modality_names={"rnaa": "rna"})
    assert "'rnaa'" in str(refused(write(data, tmp_path / f"a.{kind}"), options))


def test_cells_that_only_one_modality_has(tmp_path: Path) -> None:
    data = make_mudata(rna=make_anndata(), adt=make_anndata(prefix="p")[:9].copy())
    error = refused(write(data, tmp_path / "a.h5mu"))
    assert "3 of 12 cells have no adt" in str(error)


def test_no_cell_in_common(tmp_path: Path) -> None:
    adt = make_anndata(prefix="p")
    adt.obs_names = [f"other{i}" for i in range(12)]
    source = write(make_mudata(rna=make_anndata(), adt=adt), tmp_path / "a.h5mu")
    assert "No cell has all" in str(refused(source, RegistrationOptions(intersect=True)))


def replace(path: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        attributes = dict(file[path].attrs) if path in file else {}
        del file[path]
        file[path] = value
        file[path].attrs.update(attributes)

    return change


def put(path: str, position: Any, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[path][position] = value

    return change


def huge(path: str, shape: tuple[int, ...], dtype: str) -> Callable[[h5py.File], None]:
    """A dataset that declares far more than the file holds."""

    def change(file: h5py.File) -> None:
        attributes = dict(file[path].attrs)
        del file[path]
        made = file.create_dataset(path, shape=shape, dtype=dtype, chunks=(1000,) * len(shape))
        made.attrs.update(attributes)

    return change


def huge_but_consistent(file: h5py.File) -> None:
    """10¹² cells, as far as the shapes tell."""
    huge("X/indptr", (10**12 + 1,), "i8")(file)
    file["X"].attrs["shape"] = (10**12, 7)
    huge("obs/_index", (10**12,), h5py.string_dtype())(file)


HOSTILE: dict[str, Callable[[h5py.File], None]] = {
    "pointer falls": put("X/indptr", 3, 0),
    "pointer beyond the data": put("X/indptr", -1, 10**9),
    "pointer is negative": put("X/indptr", 0, -5),
    "pointer overflows": put("X/indptr", 1, 2**31 - 1),
    "index beyond the features": put("X/indices", 0, 7),
    "index is negative": put("X/indices", 0, -1),
    "data is shorter": replace("X/data", np.ones(3, dtype=np.float32)),
    "data is text": replace("X/data", ["a", "b"]),
    "data is complex": replace("X/data", np.ones(3, dtype=complex)),
    "indices are floats": replace("X/indices", np.ones(3)),
    "pointer is huge": huge("X/indptr", (10**13,), "i8"),
    "data is huge": huge("X/data", (10**13,), "f4"),
    "everything is huge": huge_but_consistent,
    "dense and huge": lambda file: (
        file.__delitem__("X"),
        file.create_dataset("X", (10**7, 10**7), "f4", chunks=(100, 100)),
    )[0],
    "shape lies": lambda file: file["X"].attrs.__setitem__("shape", (10**12, 10**12)),
    "shape is missing": lambda file: file["X"].attrs.__delitem__("shape"),
    "unknown matrix": lambda file: file["X"].attrs.__setitem__("encoding-type", "coo_matrix"),
    "X is text": replace("X", "hello"),
    "obs is missing": lambda file: file.__delitem__("obs"),
    "var is missing": lambda file: file.__delitem__("var/_index"),
    "obs is an array": replace("obs", np.zeros(3)),
    "obs of anndata 0.6": replace("obs", np.zeros(12, dtype=[("index", "S4"), ("n", "i4")])),
    "obs names an array of another length": replace("obs/age", np.ones(3)),
    "a category beyond all": put("obs/cell_type/codes", 0, 100),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path) -> None:
    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), HOSTILE[name])
    refused(source)


@pytest.mark.parametrize("encoding", ["from the future", "anndata", "awkward-array"])
def test_a_column_of_an_unknown_kind_is_left_out_unless_it_is_needed(
    encoding: str, tmp_path: Path
) -> None:
    def change(file: h5py.File) -> None:
        file["obs/age"].attrs["encoding-type"] = encoding

    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), change)
    error = refused(source, RegistrationOptions(label_key="age"))
    assert "'age' of /obs" in str(error)
    assert encoding in str(error)
    found = register(source, options=RegistrationOptions(), home=tmp_path / "home")
    assert any("'age'" in note and encoding in note for note in found.record.notes)


@pytest.mark.parametrize("path", ["X", "X/data", "obs", "obs/cell_type", "var", "layers", "raw"])
@pytest.mark.parametrize("kind", ["soft", "external"])
def test_links_are_not_followed(path: str, kind: str, tmp_path: Path) -> None:
    other = write(make_anndata(), tmp_path / "other.h5ad")
    link = h5py.SoftLink("/uns") if kind == "soft" else h5py.ExternalLink(str(other), path)

    def change(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file[path] = link

    data = make_anndata(csr_matrix(counts() * (0.5 if path in ("layers", "raw") else 1)))
    assert "link" in str(refused(edited(write(data, tmp_path / "a.h5ad"), change)))


def test_values_kept_in_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(84, dtype="f4").tobytes())

    def external(file: h5py.File) -> None:
        del file["X"]
        file.create_dataset("X", (12, 7), "f4", external=[(str(secret), 0, 336)])

    def virtual(file: h5py.File) -> None:
        del file["X"]
        layout = h5py.VirtualLayout((12, 7), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "X", (12, 7))
        file.create_virtual_dataset("X", layout)

    for number, change in enumerate((external, virtual)):
        source = edited(write(make_anndata(), tmp_path / f"{number}.h5ad"), change)
        assert "in another file" in str(refused(source))


def test_groups_that_contain_themselves(tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file["obs/loop"] = file["obs"]

    source = edited(write(make_anndata(), tmp_path / "a.h5ad"), change)
    assert "as in a circle" in str(refused(source))


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix])
def test_a_count_that_is_stored_twice(kind: Any, tmp_path: Path) -> None:
    twice = kind((np.array([1.0, 2, 3]), np.array([1, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    data = AnnData(
        csr_matrix(np.zeros((2, 2), dtype=np.float32)),
        obs=pd.DataFrame(index=["a", "b"]),
        var=pd.DataFrame(index=["x", "y"]),
    )
    data.X = twice
    assert "stored twice" in str(refused(write(data, tmp_path / "a.h5ad")))


def test_modalities_joined_by_features(tmp_path: Path) -> None:
    source = write(make_mudata(), tmp_path / "a.h5mu")
    edited(source, lambda file: file.attrs.__setitem__("axis", 1))
    assert "by features, not by cells" in str(refused(source))
