"""A Methods section ready to paste: only sentences that are true of this folder.

The page takes three texts from here, :func:`methods_text`, :func:`bibtex` and
:func:`repeat_command`, and the table of versions, settings and digests from
:mod:`multiverse.report.text.methods_table`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from multiverse.report.text.bibtex import bibtex
from multiverse.report.text.methods_evaluation import evaluation_sentences
from multiverse.report.text.references import ANNDATA, MUDATA, CitedModel, cited_models
from multiverse.report.text.repeat import repeat_command
from multiverse.report.text.software import software_words
from multiverse.report.words import counted, listed, plain, settings, shortened
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation
from multiverse.specs.model import ModelSpec

#: Failures that are named one by one; of more, the number.
NAMED_FAILURES = 12

__all__ = ["bibtex", "methods_text", "repeat_command"]


def methods_text(results: Results) -> str:
    """Return paragraphs of plain text: data, models, evaluation, GPUs.

    Of an empty folder there is nothing to say: an empty text.
    """
    models = cited_models(results)
    paragraphs = [
        _data(results),
        _models(results, models),
        _failures(results),
        *(_evaluation(name, item) for name, item in _evaluations(results)),
        _unscored(results),
        _gpus(results),
    ]
    return "\n\n".join(" ".join(sentences) for sentences in paragraphs if sentences)


def _evaluations(results: Results) -> Iterator[tuple[str, Evaluation]]:
    several = max(len(results.evaluations), len(results.datasets)) > 1
    for item in results.evaluations:
        fingerprint = plain(item.evaluation.dataset_fingerprint, 64)[:16]
        yield f"{item.dataset} (fingerprint {fingerprint})" if several else "", item.evaluation


def _evaluation(name: str, evaluation: Evaluation) -> list[str]:
    return list(evaluation_sentences(name, evaluation))


def _unscored(results: Results) -> list[str]:
    """Return data whose embeddings have no scores, where others have."""
    names = [
        f"{plain(name, 64)} (fingerprint {plain(fingerprint, 64)[:16]})"
        for name, fingerprint in results.datasets
        if not results.evaluations_of(name, fingerprint)
    ]
    if not names or not results.evaluations:
        return []
    return [f"Embeddings of {listed(names)} were not scored."]


def _data(results: Results) -> list[str]:
    if not results.runs:
        return []
    known = [_dataset(results, name, fingerprint) for name, fingerprint in results.datasets]
    formats = f"MuData ({MUDATA.short}; {ANNDATA.short})"
    supervised = {run.record.model for run in results.runs if run.record.identity.get("labels")}
    if not supervised:
        return [f"Models were given raw counts, without labels, of {listed(known)} as {formats}."]
    names = listed(plain(name, 64) for name in sorted(supervised))
    return [
        f"Models were given raw counts of {listed(known)} as {formats}.",
        f"Labels were given to {names}, and to no other model.",
    ]


def _dataset(results: Results, name: str, fingerprint: str) -> str:
    cells = {
        run.record.n_obs
        for run in results.runs
        if (run.record.dataset, run.record.dataset_fingerprint) == (name, fingerprint)
    }
    facts = [listed(counted(number, "cell") for number in sorted(cells))]
    for evaluation in results.evaluations_of(name, fingerprint)[-1:]:
        facts += _sheet(evaluation)
    return f"{plain(name, 64)} ({', '.join(facts)})"


def _sheet(evaluation: Evaluation) -> Iterator[str]:
    sheet = evaluation.sheet
    features = [f"{number:,} {plain(name, 40)}" for name, number in evaluation.modalities.items()]
    if features:
        yield f"{listed(features)} features"
    if sheet.batches:
        yield counted(len(sheet.batches), "batch", "batches")
    labels = set(sheet.labels) - set(sheet.unlabelled)
    if labels:
        yield counted(len(labels), "label")
    if sheet.n_unlabelled:
        yield f"{counted(sheet.n_unlabelled, 'cell')} without a label"


def _models(results: Results, models: list[CitedModel]) -> list[str]:
    if not models:
        return []
    records = {model.name: _records(results, model) for model in models}
    named = [_named(model, records[model.name]) for model in models]
    sentences = [f"Embeddings were made by {listed(named)}."]
    sentences += _configurations(results, models, records)
    engines = dict.fromkeys(run.record.engine for run in results.complete)
    names = [f"{plain(engine.name, 60)} {plain(engine.version, 60)}" for engine in engines]
    return [*sentences, f"Each run had a process of its own ({listed(names)})."]


def _records(results: Results, model: CitedModel) -> list[RunRecord]:
    return [run.record for run in results.complete if run.record.model == model.name]


def _named(model: CitedModel, records: Sequence[RunRecord]) -> str:
    """Return ``totalVI (Gayoso et al. 2021; scvi-tools 1.4.2)``."""
    cited = f"{model.reference.short}; " if model.reference else ""
    return f"{plain(model.title)} ({cited}{software_words(model.spec, records)})"


def _configurations(
    results: Results, models: list[CitedModel], records: dict[str, list[RunRecord]]
) -> Iterator[str]:
    """Yield a sentence for each choice of settings and seeds, with the models that had it."""
    grouped: dict[str, list[str]] = {}
    for model in models:
        by_settings: dict[str, list[RunRecord]] = {}
        for record in records[model.name]:
            by_settings.setdefault(_settings_of(record, model.spec), []).append(record)
        for text, found in by_settings.items():
            how = f"{text}, {_seeds(found, results)}"
            grouped.setdefault(how, []).append(plain(model.title))
    for how, names in grouped.items():
        every = len(grouped) == 1 and len(names) > 1
        yield f"{'All' if every else listed(names)} ran with {how}."


def _settings_of(record: RunRecord, spec: ModelSpec | None) -> str:
    """Return the settings that are not the defaults; the table has all of the preprocessing."""
    changed = settings(record.changed.items())
    words = f"{changed}, otherwise default parameters" if changed else "default parameters"
    if not record.preprocessing:
        return words
    if spec is None or spec.version != record.model_version:
        return f"{words}, preprocessed as the table says"
    defaults = spec.defaults("preprocessing")
    other = {
        name: value
        for name, value in record.preprocessing.items()
        if name not in defaults or value != defaults[name]
    }
    if not other:
        return f"{words} and preprocessing" if not changed else f"{words}, default preprocessing"
    return f"{words}, preprocessing with {settings(other.items())}"


def _seeds(records: list[RunRecord], results: Results) -> str:
    """Return the seeds, and the runs where these are not one of each seed on all data."""
    seeds = sorted({record.seed for record in records})
    words = f"{'seed' if len(seeds) == 1 else 'seeds'} {shortened([str(s) for s in seeds], 20)}"
    names = sorted({plain(record.dataset, 64) for record in records})
    runs = len({(record.configuration, record.seed) for record in records})
    if len(names) == len(results.datasets) and runs == len(seeds) * len(names):
        return words
    return f"{words} ({counted(runs, 'run')} on {listed(names)})"


def _failures(results: Results) -> list[str]:
    failed = [run for run in results.runs if not run.complete]
    if not failed:
        return []
    total = counted(len(results.runs), "run")
    names = shortened([_failure(run) for run in failed], NAMED_FAILURES)
    return [f"Of {total}, {len(failed):,} did not complete: {names}."]


def _failure(run: Run) -> str:
    record = run.record
    why = str(record.cause or record.state).replace("_", " ")
    return f"{plain(record.model, 64)} on {plain(record.dataset, 64)}, seed {record.seed} ({why})"


def _gpus(results: Results) -> list[str]:
    complete = [run.record for run in results.complete if run.record.gpu is not None]
    gpus = sorted({record.gpu.name for record in complete if record.gpu is not None})
    if not gpus:
        return []
    on = sorted({plain(record.model, 64) for record in complete})
    return [f"{listed(on)} computed on {listed(plain(gpu) for gpu in gpus)}."]
