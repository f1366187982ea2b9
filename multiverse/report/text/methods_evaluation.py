"""Writes the paragraph of a Methods section on an evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from multiverse.contract.scores import Group
from multiverse.report.text.methods_missing import missing_sentences
from multiverse.report.text.references import SCIB
from multiverse.report.words import counted, listed, plain
from multiverse.runs.scores import Evaluation, Weights

MEANS = (Group.BIO, Group.BATCH)
GROUPS = {
    Group.BIO: "biology kept",
    Group.BATCH: "batches mixed",
    Group.STRUCTURE: "structure",
}


def evaluation_sentences(name: str, evaluation: Evaluation) -> Iterator[str]:
    """Yield sentences on one evaluation; ``name`` says which, where there are several."""
    yield _evaluator(name, evaluation)
    yield from missing_sentences(evaluation)
    yield from _aggregates(evaluation)
    yield from statistics_sentence(evaluation)
    yield from _scale(evaluation)
    yield from _approximations(evaluation)


def metrics_by_group(evaluation: Evaluation) -> dict[str, list[str]]:
    """Return the titles of the metrics that a run has a value of, by what they measure."""
    members = evaluation.members.values()
    valued = {
        name for member in members for name, score in member.scores.items() if not score.reason
    }
    found = {
        words: [plain(item.title) for item in evaluation.of_group(group) if item.name in valued]
        for group, words in GROUPS.items()
    }
    return {words: titles for words, titles in found.items() if titles}


def _evaluator(name: str, evaluation: Evaluation) -> str:
    evaluator = evaluation.evaluator
    found = metrics_by_group(evaluation).items()
    what = [
        f"{len(titles):,} of {words}" if number else f"{counted(len(titles), 'metric')} of {words}"
        for number, (words, titles) in enumerate(found)
    ]
    n_controls = len(evaluation.controls)
    beside = f", as {'was' if n_controls == 1 else 'were'} {counted(n_controls, 'control')}"
    return (
        f"Embeddings{f' of {name}' if name else ''} were scored by multiverse's evaluator "
        f"{plain(evaluator.version, 40)} with scib-metrics {plain(evaluator.scib_metrics, 40)}"
        f"{f' ({_starts(evaluation)}{listed(what)})' if what else ''}"
        f"{beside if n_controls else ''}."
    )


def _starts(evaluation: Evaluation) -> str:
    """Return that k-means is not the library's, where it was used."""
    scores = [member.scores for member in evaluation.members.values()]
    return "k-means of ten starts; " if any("kmeans_nmi" in found for found in scores) else ""


def _aggregates(evaluation: Evaluation) -> Iterator[str]:
    members = list(evaluation.members.values())
    with_total = [member for member in members if member.total.value is not None]
    if not any(m.bio.value is not None or m.batch.value is not None for m in members):
        return
    weights = evaluation.weights
    sentence = "A group's score is its metrics' mean"
    if weights.metrics:
        own = (f"{plain(name, 60)} {weight:g}" for name, weight in weights.metrics.items())
        sentence += f" (weights other than 1: {listed(own)})"
    if with_total:
        usual = f" ({SCIB.short})" if weights == Weights() else ""
        bio, batch = weights.shares
        sentence += f"; the total is {bio:.3g} × biology + {batch:.3g} × batch{usual}"
    coverages = sorted({member.total.coverage for member in with_total})
    if coverages:
        sentence += f", over {listed(coverages)} metrics"
    yield f"{sentence}."


def statistics_sentence(evaluation: Evaluation) -> Iterator[str]:
    """Yield how scores are compared, in the words of docs/STATISTICS.md."""
    members = evaluation.members.values()
    if any(member.total.interval or member.bio.interval for member in members):
        seeds = any(member.siblings for member in members)
        number = max(len(s.replicates) for member in members for s in member.scores.values())
        yield (
            f"Scores are compared by the 95 % interval of their paired difference over {number} "
            f"random halves of the cells{' and between seeds' if seeds else ''}."
        )


def _scale(evaluation: Evaluation) -> Iterator[str]:
    """Yield what scaled scores are, if there are any; docs/STATISTICS.md says which controls."""
    members = evaluation.members.values() if evaluation.controls else ()
    if any(score.scaled is not None for member in members for score in member.scores.values()):
        yield "Scaled scores have two controls as 0 and 1."
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
