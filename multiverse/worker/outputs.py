"""Writing what a run leaves behind: each file is complete or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.files import write_aside, written_aside
from multiverse.worker.embedding import Series, finite_numbers

if TYPE_CHECKING:
    from multiverse.worker.embedding import Latent


def write_embedding(path: Path, latent: Latent, cells: Sequence[str]) -> None:
    """Write ``embeddings.h5``: ``latent`` (n_cells, n_dims) float32, ``obs_names`` in row order."""
    import h5py

    with written_aside(path) as aside, h5py.File(aside, "w", track_order=False) as file:
        file.create_dataset("latent", data=latent)
        file.create_dataset("obs_names", data=list(cells), dtype=h5py.string_dtype("utf-8"))


def write_metrics(
    path: Path,
    metrics: Mapping[str, Any],
    history: Mapping[str, Sequence[Any] | Series],
    settings: Mapping[str, Any],
    warnings: Sequence[str],
    log: Logger,
    gpu: Mapping[str, Any] | None = None,
    libraries: Mapping[str, str] | None = None,
) -> None:
    """Write ``metrics.json``: finite numbers only, the settings that were used, and warnings.

    ``gpu`` is the proof that one computed: its ``name`` and ``peak_memory_bytes``. ``libraries``
    maps those of the method to their versions.
    """
    series = {
        str(name): _finite(str(name), given if isinstance(given, Series) else Series(given), log)
        for name, given in history.items()
    }
    axes = {name: _axis(one) for name, one in series.items() if one != Series(one.values)}
    content = {
        "model_metrics": finite_numbers(metrics, log, "metric"),
        "history": {name: list(one.values) for name, one in series.items()},
        **({"history_axes": axes} if axes else {}),
        "settings": dict(settings),
        "warnings": list(warnings),
    }
    if libraries:
        content["libraries"] = dict(libraries)
    if gpu is not None:
        content["gpu"] = dict(gpu)
    write_aside(path, json.dumps(content, indent=2, allow_nan=False, default=str) + "\n")


def _finite(name: str, series: Series, log: Logger) -> Series:
    """Keep the finite values, at their own numbers: leaving one out moves no other."""
    given = dict(enumerate(series.values))
    kept = finite_numbers(given, log, f"history {name!r} at")  # type: ignore[arg-type]
    places = [int(place) for place in kept]
    if series.at is None and len(kept) == len(given):
        return Series(list(kept.values()), series.per)
    at = [place + 1 if series.at is None else int(series.at[place]) for place in places]
    return Series(list(kept.values()), series.per, at)


def _axis(series: Series) -> dict[str, Any]:
    return {"per": series.per} | ({} if series.at is None else {"at": list(series.at)})
