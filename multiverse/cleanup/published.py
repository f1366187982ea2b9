"""Published runs that somebody wants to be rid of; only those that are named, never all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import partial

from multiverse.cleanup.holders import held, run_locks
from multiverse.cleanup.removable import CleanupGroup, Entry, Item, Kept, occupied, remove_folder
from multiverse.contract.folders import folders_in
from multiverse.errors import UsageError
from multiverse.runs.folder import ResultsFolder, is_run_id
from multiverse.runs.places import Place, find_runs, opened_folder

_DIGITS = re.compile(r"[0-9a-f]{4,16}")


def full_run_ids(results: ResultsFolder, wanted: Sequence[str]) -> frozenset[str]:
    """Return the ids that begin with the given digits, published or not.

    Raises :class:`UsageError` for what can't be a run's id, for none and for several.
    """
    if not wanted:
        return frozenset()
    known = {place.names[-1] for place in find_runs(results).runs}
    known |= set(filter(is_run_id, folders_in(results.attempts)))
    found: set[str] = set()
    for text in wanted:
        if _DIGITS.fullmatch(text) is None:
            raise UsageError(
                f"{text!r:.60} is not the id of a run",
                remedy=f"Give 4 to 16 of its digits; list them: multiverse runs {results.folder}",
            )
        matches = sorted(run_id for run_id in known if run_id.startswith(text))
        if len(matches) != 1:
            some = f"could be {len(matches)} runs: {', '.join(matches[:8])}"
            raise UsageError(f"{text} {some if matches else 'is no run of this folder'}")
        found.update(matches)
    return frozenset(found)


def published(results: ResultsFolder, run_ids: frozenset[str]) -> Iterator[Entry]:
    """Yield the published runs with these ids."""
    locks = run_locks(results)
    for place in find_runs(results).runs:
        run_id = place.names[-1]
        if run_id not in run_ids:
            continue
        if locks.get(run_id):
            yield Kept(CleanupGroup.PUBLISHED, str(place), f"{locks[run_id]} is working on it")
            continue
        size = occupied(results.folder.joinpath(*place.names))
        remove = partial(_remove, results, place)
        yield Item(CleanupGroup.PUBLISHED, str(place), "named with --published", size, remove)


def _remove(results: ResultsFolder, place: Place) -> None:
    with held(results, place.names[-1]):
        remove_folder(results.folder, place.names, [results.attempts.name])
    for depth in range(len(place.names) - 1, 0, -1):  # the model's folder, then the dataset's
        try:
            with opened_folder(results.folder, place.names[: depth - 1]) as parent:
                os.rmdir(place.names[depth - 1], dir_fd=parent)
        except OSError:  # other runs are in it
            return
