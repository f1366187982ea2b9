"""Six embeddings of 10,000 cells: the evaluator against scib-metrics' Benchmarker.

Both run in the evaluator's locked environment, as whole processes with two cores, in turns. The
evaluator also reads the dataset, computes each modality's components, and scores 20 halves of the
cells anew, which the Benchmarker does not. Values that both have are compared too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from measure import show, take_turns
from report import Target, conclude

from multiverse.cli.terminal import show_notes
from multiverse.contract.evaluation import EvaluationFiles, EvaluationRequest, ScoreLine, parse_line
from multiverse.demo.simulation import write_simulation
from multiverse.events import silent
from multiverse.images.environment import LockedEnvironment, prepare_environment
from multiverse.plan.job import Limits
from multiverse.registry.home import cache
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.registration import register
from multiverse.runner.prepared import environment
from multiverse.specs.evaluator import EvaluatorSpec

CELLS, EMBEDDINGS = 10_000, 6
#: Dimensions of the embeddings: each shape is compiled for anew by JAX.
DIMENSIONS = (10, 15, 20, 20, 30, 50)
#: The Benchmarker's name for each metric that both have.
NAMES = {
    "leiden_nmi": "nmi_ari_cluster_labels_leiden_nmi",
    "leiden_ari": "nmi_ari_cluster_labels_leiden_ari",
    "kmeans_nmi": "nmi_ari_cluster_labels_kmeans_nmi",
    "kmeans_ari": "nmi_ari_cluster_labels_kmeans_ari",
    "silhouette_label": "silhouette_label",
    "clisi": "clisi_knn",
    "isolated_labels": "isolated_labels",
    "bras": "bras",
    "ilisi": "ilisi_knn",
    "kbet_per_label": "kbet_per_label",
    "graph_connectivity": "graph_connectivity",
}


class Bench:
    """The input of both sides in one folder."""

    def __init__(self, folder: Path) -> None:
        source = write_simulation(folder / "cells.h5mu", n_cells=CELLS)
        options = RegistrationOptions(batch_key="batch", label_key="cell_type")
        os.environ["MULTIVERSE_HOME"] = str(folder / "home")
        self.dataset = register(source, slug="cells", options=options, tell=silent)
        self.input = folder / "input"
        (self.input / "embeddings").mkdir(parents=True)
        (self.input / "data.h5mu").symlink_to(self.dataset.data)
        (self.input / "labels.h5ad").symlink_to(self.dataset.labels)
        self.output = folder / "output"
        self.scib = folder / "scib.json"
        self.files = EvaluationFiles(self.input, self.output)
        self.runs = [f"embedding{number}" for number in range(EMBEDDINGS)]
        self._embed()
        self.environment: LockedEnvironment = prepare_environment(
            EvaluatorSpec.load(), cache=cache(), tell=show_notes
        )
        limits = Limits(cpus=os.cpu_count() or 1, memory=8 * 1024**3)
        self.variables = {
            **os.environ,
            **environment(limits),
            "PYTHONPATH": str(self.environment.sdk),
            "NUMBA_CACHE_DIR": str(self.environment.folder / "numba-cache"),
        }

    def _embed(self) -> None:
        """Labels and batches as directions, with noise of different strengths."""
        with h5py.File(self.dataset.labels, "r") as file:
            codes = file["obs"]["cell_type"]["codes"][...]
        with h5py.File(self.dataset.data, "r") as file:
            batches = file["obs"]["batch"]["codes"][...]
            names = file["obs"][file["obs"].attrs["_index"]][...]
        for number, (run, n_dims) in enumerate(zip(self.runs, DIMENSIONS, strict=True)):
            random = np.random.default_rng(number)
            places = random.normal(size=(codes.max() + 1, n_dims)) * 2
            shift = random.normal(size=(batches.max() + 1, n_dims)) * 0.3 * number
            noise = random.normal(size=(len(codes), n_dims))
            with h5py.File(self.files.embeddings(run), "w") as file:
                file["latent"] = (places[codes] + shift[batches] + noise).astype(np.float32)
                file["obs_names"] = names

    def ours(self) -> float:
        """Seconds of one evaluation."""
        self.output.mkdir(exist_ok=True)
        request = EvaluationRequest(
            dataset="cells",
            modalities=tuple(self.dataset.record.modalities),
            label_key="cell_type",
            batch_key="batch",
            runs=tuple(self.runs),
            controls=(),
        )
        self.files.request.write_text(request.model_dump_json())
        paths = {"MULTIVERSE_INPUT": self.files.data, "MULTIVERSE_OUTPUT": self.output}
        return self._timed(["-m", "multiverse.evaluation"], {k: str(v) for k, v in paths.items()})

    def theirs(self) -> float:
        """Seconds of one Benchmarker."""
        script = Path(__file__).with_name("evaluation_scib.py")
        return self._timed(
            [
                str(script), str(self.files.data), str(self.files.labels),
                str(self.input / "embeddings"), str(self.scib),
            ],
            {},
        )  # fmt: skip

    def _timed(self, arguments: list[str], more: dict[str, str]) -> float:
        began = time.monotonic()
        subprocess.run(
            [str(self.environment.python), *arguments],
            env={**self.variables, **more},
            check=True,
            capture_output=True,
        )
        return time.monotonic() - began

    def differences(self) -> dict[str, float]:
        """Metric → the largest difference between both over the embeddings."""
        theirs = json.loads(self.scib.read_text())["values"]
        found: dict[str, float] = {}
        for text in self.files.scores.read_bytes().splitlines():
            line = parse_line(text)
            if isinstance(line, ScoreLine) and line.metric in NAMES and line.value is not None:
                apart = abs(line.value - theirs[line.member][NAMES[line.metric]])
                found[line.metric] = max(apart, found.get(line.metric, 0.0))
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1)
    repetitions = parser.parse_args().repetitions
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        show("warming up the evaluator: numba keeps what it compiles, as it does in the image")
        bench.ours()
        taken = take_turns(
            {"evaluator": bench.ours, "Benchmarker": bench.theirs}, repetitions, warm_up=0
        )
        differences = bench.differences()
    for metric, apart in differences.items():
        show(f"  {metric}: largest difference {apart:.2g}")
    ratio = taken["evaluator"].over(taken["Benchmarker"]).median
    target = Target(
        f"{EMBEDDINGS} embeddings of {CELLS:,} cells: evaluator over Benchmarker", ratio, 0.5
    )
    details = {
        "seconds": {name: timings.seconds for name, timings in taken.items()},
        "largest_differences": differences,
    }
    return conclude("evaluation_speed", [target], details)


if __name__ == "__main__":
    raise SystemExit(main())
