"""Scores of disjoint halves of a dataset: run in the evaluator's environment.

``python interval_coverage_splits.py DATA.h5mu EMBEDDINGS.h5ad LABEL BATCH SPLITS OUT.json``: each
split cuts the cells in two at random, and each half is scored as a dataset of its own, with its own
intervals. ``BATCH`` is ``-`` where there is none.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import read_elem

from multiverse.contract.evaluation import EvaluationSettings, ScoreLine
from multiverse.evaluation.case import Case
from multiverse.evaluation.member import replicates_of
from multiverse.evaluation.metrics import all_metrics
from multiverse.evaluation.modalities import read_modalities
from multiverse.evaluation.needs import unmet
from multiverse.evaluation.sheet import AnswerSheet, CellColumn

SETTINGS = EvaluationSettings()
#: What enters a total.
METRICS = [metric for metric in all_metrics() if metric.group.value in ("bio", "batch")]


def main(data: Path, embeddings: Path, label: str, batch: str, splits: int, out: Path) -> None:
    """Write, by embedding, split and half, the lines that the evaluator would write."""
    with h5py.File(embeddings, "r") as file:
        obs = read_elem(file["obs"])
        points = {
            name.removeprefix("X_"): np.asarray(file["obsm"][name][...], dtype=np.float32)
            for name in file["obsm"]
            if not name.startswith("X_umap")
        }
    with h5py.File(data, "r") as file:
        names = list(file["mod"])
    log = logging.getLogger("coverage")
    views = read_modalities(data, names, None if batch == "-" else batch, SETTINGS, log)
    points |= {f"pca_{name}": view.points for name, view in views.items()}
    columns = (
        CellColumn.of(obs[label].astype(object), ("unknown",)),
        None if batch == "-" else CellColumn.of(obs[batch].astype(object)),
    )
    found: list[dict[str, Any]] = []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(obs))
        for half, rows in enumerate(np.array_split(order[: len(obs) // 2 * 2], 2)):
            rows = np.sort(rows)
            for name, latent in points.items():
                lines = scored(name, latent[rows], rows, columns, views, obs)
                found.append({"embedding": name, "split": split, "half": half, "lines": lines})
        out.write_text(json.dumps({"facts": facts(), "found": found}))
        print(f"{split + 1} of {splits}", flush=True)


def facts() -> list[dict[str, Any]]:
    return [metric.facts.model_dump(mode="json") for metric in METRICS]


def scored(name: str, latent: Any, rows: Any, columns: Any, views: Any, obs: Any) -> list[Any]:
    """Return the lines of one embedding of some of the cells."""
    labels, batches = (None if column is None else column.take(rows) for column in columns)
    sheet = AnswerSheet(tuple(obs.index[rows]), labels, batches)
    modalities = {
        key: replace(view, points=view.points[rows], cells=np.arange(len(rows)))
        for key, view in views.items()
    }
    case = Case(name, np.ascontiguousarray(latent), sheet, modalities, SETTINGS)
    lines = []
    for metric in METRICS:
        lacking = unmet(metric.needs, case)
        if lacking is not None:
            line = ScoreLine(member=name, metric=metric.name, value=None, reason=lacking.reason)
        else:
            estimate = metric.compute(case)
            line = ScoreLine(
                member=name,
                metric=metric.name,
                value=estimate.value,
                replicates=tuple(replicates_of(case, metric)),
            )
        lines.append(line.model_dump(mode="json"))
    return lines


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), Path(given[1]), given[2], given[3], int(given[4]), Path(given[5]))
