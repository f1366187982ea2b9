"""Compares ways to deal with sequencing depth in ``pca``, on all shared data with ATAC and labels.

``python -m benchmarks.models.depth`` from the root of the repository, about four minutes. ATAC
alone with and without the components that follow depth (``drop_depth``), and all modalities with
each weighting; ``first`` divides by the first singular value whatever it stands for, as ``pca`` did
before, and is no setting. RNA + ADT is there for the weightings. Agreement with the labels as
everywhere here: k-means with as many clusters as labels, 10 starts (NMI, mean and standard
deviation over several seeds), and the purity of 15 neighbours. :func:`verdict` is the rule that the
default of ``drop_depth`` follows.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mudata import MuData
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from benchmarks.models import table
from benchmarks.models.agreement import Labels, Latent, agreement
from benchmarks.models.cases import CITE, CITE_2BATCH, SNARE, Case
from benchmarks.models.training import machine
from multiverse.contract import JobSpec
from multiverse.models.pca.components import principal_components
from multiverse.models.pca.joint import Weighting, joint_components
from multiverse.runner.host import versions
from multiverse.worker import Job
from multiverse.worker.epochs import EpochLog
from multiverse.worker.preprocess import View, depth_correlations, gaussian_views, log_depth

RESULT = Path(__file__).resolve().parent / "results" / "depth.json"
CASES = (
    Case("mop_snareseq", ("rna", "atac"), "batch", "cell_type_coarse"),
    SNARE,
    Case("pbmc_multiome_40", ("rna", "atac")),
    CITE_2BATCH,
    CITE,
    Case("pbmc10k_citeseq", ("rna", "adt")),
)
N_COMPONENTS = 50
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DepthFigures:
    """One way on one set; ``weighting`` is empty for a single modality.

    ``depth``: the largest rank correlation of a component of the result with a modality's depth.
    """

    case: str
    modalities: str
    weighting: str
    drop_depth: bool
    n_cells: int
    nmi: float
    nmi_sd: float
    purity: float
    depth: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=[case.slug for case in CASES])
    parser.add_argument("--seeds", type=int, default=5, help="of k-means, each with 10 starts")
    options = parser.parse_args()
    rows = []
    for case in CASES:
        if case.slug in options.cases:
            for row in _compare(case, options.seeds):
                print(row, flush=True)
                rows.append(asdict(row))
    content = {
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n")
    table.main()
    return 0


def _compare(case: Case, seeds: int) -> Iterator[DepthFigures]:
    data = case.read()
    labels, _ = case.labels()
    views = _views(case, data)
    depths = {view.name: log_depth(data[view.name].X) for view in views}
    for modalities in (
        (("atac",), case.modalities) if "atac" in case.modalities else (case.modalities,)
    ):
        values = {view.name: view.values for view in views if view.name in modalities}
        for weighting, drop in _ways(modalities):
            latent = _embedding(values, depths, weighting, drop)
            correlations = [depth_correlations(latent, depths[name]) for name in modalities]
            nmi = _kmeans_nmi(latent, labels, seeds)
            yield DepthFigures(
                case.slug,
                " + ".join(modalities),
                weighting,
                drop,
                len(labels),
                round(float(np.mean(nmi)), 4),
                round(float(np.std(nmi, ddof=1)), 4),
                round(agreement(latent, labels).purity, 4),
                round(float(np.nanmax(np.abs(correlations))), 4),
            )


def _views(case: Case, data: MuData) -> list[View]:
    """Return what ``pca`` sees by default."""
    spec = JobSpec(
        seed=0,
        dataset_id="",
        dataset_name=case.slug,
        model_name="pca",
        model_version="1.0.0",
        image=None,
        hyperparameters={},
        modalities=case.modalities,
        batch_key=case.batch_key,
    )
    batch = None if case.batch_key is None else case.column(case.batch_key, data)
    return gaussian_views(Job(spec, batch, 1, LOG, EpochLog(Path("/dev/null"), LOG)), data)


def _ways(modalities: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield weighting and ``drop_depth``; one block alone has no weight."""
    for weighting in ("first", "mfa", "variance") if len(modalities) > 1 else ("",):
        for drop in (False, True) if "atac" in modalities else (False,):
            yield weighting, drop


def _embedding(
    values: Mapping[str, Any], depths: Mapping[str, Any], weighting: str, drop: bool
) -> Latent:
    joint = partial(joint_components, values, N_COMPONENTS, depths=depths, drop_depth=drop)
    if weighting == "first":  # of all components, dropped or not
        blocks = [
            block.scores / principal_components(values[name], 1).singular_values[0]
            for name, block in joint(weighting="none").own.items()
        ]
        return principal_components(np.hstack(blocks), N_COMPONENTS).scores.astype(np.float32)
    chosen: Weighting = "mfa" if weighting == "mfa" else "variance"
    return joint(weighting=chosen).scores.astype(np.float32)


def _kmeans_nmi(latent: Latent, labels: Labels, seeds: int) -> list[float]:
    known = labels != ""
    cells, names = latent[known], labels[known]
    number = len(np.unique(names))
    return [
        float(
            normalized_mutual_info_score(
                names, KMeans(number, n_init=10, random_state=seed).fit_predict(cells)
            )
        )
        for seed in range(seeds)
    ]


def verdict(rows: Sequence[Mapping[str, Any]]) -> dict[bool, float]:
    """Return the mean of NMI and purity without dropping (False) and with it (True).

    Over the rows with ATAC of the default weighting; the larger one is the default of
    ``drop_depth``.
    """
    of = [
        row for row in rows if "atac" in row["modalities"] and row["weighting"] in ("", "variance")
    ]
    return {
        drop: float(
            np.mean([(row["nmi"] + row["purity"]) / 2 for row in of if row["drop_depth"] is drop])
        )
        for drop in (False, True)
    }


if __name__ == "__main__":
    sys.exit(main())
