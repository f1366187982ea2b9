"""What people have instead of a file: each told by what it is, and its next step followed."""

from __future__ import annotations

import gzip
import lzma
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.errors import DatasetError
from multiverse.registry.registration import register
from tests.unit.registry.registry_sources import make_anndata, write


def refusal(source: Path) -> DatasetError:
    with pytest.raises(DatasetError) as failure:
        register(source, home=source.parent / "home")
    assert "\n" not in str(failure.value)
    return failure.value


def command(error: DatasetError) -> str:
    """The command of the next step."""
    said = str(error.remedy).split(": ", 1)[1]
    return said.split(", and take")[0]


@pytest.mark.parametrize("name", ["it's a file.h5ad.gz", "still packed.h5ad", "a.h5ad.xz"])
def test_a_packed_file_is_unpacked_by_the_next_step(name: str, tmp_path: Path) -> None:
    plain = write(make_anndata(), tmp_path / "plain.h5ad").read_bytes()
    packer = lzma if name.endswith("xz") else gzip
    (tmp_path / name).write_bytes(packer.compress(plain))
    error = refusal(tmp_path / name)
    subprocess.run(["/bin/bash", "-ec", command(error)], check=True)
    target = Path(shlex.split(str(error.remedy).split(", and take ")[1])[0])
    assert register(target, home=tmp_path / "home").record.n_obs == 12


CONTENT: dict[str, tuple[bytes, str, str]] = {
    "a web page": (b"<!DOCTYPE html><title>Sign in</title>", "web page, 'Sign in'", "browser"),
    "an answer in XML": (b"<?xml version='1.0'?><Error/>", "web page", "browser"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123456\n",
        "123,456 bytes", "git -C",
    ),
    "zeros": (bytes(10_000), "not downloaded to its end", "again"),
    "text": (b"cell,gene\n", "not an HDF5 file", "again"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT)
def test_what_is_no_data_file_is_named(name: str, tmp_path: Path) -> None:
    content, what, step = CONTENT[name]
    (tmp_path / "a.h5ad").write_bytes(content)
    error = refusal(tmp_path / "a.h5ad")
    assert what in str(error)
    assert step in str(error.remedy)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad").rename(tmp_path / "counts.hdf5")
    assert register(source, home=tmp_path / "home").record.slug == "counts"


def test_a_link_to_nowhere_says_where(tmp_path: Path) -> None:
    (tmp_path / "a.h5ad").symlink_to("/scratch/old/a.h5ad")
    assert "'/scratch/old/a.h5ad', which is not there" in str(refusal(tmp_path / "a.h5ad"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def newer(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(8)
        stream.write(b"\x09")


def still_open(path: Path) -> None:
    """As a writer leaves it that was killed."""
    script = (
        "import h5py, os, sys; f = h5py.File(sys.argv[1], 'w', libver='latest'); f['x'] = 1; "
        "f.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)


@pytest.mark.parametrize(
    ("change", "what", "step"),
    [
        (cut, "is cut off", "Download it again"),
        (newer, "newer HDF5", "h5py"),
        (still_open, "still open for writing", "h5clear -s"),
    ],
)
def test_hdf5_that_is_no_use_as_it_is(
    change: Callable[[Path], None], what: str, step: str, tmp_path: Path
) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    change(source)
    error = refusal(source)
    assert what in str(error)
    assert "damaged" not in str(error)
    assert step in str(error.remedy)


@pytest.mark.parametrize("name", ["gzip", "lzf"])
def test_filters_of_h5py_itself(name: str, tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad", compression=name)
    assert register(source, home=tmp_path / "home").record.n_obs == 12


WITHOUT_PLUGIN = """
import sys
sys.modules["hdf5plugin"] = None
from pathlib import Path
import importlib.util
from multiverse.errors import DatasetError
from multiverse.registry.registration import register
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "hdf5plugin" else found(name)
try:
    register(Path(sys.argv[1]), home=Path(sys.argv[2]))
except DatasetError as error:
    print(error, "|", error.remedy)
"""


def with_filter(path: Path, number: int) -> Path:
    """A file of which a dataset says to be packed by a filter; it is not read so far."""
    source = write(make_anndata(), path)
    with h5py.File(source, "r+") as file:
        values = file["X/data"][...]
        del file["X/data"]
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(values.shape)
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
        kind, space = h5py.h5t.py_create(values.dtype), h5py.h5s.create_simple(values.shape)
        made = h5py.h5d.create(file["X"].id, b"data", kind, space, plist)
        made.write_direct_chunk((0,), np.ascontiguousarray(values).tobytes())
    return source


@pytest.mark.parametrize(
    ("number", "name", "step"),
    [(32015, "zstd", "install"), (32001, "blosc", "install"), (32002, "mafisc", "h5repack"),
     (33000, "filter 33000", "h5repack")],
)  # fmt: skip
def test_a_filter_that_is_not_there_is_named(
    number: int, name: str, step: str, tmp_path: Path
) -> None:
    source = with_filter(tmp_path / "a.h5ad", number)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PLUGIN, str(source), str(tmp_path / "home")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert name in done.stdout
    assert step in done.stdout.split("|")[1]
    assert "damaged" not in done.stdout
    assert done.stderr == ""
    if step == "install":
        install = done.stdout.strip().split("try again: ")[1]
        arguments = shlex.split(install)
        assert arguments[0] == sys.executable
        tried = subprocess.run(
            [*arguments[:3], "--help"], capture_output=True, text=True, check=False
        )
        assert tried.returncode == 0, "the command of the next step is not there"
