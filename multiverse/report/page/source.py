"""The source of the page's content on one dataset: its runs, its scores, its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from multiverse.facts import RunState
from multiverse.report.summary import Comparison, compare_configurations
from multiverse.report.words import plain, settings
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation
from multiverse.runs.warned import MARK, warnings_of


@dataclass(frozen=True)
class DatasetSource:
    """One fingerprint of one dataset. ``key`` is safe in an HTML id; ``title`` is unique."""

    key: str
    slug: str
    fingerprint: str
    title: str
    runs: tuple[Run, ...]
    evaluation: Evaluation | None
    comparison: Comparison | None
    paths: ResultsFolder

    @property
    def complete(self) -> list[Run]:
        return [run for run in self.runs if run.complete]

    @property
    def failed(self) -> list[Run]:
        """Runs that should have completed and did not, cancelled ones too."""
        left_out = (RunState.COMPLETE, RunState.NOT_APPLICABLE)
        return [run for run in self.runs if run.record.state not in left_out]

    @property
    def not_applicable(self) -> list[Run]:
        return [run for run in self.runs if run.record.state is RunState.NOT_APPLICABLE]

    @property
    def unscored(self) -> list[Run]:
        """Complete runs that no evaluation has seen."""
        scored = self.evaluation.members if self.evaluation else {}
        return [run for run in self.complete if run.record.run_id not in scored]

    @property
    def n_obs(self) -> int:
        return self.evaluation.n_obs if self.evaluation else self.runs[0].record.n_obs

    @cached_property
    def run_titles(self) -> dict[str, str]:
        """Run id → the model; its changed parameters, seed and id where these tell runs apart."""
        records = [run.record for run in self.runs]
        models = Counter(record.model for record in records)
        titles = {}
        for record in records:
            words = [plain(record.model, 80)]
            if models[record.model] > 1:
                words += [settings(record.changed.items())] if record.changed else []
                words.append(f"seed {record.seed}")
            titles[record.run_id] = " ".join(words)
        counts = Counter(titles.values())
        return {
            run_id: title if counts[title] == 1 else f"{title} [{plain(run_id, 8)}]"
            for run_id, title in titles.items()
        }

    @cached_property
    def warned(self) -> tuple[str, ...]:
        """A sentence for each warning of a complete run: ``⚠ totalvi: The posterior …``."""
        runs = {run.record.run_id: run.record for run in self.complete}
        labels = {
            tuple(run.record.run_id for run in item.runs): item.label
            for item in (self.comparison.configurations if self.comparison else ())
        }
        scored = {run_id for ids in labels for run_id in ids}
        labels |= {(run_id,): self.run_titles[run_id] for run_id in runs if run_id not in scored}
        return tuple(
            plain(f"{MARK} {plain(label, 80)}: {word}", 600)
            for ids, label in labels.items()
            for word in warnings_of([runs[run_id] for run_id in ids]).words
        )

    @cached_property
    def ordered(self) -> list[Run]:
        """Complete runs in the order of the comparison, then those without scores."""
        if self.comparison is None:
            return self.complete
        ranked = [run for item in self.comparison.configurations for run in item.runs]
        known = {run.record.run_id for run in ranked}
        return ranked + [run for run in self.complete if run.record.run_id not in known]


def read_sources(results: Results) -> list[DatasetSource]:
    """Return one source for each dataset and fingerprint that has runs."""
    slugs = Counter(slug for slug, _ in results.datasets)
    return [
        _source(results, number, slug, fingerprint, alone=slugs[slug] == 1)
        for number, (slug, fingerprint) in enumerate(results.datasets)
    ]


def _source(
    results: Results, number: int, slug: str, fingerprint: str, *, alone: bool
) -> DatasetSource:
    runs = tuple(
        run
        for run in results.runs
        if (run.record.dataset, run.record.dataset_fingerprint) == (slug, fingerprint)
    )
    found = results.evaluations_of(slug, fingerprint)
    evaluation = found[-1] if found else None
    shown = plain(slug, 80)
    return DatasetSource(
        key=f"d{number}",
        slug=slug,
        fingerprint=fingerprint,
        title=shown if alone else f"{shown} ({plain(fingerprint, 8).rstrip('…')}…)",
        runs=runs,
        evaluation=evaluation,
        comparison=None if evaluation is None else compare_configurations(evaluation, runs),
        paths=results.paths,
    )
