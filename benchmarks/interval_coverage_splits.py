"""Scores of disjoint halves of a dataset: run in the evaluator's environment.

``python interval_coverage_splits.py DATA.h5mu LABELS.h5ad LABEL BATCH SPLITS OUT.json``: each split
cuts the cells in two at random, and each half is scored as a dataset of its own, with its own
intervals. ``BATCH`` is ``-`` where there is none.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from multiverse.contract.evaluation import EvaluationSettings, ScoreLine
from multiverse.evaluation.case import Case
from multiverse.evaluation.member import replicates_of
from multiverse.evaluation.metrics import all_metrics
from multiverse.evaluation.modalities import read_modalities
from multiverse.evaluation.needs import unmet
from multiverse.evaluation.sheet import read_sheet

SETTINGS = EvaluationSettings()
#: What enters a total.
METRICS = [metric for metric in all_metrics() if metric.group.value in ("bio", "batch")]


def main(data: Path, answers: Path, label: str, batch: str, splits: int, out: Path) -> None:
    """Write, by embedding, split and half, the lines that the evaluator would write."""
    key = None if batch == "-" else batch
    sheet = read_sheet(data, answers, batch_key=key, label_key=label, unlabelled=("unknown",))
    with h5py.File(data, "r") as file:
        names = list(file["mod"])
    views = read_modalities(data, names, key, SETTINGS, logging.getLogger("coverage"))
    points = {f"pca_{name}": view.points for name, view in views.items()}
    points["side_by_side"] = np.hstack(
        [view.points / view.points.std(axis=0).max() for view in views.values()]
    )
    found: list[dict[str, Any]] = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(sheet.n_cells)
        for half, chosen in enumerate(np.array_split(order[: sheet.n_cells // 2 * 2], 2)):
            rows = np.sort(chosen)
            for name, latent in points.items():
                case = Case(
                    name,
                    np.ascontiguousarray(latent[rows]),
                    sheet.take(rows),
                    {key: view.take(rows) for key, view in views.items()},
                    SETTINGS,
                )
                lines = scored(case)
                found.append({"embedding": name, "split": split, "half": half, "lines": lines})
        out.write_text(json.dumps({"facts": facts(), "found": found}))


def facts() -> list[dict[str, Any]]:
    return [metric.facts.model_dump(mode="json") for metric in METRICS]


def scored(case: Case) -> list[dict[str, Any]]:
    """Return the lines of one embedding."""
    lines = []
    for metric in METRICS:
        lacking = unmet(metric.needs, case)
        if lacking is not None:
            line = ScoreLine(
                member=case.name, metric=metric.name, value=None, reason=lacking.reason
            )
        else:
            line = ScoreLine(
                member=case.name,
                metric=metric.name,
                value=metric.compute(case).value,
                replicates=tuple(replicates_of(case, metric)),
            )
        lines.append(line.model_dump(mode="json"))
    return lines


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), Path(given[1]), given[2], given[3], int(given[4]), Path(given[5]))
