"""Writes the paragraph of a Methods section on missing scores, and whether the data are why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from multiverse.contract.scores import Reason
from multiverse.report.words import counted, listed, plain
from multiverse.runs.scores import Evaluation

#: Reasons that lie in the data: nobody's evaluation of these would have a value.
OF_THE_DATA = frozenset(
    {
        Reason.NO_LABELS, Reason.ONE_CLASS, Reason.NO_BATCH, Reason.ONE_BATCH, Reason.CONFOUNDED,
        Reason.TOO_FEW_CELLS, Reason.NOT_APPLICABLE,
    }
)  # fmt: skip
#: The others lie in runs and in the evaluation, and each has a sentence of its own.
OTHERS = {
    Reason.ONE_SEED: "Not computed for want of a second seed",
    Reason.CONSTANT_EMBEDDING: "Not defined for constant embeddings",
    Reason.METRIC_FAILED: "The computation failed",
    Reason.EVALUATOR_FAILED: "Not computed because the evaluator ended early",
    Reason.DAMAGED: "Not computed because the run's files are not those that it published",
}


def missing_sentences(evaluation: Evaluation) -> Iterator[str]:
    """Yield sentences on missing scores of runs; controls are given what there is to give."""
    members = list(evaluation.members.values())
    scores = [member.scores for member in members]
    valued = {name for found in scores for name, score in found.items() if score.reason is None}
    counts = Counter(
        (score.reason, name) for found in scores for name, score in found.items() if score.reason
    )
    titles = {fact.name: plain(fact.title) for fact in evaluation.metrics}
    never = [
        title
        for name, title in titles.items()
        if name not in valued and any(counts[reason, name] for reason in OF_THE_DATA)
    ]
    if never:
        yield f"Not available for these data: {listed(never)}."
    for reason, words in OTHERS.items():
        found = {name: counts[reason, name] for name in titles if counts[reason, name]}
        if found:
            yield f"{words}: {_of_members(found, titles, len(members))}."


def _of_members(found: dict[str, int], titles: dict[str, str], total: int) -> str:
    """Return ``BRAS and kBET (1 of 3 embeddings), cLISI (3 of 3 embeddings)``, by how many."""
    grouped: dict[int, list[str]] = {}
    for name, number in found.items():
        grouped.setdefault(number, []).append(titles[name])
    parts = (
        f"{'all metrics' if len(names) == len(titles) else listed(names)} "
        f"({number:,} of {counted(total, 'embedding')})"
        for number, names in sorted(grouped.items())
    )
    return ", ".join(parts)
