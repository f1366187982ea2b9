"""Writes the records into the tables of README.md: ``python -m benchmarks.models.table``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.models.records import Judged, Records

README = Path(__file__).resolve().parent / "README.md"
RESULTS = README.parent / "results"
EARLIER = (
    "† The seeds after the dagger were recorded with earlier sources, or without their hashes; "
    "the tests judge seed 0 with the sources of today."
)


def main() -> int:
    README.write_text(with_tables(README.read_text()))
    return 0


def with_tables(page: str) -> str:
    """Return the page with the tables of today between its marks."""
    tables = {"quality": quality_tables(), "depth": depth_table(), "scaling": scaling_table()}
    for name, lines in tables.items():
        begin, end = f"<!-- {name}: written by table.py -->\n", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = "\n".join([before + begin, *lines, "", end + after])
    return page


def quality_tables() -> Iterator[str]:
    """Yield a table for each dataset: mean and range over seeds, and the trivial embeddings."""
    records = Records.read()
    for case, baselines in records.baselines.items():
        yield from (f"**{case}**", "", "| | k-means ARI | NMI | kNN purity | mixing |")
        yield "|---|---|---|---|---|"
        for name, baseline in baselines.items():
            cells = [f"{figure:.2f}" for figure in baseline.figures.plain().values()]
            yield f"| *{name.replace('_', ', ')}* | {' | '.join(cells)} | |"
        runs = [run for run in records.runs if run.case == case]
        # Without the batches a model is another one: it stands below the one that knows them.
        for model, batch in dict.fromkeys((run.model, run.batch) for run in runs):
            yield _quality_row([run for run in runs if (run.model, run.batch) == (model, batch)])
        yield ""
    if any(is_earlier(run, records.runs) for run in records.runs):
        yield EARLIER


def is_earlier(run: Judged, runs: Sequence[Judged]) -> bool:
    """Return True for a run without hashes, or with others than the seed 0 that is judged."""
    wanted = (run.case, run.model, run.batch, 0)
    first = next((r for r in runs if (r.case, r.model, r.batch, r.seed) == wanted), run)
    if run.evidence is None or first.evidence is None:
        return True
    return not {*run.evidence.differences(first.evidence)} <= {"job"}


def _quality_row(runs: Sequence[Judged]) -> str:
    figures = ("ari", "nmi", "purity", "mixing")
    cells = [_spread([getattr(run, name) for run in runs]) for name in figures]
    told = "" if runs[0].batch else " without batches"
    earlier = [str(run.seed) for run in runs if is_earlier(run, runs)]
    mark = f" †{','.join(earlier)}" if earlier else ""
    return f"| `{runs[0].model}`{told}{mark} | {' | '.join(cells)} |"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if len(known) == 1:
        return f"{known[0]:.2f}"
    return f"{mean(known):.2f} ({min(known):.2f}–{max(known):.2f})"


def depth_table() -> Iterator[str]:
    """Yield the table of the ways to deal with depth in ``pca``."""
    content = json.loads((RESULTS / "depth.json").read_text())
    yield "| data | modalities | divided by | depth left out | NMI | kNN purity | follows depth |"
    yield "|---|---|---|---|---|---|---|"
    for row in content["rows"]:
        dropped = "yes" if row["drop_depth"] else "no"
        nmi = f"{row['nmi']:.2f} ± {row['nmi_sd']:.2f}"
        cells = [row["case"], row["modalities"], row["weighting"] or "—", dropped, nmi]
        yield f"| {' | '.join(cells)} | {row['purity']:.2f} | {row['depth']:.2f} |"


def scaling_table() -> Iterator[str]:
    """Yield the table of seconds an epoch and peak memory at each size, with their slopes."""
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
