"""Tiny datasets for checks, from the demo's simulation: one as data should be, others hostile.

Every one is registered, so that a model is given exactly what the runner gives: canonical counts,
and no labels, although the source has some.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.dataset import MODALITIES

if TYPE_CHECKING:
    from mudata import MuData
    from pandas import DataFrame

BATCH, LABELS = "batch", "cell_type"
N_CELLS, FEW_CELLS, FEW_PROTEINS = 100, 5, 3
N_FEATURES = {"rna": 200, "atac": 600, "adt": 12}
SEED = 20
#: Names that break paths, terminals, encodings and commands; the rest of the cells are plain.
ODD_NAMES = (
    "é", "细胞-1", "خلية", "🧬", "a/b", "../../etc/passwd", "'; echo x", '"quoted"', "tab\there",
    "white  space", "NaN", "None", "0", "1e5", "-", "x" * 300,
)  # fmt: skip

Change = Callable[["MuData"], "MuData"]


class TinyData:
    """Makes and registers the datasets of one suite, each once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._made: dict[tuple[str, tuple[str, ...]], RegisteredDataset] = {}

    def usual(self, modalities: Sequence[str]) -> RegisteredDataset:
        """Return 100 cells of 3 types in 2 batches, with these modalities."""
        return self.changed("usual", modalities, lambda data: data)

    def changed(self, name: str, modalities: Sequence[str], change: Change) -> RegisteredDataset:
        """Return the usual dataset after a change. Equal names must mean equal changes."""
        key = (name, tuple(modalities))
        if key not in self._made:
            slug = "-".join([name, *modalities])
            self._made[key] = self._register(slug, change(simulated(modalities)))
        return self._made[key]

    def _register(self, slug: str, data: MuData) -> RegisteredDataset:
        from multiverse.registry.objects import register_object

        options = RegistrationOptions(
            batch_key=BATCH if BATCH in data.obs else None,
            label_key=LABELS,
            mosaic=any(part.n_obs < data.n_obs for part in data.mod.values()),
            replace=True,
        )
        dataset = register_object(data, slug=slug, options=options, home=self._home)
        dataset.data.chmod(0o644)  # a container of another user reads it
        return dataset


def simulated(modalities: Sequence[str]) -> MuData:
    """Return the usual dataset, with labels, before it is registered."""
    from multiverse.demo.simulation import Simulation, simulate

    genes, peaks, proteins = (N_FEATURES[name] if name in modalities else 0 for name in MODALITIES)
    simulation = Simulation(genes, peaks, proteins, n_types=3, n_batches=2, seed=SEED)
    return simulate(N_CELLS, simulation)


def without_batch(data: MuData) -> MuData:
    """Return the data without a batch column."""
    return _with_obs(data, data.obs.drop(columns=BATCH))


def with_lone_batch(data: MuData) -> MuData:
    """Give the first cell a batch of its own."""
    obs = data.obs.copy()
    obs[BATCH] = ["alone", *obs[BATCH].astype(str)[1:]]
    return _with_obs(data, obs)


def with_empty_cells(data: MuData) -> MuData:
    """Empty three cells of each modality, others each time, of all counts."""
    for position, part in enumerate(data.mod.values()):
        counts = part.X.tolil()
        counts[4 * position : 4 * position + 3] = 0
        part.X = counts.tocsr()
    return data


def with_empty_features(data: MuData) -> MuData:
    """Empty every fourth feature of each modality in all cells."""
    for part in data.mod.values():
        counts = part.X.tolil()
        counts[:, ::4] = 0
        part.X = counts.tocsr()
    return data


def with_three_proteins(data: MuData) -> MuData:
    """Return only the first three proteins."""
    return _of({**data.mod, "adt": data["adt"][:, :FEW_PROTEINS].copy()}, data)


def with_few_cells(data: MuData) -> MuData:
    """Return only the first five cells."""
    return _subset(data, FEW_CELLS)


def with_odd_names(data: MuData) -> MuData:
    """Name cells in other scripts, or so that they look like paths, numbers or commands."""
    names = [*ODD_NAMES, *data.obs_names[len(ODD_NAMES) :]]
    for part in data.mod.values():
        part.obs_names = names
    obs = data.obs.copy()
    obs.index = names
    return _of(data.mod, data, obs)


def with_lacking_cells(data: MuData) -> MuData:
    """Make a mosaic: every modality lacks every tenth cell, others each time."""
    import numpy as np

    place = np.arange(data.n_obs) % 10
    parts = {
        name: part[place != position].copy()
        for position, (name, part) in enumerate(data.mod.items())
    }
    return _of(parts, data)


def add_labels(source: RegisteredDataset, target: Path) -> Path:
    """Copy a dataset's file with the labels in it, to find out who needs them."""
    import shutil

    import h5py
    from anndata.io import read_elem, write_elem

    shutil.copyfile(source.data, target)
    labels = simulated(tuple(source.record.modalities)).obs[LABELS]
    with h5py.File(target, "r+") as file:
        for place in ("obs", *(f"mod/{name}/obs" for name in file["mod"])):
            table = read_elem(file[place])
            table[LABELS] = labels.to_numpy()
            del file[place]
            write_elem(file, place, table)
    return target


def _subset(data: MuData, n_cells: int) -> MuData:
    parts = {name: part[:n_cells].copy() for name, part in data.mod.items()}
    return _of(parts, data, data.obs.iloc[:n_cells])


def _with_obs(data: MuData, obs: DataFrame) -> MuData:
    return _of(data.mod, data, obs)


def _of(parts: object, data: MuData, obs: DataFrame | None = None) -> MuData:
    import mudata

    table: DataFrame = data.obs if obs is None else obs
    with mudata.set_options(pull_on_update=False):
        made = mudata.MuData(dict(parts))  # type: ignore[call-overload]
        made.obs = table.loc[made.obs_names]
    return made
