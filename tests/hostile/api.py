"""A results folder through the Python API: all that it has, and nothing but the errors it names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import multiverse
from multiverse.errors import MultiverseError


def use(folder: Path) -> int:
    """Read everything; prints run id → what became of its embedding, as JSON."""
    try:
        results = multiverse.open_results(folder)
    except MultiverseError as error:
        sys.stdout.write(str(error))
        return error.exit_code
    _tried(lambda: len(results.scores()))
    for dataset, _ in results.datasets:
        _tried(lambda dataset=dataset: results.to_anndata(dataset).shape)  # type: ignore[misc]
    found = {}
    for run in results:
        found[run.record.run_id] = _tried(lambda run=run: str(run.embedding().shape))  # type: ignore[misc]
        _tried(run.obs_names)
        _tried(run.other_attempts)
    sys.stdout.write(json.dumps(found))
    return 0


def _tried(step: Callable[[], object]) -> str:
    """What it gave, or the error that it names."""
    try:
        return str(step())
    except MultiverseError as error:
        return f"error: {error}"
