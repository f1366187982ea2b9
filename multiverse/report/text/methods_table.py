"""The table of a Methods section: versions, settings and digests, which no prose can carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from multiverse.report.text.methods_evaluation import metrics_by_group
from multiverse.report.text.references import CitedModel, cited_models
from multiverse.report.text.software import libraries_words
from multiverse.report.words import counted, listed, plain, settings
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.scores import Evaluation
from multiverse.specs.quantity import format_bytes


@dataclass(frozen=True)
class MethodsRow:
    """``what``: a dataset, a model, an evaluator, an engine. ``digest``: what it is known by."""

    what: str
    version: str
    settings: str
    digest: str


def methods_table(results: Results) -> list[MethodsRow]:
    """Return a row for each dataset, model as it ran, evaluator and engine; none without runs."""
    rows = [
        *_datasets(results),
        *(row for model in cited_models(results) for row in _model(results, model)),
        *(row for item in results.evaluations for row in _evaluator(item.evaluation)),
        *_engines(results),
        *_machines(results),
    ]
    return list(dict.fromkeys(rows))


def _datasets(results: Results) -> Iterator[MethodsRow]:
    for name, fingerprint in results.datasets:
        cells = {
            run.record.n_obs
            for run in results.runs
            if (run.record.dataset, run.record.dataset_fingerprint) == (name, fingerprint)
        }
        size = listed(counted(number, "cell") for number in sorted(cells))
        columns = [
            f"{word}: column {plain(key, 60)}"
            for evaluation in results.evaluations_of(name, fingerprint)[-1:]
            for word, key in _columns(evaluation)
            if key
        ]
        what = f"dataset {plain(name, 64)}"
        yield MethodsRow(what, size, "; ".join(columns), plain(fingerprint, 100))


def _columns(evaluation: Evaluation) -> Iterator[tuple[str, str | None]]:
    yield "labels", evaluation.sheet.label_key
    yield "batches", evaluation.sheet.batch_key


def _model(results: Results, model: CitedModel) -> Iterator[MethodsRow]:
    for run in results.complete:
        record = run.record
        if record.model == model.name:
            wrapper = f"wrapper {plain(record.model_version, 40)}"
            yield MethodsRow(
                plain(model.title),
                ", ".join(filter(None, (libraries_words([record]), wrapper))),
                settings([*record.changed.items(), *record.preprocessing.items()]),
                _software(record),
            )


def _software(record: RunRecord) -> str:
    if record.image is not None:
        return f"{plain(record.image.tag)} {plain(record.image.digest)}"
    if record.environment_lock:
        return f"environment {plain(record.environment_lock)}"
    return "not recorded"


def _evaluator(evaluation: Evaluation) -> Iterator[MethodsRow]:
    evaluator = evaluation.evaluator
    members = [*evaluation.members.values(), *evaluation.controls.values()]
    images = {f"{plain(m.image.tag)} {plain(m.image.digest)}" for m in members if m.image}
    locks = {f"environment {plain(m.environment_lock)}" for m in members if m.environment_lock}
    versions = f"{plain(evaluator.version, 40)}, scib-metrics {plain(evaluator.scib_metrics, 40)}"
    how = settings(evaluator.settings.items())
    for software in sorted(images | locks) or ["not recorded"]:
        yield MethodsRow("evaluator", versions, how, software)
    for group, titles in metrics_by_group(evaluation).items():
        yield MethodsRow(f"metrics of {group}", "", listed(titles), "")
    if evaluation.controls:
        names = listed(plain(name, 60).replace("_", " ") for name in evaluation.controls)
        yield MethodsRow("controls", "", names, "")


def _engines(results: Results) -> Iterator[MethodsRow]:
    for run in results.complete:
        engine = run.record.engine
        name = f"{plain(engine.name, 40)} {plain(engine.version, 60)}"
        yield MethodsRow(f"engine {name}", "", plain(engine.isolation), "")


def _machines(results: Results) -> Iterator[MethodsRow]:
    machines: dict[tuple[str, str], set[int]] = {}
    for run in results.complete:
        host = run.record.host
        system = plain(host.get("platform") or "", 120)
        machines.setdefault((system, _hardware(host)), set()).add(run.record.threads)
    for (system, hardware), threads in machines.items():
        used = f"{listed(map(str, sorted(threads)))} {'thread' if threads == {1} else 'threads'}"
        yield MethodsRow("machine", system, f"{hardware or 'not recorded'}; {used} a run", "")


def _hardware(host: Mapping[str, object]) -> str:
    facts = [plain(host["processor"], 120)] if host.get("processor") else []
    cpus, memory = host.get("cpus"), host.get("memory_bytes")
    if isinstance(cpus, int):
        facts.append(counted(cpus, "CPU core"))
    if isinstance(memory, int):
        facts.append(f"{format_bytes(memory)} of memory")
    return ", ".join(facts)
