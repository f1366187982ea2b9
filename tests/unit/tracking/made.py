"""Small results folders with everything that is copied to MLflow, made by the real classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from multiverse.contract.scores import Group, MetricFacts, Reason, Score
from multiverse.facts import Cause, RunState, Usage
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from multiverse.runs.publish import publish
from multiverse.runs.record import RunRecord
from multiverse.runs.scores import (
    Aggregate,
    Evaluation,
    Evaluator,
    Interval,
    Member,
    MemberKind,
    ScoresFile,
    Sheet,
)
from multiverse.runs.writing import write_atomic
from tests.unit.cleanup.made import FINGERPRINT, make_record

METRICS = {
    "model_metrics": {"elbo": -12.5, "epochs": 3},
    "history": {"loss": [3.0, 2.0, 1.0], "kl": [0.1, 0.2]},
}
EPOCHS = "".join(
    json.dumps({"epoch": number, "total": 3, "loss": 4.0 - number}) + "\n" for number in (1, 2, 3)
)


def record_of(seed: int = 0, **changes: Any) -> RunRecord:
    """A record with all that a finished run has."""
    facts = {
        "started_at": "2026-01-01T10:00:00+00:00",
        "finished_at": "2026-01-01T10:00:08+00:00",
        "usage": Usage(wall_seconds=7.5, cpu_seconds=9.0, peak_memory_bytes=123_000),
        "experiment": "pilot",
        "tags": {"project": "PBMC"},
        "host": {"platform": "Linux", "cpus": 2},
        "versions": {"multiverse": "1.0.0"},
    }
    return make_record(seed).model_copy(update={**facts, **changes})


def publish_tracked(
    results: ResultsFolder,
    seed: int = 0,
    *,
    metrics: Any = METRICS,
    epochs: str | None = EPOCHS,
    embedding: bytes = b"latent",
    **changes: Any,
) -> RunFolder:
    """A complete run, published by the real code."""
    record = record_of(seed, **changes)
    attempt = results.new_attempt(record.run_id)
    folder = attempt.output.folder
    (folder / "embeddings.h5").write_bytes(embedding)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "umap.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "run.log").write_text(f"log of seed {seed}\n")
    if epochs is not None:
        (folder / "metrics.jsonl").write_text(epochs)
    attempt.container_log.write_text("log")
    target = results.run(record.dataset, record.model, record.run_id)
    publish(attempt, target, record, "{}")
    return target


def keep_tracked(
    results: ResultsFolder,
    seed: int = 0,
    state: RunState = RunState.FAILED,
    cause: Cause = Cause.OUT_OF_MEMORY,
    **changes: Any,
) -> AttemptFolder:
    """An attempt that ended without a published run."""
    record = record_of(seed, state=state, cause=cause, message="it ended", **changes)
    attempt = results.new_attempt(record.run_id)
    (attempt.output.folder / "run.log").write_text("Killed\n")
    (attempt.output.folder / "metrics.jsonl").write_text(EPOCHS + '{"epoch": 4, "lo')
    attempt.container_log.write_text("container's log")
    write_atomic(attempt.record, record.to_json())
    return attempt


def score(
    results: ResultsFolder,
    runs: list[str],
    *,
    ilisi: float | None = 0.25,
    total: float = 0.5,
    dataset: str = "pbmc",
) -> Path:
    """``scores.json`` for these run ids."""
    missing = Score(value=None, reason=Reason.NO_BATCH, detail="obs has no batch column")
    scores = {
        "leiden_nmi": Score(value=0.75),
        "ilisi": missing if ilisi is None else Score(value=ilisi),
        "neighbourhood_preservation": Score(value=0.3, parts={"rna": 0.2, "atac": 0.4}),
        "kbet_per_label": Score(value=None, reason=Reason.METRIC_FAILED, detail="it failed"),
    }
    interval = Interval(low=total - 0.1, high=total + 0.1, sd=0.05)
    member = Member(
        kind=MemberKind.RUN,
        name="pca",
        scores=scores,
        bio=Aggregate(value=0.75, available=1, of=1),
        batch=Aggregate(value=None, available=0, of=2, reason="no batch metric is available"),
        total=Aggregate(value=total, available=2, of=3, interval=interval),
    )
    evaluation = Evaluation(
        dataset_fingerprint=FINGERPRINT,
        n_obs=3,
        modalities={"rna": 5},
        sheet=Sheet(),
        evaluator=Evaluator(version="1.0.0", scib_metrics="0.5.10"),
        metrics=tuple(
            MetricFacts(name=name, title=name, group=Group.BIO, description="") for name in scores
        ),
        members=dict.fromkeys(runs, member),
    )
    path = results.scores(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, ScoresFile(dataset=dataset, evaluations=(evaluation,)).to_json())
    return path
