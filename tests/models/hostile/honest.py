"""What every behaviour shares: the job, and an output as it should be."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

DATA = Path(os.environ.get("MULTIVERSE_INPUT", "/input/data.h5mu"))
OUTPUT = Path(os.environ.get("MULTIVERSE_OUTPUT", "/output"))
EMBEDDINGS = OUTPUT / "embeddings.h5"
METRICS = OUTPUT / "metrics.json"
JOB = json.loads((OUTPUT / "job_spec.json").read_text())
SETTINGS = JOB["hyperparameters"]


def cell_names() -> list[bytes]:
    with h5py.File(DATA, "r") as file:
        obs = file["obs"]
        return list(obs[obs.attrs["_index"]][...])


def latent() -> np.ndarray:
    shape = (len(cell_names()), 3)
    return np.random.default_rng(JOB["seed"]).normal(size=shape).astype("float32")


def good(metrics: Mapping[str, float] | None = None) -> None:
    """A complete output; what an attack came to is told as its metrics."""
    with h5py.File(EMBEDDINGS, "w") as file:
        file["latent"] = latent()
        file.create_dataset("obs_names", data=cell_names(), dtype=h5py.string_dtype())
    report(metrics or {})
    (OUTPUT / "run.log").write_text("done\n")
    (OUTPUT / "umap.png").write_bytes(picture(1, 1))


def report(metrics: Mapping[str, float]) -> None:
    METRICS.write_text(json.dumps({"model_metrics": dict(metrics), "history": {}}))


def picture(width: int, height: int) -> bytes:
    """A PNG picture with the pixels of a single point, whatever size it declares."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
