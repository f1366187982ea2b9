"""The door to HDF5 files of others: honest ones pass, of the others nothing outside is opened."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.contract.hdf5 import ChangedFile, UnsafeHdf5, opened
from multiverse.contract.latent import read_cell_names, read_latent
from tests.hostile_hdf5 import HOSTILE, INSIDE

IN_OPEN, IN_ACCESS = 0x20, 0x1
#: Of those that change texts, the dataset is the names; of the others the points.
TEXT = {name for name in HOSTILE if "text" in name}
SECRET = b"PRIVATE KEY of the reader".ljust(1 << 16, b"#")


class Watch:
    """Tells whether anybody has opened or read a file, by the kernel's word."""

    def __init__(self, path: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        added = self._libc.inotify_add_watch(
            self.descriptor, os.fsencode(path), IN_OPEN | IN_ACCESS
        )
        assert self.descriptor >= 0
        assert added >= 0

    def fired(self) -> bool:
        try:
            return bool(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return False


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the reader: HDF5 with a dataset x, so that links to it would find something."""
    path = tmp_path / "private.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.full((60, 4), 7, dtype="f4")
        file["secret"] = np.frombuffer(SECRET, dtype="u1")
    return path


@pytest.fixture
def watch(outside: Path) -> Iterator[Watch]:
    if not sys.platform.startswith("linux"):
        pytest.skip("inotify is Linux's")
    found = Watch(outside)
    yield found
    os.close(found.descriptor)


def honest(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        points = np.random.default_rng(0).random((60, 4), dtype=np.float32)
        file.create_dataset("latent", data=points)
        names = [f"cell {number}" for number in range(60)]
        file.create_dataset("obs_names", data=names, dtype=h5py.string_dtype())
    return path


def test_an_honest_file_is_read(tmp_path: Path) -> None:
    path = honest(tmp_path / "a.h5")
    assert read_latent(path).shape == (60, 4)
    assert read_cell_names(path)[59] == "cell 59"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_outside_is_opened(
    name: str, tmp_path: Path, outside: Path, watch: Watch
) -> None:
    """In a process with 2 GiB of memory, that is given up after minutes."""
    path = honest(tmp_path / "a.h5")
    HOSTILE[name](path, "obs_names" if name in TEXT else "latent", outside)
    watch.fired()
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2 * 1024**3, 2 * 1024**3)),
    )
    assert done.stdout.startswith("refused"), (done.stdout, done.stderr)
    assert not watch.fired()


def _change_meanwhile(path: Path) -> None:
    with opened(path) as file:
        assert len(file) == 2
        status = path.stat()
        with path.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            stream.write(b"\1")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


LOOK = """
import sys
from pathlib import Path
from multiverse.contract.hdf5 import opened
try:
    with opened(Path(sys.argv[1])):
        print("opened")
except OSError as error:
    print("refused", type(error).__name__, str(error)[:300])
"""


@pytest.mark.parametrize("name", ["external_storage", "external_link", "soft_link_out", "virtual"])
def test_what_is_refused_would_have_read_the_file_outside(
    name: str, tmp_path: Path, outside: Path, watch: Watch
) -> None:
    """The attack works where nobody looks: or the tests above would show nothing."""
    path = honest(tmp_path / "a.h5")
    INSIDE[name](path, "latent", outside)
    watch.fired()
    with h5py.File(path, "r") as file:
        assert file["latent"][...].shape == (60, 4)
    assert watch.fired()


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Also where its size and its time are put back."""
    path = honest(tmp_path / "a.h5")
    with pytest.raises(ChangedFile):
        _change_meanwhile(path)


def test_a_heap_whose_texts_have_no_length_is_no_circle(tmp_path: Path) -> None:
    """The library goes from one text of a heap to the next by its length: for ever, if 0."""
    path = honest(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)  # what is left: nothing
    path.write_bytes(content)
    with pytest.raises(UnsafeHdf5, match="heap"):
        read_cell_names(path)


def test_the_check_reads_no_values(tmp_path: Path) -> None:
    """400 MiB of which the check reads what stands in headers."""
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        for number in range(200):
            file.create_dataset(f"x{number}", shape=(2**19,), dtype="f4")[-1] = 1
    before = _bytes_read()
    with opened(path) as file:
        assert len(file) == 200
    if before is not None:
        assert (_bytes_read() or 0) - before < 16 * 1024**2


def _bytes_read() -> int | None:
    """Bytes that this process has read, by the kernel's count; None where it keeps none."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(lines[0].split()[1])


def test_what_a_chunk_has_beyond_its_dataset_is_not_judged(tmp_path: Path) -> None:
    """Libraries leave there what was in memory; R's write chunks that are larger than the data."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        names = file.create_dataset(
            "obs_names", (8,), h5py.string_dtype(), chunks=(8,), maxshape=(8,)
        )
        names[...] = [f"cell{number}" for number in range(8)]
    with h5py.File(path, "r+") as file:
        mask, packed = file["obs_names"].id.read_direct_chunk((0,))
        garbage = packed[: len(packed) // 2] + b"\xee" * (len(packed) // 2)
        file["obs_names"].resize((4,))
        file["obs_names"].id.write_direct_chunk((0,), garbage, mask)
    with opened(path) as file:
        assert [name.decode() for name in file["obs_names"][...]] == [f"cell{n}" for n in range(4)]


def test_texts_of_a_chunk_that_was_stored_without_a_filter(tmp_path: Path) -> None:
    """R's library asks for texts to be shuffled, which can't be, and says so of each chunk."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        shape, kind = (300,), h5py.string_dtype()
        names = file.create_dataset("obs_names", shape, kind, chunks=shape, compression="gzip")
        names[...] = [f"cell{number}" for number in range(300)]
        mask, packed = names.id.read_direct_chunk((0,))
        shuffled = file.create_dataset(
            "shuffled", shape, kind, chunks=shape, compression="gzip", shuffle=True
        )
        shuffled.id.write_direct_chunk((0,), packed, 1)
    assert mask == 0
    with opened(path) as file:
        assert file["shuffled"].id.get_chunk_info(0).filter_mask == 1
        assert file["shuffled"][299] == b"cell299"
