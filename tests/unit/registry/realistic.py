"""Counts that look like an experiment's, and what people do to them."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from multiverse.cli.main import main
from multiverse.demo.simulation import Simulation, simulate
from multiverse.errors import DatasetError
from multiverse.registry.datasets import find_dataset
from multiverse.specs.dataset import DatasetRecord
from tests.unit.registry.registry_sources import dense, make_anndata, make_mudata, read, write

N_CELLS = 120
#: Options without a value.
FLAGS = {"--mosaic", "--mosaic.", "--intersect"}


@cache
def _experiment() -> MuData:
    return simulate(N_CELLS, Simulation(n_genes=500, n_peaks=900, n_proteins=12))


def real_counts(modality: str = "rna") -> np.ndarray:
    """Simulated counts of 120 cells with library sizes that vary, as in an experiment."""
    return dense(_experiment()[modality]).astype(np.float64)


def per_depth(values: np.ndarray, depth: float) -> np.ndarray:
    """Scale each cell to one depth, (n_cells, n_features)."""
    totals = values.sum(axis=1, keepdims=True)
    return np.asarray(depth * values / np.where(totals, totals, 1))


def down_sampled(values: np.ndarray, depth: int, seed: int = 0) -> np.ndarray:
    """Draw this many counts of each cell that has more."""
    random = np.random.default_rng(seed)
    drawn = values.astype(np.int64)
    for row in np.flatnonzero(drawn.sum(axis=1) > depth):
        drawn[row] = random.multivariate_hypergeometric(drawn[row], depth)
    return drawn.astype(np.float64)


def cell_table(n_cells: int = N_CELLS) -> pd.DataFrame:
    names = [f"cell{i}" for i in range(n_cells)]
    batches = [f"donor {1 + (2 * i) // n_cells}" for i in range(n_cells)]
    return pd.DataFrame({"batch": batches}, index=pd.Index(names, dtype=object))


def source_of(path: Path, values: np.ndarray, **layers: np.ndarray) -> Path:
    """Write an ``.h5ad`` of RNA with these values as X, and layers."""
    data = make_anndata(values.astype(np.float32), obs=cell_table(len(values)))
    for name, layer in layers.items():
        data.layers[name] = layer.astype(np.float32)
    return write(data, path)


def multimodal(path: Path, **modalities: np.ndarray) -> Path:
    """Write an ``.h5mu`` of these values."""
    parts: dict[str, AnnData] = {
        name: make_anndata(
            values.astype(np.float32),
            prefix=name[0],
            obs=pd.DataFrame(index=cell_table(len(values)).index),
        )
        for name, values in modalities.items()
    }
    data = make_mudata(**parts)
    data.obs = cell_table(data.n_obs).loc[data.obs_names]
    return write(data, path)


def options_of(remedy: str) -> list[list[str]]:
    """Return every option that a "next:" names, each as a shell would split it."""
    found = []
    for text in re.split(r"(?=--[a-z])", remedy)[1:]:
        option, _, rest = text.partition(" ")
        if option in FLAGS:
            found.append([option.removesuffix(".")])
            continue
        value = re.match(r"""(?:'[^']*'|"[^"]*"|[^\s'",;)])+""", rest)
        assert value is not None, text
        found.append([option, *shlex.split(value[0].removesuffix(".").removesuffix(":"))])
    return found


class Registered:
    """What ``multiverse register`` made, read back."""

    def __init__(self, slug: str) -> None:
        self.dataset = find_dataset(slug)

    @property
    def record(self) -> DatasetRecord:
        return self.dataset.record

    @property
    def notes(self) -> str:
        return "\n".join(self.record.notes)

    def values(self, modality: str = "rna") -> np.ndarray:
        return dense(read(self.dataset)[modality])


def register_by_command(source: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Register by the command; return what it says on standard output."""
    capsys.readouterr()
    code = main(["register", str(source), "--replace", *words])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def refusal_by_command(
    source: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[str, str]:
    """Return the error and the "next:" of a command that must refuse."""
    capsys.readouterr()
    code = main(["register", str(source), "--replace", *words])
    said = capsys.readouterr().err
    assert code == DatasetError("").exit_code, said
    assert "Traceback" not in said
    joined = " ".join(said.split())
    error, _, remedy = joined.partition(" next: ")
    return error.removeprefix("error: "), remedy
