"""Which models are judged on which real data, with which settings.

The settings are short: they make each run a minute or so on 2 CPU cores, and are not what a paper
would use. They are the same wherever a model is judged, so that a later change that harms it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mudata
import numpy as np
from mudata import MuData, read_h5mu
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DATA = REPOSITORY.parent / "shared" / "data"
#: Words that mean "no label".
UNLABELLED = frozenset({"unknown", "nan", ""})


@dataclass(frozen=True)
class Case:
    """A real dataset: its name, its label column, its batch column and its modalities."""

    slug: str
    modalities: tuple[str, ...]
    batch_key: str | None = None
    label_key: str = "cell_type"

    @property
    def path(self) -> Path:
        return DATA / self.slug / f"{self.slug}.h5mu"

    def read(self) -> MuData:
        with mudata.set_options(pull_on_update=False):
            return read_h5mu(self.path)

    def column(self, key: str, data: MuData) -> NDArray[np.str_]:
        """A column of ``obs`` as strings; "" where a cell has no label."""
        values: NDArray[np.str_] = data[self.modalities[0]].obs[key].astype(str).to_numpy(dtype=str)
        values[[value.lower() in UNLABELLED for value in values]] = ""
        return values

    def labels(self) -> tuple[NDArray[np.str_], NDArray[np.str_] | None]:
        """Return the labels and batches (None without a batch column) to judge embeddings by.

        Each of shape (n_cells,), in the order of the file's cells; "" means not labelled.
        """
        data = self.read()
        batch = None if self.batch_key is None else self.column(self.batch_key, data)
        return self.column(self.label_key, data), batch

    def alone(self, modality: str, folder: Path) -> Case:
        """The same cells with one modality only, written below ``folder``."""
        return Alone(f"{self.slug}-{modality}", (modality,), None, self.label_key, self, folder)

    def entry(self, *, batch: bool = True) -> dict[str, Any]:
        """The dataset as an entry of a benchmark file, with its batch column or without."""
        named = {"path": str(self.path), "label_key": self.label_key}
        if batch and self.batch_key is not None:
            return {**named, "slug": self.slug, "batch_key": self.batch_key}
        return {**named, "slug": f"{self.slug}-no-batch" if self.batch_key else self.slug}


@dataclass(frozen=True)
class Alone(Case):
    """One modality of another case, as a file of its own."""

    whole: Case | None = None
    folder: Path = Path()

    @property
    def path(self) -> Path:
        target = self.folder / "single" / f"{self.slug}.h5ad"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.read()[self.modalities[0]].write_h5ad(target)
        return target

    def read(self) -> MuData:
        if self.whole is None:
            raise ValueError(f"{self.slug} is part of no case")
        return self.whole.read()


@dataclass(frozen=True)
class Settings:
    """How a model is run here, and the modalities that it can't do without."""

    parameters: dict[str, Any] = field(default_factory=dict)
    preprocessing: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    #: Whether another seed gives another embedding.
    seeded: bool = True

    def plain(self) -> dict[str, Any]:
        """What was asked for, as it is recorded beside each figure."""
        return {"parameters": self.parameters, "preprocessing": self.preprocessing}

    def entry(self, model: str, seeds: Sequence[int]) -> dict[str, Any]:
        """The model as an entry of a benchmark file."""
        return {
            "model": model,
            "parameters": self.parameters,
            "preprocessing": self.preprocessing,
            "seeds": list(seeds),
        }


CITE_2BATCH = Case("pbmc_citeseq_2batch", ("rna", "adt"), "batch")
SNARE = Case("mop_snareseq_2k", ("rna", "atac"), "batch", "cell_type_coarse")
CITE = Case("pbmc_inhouse_citeseq", ("rna", "adt"))
CASES = {case.slug: case for case in (CITE_2BATCH, SNARE, CITE)}

MODELS: dict[str, Settings] = {
    "pca": Settings(seeded=False),
    "mofa": Settings({"max_iterations": 40}, {"n_top_genes": 500, "n_top_peaks": 1000}),
    "multivi": Settings(
        {"max_epochs": 40, "lr": 1e-3}, {"n_top_peaks": 5000}, frozenset({"rna", "atac"})
    ),
    "totalvi": Settings({"max_epochs": 50}, {"n_top_genes": 1500}, frozenset({"rna", "adt"})),
    "mowgli": Settings(
        {"max_iter": 3, "max_iter_inner": 100}, {"n_top_genes": 200, "n_top_peaks": 400}
    ),
    "cobolt": Settings({"max_epochs": 40}, {"n_top_genes": 1500, "n_top_peaks": 3000}),
}
#: Models with a batch term, judged with it and without.
BATCH_MODELS = ("totalvi", "cobolt")


def applicable() -> Iterator[tuple[Case, str]]:
    """Every case with every model that can be run on it."""
    for case in CASES.values():
        for model, settings in MODELS.items():
            if settings.needs <= set(case.modalities):
                yield case, model
