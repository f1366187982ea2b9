"""Decides from the records alone whether a model is applicable to a dataset."""

from __future__ import annotations

from multiverse.specs.cell_groups import unlinked
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec


def obstacle(dataset: DatasetRecord, model: ModelSpec) -> str | None:
    """Return why the model is not applicable, in words and numbers; None if it is.

    Only the modalities that the model uses count: cells that lack another one do not matter.
    """
    needs = model.yaml.modalities
    missing = needs.missing(tuple(dataset.modalities))
    if missing:
        has = ", ".join(dataset.modalities)
        return f"needs {' and '.join(missing)}, but {dataset.slug} has {has} only"
    used = needs.usable(tuple(dataset.modalities))
    lacking = {name: number for name, number in dataset.lacking.items() if name in used}
    if not lacking:
        return None
    if model.yaml.mosaic:
        return _unusable_mosaic(dataset, model.name, used)
    cells = ", ".join(
        f"{number:,} of {dataset.n_obs:,} cells lack {name}" for name, number in lacking.items()
    )
    every = "every modality" if len(used) > 1 else used[0]
    return f"{cells}, and {model.name} needs {every} in every cell"


def _unusable_mosaic(dataset: DatasetRecord, model: str, used: tuple[str, ...]) -> str | None:
    """Return why even a model for mosaics can't use these data."""
    outside = dataset.n_outside(used)
    if outside:
        return (
            f"{outside:,} of {dataset.n_obs:,} cells have no {' or '.join(used)}, and {model} "
            "uses nothing else"
        )
    apart = unlinked(dataset.groups, used)
    if apart:
        return f"no cell links {' or '.join(apart)} to {used[0]}, and {model} uses nothing else"
    return None
