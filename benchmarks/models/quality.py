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
    options = _parser().parse_args()
    records = Records.read()
    due = [
        item
        for training in trainings(options)
        if (item := _due(records, training)).differing or not options.stale
    ]
    if options.list:
        print("\n".join(map(str, due)))
        return 0
    for slug in options.cases:
        _record_baselines(records, CASES[slug], options)
    for items in _together(due):
        judged = train_and_judge(items, options.output, options.engine)
        records.put(items[0].training, judged)
        records.write()
        _show(judged)
    return 0


def trainings(options: argparse.Namespace) -> Iterator[Training]:
    """Every training that is asked for; those without batches have one seed, for one test."""
    seeds = options.seeds or (SEEDS if options.all_seeds or not options.stale else SEEDS[:1])
    for case, model in applicable():
        if case.slug in options.cases and model in options.models:
            for seed in seeds if MODELS[model].seeded else seeds[:1]:
                yield Training(case, model, seed)
    for model in BATCH_MODELS:
        if CITE_2BATCH.slug in options.cases and model in options.models and SEEDS[0] in seeds:
            yield Training(CITE_2BATCH, model, SEEDS[0], batch=False)


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
    """``pca`` of each modality alone, by the baseline's name."""
    return {f"pca_{name}": Training(case.alone(name, folder), "pca") for name in case.modalities}


def random_baseline(case: Case) -> Baseline:
    """An embedding that knows nothing: quick to judge, so that it never needs evidence."""
    labels, _ = case.labels()
    return Baseline(agreement(random_embedding(len(labels)), labels))


def trained_baseline(training: Training, now: Evidence, output: Path, engine: str) -> Baseline:
    """The figures of ``pca`` of one modality."""
    (judged,) = train_and_judge([Due(training, now, [])], output, engine)
    return Baseline(Agreement(judged.ari, judged.nmi, judged.purity), now)


def _record_baselines(records: Records, case: Case, options: argparse.Namespace) -> None:
    found = {"random": random_baseline(case)}
    for name, training in baseline_trainings(case, options.output).items():
        now = evidence(training)
        kept = records.baseline(case.slug, name, now) if options.stale else None
        found[name] = kept or trained_baseline(training, now, options.output, options.engine)
    records.baselines[case.slug] = found
    records.write()


def _due(records: Records, training: Training) -> Due:
    now, recorded = evidence(training), records.seed(training)
    return Due(training, now, now.differences(recorded and recorded.evidence))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stale", action="store_true", help="only what has no current figures")
    parser.add_argument("--all-seeds", action="store_true", help="with --stale: not seed 0 alone")
    parser.add_argument("--list", action="store_true", help="say what is due; train nothing")
    parser.add_argument("--seeds", type=int, nargs="+", help="these seeds")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--output", type=Path, default=Path("results-quality"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
