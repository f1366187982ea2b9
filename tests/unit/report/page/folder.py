"""Results folders made for tests: records, files of runs, scores and embeddings of given sizes.

The numbers are drawn from seeded distributions; the classes are those that write the real files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t

from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Group, Interval, MetricFacts, Reason, Score
from multiverse.facts import Cause, EngineFacts, RunState, Usage
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import (
    Aggregate,
    Evaluation,
    EvaluationRecord,
    Evaluator,
    Member,
    MemberKind,
    ScoresFile,
    Sheet,
)
from tests.unit.report.made import HALVES, halves

METRICS = (
    ("leiden_nmi", "Leiden NMI", Group.BIO),
    ("kmeans_ari", "KMeans ARI", Group.BIO),
    ("isolated_labels", "Isolated labels", Group.BIO),
    ("bras", "BRAS", Group.BATCH),
    ("kbet_per_label", "kBET per label", Group.BATCH),
    ("neighbourhood_preservation", "Neighbourhood preservation", Group.STRUCTURE),
    ("seed_stability", "Seed stability", Group.STRUCTURE),
)
FACTS = tuple(
    MetricFacts(name=name, title=title, group=group, description=f"what {title} is")
    for name, title, group in METRICS
)
ENGINE = EngineFacts(name="docker", version="27.0", isolation="container: no network")
CONTROLS = ("random", "batch_one_hot", "label_oracle", "pca_rna")


@dataclass(frozen=True)
class Data:
    """A dataset: its cells' columns. ``label`` or ``batch`` None: there is no such column."""

    slug: str = "small"
    cells: pd.DataFrame = field(default_factory=lambda: make_cells(60))
    label: str | None = "cell_type"
    batch: str | None = "batch"

    @property
    def fingerprint(self) -> str:
        return f"{sum(self.slug.encode()):08x}" * 8


def make_cells(n: int, labels: Sequence[str] = ("B cell", "T cell", "NK")) -> pd.DataFrame:
    """Columns of ``n`` cells: label, batch, a depth, a fraction."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "cell_type": pd.Categorical([labels[i % len(labels)] for i in range(n)]),
            "batch": pd.Categorical([f"b{i // 7 % 2}" for i in range(n)]),
            "rna_depth": random.integers(500, 20_000, n),
            "mito": random.random(n),
        },
        index=[f"cell{i}" for i in range(n)],
    )


def add_run(
    results: ResultsFolder,
    data: Data,
    model: str,
    *,
    seed: int = 0,
    changed: Mapping[str, Any] | None = None,
    epochs: Mapping[str, Sequence[float]] | None = None,
    log: str = "2026-01-01 INFO Done\n",
    **more: Any,
) -> RunRecord:
    """A complete run with its files but the embedding."""
    record = make_record(results, data, model, seed=seed, changed=changed or {}, **more)
    folder = results.run(data.slug, model, record.run_id)
    folder.folder.mkdir(parents=True)
    history = {"loss_train": [3.0, 2.0, 1.5], "loss_validation": [3.5, 2.5, 2.2]}
    content = {"model_metrics": {"final": 1.5}, "history": history if epochs is None else epochs}
    folder.metrics.write_text(json.dumps(content))
    folder.log.write_text(log)
    Image.new("RGB", (20, 20), "white").save(folder.umap)
    folder.record.write_text(record.to_json())
    return record


def add_failure(
    results: ResultsFolder,
    data: Data,
    model: str,
    *,
    state: RunState = RunState.FAILED,
    cause: Cause = Cause.OUT_OF_MEMORY,
    message: str = "it needed more than its 1 GiB",
    log: str = "Killed\n",
    attempts: int = 1,
    **more: Any,
) -> RunRecord:
    """A run whose attempts were kept."""
    for number in range(1, attempts + 1):
        record = make_record(
            results, data, model, state=state, cause=cause, message=message, attempt=number, **more
        )
        attempt = results.new_attempt(record.run_id)
        attempt.container_log.write_text(log)
        attempt.output.epochs.write_text('{"epoch": 1, "loss": 2.0}\n{"epoch": 2, "loss": 1.0}\n')
        attempt.record.write_text(record.to_json())
    return record


def make_record(
    results: ResultsFolder, data: Data, model: str, *, seed: int = 0, **more: Any
) -> RunRecord:
    """A record whose id follows from what tells it apart."""
    changed = dict(more.get("changed", {}))
    identity = {"model": model, "seed": seed, "dataset": data.fingerprint, "changed": changed}
    number = hash_of(json.dumps(identity, sort_keys=True))
    values: dict[str, Any] = {
        "run_id": f"{number:016x}"[:16],
        "attempt": 1,
        "state": RunState.COMPLETE,
        "dataset": data.slug,
        "dataset_fingerprint": data.fingerprint,
        "n_obs": len(data.cells),
        "model": model,
        "model_version": "1.0.0",
        "seed": seed,
        "device": "cpu",
        "parameters": {"n_latent": 20, "lr": 0.004, **changed},
        "preprocessing": {"n_top_genes": 4000},
        "modalities": ("rna", "adt"),
        "identity": identity,
        "image": ImageReference(tag=f"multiverse-{model}:1.0.0", digest="sha256:" + "ab" * 32),
        "environment_lock": None,
        "engine": ENGINE,
        "limits": {"cpus": 2.0, "memory": 1024**3},
        "threads": 2,
        "usage": Usage(
            wall_seconds=10.0 + number % 90, cpu_seconds=9.0, peak_memory_bytes=number % 10**9
        ),
        "n_dims": 20,
        "started_at": "2026-11-22T11:28:05+00:00",
        "finished_at": "2026-11-22T11:29:05+00:00",
        "host": {"cpus": 2, "memory_bytes": 25 * 1024**3},
        "versions": {"multiverse": "1.0.0", "python": "3.11.7"},
        "checksums": {"embeddings.h5": "sha256:" + "cd" * 32},
    }
    return RunRecord.model_validate({**values, **more})


def hash_of(text: str) -> int:
    """The same in every process, unlike ``hash``: 60 bits."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def add_scores(
    results: ResultsFolder,
    data: Data,
    records: Iterable[RunRecord],
    *,
    totals: Sequence[float] = (),
    width: float = 0.01,
    facts: Sequence[MetricFacts] = FACTS,
    reason: Reason | None = None,
    unscaled: Collection[str] = (),
    **more: Any,
) -> Evaluation:
    """``scores.json``. ``totals``: of each run, drawn where not given; ``width``: of intervals.

    ``unscaled``: metrics whose controls are too close.
    """
    random = np.random.default_rng(1)
    members = {}
    for position, record in enumerate(records):
        level = totals[position] if position < len(totals) else float(random.uniform(0.3, 0.9))
        members[record.run_id] = make_member(
            data, record.model, level, width, facts, unscaled=unscaled
        )
    levels = {"random": 0.2, "batch_one_hot": 0.25, "label_oracle": 0.97, "pca_rna": 0.4}
    controls = {
        name: make_member(
            data, name, levels[name], width, facts, kind=MemberKind.CONTROL, unscaled=unscaled
        )
        for name in CONTROLS
    }
    evaluation = Evaluation(
        dataset_fingerprint=data.fingerprint,
        labels_fingerprint="ef" * 32,
        n_obs=len(data.cells),
        modalities={"rna": 2000, "adt": 20},
        sheet=_sheet(data),
        evaluator=Evaluator(version="1.0.0", scib_metrics="0.5.10", settings={"k": 15}),
        metrics=tuple(facts),
        members=members,
        controls=controls,
        records=(
            EvaluationRecord(
                started_at="2026-11-22T12:00:00+00:00",
                members=tuple(members),
                engine=ENGINE,
                image=ImageReference(tag="multiverse-evaluate:1.0.0", digest="sha256:" + "12" * 32),
                usage=Usage(wall_seconds=61.0, peak_memory_bytes=10**9),
            ),
        ),
        **more,
    )
    path = results.scores(data.slug)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ScoresFile(dataset=data.slug, evaluations=(evaluation,)).to_json())
    return evaluation


def _sheet(data: Data) -> Sheet:
    def counts(column: str | None) -> dict[str, int]:
        if column is None:
            return {}
        found = data.cells[column].astype(str).value_counts()
        return {str(value): int(count) for value, count in found.items()}

    return Sheet(
        label_key=data.label,
        labels=counts(data.label),
        batch_key=data.batch,
        batches=counts(data.batch),
    )


def make_member(
    data: Data,
    name: str,
    level: float,
    width: float,
    facts: Sequence[MetricFacts],
    kind: MemberKind = MemberKind.RUN,
    unscaled: Collection[str] = (),
) -> Member:
    """Scores around ``level``; what needs labels or batches has none where these are missing."""
    random = np.random.default_rng(hash_of(name) % 2**32)
    values = {fact.name: float(level + random.normal(0, 0.05)) for fact in facts}
    for group in Group:  # the mean of each is exactly the level
        own = [fact.name for fact in facts if fact.group is group]
        values |= {key: values[key] + level - fmean(values[one] for one in own) for key in own}
    scores = {
        fact.name: _score(data, fact, min(1.0, max(0.0, values[fact.name]))) for fact in facts
    }
    scores = {key: _with_halves(score, name, width) for key, score in scores.items()}
    for key in unscaled:
        scores[key] = scores[key].model_copy(update={"scaled": None, "clipped": False})
    bio = _aggregate(scores, facts, Group.BIO, width)
    batch = _aggregate(scores, facts, Group.BATCH, width)
    both = bio.value is not None and batch.value is not None
    total = Aggregate(
        value=level if both else None,
        available=bio.available + batch.available,
        of=bio.of + batch.of,
        missing=bio.missing + batch.missing,
        reason="" if both else "a group of metrics is not available",
        interval=_interval(level, width) if both and width else None,
        scaled=min(1.0, max(0.0, (level - 0.2) / 0.77)) if both else None,
        scaled_available=bio.scaled_available + batch.scaled_available,
        scaled_clipped=bio.scaled_clipped or batch.scaled_clipped,
    )
    return Member(kind=kind, name=name, scores=scores, bio=bio, batch=batch, total=total)


def _with_halves(score: Score, name: str, width: float) -> Score:
    """The score with halves of the cells that give an interval of this half-width; 0: with none."""
    sd = width / float(t.ppf(0.975, HALVES - 1))
    return score.model_copy(update={"replicates": halves(name, score.value, sd if width else None)})


def _score(data: Data, fact: MetricFacts, value: float) -> Score:
    if fact.group is Group.BIO and data.label is None:
        return Score(value=None, reason=Reason.NO_LABELS, detail="there are no labels")
    if fact.group is Group.BATCH and data.batch is None:
        return Score(value=None, reason=Reason.NO_BATCH, detail="obs has no batch column")
    if fact.name == "seed_stability":
        return Score(value=None, reason=Reason.ONE_SEED, detail="there is one seed")
    if fact.group is Group.STRUCTURE:
        parts = {"rna": value, "adt": value / 2}
        return Score(value=value, parts=parts, n_cells=len(data.cells), seconds=0.2)
    scaled = (value - 0.2) / 0.77
    return Score(
        value=value,
        scaled=min(1.0, max(0.0, scaled)),
        clipped=not 0 <= scaled <= 1,
        n_cells=len(data.cells),
        seconds=0.5,
    )


def _aggregate(
    scores: Mapping[str, Score], facts: Sequence[MetricFacts], group: Group, width: float
) -> Aggregate:
    names = [fact.name for fact in facts if fact.group is group]
    values = [value for name in names if (value := scores[name].value) is not None]
    mean = float(np.mean(values)) if values else None
    return Aggregate(
        value=mean,
        available=len(values),
        of=len(names),
        missing=tuple(name for name in names if scores[name].value is None),
        reason="" if values else "nothing of it is available",
        interval=_interval(mean, width) if mean is not None and width else None,
        scaled=None if mean is None else min(1.0, max(0.0, (mean - 0.2) / 0.77)),
        scaled_available=sum(scores[name].scaled is not None for name in names),
        scaled_clipped=any(scores[name].clipped for name in names),
    )


def _interval(value: float, width: float) -> Interval:
    return Interval(low=value - width, high=value + width, sd=width / 2)


def add_embeddings(
    results: ResultsFolder,
    data: Data,
    records: Sequence[RunRecord],
    coordinates: Mapping[str, NDArray[Any]] | None = None,
) -> Path:
    """``embeddings.h5ad``: UMAP coordinates by run id, drawn around three places if not given."""
    n = len(data.cells)
    table = AnnData(X=np.empty((n, 0), dtype=np.float32), obs=data.cells)
    keys = {}
    for position, record in enumerate(records):
        key = f"{record.model}_{record.run_id}"
        keys[key] = record.run_id
        random = np.random.default_rng(position)
        drawn = random.normal(size=(n, 2)) + 6 * random.normal(size=(3, 2))[np.arange(n) % 3]
        points = coordinates[record.run_id] if coordinates else drawn
        table.obsm[f"X_umap_{key}"] = points.astype(np.float32)
        table.obsm[f"X_{key}"] = points.astype(np.float32)
    table.uns["multiverse"] = {
        "dataset": data.slug,
        "dataset_fingerprint": data.fingerprint,
        "label_key": data.label or "",
        "batch_key": data.batch or "",
        "keys": keys,
        "checksums": dict.fromkeys(keys, "0" * 64),
    }
    path = results.embeddings(data.slug)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_h5ad(path)
    return path


def make_folder(
    folder: Path,
    models: Sequence[str] = ("totalvi", "mofa", "pca"),
    data: Data | None = None,
    **scores: Any,
) -> ResultsFolder:
    """A folder with one dataset: complete, scored, with embeddings."""
    results = ResultsFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = data or Data()
    records = [add_run(results, data, model) for model in models]
    add_scores(results, data, records, **scores)
    add_embeddings(results, data, records)
    return results
