"""Jobs and prepared jobs for tests of the runner, made without any file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiverse.plan.job import Limits, PlannedJob
from multiverse.specs.dataset import DatasetRecord
from multiverse.specs.model import ModelSpec, ModelYaml

GIB = 1024**3


def make_dataset(n_obs: int = 1000, slug: str = "data", n_values: int = 100_000) -> DatasetRecord:
    return DatasetRecord.model_validate(
        {
            "slug": slug,
            "fingerprint": f"sha256:{slug}",
            "n_obs": n_obs,
            "modalities": {"rna": {"n_vars": 2000, "n_values": n_values}},
            "source_name": "data.h5ad",
            "source_sha256": "sha256:0",
            "options_sha256": "sha256:0",
            "registered_at": "2026-01-01T00:00:00+00:00",
            "multiverse_version": "0.0.0",
        }
    )


def make_model(name: str = "model") -> ModelSpec:
    yaml = ModelYaml.model_validate(
        {
            "name": name,
            "version": "1.0.0",
            "title": "A model",
            "image": f"multiverse-{name}",
            "modalities": {"optional": ["rna"]},
            "parameters": {
                "type": "object",
                "properties": {"n": {"type": "integer", "default": 1}},
            },
        }
    )
    return ModelSpec(yaml=yaml, folder=Path("/nowhere"))


def make_job(**changes: Any) -> PlannedJob:
    model = changes.pop("model", None) or make_model()
    settings: dict[str, Any] = {
        "dataset": make_dataset(),
        "model": model,
        "parameters": {"n": 1},
        "preprocessing": {},
        "modalities": ("rna",),
        "seed": 0,
        "device": "cpu",
        "limits": Limits(cpus=1, memory=GIB),
    }
    return PlannedJob(**{**settings, **changes})
