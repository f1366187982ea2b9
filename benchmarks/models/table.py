"""Prints the records as the tables of README.md: ``python -m benchmarks.models.table``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    print("\n".join([*quality_tables(), *scaling_table()]))
    return 0


def quality_tables() -> Iterator[str]:
    """A table a dataset: mean and range over seeds, and the trivial embeddings."""
    content = json.loads((RESULTS / "quality.json").read_text())
    for case, baselines in content["baselines"].items():
        yield from (f"**{case}**", "", "| | k-means ARI | NMI | kNN purity | mixing |")
        yield "|---|---|---|---|---|"
        for name, figures in baselines.items():
            cells = [f"{figures[key]:.2f}" for key in ("ari", "nmi", "purity")]
            yield f"| *{name.replace('_', ', ')}* | {' | '.join(cells)} | |"
        runs = [run for run in content["runs"] if run["case"] == case]
        for model in dict.fromkeys(run["model"] for run in runs):
            yield _quality_row(model, [run for run in runs if run["model"] == model])
        yield ""


def _quality_row(model: str, runs: Sequence[dict[str, Any]]) -> str:
    cells = [_spread([run[key] for run in runs]) for key in ("ari", "nmi", "purity", "mixing")]
    return f"| `{model}` | {' | '.join(cells)} |"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if len(known) == 1:
        return f"{known[0]:.2f}"
    return f"{mean(known):.2f} ({min(known):.2f}–{max(known):.2f})"


def scaling_table() -> Iterator[str]:
    """Seconds an epoch and peak memory at each size, with their slopes."""
    content = json.loads((RESULTS / "scaling.json").read_text())
    sizes = [cost["n_cells"] for cost in next(iter(content["models"].values()))["sizes"]]
    heads = [f"{size:,} cells" for size in sizes]
    yield f"| model | {' | '.join(heads)} | slope of time | slope of memory | MiB per 1,000 cells |"
    yield "|---|" + "---|" * (len(sizes) + 3)
    for model, found in content["models"].items():
        cells = [_cost(cost) for cost in found["sizes"]]
        slope = found["slope_epoch_seconds"]
        cells += ["—" if slope is None else str(slope), str(found["slope_memory"])]
        yield f"| `{model}` | {' | '.join([*cells, str(found['mib_per_1000_cells'])])} |"


def _cost(cost: dict[str, Any]) -> str:
    epoch = cost["epoch_seconds"]
    if cost["model"] == "pca":
        time = f"{cost['cpu_seconds']:.0f} s in all"
    else:
        time = "too short to tell" if epoch is None else f"{epoch:.2f} s"
    return f"{time}, {cost['peak_memory_mib']:,} MiB"


if __name__ == "__main__":
    sys.exit(main())
