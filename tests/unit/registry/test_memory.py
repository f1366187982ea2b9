"""A file larger than memory allows is registered block by block."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem

MEASURE = """
import sys
from pathlib import Path
from multiverse.registry.registration import register

def kib(name):
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

warm, source, home = map(Path, sys.argv[1:])
register(warm, home=home)
before = kib('VmRSS')
dataset = register(source, home=home)
print(dataset.record.modalities['rna'].n_values, (kib('VmHWM') - before) * 1024)
"""
N_VARS = 500


def write_large(path: Path, n_obs: int, per_cell: int, *, dense: bool, shuffled: bool) -> int:
    """An uncompressed ``.h5ad`` (or, in another order of cells, ``.h5mu``); returns its values."""
    names = pd.Index([f"c{i}" for i in range(n_obs)], dtype=object)
    with h5py.File(path, "w") as file:
        group = file.create_group("mod/rna") if shuffled else file
        if shuffled:
            write_elem(file, "obs", pd.DataFrame(index=names[::-1]))
        write_elem(group, "obs", pd.DataFrame(index=names))
        write_elem(group, "var", pd.DataFrame(index=[f"g{i}" for i in range(N_VARS)]))
        if dense:
            matrix = group.create_dataset("X", (n_obs, N_VARS), "f4")
            for start in range(0, n_obs, 1000):
                matrix[start : start + 1000] = np.eye(1000, N_VARS, dtype="f4") + 1
            return n_obs * N_VARS
        x = group.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        x.attrs["shape"] = (n_obs, N_VARS)
        x["indptr"] = np.arange(n_obs + 1, dtype="i8") * per_cell
        data = x.create_dataset("data", (n_obs * per_cell,), "f4")
        indices = x.create_dataset("indices", (n_obs * per_cell,), "i4")
        for start in range(0, n_obs, 1000):
            part = slice(start * per_cell, (start + 1000) * per_cell)
            data[part] = 1 + np.arange(1000 * per_cell) % 2
            indices[part] = np.tile(np.arange(per_cell, dtype="i4"), 1000)
    return n_obs * per_cell


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize(("dense", "shuffled"), [(False, False), (True, False), (False, True)])
def test_memory_stays_far_below_the_size_of_the_file(
    dense: bool, shuffled: bool, tmp_path: Path
) -> None:
    suffix = "h5mu" if shuffled else "h5ad"
    source = tmp_path / f"large.{suffix}"
    n_values = write_large(source, 100_000, 400, dense=dense, shuffled=shuffled)
    write_large(tmp_path / f"warm.{suffix}", 1000, 400, dense=dense, shuffled=shuffled)
    size = source.stat().st_size
    assert size > 190 * 2**20
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURE,
         str(tmp_path / f"warm.{suffix}"), str(source), str(tmp_path / "home")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found, peak = map(int, ended.stdout.split())
    assert found == n_values
    assert peak < 0.75 * size, f"{peak / 2**20:.0f} MiB for a file of {size / 2**20:.0f} MiB"
