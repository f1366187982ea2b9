"""All that the page shows, section by section."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from multiverse import __version__
from multiverse.report.page.atlas import Atlas, read_atlas
from multiverse.report.page.charts import CostView, make_cost
from multiverse.report.page.dataset_card import DatasetCard, dataset_card
from multiverse.report.page.headline import Headline, make_headline
from multiverse.report.page.provenance import Provenance, provenance
from multiverse.report.page.run_card import FailureCard, RunCard, failure_card, run_card
from multiverse.report.page.source import DatasetSource, read_sources
from multiverse.report.page.table import ComparisonTable, make_table
from multiverse.report.text.methods import bibtex, methods_text, repeat_command
from multiverse.report.text.methods_table import MethodsRow, methods_table
from multiverse.report.words import counted, plain
from multiverse.runs.aggregate import AGGREGATES
from multiverse.runs.results import Results


@dataclass(frozen=True)
class RunsOf:
    """The runs of one dataset: complete ones and failures."""

    key: str
    title: str
    cards: tuple[RunCard, ...]
    failures: tuple[FailureCard, ...]


@dataclass(frozen=True)
class Unavailable:
    """A part that one dataset lacks, and the reason."""

    key: str
    title: str
    metrics: tuple[str, ...]
    not_applicable: tuple[tuple[str, str], ...]
    unscored: tuple[str, ...]
    totals: tuple[str, ...]
    notes: tuple[str, ...]
    failed: str = ""
    advice: str = ""

    @property
    def nothing(self) -> bool:
        lacking = (self.metrics, self.not_applicable, self.unscored, self.totals, self.failed)
        return not any(lacking)


@dataclass(frozen=True)
class Methods:
    """Texts that are ready to paste, and the table that belongs to the first."""

    text: str
    table: tuple[MethodsRow, ...]
    bibtex: str
    command: str


@dataclass(frozen=True)
class Page:
    """The whole page; each tuple holds one object a dataset."""

    folder: str
    written: str
    version: str
    counts: str
    damaged: tuple[str, ...]
    headlines: tuple[Headline, ...]
    tables: tuple[ComparisonTable, ...]
    costs: tuple[CostView, ...]
    atlases: tuple[Atlas, ...]
    runs: tuple[RunsOf, ...]
    unavailable: tuple[Unavailable, ...]
    cards: tuple[DatasetCard, ...]
    provenance: tuple[Provenance, ...]
    methods: Methods

    @property
    def empty(self) -> bool:
        return not self.headlines

    @property
    def several(self) -> bool:
        return len(self.headlines) > 1

    @property
    def n_failures(self) -> int:
        return sum(len(item.failures) for item in self.runs)


def make_page(results: Results) -> Page:
    """Return everything that is known of a results folder, as a reader wants it."""
    sources = read_sources(results)
    tables = (make_table(source) for source in sources)
    atlases = tuple(map(read_atlas, sources))
    return Page(
        folder=plain(results.paths.folder.absolute().name, 120),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        counts=_counts(results, sources),
        damaged=tuple(plain(sentence, 500) for sentence in results.damaged[:50]),
        headlines=tuple(map(make_headline, sources)),
        tables=tuple(table for table in tables if table is not None),
        costs=tuple(map(make_cost, sources)),
        atlases=atlases,
        runs=tuple(map(_runs, sources)),
        unavailable=tuple(map(_unavailable, sources, atlases)),
        cards=tuple(map(dataset_card, sources)),
        provenance=tuple(map(provenance, sources)),
        methods=_methods(results),
    )


def _counts(results: Results, sources: list[DatasetSource]) -> str:
    done = len(results.complete)
    models = len({run.record.model for run in results.runs})
    said = [counted(len(sources), "dataset"), counted(models, "model"), f"{done:,} complete runs"]
    failed = sum(len(source.failed) for source in sources)
    if failed:
        said.append(f"{failed:,} not completed")
    return ", ".join(said)


def _runs(source: DatasetSource) -> RunsOf:
    return RunsOf(
        source.key,
        source.title,
        tuple(run_card(source, run, number) for number, run in enumerate(source.ordered)),
        tuple(failure_card(source, run, number) for number, run in enumerate(source.failed)),
    )


def _unavailable(source: DatasetSource, atlas: Atlas) -> Unavailable:
    table = make_table(source)
    titles = source.run_titles
    totals = [
        f"{plain(item.label, 80)} has no {which}: "
        + "; ".join(plain(reason, 300) for reason in item.aggregate(which).reasons)
        for item in (source.comparison.configurations if source.comparison else ())
        for which in AGGREGATES
        if item.aggregate(which).value is None and item.aggregate(which).reasons
    ]
    return Unavailable(
        key=source.key,
        title=source.title,
        metrics=table.unavailable if table else (),
        not_applicable=tuple(
            (titles[run.record.run_id], plain(run.record.message, 500))
            for run in source.not_applicable
        ),
        unscored=tuple(titles[run.record.run_id] for run in source.unscored),
        totals=tuple(totals),
        notes=tuple(plain(n, 500) for n in (source.evaluation.notes if source.evaluation else ())),
        failed=_failed(source),
        advice=atlas.advice,
    )


def _failed(source: DatasetSource) -> str:
    """Return a sentence on runs that have no scores because they did not complete."""
    number = len(source.failed)
    if not number:
        return ""
    if not source.complete:
        return "There are no scores, UMAPs or embeddings: no run completed."
    verb = "has" if number == 1 else "have"
    return f"{counted(number, 'run')} did not complete, and {verb} no scores and no UMAP."


def _methods(results: Results) -> Methods:
    table = tuple(methods_table(results))
    return Methods(methods_text(results), table, bibtex(results), repeat_command(results))
