"""What the numbers of one evaluation say in sentences: which model is best, and how far that goes.

A sentence claims what the numbers beside it carry. Better, best and above are distinguishable ones
(:mod:`multiverse.runs.intervals`); a control that no model beats comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multiverse.report.summary import Cell, Comparison, Configuration, compare_configurations
from multiverse.report.words import listed, plain, score, shortened, shown_rank
from multiverse.runs.intervals import difference, higher
from multiverse.runs.totals import ORACLE, UNINTEGRATED, reweighted

KEPT = "neighbourhood_preservation"
MEASURES = {"total": "total", "bio": "bio score"}
#: Four of the seven metrics of biology judge clusters, two of Leiden's and two of k-means, so that
#: agreement of clusters weighs more than half; benchmarks differ in which of them they take.
_LEIDEN = {"leiden_nmi": 0.0, "leiden_ari": 0.0}
_KMEANS = {"kmeans_nmi": 0.0, "kmeans_ari": 0.0}
#: What a choice is called at the beginning of a sentence → the metrics that it leaves out.
CHOICES: Mapping[str, Mapping[str, float]] = {
    "With k-means clusters only": _LEIDEN,
    "With Leiden clusters only": _KMEANS,
    "Without metrics of clusters": {**_LEIDEN, **_KMEANS},
}


def conclusions(comparison: Comparison) -> list[str]:
    """Return the verdict on an evaluation as lines for a terminal, without what a table shows."""
    if not comparison.ranked:
        return [without_ranks(comparison)[0]]
    return [claim(comparison), *without_gain(comparison), *_other_orders(comparison)]


def claim(comparison: Comparison) -> str:
    """Return what the ranks of an evaluation say, controls that no model beats first."""
    by = comparison.ranked_by
    controls = _controls_first(unbeaten_controls(comparison), by)
    return " ".join(filter(None, (controls, _answer(comparison), _above(comparison))))


def without_ranks(comparison: Comparison) -> tuple[str, list[str]]:
    """Return what can be said where nothing is ranked, and what that rests on."""
    sentences = []
    batch = [item for item in comparison.configurations if item.batch.value is not None]
    if batch:
        best = max(batch, key=lambda item: item.batch.value or 0.0)
        sentences.append(
            f"The highest batch score is that of {plain(best.label, 80)}: "
            f"{with_interval(best.batch)}. Alone it names no best model, for a random embedding "
            "mixes batches best of all."
        )
    kept = [item.metrics[KEPT] for item in comparison.configurations if KEPT in item.metrics]
    if any(cell.value is not None for cell in kept):
        sentences.append(
            "Neighbourhoods kept say how much an embedding resembles one reference, and rank "
            "nothing."
        )
    return _why_none(comparison), sentences


def _why_none(comparison: Comparison) -> str:
    """Return why nothing is ranked."""
    if comparison.ranked_by:
        return (
            "No model is ranked: the seeds of each have different metrics available, so that none "
            "can be called best."
        )
    reasons = dict.fromkeys(
        reason for item in comparison.configurations for reason in item.bio.reasons
    )
    said = f" ({'; '.join(plain(reason, 160) for reason in reasons)})" if reasons else ""
    return f"No model has a bio score{said}, so none can be called best."


def verdict(comparison: Comparison) -> tuple[str, list[str]]:
    """Return what the ranks of an evaluation say, and what that rests on."""
    best, by = comparison.ranked[0], comparison.ranked_by
    score_words = f"{MEASURES[by]} {with_interval(best.aggregate(by))}"
    groups = f"; bio {score(best.bio.value)}, batch {score(best.batch.value)}"
    covered = coverage(best.total if by == "total" else best.bio)
    sentences = [f"{score_words}, from {covered}{groups if by == 'total' else ''}."]
    sentences[0] = sentences[0][:1].upper() + sentences[0][1:]
    if best.tied:
        sentences.append(
            "Indistinguishable means that the 95 % interval of the paired difference holds 0: "
            "these scores don't decide."
        )
    elif len(comparison.ranked) > 1:
        second = comparison.ranked[1]
        sentences.append(
            f"Next: {plain(second.label, 80)} with {with_interval(second.aggregate(by))}."
        )
    rests = [*sentences, *without_gain(comparison), *_other_orders(comparison)]
    return claim(comparison), rests


def _answer(comparison: Comparison) -> str:
    """Return the conclusion from the ranks of those that have one: others are not spoken for."""
    ranked, by = comparison.ranked, comparison.ranked_by
    best = ranked[0]
    name = plain(best.label, 80)
    scored = len(comparison.configurations)
    if scored == 1:
        return f"{name} is the only model that was scored: there is nothing to compare it with."
    if len(ranked) == 1:
        return f"{name} is the only one of {scored:,} with its metrics: none is ranked beside it."
    whole = len(ranked) == scored
    among = "" if whole else f" of the {len(ranked):,} that share its metrics"
    highest = f"{name} has the highest {MEASURES[by]}{among}"
    if any(not is_known(best, item, by) for item in ranked[1:]):
        return f"{highest}; how sure that is isn't known, for there is no interval."
    if best.tied:
        tied = shortened([plain(other, 80) for other in best.tied], 4)
        return f"{highest}, but is indistinguishable from {tied}{_condition(ranked, by)}."
    others = "every other model's" if whole else "that of all others among them"
    return f"{highest}, distinguishably above {others}{_condition(ranked, by)}."


def is_known(first: Configuration, second: Configuration, by: str) -> bool:
    """Return whether the interval of the difference of two scores is known."""
    samples = first.aggregate(by).sample, second.aggregate(by).sample
    return bool(samples[0] and samples[1] and difference(samples[0], samples[1]))


def _condition(ranked: Sequence[Configuration], by: str) -> str:
    """Return what the conclusion does not hold: the chance in training, or of the cells."""
    samples = [item.aggregate(by).sample for item in ranked]
    if not all(sample and sample.knows_cells for sample in samples):
        return ", judged by seeds alone: nothing is known of the sampling of cells"
    single = [item for item in ranked if item.aggregate(by).n == 1]
    if not single:
        return ""
    if len(single) == len(ranked):
        return ", judged by the sampling of cells alone: one seed a model says nothing of training"
    names = shortened([plain(item.label, 80) for item in single], 4)
    return f", judged without the chance in training of {names}, of one seed"


def unbeaten_controls(comparison: Comparison) -> list[Configuration]:
    """Return the controls that no ranked model is distinguishably better than; not the oracle."""
    by = comparison.ranked_by
    return [
        control
        for control in comparison.controls
        if control.model != ORACLE
        and control.aggregate(by).value is not None
        and control.in_total == comparison.ranked[0].in_total
        and not any(is_above(item, control, by) for item in comparison.ranked)
    ]


def is_above(first: Configuration, second: Configuration, by: str) -> bool:
    """Return whether the first's score is distinguishably higher than the second's."""
    samples = first.aggregate(by).sample, second.aggregate(by).sample
    return samples[0] is not None and samples[1] is not None and higher(samples[0], samples[1])


def _controls_first(unbeaten: Sequence[Configuration], by: str) -> str:
    if not unbeaten:
        return ""
    named = [
        f"{plain(item.label, 80)} ({MEASURES[by]} {score(item.aggregate(by).value)})"
        for item in unbeaten
    ]
    control = "control" if len(named) == 1 else "controls"
    return f"No model distinguishably beats the {control} {listed(named)}."


def without_gain(comparison: Comparison) -> list[str]:
    """Return sentences on models that are not better than a modality of their own input."""
    by = comparison.ranked_by
    inputs = {
        control.label.removeprefix(UNINTEGRATED): control
        for control in comparison.controls
        if control.label.startswith(UNINTEGRATED) and control.aggregate(by).value is not None
    }
    below: list[str] = []
    level: list[str] = []
    for item in comparison.ranked:
        own = [inputs[name] for name in _modalities(item) if name in inputs]
        own = [one for one in own if one.in_total == item.in_total and not is_above(item, one, by)]
        if own:
            best = max(own, key=lambda one: one.aggregate(by).value or 0.0)
            named = (
                f"{plain(item.label, 80)} ({score(item.aggregate(by).value)}; "
                f"{plain(best.label, 80)} {score(best.aggregate(by).value)})"
            )
            (below if is_above(best, item, by) else level).append(named)
    words = {
        "Distinguishably below one modality of its own input": below,
        "No distinguishable gain over one modality of its own input": level,
    }
    return [f"{start}: {shortened(named, 6)}." for start, named in words.items() if named]


def _modalities(item: Configuration) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for run in item.runs for name in run.record.modalities))


def _other_orders(comparison: Comparison) -> list[str]:
    """Return a sentence on the usual choices of metrics under which the ranks are others."""
    return [
        f"{choice} the ranks are {', '.join(ranks[:6])}{' …' if len(ranks) > 6 else ''}."
        for choice, ranks in other_orders(comparison)
    ]


def _above(comparison: Comparison) -> str:
    """Return a sentence on those that have no rank, and a score that is higher all the same."""
    by = comparison.ranked_by
    highest = comparison.ranked[0].aggregate(by).value or 0.0
    higher_ones = [
        f"{plain(item.label, 80)} ({score(item.aggregate(by).value)} from "
        f"{coverage(item.aggregate(by))})"
        for item in comparison.configurations
        if item.rank is None and (item.aggregate(by).value or 0.0) > highest
    ]
    if not higher_ones:
        return ""
    return (
        f"Not ranked, for other metrics, with a higher {MEASURES[by]}: {shortened(higher_ones, 4)}."
    )


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


def other_orders(comparison: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Return each choice that changes ranks, with the ranked in its order, each with its rank.

    A choice that leaves no metric of the clusters that it names is none.
    """
    usual = {item.label: item.rank for item in comparison.ranked}
    runs = [run for item in comparison.configurations for run in item.runs]
    weights = comparison.evaluation.weights
    used = {name for item in comparison.ranked for name in item.in_total}
    found = []
    for choice, left_out in CHOICES.items():
        named = {*_LEIDEN, *_KMEANS} - left_out.keys()
        if not (used & left_out.keys()) or (named and not used & named):
            continue
        chosen = weights.model_copy(update={"metrics": {**weights.metrics, **left_out}})
        again = compare_configurations(reweighted(comparison.evaluation, chosen), runs)
        ranks = {item.label: item.rank for item in again.ranked}
        if ranks.keys() == usual.keys() and ranks != usual:
            words = tuple(
                f"{plain(item.label, 80)} ({shown_rank(item.rank, shared=item.shares_rank)})"
                for item in again.ranked
            )
            found.append((choice, words))
    return found
