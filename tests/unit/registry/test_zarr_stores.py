"""Zarr stores: read as the same file, and hostile ones contained."""

from __future__ import annotations

import json
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
import zarr
from anndata import AnnData
from mudata import MuData
from scipy.sparse import csc_matrix, csr_matrix

from multiverse.errors import DatasetError
from multiverse.registry.registration import RegistrationOptions, register
from multiverse.specs.benchmark import DatasetEntry
from tests.unit.registry.registry_sources import counts, make_anndata, make_mudata, write

OPTIONS = RegistrationOptions(batch_key="donor", label_key="cell_type")


def write_store(data: AnnData | MuData, path: Path, version: int = 3, **settings: Any) -> Path:
    with warnings.catch_warnings(), ad.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore")
        data.write_zarr(path, **settings)
    return path


def packed(folder: Path, target: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{inside}{path.relative_to(folder)}")
    return target


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, np.asarray, "mudata", "raw"])
def test_a_store_is_read_as_the_file_of_the_same_data(
    kind: Any, version: int, tmp_path: Path
) -> None:
    data = make_mudata() if kind == "mudata" else make_anndata()
    if kind == "raw":
        data.raw = data.copy()
        data.X = data.X * 0.5
    elif kind != "mudata":
        data.X = kind(counts())
    suffix = "h5mu" if kind == "mudata" else "h5ad"
    file = register(write(data, tmp_path / f"file.{suffix}"), options=OPTIONS, home=tmp_path / "h")
    store = write_store(data, tmp_path / "cells.zarr", version)
    found = register(store, options=OPTIONS, home=tmp_path / "h")
    assert found.record.slug == "cells"
    assert found.record.fingerprint == file.record.fingerprint
    assert found.record.labels_fingerprint == file.record.labels_fingerprint
    zipped = packed(store, tmp_path / "any name", "cells.zarr/" if version == 2 else "")
    again = register(zipped, options=OPTIONS, home=tmp_path / "h")
    assert again.record.fingerprint == file.record.fingerprint
    assert again.record.source_sha256 == found.record.source_sha256


def test_where_a_store_is_named(tmp_path: Path) -> None:
    store = write_store(make_anndata(), tmp_path / "My cells.zarr", 3)
    packed(store, tmp_path / "b.zarr.zip")
    assert register(tmp_path / "b.zarr.zip", home=tmp_path / "h").record.slug == "b"
    assert register(store, home=tmp_path / "h").record.slug == "my-cells"
    assert not DatasetEntry.is_slug("cells.zarr")
    assert not DatasetEntry.is_slug("cells.zarr.zip")


def recoded(store: Path, **settings: Any) -> Path:
    """The store with the values of X written anew with other codecs."""
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    for name in ("data", "indices", "indptr"):
        array = group[f"X/{name}"]
        values = array[...]
        group.create_array(f"X/{name}", data=values, overwrite=True, **settings)
    return store


CODECS: dict[str, dict[str, Any]] = {
    "sharded": {"shards": (40,), "chunks": (10,)},
    "small chunks": {"chunks": (7,)},
    "gzip": {"compressors": zarr.codecs.GzipCodec()},
    "blosc": {"compressors": zarr.codecs.BloscCodec(cname="zstd", shuffle="shuffle")},
    "zstd with a checksum": {
        "compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
    },
    "sharded and packed": {
        "shards": (40,), "chunks": (20,), "compressors": zarr.codecs.ZstdCodec(level=3),
    },
    "plain, big-endian": {"compressors": None, "serializer": zarr.codecs.BytesCodec(endian="big")},
}  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
def test_codecs_of_format_3(name: str, tmp_path: Path) -> None:
    plain = register(write(make_anndata(), tmp_path / "a.h5ad"), home=tmp_path / "h")
    store = recoded(write_store(make_anndata(), tmp_path / "cells.zarr"), **CODECS[name])
    found = register(store, home=tmp_path / "h")
    assert found.record.fingerprint == plain.record.fingerprint


@pytest.mark.parametrize("codec", ["zlib", "gzip", "lz4", "zstd", "blosc", None])
@pytest.mark.parametrize("order", ["C", "F"])
def test_codecs_of_format_2(codec: str | None, order: str, tmp_path: Path) -> None:
    import numcodecs

    plain = register(write(make_anndata(), tmp_path / "a.h5ad"), home=tmp_path / "h")
    data = make_anndata(np.asarray(counts()))
    store = write_store(data, tmp_path / "cells.zarr", 2)
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    chosen = None if codec is None else numcodecs.get_codec({"id": codec})
    attributes = dict(group["X"].attrs)
    array = group.create_array(
        "X", data=data.X, chunks=(5, 4), compressors=chosen, order=order, overwrite=True
    )
    array.attrs.update(attributes)
    found = register(store, home=tmp_path / "h")
    assert found.record.fingerprint == plain.record.fingerprint


def test_a_chunk_that_is_not_stored_is_zero(tmp_path: Path) -> None:
    values = counts()
    values[:6] = 0
    values[:6, 0] = 1
    data = make_anndata(np.asarray(values))
    plain = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "h")
    store = write_store(data, tmp_path / "cells.zarr")
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    array = group.create_array(
        "X", shape=values.shape, dtype="f4", chunks=(3, 2), fill_value=0, overwrite=True
    )
    array[...] = values
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    assert not (store / "X" / "c" / "0" / "1").exists()
    found = register(store, home=tmp_path / "h")
    assert found.record.fingerprint == plain.record.fingerprint


def edit_json(path: Path, **fields: Any) -> None:
    content = json.loads(path.read_text())
    content.update(fields)
    path.write_text(json.dumps(content))


def with_pickles(store: Path) -> None:
    edit_json(store / "obs/_index/.zarray", filters=[{"id": "pickle", "protocol": 5}])


def with_json_objects(store: Path) -> None:
    edit_json(store / "obs/_index/.zarray", filters=[{"id": "json2"}])


def with_a_pickling_compressor(store: Path) -> None:
    edit_json(store / "X/data/.zarray", compressor={"id": "pickle"})


def with_a_link(store: Path) -> None:
    chunk = store / "X/data/0"
    chunk.rename(store.parent / "outside")
    chunk.symlink_to(store.parent / "outside")


def with_a_link_nobody_reads(store: Path) -> None:
    (store / "beside").symlink_to("/etc")


def with_a_fifo(store: Path) -> None:
    (store / "X/data/0").unlink()
    os.mkfifo(store / "X/data/0")


def with_a_huge_chunk(store: Path) -> None:
    edit_json(store / "X/data/.zarray", shape=[2**40], chunks=[2**40])


def with_a_huge_shape(store: Path) -> None:
    edit_json(store / "obs/age/.zarray", shape=[2**45])


def with_a_bomb(store: Path) -> None:
    import zlib

    edit_json(store / "X/data/.zarray", compressor={"id": "zlib", "level": 9})
    (store / "X/data/0").write_bytes(zlib.compress(bytes(200 * 2**20), 9))


def with_a_blosc_bomb(store: Path) -> None:
    chunk = bytearray((store / "X/data/0").read_bytes())
    chunk[4:8] = (2**31 - 1).to_bytes(4, "little")
    (store / "X/data/0").write_bytes(chunk)


def with_too_many_texts(store: Path) -> None:
    edit_json(store / "obs/_index/.zarray", compressor=None)
    (store / "obs/_index/0").write_bytes((2**31).to_bytes(4, "little"))


def with_a_shape_that_is_none(store: Path) -> None:
    edit_json(store / "X/data/.zarray", shape=[-1])


def with_deep_json(store: Path) -> None:
    (store / ".zattrs").write_text("[" * 100_000)


def with_an_array_over_a_table(store: Path) -> None:
    shutil.copy(store / "X/data/.zarray", store / "obs/.zarray")


def with_an_index_elsewhere(store: Path) -> None:
    edit_json(store / "obs/.zattrs", _index="../var/_index")


def without_its_root(store: Path) -> None:
    for name in (".zgroup", ".zattrs", ".zmetadata"):
        (store / name).unlink(missing_ok=True)


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    function.__name__: (function, what)
    for function, what in (
        (with_pickles, "pickle"),
        (with_json_objects, "json2"),
        (with_a_pickling_compressor, "pickle"),
        (with_a_link, "link"),
        (with_a_link_nobody_reads, "link"),
        (with_a_fifo, "FIFO|pipe"),
        (with_a_huge_chunk, "chunk"),
        (with_a_huge_shape, "declares|values for"),
        (with_a_bomb, "more than"),
        (with_a_blosc_bomb, "declared"),
        (with_too_many_texts, "texts"),
        (with_a_shape_that_is_none, "no shape"),
        (with_deep_json, "JSON|record"),
        (with_an_array_over_a_table, "group or an array"),
        (with_an_index_elsewhere, "not in it"),
        (without_its_root, "hidden files"),
    )
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_stores_are_refused(name: str, tmp_path: Path) -> None:
    change, what = HOSTILE[name]
    store = write_store(make_anndata(), tmp_path / "cells.zarr", 2)
    change(store)
    with pytest.raises(DatasetError) as failure:
        register(store, options=OPTIONS, home=tmp_path / "h")
    assert any(word in f"{failure.value} {failure.value.remedy}" for word in what.split("|"))
    assert "\n" not in str(failure.value)
    assert not list((tmp_path / "h").rglob("data.h5mu"))
    assert not list((tmp_path / "h").rglob("store.h5"))


def test_a_codec_that_runs_code_is_never_loaded(tmp_path: Path) -> None:
    """A chunk of pickles, which would write a file if anything unpickled it."""
    import pickle

    class Writes:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    store = write_store(make_anndata(), tmp_path / "cells.zarr", 2)
    with_pickles(store)
    edit_json(store / "obs/_index/.zarray", compressor=None)
    (store / "obs/_index/0").write_bytes(pickle.dumps([Writes()]))
    with pytest.raises(DatasetError, match="pickle"):
        register(store, home=tmp_path / "h")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("member", ["obs/age", "obs/cell_type/categories"])
def test_a_column_that_is_not_unpacked_is_left_out_unless_it_is_needed(
    member: str, tmp_path: Path
) -> None:
    store = write_store(make_anndata(), tmp_path / "cells.zarr", 2)
    edit_json(store / member / ".zarray", filters=[{"id": "pickle"}])
    column = member.split("/")[1]
    found = register(store, home=tmp_path / "h").record
    assert any(f"'{column}'" in note and "pickle" in note for note in found.notes)
    options = RegistrationOptions(label_key=column)
    with pytest.raises(DatasetError, match=f"'{column}' of /obs"):
        register(store, slug="x", options=options, home=tmp_path / "h")


def test_a_zip_whose_members_are_paths(tmp_path: Path) -> None:
    store = write_store(make_anndata(), tmp_path / "cells.zarr", 2)
    target = packed(store, tmp_path / "cells.zip")
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("obs/../../outside", "x")
    with pytest.raises(DatasetError, match="named like a path"):
        register(target, home=tmp_path / "h")


def test_records_in_uns_keep_nobody_from_reading(tmp_path: Path) -> None:
    data = make_anndata()
    data.uns["ranks"] = np.array([(1.0, 2)], dtype=[("a", "f8"), ("b", "i4")])
    store = write_store(data, tmp_path / "cells.zarr", 2)
    assert register(store, home=tmp_path / "h").record.n_obs == 12


def chunked(store: Path, name: str, side: int, shard: int | None = None) -> Path:
    """The store with an array written anew in chunks of ``side`` along its first axis."""
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    values, attributes = group[name][...], dict(group[name].attrs)
    rest = values.shape[1:]
    shards = None if shard is None else (shard, *rest)
    array = group.create_array(
        name, shape=values.shape, dtype=values.dtype, chunks=(side, *rest), shards=shards,
        fill_value=0, overwrite=True,
    )  # fmt: skip
    array[...] = values
    array.attrs.update(attributes)
    return store


def chunk_files(store: Path, name: str) -> list[Path]:
    files = [path for path in (store / name).rglob("*") if path.is_file()]
    return sorted(path for path in files if path.name not in ("zarr.json", ".zarray", ".zattrs"))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("X/data", 1),
        ("X/data", -1),
        ("X/indices", 0),
        ("X/indptr", 0),
        ("X/indptr", 1),
        ("X/indptr", -1),
        ("obs/_index", 0),
        ("var/_index", 0),
        ("obs/cell_type/categories", 0),
    ],
)
def test_a_store_that_lost_a_chunk_is_damaged(
    name: str, lost: int, version: int, tmp_path: Path
) -> None:
    store = write_store(make_anndata(), tmp_path / "cells.zarr", version)
    if name.startswith("X"):
        chunked(store, name, 4)
    chunk_files(store, name)[lost].unlink()
    with pytest.raises(DatasetError, match=f"chunk .* of {name} is missing") as failure:
        register(store, home=tmp_path / "h")
    assert "Copy the whole store again" in str(failure.value.remedy)


def test_a_lost_shard_and_a_lost_chunk_in_one(tmp_path: Path) -> None:
    store = chunked(write_store(make_anndata(), tmp_path / "cells.zarr"), "X/data", 5, shard=20)
    register(store, home=tmp_path / "h")
    shard = chunk_files(store, "X/data")[0]
    content = bytearray(shard.read_bytes())
    index = len(content) - 4 * 16 - 4  # places of the four chunks, then a checksum
    whole = bytes(content)
    content[index + 16 : index + 32] = b"\xff" * 16
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match=r"chunk 2 of .* of X/data is missing"):
        register(store, home=tmp_path / "h")
    shard.write_bytes(whole)
    chunk_files(store, "X/data")[1].unlink()
    with pytest.raises(DatasetError, match=r"chunk 5 of .* of X/data is missing"):
        register(store, home=tmp_path / "h")


@pytest.mark.parametrize("name", ["X", "obs/cell_type/codes", "obs/age"])
@pytest.mark.parametrize("version", [2, 3])
def test_chunks_that_may_be_left_out_are_named(name: str, version: int, tmp_path: Path) -> None:
    store = write_store(make_anndata(np.asarray(counts())), tmp_path / "cells.zarr", version)
    chunked(store, name, 4)
    assert not [
        note for note in register(store, home=tmp_path / "h").record.notes if "chunk" in note
    ]
    chunk_files(store, name)[1].unlink()
    notes = register(
        store, options=RegistrationOptions(replace=True), home=tmp_path / "h"
    ).record.notes
    assert any(f"1 of 3 of '{name}'" in note for note in notes), notes


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix])
def test_what_zarr_itself_leaves_out_is_no_damage(kind: Any, tmp_path: Path) -> None:
    values = counts()
    values[:8] = 0
    values[:, :3] = 0
    data = make_anndata(kind(values))
    data.layers["nothing"] = kind(np.zeros_like(values))
    data.obs["nothing"], data.obs["one"] = 0, "x"
    data.obs["one"] = data.obs["one"].astype("category")
    plain = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "h")
    store = write_store(data, tmp_path / "cells.zarr")
    chunked(store, "X/indptr", 2)
    assert not (store / "X" / "indptr" / "c" / "0").exists()
    found = register(store, home=tmp_path / "h")
    assert found.record.fingerprint == plain.record.fingerprint
    assert any("'obs/nothing'" in note and "'obs/one/codes'" in note for note in found.record.notes)


def test_a_modality_of_one_feature_lacks_no_indices(tmp_path: Path) -> None:
    data = make_anndata(csr_matrix(np.arange(1.0, 13.0)[:, None]))
    plain = register(write(data, tmp_path / "a.h5ad"), home=tmp_path / "h")
    found = register(write_store(data, tmp_path / "cells.zarr"), home=tmp_path / "h")
    assert found.record.fingerprint == plain.record.fingerprint
