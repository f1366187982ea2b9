"""Matches the configurations of two results folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from multiverse.contract.scores import MetricFacts
from multiverse.report.summary import Configuration, compare_configurations
from multiverse.report.words import plain, settings
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation

#: What is compared between two folders, by name, as it is shown.
Facts = Mapping[str, object]


@dataclass(frozen=True)
class FolderConfiguration:
    """A configuration of one folder: its complete runs, and its scores where there are some."""

    runs: tuple[Run, ...]
    row: Configuration | None
    evaluation: Evaluation | None

    @property
    def record(self) -> RunRecord:
        return self.runs[0].record

    @property
    def label(self) -> str:
        changed = settings(self.record.changed.items())
        return f"{plain(self.record.model, 64)} {changed}".rstrip()

    @property
    def name(self) -> str:
        fingerprint = plain(self.record.dataset_fingerprint, 64)[:8]
        return f"{plain(self.record.dataset, 64)} ({fingerprint}): {self.label}"

    @property
    def metrics(self) -> tuple[MetricFacts, ...]:
        return () if self.evaluation is None else self.evaluation.metrics

    def facts(self) -> Facts:
        """Return what may have changed the result, besides what it is matched by."""
        record = self.record
        return {
            "model's version": record.model_version,
            "software": record.image.digest if record.image else record.environment_lock,
            **{f"parameter {plain(name, 60)}": value for name, value in record.parameters.items()},
            **{
                f"preprocessing {plain(name, 60)}": value
                for name, value in record.preprocessing.items()
            },
            "seeds": " ".join(str(seed) for seed in sorted(self.seeds)),
            "device": record.device.partition(":")[0],
            "contract version": record.identity.get("contract_version"),
            "engine": record.engine.name,
            "labels given to the model": record.identity.get("labels"),
        }

    @property
    def seeds(self) -> set[int]:
        return {run.record.seed for run in self.runs}


def of_folder(results: Results) -> list[FolderConfiguration]:
    """Return every configuration that has a complete run, in the order of the runs.

    Where a fingerprint was evaluated more than once, the last evaluation that scored it counts.
    """
    rows: dict[tuple[str, str], tuple[Configuration, Evaluation]] = {}
    for scored in results.evaluations:
        runs = [run for run in results.complete if run.record.dataset == scored.dataset]
        for row in compare_configurations(scored.evaluation, runs).configurations:
            rows[scored.dataset, row.key] = row, scored.evaluation
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in results.complete:
        key = (run.record.dataset, run.record.configuration)
        grouped.setdefault(key, []).append(run)
    nothing = (None, None)
    return [
        FolderConfiguration(tuple(runs), *rows.get(key, nothing)) for key, runs in grouped.items()
    ]


def matched(
    before: Sequence[FolderConfiguration], after: Sequence[FolderConfiguration]
) -> tuple[
    list[tuple[FolderConfiguration, FolderConfiguration]],
    list[FolderConfiguration],
    list[FolderConfiguration],
]:
    """Return pairs of the same configuration, and what only one of the folders has.

    First those that are equal in all of their identity, then those that are asked for with the
    same words (dataset, fingerprint, model, changed parameters), with equal preprocessing first.
    """
    pairs: list[tuple[FolderConfiguration, FolderConfiguration]] = []
    left, right = list(before), list(after)
    for key in (_whole, _asked_and_prepared, _asked):
        waiting: dict[str, list[FolderConfiguration]] = {}
        for item in right:
            waiting.setdefault(key(item), []).append(item)
        for item in list(left):
            partners = waiting.get(key(item))
            if partners:
                partner = partners.pop(0)
                pairs.append((item, partner))
                left.remove(item)
                right.remove(partner)
    order = {id(item): place for place, item in enumerate(before)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])]), left, right


def _asked(found: FolderConfiguration) -> str:
    return asked(found.record)


def asked(record: RunRecord) -> str:
    """Return what was requested as text that does not depend on versions, to match runs by."""
    return _text(record.dataset, record.dataset_fingerprint, record.model, record.changed)


def _asked_and_prepared(found: FolderConfiguration) -> str:
    return _text(_asked(found), found.record.preprocessing)


def _whole(found: FolderConfiguration) -> str:
    return _text(found.record.dataset, found.record.configuration)


def _text(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True, default=str)


def changes(before: Facts, after: Facts) -> Iterator[tuple[str, str, str]]:
    """Yield name, old and new value of each fact that differs; ``none``: it is missing."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield name, _shown(old), _shown(new)


def _shown(value: object) -> str:
    return "none" if value is None or value == "" else plain(value, 100)
