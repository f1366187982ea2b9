"""Runs and attempts as the runner makes them, small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiverse.contract.job_spec import ImageReference
from multiverse.facts import Cause, EngineFacts, RunState
from multiverse.plan.job import Identity
from multiverse.runs.folder import AttemptFolder, ResultsFolder, RunFolder
from multiverse.runs.publish import publish
from multiverse.runs.record import RunRecord
from multiverse.runs.results import Results
from multiverse.runs.started import Started
from multiverse.runs.table import write_table
from multiverse.runs.writing import write_atomic

FINGERPRINT = "f" * 64


def make_record(seed: int = 0, **changes: Any) -> RunRecord:
    """A record whose id is the hash of its identity, as the runner's are."""
    image = ImageReference(tag="multiverse-pca:1.0.0", digest="sha256:" + "1" * 64)
    base: dict[str, Any] = {
        "dataset": "pbmc",
        "dataset_fingerprint": FINGERPRINT,
        "model": "pca",
        "model_version": "1.0.0",
        "parameters": {"n_components": 2, "tolerance": 1e-07, "name": "ünï"},
        "preprocessing": {"scale": True},
        "image": image,
        "engine": EngineFacts(name="docker", version="1", isolation="container"),
        "state": RunState.COMPLETE,
        "attempt": 1,
        **changes,
    }
    runtime = base["image"].digest if base["image"] else "0" * 64
    identity = Identity(
        dataset=base["dataset_fingerprint"],
        model=base["model"],
        model_version=base["model_version"],
        runtime=runtime,
        parameters=base["parameters"],
        preprocessing=base["preprocessing"],
        seed=seed,
        device_kind="cpu",
        contract_version="1",
    )
    return RunRecord(
        **base,
        run_id=identity.run_id,
        identity=identity.plain(),
        environment_lock=None if base["image"] else "0" * 64,
        seed=seed,
        n_obs=3,
        device="cpu",
        modalities=("rna",),
        limits={"cpus": 1.0, "memory": 1024},
        threads=1,
        started_at="2026-01-01T00:00:00+00:00",
    )


def publish_run(results: ResultsFolder, seed: int = 0, **changes: Any) -> RunFolder:
    """A complete run, published by the real code, and the folder's table."""
    record = make_record(seed, **changes)
    attempt = results.new_attempt(record.run_id)
    for name in ("embeddings.h5", "metrics.json", "umap.png", "run.log"):
        (attempt.output.folder / name).write_text(f"{name} of {seed}")
    attempt.container_log.write_text("log")
    target = results.run(record.dataset, record.model, record.run_id)
    publish(attempt, target, record, "{}")
    write_table(Results.open(results))
    return target


def keep_attempt(
    results: ResultsFolder,
    seed: int = 0,
    state: RunState = RunState.FAILED,
    cause: Cause | None = Cause.OUT_OF_MEMORY,
    **changes: Any,
) -> AttemptFolder:
    """An attempt that ended without a published run."""
    record = make_record(seed, state=state, cause=cause, **changes)
    attempt = results.new_attempt(record.run_id)
    (attempt.output.folder / "embeddings.h5").write_bytes(b"x" * 10_000)
    write_atomic(attempt.record, record.to_json())
    return attempt


def interrupt_attempt(
    results: ResultsFolder, seed: int = 0, engine: str = "local", started: bool = True
) -> AttemptFolder:
    """An attempt whose runner was killed: it began and has no end."""
    facts = EngineFacts(name=engine, version="1", isolation="")
    record = make_record(seed, state=RunState.RUNNING, engine=facts)
    attempt = results.new_attempt(record.run_id)
    if started:
        text = Started(record=record, data=Path("/nowhere"), job_spec="{}").to_json()
        write_atomic(attempt.started, text)
    return attempt
