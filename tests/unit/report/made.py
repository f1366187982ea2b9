"""Results folders as the runner and the evaluator leave them, small and with chosen numbers."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import t

from multiverse.contract.job_spec import ImageReference
from multiverse.contract.scores import Group, Interval, MetricFacts, Reason, Score
from multiverse.facts import Cause, EngineFacts, RunState, Usage
from multiverse.runs.folder import ResultsFolder
from multiverse.runs.publish import publish
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
from multiverse.runs.writing import write_atomic

FINGERPRINT = "f" * 64
HALVES = 50
ENGINE = EngineFacts(name="docker", version="27.1", isolation="container: no network")
METRICS = (
    MetricFacts(name="leiden_nmi", title="NMI (Leiden)", group=Group.BIO, description="agreement"),
    MetricFacts(name="clisi", title="cLISI", group=Group.BIO, description="label purity"),
    MetricFacts(name="bras", title="BRAS", group=Group.BATCH, description="batch silhouette"),
    MetricFacts(name="kbet_per_label", title="kBET", group=Group.BATCH, description="mixing"),
    MetricFacts(
        name="neighbourhood_preservation",
        title="Neighbourhoods kept",
        group=Group.STRUCTURE,
        description="share of neighbours",
    ),
)


def make_record(model: str = "pca", seed: int = 0, **changes: Any) -> RunRecord:
    """The record of a complete run; its id follows from what it is."""
    content: dict[str, Any] = {
        "attempt": 1,
        "state": RunState.COMPLETE,
        "dataset": "pbmc",
        "dataset_fingerprint": FINGERPRINT,
        "n_obs": 60,
        "model": model,
        "model_version": "1.0.0",
        "seed": seed,
        "device": "cpu",
        "parameters": {"n_components": 2},
        "preprocessing": {"scale": True},
        "modalities": ("rna", "adt"),
        "image": ImageReference(tag=f"multiverse-{model}:1.0.0", digest="sha256:" + "1" * 64),
        "environment_lock": None,
        "engine": ENGINE,
        "limits": {"cpus": 1.0, "memory": 1024},
        "threads": 2,
        "usage": Usage(wall_seconds=12.5, cpu_seconds=20.0, peak_memory_bytes=300 * 2**20),
        "n_dims": 2,
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:12+00:00",
        "host": {"processor": "A CPU", "platform": "Linux", "cpus": 8, "memory_bytes": 2**34},
        "versions": {"multiverse": "1.0.0", "python": "3.11.7"},
        **changes,
    }
    image = content["image"]
    identity = {
        "dataset": content["dataset_fingerprint"],
        "model": model,
        "model_version": content["model_version"],
        "runtime": image.digest if image else content["environment_lock"],
        "parameters": content["parameters"],
        "preprocessing": content["preprocessing"],
        "seed": seed,
        "device_kind": content["device"].partition(":")[0],
        "contract_version": "1",
        "labels": None,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return RunRecord(**{"run_id": digest[:16], "identity": identity, **content})


def publish_run(
    results: ResultsFolder, record: RunRecord, epochs: Sequence[Mapping[str, float]] = ()
) -> RunRecord:
    """The run in its place, by the real code; ``epochs``: lines of ``metrics.jsonl``."""
    attempt = results.new_attempt(record.run_id)
    for name in ("embeddings.h5", "umap.png", "run.log"):
        (attempt.output.folder / name).write_text(f"{name} of {record.run_id}")
    (attempt.output.folder / "metrics.json").write_text('{"model_metrics": {}, "history": {}}')
    if epochs:
        lines = "".join(json.dumps(line) + "\n" for line in epochs)
        (attempt.output.folder / "metrics.jsonl").write_text(lines)
    attempt.container_log.write_text("log")
    target = results.run(record.dataset, record.model, record.run_id)
    return publish(attempt, target, record, "{}")


def keep_failure(results: ResultsFolder, model: str = "mofa", **changes: Any) -> RunRecord:
    """An attempt that ended without a run."""
    failed = {
        "state": RunState.FAILED,
        "cause": Cause.OUT_OF_MEMORY,
        "message": "it needed more than 1 GiB",
        "n_dims": None,
        **changes,
    }
    record = make_record(model, **failed)
    attempt = results.new_attempt(record.run_id)
    attempt.container_log.write_text("log")
    write_atomic(attempt.record, record.to_json())
    return record


def aggregate(values: Sequence[float | None], sd: float | None, reason: str = "") -> Aggregate:
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return Aggregate(
        value=mean,
        available=len(known),
        of=len(values),
        reason="" if known else reason or "no metric of the group is available",
        interval=None if mean is None or sd is None else _interval(mean, sd),
        scaled=mean,
    )


def _interval(middle: float, sd: float) -> Interval:
    half = t.ppf(0.975, HALVES - 1) * sd
    return Interval(low=middle - half, high=middle + half, sd=sd)


def halves(name: str, value: float | None, sd: float | None) -> tuple[float, ...]:
    """The value in halves of the cells, with exactly this deviation; each name's vary alone."""
    if value is None or sd is None:
        return ()
    drawn = np.random.default_rng(zlib.crc32(name.encode())).normal(size=HALVES)
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return tuple(float(number) for number in value + sd * drawn)


def make_member(
    name: str,
    bio: float | None,
    batch: float | None,
    *,
    kind: MemberKind = MemberKind.RUN,
    sd: float | None = 0.01,
    drawn: str = "",
) -> Member:
    """Every metric of a group has the group's value; None: there are no such keys.

    ``drawn``: what the values in halves of the cells are drawn by, besides the name.
    """
    scores: dict[str, Score] = {}
    for metric in METRICS:
        value = {Group.BIO: bio, Group.BATCH: batch, Group.STRUCTURE: 0.25}[metric.group]
        missing = Reason.NO_LABELS if metric.group is Group.BIO else Reason.NO_BATCH
        scores[metric.name] = Score(
            value=value,
            reason=missing if value is None else None,
            detail="obs has no such column" if value is None else "",
            scaled=value,
            interval=None if value is None or sd is None else _interval(value, sd),
            replicates=halves(name + drawn, value, sd),
            parts={"rna": 0.2, "adt": 0.3} if metric.group is Group.STRUCTURE else {},
            n_cells=60,
            seconds=0.5,
        )
    means = aggregate([bio, bio], sd), aggregate([batch, batch], sd)
    total = None if bio is None or batch is None else 0.6 * bio + 0.4 * batch
    whole = Aggregate(
        value=total,
        available=sum(mean.available for mean in means),
        of=4,
        reason="" if total is not None else "it needs both groups",
        interval=None if total is None or sd is None else _interval(total, sd),
        scaled=total,
    )
    image = ImageReference(tag="multiverse-evaluate:1.0.0", digest="sha256:" + "e" * 64)
    return Member(
        kind=kind, name=name, scores=scores, bio=means[0], batch=means[1], total=whole, image=image
    )


def make_evaluation(members: Mapping[str, Member], **changes: Any) -> Evaluation:
    """Members by run id, with two controls."""
    control = MemberKind.CONTROL
    content: dict[str, Any] = {
        "dataset_fingerprint": FINGERPRINT,
        "labels_fingerprint": "a" * 64,
        "n_obs": 60,
        "modalities": {"rna": 2000, "adt": 10},
        "sheet": Sheet(
            label_key="cell_type",
            labels={"B cell": 20, "T cell": 38, "unknown": 2},
            unlabelled=("unknown",),
            n_unlabelled=2,
            batch_key="donor",
            batches={"d0": 30, "d1": 30},
        ),
        "evaluator": Evaluator(
            version="1.0.0", scib_metrics="0.5.10", settings={"replicates": 100}
        ),
        "metrics": METRICS,
        "members": dict(members),
        "controls": {
            "random": make_member("random", 0.0, 0.95, kind=control),
            "label_oracle": make_member("label_oracle", 1.0, 0.9, kind=control),
        },
        "records": (
            EvaluationRecord(
                started_at="2026-01-01T01:00:00+00:00",
                finished_at="2026-01-01T01:02:00+00:00",
                members=(*members, "random", "label_oracle"),
                engine=ENGINE,
                image=ImageReference(tag="multiverse-evaluate:1.0.0", digest="sha256:" + "e" * 64),
            ),
        ),
        **changes,
    }
    return Evaluation(**content)


def write_evaluation(results: ResultsFolder, *evaluations: Evaluation, name: str = "pbmc") -> None:
    path = results.scores(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, ScoresFile(dataset=name, evaluations=evaluations).to_json())


def write_benchmark(results: ResultsFolder, *models: str) -> None:
    lines = ["datasets: [pbmc]", "models:", *(f"- model: {model}" for model in models)]
    write_atomic(results.benchmark, "\n".join(lines) + "\n")


#: Model → its bio and its batch score, of a benchmark in which all went well.
SCORES = {"pca": (0.60, 0.70), "mofa": (0.70, 0.60), "totalvi": (0.80, 0.75)}


def scored_folder(
    folder: Path,
    scores: Mapping[str, tuple[float | None, float | None]] = SCORES,
    seeds: Sequence[int] = (0,),
    **changes: Any,
) -> ResultsFolder:
    """Complete, evaluated runs of one dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    results = ResultsFolder(folder)
    members = {}
    for model, (bio, batch) in scores.items():
        for seed in seeds:
            record = publish_run(results, make_record(model, seed, **changes))
            members[record.run_id] = make_member(model, bio, batch)
    write_evaluation(results, make_evaluation(members))
    write_benchmark(results, *scores)
    return results


def write_embeddings(
    results: ResultsFolder, keys: Mapping[str, str], labels: Sequence[str], **columns: Sequence[Any]
) -> None:
    """``embeddings.h5ad`` as the evaluation leaves it; ``keys``: key → run id."""
    random = np.random.default_rng(0)
    cells = len(labels)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical(list(labels)),
            "donor": pd.Categorical([f"d{number % 2}" for number in range(cells)]),
            "rna_depth": random.integers(100, 1000, cells),
            **columns,
        },
        index=[f"cell{number}" for number in range(cells)],
    )
    table = AnnData(obs=obs)
    codes = obs["cell_type"].cat.codes.to_numpy() % 7
    for key in keys:
        layout = random.normal(size=(cells, 2)) + 4 * np.stack([codes, codes % 3], axis=1)
        layout[0] = np.nan
        table.obsm[f"X_{key}"] = layout.astype(np.float32)
        table.obsm[f"X_umap_{key}"] = layout.astype(np.float32)
    table.uns["multiverse"] = {
        "dataset": "pbmc",
        "dataset_fingerprint": FINGERPRINT,
        "label_key": "cell_type",
        "batch_key": "donor",
        "keys": dict(keys),
        "checksums": dict.fromkeys(keys, "0" * 64),
    }
    table.write_h5ad(results.embeddings("pbmc"))
