"""What the numbers of one evaluation say in sentences: which model is best, and how far that goes.

A sentence claims what the numbers beside it carry. Better, best and above are distinguishable ones
(:mod:`multiverse.runs.intervals`); a control that no model beats comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from multiverse.report.orders import other_orders
from multiverse.report.summary import Cell, Comparison, Configuration
from multiverse.report.words import listed, plain, score, shortened
from multiverse.runs.intervals import higher
from multiverse.runs.totals import ORACLE, UNINTEGRATED

KEPT = "neighbourhood_preservation"
MEASURES = {"total": "total", "bio": "bio score"}


def conclusions(comparison: Comparison) -> list[str]:
    """Return the verdict on an evaluation as lines for a terminal, without what a table shows."""
    if not comparison.ranked:
        return [without_ranks(comparison)[0]]
    answer, _ = verdict(comparison)
    return [answer, *without_gain(comparison), *_other_orders(comparison)]


def without_ranks(comparison: Comparison) -> tuple[str, list[str]]:
    """Return what can be said where nothing is ranked, and what that rests on."""
    reasons = dict.fromkeys(
        reason for item in comparison.configurations for reason in item.bio.reasons
    )
    said = f" ({'; '.join(plain(reason, 160) for reason in reasons)})" if reasons else ""
    sentences = []
    batch = [item for item in comparison.configurations if item.batch.value is not None]
    if batch:
        best = max(batch, key=lambda item: item.batch.value or 0.0)
        sentences.append(
            f"The best batch score is that of {plain(best.label, 80)}: "
            f"{with_interval(best.batch)}. Alone it names no best model, for a random embedding "
            "mixes batches best of all."
        )
    if any(item.metrics[KEPT].value is not None for item in comparison.configurations
           if KEPT in item.metrics):  # fmt: skip
        sentences.append(
            "Neighbourhoods kept say how much an embedding resembles one reference, and rank "
            "nothing."
        )
    return f"No model has a bio score{said}, so none can be called best.", sentences


def verdict(comparison: Comparison) -> tuple[str, list[str]]:
    """Return what the ranks of an evaluation say, and what that rests on."""
    best, by = comparison.ranked[0], comparison.ranked_by
    unbeaten = unbeaten_controls(comparison)
    answer = " ".join(
        filter(None, (_controls_first(unbeaten, by), _answer(comparison), _above(comparison)))
    )
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
    return answer, [*sentences, *without_gain(comparison), *_other_orders(comparison)]


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
    if any(item.aggregate(by).interval is None for item in ranked):
        return f"{highest}; how sure that is isn't known, for there is no interval."
    if best.tied:
        tied = shortened([plain(other, 80) for other in best.tied], 4)
        return f"{highest}, but is indistinguishable from {tied}{_condition(ranked, by)}."
    others = "every other model's" if whole else "that of all others among them"
    return f"{highest}, distinguishably above {others}{_condition(ranked, by)}."


def _condition(ranked: Sequence[Configuration], by: str) -> str:
    """Return what the conclusion does not hold: with one seed, the chance in training."""
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
    """Return a sentence on the models that are not better than a modality of their own input."""
    by = comparison.ranked_by
    inputs = {
        control.label.removeprefix(UNINTEGRATED): control
        for control in comparison.controls
        if control.label.startswith(UNINTEGRATED) and control.aggregate(by).value is not None
    }
    found = []
    for item in comparison.ranked:
        own = [inputs[name] for name in _modalities(item) if name in inputs]
        own = [one for one in own if one.in_total == item.in_total and not is_above(item, one, by)]
        if own:
            best = max(own, key=lambda one: one.aggregate(by).value or 0.0)
            found.append(
                f"{plain(item.label, 80)} ({score(item.aggregate(by).value)}; "
                f"{plain(best.label, 80)} {score(best.aggregate(by).value)})"
            )
    if not found:
        return []
    return [f"No distinguishable gain over one modality of its own input: {shortened(found, 6)}."]


def _modalities(item: Configuration) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for run in item.runs for name in run.record.modalities))


def _other_orders(comparison: Comparison) -> list[str]:
    """Return a sentence on the usual choices of metrics under which the order is another."""
    return [
        f"{choice} the order is {', '.join(plain(label, 80) for label in labels[:6])}"
        f"{' …' if len(labels) > 6 else ''}."
        for choice, labels in other_orders(comparison)
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
