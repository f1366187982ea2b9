"""A model that costs nothing: its container copies a finished output into place.

It stands outside the package, as a third party's would, and is built by ``multiverse build``.
What remains of the wall time of its jobs is the engine's and the runner's.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from measure import MULTIVERSE, timed

from multiverse.contract import OutputFiles
from multiverse.contract.cells import CellNames
from multiverse.contract.output import check_output

DOCKERFILE = """\
ARG BASE_IMAGE=python:3.11-slim-bookworm
FROM ${BASE_IMAGE}
COPY prepared /prepared
ENTRYPOINT ["sh", "-c", "cp /prepared/* /output/"]
"""
MEMORY = "256MiB"
MODEL_YAML = """\
name: {name}
version: 1.0.0
title: Copies a finished output into place
image: multiverse-benchmark-{name}
modalities: {{optional: [rna, atac, adt]}}
parameters: {{type: object, properties: {{}}}}
licence: BSD-3-Clause
resources: {{cpus: 1, memory: {memory}}}
"""
DIMENSIONS = 10


@dataclass(frozen=True)
class TrivialModel:
    """The model's folder, made for the cells of one dataset."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def image(self) -> str:
        return f"multiverse-benchmark-{self.name}:1.0.0"

    @classmethod
    def write(cls, folder: Path, data: Path) -> TrivialModel:
        """Write the model into a new folder, with an output for the cells of ``data.h5mu``."""
        cells = CellNames.read(data)
        output = OutputFiles(folder / "prepared")
        output.folder.mkdir(parents=True)
        write_output(output, cells)
        findings = check_output(output.folder, cells)
        assert not findings, findings
        (folder / "Dockerfile").write_text(DOCKERFILE)
        (folder / "model.yaml").write_text(MODEL_YAML.format(name=folder.name, memory=MEMORY))
        return cls(folder)

    def build(self, environment: dict[str, str]) -> None:
        """Build its image by the command that users have."""
        timed([MULTIVERSE, "build", self.name, "--models-dir", str(self.folder)], environment)


def write_output(output: OutputFiles, cells: CellNames) -> None:
    """A complete output of the container contract, with random coordinates."""
    latent = np.random.default_rng(0).normal(size=(len(cells), DIMENSIONS))
    with h5py.File(output.embeddings, "w") as file:
        file["latent"] = latent.astype(np.float32)
        file.create_dataset("obs_names", data=list(cells.names), dtype=h5py.string_dtype())
    metrics = {"model_metrics": {"seconds": 0.0}, "history": {}}
    output.metrics.write_text(json.dumps(metrics))
    output.umap.write_bytes(_white_pixel())
    output.log.write_text("copied\n")


def _white_pixel() -> bytes:
    """The smallest PNG (https://www.w3.org/TR/png-3/, section 5)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff")
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixel), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
