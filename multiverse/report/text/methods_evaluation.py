"""Writes the paragraph of a Methods section on an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from math import isclose

from multiverse.contract.scores import Group
from multiverse.report.text.methods_missing import missing_sentences
from multiverse.report.text.references import SCIB
from multiverse.report.words import counted, listed, plain, settings
from multiverse.runs.scores import Aggregate, Evaluation, Member

WEIGHTS = {"bio": 0.6, "batch": 0.4}
MEANS = (Group.BIO, Group.BATCH)
GROUPS = {
    Group.BIO: "conservation of biology",
    Group.BATCH: "removal of batch effects",
    Group.STRUCTURE: "structure",
}


def evaluation_sentences(name: str, evaluation: Evaluation) -> Iterator[str]:
    """Yield sentences on one evaluation; ``name`` says which, where there are several."""
    yield _evaluator(name, evaluation)
    yield from _metrics(evaluation)
    yield from _aggregates(evaluation)
    yield from _intervals(evaluation)
    yield from _controls(evaluation)
    yield from _approximations(evaluation)


def _evaluator(name: str, evaluation: Evaluation) -> str:
    evaluator = evaluation.evaluator
    members = [*evaluation.members.values(), *evaluation.controls.values()]
    images = {member.image.digest for member in members if member.image is not None}
    locks = {member.environment_lock for member in members if member.environment_lock}
    software = [f"image {plain(digest)}" for digest in sorted(images)]
    software += [f"locked environment {plain(lock)}" for lock in sorted(locks)]
    where = f" ({listed(software)})" if software else ""
    how = settings(evaluator.settings.items())
    return (
        f"Embeddings{f' of {name}' if name else ''} were scored by multiverse's evaluator "
        f"{plain(evaluator.version, 40)}{where} with scib-metrics "
        f"{plain(evaluator.scib_metrics, 40)}{f' ({how})' if how else ''}; cells were matched to "
        "their labels and batches by name."
    )


def _metrics(evaluation: Evaluation) -> Iterator[str]:
    """Yield the metrics that a run has a value of, by group, and those that have none."""
    members = evaluation.members.values()
    valued = {
        name for member in members for name, score in member.scores.items() if not score.reason
    }
    parts = []
    for group, words in GROUPS.items():
        titles = [plain(item.title) for item in evaluation.of_group(group) if item.name in valued]
        if titles:
            parts.append(f"{words} by {listed(titles)}")
    if parts:
        yield f"Metrics: {'; '.join(parts)}."
    yield from missing_sentences(evaluation)


def _aggregates(evaluation: Evaluation) -> Iterator[str]:
    members = list(evaluation.members.values())
    with_total = [member for member in members if member.total.value is not None]
    if any(member.bio.value is not None or member.batch.value is not None for member in members):
        yield "The score of a group is the mean of its metrics that are available."
    if with_total and all(map(_is_weighted, with_total)):
        yield (
            f"The total is {WEIGHTS['bio']} × biology + {WEIGHTS['batch']} × batch "
            f"({SCIB.short}), given only where both exist."
        )
    coverages = sorted({member.total.coverage for member in with_total})
    if coverages:
        yield f"Totals are over {listed(coverages)} metrics."


def _is_weighted(member: Member) -> bool:
    if member.total.value is None or member.bio.value is None or member.batch.value is None:
        return False
    expected = WEIGHTS["bio"] * member.bio.value + WEIGHTS["batch"] * member.batch.value
    return isclose(member.total.value, expected, abs_tol=1e-6)


def _intervals(evaluation: Evaluation) -> Iterator[str]:
    if not any(_has_interval(member.total) for member in evaluation.members.values()):
        return
    replicates = evaluation.evaluator.settings.get("replicates")
    number = f" ({counted(replicates, 'replicate')})" if isinstance(replicates, int) else ""
    yield (
        f"Intervals (95 %) are from a bootstrap over cells{number}; where a configuration has "
        "several seeds, with the variance between them. Models whose intervals overlap count as "
        "tied."
    )


def _has_interval(aggregate: Aggregate) -> bool:
    return aggregate.interval is not None


def _controls(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.controls:
        return
    names = listed(plain(name, 60).replace("_", " ") for name in evaluation.controls)
    yield f"Controls were scored in the same way: {names}."
    members = evaluation.members.values()
    if any(score.scaled is not None for member in members for score in member.scores.values()):
        yield "Scaled scores are 0 for the random embedding and 1 for the oracle of labels."
        yield from _without_scale(evaluation)


def _without_scale(evaluation: Evaluation) -> Iterator[str]:
    """Yield the metrics of a mean that its scaled form leaves out."""
    found = {
        name: [score for member in evaluation.members.values()
               if (score := member.scores.get(name)) is not None and score.value is not None]
        for name in (fact.name for fact in evaluation.metrics if fact.group in MEANS)
    }  # fmt: skip
    without = [
        plain(fact.title)
        for fact in evaluation.metrics
        if (scores := found.get(fact.name)) and all(score.scaled is None for score in scores)
    ]
    if without:
        yield (
            f"Without a scale here, because the two controls differ too little or lack a value: "
            f"{listed(without)}; means of scaled scores are over the other metrics."
        )


def _approximations(evaluation: Evaluation) -> Iterator[str]:
    found = {
        (plain(word, 60), plain(name, 60).replace("_", " "), score.n_cells)
        for member in evaluation.members.values()
        for name, score in member.scores.items()
        for word in score.approximate
    }
    for word in sorted({word for word, _, _ in found}):
        names = sorted({name for kind, name, _ in found if kind == word})
        cells = sorted({n for kind, _, n in found if kind == word and n is not None})
        number = f", {listed(f'{n:,}' for n in cells)} cells" if cells else ""
        yield f"Approximate ({word}{number}): {listed(names)}."
