"""References of a results folder's runs: datasets by fingerprint, images by digest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from multiverse.errors import ResultsError
from multiverse.runs.folder import AttemptFolder, ResultsFolder
from multiverse.runs.places import Place, attempt_folders, find_runs, opened_folder, read_record
from multiverse.runs.record import RunRecord
from multiverse.runs.started import Started


@dataclass(frozen=True)
class References:
    """``images``: digest → how many published runs it made. ``unreadable``: runs without a record.

    Attempts count for the datasets too: the one in flight reads its data from there.
    """

    fingerprints: frozenset[str]
    images: Counter[str]
    unreadable: tuple[str, ...]

    @classmethod
    def none(cls) -> References:
        """Return the references where no results folder is given."""
        return cls(frozenset(), Counter(), ())


def references(results: ResultsFolder) -> References:
    """Read every record of a results folder, published or not."""
    fingerprints: set[str] = set()
    images: Counter[str] = Counter()
    unreadable: list[str] = []
    found = find_runs(results)
    unreadable += map(str, (*found.links, *found.unreadable))
    for place in found.runs:
        try:
            record = _record(results, place)
        except (OSError, ResultsError):
            unreadable.append(str(place))
            continue
        fingerprints.add(record.dataset_fingerprint)
        images.update([record.image.digest] if record.image else [])
    for place in _attempts(results):
        try:
            fingerprints.add(_attempt_record(results, place).dataset_fingerprint)
        except (OSError, ResultsError):
            unreadable.append(str(place))
    return References(frozenset(fingerprints), images, tuple(unreadable))


def _record(results: ResultsFolder, place: Place) -> RunRecord:
    with opened_folder(results.folder, place.names) as folder:
        return read_record(folder)


def _attempts(results: ResultsFolder) -> list[Place]:
    folders = (attempt.folder for attempt in attempt_folders(results))
    return [Place(folder.relative_to(results.folder).parts) for folder in folders]


def _attempt_record(results: ResultsFolder, place: Place) -> RunRecord:
    try:
        return _record(results, place)
    except FileNotFoundError:
        return Started.of(AttemptFolder(results.folder.joinpath(*place.names))).record
