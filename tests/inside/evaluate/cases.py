"""Small embeddings with labels and batches, made by hand, and what the evaluator says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from multiverse.contract.evaluation import EvaluationFiles, EvaluationSettings, ScoreLine
from multiverse.evaluation.case import Case
from multiverse.evaluation.member import MemberContext, score_member
from multiverse.evaluation.metric import Metric
from multiverse.evaluation.metrics import all_metrics
from multiverse.evaluation.modalities import ModalityView
from multiverse.evaluation.neighbours import Matrix
from multiverse.evaluation.sheet import AnswerSheet, CellColumn

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in all_metrics()}
#: Short: few replicates, and neighbourhoods that fit into some hundred cells.
SHORT = EvaluationSettings(lisi_neighbours=45, kbet_neighbours=30, replicates=3)


@dataclass(frozen=True)
class Blobs:
    """Points (n_cells, n_dims) around one centre a label, moved a little by batch."""

    points: Matrix
    labels: NDArray[Any]
    batches: NDArray[Any]


def blobs(
    n_cells: int = 240,
    *,
    n_labels: int = 3,
    n_batches: int = 2,
    n_dims: int = 6,
    apart: float = 4.0,
    shift: float = 0.5,
    seed: int = 0,
) -> Blobs:
    """Labels and batches in random order. ``apart``, ``shift``: of labels and batches."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n_cells) % n_labels)
    batches = random.permutation(np.arange(n_cells) % n_batches)
    centres = apart * random.normal(size=(n_labels, n_dims))
    moves = shift * random.normal(size=(n_batches, n_dims))
    points = centres[labels] + moves[batches] + random.normal(size=(n_cells, n_dims))
    return Blobs(
        points.astype(np.float32),
        np.array([f"type {code}" for code in labels], dtype=object),
        np.array([f"donor {code}" for code in batches], dtype=object),
    )


def sheet_of(
    n_cells: int,
    labels: Iterable[Any] | None = None,
    batches: Iterable[Any] | None = None,
    *,
    unlabelled: Sequence[str] = (),
) -> AnswerSheet:
    """Labels and batches of cells c0, c1, …"""
    return AnswerSheet(
        tuple(f"c{number}" for number in range(n_cells)),
        None
        if labels is None
        else CellColumn.of(pd.Series(list(labels), dtype=object), unlabelled),
        None if batches is None else CellColumn.of(pd.Series(list(batches), dtype=object)),
    )


def view_of(
    name: str,
    points: Matrix,
    cells: NDArray[np.intp] | None = None,
    settings: EvaluationSettings = SHORT,
    *,
    reference: Matrix | None = None,
    depth: NDArray[np.float64] | None = None,
) -> ModalityView:
    """A modality measured in ``cells`` (all), whose components are ``points``.

    They are the reference as well, unless there is another; ``depth`` is random without one.
    """
    n_cells = len(points)
    return ModalityView(
        name,
        points,
        points if reference is None else reference,
        np.random.default_rng(n_cells).normal(size=n_cells) if depth is None else depth,
        np.arange(n_cells) if cells is None else cells,
        settings,
    )


def case_of(
    points: Matrix,
    labels: Iterable[Any] | None = None,
    batches: Iterable[Any] | None = None,
    *,
    views: Iterable[ModalityView] = (),
    settings: EvaluationSettings = SHORT,
    siblings: Mapping[str, NDArray[np.int64]] | None = None,
    unlabelled: Sequence[str] = (),
) -> Case:
    """``siblings``: run id → neighbours of each cell there, (n_cells, k)."""
    found = dict(siblings or {})
    return Case(
        name="run",
        points=points,
        sheet=sheet_of(len(points), labels, batches, unlabelled=unlabelled),
        modalities={view.name: view for view in views},
        settings=settings,
        sibling_ids=tuple(found),
        find_sibling=found.__getitem__,
    )


def value_of(metric: str, case: Case) -> float:
    """The metric's value, its needs not asked for."""
    return METRICS[metric].compute(case).value


def write_embedding(path: Path, points: Matrix, cells: Sequence[str]) -> None:
    """As a model writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("latent", data=points)
        file.create_dataset("obs_names", data=list(cells), dtype=h5py.string_dtype())


def bench_of(folder: Path, case: Case) -> MemberContext:
    """The bench of a case whose points are on disk as those of ``case.name``; no other seeds."""
    files = EvaluationFiles(folder / "input", folder / "output")
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    write_embedding(files.embeddings(case.name), case.points, case.sheet.cells)
    return MemberContext(files, case.sheet, dict(case.modalities), case.settings, {}, scratch)


def scored(folder: Path, case: Case, metrics: Iterable[str] = METRICS) -> dict[str, ScoreLine]:
    """Metric → the line that the evaluator writes of it."""
    chosen = tuple(METRICS[name] for name in metrics)
    lines = score_member(bench_of(folder, case), case.name, chosen)
    return {line.metric: line for line in lines if isinstance(line, ScoreLine)}
