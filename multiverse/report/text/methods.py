"""A Methods section ready to paste: only sentences that are true of this folder.

The page takes three texts from here: :func:`methods_text`, :func:`bibtex`,
:func:`repeat_command`.
"""

from __future__ import annotations

from collections.abc import Iterator

from multiverse.report.text.bibtex import bibtex
from multiverse.report.text.methods_evaluation import evaluation_sentences
from multiverse.report.text.references import ANNDATA, MUDATA, CitedModel, cited_models
from multiverse.report.text.repeat import repeat_command
from multiverse.report.words import counted, listed, plain, settings, shortened
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import Evaluation
from multiverse.specs.model import ModelSpec
from multiverse.specs.quantity import format_bytes

#: Failures that are named one by one; of more, the number.
NAMED_FAILURES = 12

__all__ = ["bibtex", "methods_text", "repeat_command"]


def methods_text(results: Results) -> str:
    """Return paragraphs of plain text: data, models, evaluation, hardware.

    Of an empty folder there is nothing to say: an empty text.
    """
    models = cited_models(results)
    paragraphs = [
        _data(results),
        _models(results, models),
        _failures(results),
        *(_evaluation(name, item) for name, item in _evaluations(results)),
        _unscored(results),
        _hardware(results),
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
    sentences = [
        f"Models were given raw counts as MuData ({MUDATA.short}; {ANNDATA.short}) of "
        f"{counted(len(known), 'dataset')}: {'; '.join(known)}."
    ]
    supervised = {run.record.model for run in results.runs if run.record.identity.get("labels")}
    if supervised:
        names = listed(plain(name, 64) for name in sorted(supervised))
        sentences.append(f"Labels were given to {names}, and to no other model.")
    else:
        sentences.append("No model was given labels.")
    return sentences


def _dataset(results: Results, name: str, fingerprint: str) -> str:
    cells = {
        run.record.n_obs
        for run in results.runs
        if (run.record.dataset, run.record.dataset_fingerprint) == (name, fingerprint)
    }
    facts = [listed(counted(number, "cell") for number in sorted(cells))]
    for evaluation in results.evaluations_of(name, fingerprint)[-1:]:
        facts += _sheet(evaluation)
    facts.append(f"fingerprint {plain(fingerprint, 64)}")
    return f"{plain(name, 64)} ({', '.join(facts)})"


def _sheet(evaluation: Evaluation) -> Iterator[str]:
    sheet = evaluation.sheet
    for modality, features in evaluation.modalities.items():
        yield f"{counted(features, 'feature')} of {plain(modality, 40)}"
    if sheet.batches:
        column = f" (column {plain(sheet.batch_key, 60)})" if sheet.batch_key else ""
        yield counted(len(sheet.batches), "batch", "batches") + column
    labels = set(sheet.labels) - set(sheet.unlabelled)
    if labels:
        column = f" (column {plain(sheet.label_key, 60)})" if sheet.label_key else ""
        yield counted(len(labels), "label") + column
    if sheet.n_unlabelled:
        yield f"{counted(sheet.n_unlabelled, 'cell')} without a label"


def _models(results: Results, models: list[CitedModel]) -> list[str]:
    if not models:
        return []
    sentences = [_model(model, results) for model in models]
    for engine in dict.fromkeys(run.record.engine for run in results.complete):
        how = f"{plain(engine.name, 40)} {plain(engine.version, 60)}; {plain(engine.isolation)}"
        sentences.append(f"Each run was a process of its own under the engine {how}.")
    return sentences


def _model(model: CitedModel, results: Results) -> str:
    """Return a model's configurations, each with what was changed and its seeds."""
    runs = [run.record for run in results.complete if run.record.model == model.name]
    cited = f" ({model.reference.short})" if model.reference else ""
    grouped: dict[str, list[RunRecord]] = {}
    for record in runs:
        grouped.setdefault(_settings_of(record, model.spec), []).append(record)
    described = [f"{text}, {_seeds(records)}" for text, records in grouped.items()]
    software = listed(dict.fromkeys(_software(record) for record in runs))
    return f"{plain(model.title)}{cited} was run from {software}, with {'; with '.join(described)}."


def _software(record: RunRecord) -> str:
    if record.image is not None:
        where = f"image {plain(record.image.tag)}, digest {plain(record.image.digest)}"
    elif record.environment_lock:
        where = f"locked environment {plain(record.environment_lock)}"
    else:
        where = "software that is not recorded"
    return f"version {plain(record.model_version, 40)} ({where})"


def _settings_of(record: RunRecord, spec: ModelSpec | None) -> str:
    changed = settings(record.changed.items())
    words = f"{changed}, otherwise default parameters" if changed else "default parameters"
    if not record.preprocessing:
        return words
    return f"{words}, and {_preprocessing(record, spec)}"


def _preprocessing(record: RunRecord, spec: ModelSpec | None) -> str:
    """Return all the preprocessing: a default today may not be one when this is read."""
    defaults = None
    if spec is not None and spec.version == record.model_version:
        defaults = spec.defaults("preprocessing")
    word = "default preprocessing" if record.preprocessing == defaults else "preprocessing"
    return f"{word} ({settings(record.preprocessing.items())})"


def _seeds(records: list[RunRecord]) -> str:
    """Return the seeds, and that there are several of one configuration."""
    seeds = sorted({record.seed for record in records})
    words = f"{'seed' if len(seeds) == 1 else 'seeds'} {shortened([str(s) for s in seeds], 20)}"
    names = sorted({plain(record.dataset, 64) for record in records})
    runs = len({(record.configuration, record.seed) for record in records})
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


def _hardware(results: Results) -> list[str]:
    complete = [run.record for run in results.complete]
    machines = dict.fromkeys(filter(None, map(_machine, complete)))
    sentences = [f"Runs were made on {listed(machines)}."] if machines else []
    threads = sorted({record.threads for record in complete})
    if threads:
        most = listed(str(number) for number in threads)
        sentences.append(f"A run used {most} {'thread' if threads == [1] else 'threads'}.")
    gpus = sorted({record.gpu.name for record in complete if record.gpu is not None})
    if gpus:
        on = sorted({plain(record.model, 64) for record in complete if record.gpu is not None})
        sentences.append(f"{listed(on)} computed on {listed(plain(gpu) for gpu in gpus)}.")
    return sentences


def _machine(record: RunRecord) -> str:
    host = record.host
    facts = [plain(host[name], 120) for name in ("processor", "platform") if host.get(name)]
    cpus, memory = host.get("cpus"), host.get("memory_bytes")
    if isinstance(cpus, int):
        facts.append(counted(cpus, "CPU core"))
    if isinstance(memory, int):
        facts.append(f"{format_bytes(memory)} of memory")
    return f"a machine with {', '.join(facts)}" if facts else ""
