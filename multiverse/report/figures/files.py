"""The files of ``figures/`` that are drawn here, and those of them that are out of date."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from multiverse.contract.folders import is_file, is_folder, names_in, remove_file, status
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.writing import disk_errors

KINDS = ("table", "cost", "training", "umap")
FORMATS = ("svg", "pdf")
_OWN = re.compile(rf"({'|'.join(KINDS)})-[a-z0-9][a-z0-9_.-]*\.({'|'.join(FORMATS)})")


def is_drawn(path: Path) -> bool:
    """Return whether it has a name that is given here; anything else is somebody's own."""
    return _OWN.fullmatch(path.name) is not None


def remove_others(folder: Path, written: Collection[Path]) -> None:
    """Remove the figures of earlier drawings: of datasets that have gone, of other scores."""
    kept = {path.name for path in written}
    with disk_errors(folder):
        for path in map(folder.joinpath, names_in(folder)):
            if is_drawn(path) and path.name not in kept and not is_folder(path):
                remove_file(path)


def current_figures(results: ResultsFolder) -> list[Path]:
    """Return the figures that were not drawn before the newest scores were written."""
    scores = map(results.scores, results.scored_datasets())
    newest = max(map(_written_at, scores), default=0)
    return [
        path
        for path in map(results.figures.joinpath, names_in(results.figures))
        if is_file(path) and (not is_drawn(path) or _written_at(path) >= newest)
    ]


def _written_at(path: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 for one that has gone meanwhile."""
    found = status(path)
    return 0 if found is None else found.st_mtime_ns
