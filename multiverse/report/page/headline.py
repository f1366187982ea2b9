"""The answer in a sentence or two: which model to trust on a dataset, and how far."""

from __future__ import annotations

from dataclasses import dataclass

from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import score
from multiverse.report.summary import Cell, Comparison, Configuration
from multiverse.report.words import counted, listed, plain, shortened

#: The control that knows the labels: it is meant to be beyond every model.
ORACLE = "label_oracle"


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
    ranked = [item for item in comparison.configurations if item.rank] if comparison else []
    if comparison is None or not comparison.configurations:
        answer, sentences = _without_scores(source)
    elif not ranked:
        answer, sentences = _without_total(comparison)
    else:
        answer, sentences = _verdict(ranked, comparison)
    return Headline(
        source.key,
        source.title,
        answer,
        tuple(sentences),
        (*_warnings(source, ranked), *source.warned),
    )


def _without_scores(source: DatasetSource) -> tuple[str, list[str]]:
    if not source.complete:
        return "No run completed, so there is nothing to compare.", []
    done = counted(len(source.complete), "run")
    return (
        f"Nothing is scored yet: {done} completed.",
        ["Score what there is: multiverse evaluate RESULTS"],
    )


def _without_total(comparison: Comparison) -> tuple[str, list[str]]:
    reasons = dict.fromkeys(
        reason for item in comparison.configurations for reason in item.total.reasons
    )
    said = f" ({'; '.join(plain(reason, 160) for reason in reasons)})" if reasons else ""
    sentences = []
    for group in ("bio", "batch"):
        valued = [item for item in comparison.configurations if item.aggregate(group).value]
        if valued:
            best = max(valued, key=lambda item: item.aggregate(group).value or 0.0)
            cell = best.aggregate(group)
            sentences.append(
                f"The best {group} score is that of {plain(best.label, 80)}: {with_interval(cell)}."
            )
    return f"No model has a total{said}, so none can be called best.", sentences


def _verdict(ranked: list[Configuration], comparison: Comparison) -> tuple[str, list[str]]:
    best = ranked[0]
    names = tuple(plain(other, 80) for other in best.tied)
    answer = " ".join(filter(None, (_answer(ranked, comparison), _above(best, comparison))))
    sentences = [
        f"Total {with_interval(best.total)}, from {coverage(best.total)}; "
        f"bio {score(best.bio.value)}, batch {score(best.batch.value)}."
    ]
    if names:
        sentences.append("Tied means that the intervals overlap: these scores don't decide.")
    second = next((item for item in comparison.configurations if item.rank == 2), None)
    if second is not None and not names:
        sentences.append(f"Next: {plain(second.label, 80)} with {with_interval(second.total)}.")
    return answer, sentences + _beside_controls(best, comparison)


def _answer(ranked: list[Configuration], comparison: Comparison) -> str:
    """Return the conclusion from the ranks of those that have one: others are not spoken for."""
    best = ranked[0]
    name = plain(best.label, 80)
    scored = len(comparison.configurations)
    if scored == 1:
        return f"{name} is the only model that was scored: there is nothing to compare it with."
    if len(ranked) == 1:
        return f"{name} is the only one of {scored:,} with its metrics: none is ranked beside it."
    whole = len(ranked) == scored
    among = "" if whole else f" of the {len(ranked):,} that share its metrics"
    if best.tied:
        tied = shortened([plain(other, 80) for other in best.tied], 4)
        return f"{name} scores highest{among}, but is tied with {tied}."
    if any(item.total.interval is None for item in ranked):
        return (
            f"{name} scores highest{among}; how sure that is isn't known, for there is no interval."
        )
    others = "every other model's interval" if whole else "the intervals of all others among them"
    return f"{name} scores highest{among}, beyond {others}."


def _above(best: Configuration, comparison: Comparison) -> str:
    """Return a sentence on those that have no rank, and a total that is higher all the same."""
    higher = [
        f"{plain(item.label, 80)} ({score(item.total.value)} from {coverage(item.total)})"
        for item in comparison.configurations
        if item.rank is None and (item.total.value or 0.0) > (best.total.value or 0.0)
    ]
    if not higher:
        return ""
    return f"Not ranked, for other metrics, with a higher total: {shortened(higher, 4)}."


def _beside_controls(best: Configuration, comparison: Comparison) -> list[str]:
    """Return controls that do as well without a model, which takes the shine off the best."""
    if best.total.value is None:
        return []
    reach = [
        f"{plain(item.label, 80)} ({score(item.total.value)})"
        for item in comparison.controls
        if item.model != ORACLE
        and item.total.value is not None
        and item.total.value >= _lowest(best.total)
    ]
    if not reach:
        return []
    return [f"Controls that do as well, within its interval: {listed(reach)}."]


def _lowest(cell: Cell) -> float:
    if cell.interval is not None:
        return cell.interval.low
    return cell.value or 0.0


def _warnings(source: DatasetSource, ranked: list[Configuration]) -> list[str]:
    found = []
    comparison = source.comparison
    if comparison is not None and comparison.coverage_differs:
        others = [
            plain(item.label, 80) for item in comparison.configurations if not item.comparable
        ]
        found.append(
            "Totals are means over different metrics and don't compare across all models"
            + (f"; not ranked with the rest: {shortened(others, 6)}." if others else ".")
        )
    if ranked and all(item.total.n <= 1 for item in ranked) and len(ranked) > 1:
        found.append(
            "One seed per model: intervals hold the sampling of cells, not the chance in training."
        )
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


def with_interval(cell: Cell) -> str:
    """Return ``0.712 (95 % interval 0.701 to 0.723)``."""
    if cell.interval is None:
        return score(cell.value)
    low, high = score(cell.interval.low), score(cell.interval.high)
    return f"{score(cell.value)} (95 % interval {low} to {high})"


def coverage(cell: Cell) -> str:
    """Return ``9 of 12 metrics``."""
    available, _, total = cell.coverage.partition("/")
    return f"{available} of {total} metrics" if total.isdigit() else f"metrics {cell.coverage}"
