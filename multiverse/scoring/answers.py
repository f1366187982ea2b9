"""The held-out labels of what was run: the registered dataset whose content the runs saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from multiverse.errors import DatasetError
from multiverse.registry.datasets import DatasetFolder, RegisteredDataset
from multiverse.registry.home import home
from multiverse.runs.run import Run
from multiverse.specs.dataset import SUSPECT_LABELS


class DataNotHere(DatasetError):
    """No dataset that is registered on this machine has the content that the runs saw."""


@dataclass(frozen=True)
class Cohort:
    """The runs of one fingerprint of a dataset."""

    dataset: str
    fingerprint: str
    runs: tuple[Run, ...]


def cohorts_of(runs: Iterable[Run]) -> list[Cohort]:
    """Group complete runs by dataset and fingerprint: those of different data don't compare."""
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.complete:
            key = (run.record.dataset, run.record.dataset_fingerprint)
            grouped.setdefault(key, []).append(run)
    return [Cohort(slug, print_, tuple(found)) for (slug, print_), found in sorted(grouped.items())]


def find_answers(cohort: Cohort) -> RegisteredDataset:
    """Return the registered version with the fingerprint: that in use, else the newest.

    Raises :class:`DatasetError` where no version on this machine has it.
    """
    folder = DatasetFolder(cohort.dataset, home())
    found: dict[str, RegisteredDataset] = {}
    for version in folder.versions():
        try:
            dataset = folder.read(version)
        except DatasetError:
            continue
        if dataset.record.fingerprint == cohort.fingerprint:
            found[version] = dataset
    current = folder.current_version()
    if current in found:
        return _with_labels(found[current])
    if not found:
        raise DataNotHere(
            f"{cohort.dataset}: the data of these runs ({cohort.fingerprint[:16]}…) are not "
            "registered on this machine, so nothing can be scored against them",
            remedy=f"Register the file they came from: multiverse register FILE --slug "
            f"{cohort.dataset}",
        )
    return _with_labels(max(found.values(), key=lambda dataset: dataset.record.registered_at))


def _with_labels(dataset: RegisteredDataset) -> RegisteredDataset:
    if dataset.record.label_key is not None and not dataset.labels.is_file():
        raise DatasetError(
            f"{dataset.record.slug}: {dataset.labels} is missing, so there are no held-out labels "
            "to score against",
            remedy="Register the file again: multiverse register FILE --slug "
            f"{dataset.record.slug} --replace",
        )
    return dataset


def label_notes(labels: Mapping[str, int], declared: Iterable[str]) -> list[str]:
    """Return notes on labels that read like the lack of one, and were not declared so."""
    return [
        f"the label {name!r} ({labels[name]:,} cells) counts as a cell type; if it means that a "
        f"cell has none, register the file with --unlabelled {name!r}"
        for name in labels
        if name.strip().lower() in SUSPECT_LABELS and name not in declared
    ]
