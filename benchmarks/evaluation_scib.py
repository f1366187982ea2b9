"""scib-metrics' own Benchmarker on the embeddings of a folder: run in the evaluator's environment.

``python evaluation_scib.py DATA.h5mu LABELS.h5ad EMBEDDINGS_FOLDER OUT.json``: every metric that
the evaluator computes too, with the library's defaults, on both cores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import h5py
import numpy as np
from anndata import AnnData
from anndata.io import read_elem


def main(data: Path, labels: Path, embeddings: Path, out: Path) -> None:
    """Write the values by embedding and metric, and the seconds they took."""
    from scib_metrics.benchmark import BatchCorrection, Benchmarker, BioConservation

    with h5py.File(data, "r") as file:
        obs = read_elem(file["obs"])
    with h5py.File(labels, "r") as file:
        obs["cell_type"] = read_elem(file["obs"])["cell_type"]
    cells = AnnData(np.zeros((len(obs), 1), dtype=np.float32), obs=obs)
    names = []
    for path in sorted(embeddings.glob("*.h5")):
        with h5py.File(path, "r") as file:
            cells.obsm[path.stem] = file["latent"][...]
        names.append(path.stem)
    cells.obsm["before"] = cells.obsm[names[0]]
    began = time.monotonic()
    bench = Benchmarker(
        cells,
        batch_key="batch",
        label_key="cell_type",
        embedding_obsm_keys=names,
        bio_conservation_metrics=BioConservation(nmi_ari_cluster_labels_leiden=True),
        batch_correction_metrics=BatchCorrection(),
        pre_integrated_embedding_obsm_key="before",
        n_jobs=os.cpu_count() or 1,
        progress_bar=False,
    )
    bench.benchmark()
    seconds = time.monotonic() - began
    table = bench.get_results(min_max_scale=False, clean_names=False)
    values = {
        name: {str(metric): float(value) for metric, value in table.loc[name].items()}
        for name in names
    }
    out.write_text(json.dumps({"seconds": seconds, "values": values}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:5]))
