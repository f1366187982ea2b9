"""Checks with other data than the usual: fewer modalities, and every irregularity of real data."""

from __future__ import annotations

from multiverse.conformance import tiny_data
from multiverse.conformance.context import (
    Answer,
    CheckContext,
    failed,
    must_complete,
    note,
    passed,
    skipped,
)
from multiverse.conformance.trial import TrialOutcome
from multiverse.specs.dataset import MODALITIES

NO_REASON = "no reason was given"


def combinations(context: CheckContext) -> list[tuple[str, ...]]:
    """Return the sets of modalities, other than all, that the model says it can do with."""
    needs = context.model.yaml.modalities
    wanted = [needs.required, *((*needs.required, name) for name in needs.optional)]
    found = [needs.usable(names) for names in wanted if names]
    return [names for names in dict.fromkeys(found) if names != context.usable]


def fewer_modalities(context: CheckContext) -> Answer:
    """Check that each smaller set of modalities that model.yaml allows gives an embedding."""
    sets = combinations(context)
    expected = "an embedding of each: " + ", ".join(" + ".join(names) for names in sets)
    if not sets:
        return skipped("an embedding of fewer modalities", "the model needs all that it knows")
    for names in sets:
        outcome = _of_modalities(context, names)
        if not outcome.complete:
            happened = f"{' + '.join(names)}: {outcome.describe()}"
            to_do = "Make it work, or name what is needed under modalities: required."
            return failed(expected, happened, to_do, outcome)
    return passed(expected, "all complete")


def _of_modalities(context: CheckContext, names: tuple[str, ...]) -> TrialOutcome:
    if names == context.usable:
        return context.usual
    name = "only-" + "-".join(names)
    return context.run(name, context.data.usual(names), modalities=names)


def extra_modality(context: CheckContext) -> Answer:
    """Check that a modality that the job does not name changes nothing."""
    names = context.fewest
    expected = f"the same embedding of {' + '.join(names)} when the file holds more modalities"
    if names == MODALITIES:
        return skipped(expected, "the model needs every modality that there is")
    alone = _of_modalities(context, names)
    outcome = context.run("extra-modality", context.data.usual(MODALITIES), modalities=names)
    if not alone.complete or not outcome.complete:
        broken = outcome if alone.complete else alone
        to_do = "Read only the modalities that the job names."
        return failed(expected, broken.describe(), to_do, broken)
    if outcome.equals(alone):
        return passed(expected, "the same embedding", outcome)
    return context.another(expected, "Use the job's modalities, not those of the file.", outcome)


def lacking_modality(context: CheckContext) -> Answer:
    """Check that without a modality that it needs, the model says that it is not applicable."""
    expected = "exit code 99 with a reason"
    sets = _insufficient(context)
    if not sets:
        return skipped(expected, "the model needs none in particular")
    for names in sets:
        outcome = context.run(
            "lacking-" + "-".join(names), context.data.usual(names), modalities=names
        )
        if not outcome.not_applicable:
            happened = f"with {' + '.join(names)} only: {outcome.describe()}"
            to_do = (
                "Look at the job's modalities first, and raise NotApplicable with the reason (exit "
                "code 99 and /output/not_applicable.txt)."
            )
            return failed(expected, happened, to_do, outcome)
        if outcome.record.message == NO_REASON:
            to_do = "Write the reason to /output/not_applicable.txt, or as the log's last line."
            return failed(expected, "exit code 99 without a reason", to_do, outcome)
    return passed(expected, outcome.describe(), outcome)


def _insufficient(context: CheckContext) -> list[tuple[str, ...]]:
    """Return sets of modalities with which the model is not applicable, by its model.yaml."""
    needs = context.model.yaml.modalities
    sets = [tuple(name for name in context.usable if name != lost) for lost in needs.required]
    if not all(sets) or not sets:
        sets = [tuple(name for name in MODALITIES if name not in context.usable)]
    return [names for names in sets if names and needs.missing(names)]


def without_batch(context: CheckContext) -> Answer:
    """Check data without a batch column."""
    dataset = context.data.changed("without-batch", context.usable, tiny_data.without_batch)
    outcome = context.run("without-batch", dataset)
    to_do = "The batch may be absent: job.batch is None, and batch_key null."
    answer = must_complete(outcome, "an embedding of data without a batch column", to_do)
    if not outcome.complete:
        return answer
    same = outcome.equals(context.usual)
    if same and context.model.yaml.batch_term:
        advice = "model.yaml says batch_term: true: pass the batch column on, or say false."
        happened = "the same embedding as with a batch column"
        return note(answer.expected, happened, advice, outcome)
    word = "the same embedding as" if same else "another embedding than"
    return passed(answer.expected, f"{word} with a batch column", outcome)


def lone_batch(context: CheckContext) -> Answer:
    """Check data with a batch of one cell."""
    dataset = context.data.changed("lone-batch", context.usable, tiny_data.with_lone_batch)
    to_do = "Statistics of a batch with one cell have no variance: guard them."
    expected = "an embedding of data in which one batch has a single cell"
    return must_complete(context.run("lone-batch", dataset), expected, to_do)


def empty_cells(context: CheckContext) -> Answer:
    """Check data with cells that have no count in one modality."""
    dataset = context.data.changed("empty-cells", context.usable, tiny_data.with_empty_cells)
    to_do = "Cells without counts must be kept: guard divisions by a cell's total."
    expected = "an embedding of data with cells that are empty in one modality"
    return must_complete(context.run("empty-cells", dataset), expected, to_do)


def empty_features(context: CheckContext) -> Answer:
    """Check data with features that have no count."""
    dataset = context.data.changed("empty-features", context.usable, tiny_data.with_empty_features)
    to_do = "Drop features without counts first; guard divisions by their sum or variance."
    expected = "an embedding of data with features that are empty everywhere"
    return must_complete(context.run("empty-features", dataset), expected, to_do)


def three_proteins(context: CheckContext) -> Answer:
    """Check data with an ADT modality of three proteins."""
    expected = "an embedding of data with three proteins"
    if "adt" not in context.usable:
        return skipped(expected, "the model does not use adt")
    dataset = context.data.changed("three-proteins", context.usable, tiny_data.with_three_proteins)
    to_do = "Cap the number of dimensions by the number of features."
    return must_complete(context.run("three-proteins", dataset), expected, to_do)


def few_cells(context: CheckContext) -> Answer:
    """Check data of five cells: an embedding, or an honest no."""
    expected = "an embedding of 5 cells, or exit code 99 with a reason"
    dataset = context.data.changed("few-cells", context.usable, tiny_data.with_few_cells)
    outcome = context.run("few-cells", dataset)
    if outcome.complete or (outcome.not_applicable and outcome.record.message != NO_REASON):
        return passed(expected, outcome.describe(), outcome)
    to_do = "Cap what depends on the number of cells, or raise NotApplicable with the reason."
    return failed(expected, outcome.describe(), to_do, outcome)


def odd_names(context: CheckContext) -> Answer:
    """Check names of cells in other scripts, or that look like paths, numbers or commands."""
    dataset = context.data.changed("odd-names", context.usable, tiny_data.with_odd_names)
    outcome = context.run("odd-names", dataset)
    expected = "an embedding of cells with odd names, the same as with plain ones"
    to_do = "Names are UTF-8 strings: never parse, strip or sort them; keep the input's order."
    answer = must_complete(outcome, expected, to_do)
    if outcome.complete and not outcome.equals(context.usual):
        advice = "Names must not matter: look for a sort or a hash of names."
        return context.another(expected, advice, outcome)
    return answer


def mosaic(context: CheckContext) -> Answer:
    """Check cells that lack a modality, for a model that says it can use them."""
    expected = "an embedding with one row per cell of data in which cells lack a modality"
    if not context.model.yaml.mosaic:
        return skipped(expected, "model.yaml says mosaic: false")
    if len(context.usable) == 1:
        return skipped(expected, "with a single modality there is no mosaic")
    dataset = context.data.changed("mosaic", context.usable, tiny_data.with_lacking_cells)
    outcome = context.run("mosaic", dataset)
    if outcome.complete:
        return passed(expected, outcome.describe(), outcome)
    to_do = (
        "Call run_model(embed, mosaic=True), look at job.measured, and embed every cell by what "
        "it has; or say mosaic: false in model.yaml."
    )
    return failed(expected, outcome.describe(), to_do, outcome)
