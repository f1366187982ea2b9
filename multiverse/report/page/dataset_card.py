"""The card of a dataset: cells, features, labels, batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import Name, name
from multiverse.report.words import plain
from multiverse.runs.layouts import find_layouts
from multiverse.runs.scores import Sheet

#: Labels and batches that are listed with their counts, the largest first.
MAX_LISTED = 50


@dataclass(frozen=True)
class Count:
    """A label or a batch. ``share`` in percent of all cells."""

    name: Name
    count: int
    share: float


@dataclass(frozen=True)
class Counts:
    """The largest of them; ``more`` others together have ``more_cells``."""

    key: Name
    total: int
    listed: tuple[Count, ...]
    more: int
    more_cells: int


@dataclass(frozen=True)
class DatasetCard:
    """``labels``, ``batches``: None where there are none, or nobody has looked yet."""

    key: str
    title: str
    fingerprint: str
    labels_fingerprint: str
    n_obs: int
    modalities: tuple[tuple[str, str], ...]
    labels: Counts | None
    batches: Counts | None
    n_unlabelled: int
    unlabelled: tuple[Name, ...]
    notes: tuple[str, ...]
    evaluated: bool


def dataset_card(source: DatasetSource) -> DatasetCard:
    """Return what the evaluation knows of the dataset.

    Without one, what ``embeddings.h5ad`` knows of its cells, and the runs' records of the rest.
    """
    evaluation = source.evaluation
    if evaluation is None:
        used = dict.fromkeys(kind for run in source.runs for kind in run.record.modalities)
        modalities = tuple((plain(kind, 40), "") for kind in used)
    else:
        found = evaluation.modalities.items()
        modalities = tuple((plain(kind, 40), f"{features:,}") for kind, features in found)
    sheet = evaluation.sheet if evaluation else _sheet(source)
    return DatasetCard(
        key=source.key,
        title=source.title,
        fingerprint=plain(source.fingerprint, 80),
        labels_fingerprint=plain((evaluation and evaluation.labels_fingerprint) or "", 80),
        n_obs=source.n_obs,
        modalities=modalities,
        labels=_counts(sheet.label_key, sheet.labels, source.n_obs) if sheet else None,
        batches=_counts(sheet.batch_key, sheet.batches, source.n_obs) if sheet else None,
        n_unlabelled=sheet.n_unlabelled if sheet else 0,
        unlabelled=tuple(name(label) for label in sheet.unlabelled[:20]) if sheet else (),
        notes=tuple(plain(note, 500) for note in (evaluation.notes if evaluation else ())),
        evaluated=evaluation is not None,
    )


def _sheet(source: DatasetSource) -> Sheet | None:
    """Return labels and batches as the file of embeddings has them, if there is one."""
    layouts, _ = find_layouts(source.paths, source.slug, source.fingerprint)
    if layouts is None:
        return None
    return Sheet(
        label_key=layouts.label_key,
        labels=_numbers(layouts.column(layouts.label_key)),
        batch_key=layouts.batch_key,
        batches=_numbers(layouts.column(layouts.batch_key)),
    )


def _numbers(values: Sequence[str | None] | None) -> dict[str, int]:
    """Return how many cells have each value."""
    return dict(Counter(value for value in values or () if value is not None))


def _counts(key: str | None, counts: Mapping[str, int], n_obs: int) -> Counts | None:
    if key is None:
        return None
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:MAX_LISTED], ordered[MAX_LISTED:]
    return Counts(
        key=name(key),
        total=len(ordered),
        listed=tuple(
            Count(name(value), count, round(100 * count / max(1, n_obs), 1))
            for value, count in shown
        ),
        more=len(rest),
        more_cells=sum(count for _, count in rest),
    )
