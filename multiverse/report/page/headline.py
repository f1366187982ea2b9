"""The answer in a sentence or two: which model to trust on a dataset, and how far."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.report.page.source import DatasetSource
from multiverse.report.summary import Comparison
from multiverse.report.verdict import verdict, without_ranks
from multiverse.report.words import counted, plain, shortened


@dataclass(frozen=True)
class Headline:
    """``answer``: the verdict. ``sentences``: what it rests on. ``warnings``: what limits it."""

    key: str
    title: str
    answer: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def make_headline(source: DatasetSource) -> Headline:
    """Return the verdict on one dataset."""
    comparison = source.comparison
    if comparison is None or not comparison.configurations:
        answer, sentences = _without_scores(source)
    elif not comparison.ranked:
        answer, sentences = without_ranks(comparison)
    else:
        answer, sentences = verdict(comparison)
    warnings = (*_warnings(source), *source.warned)
    return Headline(source.key, source.title, answer, tuple(sentences), warnings)


def _without_scores(source: DatasetSource) -> tuple[str, list[str]]:
    if not source.complete:
        return "No run completed, so there is nothing to compare.", []
    done = counted(len(source.complete), "run")
    return (
        f"Nothing is scored yet: {done} completed.",
        ["Score what there is: multiverse evaluate RESULTS"],
    )


def _remarks(comparison: Comparison) -> list[str]:
    """Return what a reader of some value must know, with the models that it is of."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in comparison.configurations:
        for fact in comparison.metrics:
            for remark in item.metrics[fact.name].remarks:
                key = plain(fact.title, 60), plain(remark, 200)
                found.setdefault(key, []).append(plain(item.label, 80))
    whole = len(comparison.configurations)
    return [
        f"{title}{'' if len(labels) == whole else f' ({shortened(labels, 6)})'}: {remark}."
        for (title, remark), labels in found.items()
    ]


def _warnings(source: DatasetSource) -> list[str]:
    found = []
    comparison = source.comparison
    if comparison is not None and comparison.coverage_differs:
        others = [
            plain(item.label, 80) for item in comparison.configurations if not item.comparable
        ]
        found.append(
            "Scores are means over different metrics and don't compare across all models"
            + (f"; not ranked with the rest: {shortened(others, 6)}." if others else ".")
        )
    if comparison is not None:
        found += _remarks(comparison)
    if source.failed:
        titles = [source.run_titles[run.record.run_id] for run in source.failed]
        what = f"{len(titles)} of {counted(len(source.runs), 'run')} did not complete"
        found.append(f"{what}: {shortened(titles, 6)}.")
    if source.not_applicable:
        titles = [source.run_titles[run.record.run_id] for run in source.not_applicable]
        found.append(f"Not applicable to these data: {shortened(titles, 6)}.")
    if source.comparison is not None and source.unscored:
        titles = [source.run_titles[run.record.run_id] for run in source.unscored]
        found.append(
            f"Complete but not scored: {shortened(titles, 6)}. "
            "Score them: multiverse evaluate RESULTS"
        )
    return found
