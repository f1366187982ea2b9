"""Finds what has to be scored: runs without scores, and scores that are outdated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multiverse.contract.scores import Reason
from multiverse.registry.datasets import RegisteredDataset
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation, Evaluator, Member

#: Reasons that are of the moment, not of the data: tried again by the next evaluation.
PASSING = frozenset({Reason.EVALUATOR_FAILED, Reason.DAMAGED})
SEED_STABILITY = "seed_stability"


@dataclass(frozen=True)
class Wanted:
    """``runs``: ids to be scored; ``only``: of these, the metrics; all where none are named.

    ``siblings``: run id → runs that differ from it in their seed alone. ``layouts``: runs without
    a UMAP. ``controls``: whether controls are to be scored as well.
    """

    runs: tuple[str, ...]
    only: Mapping[str, tuple[str, ...]]
    controls: bool
    siblings: Mapping[str, tuple[str, ...]]
    layouts: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not (self.runs or self.controls or self.layouts)


def siblings_of(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Return run id → the other seeds of its configuration, sorted; only where there are some."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.record.configuration, []).append(run)
    return {
        run.record.run_id: tuple(
            sorted(
                other.record.run_id
                for other in group
                if other.record.run_id != run.record.run_id and other.record.seed != run.record.seed
            )
        )
        for group in grouped.values()
        for run in group
        if len(group) > 1
    }


def is_current(earlier: Evaluation, dataset: RegisteredDataset, evaluator: Evaluator) -> bool:
    """Return whether scores that exist are of the same labels, evaluator and settings."""
    record = dataset.record
    return (
        earlier.labels_fingerprint == record.labels_fingerprint
        and earlier.sheet.label_key == record.label_key
        and earlier.sheet.batch_key == record.batch_key
        and sorted(earlier.sheet.unlabelled) == sorted(record.unlabelled)
        and earlier.evaluator.version == evaluator.version
        and earlier.evaluator.scib_metrics == evaluator.scib_metrics
        and earlier.evaluator.settings == evaluator.settings
    )


def wanted(
    runs: Sequence[Run],
    earlier: Evaluation | None,
    layouts: Sequence[str],
) -> Wanted:
    """Return the parts of ``runs`` (whole ones) to score; ``earlier``: scores still current."""
    siblings = siblings_of(runs)
    ids = [run.record.run_id for run in runs]
    sums = {run.record.run_id: run.record.embedding_checksum for run in runs}
    missing = [
        name for name in ids if earlier is None or not _holds(earlier.members.get(name), sums[name])
    ]
    stale = [
        name
        for name in ids
        if name not in missing
        and earlier is not None
        and (
            earlier.members[name].siblings != siblings.get(name, ())
            or not set(missing).isdisjoint(siblings.get(name, ()))
        )
    ]
    return Wanted(
        runs=(*missing, *stale),
        only=dict.fromkeys(stale, (SEED_STABILITY,)),
        controls=earlier is None
        or not all(_settled(earlier.controls.get(name)) for name in earlier.expected_controls),
        siblings=siblings,
        layouts=tuple(name for name in ids if name not in layouts),
    )


def _settled(member: Member | None) -> bool:
    return member is not None and not any(
        score.reason in PASSING for score in member.scores.values()
    )


def _holds(member: Member | None, checksum: str) -> bool:
    """Return whether a member's scores are of this very embedding: a run may be made again."""
    return _settled(member) and member is not None and member.checksum == checksum
