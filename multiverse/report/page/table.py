"""The comparison table of one dataset: bars for aggregates, circles for metrics, raw and scaled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

from bokeh.palettes import Viridis256

from multiverse.contract.scores import Group, MetricFacts
from multiverse.report.page.source import DatasetSource
from multiverse.report.page.text import Name, name
from multiverse.report.summary import Cell, Comparison, Configuration
from multiverse.report.verdict import MEASURES
from multiverse.report.words import listed, plain, score, shortened, shown_rank
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.scores import Weights
from multiverse.runs.warned import warnings_of
from multiverse.specs.names import sentence

#: Diameters of circles in pixels, for the worst and the best value.
SMALLEST, LARGEST = 10, 30
GROUP_TITLES = {
    Group.BIO: "Biology kept",
    Group.BATCH: "Batches mixed",
    Group.STRUCTURE: "Structure",
}
#: Metrics computed otherwise, by their names in the scores.
VARIANTS = {
    "scib": "one start of k-means, as scib-metrics has it",
    "resolution_1": "Leiden at resolution 1",
}
AGGREGATE_TITLES = {"total": "Total", "bio": "Biology", "batch": "Batch"}


@dataclass(frozen=True)
class Mark:
    """A value as it is drawn. ``share``: 0 worst, 1 best. ``low``, ``high``: of its interval."""

    shown: str
    value: float
    share: float
    clipped: bool = False
    low: float | None = None
    high: float | None = None

    @property
    def size(self) -> int:
        """The diameter of a circle whose area grows with the value."""
        return round(SMALLEST + (LARGEST - SMALLEST) * sqrt(self.share))

    @property
    def colour(self) -> str:
        return str(Viridis256[round(self.share * 255)])

    @property
    def width(self) -> float:
        """Of a bar, in percent."""
        return round(100 * self.share, 1)


@dataclass(frozen=True)
class TableCell:
    """One cell. Without ``raw`` there is no value, and ``tip`` says why."""

    raw: Mark | None
    scaled: Mark | None
    tip: str
    bar: bool = False


@dataclass(frozen=True)
class Row:
    """A configuration or a control.

    ``rank``, ``scaled_rank``: as shown, ``2 =`` where shared. ``warned``: what its runs warn of.
    """

    label: Name
    rank: str
    scaled_rank: str
    tied: str
    coverage: str
    scaled_coverage: str
    seeds: int
    notes: tuple[str, ...]
    cells: tuple[TableCell, ...]
    control: bool = False
    warned: str = ""


@dataclass(frozen=True)
class TableColumn:
    """``description`` is shown to whoever points at the heading or asks for it."""

    title: str
    description: str
    group: str
    kind: str


@dataclass(frozen=True)
class ComparisonTable:
    """Rows are sorted by total; ``groups``: headings with the number of columns under each.

    ``ranked_by``: what the ranks are of, in words; empty where nothing is ranked.
    """

    key: str
    title: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[TableColumn, ...]
    rows: tuple[Row, ...]
    controls: tuple[Row, ...]
    can_scale: bool
    ranked_by: str
    clipped: bool
    parts: tuple[str, ...]
    behind: str
    unavailable: tuple[str, ...]
    approximate: tuple[str, ...]


def make_table(source: DatasetSource) -> ComparisonTable | None:
    """Return the table, or None where nothing is scored."""
    comparison = source.comparison
    if comparison is None or not (comparison.configurations or comparison.controls):
        return None
    ordered = [fact for group in Group for fact in comparison.evaluation.of_group(group)]
    leading = comparison.leading
    rows = tuple(_row(item, ordered, leading) for item in comparison.configurations)
    controls = tuple(_row(item, ordered, leading) for item in comparison.controls)
    cells = [cell for row in (*rows, *controls) for cell in row.cells]
    return ComparisonTable(
        key=source.key,
        title=source.title,
        groups=_groups(ordered),
        columns=(
            *(_aggregate_column(name, comparison.evaluation.weights) for name in AGGREGATES),
            *map(_metric_column, ordered),
        ),
        rows=rows,
        controls=controls,
        can_scale=any(cell.scaled for cell in cells),
        ranked_by=MEASURES.get(comparison.ranked_by, ""),
        clipped=any(cell.scaled and cell.scaled.clipped for cell in cells),
        parts=tuple(_parts(comparison.configurations, ordered)),
        behind=_behind(comparison.configurations, ordered),
        unavailable=tuple(_unavailable(comparison, ordered)),
        approximate=_approximate(comparison),
    )


def _groups(facts: Sequence[MetricFacts]) -> tuple[tuple[str, int], ...]:
    counts = [(GROUP_TITLES[group], sum(fact.group is group for fact in facts)) for group in Group]
    return (("Aggregates", len(AGGREGATES)), *((title, count) for title, count in counts if count))


def _aggregate_column(aggregate: str, weights: Weights) -> TableColumn:
    bio, batch = weights.shares
    own = ", ".join(f"{plain(name, 60)} {weight:g}" for name, weight in weights.metrics.items())
    weighted = f", by weights (others 1): {own}" if own else ""
    described = {
        "total": f"{bio:.3g} × biology + {batch:.3g} × batch, where both exist.",
        "bio": f"Mean of the available metrics of biology kept{weighted}.",
        "batch": f"Mean of the available metrics of batches mixed{weighted}.",
    }
    return TableColumn(AGGREGATE_TITLES[aggregate], described[aggregate], "aggregate", "bar")


def _metric_column(fact: MetricFacts) -> TableColumn:
    better = "higher is better" if fact.higher_is_better else "lower is better"
    said = _sentences([plain(fact.description, 500), better, plain(fact.source, 160)])
    return TableColumn(plain(fact.title, 40), said, str(fact.group), "circle")


def _sentences(texts: Iterable[str]) -> str:
    """Return what is said to whoever points at something, as sentences; empty texts left out."""
    return " ".join(sentence(text) for text in texts if text)


def _row(item: Configuration, facts: Sequence[MetricFacts], leading: str) -> Row:
    notes = []
    if any(run.record.identity.get("labels") for run in item.runs):
        notes.append("saw the labels")
    if not item.comparable:
        mixed = "its seeds have different metrics: not ranked"
        notes.append(mixed if item.varying else "other metrics than most: not ranked with them")
    return Row(
        label=name(item.label, 48),
        rank=shown_rank(item.rank, shared=item.shares_rank),
        scaled_rank=shown_rank(item.scaled_rank, shared=item.shares_scaled_rank),
        tied=shortened([plain(other, 80) for other in item.tied], 6) if item.tied else "",
        coverage=item.aggregate(leading).coverage,
        scaled_coverage=item.aggregate(leading).scaled_coverage,
        seeds=item.aggregate(leading).n or len(item.runs),
        notes=tuple(notes),
        cells=(
            *(_bar(item.aggregate(aggregate)) for aggregate in AGGREGATES),
            *(_circle(item.metrics[fact.name], fact) for fact in facts),
        ),
        control=not item.runs,
        warned=_warned(item),
    )


def _warned(item: Configuration) -> str:
    words = warnings_of([run.record for run in item.runs]).words
    return plain(" ".join(words), 1000)


def _bar(cell: Cell) -> TableCell:
    if cell.value is None:
        return TableCell(None, None, _why(cell), bar=True)
    low, high = (cell.interval.low, cell.interval.high) if cell.interval else (None, None)
    raw = Mark(score(cell.value), cell.value, _share(cell.value), low=_pc(low), high=_pc(high))
    return TableCell(raw, _scaled(cell, digits=3), _said(cell), bar=True)


def _circle(cell: Cell, fact: MetricFacts) -> TableCell:
    if cell.value is None:
        return TableCell(None, None, f"{plain(fact.title, 60)}: {_why(cell)}")
    bottom, top = fact.bounds
    span = (top - bottom) or 1.0
    share = _share((cell.value - bottom) / span)
    share = share if fact.higher_is_better else 1 - share
    raw = Mark(score(cell.value, 2), cell.value, share)
    return TableCell(raw, _scaled(cell, digits=2), f"{plain(fact.title, 60)}: {_said(cell)}")


def _scaled(cell: Cell, *, digits: int) -> Mark | None:
    if cell.scaled is None:
        return None
    mark = "*" if cell.clipped else ""
    shown = score(cell.scaled, digits) + mark
    return Mark(shown, cell.scaled, _share(cell.scaled), clipped=cell.clipped)


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _pc(value: float | None) -> float | None:
    return None if value is None else round(100 * _share(value), 1)


def _why(cell: Cell) -> str:
    return sentence("not available: " + "; ".join(plain(reason, 200) for reason in cell.reasons))


def _said(cell: Cell) -> str:
    """Return everything known of a value, for whoever points at it."""
    words = [score(cell.value, 4)]
    if cell.interval is not None:
        words.append(
            f"95 % interval {score(cell.interval.low, 4)} to {score(cell.interval.high, 4)}"
        )
    if cell.sd is not None:
        words.append(f"sd {score(cell.sd)} over {cell.n} seeds")
    if cell.coverage:
        words.append(f"from {plain(cell.coverage, 40)} metrics")
    if cell.scaled is not None:
        covered = plain(cell.scaled_coverage, 40)
        own = f" from the {covered} metrics that have a scale" if covered else ""
        # Of a mean it is not the mean itself that was clipped.
        clipped = " (some clipped)" if cell.coverage else ", clipped"
        words.append(f"scaled {score(cell.scaled)}{own}{clipped if cell.clipped else ''}")
    if cell.parts:
        parts = (f"{plain(part, 40)} {score(value)}" for part, value in cell.parts.items())
        words.append(f"behind it {listed(parts)}")
    words += [f"{variant_title(name)} {score(value)}" for name, value in cell.variants.items()]
    if cell.approximate:
        words.append("approximate: " + ", ".join(plain(word, 40) for word in cell.approximate))
    words += [plain(remark, 200) for remark in cell.remarks]
    return _sentences(words)


def _parts(items: Sequence[Configuration], facts: Sequence[MetricFacts]) -> list[str]:
    """Return the values behind a mean, in words."""
    found = []
    for fact in facts:
        for item in items:
            cell = item.metrics[fact.name]
            seeds = {run.record.run_id: f"seed {run.record.seed}" for run in item.runs}
            parts = [f"{plain(seeds.get(k, k), 40)} {score(v)}" for k, v in cell.parts.items()]
            parts += [f"{variant_title(key)} {score(v)}" for key, v in cell.variants.items()]
            if parts:
                said = listed(parts)
                found.append(f"{plain(fact.title, 60)}, {plain(item.label, 80)}: {said}.")
    return found


def _behind(items: Sequence[Configuration], facts: Sequence[MetricFacts]) -> str:
    """Return the metrics that :func:`_parts` tells of."""
    titles = [
        plain(fact.title, 60)
        for fact in facts
        if any(item.metrics[fact.name].parts or item.metrics[fact.name].variants for item in items)
    ]
    return shortened(titles, 8) if titles else ""


def variant_title(name: str) -> str:
    """Return what a metric that is computed otherwise is called."""
    return VARIANTS.get(name, plain(name, 40))


def _unavailable(comparison: Comparison, facts: Sequence[MetricFacts]) -> list[str]:
    """Return a sentence for each metric and reason, with those that it holds for."""
    found: dict[tuple[str, str], list[str]] = {}
    items = (*comparison.configurations, *comparison.controls)
    for item in items:
        for fact in facts:
            cell = item.metrics[fact.name]
            for reason in cell.reasons:
                key = (plain(fact.title, 60), plain(reason, 300))
                found.setdefault(key, []).append(plain(item.label, 80))
    return [
        f"{title} ({'all' if len(labels) == len(items) else shortened(labels, 6)}): {reason}"
        for (title, reason), labels in found.items()
    ]


def _approximate(comparison: Comparison) -> tuple[str, ...]:
    words = {
        word
        for item in comparison.configurations
        for cell in item.metrics.values()
        for word in cell.approximate
    }
    return tuple(sorted(plain(word, 60) for word in words))
