"""Datasets: registered, listed, and made for a first look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from multiverse.api.reading import one_name, registration_options
from multiverse.api.request import Folders, Overrides, folders
from multiverse.demo import make_demo as make_demo
from multiverse.errors import DatasetError, UsageError
from multiverse.events import Tell, silent
from multiverse.registry.datasets import RegisteredDataset
from multiverse.registry.datasets import list_datasets as list_datasets
from multiverse.registry.models import list_models
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.benchmark import BenchmarkSource

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from multiverse.demo.folder import DemoDataset

#: What can be registered: a file, an object in memory, or one of these for each modality.
Data: TypeAlias = Union[
    str, Path, "AnnData", "MuData", Mapping[str, Union[str, Path, "AnnData", "MuData"]]
]


def register(
    data: Data,
    *,
    slug: str | None = None,
    name: str | None = None,
    options: RegistrationOptions | None = None,
    tell: Tell = silent,
    **settings: Any,
) -> RegisteredDataset:
    """Make a dataset canonical: verified raw counts, aligned cells, labels set apart.

    Parameters
    ----------
    data
        An ``.h5ad`` or ``.h5mu`` file, a zarr store of one, a 10x file or matrix folder, or an
        object in memory; or one a modality, as in ``{"rna": "a.h5ad", "adt": "b.h5ad"}``, whose
        cells are joined by name.
    slug, name
        Its name from now on, as either of the two. A file's is made from the file's name if none
        is given; an object in memory has nothing to be named after, and needs one.
    options, settings
        :class:`~multiverse.registry.options.RegistrationOptions`, whole or by its fields
        (``batch_key``, ``label_key``, ``modality_names``, ``layer``, ``without``, ``exclude``,
        ``intersect``, ``mosaic``, ``match_barcodes``, ``round``, …).

    Raises
    ------
    UsageError
        If an object in memory has no name (two of them would stand for one another), or a setting
        is none or of another type.
    DatasetError
        If it can't be made canonical without inventing something.
    """
    slug = one_name(slug, name)
    chosen = registration_options(options, settings)
    files = files_of(data)
    if files is not None:
        from multiverse.registry.registration import register as register_file

        try:
            return register_file(files, slug=slug, options=chosen, tell=tell)
        except OSError as error:
            raise DatasetError(f"{error.filename or data}: {error.strerror or error}") from error
    from multiverse.registry.objects import register_object, register_objects

    if slug is None:
        kind = type(data).__name__
        what = "Objects in memory need" if kind == "dict" else f"The {kind} in memory needs"
        raise UsageError(
            f"{what} a name: results are filed under it",
            remedy='Choose one, for example name="pbmc"',
        )
    if isinstance(data, Mapping):
        parts = {name: Path(one) if isinstance(one, str) else one for name, one in data.items()}
        return register_objects(parts, slug=slug, options=chosen, tell=tell)
    return register_object(data, slug=slug, options=chosen, tell=tell)


def files_of(data: Data) -> Path | dict[str, Path] | None:
    """Return the file of some data, or one a modality; None where any is an object in memory."""
    if isinstance(data, str | Path):
        return Path(data)
    if not isinstance(data, Mapping):
        return None
    files = {name: Path(one) for name, one in data.items() if isinstance(one, str | Path)}
    return files if len(files) == len(data) else None


#: The demo shows what a run is; the defaults of these models would train it for much longer.
SHORT: dict[str, dict[str, Any]] = {
    "mofa": {"max_iterations": 100},
    "multivi": {"max_epochs": 50, "lr": 1e-3},
    "totalvi": {"max_epochs": 60},
    "mowgli": {"max_iter": 3, "max_iter_inner": 100},
    "cobolt": {"max_epochs": 40},
}


def demo_benchmark(
    datasets: Sequence[DemoDataset], overrides: Overrides, models_dirs: Folders = ()
) -> BenchmarkSource:
    """Return the benchmark of every model on the datasets of :func:`make_demo`, light ones first.

    Trainings are cut short (:data:`SHORT`).
    """
    light_first = sorted(
        list_models(folders(models_dirs)), key=lambda model: model.yaml.resources.memory
    )
    models = [
        {"model": model.name, "parameters": SHORT.get(model.name, {})} for model in light_first
    ]
    entries = [
        {
            "slug": dataset.name,
            "path": str(dataset.path),
            **({"batch_key": dataset.batch_key} if dataset.batch_key else {}),
            **({"label_key": dataset.label_key} if dataset.label_key else {}),
        }
        for dataset in datasets
    ]
    content = {"name": "demo", "datasets": entries, "models": models, **overrides.content()}
    return BenchmarkSource.of(content)
