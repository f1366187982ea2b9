"""``figures/``: each figure of a results folder as SVG and PDF, ready for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from multiverse.contract.folders import make_folder
from multiverse.errors import ResultsError
from multiverse.report.figures.cost import cost_figure
from multiverse.report.figures.curves import curves_figure
from multiverse.report.figures.files import remove_others
from multiverse.report.figures.style import drawing, name_of, save
from multiverse.report.figures.table import table_figure
from multiverse.report.figures.umap import umap_figure
from multiverse.report.summary import Comparison, Configuration, compare_configurations
from multiverse.report.words import plain
from multiverse.runs.layouts import Layouts, find_layouts
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results, Scored
from multiverse.runs.run import Run
from multiverse.runs.warned import warnings_of
from multiverse.runs.writing import disk_errors

Named = tuple[str, Figure | None]


def write_figures(results: Results, folder: Path | None = None) -> list[Path]:
    """Draw what the folder has, into ``folder`` (``figures/`` by default); returns the files.

    A dataset gives ``table-``, ``cost-``, ``umap-`` and ``training-`` and its name, each as
    ``.svg`` and ``.pdf``; what there is nothing to draw from is left out, and in ``figures/`` an
    earlier drawing of it is removed. Raises :class:`ResultsError` after all
    others are drawn if a file of embeddings is damaged.
    """
    target = folder or results.paths.figures
    with disk_errors(target):
        make_folder(target)
    written: list[Path] = []
    damaged: list[ResultsError] = []
    try:
        with drawing():
            for name, figure in _figures(results, damaged):
                if figure is not None:
                    written += save(figure, target, name)
    finally:  # where drawing fails, what is left of an earlier one would pass for its result
        if target == results.paths.figures:
            remove_others(target, written)
    if damaged:
        raise damaged[0]
    return written


def _figures(results: Results, damaged: list[ResultsError]) -> Iterator[Named]:
    for scored, name in _named(results):
        comparison = compare_configurations(scored.evaluation, _runs_of(scored, results))
        title = f"{name_of(scored.dataset, 64)}, {scored.evaluation.n_obs:,} cells"
        yield f"table-{name}", table_figure(title, comparison)
        yield f"cost-{name}", cost_figure(title, comparison)
        yield f"training-{name}", curves_figure(title, comparison.configurations)
        fingerprint = scored.evaluation.dataset_fingerprint
        layouts, problems = find_layouts(results.paths, scored.dataset, fingerprint)
        damaged += problems
        if layouts is not None:
            panels = _panels(comparison, layouts)
            unlabelled = scored.evaluation.sheet.unlabelled
            yield f"umap-{name}", umap_figure(title, layouts, panels, unlabelled)


def _named(results: Results) -> Iterator[tuple[Scored, str]]:
    """Yield each evaluation and the name of its files: the dataset's, made distinct."""
    taken: set[str] = set()
    for scored in results.evaluations:
        several = sum(item.dataset == scored.dataset for item in results.evaluations) > 1
        short = "".join(filter(str.isalnum, scored.evaluation.dataset_fingerprint))[:8]
        name = base = f"{scored.dataset}-{short}" if several else scored.dataset
        number = 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        yield scored, name


def _runs_of(scored: Scored, results: Results) -> list[Run]:
    return [run for run in results.runs if run.record.dataset == scored.dataset]


def _panels(comparison: Comparison, layouts: Layouts) -> Mapping[str, str]:
    """Run id → title of its panel, best configuration first."""
    names = {
        run_id: title
        for item in comparison.configurations
        for run_id, title in _titles(item).items()
    }
    unknown = {run_id: plain(run_id, 16) for run_id in layouts.umaps if run_id not in names}
    return {**names, **unknown}


def _titles(item: Configuration) -> dict[str, str]:
    several = len(item.runs) > 1
    return {run.record.run_id: _title(item, run.record, several=several) for run in item.runs}


def _title(item: Configuration, record: RunRecord, *, several: bool) -> str:
    """Return what is written above a run's panel, with the mark of what it warns of."""
    title = name_of(item.label) + (f" seed {record.seed}" if several else "")
    warned = warnings_of([record])
    return warned.beside(name_of(title, 24)) if warned.words else title
