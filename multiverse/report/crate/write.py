"""``ro-crate-metadata.json``: the folder as a research object, a Process Run Crate 0.5.

Every complete run is an action with its software, its data and its files, and so is every
evaluation; runs that failed are actions that failed. Identifiers are relative, so that a folder
that was moved, copied or packed stays valid. Nobody is named as an agent and no licence is given
to the data: neither is known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity  # type: ignore[import-untyped]
from rocrate.model.file import File  # type: ignore[import-untyped]
from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]

from multiverse.contract.folders import is_file
from multiverse.report.crate.entities import Entities
from multiverse.report.figures.files import current_figures
from multiverse.report.words import counted, listed, plain, settings
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.results import Results
from multiverse.runs.run import Run
from multiverse.runs.scores import EvaluationRecord
from multiverse.runs.writing import write_atomic

CRATE_VERSION = "1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = "https://w3id.org/ro/terms/workflow-run#"
#: Of the profile's own terms, those used here.
EXTRA_TERMS = ("ContainerImage", "containerImage", "sha256", "tag")
#: The profile requires a licence, and allows a text that says how the crate may be used.
LICENCE = (
    "No licence has been chosen for these results. Whoever publishes them states one here; the "
    "licence of the input data applies to what is derived from them."
)
COMPLETED = "http://schema.org/CompletedActionStatus"
FAILED = "http://schema.org/FailedActionStatus"
MESSAGE_LIMIT = 2000


def write_crate(results: Results) -> Path:
    """Write ``ro-crate-metadata.json`` of the folder as it is now, and return its path."""
    content = json.dumps(_crate(results).metadata.generate(), indent=1, ensure_ascii=False)
    write_atomic(results.paths.crate, content + "\n")
    return results.paths.crate


def _crate(results: Results) -> ROCrate:
    crate = ROCrate(version=CRATE_VERSION)
    crate.metadata.extra_terms.update({name: f"{TERMS}{name}" for name in EXTRA_TERMS})
    entities = Entities(crate, results)
    actions = [_run(entities, run) for run in results.runs]
    actions += _evaluations(entities, results)
    for path in _other_files(results.paths):
        entities.file(path)
    _describe(crate, results)
    crate.root_dataset["mentions"] = actions
    return crate


def _describe(crate: ROCrate, results: Results) -> None:
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    root = crate.root_dataset
    root["conformsTo"] = crate.add(ContextEntity(crate, PROFILE, properties=profile))
    names = [plain(name, 64) for name, _ in results.datasets]
    root["name"] = f"multiverse benchmark on {listed(dict.fromkeys(names)) or 'no dataset yet'}"
    root["description"] = (
        f"Results of multiverse: {counted(len(results.complete), 'complete run')} of multimodal "
        "single-cell integration models, with their embeddings, logs, records and scores."
    )
    root["license"] = LICENCE
    ends = [run.record.finished_at for run in results.runs if run.record.finished_at]
    if ends:
        root["datePublished"] = max(ends)


def _run(entities: Entities, run: Run) -> ContextEntity:
    record = run.record
    name = f"{plain(record.model, 64)} on {plain(record.dataset, 64)}, seed {record.seed}"
    properties: dict[str, Any] = {
        "name": name,
        "description": f"{name}; {settings(record.parameters.items()) or 'no parameters'}",
        "identifier": plain(record.run_id, 64),
        **_times(record.started_at, record.finished_at),
        "actionStatus": COMPLETED if run.complete else FAILED,
    }
    if not run.complete:
        what = str(record.cause or record.state).replace("_", " ")
        properties["error"] = f"{what}: {plain(record.message, MESSAGE_LIMIT)}"
    files = entities.run_files(run)
    job = [file for file in files if Path(file.id).name == run.files.job_spec.name]
    action = entities.action(
        f"#run-{record.run_id}",
        entities.model(record),
        [entities.dataset(record.dataset, record.dataset_fingerprint, record.n_obs), *job],
        [file for file in files if file not in job],
        properties,
    )
    if record.image is not None:
        action["containerImage"] = entities.image(record.image)
    return action


def _evaluations(entities: Entities, results: Results) -> Iterator[ContextEntity]:
    for number, scored in enumerate(results.evaluations):
        for turn, record in enumerate(scored.evaluation.records):
            identifier = f"#evaluation-{scored.dataset}-{number + 1}-{turn + 1}"
            made = scored.evaluation
            data = entities.dataset(scored.dataset, made.dataset_fingerprint, made.n_obs)
            action = entities.action(
                identifier,
                entities.evaluator(made.evaluator, record),
                [data, *_embeddings(entities, results, record)],
                entities.evaluation_files(scored.dataset),
                _evaluation_facts(scored.dataset, record),
            )
            if record.image is not None:
                action["containerImage"] = entities.image(record.image)
            yield action


def _evaluation_facts(dataset: str, record: EvaluationRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": f"evaluation of {plain(dataset, 64)}",
        "description": f"scores of {counted(len(record.members), 'embedding')}",
        **_times(record.started_at, record.finished_at),
        "actionStatus": FAILED if record.message else COMPLETED,
    }
    if record.message:
        facts["error"] = plain(record.message, MESSAGE_LIMIT)
    return facts


def _embeddings(entities: Entities, results: Results, record: EvaluationRecord) -> Iterator[File]:
    members = set(record.members)
    for run in results.complete:
        if run.record.run_id in members:
            path = run.files.embeddings
            if is_file(path):
                yield entities.file(path, run.record.checksums.get(path.name))


def _times(started: str, finished: str) -> dict[str, str]:
    times = {"startTime": started, "endTime": finished}
    return {name: plain(value, 40) for name, value in times.items() if value}


def _other_files(results: ResultsFolder) -> Iterator[Path]:
    """Yield the files derived from the runs, as far as written; figures of these scores only."""
    named = (results.benchmark, results.runs_table, results.scores_table, results.report)
    for path in (*named, *current_figures(results)):
        hidden = results.relative(path).rpartition("/")[2].startswith(".")
        if is_file(path) and not hidden:
            yield path
