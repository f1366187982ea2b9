"""Records how well every model keeps the labels of real data, with the spread over seeds.

``python -m benchmarks.models.quality`` from the root of the repository trains and records seeds 0,
1 and 2 of everything; with ``--stale`` seed 0 of what has no figures with the hashes of today
(``evidence.py``), with ``--stale --all-seeds`` the other seeds too; ``--list`` only says what
would be trained, and why. Each model runs as users run it (an engine, a locked environment or an
image), with the short settings of ``cases.py``. ``tests/science`` judges the recorded figures
whose hashes are those of today, and trains seed 0 of all others.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from benchmarks.models import table
from benchmarks.models.agreement import Agreement, agreement, random_embedding
from benchmarks.models.cases import BATCH_MODELS, CASES, CITE_2BATCH, MODELS, Case, applicable
from benchmarks.models.evidence import Evidence, evidence
from benchmarks.models.records import Baseline, Judged, Records, judge
from benchmarks.models.training import Training, train
from multiverse.cli.progress import Progress

FIGURES = ("ari", "nmi", "purity", "mixing")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Due:
    """A training that is to be made: its hashes of today, and those that differ from the record."""

    training: Training
    now: Evidence
    differing: list[str]

    def __str__(self) -> str:
        training = self.training
        told = "" if training.batch else " without batches"
        return f"{training.case.slug} {training.model}{told} seed {training.seed}: {self.reason}"

    @property
    def reason(self) -> str:
        if self.differing == list(self.now.plain()):
            return "no figures with these hashes"
        return f"changed: {', '.join(self.differing)}" if self.differing else "current"


def main() -> int:
    options = parser().parse_args()
    records = Records.read()
    baselines = {slug: baselines_due(records, CASES[slug], options) for slug in options.cases}
    due = all_due(records, options)
    if options.list:
        for item in [item for found in baselines.values() for item in found.values()] + due:
            print(item)
        return 0
    for slug, found in baselines.items():
        _record_baselines(records, CASES[slug], found, options)
    for items in _together(due):
        judged = train_and_judge(items, options.output, options.engine)
        records.put(items[0].training, judged)
        records.write()
        _show(judged)
    table.main()
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--stale", action="store_true", help="only what has no current figures")
    options.add_argument("--all-seeds", action="store_true", help="with --stale: not seed 0 alone")
    options.add_argument("--list", action="store_true", help="say what is due; train nothing")
    options.add_argument("--seeds", type=int, nargs="+", help="these seeds")
    options.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    options.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    options.add_argument("--engine", default="auto")
    options.add_argument("--output", type=Path, default=Path("results-quality"))
    return options


def trainings(options: argparse.Namespace) -> Iterator[Training]:
    """Yield every training that is asked for; those without batches have one seed, for one test."""
    seeds = options.seeds or (SEEDS if options.all_seeds or not options.stale else SEEDS[:1])
    for case, model in applicable():
        if case.slug in options.cases and model in options.models:
            for seed in seeds if MODELS[model].seeded else seeds[:1]:
                yield Training(case, model, seed)
    for model in BATCH_MODELS:
        if CITE_2BATCH.slug in options.cases and model in options.models and SEEDS[0] in seeds:
            yield Training(CITE_2BATCH, model, SEEDS[0], batch=False)


def all_due(records: Records, options: argparse.Namespace) -> list[Due]:
    """Return what is to be trained: all that is asked for, or what of it has no current figures."""
    found = []
    for training in trainings(options):
        recorded = records.seed(training)
        found.append(_due(training, recorded and recorded.evidence))
    return [item for item in found if item.differing or not options.stale]


def baselines_due(records: Records, case: Case, options: argparse.Namespace) -> dict[str, Due]:
    """Return the same of a case's baselines, by their names."""
    recorded = records.baselines.get(case.slug, {})
    found = {}
    for name, training in baseline_trainings(case, options.output).items():
        baseline = recorded.get(name)
        found[name] = _due(training, baseline and baseline.evidence)
    return {name: item for name, item in found.items() if item.differing or not options.stale}


def train_and_judge(items: list[Due], output: Path, engine: str = "auto") -> list[Judged]:
    """Train one model on one case with one seed or several, and judge each run.

    Raises :class:`RuntimeError` if a file was edited meanwhile: nobody knows then what ran.
    """
    seeds = [item.training.seed for item in items]
    with Progress() as progress:
        runs = train(items[0].training, output, seeds=seeds, engine=engine, listener=progress)
    by_seed = {run.record.seed: run for run in runs}
    judged = [judge(item.training, by_seed[item.training.seed], item.now) for item in items]
    for item in items:
        if changed := evidence(item.training).differences(item.now):
            raise RuntimeError(f"{item.training} is not recorded: {', '.join(changed)} changed")
    return judged


def baseline_trainings(case: Case, folder: Path) -> dict[str, Training]:
    """Return ``pca`` of each modality alone, by the baseline's name."""
    return {f"pca_{name}": Training(case.alone(name, folder), "pca") for name in case.modalities}


def random_baseline(case: Case) -> Baseline:
    """Judge an embedding that knows nothing: so quickly done that it never needs evidence."""
    labels, _ = case.labels()
    return Baseline(Agreement(**agreement(random_embedding(len(labels)), labels).plain()))


def trained_baseline(due: Due, output: Path, engine: str = "auto") -> Baseline:
    """Train and judge ``pca`` of one modality."""
    (judged,) = train_and_judge([due], output, engine)
    return Baseline(Agreement(judged.ari, judged.nmi, judged.purity), due.now)


def _record_baselines(
    records: Records, case: Case, due: dict[str, Due], options: argparse.Namespace
) -> None:
    before = records.baselines.get(case.slug, {})
    found = {"random": random_baseline(case)}
    for name in baseline_trainings(case, options.output):
        found[name] = (
            trained_baseline(due[name], options.output, options.engine)
            if name in due
            else before[name]
        )
    if found != before:
        records.baselines[case.slug] = found
        records.write()


def _due(training: Training, recorded: Evidence | None) -> Due:
    now = evidence(training)
    return Due(training, now, now.differences(recorded))


def _together(due: list[Due]) -> Iterator[list[Due]]:
    """Trainings that differ in their seed only, which run in one benchmark."""
    groups: dict[Training, list[Due]] = {}
    for item in due:
        groups.setdefault(replace(item.training, seed=0), []).append(item)
    yield from groups.values()


def _show(judged: list[Judged]) -> None:
    figures = []
    for name in FIGURES:
        values = [value for run in judged if (value := getattr(run, name)) is not None]
        if values:
            figures.append(f"{name} {mean(values):.3f} ({min(values):.3f}–{max(values):.3f})")
    told = "" if judged[0].batch else " without batches"
    print(f"{judged[0].case} {judged[0].model}{told}: {', '.join(figures)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
