"""Any HDF5 file in the place of ``embeddings.h5``: findings, or an embedding that can be read."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from multiverse.contract import CellNames
from multiverse.contract.child_check import check_apart
from multiverse.contract.finding import MAX_MESSAGE, FindingKind

CELLS = CellNames(("a", "b", "c", "d", "e", "f"))
DTYPES = [
    "f2", "f4", "f8", ">f2", ">f4", ">f8", "f16", "i1", "u8", ">i4", "c8", "c16", "S3", "S5000",
    "?", "V4", "O", "(2,)f4", "compound", "enum", "reference",
]  # fmt: skip
VALUES = [0.0, 1.0, -1.5, 1e38, 1e308, 1e-42, 5e-324, float("nan"), float("inf"), -0.0]
FILTERS: list[dict[str, Any]] = [
    {},
    {"compression": "gzip", "compression_opts": 9},
    {"compression": "lzf"},
    {"shuffle": True, "compression": "gzip"},
    {"fletcher32": True},
    {"scaleoffset": 2},
]
lengths = st.sampled_from([0, 1, 2, 5, 6, 7, 100, 10_000, 10_001, 2**20, 2**40])
shapes = st.one_of(
    st.just((6, 2)),
    st.lists(lengths, max_size=4).map(tuple),
)


RIGHT: dict[str, Any] = {
    "place": "latent",
    "dtype": "f4",
    "shape": (6, 2),
    "chunks": None,
    "filters": {},
    "resizable": False,
    "values": [0.1 * number for number in range(12)],
    "attributes": [],
    "cells": list(CELLS.names),
}
WRONG: dict[str, st.SearchStrategy[Any]] = {
    "place": st.sampled_from(["Latent", "group/latent", "latent/latent"]),
    "dtype": st.sampled_from(DTYPES),
    "shape": shapes,
    "chunks": st.lists(lengths, min_size=1, max_size=3).map(tuple),
    "filters": st.sampled_from(FILTERS),
    "resizable": st.booleans(),
    "values": st.lists(st.sampled_from(VALUES), max_size=12),
    "attributes": st.lists(st.text(max_size=5), max_size=3),
    "cells": st.one_of(st.none(), st.lists(st.text(max_size=4), max_size=8)),
}


@st.composite
def described(draw: st.DrawFn) -> dict[str, Any]:
    """A right file, but for some of what it is made of."""
    changed = draw(st.sets(st.sampled_from(sorted(WRONG)), max_size=4))
    return {**RIGHT, **{name: draw(WRONG[name]) for name in sorted(changed)}}


def dtype_of(name: str) -> Any:
    if name == "compound":
        return np.dtype([("a", "f4"), ("b", "i2")])
    if name == "enum":
        return h5py.enum_dtype({"a": 0, "b": 1})
    if name == "reference":
        return h5py.ref_dtype
    return h5py.string_dtype() if name == "O" else np.dtype(name)


def write(path: Path, made: dict[str, Any]) -> bool:
    """Write a file as it is described; False if the library can't."""
    shape, cells = made["shape"], made["cells"]
    try:
        with h5py.File(path, "w") as file:
            latent = file.create_dataset(
                made["place"],
                shape,
                dtype_of(made["dtype"]),
                chunks=made["chunks"],
                maxshape=(None,) * len(shape) if made["resizable"] else None,
                **made["filters"],
            )
            for name in made["attributes"]:
                latent.attrs[name] = "x" * 1000
            if cells is not None:
                file.create_dataset("obs_names", data=cells, dtype=h5py.string_dtype())
            if 0 < latent.size <= 10**6 and latent.dtype.kind in "fiuc?":
                values = np.resize(np.array([*made["values"], 0.5]), latent.shape)
                with np.errstate(all="ignore"):
                    latent[...] = values.astype(latent.dtype)
    except (OSError, ValueError, TypeError, RuntimeError, MemoryError, OverflowError):
        return False
    return True


def look(made: dict[str, Any]) -> str:
    """Look at a file as a runner does, and say what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "embeddings.h5")
        if not write(path, made):
            return "can't be made"
        found = check_apart(path, CELLS, max_bytes=2**33)
        for finding in found:
            assert 0 < len(finding.message) <= MAX_MESSAGE
            assert "crashes" not in finding.message
        if found:
            return found[0].kind
        with h5py.File(path, "r") as file:
            points = file["latent"][...]
            assert [name.decode() for name in file["obs_names"][...]] == list(CELLS.names)
    assert points.dtype.newbyteorder("=") in (np.float16, np.float32, np.float64)
    assert points.shape[0] == len(CELLS)
    assert np.isfinite(points).all()
    assert not (points == points[0]).all()
    return "passes"


def test_findings_or_an_embedding() -> None:
    seen: Counter[str] = Counter()

    @given(described())
    @settings(max_examples=250, deadline=None, derandomize=True)
    def every(made: dict[str, Any]) -> None:
        seen[look(made)] += 1

    every()
    few = {FindingKind.NOT_A_FILE, FindingKind.WRONG_ORDER, FindingKind.UNREADABLE}
    assert seen.keys() >= {"passes", *FindingKind} - few, seen
    assert seen["passes"] > 20, seen


@given(st.data())
@settings(max_examples=120, deadline=None, derandomize=True)
def test_a_file_that_was_changed_anywhere(data: st.DataObject) -> None:
    """Bytes of a right file are others, or it is cut: it is looked at all the same, to an end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "embeddings.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "latent", data=np.arange(12.0).reshape(6, 2), chunks=(2, 2), compression="gzip"
            )
            file.create_dataset("obs_names", data=CELLS.names, dtype=h5py.string_dtype())
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(0, 20))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
        path.write_bytes(bytes(content[:cut]))
        for finding in check_apart(path, CELLS, max_bytes=2**33):
            assert 0 < len(finding.message) <= MAX_MESSAGE
