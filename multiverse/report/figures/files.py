"""The files of ``figures/`` that are drawn here, and those of them that are out of date."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

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
        for path in list(folder.iterdir()):
            if is_drawn(path) and path.name not in kept and not path.is_dir():
                path.unlink(missing_ok=True)


def current_figures(results: ResultsFolder) -> list[Path]:
    """Return the figures that were not drawn before the newest scores were written."""
    if not results.figures.is_dir():
        return []
    scores = map(results.scores, results.scored_datasets())
    times = [path.stat().st_mtime_ns for path in scores]
    newest = max(times, default=0)
    return [
        path
        for path in sorted(results.figures.iterdir())
        if path.is_file() and (not is_drawn(path) or path.stat().st_mtime_ns >= newest)
    ]
