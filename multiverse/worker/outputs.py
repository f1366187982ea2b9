"""Writing what a run leaves behind: each file is complete or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.files import write_aside, written_aside
from multiverse.worker.embedding import finite_numbers

if TYPE_CHECKING:
    from multiverse.worker.embedding import Latent


def write_embedding(path: Path, latent: Latent, cells: Sequence[str]) -> None:
    """``embeddings.h5``: ``latent`` (n_cells, n_dims) float32 and ``obs_names`` in row order."""
    import h5py

    with written_aside(path) as aside, h5py.File(aside, "w", track_order=False) as file:
        file.create_dataset("latent", data=latent)
        file.create_dataset("obs_names", data=list(cells), dtype=h5py.string_dtype("utf-8"))


def write_metrics(
    path: Path,
    metrics: Mapping[str, Any],
    history: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any],
    warnings: Sequence[str],
    log: Logger,
    gpu: Mapping[str, Any] | None = None,
) -> None:
    """``metrics.json``: finite numbers only, the settings that were used, and warnings.

    ``gpu`` is the proof that one computed: its ``name`` and ``peak_memory_bytes``.
    """
    content = {
        "model_metrics": finite_numbers(metrics, log, "metric"),
        "history": {
            str(name): list(
                finite_numbers(dict(enumerate(series)), log, f"history {name!r} at").values()  # type: ignore[arg-type]
            )
            for name, series in history.items()
        },
        "settings": dict(settings),
        "warnings": list(warnings),
    }
    if gpu is not None:
        content["gpu"] = dict(gpu)
    write_aside(path, json.dumps(content, indent=2, allow_nan=False, default=str) + "\n")
